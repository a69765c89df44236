//! What a service's answer means to whoever reads a list from it: the list, another try, or none this time.
//!
//! The host asks again at its own intervals, so a fetch tries a few times only. The names of services and what a person can do
//! there are the plugin's to say.

use serde::{Deserialize, Serialize};

use super::{Directive, Failure};
use crate::answer::{Form, content, form, in_place_of};
use crate::backoff::{Chance, plan_retry};
use crate::http::{Method, Request, Response};
use crate::quote::fragment;
use crate::retry_after::parse_retry_after;
use crate::{Context, Error, Problem};

/// Tries of one request in a fetch.
const MOST_TRIES: u32 = 4;
/// The longest wait between two of them, in milliseconds. Longer than that the host waits by itself.
const LONGEST_WAIT_MS: u64 = 60_000;
/// What a server says is quoted up to here, in characters.
const QUOTE: usize = 300;

/// The service that is asked, for what is said of it.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// "Google".
    pub name: &'static str,
    /// What to do where the list is not there: "check `list`".
    pub not_found: &'static str,
    /// What to do where it may not be read: "sign in with the scope …".
    pub forbidden: &'static str,
}

/// How often the request that is under way was tried without success.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries(u32);

impl Service {
    /// The JSON object of an answer that has one.
    ///
    /// # Errors
    /// What to do in place of reading it.
    pub fn read<'r>(
        &self,
        response: &'r Response,
        tries: &mut Tries,
        context: &Context,
    ) -> Result<&'r [u8], Directive> {
        let is_own = form(response) == Form::Object;
        let advice = match response.status {
            200..=299 if is_own => {
                tries.0 = 0;
                return Ok(content(response));
            }
            408 | 429 | 500..=599 => {
                let why = format!("{} answers {}{}", self.name, response.status, says(response));
                return Err(again(tries, parse_retry_after(response, context.now), &why, context));
            }
            // A 401 comes after the host has renewed the grant's token once.
            401 if is_own => format!("{} does not accept the token; sign in again{}", self.name, says(response)),
            403 if is_own => format!("{}{}", self.forbidden, says(response)),
            404 | 410 if is_own => format!("{}{}", self.not_found, says(response)),
            status if is_own => format!("{} answers {status}{}", self.name, says(response)),
            _ => in_place_of(self.name, response),
        };
        Err(unavailable("no list was read", advice))
    }

    /// What to do after a request without an answer.
    #[must_use]
    pub fn fail(&self, failure: &Failure, tries: &mut Tries, context: &Context) -> Directive {
        match failure {
            Failure::Broken(why) => again(tries, None, &fragment(why, QUOTE), context),
            Failure::SignedOut => unavailable("signed out", "nobody is signed in any more".to_owned()),
            Failure::Refused(why) => unavailable("not granted", fragment(why, QUOTE)),
            Failure::TooLarge(bytes) => {
                let advice = format!("the answer has more than {bytes} bytes; make the list shorter");
                unavailable("list is too long", advice)
            }
        }
    }

    /// What to do where the answer is JSON of another form than the service's.
    #[must_use]
    pub fn unreadable(&self, response: &Response) -> Directive {
        unavailable("no list was read", in_place_of(self.name, response))
    }
}

/// The request for a page.
#[must_use]
pub fn get(url: String) -> Request {
    Request {
        method: Method::Get,
        url,
        headers: Vec::new(),
        body: None,
        authorized: true,
        idempotent: true,
        timeout_ms: None,
    }
}

/// Whether a setting is the address of a service, without a slash at its end.
///
/// # Errors
/// [`Error::InvalidSettings`], naming the key.
pub fn check_base(key: &str, url: &str, example: &str) -> Result<(), Error> {
    let plain = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if plain.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' ', '@'])) || url.ends_with('/') {
        return Err(Error::InvalidSettings(format!("`{key}` is no base address; write it like `{example}`")));
    }
    Ok(())
}

