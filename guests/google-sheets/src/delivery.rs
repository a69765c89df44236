//! Delivery: the batch is sent in one request, and what comes back is weighed.

use punchcard_sdk::connector::{Directive, Receipt};
use punchcard_sdk::quote::says;
use punchcard_sdk::{Error, log};

use crate::answer::Answer;
use crate::call::{Call, Next};
use crate::pause::unanswered;
use crate::state::{Asked, Look, State};
use crate::tab::parse_applied;
use crate::{append, cell, columns, destination, finding, mark, pause, problem, request};

/// Cells beyond which nothing is appended. Google's own limit is 10 million; other sinks and devices may write too.
const CELLS: u64 = 9_800_000;
/// Refusals in a row after which a person is told. The first may be due to what a person changed at the same moment.
const REFUSALS: u32 = 2;

/// A batch that was delivered before is not delivered again: the host may not have come to write that down.
pub(crate) fn plan_known(state: &State, call: Call) -> Option<Directive> {
    let known = !call.batch.rows.is_empty() && state.delivered.as_ref() == Some(&call.batch.id);
    known.then(|| delivered(state, call))
}

/// Sends the batch. The spreadsheet, the tab and its columns are ready.
pub(crate) fn plan(state: &mut State, call: Call) -> Result<Next, Error> {
    let rejected = cell::plan_rejections(call.batch);
    let accepted = call.batch.rows.len() - rejected.len();
    if accepted == 0 {
        return Ok(Next::Finish);
    }
    if let Some(said) = state.mark.as_mut().and_then(|mark| mark.refusal.take())
        && let Some(directive) = weigh(state, call, &said)
    {
        return Ok(Next::Do(directive));
    }
    let not_ready = || Error::Other("rows came without a spreadsheet, a tab or columns for them".to_owned());
    let spreadsheet = state.spreadsheet.as_mut().ok_or_else(not_ready)?;
    let tab = spreadsheet.tab.as_ref().ok_or_else(not_ready)?;
    let rows = u64::try_from(accepted).unwrap_or(u64::MAX);
    if spreadsheet.cells.saturating_add(rows.saturating_mul(u64::from(tab.width))) > CELLS {
        spreadsheet.full = true;
    }
    if spreadsheet.full {
        if let Some(directive) = mark::plan_leave(state, call) {
            return Ok(Next::Do(directive));
        }
        state.mark = None;
        if call.settings.existing().is_some()
            && let Some(full) = &mut state.spreadsheet
        {
            full.full = false;
            let title = destination::title(&full.name, full.volume);
            return Ok(Next::Do(pause::hold(problem::full(&title))));
        }
        finding::leave_full(state, call)?;
        return Ok(Next::Plan);
    }
    let order = columns::plan_order(tab, call.columns).ok_or_else(not_ready)?;
    let (tab, url) = (tab.id, request::sheets_url(call.settings, &spreadsheet.id, ":batchUpdate"));
    let mark = mark::prepare(state, call)?;
    state.asked = Asked::Append;
    let is_of_person = call.settings.existing().is_some();
    let body = append::render_append(tab, &order, call.columns, call.batch, &mark, &rejected, is_of_person);
    Ok(Next::Do(Directive::Send(request::post(url, body))))
}

/// Takes in what became of the batch.
pub(crate) fn absorb(state: &mut State, call: Call, answer: Answer) -> Next {
    match parse_applied(answer) {
        Ok(()) => Next::Finish,
        Err(Answer::Done(_) | Answer::TooLarge) => {
            mark::doubt(state, call);
            Next::Plan
        }
        Err(Answer::Doubtful(trouble)) => {
            mark::doubt(state, call);
            Next::Do(pause::back_off(&mut state.failures, &trouble, call.context))
        }
        Err(Answer::Refused(said)) => {
            // It may have been refused because it is there already.
            if let Some(mark) = &mut state.mark {
                mark.ask = true;
                mark.refusal = Some(said);
            }
            Next::Plan
        }
        Err(Answer::Missing) => {
            mark::clear(state);
            state.look_again(Look::Due);
            Next::Plan
        }
        Err(answer @ (Answer::Busy(_) | Answer::Barred(_))) => {
            mark::clear(state);
            Next::Do(unanswered(&mut state.failures, answer, "to append rows", call.context))
        }
    }
}

/// The batch is done.
pub(crate) fn finish(state: &mut State, call: Call) -> Directive {
    if !call.batch.rows.is_empty() {
        let rows = call.batch.rows.len() - cell::plan_rejections(call.batch).len();
        if let Some(spreadsheet) = &mut state.spreadsheet {
            let width = spreadsheet.tab.as_ref().map_or(0, |tab| tab.width);
            spreadsheet.cells += u64::try_from(rows).unwrap_or(u64::MAX).saturating_mul(u64::from(width));
        }
        mark::confirm(state);
        state.delivered = Some(call.batch.id.clone());
    }
    state.failures = 0;
    state.refusals = 0;
    delivered(state, call)
}

fn delivered(state: &State, call: Call) -> Directive {
    let link = state.spreadsheet.as_ref().and_then(|spreadsheet| spreadsheet.link.clone());
    Directive::Delivered(Receipt { rejected: cell::plan_rejections(call.batch), link })
}

/// Weighs why the batch was refused: the mark is not there and the tab is. `None`: to be sent again.
fn weigh(state: &mut State, call: Call, said: &str) -> Option<Directive> {
    if says(said, "increase the number of cells") {
        if let Some(spreadsheet) = &mut state.spreadsheet {
            spreadsheet.full = true;
        }
        return None;
    }
    state.refusals += 1;
    if state.refusals > REFUSALS {
        mark::clear(state);
        return Some(pause::hold(problem::refused("to append rows", said)));
    }
    log::warn(&format!("Google refused to append rows: {said}"));
    if says(said, "createDeveloperMetadata") {
        // The id may be in use where this app can't see it.
        return mark::replace(state, call);
    }
    mark::drop_deletes(state);
    None
}
