//! Faults that are asked for from outside: what goes wrong, with which calls, how often.
//!
//! A fault waits until a call matches it. Calls to the control interface and the pages are never hit.

use serde::{Deserialize, Serialize};

use crate::call::Call;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The HTTP method of the calls that it hits; any, if left out.
    #[serde(default)]
    pub method: Option<String>,
    /// The path of the calls that it hits, where `*` stands for any text; any, if left out.
    #[serde(default)]
    pub path: Option<String>,
    /// How many matching calls it lets through first.
    #[serde(default)]
    pub skip: u32,
    /// How many matching calls it hits after those.
    #[serde(default = "once")]
    pub times: u32,
    /// What it does to them.
    pub effect: Effect,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// A fault of the next call whose path matches; see [`Fault::path`].
    pub fn on(path: &str, effect: Effect) -> Self {
        Self { method: None, path: Some(path.to_owned()), skip: 0, times: 1, effect }
    }

    /// The same after letting `skip` matching calls through.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The same for `times` matching calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// The same for one HTTP method only.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    fn matches(&self, call: &Call) -> bool {
        self.method.as_deref().is_none_or(|method| call.method.as_str().eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|pattern| matches_pattern(pattern, &call.path))
    }
}

/// What a fault does. As JSON: `{"kind": "…"}` in kebab case, with the variant's fields beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// Carried out; the connection closes without an answer.
    DropAnswer,
    /// Not carried out; the connection closes without an answer.
    DropRequest,
    /// The connection closes at once; carried out when the simulated clock has advanced by this much. The caller's
    /// rights and quota are those of the moment when it was sent.
    ApplyLate {
        /// Google may take 180 seconds.
        #[serde(default = "three_minutes")]
        after_seconds: u64,
    },
    /// A page with this status.
    ServerError {
        /// 503, if left out.
        #[serde(default = "unavailable")]
        status: u16,
        /// Whether it is carried out all the same.
        #[serde(default)]
        applied: bool,
    },
    /// 429 of the Sheets API, 403 `userRateLimitExceeded` of the Drive API, 403 `rate_limit_exceeded` of the OAuth
    /// endpoints. Not carried out.
    TooManyRequests,
    /// Google's refusal with this status, and a wish to be left alone. Not carried out.
    RetryLater {
        /// 503, if left out.
        #[serde(default = "unavailable")]
        status: u16,
        /// The value of `Retry-After`: seconds or a date.
        after: String,
    },
    /// Something in the network answers in place of Google, with a page.
    Intercepted {
        /// With this status.
        status: u16,
        /// Whether Google carried it out before.
        #[serde(default)]
        applied: bool,
    },
    /// 403 `SERVICE_DISABLED`. Not carried out.
    ServiceDisabled,
    /// Carried out; the answer comes after this many milliseconds of real time.
    Slow {
        /// Milliseconds.
        millis: u64,
    },
    /// No answer ever comes; the connection stays open until the client closes it.
    Silence {
        /// Whether it is carried out.
        #[serde(default)]
        applied: bool,
    },
    /// Carried out; the answer's body comes a byte at a time.
    Drip {
        /// Milliseconds of real time after each byte.
        millis: u64,
    },
    /// Carried out; the answer's body does not end.
    Endless,
    /// Carried out; the answer's body is filled with spaces.
    Oversized {
        /// Up to this size.
        bytes: usize,
    },
    /// Not carried out; status 200 and the page of a network that wants a login.
    CaptivePortal,
    /// Not carried out; 302.
    Redirect {
        /// The `Location`.
        #[serde(default = "elsewhere")]
        to: String,
    },
    /// Carried out; the connection closes in the middle of the answer's body.
    HalfAnswer,
    /// Carried out; all connections close when they are idle, this one too.
    CloseConnections,
    /// All access tokens expire, then the call is carried out.
    ExpireAccessTokens,
    /// All refresh tokens are revoked, then the call is carried out.
    RevokeRefreshTokens,
    /// A refresh brings a new refresh token, and the old one is invalid.
    RotateRefreshToken,
    /// A poll is told `slow_down`, whenever it comes.
    SlowDown,
    /// A poll is told that the person said no.
    Deny,
    /// Carried out; the answer's status is 200, whatever it was.
    StatusOk,
    /// Not carried out; this answer.
    Answer {
        /// The status.
        status: u16,
        /// The `Content-Type`.
        content_type: String,
        /// The body.
        body: String,
    },
}

fn three_minutes() -> u64 {
    180
}

fn unavailable() -> u16 {
    503
}

fn elsewhere() -> String {
    "http://login.invalid/".to_owned()
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.waiting
    }

    /// The effect of the first fault that hits this call. Every matching fault that lets calls through counts it.
    pub(crate) fn take(&mut self, call: &Call) -> Option<Effect> {
        let mut effect = None;
        for fault in self.waiting.iter_mut().filter(|fault| fault.matches(call)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if effect.is_none() && fault.times > 0 {
                fault.times -= 1;
                effect = Some(fault.effect.clone());
            }
        }
        self.waiting.retain(|fault| fault.times > 0);
        effect
    }
}

/// Whether `text` is `pattern`, where `*` stands for any text.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, pattern)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| matches_pattern(pattern, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Method;
    use hyper::body::Bytes;

    use super::*;

    fn call(method: Method, path: &str) -> Call {
        Call {
            method,
            path: path.to_owned(),
            query: Vec::new(),
            media_type: None,
            authorization: None,
            body: Bytes::new(),
        }
    }

    #[test]
    fn patterns_match_paths() {
        for (pattern, text, expected) in [
            ("/token", "/token", true),
            ("/token", "/tokens", false),
            ("*", "", true),
            ("*:batchUpdate", "/v4/spreadsheets/a:batchUpdate", true),
            ("*:batchUpdate", "/v4/spreadsheets/a", false),
            ("/v4/*/developerMetadata/*", "/v4/spreadsheets/a/developerMetadata/7", true),
            ("/v4/*x", "/v4/ax/y", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_fault_skips_hits_and_is_gone() {
        let mut faults = Faults::default();
        faults.arm(Fault::on("/token", Effect::Deny).after(1).times(2));
        faults.arm(Fault::on("/token", Effect::SlowDown).after(2));
        let mut take = || faults.take(&call(Method::POST, "/token"));
        assert_eq!(take(), None);
        assert_eq!(take(), Some(Effect::Deny));
        assert_eq!(take(), Some(Effect::Deny));
        assert_eq!(take(), Some(Effect::SlowDown));
        assert_eq!(take(), None);
        assert_eq!(faults.waiting(), []);
    }

    #[test]
    fn a_fault_hits_its_method_only() {
        let mut faults = Faults::default();
        faults.arm(Fault::on("/drive/*", Effect::DropAnswer).method("post"));
        assert_eq!(faults.take(&call(Method::GET, "/drive/v3/files")), None);
        assert_eq!(faults.take(&call(Method::POST, "/drive/v3/files")), Some(Effect::DropAnswer));
    }

    #[test]
    fn faults_are_read_from_json() {
        let fault: Fault = serde_json::from_str(r#"{"path":"*","effect":{"kind":"apply-late"}}"#).unwrap();
        assert_eq!(fault, Fault::on("*", Effect::ApplyLate { after_seconds: 180 }));
        for text in [r#"{"effect":{"kind":"nope"}}"#, r#"{"effect":{"kind":"deny"},"x":1}"#, r#"{"path":"*"}"#] {
            assert!(serde_json::from_str::<Fault>(text).is_err(), "{text}");
        }
    }
}
