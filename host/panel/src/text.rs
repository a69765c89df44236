//! Text in a field: the largest font in which it fits, else sideways scrolling; a substitute for what the font lacks.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::{DrawTarget, DrawTargetExt};
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::{Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};

use super::scroll::Scroll;

/// Fonts from large to small. A text for which the last is still too wide scrolls in it.
pub(super) type Fonts = &'static [&'static MonoFont<'static>];

// Of the fonts that there are, those whose full stop and colon are squares, in which addresses and times are read best.
// The small ones that are not cannot tell `m` from `n`.

/// For what a person reads from a step away.
pub(super) const LARGE: Fonts = &[&iso_8859_1::FONT_10X20, &iso_8859_1::FONT_9X18_BOLD, &iso_8859_1::FONT_7X14_BOLD];
/// For a code: rather small than moving.
pub(super) const CODE: Fonts =
    &[&iso_8859_1::FONT_10X20, &iso_8859_1::FONT_9X18_BOLD, &iso_8859_1::FONT_7X14_BOLD, &iso_8859_1::FONT_6X12];
/// For a code beside a QR code. One that has to move is large again.
pub(super) const NARROW_CODE: Fonts =
    &[&iso_8859_1::FONT_9X18_BOLD, &iso_8859_1::FONT_7X14_BOLD, &iso_8859_1::FONT_9X18_BOLD];
/// For lines that explain.
pub(super) const LINE: Fonts = &[&iso_8859_1::FONT_7X14];
/// For what stands beside.
pub(super) const SMALL: Fonts = &[&iso_8859_1::FONT_6X12];
/// For what stands beside, where a text that stands still is worth a smaller font.
pub(super) const SMALL_OR_TINY: Fonts = &[&iso_8859_1::FONT_6X12, &iso_8859_1::FONT_5X8];
/// For many lines of words.
pub(super) const DENSE: Fonts = &[&iso_8859_1::FONT_6X10];
/// For what must not need space.
pub(super) const TINY: Fonts = &[&iso_8859_1::FONT_5X8];

/// Where a text that fits stands in its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// A place for one line of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) area: Rectangle,
    pub(super) fonts: Fonts,
    pub(super) align: Align,
    pub(super) color: BinaryColor,
}

impl Field {
    pub(super) fn new(x: i32, y: i32, width: u32, height: u32, fonts: Fonts) -> Self {
        let area = Rectangle::new(Point::new(x, y), Size::new(width, height));
        Self { area, fonts, align: Align::Left, color: BinaryColor::On }
    }

    pub(super) fn centered(self) -> Self {
        Self { align: Align::Center, ..self }
    }

    pub(super) fn right(self) -> Self {
        Self { align: Align::Right, ..self }
    }

    pub(super) fn dark(self) -> Self {
        Self { color: BinaryColor::Off, ..self }
    }

    /// Draws the text as it stands `shown_for_ms` after it appeared. Gives the milliseconds until it moves; none where
    /// it does not.
    pub(super) fn draw<D>(&self, target: &mut D, text: &str, shown_for_ms: u64) -> Result<Option<u64>, D::Error>
    where
        D: DrawTarget<Color = BinaryColor>,
    {
        let Some(font) = self.font(text) else { return Ok(None) };
        let width = text_width(font, text);
        let scroll = Scroll::new(width, self.area.size.width);
        let spare = self.area.size.width.saturating_sub(width);
        let indent = match self.align {
            Align::Left => 0,
            Align::Center => spare / 2,
            Align::Right => spare,
        };
        let above = self.area.size.height.saturating_sub(font.character_size.height) / 2;
        let offset = scroll.offset(shown_for_ms);

        let cell = font.character_size.width.max(1);
        let first = offset / cell;
        let left = signed(indent) + signed(first * cell) - signed(offset);
        let start = self.area.top_left + Point::new(left, signed(above));
        let seen = text.chars().skip(first as usize).take((self.area.size.width / cell + 2) as usize);
        draw_cells(&mut target.clipped(&self.area), font, self.color, start, seen)?;
        Ok(scroll.next_step(shown_for_ms))
    }

