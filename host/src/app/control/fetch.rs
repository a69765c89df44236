//! A request under a grant, and what came back, on the control socket.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchcard_core::http::{Content, Header, Method, Request, Response};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes, which travel as base64.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|_| de::Error::custom("it is no base64"))
    }
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
pub enum MethodName {
    /// Without a body, changes nothing.
    Get,
    /// Only the headers of the answer.
    Head,
    /// Has a body.
    Post,
    /// Has a body.
    Put,
    /// Has a body.
    Patch,
    /// Removes something.
    Delete,
}

/// A request under a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchQuestion {
    /// The grant.
    pub grant: String,
    /// How.
    pub method: MethodName,
    /// Absolute.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The media type of the body.
    pub media_type: String,
    /// The body, where there is one.
    pub body: Option<Bytes>,
}

impl FetchQuestion {
    /// The same, as requests are.
    #[must_use]
    pub fn request(&self) -> Request {
        let method = match self.method {
            MethodName::Get => Method::Get,
            MethodName::Head => Method::Head,
            MethodName::Post => Method::Post,
            MethodName::Put => Method::Put,
            MethodName::Patch => Method::Patch,
            MethodName::Delete => Method::Delete,
        };
        let header = |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone() };
        let content = |body: &Bytes| Content { media_type: self.media_type.clone(), bytes: body.0.clone() };
        Request {
            method,
            url: self.url.clone(),
            headers: self.headers.iter().map(header).collect(),
            body: self.body.as_ref().map(content),
            authorized: true,
            // RFC 9110 §9.2.2.
            idempotent: !matches!(method, Method::Post | Method::Patch),
            timeout_ms: None,
        }
    }
}

/// What came back. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fetched {
    /// 100 to 599.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl From<Response> for Fetched {
    fn from(response: Response) -> Self {
        let Response { status, headers, body } = response;
        let headers = headers.into_iter().map(|Header { name, value }| (name, value)).collect();
        Self { status, headers, body: Bytes(body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_travel_and_are_in_no_log() {
        let bytes = Bytes(vec![0, 159, 146, 150]);
        let text = serde_json::to_string(&bytes).unwrap();
        assert_eq!(text, r#""AJ+Slg==""#);
        assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap(), bytes);
        assert!(serde_json::from_str::<Bytes>(r#""?""#).is_err());
        assert_eq!(format!("{bytes:?}"), "4 bytes");
    }
}
