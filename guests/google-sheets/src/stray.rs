//! Stray: a spreadsheet that has the name of the one in use, and that nothing is written to.
//!
//! Two devices that start at the same moment, or a creation whose answer was lost, leave one behind. A person decides what
//! becomes of it; until it is gone it is said with its link.

use punchcard_sdk::connector::Directive;
use punchcard_sdk::log;

use crate::answer::Answer;
use crate::call::{Call, Next};
use crate::destination::{self, File};
use crate::state::{Asked, State, StrayDue};
use crate::{listing, problem};

/// Links that are told.
const MOST: usize = 5;

/// Notes which of the files that were listed are strays, now that `id` is the one in use.
pub(crate) fn note(state: &mut State, files: &[File], id: &str, volume: u32) {
    let strays = files.iter().filter(|file| file.volume == volume && file.id != id);
    let links: Vec<String> = strays.take(MOST).map(|file| file.link.clone()).collect();
    if links != state.strays {
        state.stray_due = StrayDue::Notice;
        state.strays = links;
    }
}

/// Has those that are known looked at again, and said again: the host may have forgotten.
pub(crate) fn look_again(state: &mut State) {
    if !state.strays.is_empty() {
        state.stray_due = StrayDue::Look;
    }
}

/// What is to be asked or said.
pub(crate) fn plan(state: &mut State, call: Call) -> Option<Directive> {
    let spreadsheet = state.spreadsheet.as_ref()?;
    match state.stray_due {
        StrayDue::Nothing => None,
        StrayDue::Look => {
            state.asked = Asked::Strays;
            Some(Directive::Send(listing::request(call, &spreadsheet.name)))
        }
        StrayDue::Notice => {
            state.stray_due = StrayDue::Nothing;
            let title = destination::title(&spreadsheet.name, spreadsheet.volume);
            let problem = (!state.strays.is_empty()).then(|| problem::stray(&title, &state.strays));
            if let Some(problem) = &problem {
                log::warn(&problem.advice);
            }
            Some(Directive::Notice(problem))
        }
    }
}

/// Takes in which there are. Where that can't be told, those that were known are said again.
pub(crate) fn absorb(state: &mut State, answer: Answer) -> Next {
    state.stray_due = StrayDue::Notice;
    if let Some(spreadsheet) = &state.spreadsheet
        && let Ok(files) = listing::parse(answer, &spreadsheet.name)
    {
        let (id, volume) = (spreadsheet.id.clone(), spreadsheet.volume);
        note(state, &files, &id, volume);
    }
    Next::Plan
}
