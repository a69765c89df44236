//! Mark: the developer metadata that is created together with a batch's rows, and what is known when an answer is not.
//!
//! The mark's id is random and used for one batch. A request may be carried out up to 180 s after its connection broke,
//! so a repeat carries the same id: whichever of the two comes second is refused, with its rows. For the same reason a
//! mark that was ever in doubt is not deleted for ten minutes, or a request that wakes up late could create it again.
//!
//! The host gives a connector an empty state when its name in plugins.toml is a new one. A batch that was tried before is in
//! doubt then too, and of its mark no more is known than the batch's id: it is looked for by that.

use std::time::Duration;

use punchcard_sdk::connector::Directive;
use punchcard_sdk::{Error, log};

use crate::answer::{Answer, Trouble};
use crate::call::{Call, Next};
use crate::draw::Purpose;
use crate::member::{list, number, text};
use crate::pause::unanswered;
use crate::state::{Asked, Look, Mark, Spent, Stamp, State};
use crate::{draw, pause, problem, request};

/// Key of the metadata; its value is the batch's id.
pub(crate) const KEY: &str = "punchcard.batch";

/// After this a request in doubt will never be carried out.
const DOUBT_LASTS: Duration = Duration::from_secs(600);
/// Marks that are deleted along with one batch.
const DELETES: usize = 25;

/// The mark of the batch, made when there is none. Its request is about to leave.
pub(crate) fn prepare(state: &mut State, call: Call) -> Result<Mark, Error> {
    match &state.mark {
        Some(Mark { id: None, .. }) => {
            return Err(Error::Other("rows were about to leave that may be there already".to_owned()));
        }
        Some(mark) => return Ok(mark.clone()),
        None => {}
    }
    let mut id = draw::id(Purpose::Mark, call.context)?;
    while state.spent.iter().any(|spent| spent.id == id) {
        id = id.checked_add(2).unwrap_or(2);
    }
    let deletable = |spent: &&Spent| spent.doubt.as_ref().is_none_or(|doubt| is_over(doubt, call));
    let deletes = state.spent.iter().filter(deletable).map(|spent| spent.id).take(DELETES).collect();
    let mark = Mark { id: Some(id), batch: call.batch.id.clone(), ask: false, doubt: None, deletes, refusal: None };
    Ok(state.mark.insert(mark).clone())
}

fn is_over(doubt: &Stamp, call: Call) -> bool {
    doubt.remaining(DOUBT_LASTS, call.context) == 0
}

/// Takes up a batch: `begins`, or else an earlier call may have sent it. This state knows of that, unless it is the first
/// one that it sees.
pub(crate) fn take_up(state: &mut State, call: Call, begins: bool) {
    if call.batch.rows.is_empty() {
        return;
    }
    let known = state.begun || state.delivered.is_some() || state.mark.is_some();
    if begins {
        state.begun = true;
    } else if !known {
        let doubt = Some(Stamp::now(call.context));
        let batch = call.batch.id.clone();
        state.mark = Some(Mark { id: None, batch, ask: true, doubt, deletes: Vec::new(), refusal: None });
    }
}

/// Takes in that the batch may have been, or may yet be, carried out.
pub(crate) fn doubt(state: &mut State, call: Call) {
    if let Some(mark) = &mut state.mark {
        mark.ask = true;
        mark.doubt = Some(Stamp::now(call.context));
    }
}

/// Takes in that the last request did nothing. An earlier one may have.
pub(crate) fn clear(state: &mut State) {
    state.mark.take_if(|mark| mark.doubt.is_none());
}

/// Takes in that the rows are there.
pub(crate) fn confirm(state: &mut State) {
    if let Some(mark) = state.mark.take() {
        forget(&mut state.spent, &mark.deletes);
        state.spent.extend(mark.id.map(|id| Spent { id, doubt: mark.doubt }));
    }
}

/// Leaves these marks where they are, if they are there.
pub(crate) fn drop_deletes(state: &mut State) {
    if let Some(mark) = &mut state.mark {
        forget(&mut state.spent, &mark.deletes);
        mark.deletes.clear();
    }
}

fn forget(spent: &mut Vec<Spent>, ids: &[i32]) {
    spent.retain(|spent| !ids.contains(&spent.id));
}

/// A mark of another batch, which the host no longer tries, is of no use. Batches without rows are no other batches.
pub(crate) fn part_from_others(state: &mut State, call: Call) {
    if call.batch.rows.is_empty() {
        return;
    }
    if let Some(mark) = state.mark.take_if(|mark| mark.batch != call.batch.id) {
        log::warn(&format!("batch {} was given up while it was in doubt", mark.batch));
        state.spent.extend(mark.id.map(|id| Spent { id, doubt: Some(Stamp::now(call.context)) }));
    }
}

