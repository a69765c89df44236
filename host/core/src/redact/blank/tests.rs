//! Echoes, one by one and at random.

use proptest::prelude::*;

use super::*;

fn blanker(secrets: &[&str]) -> Blanker {
    let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect();
    Blanker::new(&secrets.iter().collect::<Vec<_>>())
}

fn escape(text: &str, upper: bool) -> String {
    let escape = |byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
    text.bytes().map(escape).collect()
}

#[test]
fn an_echo_is_blanked_in_every_form() {
    let blanker = blanker(&["1//0g-a b+c/\"é"]);
    let table = [
        ("token 1//0g-a b+c/\"é refused", "token [secret] refused"),
        ("?t=1%2F%2F0g-a+b%2Bc%2F%22%C3%A9&x", "?t=[secret]&x"),
        ("?t=1%2f%2f0g-a%20b%2bc%2f%22%c3%a9&x", "?t=[secret]&x"),
        ("?t=1//0g%2Da%20b+c/%22é&x", "?t=[secret]&x"),
        ("?t=1%252F%252f0g-a%2520b%252Bc%252F%2522%25C3%25a9&x", "?t=[secret]&x"),
        (r#"{"e":"1//0g-a b+c/\"é"}"#, r#"{"e":"[secret]"}"#),
        (r#"{"e":"1\/\/0g-a b+c\/\"\u00e9"}"#, r#"{"e":"[secret]"}"#),
        (r#"{"e":"\u0031//0g-a\u0020b\u002Bc/\u0022\u00E9"}"#, r#"{"e":"[secret]"}"#),
        (r#"{"e":"?t=1%2F\/0g-a%20b\u002bc%2F%22%C3\u0025A9&x"}"#, r#"{"e":"?t=[secret]&x"}"#),
        (r#"{"e":"?t=1%2F\/0g-a+b%2Bc%2F%22%C3%A9&x"}"#, r#"{"e":"?t=[secret]&x"}"#),
        // "id:" and the secret, form-encoded, as HTTP Basic has it.
        ("Basic aWQ6MSUyRiUyRjBnLWErYiUyQmMlMkYlMjIlQzMlQTk=", "Basic aWQ6[secret]="),
    ];
    for (echo, blanked) in table {
        assert_eq!(blanker.blank_text(echo), blanked, "{echo}");
    }
}

#[test]
fn what_follows_a_scheme_is_a_secret_too() {
    let bearer = blanker(&["Bearer sk-live-abc123"]);
    for (echo, blanked) in [
        ("the key sk-live-abc123 is revoked", "the key [secret] is revoked"),
        ("Authorization: Bearer sk-live-abc123", "Authorization: [secret]"),
        ("?key=sk%2Dlive-abc123", "?key=[secret]"),
        ("Bearer of news", "Bearer of news"),
    ] {
        assert_eq!(bearer.blank_text(echo), blanked, "{echo}");
    }
    let value = format!("Basic {}", STANDARD.encode("me:pass:wörd"));
    let basic = blanker(&[&value]);
    for (echo, blanked) in [
        (value.as_str(), "[secret]"),
        (value.trim_start_matches("Basic "), "[secret]"),
        ("me:pass:wörd", "[secret]"),
        ("no such password: pass:wörd", "no such password: [secret]"),
        ("{\"password\":\"pass:w\\u00f6rd\"}", "{\"password\":\"[secret]\"}"),
        ("user me is unknown", "user me is unknown"),
    ] {
        assert_eq!(basic.blank_text(echo), blanked, "{echo}");
    }
    // Without padding, in another case, and with something that is no pair.
    assert_eq!(blanker(&["basic bWU6czNjcmV0IQ"]).blank_text("s3cret!"), BLANK);
    assert_eq!(blanker(&["Basic ****"]).blank_text("a ****"), "a [secret]");
    // A short password is blanked as a word; a word after one that is no scheme is none.
    assert_eq!(blanker(&["Basic bWU6YWJj"]).blank_text("abc abcd"), "[secret] abcd");
    assert_eq!(blanker(&["D 1"]).blank_text("{\"interval\":1}"), "{\"interval\":1}");
}

#[test]
fn base64_is_found_wherever_it_begins_and_ends() {
    let secret = "s3cr\u{e9}t?>~k";
    let blanker = blanker(&[secret]);
    for before in ["", "a", "ab", "abc", "abcd"] {
        for after in ["", "x", "xy", "xyz"] {
            for engine in [STANDARD, URL_SAFE] {
                let text = engine.encode(format!("{before}{secret}{after}"));
                let blanked = blanker.blank_text(&text);
                let (left, right) = blanked.split_once(BLANK).unwrap();
                // At most what the neighbours say alone is left: the secret's own bits are gone to the last.
                assert!(left.len() * 6 <= before.len() * 8, "{text} became {blanked}");
                assert!(right.trim_end_matches('=').len() * 6 <= after.len() * 8 + 4, "{text} became {blanked}");
                assert!(text.starts_with(left) && text.ends_with(right), "{text} became {blanked}");
            }
        }
    }
}

#[test]
fn base64_reaches_no_further_than_its_own_characters() {
    let blanker = blanker(&["secret"]);
    // One byte before the secret: the second character is half its own.
    assert_eq!(STANDARD.encode("xsecret"), "eHNlY3JldA==");
    assert_eq!(blanker.blank_text("eHNlY3JldA=="), "e[secret]==");
    assert_eq!(blanker.blank_text("NlY3JldA"), "[secret]");
    assert_eq!(blanker.blank_text("\"NlY3JldA\""), "\"[secret]\"");
    // Three bytes are four characters: nothing is shared.
    assert_eq!(STANDARD.encode("secretabc"), "c2VjcmV0YWJj");
    assert_eq!(blanker.blank_text("YWJjc2VjcmV0YWJj"), "YWJj[secret]YWJj");
}

#[test]
fn what_is_no_echo_stays() {
    let text = r#"{"message":"The caller\n lacks 100%25 of \u00e4 + b64 c2VjcmV0"}"#;
    assert_eq!(blanker(&["s3cret-token"]).blank_text(text), text);
    assert_eq!(blanker(&[]).blank_text(text), text);
    assert_eq!(blanker(&[""]).blank_text(text), text);
    assert_eq!(blanker(&["s3cret-token"]).blank(vec![0xff, 0x00]), [0xff, 0x00]);
    let binary = [&b"\xff\xfe"[..], b"s3cret-token", b"\xfd"].concat();
    assert_eq!(blanker(&["s3cret-token"]).blank(binary), [&b"\xff\xfe"[..], b"[secret]", b"\xfd"].concat());
}

#[test]
fn a_plus_is_a_space_only_for_secrets_with_one() {
    assert_eq!(blanker(&["two words"]).blank_text("two+words two words two%20words"), "[secret] [secret] [secret]");
    assert_eq!(blanker(&["one+word"]).blank_text("one+word one%2Bword one word"), "[secret] [secret] one word");
}

#[test]
fn a_short_secret_is_blanked_as_a_word() {
    let blanker = blanker(&["a1-b2", "é"]);
    let table = [
        ("pin a1-b2!", "pin [secret]!"),
        ("a1-b2", "[secret]"),
        ("pin=a1%2Db2&x", "pin=[secret]&x"),
        (r#""a1\u002db2""#, r#""[secret]""#),
        ("xa1-b2", "xa1-b2"),
        ("a1-b2x", "a1-b2x"),
        ("xa1-b2x a1-b2", "xa1-b2x [secret]"),
        ("caf\u{e9}", "caf\u{e9}"),
        ("\u{e9}", "[secret]"),
        ("YTEtYjI=", "YTEtYjI="),
    ];
    for (echo, blanked) in table {
        assert_eq!(blanker.blank_text(echo), blanked, "{echo}");
    }
    // Six bytes are enough to be found within a word, and in base64.
    assert_eq!(self::blanker(&["abcdef"]).blank_text("xabcdefx YWJjZGVm"), "x[secret]x [secret]");
    assert_eq!(self::blanker(&["abcde"]).blank_text("xabcdex YWJjZGU"), "xabcdex YWJjZGU");
}

#[test]
fn secrets_side_by_side_or_within_one_another_are_one_blank() {
    let blanker = blanker(&["abcdefgh", "defghijk", "efghij"]);
    assert_eq!(blanker.blank_text("<abcdefghijk>"), "<[secret]>");
    assert_eq!(blanker.blank_text("<abcdefghefghij>"), "<[secret]>");
    assert_eq!(blanker.blank_text("<abcdefgh efghij>"), "<[secret] [secret]>");
    assert_eq!(blanker.blank_text("<xefghijx>"), "<x[secret]x>");
}

#[test]
fn no_half_escape_is_left() {
    let blanker = blanker(&["nabcdef"]);
    assert_eq!(blanker.blank_text(r#""line\nabcdef""#), r#""line[secret]""#);
    assert_eq!(blanker.blank_text(r#""back\\nabcdef""#), r#""back\\[secret]""#);
    assert_eq!(blanker.blank_text(r#""both\\\nabcdef""#), r#""both\\[secret]""#);
}

#[test]
fn every_failure_is_blanked() {
    let blanker = blanker(&["s3cret-token"]);
    let said = || "at s3cret-token".to_owned();
    let blanked = || "at [secret]".to_owned();
    let table = [
        (Failure::Denied(said()), Failure::Denied(blanked())),
        (Failure::Invalid(said()), Failure::Invalid(blanked())),
        (Failure::Missing(said()), Failure::Missing(blanked())),
        (Failure::Unsent(said()), Failure::Unsent(blanked())),
        (Failure::Interrupted(said()), Failure::Interrupted(blanked())),
        (Failure::TooLarge(7), Failure::TooLarge(7)),
    ];
    for (failure, expected) in table {
        assert_eq!(blanker.blank_failure(failure), expected);
    }
}

#[test]
fn a_long_text_of_secrets_is_one_blank() {
    assert_eq!(blanker(&["aaaaaa"]).blank(vec![b'a'; 100_000]), BLANK.as_bytes());
}

#[test]
fn nothing_is_shown_where_nothing_can_be_searched() {
    let blanker = Blanker { search: None, spaces: false };
    assert_eq!(blanker.blank_text("anything"), BLANK);
}

/// One way to echo a secret, for one character at random choice.
#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    Percent,
    PercentTwice,
    Urlencoded,
    Json,
    PercentInJson,
    Base64(bool),
    Base64InPercent,
    Base64InJson,
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Plain),
        Just(Form::Percent),
        Just(Form::PercentTwice),
        Just(Form::Urlencoded),
        Just(Form::Json),
        Just(Form::PercentInJson),
        any::<bool>().prop_map(Form::Base64),
        Just(Form::Base64InPercent),
        Just(Form::Base64InJson),
    ]
}

/// Percent-encodes what has to be and, by these choices, more.
fn percent(text: &str, choices: &[u8]) -> String {
    let encode = |(place, byte): (usize, u8)| {
        let choice = choices[place % choices.len()];
        if byte.is_ascii_alphanumeric() && choice & 1 == 0 {
            char::from(byte).to_string()
        } else {
            escape(&char::from(byte).to_string(), choice & 2 == 0)
        }
    };
    text.bytes().enumerate().map(encode).collect()
}

/// Writes a JSON string's content, by these choices with more escapes than needed.
fn json(text: &str, choices: &[u8]) -> String {
    let mut escaped = String::new();
    for (place, character) in text.chars().enumerate() {
        let choice = choices[place % choices.len()];
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            '/' if choice & 1 == 0 => escaped.push_str("\\/"),
            _ if choice & 6 == 6 => escaped.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ if choice & 6 == 4 => escaped.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The secret between its neighbours, in this form.
fn echo(form: Form, secret: &str, before: &str, after: &str, choices: &[u8]) -> String {
    let whole = format!("{before}{secret}{after}");
    match form {
        Form::Plain => whole,
        Form::Percent => percent(&whole, choices),
        Form::PercentTwice => percent(&percent(&whole, choices), &choices[1..]),
        Form::Urlencoded => url::form_urlencoded::byte_serialize(whole.as_bytes()).collect(),
        Form::Json => json(&whole, choices),
        Form::PercentInJson => json(&percent(&whole, choices), &choices[1..]),
        Form::Base64(false) => STANDARD.encode(whole),
        Form::Base64(true) => URL_SAFE.encode(whole),
        Form::Base64InPercent => percent(&STANDARD.encode(whole), choices),
        Form::Base64InJson => json(&STANDARD.encode(whole), choices),
    }
}

/// What a reader who undoes that form gets.
fn undone(form: Form, text: &str) -> Vec<String> {
    let percent = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let json = |text: &str| serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned());
    let base64 = |text: &str| {
        let pieces = text.split(|character: char| !character.is_ascii() || !is_base64(character as u8));
        let mut found = Vec::new();
        for piece in pieces {
            for from in 0..piece.len().min(4) {
                let rest = &piece[from..];
                let rest = &rest[..rest.len() / 4 * 4];
                for engine in [STANDARD, URL_SAFE] {
                    found.extend(engine.decode(rest).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        found
    };
    match form {
        Form::Plain => vec![text.to_owned()],
        Form::Percent => vec![percent(text)],
        Form::PercentTwice => vec![percent(text), percent(&percent(text))],
        Form::Urlencoded => vec![percent(&text.replace('+', " "))],
        Form::Json => vec![json(text)],
        Form::PercentInJson => vec![percent(&json(text))],
        Form::Base64(_) => base64(text),
        Form::Base64InPercent => base64(&percent(text)),
        Form::Base64InJson => base64(&json(text)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_form_of_a_secret_survives(
        secret in "[ -~]{6,40}",
        form in form(),
        before in "[ -~]{0,9}",
        after in "[ -~]{0,9}",
        choices in prop::collection::vec(any::<u8>(), 2..40),
    ) {
        let echo = echo(form, &secret, &before, &after, &choices);
        let blanked = blanker(&[&secret]).blank_text(&echo);
        prop_assert!(blanked.contains(BLANK), "{} stayed {}", echo, blanked);
        prop_assert!(!blanked.contains(&secret), "{} became {}", echo, blanked);
        for text in undone(form, &blanked) {
            prop_assert!(!text.contains(&secret), "{} became {}, which reads {}", echo, blanked, text);
        }
    }

    #[test]
    fn json_stays_json(secret in "[a-z/+\\-\"]{6,9}", before in "[a-z\n\"\\\\/]{0,9}", after in "[a-z\n\"\\\\/]{0,9}") {
        let text = serde_json::to_string(&format!("{before}{secret}{after}")).unwrap();
        let blanked = blanker(&[&secret]).blank_text(&text);
        prop_assert!(serde_json::from_str::<String>(&blanked).is_ok(), "{} became {}", text, blanked);
    }

    #[test]
    fn a_secret_among_any_bytes_is_blanked(
        secret in ".{6,12}",
        mut text: Vec<u8>,
        after: Vec<u8>,
    ) {
        text.extend_from_slice(secret.as_bytes());
        text.extend(after);
        let blanked = blanker(&[&secret]).blank(text);
        prop_assert!(!blanked.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}
