//! What a receiver's answer means.
//!
//! An answer is believed only where it has the form of a receiver's. A page of HTML comes from a proxy, a filter or a portal,
//! whatever its status: what became of the rows is not known then. So it is with a success that is no receipt.

use std::collections::BTreeSet;

use punchcard_sdk::answer::{Form, content, form, in_place_of};
use punchcard_sdk::connector::Rejection;
use punchcard_sdk::http::Response;
use punchcard_sdk::quote::{quote, quote_body};
use punchcard_sdk::retry_after::parse_retry_after;
use punchcard_sdk::{Instant, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::settings::Receipt;

/// What it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    /// The rows are there, but for these.
    Taken(Vec<Rejection>),
    /// The rows may be there, but which of them is not known; why.
    Unreadable(String),
    /// Fewer may pass (413).
    TooLarge,
    /// Something about these rows is wrong for the receiver (400, 422), which took none of them.
    Unaccepted {
        /// What it answers.
        status: u16,
        /// Its own words; perhaps none.
        said: String,
    },
    /// Again after a pause, the server's own where it names one.
    Later {
        /// Milliseconds.
        pause_ms: Option<u64>,
        /// What happened.
        why: String,
    },
    /// It is not known what became of the rows. Again after a pause, and said at once.
    Unknown {
        /// What is said.
        problem: Problem,
        /// It is the receiver itself that answers so, and perhaps for ever: the pauses grow further. Each repeat is a copy
        /// at one that does not remember ids.
        is_receivers: bool,
    },
    /// The rows may be there, and sending them again would do no good.
    Misdirected(Stop),
    /// Nothing was done, since the receiver does not accept what says who sends (401).
    Unauthenticated {
        /// Milliseconds that the server asks for.
        pause_ms: Option<u64>,
        /// Its own words; perhaps none.
        said: String,
    },
    /// Nothing was done, and a person has to mend it.
    Refused(Problem),
}

/// A status that says that the address is wrong, but not that nothing was done there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// 3xx, or another 4xx than those with a meaning of their own.
    pub(crate) status: u16,
    /// Where a redirect points to, or else what the server says; perhaps nothing.
    pub(crate) said: String,
}

/// What is read of a 2xx answer: `{"rejected": [{"row": 0, "reason": "…"}]}`. Null is how some languages write an empty list.
#[derive(Deserialize)]
struct Taken {
    rejected: Option<Vec<Refusal>>,
}

/// A row that the receiver will never take.
#[derive(Deserialize)]
struct Refusal {
    row: u32,
    reason: Option<String>,
}

/// A server's words are quoted up to here, in characters.
const QUOTE: usize = 300;
/// A longer answer is not looked through for the member of a receipt, in bytes: as a tree of values it can take more than
/// all the memory there is.
const RECEIPT_BYTES: usize = 64 << 10;

/// Reads an answer to a request of `rows` rows.
pub(crate) fn parse_answer(response: &Response, receipt: Option<&Receipt>, rows: u32, now: Instant) -> Meaning {
    let status = response.status;
    // A page's beginning says nothing to a person.
    let said = || if form(response) == Form::Html { String::new() } else { quote_body(content(response), QUOTE) };
    let later = |why| Meaning::Later { pause_ms: parse_retry_after(response, now), why };
    match status {
        200..=299 => parse_success(response, receipt, rows),
        // A redirect to a write may follow its effect (RFC 9110 §15.4.4: the other address may describe what was done).
        300..=399 => {
            let location = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"));
            let said = location.map_or_else(String::new, |header| quote(&header.value, QUOTE));
            Meaning::Misdirected(Stop { status, said })
        }
        // Of any form: it is a proxy that mostly finds a request too large, and then it passes nothing on. With Retry-After
        // it is too much just now (RFC 9110 §15.5.14).
        413 if parse_retry_after(response, now).is_none() => Meaning::TooLarge,
        // What a receiver answers that is still at work on the same `Idempotency-Key`. Its words, in case it means another
        // conflict, which a person has to mend.
        409 => later(format!("the server answers 409{}", says(&said()))),
        // The codes that say "later": RFC 9110 §15.5.9, RFC 6585 §4, RFC 8470 §5.2, and the server's own trouble.
        408 | 413 | 425 | 429 | 500..=599 => later(format!("the server answers {status}")),
        400 | 401 | 403 | 422 if form(response) == Form::Html => {
            Meaning::Unknown { problem: in_place(response), is_receivers: false }
        }
        400 | 422 => Meaning::Unaccepted { status, said: said() },
        401 => Meaning::Unauthenticated { pause_ms: parse_retry_after(response, now), said: said() },
        403 => {
            Meaning::Refused(not_let_in("the server answers 403; check the sink's `authorize` and its secret", &said()))
        }
        400..=499 => Meaning::Misdirected(Stop { status, said: said() }),
        _ => {
            let advice =
                format!("the server answers {status}, which is no status of an answer; the rows are sent again");
            Meaning::Unknown { problem: Problem { headline: "no receipt".into(), advice }, is_receivers: false }
        }
    }
}

