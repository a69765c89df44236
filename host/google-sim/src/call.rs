//! A request and its answer as plain data.
//!
//! The simulated world knows no sockets: it is given a [`Call`] and the time, and says with a [`Delivery`] what answer
//! there is and how it travels back. Only `server` performs that on a connection.

use std::borrow::Cow;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde_json::Value;

/// One HTTP request, read to its end.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As it was sent, still percent-encoded.
    pub(crate) path: String,
    /// Decoded.
    pub(crate) query: Vec<(String, String)>,
    /// In lower case and without parameters.
    pub(crate) media_type: Option<String>,
    /// The whole header. It holds a secret: it is never logged.
    pub(crate) authorization: Option<String>,
    pub(crate) body: Bytes,
}

impl Call {
    /// The value of the first query parameter of this name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a query parameter is true, as Google reads booleans: in any case.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }
}

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Cow<'static, str>,
    /// Beyond `Content-Type` and what frames the message.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// JSON as Google's APIs send it.
    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        // Indented by two spaces, like Google's: clients must not depend on compact JSON.
        let body = format!("{value:#}\n").into();
        Self { status, content_type: Cow::Borrowed("application/json; charset=UTF-8"), headers: Vec::new(), body }
    }

    /// A page.
    pub(crate) fn html(status: StatusCode, page: impl Into<String>) -> Self {
        Self {
            status,
            content_type: Cow::Borrowed("text/html; charset=UTF-8"),
            headers: Vec::new(),
            body: page.into().into(),
        }
    }

    /// 204, as Drive answers a deletion: without a body, and yet with a content type.
    pub(crate) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            content_type: Cow::Borrowed("text/html"),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// 302 to `location`; an address that cannot be a header gives none.
    pub(crate) fn redirect(location: &str) -> Self {
        let mut answer = Self::html(StatusCode::FOUND, "<p>Moved.</p>\n");
        answer.headers.extend(HeaderValue::from_str(location).ok().map(|value| (LOCATION, value)));
        answer
    }

    /// Adds what a 401 must carry (RFC 6750, section 3).
    pub(crate) fn with_challenge(mut self) -> Self {
        let challenge = r#"Bearer realm="https://accounts.google.com/", error="invalid_token""#;
        self.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        self
    }
}

/// What becomes of a request: its answer and the way it travels.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// `None` if the request was not carried out and nobody is told.
    pub(crate) answer: Option<Answer>,
    pub(crate) manner: Manner,
}

impl Delivery {
    /// The connection closes, and nothing was done.
    pub(crate) const NOTHING: Self = Self { answer: None, manner: Manner::Dropped };
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Whole,
    /// The connection closes without a byte of an answer.
    Dropped,
    /// The head and the first half of the body, then the connection closes.
    Half,
    /// Whole, after a while of real time.
    Delayed(Duration),
    /// One byte at a time, with a pause of real time after each.
    Dripped(Duration),
    /// The body never ends: after the real one, spaces for ever.
    Endless,
    /// Never: the connection stays open until the client closes it.
    Withheld,
    /// The body is filled with spaces up to this many bytes.
    Padded(usize),
}

impl From<Answer> for Delivery {
    fn from(answer: Answer) -> Self {
        Self { answer: Some(answer), manner: Manner::Whole }
    }
}
