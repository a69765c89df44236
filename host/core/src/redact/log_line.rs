//! A line of the log without the values of some of its fields.
//!
//! Fields are written as `key=value`, a text in quotation marks with `\"` for one in it, as `tracing-subscriber` and Rust's
//! `Debug` do. A word in a message that looks like a field is blanked too.

use super::BLANK;

/// The line with [`BLANK`] in the place of the value of every field that has one of these keys.
#[must_use]
pub fn blank_fields(line: &str, keys: &[&str]) -> String {
    let mut left = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(begin) = keys.iter().filter_map(|key| find_value(rest, key)).min() {
        left.push_str(&rest[..begin]);
        left.push_str(BLANK);
        rest = &rest[begin..];
        rest = &rest[value_length(rest)..];
    }
    left.push_str(rest);
    left
}

/// Where the value of the first field with this key begins.
fn find_value(line: &str, key: &str) -> Option<usize> {
    line.match_indices(key).find_map(|(at, _)| {
        let is_end_of_another = line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let begin = at + key.len();
        (!is_end_of_another && line[begin..].starts_with('=')).then_some(begin + 1)
    })
}

/// Up to the next white space that is not within quotation marks.
fn value_length(text: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.find(|character: char| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        character.is_whitespace() && !is_quoted
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_field_is_blanked_and_the_rest_of_its_line_stays() {
        for (line, left) in [
            (r#"INFO ready sink=a link="https://h.example/d/1" rows=2"#, "INFO ready sink=a link=[secret] rows=2"),
            (
                r#"asked origin="https://h.example" path="/hooks/T0""#,
                r#"asked origin="https://h.example" path=[secret]"#,
            ),
            ("link=https://h.example/d/1", "link=[secret]"),
            (r#"link="a \" b" x=1"#, "link=[secret] x=1"),
            (r#"link=Some("a b") x=1"#, "link=[secret] x=1"),
            (r#"link="not closed x=1"#, "link=[secret]"),
            ("link=a link=b path=c", "link=[secret] link=[secret] path=[secret]"),
            ("step{link=a}: done", "step{link=[secret] done"),
            ("no_link=a uplink=b link path-x=c", "no_link=a uplink=b link path-x=c"),
            ("", ""),
        ] {
            assert_eq!(blank_fields(line, &["link", "path"]), left, "{line}");
        }
    }

    proptest! {
        /// Written as the log does it.
        #[test]
        fn whatever_the_value_is_nothing_of_it_stays(value in "\\PC{0,40}", before in "[a-z ]{0,20}") {
            let marked = format!("Qz{value}zQ");
            let line = format!("{before} link={marked:?} rows=2");
            let left = blank_fields(&line, &["link"]);
            prop_assert_eq!(&left, &format!("{before} link={BLANK} rows=2"));
            prop_assert!(!left.contains("Qz"));
        }
    }
}
