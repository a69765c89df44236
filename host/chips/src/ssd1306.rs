//! The SSD1306 of Solomon Systech, by its data sheet (revision 1.1 of April 2008). Section numbers are of that.

use super::chip::Chip;
use super::oled::{Drive, Glass, Piece, parse_write, render};

/// A command that does nothing (table 9-1).
const NO_OPERATION: u8 = 0xe3;
/// Columns of the memory.
const COLUMNS: u8 = 128;
/// Pages of the memory, of eight rows.
const PAGES: u8 = 8;

/// An SSD1306 on its glass.
pub struct Ssd1306 {
    glass: Glass,
    drive: Drive,
    /// By page and *segment*: a remap counts when a byte is written (section 10.1.8).
    memory: Vec<[u8; COLUMNS as usize]>,
    mode: Mode,
    columns: (u8, u8),
    pages: (u8, u8),
    column: u8,
    page: u8,
    /// Column 0 is segment 127.
    is_remapped: bool,
    /// The bytes of a command that is not whole yet.
    command: Vec<u8>,
    complaints: Vec<String>,
    status: Option<u8>,
}

/// How the memory's address goes on after a byte (section 10.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Horizontal,
    Vertical,
    Page,
}

impl Ssd1306 {
    /// A chip without power.
    #[must_use]
    pub fn new(glass: Glass) -> Self {
        let memory = vec![[0; COLUMNS as usize]; PAGES.into()];
        Self {
            glass,
            drive: Drive::reset(false),
            memory,
            mode: Mode::Page,
            columns: (0, COLUMNS - 1),
            pages: (0, PAGES - 1),
            column: 0,
            page: 0,
            is_remapped: false,
            command: Vec::new(),
            complaints: Vec::new(),
            status: None,
        }
    }

    /// Makes it a clone that answers each read with this byte.
    pub fn set_status(&mut self, status: u8) {
        self.status = Some(status);
    }

    /// Whether a pixel is lit, seen from the front.
    #[must_use]
    pub fn is_lit(&self, x: u32, y: u32) -> bool {
        let right = self.glass.width.checked_sub(x + 1).map(|right| right + self.glass.first_segment);
        let (Some(segment), Some(row)) = (right, self.drive.row(self.glass, y)) else { return false };
        let byte = self.memory.get((row / 8) as usize).and_then(|page| page.get(segment as usize));
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
        self.command.push(byte);
        let Some(wanted) = self.command.first().and_then(|first| length(*first)) else {
            self.complaints.push(format!("unknown command {:02x?}", self.command));
            self.command.clear();
            return;
        };
        if self.command.len() < wanted {
            return;
        }
        let command = std::mem::take(&mut self.command);
        let outcome = self.perform(&command);
        // What ends a command that was cut off. Its meaning is whatever the chip makes of it.
        let is_filled = wanted > 1 && byte == NO_OPERATION;
        if let Err(complaint) = outcome
            && !is_filled
        {
            self.complaints.push(format!("command {command:02x?}: {complaint}"));
        }
    }

