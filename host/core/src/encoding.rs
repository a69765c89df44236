//! Texts that are not in UTF-8: where the first byte stands that is not, and what the file probably is in.
//!
//! Editors on other systems save in UTF-16 or in an 8-bit encoding. Whoever is told so knows what to change.

use std::fmt;

/// Where a text stops being UTF-8. Displayed, it says the place and the probable encoding, and repeats nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8 {
    /// Starts at 1.
    pub line: usize,
    /// In characters; starts at 1.
    pub column: usize,
    /// The position of the first byte that does not belong there; starts at 0.
    pub byte: usize,
    /// What the file probably is in.
    pub encoding: Encoding,
}

/// What a file is in that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Two bytes for a character, as "Unicode" in some editors.
    Utf16,
    /// ISO 8859-1 or one of its relatives: a byte for a character.
    Latin1,
    /// Latin-1 with typographic quotation marks and dashes where that has control characters.
    Windows1252,
    /// UTF-8 that ends in the middle of a character.
    CutShort,
    /// NUL bytes, as in a file whose content a power cut has taken.
    Zeros,
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Utf16 => "the file is in UTF-16; save it as UTF-8",
            Self::Latin1 => "the file is probably in Latin-1 (ISO 8859-1); save it as UTF-8",
            Self::Windows1252 => "the file is probably in Windows-1252; save it as UTF-8",
            Self::CutShort => "the file ends in the middle of a character",
            Self::Zeros => "there are NUL bytes; the file is damaged",
        })
    }
}

impl fmt::Display for NotUtf8 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, byte, encoding } = self;
        write!(formatter, "line {line}, column {column} (byte {byte}) is not UTF-8: {encoding}")
    }
}

impl std::error::Error for NotUtf8 {}

/// The bytes as a text.
///
/// # Errors
/// Where they are not UTF-8, or have NUL bytes: UTF-16 of Latin letters is UTF-8 with a NUL between any two.
pub fn decode_utf8(bytes: &[u8]) -> Result<&str, NotUtf8> {
    // A byte order mark (Unicode Standard 3.10, D98).
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(refusal(bytes, 0, Encoding::Utf16));
    }
    if let Some(position) = bytes.iter().position(|byte| *byte == 0) {
        let alternates = matches!(bytes, [0, a, 0, b, ..] | [a, 0, b, 0, ..] if *a > 0 && *b > 0);
        return Err(refusal(bytes, position, if alternates { Encoding::Utf16 } else { Encoding::Zeros }));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let position = error.valid_up_to();
        let encoding = match (error.error_len(), bytes.get(position)) {
            (None, _) => Encoding::CutShort,
            (_, Some(0x80..=0x9f)) => Encoding::Windows1252,
            _ => Encoding::Latin1,
        };
        refusal(bytes, position, encoding)
    })
}

fn refusal(bytes: &[u8], byte: usize, encoding: Encoding) -> NotUtf8 {
    let before = String::from_utf8_lossy(&bytes[..byte]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    NotUtf8 { line, column, byte, encoding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_and_the_place_of_the_first_bad_byte_are_said() {
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let table: [(Vec<u8>, (usize, usize, usize), Encoding); 10] = [
            (utf16("\u{feff}[device]", u16::to_le_bytes), (1, 1, 0), Encoding::Utf16),
            (utf16("\u{feff}[device]", u16::to_be_bytes), (1, 1, 0), Encoding::Utf16),
            (utf16("[device]", u16::to_le_bytes), (1, 2, 1), Encoding::Utf16),
            (utf16("[device]", u16::to_be_bytes), (1, 1, 0), Encoding::Utf16),
            (b"[device]\nname = \"T\xfcr\"".to_vec(), (2, 10, 18), Encoding::Latin1),
            ("ü = 1\nä".bytes().chain(*b"\xe4 = 2").collect(), (2, 2, 9), Encoding::Latin1),
            (b"name = \x93x\x94".to_vec(), (1, 8, 7), Encoding::Windows1252),
            ("x = \"ü".as_bytes()[..6].to_vec(), (1, 6, 5), Encoding::CutShort),
            (b"x = 1\n\0\0\0\0".to_vec(), (2, 1, 6), Encoding::Zeros),
            (vec![0; 4096], (1, 1, 0), Encoding::Zeros),
        ];
        for (bytes, (line, column, byte), encoding) in table {
            assert_eq!(decode_utf8(&bytes), Err(NotUtf8 { line, column, byte, encoding }), "{bytes:x?}");
        }
        for text in ["", "Tür", "\u{feff}x = 1", "\u{1f44b}"] {
            assert_eq!(decode_utf8(text.as_bytes()), Ok(text));
        }
        let said = decode_utf8(b"a\nb\xfc\n").unwrap_err().to_string();
        let expected =
            "line 2, column 2 (byte 3) is not UTF-8: the file is probably in Latin-1 (ISO 8859-1); save it as UTF-8";
        assert_eq!(said, expected);
    }
}
