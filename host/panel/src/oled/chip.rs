//! The two chips: how each is set up, and how it is spoken to.
//!
//! The SSD1306 is set up by the `ssd1306` crate, which knows its glasses. Its frames are not sent by it: it forgets what
//! changed before it has sent it, and cuts data into pieces of sixteen bytes. The SH1106 is set up here, with a dozen bytes;
//! the one crate that has it would bring an executor's traits for them.

use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, Operation};
use ssd1306::command::AddrMode;
use ssd1306::prelude::DisplayRotation;
use ssd1306::size::{DisplaySize, DisplaySize72x40, DisplaySize128x32, DisplaySize128x64};
use ssd1306::{I2CDisplayInterface, Ssd1306};

use super::{COMMANDS, Connection, DATA};
use crate::frame::FrameSize;

/// A chip with its glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// An SSD1306, with a glass of any size.
    Ssd1306(FrameSize),
    /// An SH1106, with a glass of 128 by 64.
    Sh1106,
}

impl Chip {
    /// The column of the chip's memory at the glass's left edge.
    pub(super) fn first_column(self) -> u8 {
        match self {
            Self::Ssd1306(FrameSize::Small) => DisplaySize72x40::OFFSETX,
            Self::Ssd1306(FrameSize::Low | FrameSize::High) => 0,
            // 132 columns, of which the glass uses those in the middle.
            Self::Sh1106 => 2,
        }
    }
}

/// A chip on its bus.
pub(super) struct Link<'bus, B> {
    pub(super) bus: &'bus mut B,
    pub(super) address: u8,
}

impl<B: I2c> Link<'_, B> {
    pub(super) fn command(&mut self, bytes: &[u8]) -> Result<(), B::Error> {
        self.send(COMMANDS, bytes)
    }

    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), B::Error> {
        self.send(DATA, bytes)
    }

    fn send(&mut self, control: u8, bytes: &[u8]) -> Result<(), B::Error> {
        // Neighbouring writes are one message: `I2c::transaction`.
        let mut operations = [Operation::Write(&[control]), Operation::Write(bytes)];
        self.bus.transaction(self.address, &mut operations)
    }
}

/// Whether the chip says that it is off (SSD1306 data sheet, table 9-2: bit 6).
pub(super) fn is_off<B: I2c>(link: &mut Link<'_, B>) -> Result<bool, B::Error> {
    let mut status = [0];
    link.bus.read(link.address, &mut status)?;
    let [status] = status;
    Ok(status & 0x40 != 0)
}

/// From a chip of which nothing is known to one that shows what its memory holds, in page addressing mode.
pub(super) fn set_up<B: I2c>(link: &mut Link<'_, B>, connection: Connection) -> Result<(), B::Error> {
    match connection.chip {
        Chip::Ssd1306(FrameSize::Low) => set_up_ssd1306(link, DisplaySize128x32, connection.is_turned),
        Chip::Ssd1306(FrameSize::High) => set_up_ssd1306(link, DisplaySize128x64, connection.is_turned),
        Chip::Ssd1306(FrameSize::Small) => set_up_ssd1306(link, DisplaySize72x40, connection.is_turned),
        Chip::Sh1106 => set_up_sh1106(link, connection.is_turned),
    }
}

fn set_up_ssd1306<B, S>(link: &mut Link<'_, B>, size: S, is_turned: bool) -> Result<(), B::Error>
where
    B: I2c,
    S: DisplaySize,
{
    let rotation = if is_turned { DisplayRotation::Rotate180 } else { DisplayRotation::Rotate0 };
    let mut bus = Remembering { bus: &mut *link.bus, error: None };
    let interface = I2CDisplayInterface::new_custom_address(&mut bus, link.address);
    // Its own error does not say what was wrong.
    if Ssd1306::new(interface, size, rotation).init_with_addr_mode(AddrMode::Page).is_err()
        && let Some(error) = bus.error
    {
        return Err(error);
    }
    Ok(())
}

/// By the SH1106's data sheet, version 2.3; the values are those that it recommends, or those after a reset.
fn set_up_sh1106<B: I2c>(link: &mut Link<'_, B>, is_turned: bool) -> Result<(), B::Error> {
    let (segments, scan) = if is_turned { (0xa0, 0xc0) } else { (0xa1, 0xc8) };
    let commands: [&[u8]; 13] = [
        &[0xae],
        &[0xd5, 0x80],
        &[0xa8, 0x3f],
        &[0xd3, 0x00],
        &[0x40],
        // The converter for the glass's voltage.
        &[0xad, 0x8b],
        &[segments],
        &[scan],
        &[0xda, 0x12],
        &[0xd9, 0x22],
        &[0xdb, 0x35],
        // What the memory holds, not inverted.
        &[0xa4],
        &[0xa6],
    ];
    commands.into_iter().try_for_each(|command| link.command(command))
}

/// A bus that keeps the error that it gave, for a driver that does not pass it on.
struct Remembering<'bus, B: I2c> {
    bus: &'bus mut B,
    error: Option<B::Error>,
}

impl<B: I2c> ErrorType for Remembering<'_, B> {
    type Error = ErrorKind;
}

impl<B: I2c> I2c for Remembering<'_, B> {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        self.bus.transaction(address, operations).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            kind
        })
    }
}
