//! The SH1106 of Sino Wealth, by its data sheet (version 2.3). It looks like an SSD1306 and is often sold as one; it has 132
//! columns, page addressing alone, and other commands for its voltage. Numbers are those of its command table.

use super::chip::Chip;
use super::oled::{Drive, Glass, Piece, parse_write, render};

/// Columns of the memory.
const COLUMNS: u8 = 132;
/// Pages of the memory, of eight rows.
const PAGES: u8 = 8;

/// An SH1106 on its glass.
pub struct Sh1106 {
    glass: Glass,
    drive: Drive,
    /// By page and column.
    memory: Vec<[u8; COLUMNS as usize]>,
    column: u8,
    page: u8,
    /// Column 0 is segment 131.
    is_remapped: bool,
    /// The first byte of a command of two.
    command: Option<u8>,
    complaints: Vec<String>,
}

impl Sh1106 {
    /// A chip without power, on a glass of 128 by 64.
    #[must_use]
    pub fn new() -> Self {
        Self {
            glass: Glass::SH1106,
            // Its converter is on after a reset (command 14).
            drive: Drive::reset(true),
            memory: vec![[0; COLUMNS as usize]; PAGES.into()],
            column: 0,
            page: 0,
            is_remapped: false,
            command: None,
            complaints: Vec::new(),
        }
    }

    /// Whether a pixel is lit, seen from the front.
    #[must_use]
    pub fn is_lit(&self, x: u32, y: u32) -> bool {
        let right = self.glass.width.checked_sub(x + 1).map(|right| right + self.glass.first_segment);
        let (Some(segment), Some(row)) = (right, self.drive.row(self.glass, y)) else { return false };
        let column = if self.is_remapped { u32::from(COLUMNS) - 1 - segment } else { segment };
        let byte = self.memory.get((row / 8) as usize).and_then(|page| page.get(column as usize));
        byte.is_some_and(|byte| self.drive.lights(byte >> (row % 8) & 1 == 1))
    }

    /// What is seen: a line for each row, with `#` for a lit pixel and `.` for a dark one.
    #[must_use]
    pub fn picture(&self) -> String {
        render(self.glass, |x, y| self.is_lit(x, y))
    }

    /// How bright it is.
    #[must_use]
    pub fn contrast(&self) -> u8 {
        self.drive.contrast
    }

    /// Whether it lights anything at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.drive.is_on
    }

    /// What was written that the data sheet does not allow, since it has power.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let wiring = self.drive.is_on.then(|| self.drive.complaint(self.glass)).flatten();
        self.complaints.iter().cloned().chain(wiring).collect()
    }

    fn take_command(&mut self, byte: u8) {
        let taken = match (self.command.take(), byte) {
            (Some(first), setting) => self.perform_double(first, setting),
            // Commands 9, 12, 14, 18 to 23: another byte follows.
            (None, 0x81 | 0xa8 | 0xad | 0xd3 | 0xd5 | 0xd9..=0xdb) => {
                self.command = Some(byte);
                Ok(())
            }
            (None, single) => self.perform_single(single),
        };
        if let Err(complaint) = taken {
            self.complaints.push(complaint);
        }
    }

    fn perform_single(&mut self, command: u8) -> Result<(), String> {
        match command {
            // 1 and 2: the column, in two halves.
            0x00..=0x0f => self.column = self.column & 0xf0 | command,
            0x10..=0x1f => self.column = self.column & 0x0f | command << 4,
            // 3: the pump's voltage.
            0x30..=0x33 => {}
            0x40..=0x7f => self.drive.start_line = u32::from(command & 0x3f),
            0xa0 | 0xa1 => self.is_remapped = command == 0xa1,
            0xa4 | 0xa5 => self.drive.is_all_lit = command == 0xa5,
            0xa6 | 0xa7 => self.drive.is_inverted = command == 0xa7,
            0xae | 0xaf => self.drive.is_on = command == 0xaf,
            0xb0..=0xb7 => self.page = command & 0x07,
            0xc0 | 0xc8 => self.drive.scans_downwards = command == 0xc8,
            // 26: no operation.
            0xe3 => {}
            _ => return Err(format!("unknown command {command:#04x}")),
        }
        Ok(())
    }

    fn perform_double(&mut self, command: u8, setting: u8) -> Result<(), String> {
        match (command, setting) {
            (0x81, contrast) => self.drive.contrast = contrast,
            (0xa8, ratio @ 0..=63) => self.drive.last_row = ratio.into(),
            (0xad, 0x8a | 0x8b) => self.drive.has_pump = setting == 0x8b,
            (0xd3, offset @ 0..=63) => self.drive.offset = offset.into(),
            (0xd5, _) => {}
            (0xd9, phases) if phases & 0x0f != 0 && phases & 0xf0 != 0 => {}
            (0xda, 0x02 | 0x12) => self.drive.com_pins = setting,
            (0xdb, _) => {}
            // What ends a command that was cut off. Its meaning is whatever the chip makes of it.
            (_, 0xe3) => {}
            _ => return Err(format!("command {command:#04x} has no setting {setting:#04x}")),
        }
        Ok(())
    }

    fn take_data(&mut self, byte: u8) {
        let place = self.memory.get_mut(usize::from(self.page)).and_then(|page| page.get_mut(usize::from(self.column)));
        match place {
            Some(place) => *place = byte,
            None => self.complaints.push(format!("data for column {}, of {COLUMNS}", self.column)),
        }
        self.column = self.column.saturating_add(1);
    }
}

