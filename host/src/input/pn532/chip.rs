//! Speaking with one PN532.

use std::convert::Infallible;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_hal::i2c::I2c;
use pn532::i2c::I2CInterface;
use pn532::requests::{Command, SAMMode};
use pn532::{CountDown, Request, nb};
use punchcard_core::badge::BadgeNumber;

use super::super::reading::Stop;
use super::Pn532Error;

/// The longest answer that is read: a badge with a number of ten bytes and all that it says of itself (7.3.5).
const LONGEST_ANSWER: usize = 64;
/// Room for the answer and for what a frame has around it.
const FRAME_ROOM: usize = LONGEST_ANSWER + 16;
/// How long a command may take. Its ACK comes within 15 ms (6.2.2), and what is asked here takes some ten.
const COMMAND_TAKES: Duration = Duration::from_millis(250);
/// Between two questions whether an answer is there.
const READY_AFTER: Duration = Duration::from_millis(2);

/// What a PN532 says of itself (7.2.2).
const PN532: u8 = 0x32;

/// MaxRetries (7.3.1, item 5): it looks for a badge twice, and says if there is none. Unless told it would look for ever.
const LOOK_TWICE: Request<4> = Request::new(Command::RFConfiguration, [0x05, 0xff, 0x01, 0x01]);

/// A chip that was set up.
pub(super) struct Chip<B: I2c> {
    chip: pn532::Pn532<I2CInterface<B>, Patience, FRAME_ROOM>,
    bus: PathBuf,
}

impl<B> Chip<B>
where
    B: I2c,
    B::Error: Send + Sync + Error + 'static,
{
    /// Finds out whether it is one, and sets it up.
    pub(super) fn begin(bus: B, path: &Path, stop: &Stop) -> Result<Self, Pn532Error> {
        let patience = Patience { stop: stop.clone(), left: Duration::ZERO };
        let mut chip = Self { chip: pn532::Pn532::new(I2CInterface { i2c: bus }, patience), bus: path.to_owned() };
        let firmware = match chip.command(&Request::GET_FIRMWARE_VERSION, 4) {
            // One that sleeps wakes by its address, and does not acknowledge it (data sheet, section 8.3.2).
            Err(Pn532Error::Bus { .. }) => chip.command(&Request::GET_FIRMWARE_VERSION, 4)?,
            asked => asked?,
        };
        match firmware.first() {
            Some(&PN532) => {}
            Some(found) => return Err(Pn532Error::Another { bus: chip.bus, found: *found }),
            None => return Err(chip.nonsense("no version")),
        }
        chip.command(&Request::sam_configuration(SAMMode::Normal, false), 0)?;
        chip.command(&LOOK_TWICE, 0)?;
        Ok(chip)
    }

    /// The badge that is before it, if any.
    pub(super) fn list(&mut self) -> Result<Option<BadgeNumber>, Pn532Error> {
        let listed = self.command(&Request::INLIST_ONE_ISO_A_TARGET, LONGEST_ANSWER)?;
        parse_listed(&listed).map_err(|what| self.nonsense(what))
    }

    fn command<const N: usize>(&mut self, request: &Request<N>, longest: usize) -> Result<Vec<u8>, Pn532Error> {
        use pn532::Error as Wrong;
        let bus = || self.bus.clone();
        match self.chip.process(request, longest, COMMAND_TAKES) {
            Ok(answer) => Ok(answer.to_vec()),
            Err(Wrong::InterfaceError(error)) => Err(Pn532Error::Bus { bus: bus(), source: error.into() }),
            Err(Wrong::TimeoutAck | Wrong::TimeoutResponse) => Err(Pn532Error::Silent { bus: bus() }),
            Err(Wrong::BadAck) => Err(self.nonsense("no ACK")),
            Err(Wrong::CrcError) => Err(self.nonsense("a wrong check sum")),
            Err(Wrong::Syntax) => Err(self.nonsense("it did not understand a command")),
            Err(Wrong::BadResponseFrame | Wrong::BufTooSmall) => Err(self.nonsense("no answer to what it was asked")),
        }
    }

    fn nonsense(&self, what: &str) -> Pn532Error {
        Pn532Error::Nonsense { bus: self.bus.clone(), what: what.to_owned() }
    }
}

/// What is listed: how many badges, and of the first its place, SENS_RES, SEL_RES, and its number with the length before it
/// (7.3.5). A number has 4, 7 or 10 bytes (ISO 14443-3, section 6.5.4).
fn parse_listed(listed: &[u8]) -> Result<Option<BadgeNumber>, &'static str> {
    match listed {
        [0, ..] => Ok(None),
        [_, _, _, _, _, length @ (4 | 7 | 10), rest @ ..] => {
            let uid = rest.get(..usize::from(*length)).ok_or("a badge whose number is cut off")?;
            BadgeNumber::of_bytes(uid).map(Some).ok_or("a badge without a number")
        }
        _ => Err("a badge whose number has no length that there is"),
    }
}

/// Waits for an answer, but not for one that is to come when the driver stops.
struct Patience {
    stop: Stop,
    left: Duration,
}

impl CountDown for Patience {
    type Time = Duration;

    fn start<T: Into<Duration>>(&mut self, count: T) {
        self.left = count.into();
    }

    fn wait(&mut self) -> nb::Result<(), Infallible> {
        if self.left.is_zero() || self.stop.rest(READY_AFTER).unwrap_or(true) {
            return Ok(());
        }
        self.left = self.left.saturating_sub(READY_AFTER);
        Err(nb::Error::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_becomes_a_number_or_is_refused() {
        let listed: [(&[u8], Result<Option<&str>, ()>); 8] = [
            (&[0], Ok(None)),
            (&[1, 1, 0, 4, 8, 4, 0x04, 0xa1, 0, 0xc3], Ok(Some("04A100C3"))),
            // With what it says of itself behind its number.
            (&[1, 1, 0, 0x44, 0x20, 7, 4, 1, 2, 3, 4, 5, 6, 5, 0x75, 0x77, 0x81, 2], Ok(Some("04010203040506"))),
            (&[1, 1, 0, 0x84, 0, 10, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9], Ok(Some("04010203040506070809"))),
            (&[1, 1, 0, 4, 8, 4, 1, 2, 3], Err(())),
            (&[1, 1, 0, 4, 8, 0], Err(())),
            (&[1, 1, 0, 4, 8, 5, 1, 2, 3, 4, 5], Err(())),
            (&[], Err(())),
        ];
        for (bytes, expected) in listed {
            let parsed = parse_listed(bytes).map_err(|_| ());
            let parsed = parsed.map(|number| number.map(|number| number.as_str().to_owned()));
            assert_eq!(parsed, expected.map(|number| number.map(str::to_owned)), "{bytes:02x?}");
        }
    }
}
