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

/// A row that the receiver will never take.
#[derive(Deserialize)]
struct Refusal {
    row: u32,
    reason: Option<String>,
}

/// Reads an answer to a batch of `rows` rows.
pub(crate) fn parse_answer(response: &Response, rows: usize) -> Meaning {
    let status = response.status;
    match status {
        200..=299 => match rejections(&response.body, rows) {
            Ok(rejected) => Meaning::Taken(rejected),
            Err(why) => Meaning::Refused(Problem {
                headline: "answer not readable".into(),
                advice: format!(
                    "the server answers {status} and says in `rejected` which rows it refuses, but {why}: no row is taken \
                     for delivered until that is mended"
                ),
            }),
        },
        // The codes that say "later": RFC 9110 §15.5.9, RFC 6585 §4, RFC 8470 §5.2, and the server's own trouble. 409 is what a
        // receiver answers that is still at work on the same `Idempotency-Key`.
        408 | 409 | 425 | 429 | 500..=599 => {
            Meaning::Later { pause_ms: retry_after_ms(response), why: format!("the server answers {status}") }
        }
        401 | 403 => Meaning::Refused(Problem {
            headline: "webhook refuses us".into(),
            advice: format!("the server answers {status}; check the sink's `authorize` and its secret"),
        }),
        413 => Meaning::Refused(Problem {
            headline: "webhook: too large".into(),
            advice:
                "the server answers 413: let it take larger bodies; `rows-per-request` in the sink's settings counts \
                     for later batches only"
                    .into(),
        }),
        300..=399 => Meaning::Refused(Problem {
            headline: "webhook has moved".into(),
            advice: format!("the server answers {status}; redirects are not followed: set `url` to the new address"),
        }),
        _ => Meaning::Refused(Problem {
            headline: "webhook refuses rows".into(),
            advice: match quote(&response.body) {
                said if said.is_empty() => format!("the server answers {status}; check the sink's `url`"),
                said => format!("the server answers {status}: {said}"),
            },
        }),
    }
}

/// Reads which rows a 2xx answer refuses: `{"rejected": [{"row": 0, "reason": "…"}]}`. A body that says nothing of the kind
/// refuses none.
///
/// # Errors
/// What is wrong with a list that is there: a row that was refused must not count as delivered.
fn rejections(body: &[u8], rows: usize) -> Result<Vec<Rejection>, String> {
    let Ok(serde_json::Value::Object(mut answer)) = serde_json::from_slice(body) else { return Ok(Vec::new()) };
    let Some(refusals) = answer.remove("rejected").filter(|refusals| !refusals.is_null()) else {
        return Ok(Vec::new());
    };
    let refusals: Vec<Refusal> = serde_json::from_value(refusals).map_err(|error| error.to_string())?;
    let mut rejected: Vec<Rejection> = Vec::new();
    for Refusal { row, reason } in refusals {
        if !usize::try_from(row).is_ok_and(|row| row < rows) {
            return Err(format!("there is no row {row} among {rows}, of which the first is 0"));
        }
        if rejected.iter().all(|earlier| earlier.row != row) {
            rejected.push(Rejection { row, reason: reason.unwrap_or_else(|| "no reason was given".to_owned()) });
        }
    }
    Ok(rejected)
}

/// The beginning of what a server says, on one line.
fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1_200)]);
    let text = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    text.take(300).collect::<String>().trim().to_owned()
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). A date needs no reading: the growing pause serves as well.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let seconds: u64 = header.value.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}
