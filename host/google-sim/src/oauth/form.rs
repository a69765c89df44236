//! The form-encoded body that every OAuth endpoint takes (RFC 6749, appendix B).

use hyper::StatusCode;
use url::form_urlencoded;

use super::OauthRefusal;
use crate::call::Call;

/// A form's parameters; those without a value count as left out (RFC 6749, section 3.2).
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// Reads a form: its content type must say that it is one, and no parameter may stand twice.
    pub(crate) fn parse(call: &Call) -> Result<Self, OauthRefusal> {
        if call.media_type.as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(OauthRefusal::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "Bad Request: the content type must be application/x-www-form-urlencoded",
            ));
        }
        let pairs: Vec<(String, String)> = form_urlencoded::parse(&call.body)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().take(index).any(|(earlier, _)| earlier == name) {
                let description = format!("OAuth 2 parameters can only have a single value: {name}");
                return Err(OauthRefusal::invalid_request(description));
            }
        }
        Ok(Self { pairs })
    }

    /// A parameter that may be left out.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, OauthRefusal> {
        self.get(name).ok_or_else(|| OauthRefusal::invalid_request(format!("Missing required parameter: {name}")))
    }
}