fn again(tries: &mut Tries, asked_ms: Option<u64>, why: &str, context: &Context) -> Directive {
    tries.0 = tries.0.saturating_add(1);
    let wait_ms = plan_retry(tries.0, LONGEST_WAIT_MS, asked_ms, Chance::of(context));
    if tries.0 >= MOST_TRIES || asked_ms.is_some_and(|asked_ms| asked_ms > LONGEST_WAIT_MS) {
        return unavailable("no list was read", format!("{why}; it is tried again later"));
    }
    Directive::Wait(wait_ms)
}

fn unavailable(headline: &str, advice: String) -> Directive {
    Directive::Unavailable(Problem { headline: headline.to_owned(), advice })
}

/// What a server says of an error, behind other words. Google and most others put it into `error.message`.
fn says(response: &Response) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Said,
    }
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(content(response)) {
        Ok(refusal) => format!("; it says: {}", fragment(&refusal.error.message, QUOTE)),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instant;

    const SERVICE: Service = Service { name: "Google", not_found: "check `list`", forbidden: "grant the scope" };

    fn context() -> Context {
        Context {
            now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            monotonic_ms: 0,
            boot: "b".into(),
            entropy: vec![0; 32],
            device: "d".into(),
        }
    }

    fn answer(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn an_answer_is_the_list_or_another_try_or_says_what_to_do() {
        let page = "<!DOCTYPE html><p>Welcome";
        let error = r#"{"error":{"message":"Not so.\u001b[2J"}}"#;
        let table = [
            (200, "{}", "read"),
            (200, page, "something in the network answers in place of Google (status 200, with a page of HTML)"),
            (401, error, "Google does not accept the token; sign in again; it says: Not so. [2J"),
            (403, error, "grant the scope; it says: Not so. [2J"),
            (403, page, "something in the network answers in place of Google (status 403, with a page of HTML)"),
            (404, "{}", "check `list`"),
            (400, error, "Google answers 400; it says: Not so. [2J"),
            (302, "", "something in the network answers in place of Google (status 302, without content)"),
            (503, page, "wait"),
            (429, error, "wait"),
        ];
        for (status, body, expected) in table {
            let response = answer(status, body);
            let found = match SERVICE.read(&response, &mut Tries::default(), &context()) {
                Ok(_) => "read".to_owned(),
                Err(Directive::Wait(_)) => "wait".to_owned(),
                Err(Directive::Unavailable(problem)) => problem.advice,
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn a_request_is_tried_a_few_times_and_success_begins_anew() {
        let mut tries = Tries::default();
        let broken = Failure::Broken("no route".to_owned());
        for _ in 1..MOST_TRIES {
            assert!(matches!(SERVICE.fail(&broken, &mut tries, &context()), Directive::Wait(_)));
        }
        let Directive::Unavailable(problem) = SERVICE.fail(&broken, &mut tries, &context()) else { panic!("a wait") };
        assert_eq!(problem.advice, "no route; it is tried again later");
        assert!(SERVICE.read(&answer(200, "{}"), &mut tries, &context()).is_ok());
        assert_eq!(tries, Tries::default());
        let refused = Failure::Refused("outside".to_owned());
        assert!(matches!(SERVICE.fail(&refused, &mut tries, &context()), Directive::Unavailable(_)));
        assert!(matches!(SERVICE.fail(&Failure::TooLarge(7), &mut tries, &context()), Directive::Unavailable(_)));
    }

    #[test]
    fn a_base_address_has_a_scheme_and_no_end() {
        for good in ["https://tasks.googleapis.com", "http://127.0.0.1:8000", "https://a/b"] {
            assert!(check_base("tasks-url", good, "x").is_ok(), "{good}");
        }
        for bad in ["", "https://", "tasks.googleapis.com", "https://a/", "https://a?b", "https://u@a", "https://a b"] {
            assert!(check_base("tasks-url", bad, "x").is_err(), "{bad}");
        }
    }
}