    fn font(&self, text: &str) -> Option<&'static MonoFont<'static>> {
        let fits = |font: &&&MonoFont<'_>| text_width(font, text) <= self.area.size.width;
        self.fonts.iter().find(fits).or(self.fonts.last()).copied()
    }
}

/// Pixels from the first column of the text to its last.
pub(super) fn text_width(font: &MonoFont<'_>, text: &str) -> u32 {
    let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    characters.saturating_mul(font.character_size.width)
}

/// A count of pixels as a coordinate. The panel is far smaller than either can say.
pub(super) fn signed(pixels: u32) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

/// Draws characters one after the other. One that the font lacks becomes an empty box, an ellipsis three dots.
fn draw_cells<D>(
    target: &mut D,
    font: &MonoFont<'_>,
    color: BinaryColor,
    start: Point,
    characters: impl Iterator<Item = char>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let style = MonoTextStyle::new(font, color);
    let cell = font.character_size.width;
    let mut line = String::new();
    let mut at = start;
    for character in characters {
        if has_glyph(font, character) {
            line.push(character);
        } else {
            line.push(' ');
            draw_substitute(target, font, color, at, character)?;
        }
        at.x = at.x.saturating_add(signed(cell));
    }
    Text::with_baseline(&line, start, style, Baseline::Top).draw(target)?;
    Ok(())
}

fn draw_substitute<D>(
    target: &mut D,
    font: &MonoFont<'_>,
    color: BinaryColor,
    at: Point,
    character: char,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let cell = font.character_size.width;
    let baseline = signed(font.baseline);
    if character == '…' {
        let dots = [0, 1, 2].map(|dot| at + Point::new(signed(cell) * (2 * dot + 1) / 6, baseline));
        return target.draw_iter(dots.map(|dot| embedded_graphics::Pixel(dot, color)));
    }
    let height = font.baseline * 3 / 4;
    let corner = at + Point::new(0, baseline - signed(height));
    Rectangle::new(corner, Size::new(cell.saturating_sub(1), height + 1))
        .into_styled(PrimitiveStyle::with_stroke(color, 1))
        .draw(target)
}

/// A font gives its question mark for what it lacks.
fn has_glyph(font: &MonoFont<'_>, character: char) -> bool {
    character == '?' || font.glyph_mapping.index(character) != font.glyph_mapping.index('?')
}

/// The text with typographic signs that the fonts lack made plain ones. Never for a code.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(plain_character).collect()
}

fn plain_character(character: char) -> char {
    match character {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2022}' => '·',
        '\u{2192}' => '>',
        '\u{2190}' => '<',
        _ => character,
    }
}

