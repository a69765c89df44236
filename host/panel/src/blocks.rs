//! A frame as text: for terminals, for tests, and for people who look at a device from afar.

use super::frame::Frame;

/// The pixels of a character that stands for four.
const QUADRANTS: &[(u32, u32)] = &[(0, 0), (1, 0), (0, 1), (1, 1)];

/// Two pixels, one above the other, in a character. The pixels are square. 128 columns.
#[must_use]
pub fn render_half_blocks(frame: &Frame) -> String {
    const BLOCKS: [char; 4] = [' ', '▀', '▄', '█'];
    render(frame, 1, 2, |cell| BLOCKS.get(bits(cell, &[(0, 0), (0, 1)])).copied())
}

/// The same in ASCII.
#[must_use]
pub fn render_ascii_halves(frame: &Frame) -> String {
    const SIGNS: [char; 4] = [' ', '\'', '.', '#'];
    render(frame, 1, 2, |cell| SIGNS.get(bits(cell, &[(0, 0), (0, 1)])).copied())
}

/// Four pixels in a character. The pixels are twice as high as wide. 64 columns.
#[must_use]
pub fn render_quadrants(frame: &Frame) -> String {
    const BLOCKS: [char; 16] = [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'];
    render(frame, 2, 2, |cell| BLOCKS.get(bits(cell, QUADRANTS)).copied())
}

/// The same with half blocks, and with the signs of ASCII that resemble the others.
#[must_use]
pub fn render_half_block_quadrants(frame: &Frame) -> String {
    const SIGNS: [char; 16] = [' ', '`', '\'', '▀', '.', '[', '/', 'F', '.', '\\', ']', '7', '▄', 'L', 'J', '█'];
    render(frame, 2, 2, |cell| SIGNS.get(bits(cell, QUADRANTS)).copied())
}

/// The same in ASCII.
#[must_use]
pub fn render_ascii_quadrants(frame: &Frame) -> String {
    const SIGNS: [char; 16] = [' ', '`', '\'', '"', '.', '[', '/', 'F', '.', '\\', ']', '7', '_', 'L', 'J', '#'];
    render(frame, 2, 2, |cell| SIGNS.get(bits(cell, QUADRANTS)).copied())
}

/// Eight pixels in a character of Braille. The pixels are square, and dots. 64 columns.
#[must_use]
pub fn render_braille(frame: &Frame) -> String {
    // Unicode 16, section 21.1: the dots' order is that of six-dot Braille, with the lowest row after it.
    const DOTS: [(u32, u32); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    render(frame, 2, 4, |cell| u32::try_from(bits(cell, &DOTS)).ok().and_then(|dots| char::from_u32(0x2800 + dots)))
}

/// A character for each pixel: `#` is lit, `.` is dark.
#[must_use]
pub fn render_pixels(frame: &Frame) -> String {
    render(frame, 1, 1, |cell| Some(if cell(0, 0) { '#' } else { '.' }))
}

/// Lines of characters, each of which stands for `width` by `height` pixels. A line ends with a line feed.
fn render(
    frame: &Frame,
    width: u32,
    height: u32,
    character: impl Fn(&dyn Fn(u32, u32) -> bool) -> Option<char>,
) -> String {
    let mut text = String::new();
    for top in (0..frame.size().height()).step_by(height as usize) {
        for left in (0..frame.size().width()).step_by(width as usize) {
            let cell = |x, y| frame.is_lit(left + x, top + y);
            text.push(character(&cell).unwrap_or(' '));
        }
        text.push('\n');
    }
    text
}

/// The pixels of a cell as a number, the first in its lowest bit.
fn bits(cell: &dyn Fn(u32, u32) -> bool, pixels: &[(u32, u32)]) -> usize {
    pixels.iter().rev().fold(0, |bits, (x, y)| bits << 1 | usize::from(cell(*x, *y)))
}

#[cfg(test)]
mod tests {
    use embedded_graphics::Pixel;
    use embedded_graphics::draw_target::DrawTarget;
    use embedded_graphics::geometry::Point;
    use embedded_graphics::pixelcolor::BinaryColor;

    use super::*;
    use crate::frame::FrameSize;

    fn frame(lit: &[(i32, i32)]) -> Frame {
        let mut frame = Frame::new(FrameSize::Low);
        let Ok(()) = frame.draw_iter(lit.iter().map(|(x, y)| Pixel(Point::new(*x, *y), BinaryColor::On)));
        frame
    }

    fn starts_with(text: &str, line: usize, expected: &str) {
        assert_eq!(text.lines().nth(line).unwrap().trim_end_matches([' ', '.', '\u{2800}']), expected);
    }

    #[test]
    fn pixels_become_the_characters_that_look_like_them() {
        let frame = frame(&[(0, 0), (1, 1), (2, 0), (2, 1), (5, 0), (4, 1), (0, 2), (3, 3), (1, 3)]);
        starts_with(&render_half_blocks(&frame), 0, "▀▄█ ▄▀");
        starts_with(&render_half_blocks(&frame), 1, "▀▄ ▄");
        starts_with(&render_ascii_halves(&frame), 0, "'.# .'");
        starts_with(&render_quadrants(&frame), 0, "▚▌▞");
        starts_with(&render_half_block_quadrants(&frame), 0, "\\[/");
        starts_with(&render_ascii_quadrants(&frame), 0, "\\[/");
        starts_with(&render_quadrants(&frame), 1, "▚▗");
        starts_with(&render_braille(&frame), 0, "⢕⢃⠊");
        starts_with(&render_pixels(&frame), 0, "#.#..#");
    }

    #[test]
    fn a_picture_has_the_size_of_its_frame() {
        let frame = frame(&[]);
        let table = [
            (render_half_blocks(&frame), 128, 16),
            (render_ascii_halves(&frame), 128, 16),
            (render_quadrants(&frame), 64, 16),
            (render_half_block_quadrants(&frame), 64, 16),
            (render_ascii_quadrants(&frame), 64, 16),
            (render_braille(&frame), 64, 8),
            (render_pixels(&frame), 128, 32),
        ];
        for (text, columns, rows) in table {
            assert_eq!(text.lines().count(), rows);
            assert!(text.lines().all(|line| line.chars().count() == columns));
        }
    }
}
