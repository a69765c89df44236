//! The SCD40 and SCD41 of Sensirion, by their data sheet (version 1.4). Section numbers are of that.
//!
//! It has no clock: a measurement takes until it was asked several times whether there is one.

use super::bme280::Air;
use super::chip::Chip;

// Commands (section 3.5).
const START: u16 = 0x21b1;
const READ: u16 = 0xec05;
const STOP: u16 = 0x3f86;
const IS_READY: u16 = 0xe4b8;
const SERIAL_NUMBER: u16 = 0x3682;

/// So often it is asked whether a measurement is there before one is.
const ASKED: u32 = 3;
/// What is read where nothing is to be read.
const NOTHING: u8 = 0xff;

/// An SCD4x.
pub struct Scd4x {
    /// Parts per million.
    co2: u16,
    air: Air,
    /// How often it still has to be asked, while it measures.
    measuring: Option<u32>,
    answer: Vec<u8>,
    /// It spoils its checksums.
    is_broken: bool,
    complaints: Vec<String>,
}

impl Scd4x {
    /// A chip without power, in this air. Its pressure is not measured.
    #[must_use]
    pub fn new(co2: u16, air: Air) -> Self {
        Self { co2, air, measuring: None, answer: Vec::new(), is_broken: false, complaints: Vec::new() }
    }

    /// Changes what surrounds it.
    pub fn set_air(&mut self, co2: u16, air: Air) {
        (self.co2, self.air) = (co2, air);
    }

    /// Has what it answers arrive with wrong checksums, or no longer.
    pub fn set_broken(&mut self, is_broken: bool) {
        self.is_broken = is_broken;
    }

    /// What was asked of it that its data sheet does not allow.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    fn command(&mut self, command: u16) {
        self.answer.clear();
        match (command, self.measuring) {
            (START, None) => self.measuring = Some(ASKED),
            (STOP, _) => self.measuring = None,
            (IS_READY, None) => self.answer = words(&[0x8000]),
            (IS_READY, Some(left)) => {
                // The lower eleven bits say it (section 3.5.4).
                self.answer = words(&[if left == 0 { 0x8006 } else { 0x8000 }]);
                self.measuring = Some(left.saturating_sub(1));
            }
            (READ, Some(0)) => {
                let Air { temperature, humidity, .. } = self.air;
                // Section 3.5.2.
                self.answer = words(&[self.co2, part_of(temperature + 45.0, 175.0), part_of(humidity, 100.0)]);
                self.measuring = Some(ASKED);
            }
            // Nothing is there: the chip does not acknowledge.
            (READ, _) => {}
            (SERIAL_NUMBER, None) => self.answer = words(&[0xbeef, 0x0123, 0x4567]),
            _ => self.complaints.push(format!("{command:#06x} while measuring is {:?}", self.measuring)),
        }
        if self.is_broken {
            for checksum in self.answer.iter_mut().skip(2).step_by(3) {
                *checksum ^= 1;
            }
        }
    }
}

impl Chip for Scd4x {
    fn power_on(&mut self) {
        self.measuring = None;
        self.answer.clear();
    }

    /// One that measures takes few commands (section 3.4).
    fn acknowledges(&self, bytes: &[u8]) -> bool {
        let command = <[u8; 2]>::try_from(bytes).map(u16::from_be_bytes);
        self.measuring.is_none() || command.is_ok_and(|command| [STOP, IS_READY, READ].contains(&command))
    }

    fn write(&mut self, bytes: &[u8]) {
        match *bytes {
            [high, low] => self.command(u16::from_be_bytes([high, low])),
            // Only its address.
            [] => {}
            _ => self.complaints.push(format!("{} bytes were written", bytes.len())),
        }
    }

    fn read(&mut self, room: &mut [u8]) {
        let answer = std::mem::take(&mut self.answer);
        for (place, byte) in room.iter_mut().zip(answer.into_iter().chain(std::iter::repeat(NOTHING))) {
            *place = byte;
        }
    }
}

/// A value as a part of the whole range of 16 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to the range")]
fn part_of(value: f64, range: f64) -> u16 {
    (value / range * 65_535.0).round().clamp(0.0, 65_535.0) as u16
}

/// Each with its checksum (section 3.11).
fn words(words: &[u16]) -> Vec<u8> {
    let with_checksum = |word: &u16| {
        let [high, low] = word.to_be_bytes();
        [high, low, checksum([high, low])]
    };
    words.iter().flat_map(with_checksum).collect()
}

fn checksum(bytes: [u8; 2]) -> u8 {
    bytes.iter().fold(0xff, |sum, byte| {
        (0..8).fold(sum ^ byte, |sum: u8, _| if sum & 0x80 == 0 { sum << 1 } else { sum << 1 ^ 0x31 })
    })
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::I2c;

    use super::super::{Bus, BusError};
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_data_sheets_example() {
        assert_eq!(checksum([0xbe, 0xef]), 0x92);
    }

    #[test]
    fn it_measures_once_it_was_started_and_each_measurement_is_read_once() {
        const ADDRESS: u8 = 0x62;
        let mut bus = Bus::new();
        let air = Air { temperature: 22.001_22, humidity: 50.000_763, pressure: 0.0 };
        let chip = bus.attach(ADDRESS, Scd4x::new(1_000, air));
        let mut ask = |command: u16, count: usize| {
            let mut room = vec![0; count];
            bus.write(ADDRESS, &command.to_be_bytes()).unwrap();
            bus.read(ADDRESS, &mut room).unwrap();
            room
        };
        assert_eq!(ask(IS_READY, 2), [0x80, 0]);
        assert_eq!(ask(READ, 3), [0xff; 3]);
        ask(START, 0);
        for _ in 0..ASKED {
            assert_eq!(ask(IS_READY, 2), [0x80, 0]);
        }
        assert_eq!(ask(IS_READY, 2), [0x80, 6]);
        // Bytes that the driver `scd4x` is tested with.
        assert_eq!(ask(READ, 9), [0x03, 0xe8, 0xd4, 0x62, 0x03, 0x5e, 0x80, 0x00, 0xa2]);
        assert_eq!(ask(IS_READY, 2), [0x80, 0]);
        // One that measures does not acknowledge it.
        assert_eq!(bus.write(ADDRESS, &START.to_be_bytes()), Err(BusError::DataRefused(ADDRESS)));
        assert_eq!(chip.lock().unwrap().complaints(), [] as [String; 0]);
    }
}
