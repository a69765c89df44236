//! The PN532 of NXP on I2C, by its user manual (UM0701-02) and data sheet (PN532/C1). Numbers are those of the manual's sections.
//!
//! It knows what a reader of badges needs: its version, SAMConfiguration, RFConfiguration, and InListPassiveTarget for badges of
//! ISO 14443 A at 106 kbit/s. A field holds any number of badges, of which it lists the first.

use std::collections::VecDeque;

use super::chip::Chip;

/// An ACK frame (section 6.2.1.3).
const ACK: [u8; 6] = [0x00, 0x00, 0xff, 0x00, 0xff, 0x00];
/// An error frame: the host wrote something of which the chip makes nothing (section 6.2.1.5).
const ERROR: [u8; 8] = [0x00, 0x00, 0xff, 0x01, 0xff, 0x7f, 0x81, 0x00];
/// Frames to the chip, and from it (section 6.2.1.1).
const TO_CHIP: u8 = 0xd4;
const FROM_CHIP: u8 = 0xd5;

/// A badge in the field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Badge {
    uid: Vec<u8>,
}

/// A PN532, with its antenna.
#[derive(Debug, Default)]
pub struct Pn532 {
    field: Vec<Badge>,
    /// What the host may read, one after the other.
    answers: VecDeque<Vec<u8>>,
    /// So many reads find it not ready, before the answer is.
    busy: usize,
    /// SAMConfiguration was done: before it, the chip is in a mode for other hosts (section 3.1.3).
    is_configured: bool,
    /// It gives up listing after so many tries (section 7.3.1, item 5). At first never.
    has_bound: bool,
    /// It waits for a badge, without a bound.
    is_waiting: bool,
    /// Bits of its answers are turned over.
    is_noisy: bool,
    complaints: Vec<String>,
}

impl Pn532 {
    /// A chip without power, and nothing before its antenna.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings a badge into the field. Its number has 4, 7 or 10 bytes.
    pub fn bring(&mut self, uid: &[u8]) {
        self.field.push(Badge { uid: uid.to_vec() });
        if std::mem::take(&mut self.is_waiting) {
            self.list();
        }
    }

    /// Takes all badges away.
    pub fn take_away(&mut self) {
        self.field.clear();
    }

    /// Has every answer arrive damaged, or no longer.
    pub fn set_noisy(&mut self, is_noisy: bool) {
        self.is_noisy = is_noisy;
    }

    /// What was written that the manual does not allow, since it has power.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }

    fn complain(&mut self, complaint: impl Into<String>) {
        self.complaints.push(complaint.into());
    }

    /// A normal information frame (section 6.2.1.1) holds these: its command, and what belongs to it.
    fn parse_frame(frame: &[u8]) -> Result<(u8, &[u8]), String> {
        let [0x00, 0x00, 0xff, length, length_sum, rest @ ..] = frame else {
            return Err(format!("{frame:02x?} does not begin as a frame"));
        };
        if length.wrapping_add(*length_sum) != 0 {
            return Err(format!("the check sum of the length {length:#04x} is wrong"));
        }
        let Some((data, [sum, 0x00])) = rest.split_at_checked((*length).into()) else {
            return Err(format!("a frame of length {length} has {} bytes after its length", rest.len()));
        };
        if data.iter().fold(*sum, |sum, byte| sum.wrapping_add(*byte)) != 0 {
            return Err("the check sum of the data is wrong".to_owned());
        }
        match data {
            [TO_CHIP, command, parameters @ ..] => Ok((*command, parameters)),
            _ => Err(format!("{data:02x?} is not for the chip")),
        }
    }

    fn answer(&mut self, command: u8, data: &[u8]) {
        let mut body = vec![FROM_CHIP, command + 1];
        body.extend_from_slice(data);
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let mut frame = vec![0x00, 0x00, 0xff, length, length.wrapping_neg()];
        frame.extend(body);
        frame.extend([sum.wrapping_neg(), 0x00]);
        self.answers.push_back(frame);
        self.busy = 2;
    }

    fn perform(&mut self, command: u8, parameters: &[u8]) {
        match (command, parameters) {
            // GetFirmwareVersion (7.2.2): a PN532, 1.6, of all kinds of badges.
            (0x02, []) => self.answer(command, &[0x32, 0x01, 0x06, 0x07]),
            // SAMConfiguration (7.2.10): normal mode; the second and third bytes may be left out.
            (0x14, [0x01, ..]) if parameters.len() <= 3 => {
                self.is_configured = true;
                self.answer(command, &[]);
            }
            // RFConfiguration (7.3.1), MaxRetries.
            (0x32, [0x05, _, _, passive]) => {
                self.has_bound = *passive != 0xff;
                self.answer(command, &[]);
            }
            // InListPassiveTarget (7.3.5) of one or two badges of type A.
            (0x4a, [1 | 2, 0x00]) => {
                if !self.is_configured {
                    self.complain("InListPassiveTarget comes before SAMConfiguration");
                }
                if self.field.is_empty() && !self.has_bound {
                    self.is_waiting = true;
                } else {
                    self.list();
                }
            }
            _ => {
                self.complain(format!("command {command:#04x} with {parameters:02x?}"));
                self.answers.push_back(ERROR.to_vec());
            }
        }
    }

