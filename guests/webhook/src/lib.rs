//! Posts batches of rows as JSON to any address.
//!
//! A batch has an id that stays the same however often it is sent, in the body and as the header `Idempotency-Key`. Whether
//! a batch arrived can't be asked of an unknown service, so it is sent until it is answered: a receiver that remembers the
//! ids has every row exactly once; one that does not has every row at least once. A batch that is too large for its receiver
//! goes in pieces; each has an id of its own. Rows that may have arrived are cut into other pieces only for their size: a
//! repeat is the same to the byte, so what is too large now was too large before, unless the receiver's limit was lowered
//! between the two.

mod settings;
mod state;

mod answer;
mod body;

use answer::{Meaning, parse_answer, says};
use punchcard_sdk::connector::{Batch, Connector, Directive, Limits, Pause, Receipt, Rejection, Signal};
use punchcard_sdk::http::{Content, Failure, Header, Request, Response};
use punchcard_sdk::{Column, ColumnKind, Context, Error, Problem, export_connector, log};
pub use settings::Settings;
pub use state::State;

/// The connector.
#[derive(Debug)]
pub struct Webhook;

/// Milliseconds after which what a person has to mend is tried again, in case it healed.
const RECHECK_MS: u64 = 15 * 60_000;
/// The same, in milliseconds, where the receiver may have the rows: one that does not remember ids has them once more with
/// each repeat.
const RARE_RECHECK_MS: u64 = 24 * 60 * 60_000;
/// The longest pause between two tries, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 5 * 60_000;
/// Of a request's rows, what may go into everything but text: the host carries 16 MiB, and text that JSON makes longer
/// comes on top.
const FRAME_BYTES: usize = 2 << 20;
/// A number, or a moment with its offset, and what is around it.
const CELL_BYTES: usize = 45;
/// A row's key, and what is around it.
const ROW_BYTES: usize = 64;
/// What is around the key of a column whose moment is a guess, and around all of them.
const GUESS_BYTES: usize = 16;
/// A request of one row that is too large at up to so many bytes is not the row's fault.
const SMALL_BYTES: usize = 64 << 10;

/// What a cell of such a column takes at most, text aside.
fn cell_bytes(column: &Column) -> usize {
    let key = body::quoted_bytes(&column.key);
    match column.kind {
        ColumnKind::Date | ColumnKind::Time | ColumnKind::DateTime => 2 * key + CELL_BYTES + GUESS_BYTES,
        ColumnKind::Text | ColumnKind::Number | ColumnKind::Flag | ColumnKind::Duration => key + CELL_BYTES,
    }
}

impl Connector for Webhook {
    type Settings = Settings;
    type State = State;

    fn check(settings: &Settings, columns: &[Column]) -> Result<Limits, Error> {
        settings.check()?;
        let cells: usize = columns.iter().map(cell_bytes).sum();
        let fitting = u32::try_from(FRAME_BYTES / (ROW_BYTES + cells)).unwrap_or(u32::MAX).max(1);
        Ok(Limits {
            rows_per_batch: settings.rows_per_request.min(fitting),
            bytes_per_batch: 1 << 20,
            characters_per_cell: u32::MAX,
            requests_per_minute: settings.requests_per_minute,
            reads_back: false,
        })
    }

    fn step(
        settings: &Settings,
        state: &mut State,
        batch: &Batch,
        signal: Signal,
        context: &Context,
    ) -> Result<Directive, Error> {
        match signal {
            // What became of rows at an address can't be asked.
            Signal::ReadBack(_) => return Err(Error::Other("a webhook's rows can't be read back".to_owned())),
            // Nothing is made ready at an address, and none is made anew.
            Signal::Prepare | Signal::CreateAnew => return Ok(delivered(Vec::new())),
            _ if batch.rows.is_empty() => return Ok(delivered(Vec::new())),
            _ => state.take_up(batch, &context.device, signal != Signal::Begin),
        }
        match signal {
            Signal::Responded(response) => {
                state.came_back();
                absorb(settings, state, batch, &response, context)
            }
            Signal::Failed(failure) => {
                state.came_back();
                Ok(fail(state, failure, context))
            }
            _ => {
                state.resume();
                go_on(settings, state, batch)
            }
        }
    }
}

