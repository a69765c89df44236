//! Posts batches of rows as JSON to any address.
//!
//! A batch has an id that stays the same however often it is sent, in the body and as the header `Idempotency-Key`. Whether
//! a batch arrived can't be asked of an unknown service, so it is sent until it is answered: a receiver that remembers the
//! ids has every row exactly once; one that does not has every row at least once.

mod answer;
mod body;
mod settings;

use answer::{Meaning, parse_answer};
use punchcard_sdk::connector::{Batch, Connector, Directive, Limits, Pause, Receipt, Signal};
use punchcard_sdk::http::{Content, Failure, Header, Request};
use punchcard_sdk::{Column, Context, Error, Problem, export_connector};
use serde::{Deserialize, Serialize};
pub use settings::Settings;

/// The connector.
#[derive(Debug)]
pub struct Webhook;

/// What is remembered from one step to the next.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Tries in a row that brought nothing.
    failures: u32,
    /// What the device was called when the batch on its way was first sent: a repeat is the same, byte by byte.
    #[serde(default)]
    device: Option<String>,
}

/// Milliseconds after which what a person has to mend is tried again, in case it healed.
const RECHECK_MS: u64 = 15 * 60_000;
/// The longest pause between two tries, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 5 * 60_000;

impl Connector for Webhook {
    type Settings = Settings;
    type State = State;

    fn check(settings: &Settings, _: &[Column]) -> Result<Limits, Error> {
        settings.check()?;
        Ok(Limits {
            rows_per_batch: settings.rows_per_request,
            bytes_per_batch: 1 << 20,
            characters_per_cell: u32::MAX,
            requests_per_minute: settings.requests_per_minute,
        })
    }

    fn step(
        settings: &Settings,
        state: &mut State,
        batch: &Batch,
        signal: Signal,
        context: &Context,
    ) -> Result<Directive, Error> {
        Ok(match signal {
            // Nothing is made ready at an address, and none is made anew.
            Signal::Prepare | Signal::CreateAnew => delivered(Vec::new()),
            Signal::Begin | Signal::Resumed | Signal::Elapsed | Signal::Retry if batch.rows.is_empty() => {
                delivered(Vec::new())
            }
            Signal::Begin | Signal::Resumed | Signal::Elapsed | Signal::Retry => {
                let device = state.device.get_or_insert_with(|| context.device.clone());
                Directive::Send(request(settings, batch, device)?)
            }
            Signal::Responded(response) => match parse_answer(&response, batch.rows.len()) {
                Meaning::Taken(rejected) => {
                    *state = State::default();
                    delivered(rejected)
                }
                Meaning::Later { pause_ms, why } => later(state, pause_ms, &why, context),
                Meaning::Refused(problem) => hold(state, problem),
            },
            Signal::Failed(failure) => match failure {
                Failure::Unsent(why) | Failure::Interrupted(why) => later(state, None, &why, context),
                // It may have named rows that were refused.
                Failure::TooLarge(bytes) => hold(
                    state,
                    problem(
                        "answer too long",
                        format!("the server's answer has more than {bytes} bytes and can't be read"),
                    ),
                ),
                Failure::Denied(why) | Failure::Invalid(why) => hold(state, problem("address not granted", why)),
                Failure::Missing(slot) => {
                    hold(state, problem("secret is missing", format!("the secret `{slot}` is not there")))
                }
            },
        })
    }
}

fn request(settings: &Settings, batch: &Batch, device: &str) -> Result<Request, Error> {
    Ok(Request {
        method: punchcard_sdk::http::Method::Post,
        url: settings.url.clone(),
        headers: vec![Header { name: "Idempotency-Key".into(), value: batch.id.clone() }],
        body: Some(Content { media_type: "application/json".into(), bytes: body::render_body(device, batch)? }),
        authorized: settings.authorized,
        // It carries its own key: twice is once, for a receiver that cares.
        idempotent: true,
        timeout_ms: Some(settings.timeout_ms),
    })
}

fn delivered(rejected: Vec<punchcard_sdk::connector::Rejection>) -> Directive {
    Directive::Delivered(Receipt { rejected, link: None })
}

fn problem(headline: &str, advice: String) -> Problem {
    Problem { headline: headline.into(), advice }
}

fn hold(state: &mut State, problem: Problem) -> Directive {
    state.failures = 0;
    Directive::Hold(Pause { milliseconds: RECHECK_MS, problem: Some(problem) })
}

/// A pause that doubles with each failure, unless the server names one; and up to a second more, so that devices which
/// failed together do not return together.
fn later(state: &mut State, asked_ms: Option<u64>, why: &str, context: &Context) -> Directive {
    let doubled = 1_000_u64.checked_shl(state.failures).unwrap_or(u64::MAX);
    let jitter = context.entropy.first().map_or(0, |byte| u64::from(*byte) * 4);
    state.failures = state.failures.saturating_add(1).min(32);
    let milliseconds = asked_ms.unwrap_or(doubled).min(LONGEST_PAUSE_MS) + jitter;
    let advice = format!("the rows wait and are sent again by themselves: {why}");
    let problem = (state.failures > 2).then(|| problem("webhook unreachable", advice));
    Directive::Wait(Pause { milliseconds, problem })
}

export_connector!(Webhook);

#[cfg(test)]
mod tests;
