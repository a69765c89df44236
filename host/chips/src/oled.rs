//! What an SSD1306 and an SH1106 have in common: how commands and data come in, and the glass that they light.
//!
//! Sections are those of the SSD1306's data sheet, revision 1.1; the SH1106's, version 2.3, says the same of these.

/// A command's byte, or a byte for the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Command(u8),
    Data(u8),
}

/// Takes a write apart by its control bytes (section 8.1.5.2): the highest bit says that one byte follows and then another
/// control byte, else all others follow; the next bit tells data from commands; the rest are zero.
pub(super) fn parse_write(bytes: &[u8]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some((control, after)) = rest.split_first() {
        if control & 0x3f != 0 {
            return Err(format!("{control:#04x} is not a control byte"));
        }
        let piece = if control & 0x40 == 0 { Piece::Command } else { Piece::Data };
        let taken = if control & 0x80 == 0 { after.len() } else { 1.min(after.len()) };
        let (now, later) = after.split_at(taken);
        pieces.extend(now.iter().copied().map(piece));
        rest = later;
    }
    Ok(pieces)
}

/// The glass that a chip is bonded to: how large it is, and which of the chip's lines it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glass {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The chip's segment at the right edge. With the segments remapped the glass is upright.
    pub first_segment: u32,
    /// What the command `0xda` has to say of how the rows are wired (section 10.1.18).
    pub com_pins: u8,
}

impl Glass {
    /// 128 by 32, on an SSD1306.
    pub const LOW: Self = Self { width: 128, height: 32, first_segment: 0, com_pins: 0x02 };
    /// 128 by 64, on an SSD1306.
    pub const HIGH: Self = Self { width: 128, height: 64, first_segment: 0, com_pins: 0x12 };
    /// 72 by 40, on an SSD1306.
    pub const SMALL: Self = Self { width: 72, height: 40, first_segment: 28, com_pins: 0x12 };
    /// 128 by 64, in the middle of the 132 segments of an SH1106.
    pub const SH1106: Self = Self { width: 128, height: 64, first_segment: 2, com_pins: 0x12 };
}

/// How a chip drives its lines: all that its commands set but the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drive {
    pub(super) is_on: bool,
    pub(super) has_pump: bool,
    pub(super) is_all_lit: bool,
    pub(super) is_inverted: bool,
    pub(super) contrast: u8,
    pub(super) start_line: u32,
    pub(super) offset: u32,
    /// The last row that is scanned: the multiplex ratio less one.
    pub(super) last_row: u32,
    pub(super) scans_downwards: bool,
    pub(super) com_pins: u8,
}

/// Rows of the memory.
const ROWS: u32 = 64;

impl Drive {
    /// The state after a reset (table 9-1).
    pub(super) fn reset(has_pump: bool) -> Self {
        Self {
            is_on: false,
            has_pump,
            is_all_lit: false,
            is_inverted: false,
            contrast: 0x7f,
            start_line: 0,
            offset: 0,
            last_row: ROWS - 1,
            scans_downwards: false,
            com_pins: 0x12,
        }
    }

    /// The row of the memory that the glass's row `y` shows. None: it stays dark.
    pub(super) fn row(&self, glass: Glass, y: u32) -> Option<u32> {
        // The glass is mounted for a scan downwards: its uppermost row is the highest line.
        let com = glass.height.checked_sub(y + 1)?;
        if com > self.last_row {
            return None;
        }
        let scanned = if self.scans_downwards { self.last_row - com } else { com };
        Some((scanned + self.start_line + self.offset) % ROWS)
    }

    /// Whether a pixel with this bit in memory is lit.
    pub(super) fn lights(&self, bit: bool) -> bool {
        self.is_on && self.has_pump && (self.is_all_lit || bit != self.is_inverted)
    }

    /// Why the glass would show nonsense.
    pub(super) fn complaint(&self, glass: Glass) -> Option<String> {
        if self.com_pins != glass.com_pins {
            let (set, wired) = (self.com_pins, glass.com_pins);
            return Some(format!("the rows are configured as {set:#04x}, and this glass is wired for {wired:#04x}"));
        }
        (self.offset != 0 && self.scans_downwards).then(|| "an offset of a scan downwards is not simulated".to_owned())
    }
}

/// Pixels as lines of `#` and `.`.
pub(super) fn render(glass: Glass, is_lit: impl Fn(u32, u32) -> bool) -> String {
    let mut text = String::new();
    for y in 0..glass.height {
        text.extend((0..glass.width).map(|x| if is_lit(x, y) { '#' } else { '.' }));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bytes_tell_commands_from_data() {
        use Piece::{Command, Data};
        let table: [(&[u8], Result<Vec<Piece>, String>); 7] = [
            (&[], Ok(vec![])),
            (&[0x00], Ok(vec![])),
            (&[0x00, 0xae, 0x40], Ok(vec![Command(0xae), Command(0x40)])),
            (&[0x40, 0x00, 0x80], Ok(vec![Data(0x00), Data(0x80)])),
            (&[0x80, 0xb0, 0x80, 0x02, 0x40, 1, 2], Ok(vec![Command(0xb0), Command(0x02), Data(1), Data(2)])),
            (&[0xc0, 7, 0x00, 0xaf], Ok(vec![Data(7), Command(0xaf)])),
            (&[0x01, 0xae], Err("0x01 is not a control byte".to_owned())),
        ];
        for (bytes, expected) in table {
            assert_eq!(parse_write(bytes), expected, "{bytes:02x?}");
        }
    }
}