/// Does what an answer calls for.
fn absorb(
    settings: &Settings,
    state: &mut State,
    batch: &Batch,
    response: &Response,
    context: &Context,
) -> Result<Directive, Error> {
    let posted = state.posted();
    match parse_answer(response, posted) {
        Meaning::Taken(rejected) => state.taken(rejected),
        Meaning::TooLarge => match state.halve() {
            Some(half) => log::info(&format!("the server answers 413 to {posted} rows; {half} are tried")),
            None => {
                let bytes =
                    post(settings, state, batch)?.and_then(|request| request.body).map_or(0, |body| body.bytes.len());
                if bytes <= SMALL_BYTES {
                    let advice = format!("the server answers 413 to {bytes} bytes with a single row; let it take more");
                    return Ok(hold(state, RECHECK_MS, problem("webhook refuses rows", advice)));
                }
                // It would stop every row behind it for good.
                state.refused(format!("the server answers 413: {bytes} bytes with this row alone are too many"));
            }
        },
        Meaning::Unaccepted { status, said } => {
            // Smaller pieces bring the rows before the one that is meant, and find it. But not rows that may be there
            // already: the answer may mean just that, and under another key they would be taken once more.
            let half = if state.is_in_doubt() { None } else { state.halve() };
            let Some(half) = half else {
                // It is not set aside: such an answer may be about everything that this device sends.
                let advice = unaccepted(state, batch, settings, status) + &says(&said);
                return Ok(hold(state, RECHECK_MS, problem("webhook refuses rows", advice)));
            };
            log::warn(&format!("the server answers {status} to {posted} rows; {half} are tried{}", says(&said)));
        }
        Meaning::Unreadable(why) => {
            state.doubt();
            let key = state.plan_piece(batch, settings.rows_per_request).map_or_else(String::new, |piece| piece.key);
            let advice = format!("{why}; the `Idempotency-Key` is {key}");
            return Ok(hold(state, RARE_RECHECK_MS, problem("answer not readable", advice)));
        }
        Meaning::Later { pause_ms, why, doubtful } => {
            if doubtful {
                state.doubt();
            }
            return Ok(later(state, pause_ms, &why, context));
        }
        Meaning::Refused(problem) => return Ok(hold(state, RECHECK_MS, problem)),
    }
    state.failures = 0;
    go_on(settings, state, batch)
}

/// What a person can do about rows that the receiver does not accept.
fn unaccepted(state: &mut State, batch: &Batch, settings: &Settings, status: u16) -> String {
    let in_doubt = state.is_in_doubt();
    let Some(piece) = state.plan_piece(batch, settings.rows_per_request) else { return String::new() };
    let (key, row) = (&piece.key, piece.rows.first().map_or("", |row| row.key.as_str()));
    if in_doubt {
        format!(
            "the server answers {status} to rows that it may have from an earlier try with the same `Idempotency-Key`, \
             {key}; let it answer 200 to that key if it has them, and take them if not or name those that it refuses in \
             `rejected`"
        )
    } else {
        format!(
            "the server answers {status} to the row {row} with the `Idempotency-Key` {key}; let it take the row, or answer \
             200 and name it in `rejected`"
        )
    }
}

/// Does what a missing answer calls for.
fn fail(state: &mut State, failure: Failure, context: &Context) -> Directive {
    match failure {
        Failure::Unsent(why) => later(state, None, &why, context),
        Failure::Interrupted(why) => {
            state.doubt();
            later(state, None, &why, context)
        }
        // Of any status: it may be the server's own trouble at length, or a long list of refused rows.
        Failure::TooLarge(bytes) => {
            state.doubt();
            let advice = format!(
                "the server's answer has more than {bytes} bytes, so it is not known which rows it took; let it answer \
                 briefly"
            );
            hold(state, RARE_RECHECK_MS, problem("answer too long", advice))
        }
        Failure::Denied(why) | Failure::Invalid(why) => hold(state, RECHECK_MS, problem("address not granted", why)),
        Failure::Missing(slot) => {
            hold(state, RECHECK_MS, problem("secret is missing", format!("the secret `{slot}` is not there")))
        }
    }
}

/// Posts what is left of the batch, or says that nothing is.
fn go_on(settings: &Settings, state: &mut State, batch: &Batch) -> Result<Directive, Error> {
    Ok(match post(settings, state, batch)? {
        Some(request) => {
            state.leave();
            Directive::Send(request)
        }
        None => delivered(state.finish()),
    })
}

/// The request that is to be sent now. None when all rows are done.
fn post(settings: &Settings, state: &mut State, batch: &Batch) -> Result<Option<Request>, Error> {
    let Some(piece) = state.plan_piece(batch, settings.rows_per_request) else { return Ok(None) };
    Ok(Some(Request {
        method: punchcard_sdk::http::Method::Post,
        url: settings.url.clone(),
        headers: vec![Header { name: "Idempotency-Key".into(), value: piece.key.clone() }],
        body: Some(Content {
            media_type: "application/json".into(),
            bytes: body::render_body(&batch.columns, &piece)?,
        }),
        authorized: settings.authorized,
        // It carries its own key, but whether it is a repeat has to be known here.
        idempotent: false,
        timeout_ms: Some(settings.timeout_ms),
    }))
}

fn delivered(rejected: Vec<Rejection>) -> Directive {
    Directive::Delivered(Receipt { rejected, link: None })
}

fn problem(headline: &str, advice: String) -> Problem {
    Problem { headline: headline.into(), advice }
}

fn hold(state: &mut State, milliseconds: u64, problem: Problem) -> Directive {
    state.failures = 0;
    Directive::Hold(Pause { milliseconds, problem: Some(problem) })
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
