//! A panel on an I2C bus: an SSD1306 or an SH1106.
//!
//! Only what changed is sent, a page at a time, which both chips understand. A chip that was without power has lost its
//! settings and its picture and says nothing of it: so it is asked now and then whether it is on. After any error nothing is
//! taken for granted: the bus is opened, the chip set up and everything sent anew, after a pause that grows with each
//! failure.
//!
//! What it deliberately does not know: the kernel, for whoever makes it says how the bus is opened; and any clock: it says
//! after how long it wants to be called again. What always holds: after a frame was shown without an error, the chip shows it.

mod chip;
mod update;

use std::error::Error;
use std::time::Duration;

use embedded_hal::i2c::I2c;
use punchcard_core::appearance::Appearance;

use super::driver::{Driver, DriverError};
use super::frame::Frame;
use chip::{Link, is_off, set_up};
use update::plan_updates;

pub use chip::Chip;

/// How often it is asked whether it is still on.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The pause after the first failure. Each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What a command stands behind, and what data does (SSD1306 data sheet, section 8.1.5.2).
const COMMANDS: u8 = 0x00;
const DATA: u8 = 0x40;

/// How a panel is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Its chip, with its glass.
    pub chip: Chip,
    /// Its address, of 7 bits.
    pub address: u8,
    /// It is mounted upside down.
    pub is_turned: bool,
}

/// Why a bus is not there.
pub type OpeningError = Box<dyn Error + Send + Sync>;

/// A panel on an I2C bus that `O` opens.
pub struct Oled<B: I2c, O> {
    connection: Connection,
    open: O,
    bus: Option<B>,
    /// What the chip shows. None: nobody knows.
    shown: Option<Shown>,
    appearance: Appearance,
    failures: u32,
}

/// What a chip was told that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    /// As it stands in the chip's memory. None: the memory holds anything.
    frame: Option<Frame>,
    contrast: u8,
    is_dark: bool,
    /// Some clones do not tell that they are on.
    tells_status: bool,
}

impl<B, O> Oled<B, O>
where
    B: I2c<Error: Error + Send + Sync + 'static>,
    O: FnMut() -> Result<B, OpeningError>,
{
    /// Nothing is opened before the first frame.
    pub fn new(connection: Connection, open: O) -> Self {
        let appearance = Appearance { contrast: 0x7f, is_dark: false, shift: (0, 0) };
        Self { connection, open, bus: None, shown: None, appearance, failures: 0 }
    }

    fn try_to_show(&mut self, frame: &Frame) -> Result<(), OpeningError> {
        let mut bus = match self.bus.take() {
            Some(bus) => bus,
            None => (self.open)()?,
        };
        let mut link = Link { bus: &mut bus, address: self.connection.address };
        let before = match self.shown.take() {
            Some(shown) if is_lost(&mut link, &shown)? => None,
            before => before,
        };
        let moved = frame.shifted(self.appearance.shift);
        let shown = bring_up(&mut link, self.connection, before, &moved, self.appearance)?;
        (self.bus, self.shown) = (Some(bus), Some(shown));
        Ok(())
    }
}

/// Whether the chip was without power since it was told what `shown` says.
fn is_lost<B: I2c>(link: &mut Link<'_, B>, shown: &Shown) -> Result<bool, B::Error> {
    // A chip that is dark was told to be off: it is set up anew before it is lit again. Whether it is there is seen from
    // its acknowledging.
    if shown.is_dark || !shown.tells_status {
        link.command(&[NO_OPERATION])?;
        return Ok(false);
    }
    is_off(link)
}

/// SSD1306 data sheet, table 9-1; SH1106, command 26.
const NO_OPERATION: u8 = 0xe3;

/// Has the chip show the frame.
fn bring_up<B: I2c<Error: Error + Send + Sync + 'static>>(
    link: &mut Link<'_, B>,
    connection: Connection,
    before: Option<Shown>,
    frame: &Frame,
    appearance: Appearance,
) -> Result<Shown, OpeningError> {
    let Appearance { contrast, is_dark, .. } = appearance;
    if is_dark {
        match before {
            Some(shown) if shown.is_dark => return Ok(shown),
            Some(shown) => {
                link.command(&[DISPLAY_OFF])?;
                return Ok(Shown { is_dark, ..shown });
            }
            None => {}
        }
    }
    let kept = before.filter(|shown| !shown.is_dark);
    let is_new = kept.is_none();
    let mut shown = match kept {
        Some(shown) => shown,
        None => {
            // A command that was cut off waits for the rest of it, of two bytes at most.
            link.command(&[NO_OPERATION; 2])?;
            set_up(link, connection)?;
            // The memory holds anything until everything is sent.
            link.command(&[DISPLAY_OFF])?;
            Shown { frame: None, contrast, is_dark: true, tells_status: false }
        }
    };
    if is_new || shown.contrast != contrast {
        link.command(&[CONTRAST, contrast])?;
        shown.contrast = contrast;
    }
    for update in plan_updates(shown.frame.as_ref(), frame) {
        let column = update.column + connection.chip.first_column();
        link.command(&[PAGE | update.page, column & 0x0f, COLUMN_HIGH | column >> 4])?;
        link.data(frame.page_bytes(update.page, update.column, update.length))?;
    }
    shown.frame = Some(frame.clone());
    if is_new && !is_dark {
        link.command(&[DISPLAY_ON])?;
        shown.is_dark = false;
        shown.tells_status = matches!(is_off(link), Ok(false));
    }
    Ok(shown)
}

/// Commands that both chips have (SSD1306, table 9-1; SH1106, commands 1, 2, 9, 15 and 16).
const COLUMN_HIGH: u8 = 0x10;
const CONTRAST: u8 = 0x81;
const DISPLAY_OFF: u8 = 0xae;
const DISPLAY_ON: u8 = 0xaf;
const PAGE: u8 = 0xb0;

impl<B, O> Driver for Oled<B, O>
where
    B: I2c<Error: Error + Send + Sync + 'static> + Send,
    O: FnMut() -> Result<B, OpeningError> + Send,
{
    fn show(&mut self, frame: &Frame) -> Result<(), DriverError> {
        let outcome = self.try_to_show(frame);
        // What it left behind after an error is not known: bus and picture were taken out before.
        self.failures = if outcome.is_ok() { 0 } else { self.failures.saturating_add(1) };
        outcome.map_err(DriverError::Oled)
    }

    fn set_appearance(&mut self, appearance: Appearance) {
        self.appearance = appearance;
    }

    fn again_after(&self) -> Option<Duration> {
        Some(match self.failures {
            0 => ASK_EVERY,
            failures => plan_pause(failures),
        })
    }
}

impl<B: I2c, O> Drop for Oled<B, O> {
    /// What stood there last would stand there for ever.
    fn drop(&mut self) {
        if let Some(bus) = &mut self.bus {
            let mut link = Link { bus, address: self.connection.address };
            // Nobody is left to hear that it failed.
            drop(link.command(&[DISPLAY_OFF]));
        }
    }
}

/// The pause after so many failures in a row, of which there is at least one.
fn plan_pause(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