    /// Table 9-1, and sections 10.1 and 10.2.
    fn perform(&mut self, command: &[u8]) -> Result<(), &'static str> {
        match *command {
            [low @ 0x00..=0x0f] => self.set_column(self.column & 0xf0 | low)?,
            [high @ 0x10..=0x1f] => self.set_column(self.column & 0x0f | high << 4)?,
            [0x20, 0] => self.mode = Mode::Horizontal,
            [0x20, 1] => self.mode = Mode::Vertical,
            [0x20, 2] => self.mode = Mode::Page,
            [0x21, first, last] if first <= last && last < COLUMNS && self.mode != Mode::Page => {
                (self.columns, self.column) = ((first, last), first);
            }
            [0x22, first, last] if first <= last && last < PAGES && self.mode != Mode::Page => {
                (self.pages, self.page) = ((first, last), first);
            }
            [0x21 | 0x22, _, _] => return Err("not a window of the memory, or in page addressing mode"),
            // Scrolling is off; nothing is to be done.
            [0x2e] => {}
            [line @ 0x40..=0x7f] => self.drive.start_line = u32::from(line & 0x3f),
            [0x81, contrast] => self.drive.contrast = contrast,
            // The application note of the charge pump, section 2.
            [0x8d, setting @ (0x10 | 0x14)] => self.drive.has_pump = setting == 0x14,
            [remap @ (0xa0 | 0xa1)] => self.is_remapped = remap == 0xa1,
            [all @ (0xa4 | 0xa5)] => self.drive.is_all_lit = all == 0xa5,
            [invert @ (0xa6 | 0xa7)] => self.drive.is_inverted = invert == 0xa7,
            [0xa8, ratio @ 15..=63] => self.drive.last_row = ratio.into(),
            // The SSD1306B alone, which small glasses have: where its current comes from.
            [0xad, 0x10 | 0x30] if self.glass == Glass::SMALL => {}
            [on @ (0xae | 0xaf)] => self.drive.is_on = on == 0xaf,
            [page @ 0xb0..=0xb7] if self.mode == Mode::Page => self.page = page & 0x07,
            [0xb0..=0xb7] => return Err("for page addressing mode only"),
            [scan @ (0xc0 | 0xc8)] => self.drive.scans_downwards = scan == 0xc8,
            [0xd3, offset @ 0..=63] => self.drive.offset = offset.into(),
            [0xd5, _] => {}
            [0xd9, phases] if phases & 0x0f != 0 && phases & 0xf0 != 0 => {}
            [0xda, pins @ (0x02 | 0x12 | 0x22 | 0x32)] => self.drive.com_pins = pins,
            // 0x40 is in no table, and what the `ssd1306` crate takes for "as usual"; chips take it for 0x30.
            [0xdb, 0x00 | 0x20 | 0x30 | 0x40] => {}
            [NO_OPERATION] => {}
            _ => return Err("not a setting that it has"),
        }
        Ok(())
    }

    fn set_column(&mut self, column: u8) -> Result<(), &'static str> {
        if self.mode != Mode::Page {
            return Err("for page addressing mode only");
        }
        self.column = column & 0x7f;
        Ok(())
    }

    fn take_data(&mut self, byte: u8) {
        let segment = if self.is_remapped { COLUMNS - 1 - self.column } else { self.column };
        if let Some(place) =
            self.memory.get_mut(usize::from(self.page)).and_then(|page| page.get_mut(usize::from(segment)))
        {
            *place = byte;
        }
        match self.mode {
            Mode::Page => self.column = (self.column + 1) % COLUMNS,
            Mode::Horizontal => {
                if next(&mut self.column, self.columns) {
                    next(&mut self.page, self.pages);
                }
            }
            Mode::Vertical => {
                if next(&mut self.page, self.pages) {
                    next(&mut self.column, self.columns);
                }
            }
        }
    }
}

/// Goes on within a window. True: it began anew.
fn next(pointer: &mut u8, (first, last): (u8, u8)) -> bool {
    let is_over = *pointer >= last;
    *pointer = if is_over { first } else { *pointer + 1 };
    is_over
}

/// The bytes of a command (table 9-1).
fn length(first: u8) -> Option<usize> {
    match first {
        0x00..=0x1f | 0x2e | 0x40..=0x7f | 0xa0 | 0xa1 | 0xa4..=0xa7 | 0xae..=0xb7 | 0xc0 | 0xc8 | 0xe3 => Some(1),
        0x20 | 0x81 | 0x8d | 0xa8 | 0xad | 0xd3 | 0xd5 | 0xd9..=0xdb => Some(2),
        0x21 | 0x22 => Some(3),
        // Scrolling by itself is in the data sheet and not simulated: a driver that uses it hears so.
        _ => None,
    }
}

