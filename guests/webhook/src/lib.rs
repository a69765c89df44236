//! Posts batches of rows as JSON to any address.
//!
//! A batch has an id that stays the same however often it is sent, in the body and as the header `Idempotency-Key`. Whether
//! a batch arrived can't be asked of an unknown service, so it is sent until it is answered: a receiver that remembers the
//! ids has every row exactly once; one that does not has every row at least once. A receiver answers 200 to an id whose rows
//! it has, 409 while it is at work on it, and 400 or 422 only where it took no row of it.
//!
//! A batch that is refused goes in pieces; each has an id of its own. So the receiver finds the row that it can't take: that
//! one is set aside with its words, and the others go on.

mod settings;
mod state;

mod answer;
mod body;

use answer::{Meaning, Stop, not_let_in, parse_answer, says};
use punchcard_sdk::backoff::{Chance, plan_retry};
use punchcard_sdk::connector::{Batch, Connector, Directive, Limits, Pause, Receipt, Rejection, Signal};
use punchcard_sdk::http::{Content, Failure, Header, Request, Response};
use punchcard_sdk::quote::fragment;
use punchcard_sdk::{Column, ColumnKind, Context, Error, Needs, Problem, export_connector, log};
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
/// What is not tried again before a person says so: in no lifetime, in milliseconds.
const NEVER_MS: u64 = u64::MAX;
/// The longest pause between two tries, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 5 * 60_000;
/// The tries that a wrong address gets, for a server that is just being set up.
const FIRST_TRIES: u32 = 5;
/// Rows in a row that are set aside before that is held against the receiver: from then on one goes for each
/// [`RECHECK_MS`], so that a receiver which has come to refuse everything does not have everything set aside.
const REFUSALS_IN_A_ROW: u32 = 10;
/// Of a request's rows, what may go into everything but text: the host carries 16 MiB, and text that JSON makes longer
/// comes on top.
const FRAME_BYTES: usize = 2 << 20;
/// A number, or a moment with its offset, and what is around it.
const CELL_BYTES: usize = 45;
/// A row's key, and what is around it.
const ROW_BYTES: usize = 64;
/// What is around the key of a column whose moment is a guess, and around all of them.
const GUESS_BYTES: usize = 16;
/// What the host says of a failure is quoted up to here.
const WHY_CHARACTERS: usize = 600;
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
            Signal::Responded(response) => absorb(settings, state, batch, &response, context),
            Signal::Failed(failure) => Ok(fail(state, failure, context)),
            Signal::Retry => {
                state.go_on();
                go_on(settings, state, batch)
            }
            // After a restart it is as before, unless a person has set another address.
            _ => match state.stopped(settings.address()).map(Stop::problem) {
                Some(problem) => Ok(hold(state, NEVER_MS, problem)),
                None => go_on(settings, state, batch),
            },
        }
    }

    fn needs(settings: &Settings) -> Needs {
        Needs {
            urls: vec![settings.address().to_owned()],
            slots: Vec::new(),
            authorization: settings.authorized == Some(true),
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
    match parse_answer(response, settings.receipt.as_ref(), posted, context.now) {
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
        Meaning::Unaccepted { status, said } => match state.halve() {
            Some(half) => {
                log::warn(&format!("the server answers {status} to {posted} rows; {half} are tried{}", says(&said)));
            }
            None => {
                state.refused(format!("the server answers {status}{}", says(&said)));
                state.refusals = state.refusals.saturating_add(1);
                if state.refusals >= REFUSALS_IN_A_ROW {
                    return Ok(hold(state, RECHECK_MS, refuses_all(state.refusals, status, &said)));
                }
            }
        },
        Meaning::Unreadable(why) => {
            let key = state.plan_piece(batch, settings.rows_per_request).map_or_else(String::new, |piece| piece.key);
            let advice = format!("{why}; the `Idempotency-Key` is {key}");
            return Ok(hold(state, RARE_RECHECK_MS, problem("answer not readable", advice)));
        }
        Meaning::Later { pause_ms, why } => return Ok(later(state, pause_ms, &why, context)),
        Meaning::Unknown { problem, is_receivers } => {
            let longest_ms = if is_receivers { RARE_RECHECK_MS } else { LONGEST_PAUSE_MS };
            let milliseconds = pause(state, longest_ms, None, context);
            return Ok(Directive::Wait(Pause { milliseconds, problem: Some(problem) }));
        }
        Meaning::Misdirected(stop) if stop.is_redirect() || state.failures.saturating_add(1) >= FIRST_TRIES => {
            let problem = stop.problem();
            state.stop(settings.address(), stop);
            return Ok(hold(state, NEVER_MS, problem));
        }
        Meaning::Misdirected(Stop { status, said }) => {
            return Ok(later(state, None, &format!("the server answers {status}{}", says(&said)), context));
        }
        Meaning::Unauthenticated { said, .. } if settings.authorized == Some(false) => {
            let why = "the server answers 401, and the setting `authorized` is false: nothing says who sends; remove it, and \
                       give the sink an `authorize`";
            return Ok(hold(state, RECHECK_MS, not_let_in(why, &said)));
        }
        // A grant's token, which the host has renewed once by then and renews again where it can, or a header's secret:
        // which of them the sink has is not known here.
        Meaning::Unauthenticated { pause_ms, said } => {
            let milliseconds = pause(state, RECHECK_MS, pause_ms, context);
            let why = "the server answers 401; the rows wait and are sent again by themselves, under a grant with another \
                       token. If it stays so, check the sink's `authorize`: the secret of its header, or whether the \
                       receiver accepts the grant";
            let problem = (state.failures > 2).then(|| not_let_in(why, &said));
            return Ok(Directive::Wait(Pause { milliseconds, problem }));
        }
        Meaning::Refused(problem) => return Ok(hold(state, RECHECK_MS, problem)),
    }
    state.failures = 0;
    go_on(settings, state, batch)
}

/// What a person is told of a receiver that has refused so many rows one after the other.
fn refuses_all(refusals: u32, status: u16, said: &str) -> Problem {
    let advice = format!(
        "the server refused {refusals} rows in a row, the last with {status}; look whether it still takes what this device \
         sends. They are set aside, and `punchcard rejects` has them; the next row is tried in 15 minutes, or with \
         `punchcard sinks retry SINK`{}",
        says(said)
    );
    problem("webhook refuses rows", advice)
}

/// Does what a missing answer calls for.
fn fail(state: &mut State, failure: Failure, context: &Context) -> Directive {
    let said = |why: &str| fragment(why, WHY_CHARACTERS);
    match failure {
        Failure::Unsent(why) | Failure::Interrupted(why) => later(state, None, &said(&why), context),
        // Of any status: it may be the server's own trouble at length, or a long list of refused rows.
        Failure::TooLarge(bytes) => {
            let advice = format!(
                "the server's answer has more than {bytes} bytes, so it is not known which rows it took; let it answer \
                 briefly"
            );
            hold(state, RARE_RECHECK_MS, problem("answer too long", advice))
        }
        Failure::Denied(why) | Failure::Invalid(why) => {
            hold(state, RECHECK_MS, problem("address not granted", said(&why)))
        }
        Failure::Missing(slot) => {
            hold(state, RECHECK_MS, problem("secret is missing", format!("the secret `{slot}` is not there")))
        }
    }
}

/// Posts what is left of the batch, or says that nothing is.
fn go_on(settings: &Settings, state: &mut State, batch: &Batch) -> Result<Directive, Error> {
    Ok(match post(settings, state, batch)? {
        Some(request) => Directive::Send(request),
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
        authorized: settings.authorized != Some(false),
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

/// Waits, the longer the more tries brought nothing, and says why from the third on.
fn later(state: &mut State, asked_ms: Option<u64>, why: &str, context: &Context) -> Directive {
    let milliseconds = pause(state, LONGEST_PAUSE_MS, asked_ms, context);
    let advice = format!("the rows wait and are sent again by themselves: {why}");
    let problem = (state.failures > 2).then(|| problem("webhook unreachable", advice));
    Directive::Wait(Pause { milliseconds, problem })
}

/// Counts one more try that brought nothing. Returns the milliseconds before the next.
fn pause(state: &mut State, longest_ms: u64, asked_ms: Option<u64>, context: &Context) -> u64 {
    state.failures = state.failures.saturating_add(1);
    plan_retry(state.failures, longest_ms, asked_ms, Chance::of(context))
}

export_connector!(Webhook);

#[cfg(test)]
mod tests;
