//! A step: what happened is taken in, then what comes next is planned.
//!
//! This module only knows the order of things; what each of them means stands in the module of its name.

use punchcard_sdk::connector::{Batch, Directive, Signal};
use punchcard_sdk::{Context, Error};

use crate::answer::{Answer, parse_failure, parse_response};
use crate::call::{Call, Next};
use crate::state::{Asked, Look, State};
use crate::{Settings, delivery, destination, event_id, finding, header, look, mark, problem, reading, stray, tab};

/// One step.
///
/// # Errors
/// [`Error::Other`] when the host gave no entropy.
pub(crate) fn step(
    settings: &Settings,
    state: &mut State,
    batch: &Batch,
    signal: Signal,
    context: &Context,
) -> Result<Directive, Error> {
    let columns = event_id::columns(settings, &batch.columns);
    let call = Call { settings, batch, columns: &columns, context };
    state.restamp(context);
    if signal == Signal::CreateAnew && settings.existing().is_some() {
        interrupt(state, call);
        state.created_anew = Some(batch.id.clone());
        return Ok(Directive::Notice(Some(problem::not_made_here(&destination::name(settings, context.now)))));
    }
    let next = match signal {
        Signal::Responded(response) => absorb(state, call, parse_response(&response, context.now, settings)),
        Signal::Failed(failure) => absorb(state, call, parse_failure(failure, settings)),
        signal => {
            interrupt(state, call);
            take_up(state, call, &signal)?;
            Next::Plan
        }
    };
    match next {
        Next::Plan => plan(state, call),
        Next::Finish => Ok(delivery::finish(state, call)),
        Next::Do(directive) => Ok(directive),
    }
}

/// Takes in what became of the request whose answer was awaited.
fn absorb(state: &mut State, call: Call, answer: Answer) -> Next {
    match std::mem::take(&mut state.asked) {
        Asked::Nothing => Next::Plan,
        Asked::Files => finding::absorb_files(state, call, answer),
        Asked::File => finding::absorb_file(state, call, answer),
        Asked::Trashed => look::absorb_trashed(state, call, answer),
        Asked::Tabs => look::absorb_tabs(state, call, answer),
        Asked::Columns => look::absorb_columns(state, call, answer),
        Asked::Header => header::absorb(state, call, answer),
        Asked::Adoption => header::absorb_adoption(state, call, answer),
        Asked::Setup => tab::absorb_setup(state, call, answer),
        Asked::Extension => tab::absorb_extension(state, call, answer),
        Asked::Mark => mark::absorb(state, call, answer),
        Asked::Append => delivery::absorb(state, call, answer),
        Asked::Rows => reading::absorb(state, call, answer),
        Asked::Strays => stray::absorb(state, answer),
    }
}

/// Takes in that the answer that was awaited will never come.
fn interrupt(state: &mut State, call: Call) {
    match std::mem::take(&mut state.asked) {
        Asked::File => finding::doubt(state, call),
        Asked::Adoption | Asked::Setup | Asked::Extension => state.look_again(Look::Tabs),
        Asked::Append => mark::doubt(state, call),
        // Reading leaves nothing in doubt.
        Asked::Nothing
        | Asked::Files
        | Asked::Trashed
        | Asked::Tabs
        | Asked::Columns
        | Asked::Header
        | Asked::Mark
        | Asked::Rows
        | Asked::Strays => {}
    }
}

/// Takes in a signal that is no answer.
fn take_up(state: &mut State, call: Call, signal: &Signal) -> Result<(), Error> {
    if !matches!(signal, Signal::Elapsed | Signal::ReadBack(_)) {
        state.reading = None;
    }
    match signal {
        Signal::Elapsed | Signal::Responded(_) | Signal::Failed(_) => return Ok(()),
        Signal::Prepare => {
            state.look_again(Look::Due);
            stray::look_again(state);
        }
        Signal::Retry => state.look_again(Look::Due),
        Signal::Begin | Signal::Resumed => {
            mark::part_from_others(state, call);
            mark::take_up(state, call, *signal == Signal::Begin);
            if state.mark.is_none() {
                look::refresh(state, call);
            }
        }
        Signal::CreateAnew => finding::take_up_anew(state, call)?,
        Signal::ReadBack(next) => reading::take_up(state, next.as_deref())?,
    }
    state.failures = 0;
    state.refusals = 0;
    Ok(())
}

/// Decides what comes next: each subject in its turn says what it needs, and the last one sends the batch.
fn plan(state: &mut State, call: Call) -> Result<Directive, Error> {
    loop {
        match plan_once(state, call)? {
            Next::Plan => {}
            Next::Finish => return Ok(delivery::finish(state, call)),
            Next::Do(directive) => return Ok(directive),
        }
    }
}

fn plan_once(state: &mut State, call: Call) -> Result<Next, Error> {
    // The wish for another spreadsheet, where the settings name the one: it was answered with a notice.
    let is_answered = call.batch.rows.is_empty() && state.created_anew.as_ref() == Some(&call.batch.id);
    if is_answered && call.settings.existing().is_some() {
        return Ok(Next::Finish);
    }
    if state.reading.is_some() {
        return reading::plan(state, call).map(Next::Do);
    }
    if let Some(directive) = delivery::plan_known(state, call) {
        return Ok(Next::Do(directive));
    }
    if let Some(directive) = mark::plan(state, call) {
        return Ok(Next::Do(directive));
    }
    if let Some(directive) = finding::plan(state, call)? {
        return Ok(Next::Do(directive));
    }
    if let Some(directive) = stray::plan(state, call) {
        return Ok(Next::Do(directive));
    }
    if let Some(directive) = look::plan(state, call) {
        return Ok(Next::Do(directive));
    }
    match tab::plan(state, call)? {
        Some(next) => Ok(next),
        None => delivery::plan(state, call),
    }
}
