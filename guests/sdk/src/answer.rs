//! Answer: whether it has the form of the service's own.
//!
//! A proxy, a filter or a portal answers with any status, and mostly with a page of HTML. A status is believed only where the
//! body has the form in which the service writes; what anything else means, and whether something may have been done by then,
//! is the plugin's to say.

use serde::de::IgnoredAny;

use crate::http::Response;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing, or white space.
    Empty,
    /// A whole JSON object, perhaps behind a byte order mark.
    Object,
    /// A page for people, as far as one can see from its beginning or from what the header calls it.
    Html,
    /// Anything else.
    Other,
}

/// What the body of an answer is.
#[must_use]
pub fn form(response: &Response) -> Form {
    let body = content(response);
    if body.is_empty() {
        return Form::Empty;
    }
    // Looked through without keeping it: as a tree of values, an answer of 8 MiB can take more than all the memory there is.
    if body.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Form::Object;
    }
    let mut types = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-type"));
    let is_page = |value: &str| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
    };
    if body.starts_with(b"<") || types.any(|header| is_page(&header.value)) { Form::Html } else { Form::Other }
}

/// The body without a byte order mark, with which some servers begin, and without white space around it.
#[must_use]
pub fn content(response: &Response) -> &[u8] {
    response.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&response.body).trim_ascii()
}

/// Says that an answer is not the one of whom was asked, such as "Google": "something in the network answers in place of
/// Google (status 403, with a page of HTML)". A fragment, without a full stop.
#[must_use]
pub fn in_place_of(whom: &str, response: &Response) -> String {
    let what = match form(response) {
        Form::Empty => "without content",
        Form::Object => "with JSON of another form",
        Form::Html => "with a page of HTML",
        Form::Other => "with something else than JSON",
    };
    format!("something in the network answers in place of {whom} (status {}, {what})", response.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Header;

    fn answer(media_type: Option<&str>, body: &str) -> Response {
        let header = |value: &str| Header { name: "Content-Type".into(), value: value.into() };
        Response { status: 403, headers: media_type.map(header).into_iter().collect(), body: body.into() }
    }

    #[test]
    fn a_body_is_one_of_four_forms() {
        for (media_type, body, expected) in [
            (None, "", Form::Empty),
            (Some("text/html"), " \r\n", Form::Empty),
            (None, "\u{feff}", Form::Empty),
            (None, "{}", Form::Object),
            (None, "\u{feff} {\"a\":[1]}\n", Form::Object),
            (Some("text/html"), "{}", Form::Object),
            (None, "{", Form::Other),
            (None, "{}x", Form::Other),
            (Some("application/json"), "[]", Form::Other),
            (None, "ok", Form::Other),
            (None, "<html>", Form::Html),
            (None, "\n<!DOCTYPE html><p>", Form::Html),
            (None, "<?xml version=\"1.0\"?><html>", Form::Html),
            (Some("text/html; charset=utf-8"), "Blocked", Form::Html),
            (Some("TEXT/HTML"), "{", Form::Html),
            (Some("application/xhtml+xml"), "x", Form::Html),
            (Some("text/plain"), "Blocked", Form::Other),
        ] {
            assert_eq!(form(&answer(media_type, body)), expected, "{media_type:?} {body:?}");
        }
    }

    #[test]
    fn what_answers_in_place_of_the_service_is_described() {
        for (body, what) in [
            ("", "without content"),
            ("{}", "with JSON of another form"),
            ("<html>", "with a page of HTML"),
            ("ok", "with something else than JSON"),
        ] {
            let said = format!("something in the network answers in place of Google (status 403, {what})");
            assert_eq!(in_place_of("Google", &answer(None, body)), said);
        }
    }
}
