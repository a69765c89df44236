//! Text in a field: the largest font in which it fits, else sideways scrolling; a substitute for what the fonts lack.
//!
//! A text is drawn letter by letter as a person counts them, however a keyboard or a file composes them: a letter with its
//! accents is one, and so is an emoji that is joined from several.

use std::borrow::Cow;

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::{DrawTarget, DrawTargetExt};
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::{Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::font::{FONT_5X8, FONT_6X10, FONT_6X12, FONT_7X14, FONT_7X14_BOLD, FONT_9X18_BOLD, FONT_10X20, Font};
use super::scroll::Scroll;

/// Fonts from large to small. A text for which the last is still too wide scrolls in it.
pub(super) type Fonts = &'static [Font];

/// For what a person reads from a step away.
pub(super) const LARGE: Fonts = &[FONT_10X20, FONT_9X18_BOLD, FONT_7X14_BOLD];
/// For a code: rather small than moving.
pub(super) const CODE: Fonts = &[FONT_10X20, FONT_9X18_BOLD, FONT_7X14_BOLD, FONT_6X12];
/// For a code beside a QR code. One that has to move is large again.
pub(super) const NARROW_CODE: Fonts = &[FONT_9X18_BOLD, FONT_7X14_BOLD, FONT_9X18_BOLD];
/// For lines that explain.
pub(super) const LINE: Fonts = &[FONT_7X14];
/// For what stands beside.
pub(super) const SMALL: Fonts = &[FONT_6X12];
/// For what stands beside, where a text that stands still is worth a smaller font.
pub(super) const SMALL_OR_TINY: Fonts = &[FONT_6X12, FONT_5X8];
/// For many lines of words.
pub(super) const DENSE: Fonts = &[FONT_6X10];
/// For what must not need space.
pub(super) const TINY: Fonts = &[FONT_5X8];

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
        let text = composed(text);
        let letters: Vec<&str> = text.graphemes(true).collect();
        let Some(font) = self.font(letters.len()) else { return Ok(None) };
        let width = text_width(font, letters.len());
        let scroll = Scroll::new(width, self.area.size.width);
        let spare = self.area.size.width.saturating_sub(width);
        let indent = match self.align {
            Align::Left => 0,
            Align::Center => spare / 2,
            Align::Right => spare,
        };
        let above = self.area.size.height.saturating_sub(font.height()) / 2;
        let offset = scroll.offset(shown_for_ms);

        let cell = font.width().max(1);
        let first = offset / cell;
        let left = signed(indent) + signed(first * cell) - signed(offset);
        let mut at = self.area.top_left + Point::new(left, signed(above));
        let mut target = target.clipped(&self.area);
        for letter in letters.iter().skip(first as usize).take((self.area.size.width / cell + 2) as usize) {
            draw_letter(&mut target, font, self.color, at, letter)?;
            at.x = at.x.saturating_add(signed(cell));
        }
        Ok(scroll.next_step(shown_for_ms))
    }

    fn font(&self, letters: usize) -> Option<Font> {
        let fits = |font: &&Font| text_width(**font, letters) <= self.area.size.width;
        self.fonts.iter().find(fits).or(self.fonts.last()).copied()
    }
}

/// Pixels from the first column of so many letters to their last.
fn text_width(font: Font, letters: usize) -> u32 {
    u32::try_from(letters).unwrap_or(u32::MAX).saturating_mul(font.width())
}

/// A count of pixels as a coordinate. The panel is far smaller than either can say.
pub(super) fn signed(pixels: u32) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

/// The text with each letter and its accents as one character, where there is one.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// The part of a font and the character that draw a letter. None: the fonts lack it.
fn glyph(font: Font, letter: &str) -> Option<(&'static MonoFont<'static>, &str)> {
    // The selectors only choose between a plain and a coloured picture.
    let letter = letter.trim_end_matches(['\u{fe0e}', '\u{fe0f}']);
    let mut characters = letter.chars();
    let part = font.part(characters.next()?)?;
    characters.next().is_none().then_some((part, letter))
}

/// Draws a letter. One that the font lacks becomes an empty box, an ellipsis three dots.
fn draw_letter<D>(target: &mut D, font: Font, color: BinaryColor, at: Point, letter: &str) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    if let Some((part, letter)) = glyph(font, letter) {
        Text::with_baseline(letter, at, MonoTextStyle::new(part, color), Baseline::Top).draw(target)?;
        return Ok(());
    }
    let cell = font.width();
    let baseline = signed(font.baseline());
    if letter == ELLIPSIS {
        let dots = [0, 1, 2].map(|dot| at + Point::new(signed(cell) * (2 * dot + 1) / 6, baseline));
        return target.draw_iter(dots.map(|dot| embedded_graphics::Pixel(dot, color)));
    }
    let height = font.baseline() * 3 / 4;
    let corner = at + Point::new(0, baseline - signed(height));
    Rectangle::new(corner, Size::new(cell.saturating_sub(1), height + 1))
        .into_styled(PrimitiveStyle::with_stroke(color, 1))
        .draw(target)
}