/// The device is not let in.
pub(crate) fn not_let_in(why: &str, said: &str) -> Problem {
    Problem { headline: "webhook refuses us".into(), advice: format!("{why}{}", says(said)) }
}

/// Reads a 2xx answer: a receipt, or not.
fn parse_success(response: &Response, receipt: Option<&Receipt>, rows: u32) -> Meaning {
    let status = response.status;
    let is_receipt = match (receipt, form(response)) {
        (None, form) => matches!(form, Form::Object | Form::Empty),
        (Some(receipt), form) => is_receipt(receipt, form, content(response)),
    };
    if is_receipt {
        return match parse_rejected(content(response), rows) {
            Ok(rejected) => Meaning::Taken(rejected),
            Err(why) => Meaning::Unreadable(format!(
                "the server answers {status} and says in `rejected` which rows it refuses, but {why}: no row is taken for \
                 delivered until that is mended"
            )),
        };
    }
    if form(response) == Form::Html {
        return Meaning::Unknown { problem: in_place(response), is_receivers: false };
    }
    let expected = match receipt {
        Some(_) => "what `receipt` names",
        None => "a JSON object or nothing, or name in `receipt` what it answers",
    };
    let said = says(&quote_body(content(response), QUOTE));
    let advice = format!(
        "the server answers {status} without a receipt, so the rows count as not delivered and are sent again, ever more \
         rarely, with the same `Idempotency-Key`; let it answer {expected}{said}"
    );
    Meaning::Unknown { problem: Problem { headline: "no receipt".into(), advice }, is_receivers: true }
}

/// Whether this is the answer of a receiver that has taken the rows.
fn is_receipt(receipt: &Receipt, form: Form, body: &[u8]) -> bool {
    match receipt {
        Receipt { member: Some(member), value: Some(expected), .. } if form == Form::Object => {
            let object = (body.len() <= RECEIPT_BYTES).then(|| serde_json::from_slice::<Map<String, Value>>(body));
            object.and_then(Result::ok).is_some_and(|object| match (object.get(member), expected) {
                // 1 and 1.0 are the same number.
                (Some(Value::Number(found)), Value::Number(expected)) => found.as_f64() == expected.as_f64(),
                (found, expected) => found == Some(expected),
            })
        }
        Receipt { text: Some(text), .. } => body == text.trim().as_bytes(),
        Receipt { .. } => false,
    }
}

/// Reads which rows a 2xx answer refuses. A body that says nothing of the kind refuses none.
///
/// # Errors
/// What is wrong with a list that is there: a row that was refused must not count as delivered.
fn parse_rejected(body: &[u8], rows: u32) -> Result<Vec<Rejection>, String> {
    if !body.starts_with(b"{") {
        return Ok(Vec::new());
    }
    // Read straight into its type: as a tree of values, an answer of 8 MiB can take more than all the memory there is.
    let taken: Taken = serde_json::from_slice(body).map_err(|error| quote(&error.to_string(), QUOTE))?;
    let mut rejected: Vec<Rejection> = Vec::new();
    let mut named = BTreeSet::new();
    for Refusal { row, reason } in taken.rejected.unwrap_or_default() {
        if row >= rows {
            return Err(format!("there is no row {row} among {rows}, of which the first is 0"));
        }
        if named.insert(row) {
            let reason = quote(&reason.unwrap_or_default(), QUOTE);
            let reason = if reason.is_empty() { "no reason was given".to_owned() } else { reason };
            rejected.push(Rejection { row, reason });
        }
    }
    Ok(rejected)
}

/// What a person is told of a page of HTML.
fn in_place(response: &Response) -> Problem {
    Problem {
        headline: "not the receiver".into(),
        advice: format!(
            "{}; look at the network, a proxy or a sign-in page; the rows wait and are sent again by themselves. If it is the \
             receiver that answers so, let it answer in JSON",
            in_place_of("the receiver", response)
        ),
    }
}

impl Stop {
    /// Whether it is held at once. Others may be a server that is just being set up, and are tried a few times.
    pub(crate) fn is_redirect(&self) -> bool {
        (300..=399).contains(&self.status)
    }

    /// What a person is told.
    pub(crate) fn problem(&self) -> Problem {
        const AGAIN: &str = "the rows may have been taken all the same, so they are not sent again by themselves";
        let Self { status, said } = self;
        if !self.is_redirect() {
            return Problem {
                headline: "webhook refuses rows".into(),
                advice: format!(
                    "the server answers {status}; {AGAIN}: check the sink's `url`, then `punchcard sinks retry SINK`{}",
                    says(said)
                ),
            };
        }
        let to = if said.is_empty() { "without saying where to".to_owned() } else { format!("and points to {said}") };
        Problem {
            headline: "webhook has moved".into(),
            advice: format!(
                "the server answers {status} {to}; redirects are not followed, and {AGAIN}: set `url` to the address that \
                 takes rows, or let the server answer 200 itself, then `punchcard sinks retry SINK`"
            ),
        }
    }
}

/// A server's words, behind others.
pub(crate) fn says(quoted: &str) -> String {
    if quoted.is_empty() { String::new() } else { format!("; it says: {quoted}") }
}
