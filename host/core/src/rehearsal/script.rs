//! A server that answers by a script.

use serde::Deserialize;
use thiserror::Error;

use crate::http::{Failure, Header, Request, Response};

/// What a server answers, one request after the other. After the last answer it answers nothing more.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Script {
    /// In their order.
    #[serde(default)]
    pub answers: Vec<ScriptedAnswer>,
}

/// An answer, or that there is none.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScriptedAnswer {
    /// 200 where nothing is said.
    status: Option<u16>,
    /// The body.
    #[serde(default)]
    body: String,
    /// The headers.
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    /// No answer: `unsent` or `interrupted`.
    failure: Option<NoAnswer>,
    /// What its request has to be.
    #[serde(default)]
    pub expect: Expectation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum NoAnswer {
    Unsent,
    Interrupted,
}

/// What a request has to be.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// `POST`.
    method: Option<String>,
    /// The whole URL.
    url: Option<String>,
    /// Texts that its body holds.
    #[serde(default)]
    body: Vec<String>,
}

/// Why a script can't be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ScriptError(toml::de::Error);

/// Reads a script in TOML.
///
/// # Errors
/// When it is none.
pub fn parse_script(text: &str) -> Result<Script, ScriptError> {
    toml::from_str(text).map_err(ScriptError)
}

impl ScriptedAnswer {
    /// What a connector hears.
    ///
    /// # Errors
    /// When the script says that there is no answer.
    pub fn give(&self) -> Result<Response, Failure> {
        match self.failure {
            Some(NoAnswer::Unsent) => Err(Failure::Unsent("the script says so".into())),
            Some(NoAnswer::Interrupted) => Err(Failure::Interrupted("the script says so".into())),
            None => {
                let header = |(name, value): (&String, &String)| Header { name: name.clone(), value: value.clone() };
                Ok(Response {
                    status: self.status.unwrap_or(200),
                    headers: self.headers.iter().map(header).collect(),
                    body: self.body.clone().into_bytes(),
                })
            }
        }
    }
}

impl Expectation {
    /// What is different in this request, for a person.
    #[must_use]
    pub fn find_misfits(&self, request: &Request) -> Vec<String> {
        let method = format!("{:?}", request.method).to_uppercase();
        let body = request.body.as_ref().map(|body| String::from_utf8_lossy(&body.bytes)).unwrap_or_default();
        let is_other = |expected: &&String, found: &str| !expected.eq_ignore_ascii_case(found);
        let mut misfits = Vec::new();
        if let Some(expected) = self.method.as_ref().filter(|expected| is_other(expected, &method)) {
            misfits.push(format!("{expected} was expected, and it is {method}"));
        }
        if let Some(expected) = self.url.as_ref().filter(|expected| **expected != request.url) {
            misfits.push(format!("{expected} was expected, and it goes to {}", request.url));
        }
        misfits
            .extend(self.body.iter().filter(|text| !body.contains(*text)).map(|text| format!("its body lacks {text}")));
        misfits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Content, Method};

    #[test]
    fn a_script_answers_and_says_what_it_expected() {
        let script = parse_script(
            "[[answers]]\nexpect = { method = \"put\", url = \"https://h.example/x\", body = [\"Garden\", \"Shed\"] }\n\
             [[answers]]\nstatus = 429\nheaders = { retry-after = \"7\" }\nbody = \"slow\"\n\
             [[answers]]\nfailure = \"interrupted\"\n",
        )
        .unwrap();
        let request = Request {
            method: Method::Post,
            url: "https://h.example/rows".to_owned(),
            headers: Vec::new(),
            body: Some(Content { media_type: "application/json".to_owned(), bytes: b"[\"Garden\"]".to_vec() }),
            authorized: false,
            idempotent: false,
            timeout_ms: None,
        };
        assert_eq!(
            script.answers[0].expect.find_misfits(&request),
            [
                "put was expected, and it is POST",
                "https://h.example/x was expected, and it goes to https://h.example/rows",
                "its body lacks Shed"
            ]
        );
        assert!(script.answers[1].expect.find_misfits(&request).is_empty());
        assert_eq!(script.answers[0].give().unwrap().status, 200);
        let slow = script.answers[1].give().unwrap();
        assert_eq!((slow.status, slow.headers[0].value.as_str(), slow.body.as_slice()), (429, "7", &b"slow"[..]));
        assert_eq!(script.answers[2].give(), Err(Failure::Interrupted("the script says so".into())));
        for text in ["[[answer]]\n", "[[answers]]\nstatsu = 1\n", "[[answers]]\nfailure = \"lost\"\n", "answers = 1"] {
            assert!(parse_script(text).is_err(), "{text}");
        }
    }
}