/// A mark is of no use either once all rows were read for a host that has no batch under way: it knows by their ids which of
/// them are there, and what is not goes in other batches, to where rows go by now. Before that it is, in case the host comes
/// back to its batch because they can't be read.
pub(crate) fn part_from_read(state: &mut State, call: Call) {
    if let Some(mark) = state.mark.take() {
        log::info(&format!("batch {} is no longer under way; its rows were looked for by their ids", mark.batch));
        state.spent.extend(mark.id.map(|id| Spent { id, doubt: Some(Stamp::now(call.context)) }));
    }
}

/// Asks for the mark when the batch may be there already.
pub(crate) fn plan(state: &mut State, call: Call) -> Option<Directive> {
    let mark = state.mark.as_ref().filter(|mark| mark.ask && mark.batch == call.batch.id)?;
    let spreadsheet = state.spreadsheet.as_ref()?;
    let url = |rest: &str| request::sheets_url(call.settings, &spreadsheet.id, rest);
    let request = match mark.id {
        Some(id) => request::get(url(&format!("/developerMetadata/{id}"))),
        // To find it is to know where the rows are, too.
        None if spreadsheet.look != Look::Settled => return None,
        None => {
            let lookup = format!(r#"{{"metadataKey":"{KEY}","metadataValue":{}}}"#, request::quote(&mark.batch));
            let body = format!(r#"{{"dataFilters":[{{"developerMetadataLookup":{lookup}}}]}}"#);
            request::search(url("/developerMetadata:search"), body)
        }
    };
    state.asked = Asked::Mark;
    Some(Directive::Send(request))
}

/// Takes in whether the mark is there.
pub(crate) fn absorb(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(mark) = &mut state.mark else { return Next::Plan };
    let Some(id) = mark.id else { return absorb_search(state, call, answer) };
    let found = answer.object().and_then(|found| match text(&found, "metadataKey") {
        "" => Err(Answer::unreadable()),
        _ => Ok(found),
    });
    match found {
        Ok(found) if text(&found, "metadataKey") == KEY && text(&found, "metadataValue") == mark.batch => Next::Finish,
        Ok(_) => {
            log::warn(&format!("the metadata id {id} is in use by somebody else"));
            replace(state, call).map_or(Next::Plan, Next::Do)
        }
        Err(Answer::Missing) => {
            mark.ask = false;
            if mark.doubt.as_ref().is_some_and(|doubt| is_over(doubt, call)) {
                mark.doubt = None;
            }
            // The spreadsheet being gone looks the same.
            state.look_again(Look::Tabs);
            Next::Plan
        }
        Err(answer) => Next::Do(unanswered(&mut state.failures, answer, "to show a mark", call.context)),
    }
}

/// Takes in whether there is a mark with the batch's id.
fn absorb_search(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(mark) = &mut state.mark else { return Next::Plan };
    let found = match answer.only_list("matchedDeveloperMetadata") {
        Ok(found) => found,
        Err(Answer::Missing) => {
            state.look_again(Look::Due);
            let gone = Trouble::google("Google does not show the spreadsheet's marks");
            return Next::Do(pause::back_off(&mut state.failures, &gone, call.context));
        }
        Err(answer) => return Next::Do(unanswered(&mut state.failures, answer, "to show marks", call.context)),
    };
    let marks = list(&found, "matchedDeveloperMetadata").iter().map(|matched| &matched["developerMetadata"]);
    let mut own = marks.filter(|found| text(found, "metadataKey") == KEY && text(found, "metadataValue") == mark.batch);
    if let Some(found) = own.next() {
        log::info("the batch that an earlier state of this sink began is there");
        mark.id = Some(number(found, "metadataId")).filter(|id| *id > 0);
        return Next::Finish;
    }
    if let Some(directive) = replace(state, call) {
        return Next::Do(directive);
    }
    state.begun = true;
    // So long after the last look somebody may have changed the sheet.
    state.look_again(Look::Due);
    Next::Plan
}

/// Another id, once nothing with this one can happen any more; what has to be awaited until then.
pub(crate) fn replace(state: &mut State, call: Call) -> Option<Directive> {
    let awaited = plan_leave(state, call);
    if awaited.is_none() {
        state.mark = None;
    }
    awaited
}

/// What has to be awaited before the batch may be sent with another mark or to another place. `None`: nothing.
pub(crate) fn plan_leave(state: &mut State, call: Call) -> Option<Directive> {
    let mark = state.mark.as_mut()?;
    let remaining = mark.doubt.as_ref()?.remaining(DOUBT_LASTS, call.context);
    if remaining == 0 && mark.ask {
        // Asked after the time was over.
        return None;
    }
    mark.ask = true;
    Some(pause::wait_and_say(remaining.max(1), problem::in_doubt()))
}
