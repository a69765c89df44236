//! `[panel]`: what the device shows itself on.

use super::node::{Node, quote};

/// The panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Panel {
    /// `driver`, with what belongs to it.
    pub driver: PanelDriver,
    /// `size`: `128x32` where it is left out.
    pub size: PanelSize,
}

/// What draws the panel's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PanelDriver {
    /// `ssd1306`: an OLED on an I2C bus.
    Ssd1306 {
        /// `bus`: the number N of `/dev/i2c-N`; 1 where it is left out.
        bus: u8,
        /// `address`: 0x3c or 0x3d; 0x3c where it is left out.
        address: u8,
    },
    /// `terminal`: drawn with characters.
    Terminal,
    /// `none`: the device shows nothing. So it is without a `[panel]`.
    #[default]
    None,
}

/// The panel's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PanelSize {
    /// `128x32`
    #[default]
    W128H32,
    /// `128x64`
    W128H64,
}

impl PanelSize {
    /// In pixels.
    #[must_use]
    pub fn width(self) -> u32 {
        128
    }

    /// In pixels.
    #[must_use]
    pub fn height(self) -> u32 {
        match self {
            Self::W128H32 => 32,
            Self::W128H64 => 64,
        }
    }
}

#[derive(Clone, Copy)]
enum RawDriver {
    Ssd1306,
    Terminal,
    None,
}

pub(super) fn parse_panel(node: &Node<'_, '_>) -> Option<Panel> {
    let mut table = node.table()?;
    let drivers = [("ssd1306", RawDriver::Ssd1306), ("terminal", RawDriver::Terminal), ("none", RawDriver::None)];
    let driver = table.required("driver", |node| node.word(&drivers));
    let sizes = [("128x32", PanelSize::W128H32), ("128x64", PanelSize::W128H64)];
    let size = table.optional("size", PanelSize::default(), |node| node.word(&sizes));
    let driver = match driver {
        Some(RawDriver::Ssd1306) => {
            let bus = table.optional("bus", 1, |node| parse_device_number(node, "/dev/i2c-"));
            let address = table.optional("address", 0x3c, parse_address);
            bus.zip(address).map(|(bus, address)| PanelDriver::Ssd1306 { bus, address })
        }
        Some(RawDriver::Terminal) => Some(PanelDriver::Terminal),
        Some(RawDriver::None) => Some(PanelDriver::None),
        None => {
            table.know(&["address", "bus"]);
            None
        }
    };
    table.finish()?;
    Some(Panel { driver: driver?, size: size? })
}

fn parse_address(node: &Node<'_, '_>) -> Option<u8> {
    match node.integer()? {
        0x3c => Some(0x3c),
        0x3d => Some(0x3d),
        other => node.refuse(format!("found {other:#x}; accepted are 0x3c and 0x3d, the addresses of an SSD1306")),
    }
}

/// The N of a device file such as `/dev/i2c-N`.
pub(super) fn parse_device_number(node: &Node<'_, '_>, path: &str) -> Option<u8> {
    let text = node.text()?;
    let number = text.strip_prefix(path).and_then(|number| number.parse::<u8>().ok());
    match number {
        Some(number) if format!("{path}{number}") == text => Some(number),
        _ => node.refuse(format!("found {}; accepted is `{path}0` to `{path}255`", quote(text))),
    }
}
