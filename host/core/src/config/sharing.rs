//! plugins.toml as it may be given away, for whoever helps.
//!
//! No secret belongs into it, and people paste some all the same. Left out is what may be one: comments; what stands under a
//! key or in a table that tells of a secret; whose badge is which, for a number opens what it is shown to; the path of an
//! address; any word that looks like a key of a service. In doubt it is left out. Which keys there are, and how lines, panels
//! and limits are set, stays.

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::discretion::{PEOPLE, tells_of_a_secret};
use crate::redact::BLANK;

/// A word of so many letters and digits is a key, and not a name.
const LONGEST_NAME: usize = 24;
/// With digits among its letters, it is one from this length on.
const LONGEST_MIXED_NAME: usize = 12;
/// The tables but that of badges. One of another name may be that of badges, misspelt.
const OTHERS: [&str; 16] = [
    "choices",
    "device",
    "grants",
    "hardware",
    "history",
    "inputs",
    "limits",
    "metrics",
    "notify",
    "outputs",
    "panel",
    "plugins",
    "repositories",
    "runtime",
    "sensors",
    "sinks",
];

/// In which table a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// In none yet.
    Root,
    /// In one that tells of no secret.
    Open,
    /// In one that tells of a secret.
    Secret,
    /// In that of badges, or in one that nobody knows: neither a key nor a value is shown.
    Hidden,
}

/// The text without what may be a secret. It need not be valid. What stays, stays in its line.
#[must_use]
pub fn render_shareable(text: &str) -> String {
    let text = without_comments(text);
    let mut shareable = String::with_capacity(text.len());
    let mut within = Within::Root;
    for line in text.lines() {
        let begins = line.trim_start().starts_with('[');
        let name = line.trim_start().trim_start_matches('[');
        if begins && is_people(name) {
            within = Within::Hidden;
            shareable.push_str("[people]\n");
            continue;
        }
        // An array in a value begins in the same way, and what is in it is quoted.
        if begins && !line.contains(['"', '\'']) {
            within = match first_part(name) {
                _ if tells_of_a_secret(line) => Within::Secret,
                part if OTHERS.contains(&part) => Within::Open,
                _ => Within::Hidden,
            };
            shareable.push_str(without_keys(line).trim_end());
            shareable.push('\n');
            continue;
        }
        if within == Within::Root && line.split_once('=').is_some_and(|(key, _)| is_people(key)) {
            // Up to the next table: the value may go on in further lines.
            within = Within::Hidden;
        }
        let is_secret = within == Within::Secret || tells_of_a_secret(line);
        let line = match line.split_once('=') {
            _ if within == Within::Hidden && line.trim().is_empty() => String::new(),
            _ if within == Within::Hidden => BLANK.to_owned(),
            Some((key, _)) if is_secret => format!("{}= {BLANK}", without_keys(key)),
            None if is_secret && !begins && !line.trim().is_empty() => BLANK.to_owned(),
            _ => without_keys(&without_paths(line)),
        };
        shareable.push_str(line.trim_end());
        shareable.push('\n');
    }
    shareable
}

/// Whether a key, or the name of a table, is that of badges or of something in it. One that is written with escapes may be.
fn is_people(key: &str) -> bool {
    let first = first_part(key);
    first.contains('\\') || first.trim_matches(['"', '\'']).trim() == PEOPLE
}

/// Of a key, or of the name of a table, what stands before its first dot.
fn first_part(key: &str) -> &str {
    key.split(['.', ']']).next().unwrap_or_default().trim()
}

/// Without comments, and without what stands in a string of several lines.
fn without_comments(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    for token in Source::new(text).lex() {
        let piece = text.get(token.span().start()..token.span().end()).unwrap_or_default();
        match token.kind() {
            TokenKind::Comment => {}
            TokenKind::MlBasicString | TokenKind::MlLiteralString => {
                left.push_str(&format!("\"{BLANK}\""));
                left.extend(piece.chars().filter(|character| *character == '\n'));
            }
            _ => left.push_str(piece),
        }
    }
    left
}

/// Addresses without what follows the host: the topic or the path of a webhook lets whoever knows it write there.
fn without_paths(line: &str) -> String {
    let mut left = String::new();
    let mut rest = line;
    while let Some(position) = rest.find("://") {
        let host = position + "://".len();
        let from_host = rest.get(host..).unwrap_or_default();
        let end = from_host.find(['"', '\'', ' ', ',']).unwrap_or(from_host.len());
        let address = from_host.get(..end).unwrap_or_default();
        left.push_str(rest.get(..host).unwrap_or_default());
        // A user and its password stand before the host.
        let (authority, path) = address.find(['/', '?', '#']).map_or((address, ""), |slash| address.split_at(slash));
        let (user, authority) = authority.rsplit_once('@').map_or((false, authority), |(_, host)| (true, host));
        if user {
            left.push_str(&format!("{BLANK}@"));
        }
        left.push_str(authority);
        if path.len() > 1 {
            let is_known = KNOWN_PATHS.contains(&address);
            left.push_str(if is_known { path } else { "/" });
            left.push_str(if is_known { "" } else { BLANK });
        }
        rest = from_host.get(end..).unwrap_or_default();
    }
    left.push_str(rest);
    left
}

/// Addresses that everybody has.
const KNOWN_PATHS: [&str; 3] =
    ["www.googleapis.com/drive", "www.googleapis.com/auth/drive.file", "www.googleapis.com/auth/spreadsheets"];

