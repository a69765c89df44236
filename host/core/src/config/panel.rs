//! `[panel]`: what the device shows itself on.

use std::path::PathBuf;

use super::bus::{bus_of_number, parse_bus};
use super::node::Node;
use super::table::Table;

mod care;

pub(super) use self::care::parse_minute;
pub use self::care::{Care, Night};

/// The panel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Panel {
    /// `driver`, with what belongs to it.
    pub driver: PanelDriver,
    /// `size`: `128x32` where it is left out, or what the chip has alone.
    pub size: PanelSize,
}

/// What draws the panel's frames.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PanelDriver {
    /// `ssd1306` or `sh1106`: an OLED on an I2C bus.
    Oled(Oled),
    /// `terminal`: drawn with characters.
    Terminal,
    /// `none`: the device shows nothing. So it is without a `[panel]`.
    #[default]
    None,
}

/// An OLED on an I2C bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oled {
    /// `driver`: which chip it has.
    pub chip: OledChip,
    /// `bus`: the device file; `/dev/i2c-1` where it is left out.
    pub bus: PathBuf,
    /// `address`: 0x3c or 0x3d; 0x3c where it is left out.
    pub address: u8,
    /// `rotation`: 180, not 0.
    pub is_turned: bool,
    /// `contrast`, `night` and `blank-after`.
    pub care: Care,
}

/// The chip of an OLED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OledChip {
    /// `ssd1306`
    Ssd1306,
    /// `sh1106`
    Sh1106,
}

/// The panel's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PanelSize {
    /// `128x32`
    #[default]
    W128H32,
    /// `128x64`
    W128H64,
    /// `72x40`
    W72H40,
}

impl PanelSize {
    /// In pixels.
    #[must_use]
    pub fn width(self) -> u32 {
        match self {
            Self::W128H32 | Self::W128H64 => 128,
            Self::W72H40 => 72,
        }
    }

    /// In pixels.
    #[must_use]
    pub fn height(self) -> u32 {
        match self {
            Self::W128H32 => 32,
            Self::W128H64 => 64,
            Self::W72H40 => 40,
        }
    }
}

#[derive(Clone, Copy)]
enum RawDriver {
    Oled(OledChip),
    Terminal,
    None,
}

pub(super) fn parse_panel(node: &Node<'_, '_>) -> Option<Panel> {
    let mut table = node.table()?;
    let drivers = [
        ("ssd1306", RawDriver::Oled(OledChip::Ssd1306)),
        ("sh1106", RawDriver::Oled(OledChip::Sh1106)),
        ("terminal", RawDriver::Terminal),
        ("none", RawDriver::None),
    ];
    let driver = table.required("driver", |node| node.word(&drivers));
    let size = match driver {
        // Its glasses have one size.
        Some(RawDriver::Oled(OledChip::Sh1106)) => {
            table.optional("size", PanelSize::W128H64, |node| node.word(&[("128x64", PanelSize::W128H64)]))
        }
        _ => {
            let sizes = [("128x32", PanelSize::W128H32), ("128x64", PanelSize::W128H64), ("72x40", PanelSize::W72H40)];
            table.optional("size", PanelSize::default(), |node| node.word(&sizes))
        }
    };
    let driver = match driver {
        Some(RawDriver::Oled(chip)) => parse_oled(&mut table, chip).map(PanelDriver::Oled),
        Some(RawDriver::Terminal) => Some(PanelDriver::Terminal),
        Some(RawDriver::None) => Some(PanelDriver::None),
        None => {
            table.know(&["address", "blank-after", "bus", "contrast", "night", "rotation"]);
            None
        }
    };
    table.finish()?;
    Some(Panel { driver: driver?, size: size? })
}

fn parse_oled(table: &mut Table<'_, '_>, chip: OledChip) -> Option<Oled> {
    let bus = table.optional("bus", bus_of_number(1), parse_bus);
    let address = table.optional("address", 0x3c, parse_address);
    let is_turned = table.optional("rotation", false, |node| match node.integer()? {
        0 => Some(false),
        180 => Some(true),
        other => node.refuse(format!("found {other}; accepted are 0 and 180")),
    });
    let care = care::parse_care(table);
    Some(Oled { chip, bus: bus?, address: address?, is_turned: is_turned?, care: care? })
}

fn parse_address(node: &Node<'_, '_>) -> Option<u8> {
    match node.integer()? {
        0x3c => Some(0x3c),
        0x3d => Some(0x3d),
        other => node.refuse(format!("found {other:#x}; accepted are 0x3c and 0x3d, the addresses of these chips")),
    }
}