impl Chip for Ssd1306 {
    fn power_on(&mut self) {
        let status = self.status;
        *self = Self::new(self.glass);
        self.status = status;
        // Nobody says what the memory holds then.
        for (page, bytes) in (0_u8..).zip(&mut self.memory) {
            for (column, byte) in (0_u8..).zip(bytes) {
                *byte = column.wrapping_mul(37) ^ page.wrapping_mul(91) ^ 0x5a;
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
                            if !self.command.is_empty() {
                                self.complaints.push(format!("data within the command {:02x?}", self.command));
                                self.command.clear();
                            }
                            self.take_data(byte);
                        }
                    }
                }
            }
            Err(complaint) => self.complaints.push(complaint),
        }
    }

    /// The status: bit 6 says that the display is off (table 9-2).
    fn read(&mut self, room: &mut [u8]) {
        room.fill(self.status.unwrap_or(if self.drive.is_on { 0x03 } else { 0x43 }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every driver sends first.
    const START: &[u8] = &[0x00, 0xa8, 0x1f, 0xda, 0x02, 0x8d, 0x14, 0xa1, 0xc8, 0xaf];

    fn lit(chip: &Ssd1306) -> Vec<(u32, u32)> {
        let all = (0..chip.glass.height).flat_map(|y| (0..chip.glass.width).map(move |x| (x, y)));
        all.filter(|(x, y)| chip.is_lit(*x, *y)).collect()
    }

    fn dark() -> Ssd1306 {
        let mut chip = Ssd1306::new(Glass::LOW);
        chip.write(START);
        chip
    }

    #[test]
    fn a_chip_with_power_shows_nothing_until_it_is_told_to() {
        let mut chip = Ssd1306::new(Glass::LOW);
        chip.power_on();
        assert!(lit(&chip).is_empty());
        chip.write(START);
        assert!(!lit(&chip).is_empty(), "what the memory happened to hold");
        assert!(chip.complaints().is_empty());
    }

    #[test]
    fn bytes_go_where_the_addressing_mode_says() {
        let table: [(&str, &[&[u8]], &[(u32, u32)]); 6] = [
            ("page", &[&[0x00, 0xb1, 0x05, 0x10], &[0x40, 1, 0x80]], &[(5, 8), (6, 15)]),
            ("page, at its end", &[&[0x00, 0xb0, 0x0f, 0x17], &[0x40, 1, 2]], &[(127, 0), (0, 1)]),
            ("horizontal", &[&[0x00, 0x20, 0, 0x21, 3, 4, 0x22, 1, 2], &[0x40, 1, 2, 4]], &[(3, 8), (4, 9), (3, 18)]),
            ("horizontal, over", &[&[0x00, 0x20, 0, 0x21, 3, 3, 0x22, 0, 0], &[0x40, 1, 2]], &[(3, 1)]),
            ("vertical", &[&[0x00, 0x20, 1, 0x21, 3, 4, 0x22, 1, 2], &[0x40, 1, 2, 4]], &[(3, 8), (3, 17), (4, 10)]),
            ("commands between", &[&[0x80, 0xb0, 0x80, 0x00, 0x80, 0x11, 0x40, 1]], &[(16, 0)]),
        ];
        for (name, writes, expected) in table {
            let mut chip = dark();
            for bytes in writes {
                chip.write(bytes);
            }
            let mut expected = expected.to_vec();
            expected.sort_by_key(|(x, y)| (*y, *x));
            assert_eq!(lit(&chip), expected, "{name}");
            assert_eq!(chip.complaints(), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn the_glass_can_be_turned_inverted_and_darkened() {
        let turned: &[(u32, u32)] = &[(127, 31)];
        let table: [(&[u8], &[u8], &[(u32, u32)]); 5] = [
            (&[0x00, 0xa0, 0xc0], &[], turned),
            (&[], &[0x00, 0xa0, 0xc0], &[(0, 31)]),
            // The second row comes first, and the first one after the last.
            (&[], &[0x00, 0x41], &[]),
            (&[], &[0x00, 0xae], &[]),
            (&[], &[0x00, 0x8d, 0x10], &[]),
        ];
        for (before, after, expected) in table {
            let mut chip = dark();
            chip.write(before);
            chip.write(&[0x40, 1]);
            chip.write(after);
            assert_eq!(lit(&chip), expected, "{before:02x?} {after:02x?}");
        }
        let mut chip = dark();
        chip.write(&[0x00, 0xa7]);
        assert_eq!(lit(&chip).len(), 128 * 32);
        chip.write(&[0x00, 0xa6, 0xa5]);
        assert_eq!(lit(&chip).len(), 128 * 32);
        chip.write(&[0x00, 0xa4]);
        assert_eq!(lit(&chip).len(), 0);
    }

    #[test]
    fn what_the_data_sheet_does_not_allow_is_a_complaint() {
        let table: [(&[u8], &str); 9] = [
            (&[0x00, 0x31], "unknown command [31]"),
            (&[0x00, 0x2f], "unknown command [2f]"),
            (&[0x00, 0x21, 0, 3], "page addressing mode"),
            (&[0x00, 0x20, 0, 0x21, 5, 3], "not a window"),
            (&[0x00, 0x20, 0, 0xb0], "page addressing mode only"),
            (&[0x00, 0xa8, 14], "not a setting"),
            (&[0x00, 0xda, 0x12], "this glass is wired for 0x02"),
            (&[0x80, 0x81, 0x40, 1], "data within the command [81]"),
            (&[0x7f], "not a control byte"),
        ];
        for (bytes, expected) in table {
            let mut chip = dark();
            chip.write(bytes);
            let complaints = chip.complaints();
            assert!(complaints.len() == 1 && complaints[0].contains(expected), "{bytes:02x?}: {complaints:?}");
        }
    }

    #[test]
    fn a_command_may_come_in_two_writes() {
        let mut chip = dark();
        chip.write(&[0x00, 0x81]);
        chip.write(&[0x00, 0x22]);
        assert_eq!((chip.contrast(), chip.complaints()), (0x22, Vec::new()));
    }

    #[test]
    fn a_command_that_was_cut_off_waits_for_its_end() {
        let mut chip = dark();
        chip.write(&[0x00, 0x8d]);
        chip.write(&[0x00, 0xae]);
        assert!(chip.complaints()[0].contains("[8d, ae]"), "{:?}", chip.complaints());
        let mut chip = dark();
        chip.write(&[0x00, 0x8d]);
        chip.write(&[0x00, 0xe3, 0xe3]);
        assert_eq!(chip.complaints(), Vec::<String>::new());
    }

    #[test]
    fn its_status_says_whether_it_is_on() {
        let mut chip = dark();
        let mut status = [0];
        chip.read(&mut status);
        assert_eq!(status[0] & 0x40, 0);
        chip.power_on();
        chip.read(&mut status);
        assert_eq!(status[0] & 0x40, 0x40);
    }
}