impl Default for Sh1106 {
    fn default() -> Self {
        Self::new()
    }
}

impl Chip for Sh1106 {
    fn power_on(&mut self) {
        *self = Self::new();
        // Nobody says what the memory holds then.
        for (page, bytes) in (0_u8..).zip(&mut self.memory) {
            for (column, byte) in (0_u8..).zip(bytes) {
                *byte = column.wrapping_mul(53) ^ page.wrapping_mul(29) ^ 0xa5;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        match parse_write(bytes) {
            Ok(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Command(byte) => self.take_command(byte),
                        Piece::Data(byte) => {
                            if let Some(command) = self.command.take() {
                                self.complaints.push(format!("data within the command {command:#04x}"));
                            }
                            self.take_data(byte);
                        }
                    }
                }
            }
            Err(complaint) => self.complaints.push(complaint),
        }
    }

    /// The status: bit 6 says that the display is off; the lower half tells it from an SSD1306.
    fn read(&mut self, room: &mut [u8]) {
        room.fill(if self.drive.is_on { 0x08 } else { 0x48 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(chip: &Sh1106) -> Vec<(u32, u32)> {
        let all = (0..64).flat_map(|y| (0..128).map(move |x| (x, y)));
        all.filter(|(x, y)| chip.is_lit(*x, *y)).collect()
    }

    fn dark() -> Sh1106 {
        let mut chip = Sh1106::new();
        chip.write(&[0x00, 0xa1, 0xc8, 0xaf]);
        chip
    }

    #[test]
    fn the_glass_begins_at_the_third_column() {
        let table: [(&[u8], &[(u32, u32)]); 4] = [
            (&[0x00, 0xb0, 0x00, 0x10], &[]),
            (&[0x00, 0xb0, 0x02, 0x10], &[(0, 0)]),
            (&[0x00, 0xb7, 0x01, 0x18], &[(127, 56)]),
            (&[0x00, 0xb7, 0x02, 0x18], &[]),
        ];
        for (place, expected) in table {
            let mut chip = dark();
            chip.write(place);
            chip.write(&[0x40, 1]);
            assert_eq!(lit(&chip), expected, "{place:02x?}");
            chip.write(&[0x00, 0xa0, 0xc0]);
            let turned: Vec<(u32, u32)> = expected.iter().map(|(x, y)| (127 - x, 63 - y)).collect();
            assert_eq!(lit(&chip), turned, "{place:02x?}");
            assert_eq!(chip.complaints(), Vec::<String>::new());
        }
    }

    #[test]
    fn what_only_an_ssd1306_has_is_a_complaint() {
        let table: [(&[u8], &str); 6] = [
            (&[0x00, 0x20], "unknown command 0x20"),
            (&[0x00, 0x8d], "unknown command 0x8d"),
            (&[0x00, 0x2e], "unknown command 0x2e"),
            (&[0x00, 0xad, 0x10], "no setting"),
            (&[0x80, 0x81, 0x40, 1], "data within the command 0x81"),
            (&[0x80, 0x04, 0x80, 0x18, 0x40, 1], "data for column 132"),
        ];
        for (bytes, expected) in table {
            let mut chip = dark();
            chip.write(bytes);
            let complaints = chip.complaints();
            assert!(complaints.len() == 1 && complaints[0].contains(expected), "{bytes:02x?}: {complaints:?}");
        }
    }
}
