//! What a receiver's answer means.

use std::collections::BTreeSet;

use punchcard_sdk::Problem;
use punchcard_sdk::connector::Rejection;
use punchcard_sdk::http::Response;
use serde::Deserialize;

/// What it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    /// The rows are there, but for these.
    Taken(Vec<Rejection>),
    /// The rows may be there, but which of them is not known; why.
    Unreadable(String),
    /// Fewer may pass (413).
    TooLarge,
    /// Something about these rows is wrong for the receiver (400, 422).
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
        /// Whether the rows may have been taken all the same.
        doubtful: bool,
    },
    /// A person has to mend it.
    Refused(Problem),
}

/// What is read of a 2xx answer: `{"rejected": [{"row": 0, "reason": "…"}]}`. Null is how some languages write an empty list.
#[derive(Deserialize)]
struct Taken {
    rejected: Option<Vec<Refusal>>,
}

/// What a body has in it that was meant to name rows, whether or not it can be read.
const REJECTED: &[u8] = br#""rejected""#;

/// A row that the receiver will never take.
#[derive(Deserialize)]
struct Refusal {
    row: u32,
    reason: Option<String>,
}

/// Reads an answer to a request of `rows` rows.
pub(crate) fn parse_answer(response: &Response, rows: u32) -> Meaning {
    let status = response.status;
    match status {
        200..=299 => match parse_rejected(&response.body, rows) {
            Ok(rejected) => Meaning::Taken(rejected),
            Err(why) => Meaning::Unreadable(format!(
                "the server answers {status} and says in `rejected` which rows it refuses, but {why}: no row is taken for \
                 delivered until that is mended"
            )),
        },
        400 | 422 => Meaning::Unaccepted { status, said: quote(&response.body) },
        // What a receiver answers that is still at work on the same `Idempotency-Key`. Its words, in case it means another
        // conflict, which a person has to mend.
        409 => Meaning::Later {
            pause_ms: retry_after_ms(response),
            why: format!("the server answers 409{}", says(&quote(&response.body))),
            doubtful: true,
        },
        // Too much just now: RFC 9110 §15.5.14.
        413 if retry_after_ms(response).is_none() => Meaning::TooLarge,
        // The codes that say "later": RFC 9110 §15.5.9, RFC 6585 §4, RFC 8470 §5.2, and the server's own trouble.
        408 | 413 | 425 | 429 | 500..=599 => Meaning::Later {
            pause_ms: retry_after_ms(response),
            why: format!("the server answers {status}"),
            doubtful: status >= 500,
        },
        401 | 403 => Meaning::Refused(Problem {
            headline: "webhook refuses us".into(),
            advice: format!("the server answers {status}; check the sink's `authorize` and its secret"),
        }),
        300..=399 => Meaning::Refused(Problem {
            headline: "webhook has moved".into(),
            advice: format!("the server answers {status}; redirects are not followed: set `url` to the new address"),
        }),
        _ => Meaning::Refused(Problem {
            headline: "webhook refuses rows".into(),
            advice: format!("the server answers {status}; check the sink's `url`{}", says(&quote(&response.body))),
        }),
    }
}

/// Reads which rows a 2xx answer refuses. A body that says nothing of the kind refuses none.
///
/// # Errors
/// What is wrong with a list that is there: a row that was refused must not count as delivered.
fn parse_rejected(body: &[u8], rows: u32) -> Result<Vec<Rejection>, String> {
    // Some servers begin with a byte order mark.
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start();
    if !text.starts_with(b"{") {
        return Ok(Vec::new());
    }
    // Read straight into its type: as a tree of values, an answer of 8 MiB can take more than all the memory there is.
    let refusals = match serde_json::from_slice::<Taken>(text) {
        Ok(taken) => taken.rejected.unwrap_or_default(),
        Err(error) if text.windows(REJECTED.len()).any(|part| part == REJECTED) => {
            return Err(quote(error.to_string().as_bytes()));
        }
        Err(_) => return Ok(Vec::new()),
    };
    let mut rejected: Vec<Rejection> = Vec::new();
    let mut named = BTreeSet::new();
    for Refusal { row, reason } in refusals {
        if row >= rows {
            return Err(format!("there is no row {row} among {rows}, of which the first is 0"));
        }
        if named.insert(row) {
            let reason = quote(reason.unwrap_or_default().as_bytes());
            let reason = if reason.is_empty() { "no reason was given".to_owned() } else { reason };
            rejected.push(Rejection { row, reason });
        }
    }
    Ok(rejected)
}

/// The beginning of what a server says, on one line, without what a terminal would obey.
fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1_200)]);
    let text = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    text.take(300).collect::<String>().trim().to_owned()
}

/// A server's words, behind others.
pub(crate) fn says(quoted: &str) -> String {
    if quoted.is_empty() { String::new() } else { format!("; it says: {quoted}") }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). A date needs no reading: the growing pause serves as well.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let seconds: u64 = header.value.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}