const ELLIPSIS: &str = "…";

/// The letters of a text that a panel draws as an empty box, each once, in the order of the text. A letter is what a person
/// counts as one: with its accents, and an emoji with what is joined to it.
#[must_use]
pub fn undrawable(text: &str) -> Vec<String> {
    let text = plain(text);
    let mut lacking: Vec<String> = Vec::new();
    for letter in text.graphemes(true) {
        // Every font has the same letters.
        if glyph(FONT_10X20, letter).is_none() && letter != ELLIPSIS && !lacking.iter().any(|seen| seen == letter) {
            lacking.push(letter.to_owned());
        }
    }
    lacking
}

/// The text composed, with typographic signs that the fonts lack made plain ones. Never for a code.
pub(super) fn plain(text: &str) -> String {
    composed(text).chars().map(plain_character).collect()
}

fn plain_character(character: char) -> char {
    match character {
        '\u{2bb}' | '\u{2bc}' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2000}'..='\u{200a}' | '\u{202f}' => ' ',
        '\u{2022}' => '·',
        '\u{2192}' => '>',
        '\u{2190}' => '<',
        // The capital letter, which the fonts lack, looks like the small one.
        'ẞ' => 'ß',
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
            assert_eq!(field.font(characters).unwrap().width(), width, "{characters} characters");
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

    fn picture(text: &str, columns: usize) -> String {
        let (frame, _) = drawn(Field::new(0, 0, 128, 12, SMALL), text, 0);
        render_pixels(&frame).lines().take(12).map(|line| &line[..columns]).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn names_of_european_languages_are_drawn_with_their_own_letters() {
        insta::assert_snapshot!(picture("Łódź İş Ωή Їж", 78));
        assert_ne!(picture("Łódź", 78), picture("Lodz", 78));
    }

    #[test]
    fn a_text_looks_the_same_however_it_is_composed() {
        for text in ["Łódź", "Åsa", "Şükrü", "Ελευθερία", "Йошкар-Ола"] {
            let decomposed: String = text.nfd().collect();
            assert_eq!(picture(&decomposed, 128), picture(text, 128), "{text}");
            let field = Field::new(0, 0, 40, 12, SMALL).right();
            assert_eq!(drawn(field, &decomposed, 0), drawn(field, text, 0), "{text}");
        }
    }

    #[test]
    fn a_joined_emoji_is_one_box() {
        let boxed = picture("a语b", 128);
        for emoji in ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇪🇺", "q̈̈", "❤️"] {
            assert_eq!(picture(&format!("a{emoji}b"), 128), boxed, "{emoji}");
        }
        assert_eq!(picture("a©\u{fe0f}b", 128), picture("a©b", 128), "its plain picture is there");
    }

    #[test]
    fn what_can_t_be_drawn_is_said_once_and_as_a_person_counts_letters() {
        let table: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("Łódź Ωμέγα Їжак İ “ß” – ẞ…", &[]),
            ("e\u{301} a\u{328} и\u{306}", &[]),
            ("Лук\u{2bc}ян 10\u{202f}000 €", &[]),
            ("东京 and 东", &["东", "京"]),
            ("Garden 👩‍👩‍👧‍👦 👍🏽", &["👩‍👩‍👧‍👦", "👍🏽"]),
            ("Ґалаґан", &["Ґ", "ґ"]),
            ("q\u{308}a\n", &["q\u{308}", "\n"]),
        ];
        for (text, expected) in table {
            assert_eq!(undrawable(text), expected, "{text:?}");
        }
    }

    /// Draws the text in a field as wide as itself and in a narrow one, and looks whether over one cycle every column of
    /// the former was seen in the latter.
    fn every_column_is_seen(text: &str, field: Field) -> bool {
        let letters = text.chars().count();
        let font = field.font(letters).unwrap();
        let width = text_width(font, letters);
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
    fn reference_column(text: &str, font: Font, field: Field, column: u32) -> Vec<bool> {
        let cell = font.width();
        let character = text.chars().nth((column / cell) as usize).unwrap();
        let mut frame = Frame::new(FrameSize::Low);
        let above = field.area.size.height.saturating_sub(font.height()) / 2;
        let style = MonoTextStyle::new(font.part(character).unwrap(), BinaryColor::On);
        let Ok(_) = Text::with_baseline(&character.to_string(), Point::new(0, signed(above)), style, Baseline::Top)
            .draw(&mut frame);
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
        fn any_text_is_seen_whole(text in "[ -~äßŁżΩЯї]{1,40}", width in 12_u32..=128) {
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