/// Without words that look like keys of a service.
fn without_keys(text: &str) -> String {
    let mut left = String::new();
    let mut word = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '+' | '/' | '~') {
            word.push(character);
            continue;
        }
        left.push_str(if looks_like_a_key(&word) { BLANK } else { &word });
        word.clear();
        left.push(character);
    }
    left.truncate(left.len() - 1);
    left
}

/// A path is a word of several parts; none of them may be a key.
fn looks_like_a_key(word: &str) -> bool {
    word.split(['/', '-', '_']).any(|part| {
        let mixed =
            part.bytes().any(|byte| byte.is_ascii_digit()) && part.bytes().any(|byte| byte.is_ascii_alphabetic());
        part.len() >= LONGEST_NAME || (mixed && part.len() >= LONGEST_MIXED_NAME)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_assert, proptest};

    use super::*;

    #[test]
    fn what_may_be_a_secret_is_left_out_and_the_rest_stays() {
        for (text, shared) in [
            ("line = 17  # the old token: ya29.x", "line = 17"),
            ("name = \"front-door\"", "name = \"front-door\""),
            ("client-secret = { file = \"x\" }", "client-secret = [secret]"),
            ("  secrets = { client-secret = \"GOCSPX-1\" }", "  secrets = [secret]"),
            (
                "[grants.google.secrets]\nmine = \"short\"\n[panel]\nsize = \"128x32\"",
                "[grants.google.secrets]\nmine = [secret]\n[panel]\nsize = \"128x32\"",
            ),
            ("settings = { wifi-password = \"a\" }", "settings = [secret]"),
            ("url = \"https://ntfy.sh/my-topic\"", "url = \"https://ntfy.sh/[secret]\""),
            ("url = \"https://me:pw@h.example:8443\"", "url = \"https://[secret]@h.example:8443\""),
            (
                "reach = [\"https://h.example/a\", \"https://h.example\"]",
                "reach = [\"https://h.example/[secret]\", \"https://h.example\"]",
            ),
            ("audience = [\"https://www.googleapis.com/drive\"]", "audience = [\"https://www.googleapis.com/drive\"]"),
            (
                "client-id = \"12-ab3de5gh7jk9.apps.googleusercontent.com\"",
                "client-id = \"[secret].apps.googleusercontent.com\"",
            ),
            ("path = \"/usr/lib/punchcard/google-sheets.wasm\"", "path = \"/usr/lib/punchcard/google-sheets.wasm\""),
            ("id = \"1A2b3C4d5E6f7G8h9I0j\"", "id = \"[secret]\""),
            ("x = \"\"\"\none\ntwo\"\"\"", "x = [secret]\n"),
            ("this is not = = TOML \"", "this is not = = TOML \""),
            ("api-key", "[secret]"),
            (
                "[people]\n0012 = \"Anna\"\n\"04 A1\" = 'Ben'\n\n[panel]\nsize = \"128x32\"",
                "[people]\n[secret]\n[secret]\n\n[panel]\nsize = \"128x32\"",
            ),
            ("people = { 0012 = \"Anna\" }\n[panel]", "[secret]\n[panel]"),
            ("people = {\n  0012 = \"Anna\",\n}\n[panel]", "[secret]\n[secret]\n[secret]\n[panel]"),
            ("people.0012 = \"Anna\"", "[secret]"),
            ("\"peop\\u006ce\" . 0012 = \"Anna\"", "[secret]"),
            ("[ \"people\" ]\n0012 = \"Anna\"", "[people]\n[secret]"),
            ("[people.0012]\nname = \"Anna\"", "[people]\n[secret]"),
            ("[people]\n0012 = [\n[\"Anna\"],\n]", "[people]\n[secret]\n[secret]\n[secret]"),
            ("[poeple]\n0012 = \"Anna\"\n[panel]\nsize = 1", "[poeple]\n[secret]\n[panel]\nsize = 1"),
            ("[choices.people]\nlabel = \"Who\"", "[choices.people]\nlabel = \"Who\""),
        ] {
            assert_eq!(render_shareable(text), format!("{shared}\n"));
        }
    }

    proptest! {
        /// However the table of badges is written.
        #[test]
        fn no_badge_and_no_name_is_given_away(badge in "[0-9]{4,10}", name in "Z[a-z]{3,9}q", place in 0_usize..6) {
            let text = [
                format!("[people]\n{badge} = \"{name}\"\n"),
                format!("[panel]\nsize = \"128x32\"\n [ people ] # ours\n\"{badge}\" = '{name}' # {name}\n"),
                format!("people = {{ {badge} = \"{name}\" }}\n"),
                format!("people = {{\n{badge} = \"{name}\",\n}}\n[panel]\n"),
                format!("'people'.{badge} = \"{name}\"\n"),
                format!("[people]\n{badge} = \"\"\"\n{name}\"\"\"\n"),
            ];
            let shareable = render_shareable(&text[place]);
            prop_assert!(!shareable.contains(&badge) && !shareable.contains(&name), "{shareable}");
        }

        /// Wherever in it a key of a service was pasted.
        #[test]
        fn no_key_of_a_service_is_given_away(key in "[A-Za-z0-9]{11,40}".prop_map(|key| format!("7{key}z")), place in 0_usize..6) {
            let text = [
                format!("a = \"{key}\"\n"),
                format!("a = 1 # {key}\n"),
                format!("{key} = 1\n"),
                format!("url = \"https://h.example/x?y={key}\"\n"),
                format!("a = {key}\n"),
                format!("secrets = [\n  \"{key}\",\n]\n"),
            ];
            prop_assert!(!render_shareable(&text[place]).contains(&key), "{}", render_shareable(&text[place]));
        }
    }
}
