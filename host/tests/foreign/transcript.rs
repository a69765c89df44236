//! What went over the wire, for a person to read: each secret is a name with a number, so that it can be followed from one
//! request to the next.

use std::fmt::Write as _;

use serde_json::Value;
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

use crate::server::Exchange;

/// Parameters and members whose values are secrets, for as long as they are good.
const SECRETS: [&str; 15] = [
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "device_code",
    "user_code",
    "code",
    "code_verifier",
    "state",
    "client_secret",
    "assertion",
    "password",
    "xsrf",
    "csrfmiddlewaretoken",
    "code_challenge",
];

/// The secrets in what went over the wire, in the order in which they appeared, each with a name of its own.
pub(crate) fn secrets(exchanges: &[Exchange]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for exchange in exchanges {
        for (name, value) in pairs(exchange) {
            // What is shorter is an error, or nothing.
            let is_secret = SECRETS.contains(&name.as_str()) && value.len() >= 6;
            if is_secret && !found.iter().any(|(known, _)| *known == value) {
                let name = format!("{name}-");
                let count = found.iter().filter(|(_, label)| label.starts_with(&name)).count() + 1;
                found.push((value, format!("{name}{count}")));
            }
        }
    }
    found
}

/// Everything in it that has a name.
fn pairs(exchange: &Exchange) -> Vec<(String, String)> {
    let query = exchange.url.split_once('?').map_or("", |(_, query)| query);
    let mut pairs: Vec<(String, String)> = parse(query.as_bytes()).into_owned().collect();
    if !exchange.body.starts_with('{') {
        pairs.extend(parse(exchange.body.as_bytes()).into_owned());
    }
    if let Ok(location) = Url::parse(&exchange.location) {
        pairs.extend(location.query_pairs().into_owned());
    }
    if let Ok(Value::Object(members)) = serde_json::from_str(&exchange.answer) {
        pairs.extend(members.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))));
    }
    pairs
}

/// The whole text.
pub(crate) fn render(exchanges: &[Exchange]) -> String {
    let mut secrets = secrets(exchanges);
    // A secret that is the beginning of another one would leave its end.
    secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    let blank = |text: &str| {
        secrets.iter().fold(text.to_owned(), |text, (value, label)| {
            let escaped: String = byte_serialize(value.as_bytes()).collect();
            let label = format!("<{label}>");
            text.replace(value.as_str(), &label).replace(&escaped, &label)
        })
    };
    let mut text = String::new();
    for exchange in exchanges {
        let Exchange { method, url, authorization, body, status, location, answer } = exchange;
        // Writing to a String cannot fail.
        writeln!(text, "> {method} {}", blank(url)).ok();
        match authorization.split_once(' ') {
            Some(("Basic", _)) => writeln!(text, "> authorization: Basic <client>").ok(),
            Some(_) => writeln!(text, "> authorization: {}", blank(authorization)).ok(),
            None => None,
        };
        if !body.is_empty() {
            writeln!(text, "> {}", blank(body)).ok();
        }
        writeln!(text, "< {status} {}", blank(location)).ok();
        match answer.trim_start() {
            "" => {}
            page if page.starts_with('<') => {
                writeln!(text, "< (a page of {} bytes)", answer.len()).ok();
            }
            answer => {
                writeln!(text, "< {}", blank(answer)).ok();
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn a_secret_is_followed_by_its_name_and_stands_in_no_transcript() {
    let exchange = |url: &str, body: &str, answer: &str| Exchange {
        method: "POST".to_owned(),
        url: url.to_owned(),
        authorization: "Bearer first/one".to_owned(),
        body: body.to_owned(),
        status: 200,
        location: "http://127.0.0.1/return?code=code%2F77&iss=me".to_owned(),
        answer: answer.to_owned(),
    };
    let exchanges = [
        exchange(
            "/token",
            "grant_type=x&code=code%2F77",
            r#"{"access_token":"first/one","refresh_token":"first/one-and-more"}"#,
        ),
        exchange("/token?state=sta%20te", "refresh_token=first%2Fone-and-more", r#"{"access_token":"second"}"#),
    ];
    let text = render(&exchanges);
    for (secret, _) in secrets(&exchanges) {
        assert!(!text.contains(&secret), "{secret}: {text}");
    }
    for expected in [
        "> POST /token\n> authorization: Bearer <access_token-1>\n> grant_type=x&code=<code-1>\n",
        "< 200 http://127.0.0.1/return?code=<code-1>&iss=me\n",
        r#"{"access_token":"<access_token-1>","refresh_token":"<refresh_token-1>"}"#,
        r#"> refresh_token=<refresh_token-1>"#,
        r#"{"access_token":"<access_token-2>"}"#,
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
