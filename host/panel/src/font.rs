//! The fonts: each has the letters that people in Europe write names with, Latin, Greek and Cyrillic, all of one size.
//!
//! `embedded-graphics` has the same fonts once for each part of ISO 8859; together they are one font here. So the letters of
//! all scripts fit the same layouts, which other collections do not offer in these sizes.

use embedded_graphics::mono_font::{
    MonoFont, iso_8859_1, iso_8859_2, iso_8859_3, iso_8859_4, iso_8859_5, iso_8859_7, iso_8859_9, iso_8859_10,
    iso_8859_13, iso_8859_14, iso_8859_15, iso_8859_16,
};

/// A font of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Font {
    /// The parts of ISO 8859, the first with a letter counts.
    parts: &'static [&'static MonoFont<'static>],
}

macro_rules! font {
    ($name:ident) => {
        Font {
            parts: &[
                &iso_8859_1::$name,
                &iso_8859_2::$name,
                &iso_8859_3::$name,
                &iso_8859_4::$name,
                &iso_8859_5::$name,
                &iso_8859_7::$name,
                &iso_8859_9::$name,
                &iso_8859_10::$name,
                &iso_8859_13::$name,
                &iso_8859_14::$name,
                &iso_8859_15::$name,
                &iso_8859_16::$name,
            ],
        }
    };
}

// Of the fonts that there are, those whose full stop and colon are squares, in which addresses and times are read best.
// The small ones that are not cannot tell `m` from `n`.

pub(super) const FONT_10X20: Font = font!(FONT_10X20);
pub(super) const FONT_9X18_BOLD: Font = font!(FONT_9X18_BOLD);
pub(super) const FONT_7X14_BOLD: Font = font!(FONT_7X14_BOLD);
pub(super) const FONT_7X14: Font = font!(FONT_7X14);
pub(super) const FONT_6X12: Font = font!(FONT_6X12);
pub(super) const FONT_6X10: Font = font!(FONT_6X10);
pub(super) const FONT_5X8: Font = font!(FONT_5X8);

impl Font {
    /// The pixels from one letter to the next.
    pub(super) fn width(self) -> u32 {
        self.parts.first().map_or(0, |part| part.character_size.width)
    }

    /// The pixels from the top of a line to its bottom.
    pub(super) fn height(self) -> u32 {
        self.parts.first().map_or(0, |part| part.character_size.height)
    }

    /// The pixels from the top of a line to the row on which letters stand.
    pub(super) fn baseline(self) -> u32 {
        self.parts.first().map_or(0, |part| part.baseline)
    }

    /// The part that has this letter. Every font has the same letters.
    pub(super) fn part(self, letter: char) -> Option<&'static MonoFont<'static>> {
        self.parts.iter().copied().find(|part| has_glyph(part, letter))
    }
}

/// A part gives its question mark for what it lacks, and for three characters that its tables list without a picture.
fn has_glyph(part: &MonoFont<'_>, letter: char) -> bool {
    let listed = letter == '?' || part.glyph_mapping.index(letter) != part.glyph_mapping.index('?');
    listed && !matches!(letter, '\u{7f}' | '\u{3a2}' | '\u{3cf}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Font; 7] = [FONT_10X20, FONT_9X18_BOLD, FONT_7X14_BOLD, FONT_7X14, FONT_6X12, FONT_6X10, FONT_5X8];

    #[test]
    fn every_font_has_what_people_in_europe_write_names_with() {
        let names = "Łódź Ščepán Żaneta Őrsi Ţepeş Țepeș Đorđe İıĞğ Ŵŷ Ķēģ Ñç Þð Œuvre Ħġ Šarūnas Ŋátte ß Å \
                     Ελευθερία Ϊϋΐ Юлия Ёж Їжак Єва Ђорђе Љубица Ўладзімір Ѓорѓи";
        for font in ALL {
            for letter in names.chars() {
                assert!(font.part(letter).is_some(), "{letter} in {} by {}", font.width(), font.height());
            }
        }
    }

    #[test]
    fn every_font_has_the_same_letters_and_all_its_parts_have_one_size() {
        for font in ALL {
            for (part, same_part) in font.parts.iter().zip(FONT_10X20.parts) {
                assert!(std::ptr::addr_eq(part.glyph_mapping, same_part.glyph_mapping));
                assert_eq!((part.character_size.width, part.baseline), (font.width(), font.baseline()));
                assert_eq!((part.character_size.height, part.character_spacing), (font.height(), 0));
            }
        }
    }

    #[test]
    fn what_has_no_picture_is_not_drawn_as_a_question_mark() {
        for letter in ['\u{7f}', '\u{3a2}', 'Ϗ', '语', '\n', '😀'] {
            assert_eq!(FONT_6X12.part(letter), None, "{letter:?}");
        }
        assert!(FONT_6X12.part('?').is_some());
    }
}