/// An address without its scheme, which is all that may be left out of it.
pub(super) fn without_scheme(url: &str) -> &str {
    url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::render_pixels;
    use crate::frame::{Frame, FrameSize};

    fn drawn(field: Field, text: &str, shown_for_ms: u64) -> (Frame, Option<u64>) {
        let mut frame = Frame::new(FrameSize::Low);
        let Ok(next) = field.draw(&mut frame, text, shown_for_ms);
        (frame, next)
    }

    #[test]
    fn a_text_takes_the_largest_font_in_which_it_fits() {
        let field = Field::new(0, 0, 100, 20, CODE);
        let table = [(10, 10), (11, 9), (12, 7), (14, 7), (15, 6), (16, 6), (17, 6)];
        for (characters, width) in table {
            let font = field.font(&"W".repeat(characters)).unwrap();
            assert_eq!(font.character_size.width, width, "{characters} characters");
        }
    }

    #[test]
    fn an_aligned_text_keeps_to_its_side() {
        let field = Field::new(10, 0, 20, 12, SMALL);
        let columns = |field| {
            let (frame, next) = drawn(field, "||", 0);
            assert_eq!(next, None);
            (0..128).filter(|x| (0..32).any(|y| frame.is_lit(*x, y))).collect::<Vec<u32>>()
        };
        assert_eq!(columns(field), [12, 18]);
        assert_eq!(columns(field.centered()), [16, 22]);
        assert_eq!(columns(field.right()), [20, 26]);
    }

    #[test]
    fn what_the_font_lacks_is_seen_as_a_box_and_a_question_mark_as_itself() {
        let (frame, _) = drawn(Field::new(0, 0, 32, 12, SMALL), "ä?语…", 0);
        insta::assert_snapshot!(
            render_pixels(&frame).lines().take(12).map(|line| &line[..26]).collect::<Vec<_>>().join("\n")
        );
    }

    /// Draws the text in a field as wide as itself and in a narrow one, and looks whether over one cycle every column of
    /// the former was seen in the latter.
    fn every_column_is_seen(text: &str, field: Field) -> bool {
        let font = field.font(text).unwrap();
        let width = text_width(font, text);
        let mut seen = std::collections::BTreeSet::new();
        let mut now = 0;
        while now < Scroll::new(width, field.area.size.width).cycle_ms() {
            let (frame, next) = drawn(field, text, now);
            let offset = Scroll::new(width, field.area.size.width).offset(now);
            for x in 0..field.area.size.width.min(width) {
                let column: Vec<bool> = (0..32).map(|y| frame.is_lit(x, y)).collect();
                assert_eq!(column, reference_column(text, font, field, x + offset), "column {x} at {now} ms");
                seen.insert(x + offset);
            }
            let Some(next) = next else { break };
            now += next;
        }
        seen.len() == width as usize
    }

    /// The column of the text without a field: the character alone, drawn at the origin.
    fn reference_column(text: &str, font: &MonoFont<'static>, field: Field, column: u32) -> Vec<bool> {
        let cell = font.character_size.width;
        let character = text.chars().nth((column / cell) as usize).unwrap().to_string();
        let mut frame = Frame::new(FrameSize::Low);
        let above = field.area.size.height.saturating_sub(font.character_size.height) / 2;
        let style = MonoTextStyle::new(font, BinaryColor::On);
        let Ok(_) =
            Text::with_baseline(&character, Point::new(0, signed(above)), style, Baseline::Top).draw(&mut frame);
        (0..32).map(|y| frame.is_lit(column % cell, y)).collect()
    }

    #[test]
    fn a_long_code_and_a_long_address_are_seen_whole() {
        let code = "W".repeat(15);
        let url = "accounts.example.org/device/authorize/x9";
        assert_eq!(url.len(), 40);
        assert!(every_column_is_seen(&code, Field::new(0, 0, 100, 20, CODE)));
        assert!(every_column_is_seen(&code, Field::new(0, 0, 63, 18, NARROW_CODE)));
        assert!(every_column_is_seen(url, Field::new(0, 0, 128, 12, SMALL)));
        assert!(every_column_is_seen(url, Field::new(0, 0, 63, 12, SMALL)));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(12))]
        #[test]
        fn any_text_is_seen_whole(text in "[ -~äß]{1,40}", width in 12_u32..=128) {
            proptest::prop_assert!(every_column_is_seen(&text, Field::new(0, 0, width, 20, LARGE)));
        }
    }

    #[test]
    fn a_megabyte_of_text_draws_as_quickly_as_a_line() {
        let (frame, next) = drawn(Field::new(0, 0, 128, 12, SMALL), &"x".repeat(1 << 20), u64::MAX / 2);
        assert!(next.is_some());
        assert_ne!(frame, Frame::new(FrameSize::Low));
    }

    #[test]
    fn typographic_signs_become_plain_ones() {
        assert_eq!(plain("“it’s” – 3 → 4 • ä…"), "\"it's\" - 3 > 4 · ä…");
    }

    #[test]
    fn only_the_scheme_is_left_out_of_an_address() {
        let table = [
            ("https://www.google.com/device", "www.google.com/device"),
            ("http://127.0.0.1:8080/device/", "127.0.0.1:8080/device/"),
            ("HTTPS://X.EXAMPLE", "HTTPS://X.EXAMPLE"),
            ("x.example/https://", "x.example/https://"),
        ];
        for (url, shown) in table {
            assert_eq!(without_scheme(url), shown);
        }
    }
}
