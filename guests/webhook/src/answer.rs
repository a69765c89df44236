//! What a receiver's answer means.

use punchcard_sdk::Problem;
use punchcard_sdk::connector::Rejection;
use punchcard_sdk::http::Response;
use serde::Deserialize;

/// What it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    /// The batch is there, but for these rows.
    Taken(Vec<Rejection>),
    /// Again after a pause, the server's own where it names one.
    Later {
        /// Milliseconds.
        pause_ms: Option<u64>,
        /// What happened.
        why: String,
    },
    /// A person has to mend it.
    Refused(Problem),
}

/// A 2xx answer may name rows that the receiver will never take: `{"rejected": [{"row": 0, "reason": "…"}]}`. Any other
/// body of a 2xx says nothing.
#[derive(Deserialize)]
struct Taken {
    #[serde(default)]
    rejected: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    row: u32,
    reason: String,
}

/// Reads an answer to a batch of `rows` rows.
pub(crate) fn parse_answer(response: &Response, rows: usize) -> Meaning {
    let status = response.status;
    match status {
        200..=299 => Meaning::Taken(rejections(&response.body, rows)),
        // The codes that say "later": RFC 9110 §15.5.9, RFC 6585 §4, RFC 8470 §5.2, and the server's own trouble.
        408 | 425 | 429 | 500..=599 => {
            Meaning::Later { pause_ms: retry_after_ms(response), why: format!("the server answers {status}") }
        }
        401 | 403 => Meaning::Refused(Problem {
            headline: "webhook refuses us".into(),
            advice: format!("the server answers {status}; check the sink's `authorize` and its secret"),
        }),
        413 => Meaning::Refused(Problem {
            headline: "webhook: too large".into(),
            advice: "the server answers 413; lower `rows-per-request` in the sink's settings".into(),
        }),
        300..=399 => Meaning::Refused(Problem {
            headline: "webhook has moved".into(),
            advice: format!("the server answers {status}; redirects are not followed: set `url` to the new address"),
        }),
        _ => Meaning::Refused(Problem {
            headline: "webhook refuses rows".into(),
            advice: format!("the server answers {status}; check the sink's `url`"),
        }),
    }
}

fn rejections(body: &[u8], rows: usize) -> Vec<Rejection> {
    let Ok(taken) = serde_json::from_slice::<Taken>(body) else { return Vec::new() };
    let mut rejected: Vec<Rejection> = Vec::new();
    for Refusal { row, reason } in taken.rejected {
        let known = usize::try_from(row).is_ok_and(|row| row < rows);
        if known && rejected.iter().all(|earlier| earlier.row != row) {
            rejected.push(Rejection { row, reason });
        }
    }
    rejected
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). A date needs no reading: the growing pause serves as well.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let seconds: u64 = header.value.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}