    /// What it lists: how many, and of each its number, SENS_RES, SEL_RES, and the bytes of the badge's own number.
    fn list(&mut self) {
        let Some(Badge { uid }) = self.field.first().cloned() else { return self.answer(0x4a, &[0]) };
        let mut listed = vec![1, 1, 0x00, if uid.len() == 4 { 0x04 } else { 0x44 }, 0x08];
        listed.push(u8::try_from(uid.len()).unwrap_or(u8::MAX));
        listed.extend(uid);
        self.answer(0x4a, &listed);
    }
}

impl Chip for Pn532 {
    fn power_on(&mut self) {
        let field = std::mem::take(&mut self.field);
        *self = Self { field, ..Self::default() };
    }

    fn write(&mut self, bytes: &[u8]) {
        // Whatever was under way, a new command or an ACK ends it (section 6.2.1.3).
        self.answers.clear();
        (self.busy, self.is_waiting) = (0, false);
        if bytes == ACK {
            return;
        }
        match Self::parse_frame(bytes) {
            Ok((command, parameters)) => {
                let parameters = parameters.to_vec();
                self.answers.push_back(ACK.to_vec());
                self.perform(command, &parameters);
            }
            Err(complaint) => self.complain(complaint),
        }
    }

    /// The first byte says whether it is ready; the frame follows, from its beginning at each read (section 6.2.4).
    fn read(&mut self, room: &mut [u8]) {
        room.fill(0);
        // The ACK is ready at once, what follows takes its time.
        let is_ready = match self.answers.front() {
            Some(frame) if frame[..] == ACK => true,
            Some(_) if self.busy == 0 => true,
            _ => {
                self.busy = self.busy.saturating_sub(1);
                false
            }
        };
        let Some((ready, rest)) = room.split_first_mut() else { return };
        *ready = is_ready.into();
        // A read of the first byte alone is a question whether it is ready.
        if !is_ready || rest.is_empty() {
            return;
        }
        let frame = self.answers.pop_front().unwrap_or_default();
        if frame.len() > rest.len() {
            self.complain(format!("{} bytes are read of a frame of {}", rest.len(), frame.len()));
        }
        for (place, byte) in rest.iter_mut().zip(frame) {
            *place = if self.is_noisy { !byte } else { byte };
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::I2c;

    use super::*;
    use crate::Bus;

    const ADDRESS: u8 = 0x24;

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
        [&[0x00, 0x00, 0xff, length, length.wrapping_neg()], body, &[sum, 0x00]].concat()
    }

    /// What it answers to a command: its ACK, and the frame after it where there is one.
    fn ask(bus: &mut Bus, body: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        bus.write(ADDRESS, &frame(body)).unwrap();
        let read = |bus: &mut Bus| {
            for _ in 0..5 {
                let mut ready = [0];
                bus.read(ADDRESS, &mut ready).unwrap();
                if ready == [1] {
                    let mut room = [0; 32];
                    bus.read(ADDRESS, &mut room).unwrap();
                    return Some(room[1..].to_vec());
                }
            }
            None
        };
        (read(bus).unwrap()[..6].to_vec(), read(bus))
    }

    #[test]
    fn it_answers_as_the_manual_says() {
        let mut bus = Bus::new();
        let chip = bus.attach(ADDRESS, Pn532::new());
        let (ack, answer) = ask(&mut bus, &[0xd4, 0x02]);
        assert_eq!(ack, ACK);
        assert_eq!(answer.unwrap()[..13], [0, 0, 0xff, 6, 0xfa, 0xd5, 0x03, 0x32, 1, 6, 7, 0xe8, 0]);
        ask(&mut bus, &[0xd4, 0x14, 1, 0, 0]);
        let list = [0xd4, 0x4a, 1, 0];
        assert_eq!(ask(&mut bus, &list).1, None, "it waits for a badge");
        ask(&mut bus, &[0xd4, 0x32, 5, 0xff, 1, 1]);
        assert_eq!(ask(&mut bus, &list).1.unwrap()[5..8], [0xd5, 0x4b, 0]);
        chip.lock().unwrap().bring(&[4, 1, 2, 3]);
        assert_eq!(ask(&mut bus, &list).1.unwrap()[5..17], [0xd5, 0x4b, 1, 1, 0, 4, 8, 4, 4, 1, 2, 3]);
        assert_eq!(chip.lock().unwrap().complaints(), Vec::<String>::new());
    }

    #[test]
    fn what_the_manual_does_not_allow_is_a_complaint() {
        let good = frame(&[0xd4, 0x02]);
        let with = |position: usize, byte: u8| {
            let mut bad = good.clone();
            bad[position] = byte;
            bad
        };
        let table = [
            (with(2, 0xfe), "does not begin as a frame"),
            (with(4, 0), "the check sum of the length"),
            (with(7, 0), "the check sum of the data"),
            (good[..8].to_vec(), "bytes after its length"),
            (frame(&[0xd5, 0x02]), "is not for the chip"),
            (frame(&[0xd4, 0x77]), "command 0x77"),
            (frame(&[0xd4, 0x4a, 1, 0]), "before SAMConfiguration"),
        ];
        for (bytes, said) in table {
            let mut bus = Bus::new();
            let chip = bus.attach(ADDRESS, Pn532::new());
            bus.write(ADDRESS, &bytes).unwrap();
            let complaints = chip.lock().unwrap().complaints();
            assert!(complaints.len() == 1 && complaints[0].contains(said), "{complaints:?} instead of {said}");
        }
    }
}
