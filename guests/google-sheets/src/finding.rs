//! Finding: the spreadsheet of a name is looked for, and created where there is none.
//!
//! Creating can be repeated: the nonce is durable before the request leaves, and after a doubtful outcome the file is
//! looked for twice, because a listing may lag behind a creation. After a certain one it is looked for too: two sinks
//! that start at the same moment both find nothing and both create; all of them then agree on one, and the other stays
//! behind empty.

use punchcard_sdk::connector::Directive;
use punchcard_sdk::{Error, log};
use serde_json::json;

use crate::answer::{Answer, list, text};
use crate::destination::{self, File, choose};
use crate::state::{Asked, Finding, Intent, Look, Spreadsheet, Stage, State};
use crate::step::{Call, Next, unanswered};
use crate::{draw, pause, problem, request};

/// By which time a listing is expected to show what was just created.
const SETTLE_MS: u64 = 2_000;
/// The same, before creating again.
const DOUBT_MS: u64 = 10_000;
const SECOND_DOUBT_MS: u64 = 60_000;
const LOOKS_IN_DOUBT: u32 = 2;
/// How often a listing may lack what was created for certain before that is taken all the same.
const LOOKS_TO_SETTLE: u32 = 3;

/// Takes up the wish for a new spreadsheet. What was in doubt goes to the new one.
pub(crate) fn take_up_anew(state: &mut State, call: Call) -> Result<(), Error> {
    let begun = state.finding.as_ref().is_some_and(|finding| finding.intent == Intent::Create);
    let done = !call.batch.id.is_empty() && state.created_anew.as_ref() == Some(&call.batch.id);
    if begun || done {
        return Ok(());
    }
    let name = destination::name(call.settings, call.context.now);
    let above = state.spreadsheet.as_ref().filter(|old| old.name == name).map_or(0, |old| old.volume);
    state.finding = Some(begin(name, above, Intent::Create, call)?);
    state.mark = None;
    state.spent.clear();
    Ok(())
}

/// The search for a newer volume than this one, or where none exists its creation. Nothing is in doubt in this one.
pub(crate) fn leave_full(state: &mut State, call: Call) -> Result<(), Error> {
    if let Some(full) = &state.spreadsheet {
        log::info(&format!("\"{}\" is full; going on in the next volume", destination::title(&full.name, full.volume)));
        state.finding = Some(begin(full.name.clone(), full.volume, Intent::FindOrCreate, call)?);
    }
    Ok(())
}

/// The search for a newer volume than the one that is lost, which another sink may have made when a person asked for it.
pub(crate) fn follow(state: &mut State) {
    if let Some(lost) = &state.spreadsheet {
        state.finding = Some(Finding {
            name: lost.name.clone(),
            above: lost.volume,
            intent: Intent::Find,
            volume: 0,
            nonce: String::new(),
            stage: Stage::Look,
        });
    }
}

fn begin(name: String, above: u32, intent: Intent, call: Call) -> Result<Finding, Error> {
    Ok(Finding { name, above, intent, volume: 0, nonce: draw::nonce(call.context)?, stage: Stage::Look })
}

/// What a search needs next; begins one where rows have to go elsewhere than before.
pub(crate) fn plan(state: &mut State, call: Call) -> Result<Option<Directive>, Error> {
    let name = destination::name(call.settings, call.context.now);
    match &mut state.finding {
        // The settings or the year changed meanwhile.
        Some(finding) if finding.name != name && finding.intent != Intent::Find => {
            let intent = finding.intent;
            *finding = begin(name, 0, intent, call)?;
        }
        Some(_) => {}
        None => {
            // Where a batch is in doubt, there it is finished.
            let stays = state.mark.is_some() && state.spreadsheet.is_some();
            if stays || state.spreadsheet.as_ref().is_some_and(|current| current.name == name) {
                return Ok(None);
            }
            state.finding = Some(begin(name, 0, Intent::FindOrCreate, call)?);
        }
    }
    let Some(finding) = &state.finding else { return Ok(None) };
    let request = match finding.stage {
        Stage::Create => {
            state.asked = Asked::File;
            let body = json!({
                "name": destination::title(&finding.name, finding.volume),
                "mimeType": "application/vnd.google-apps.spreadsheet",
                "appProperties": {
                    destination::NAME: finding.name,
                    destination::VOLUME: finding.volume.to_string(),
                    destination::NONCE: finding.nonce,
                },
            });
            request::post(request::drive_url(call.settings, "?fields=id"), body.to_string().into_bytes())
        }
        Stage::Look | Stage::Settle(_) | Stage::Doubt(_) => {
            state.asked = Asked::Files;
            // In a query string `\` and `'` are escaped by a `\`.
            let value = finding.name.replace('\\', "\\\\").replace('\'', "\\'");
            let key = destination::NAME;
            let query = format!("appProperties has {{ key='{key}' and value='{value}' }} and trashed=false");
            let fields = "incompleteSearch,files(id,createdTime,trashed,appProperties)";
            let rest = format!(
                "?q={}&fields={}&pageSize=100&orderBy={}",
                request::encode(&query),
                request::encode(fields),
                request::encode("createdTime desc")
            );
            request::get(request::drive_url(call.settings, &rest))
        }
    };
    Ok(Some(Directive::Send(request)))
}

/// Takes in a listing.
pub(crate) fn absorb_files(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(finding) = &mut state.finding else { return Next::Plan };
    let listing = match answer.object() {
        Ok(listing) if listing["incompleteSearch"] == true => {
            Err(Answer::Busy("Google could not list the files of this device.".to_owned()))
        }
        other => other,
    };
    let listing = match listing {
        Ok(listing) => listing,
        Err(answer) => return Next::Do(unanswered(state, call, answer, "to list the files of this device")),
    };
    let mut files: Vec<File> =
        list(&listing, "files").iter().filter_map(|entry| File::parse(entry, &finding.name)).collect();
    let highest = files.iter().map(|file| file.volume).max().unwrap_or(0).max(finding.above);
    files.retain(|file| file.volume > finding.above);
    let own = files.iter().find(|file| file.has_nonce(&finding.nonce));
    if own.is_none() && matches!(finding.stage, Stage::Settle(_)) && state.failures < LOOKS_TO_SETTLE {
        let lags = Answer::Busy("Google does not list the spreadsheet yet that it created.".to_owned());
        return Next::Do(unanswered(state, call, lags, ""));
    }
    let chosen = if finding.intent == Intent::Create { own } else { choose(&files) };
    let chosen = chosen.map(|file| (file.id.clone(), file.volume, file.has_nonce(&finding.nonce)));
    match (&finding.stage, chosen) {
        (Stage::Settle(id), Some((chosen, volume, own))) => {
            if let Some(note) = render_twin(own, &destination::title(&finding.name, volume), id) {
                log::info(&note);
            }
            adopt(state, call, chosen, volume, own)
        }
        // The listing lags behind for long.
        (Stage::Settle(id), None) => {
            let (id, volume) = (id.clone(), finding.volume);
            adopt(state, call, id, volume, true)
        }
        (_, Some((id, volume, own))) => adopt(state, call, id, volume, own),
        (Stage::Doubt(looks), None) if looks + 1 < LOOKS_IN_DOUBT => {
            finding.stage = Stage::Doubt(looks + 1);
            Next::Do(pause::wait(SECOND_DOUBT_MS))
        }
        (_, None) if finding.intent == Intent::Find => {
            state.finding = None;
            let Some(lost) = &state.spreadsheet else { return Next::Plan };
            Next::Do(pause::hold(problem::lost(lost)))
        }
        (stage, None) => {
            // Looked for again in doubt, it is still the one that was about to be created.
            if *stage == Stage::Look {
                finding.volume = highest.saturating_add(1);
            }
            finding.stage = Stage::Create;
            Next::Plan
        }
    }
}

/// What is said where another spreadsheet than this sink's own was chosen.
fn render_twin(own: bool, title: &str, id: &str) -> Option<String> {
    (!own).then(|| {
        format!(
            "another sink or device made \"{title}\" at the same moment; the empty one with the id {id} can be deleted"
        )
    })
}

/// Takes in what became of a creation.
pub(crate) fn absorb_file(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(finding) = &mut state.finding else { return Next::Plan };
    let id = answer.object().and_then(|file| match text(&file, "id") {
        "" => Err(Answer::unreadable()),
        id => Ok(id.to_owned()),
    });
    match id {
        Ok(id) if finding.intent == Intent::Create => {
            let volume = finding.volume;
            adopt(state, call, id, volume, true)
        }
        Ok(id) => {
            finding.stage = Stage::Settle(id);
            // From here on it counts the looks.
            state.failures = 0;
            Next::Do(pause::wait(SETTLE_MS))
        }
        Err(Answer::Doubtful(_) | Answer::TooLarge) => {
            doubt(state);
            Next::Do(pause::wait(DOUBT_MS + draw::jitter_ms(call.context)))
        }
        Err(answer) => Next::Do(unanswered(state, call, answer, "to create the spreadsheet")),
    }
}

/// Takes in that a spreadsheet may have been created.
pub(crate) fn doubt(state: &mut State) {
    if let Some(finding) = &mut state.finding {
        finding.stage = Stage::Doubt(0);
    }
}

/// From now on rows go there. Nothing is in doubt elsewhere.
fn adopt(state: &mut State, call: Call, id: String, volume: u32, fresh: bool) -> Next {
    let Some(finding) = state.finding.take() else { return Next::Plan };
    if finding.intent == Intent::Create {
        state.created_anew = Some(call.batch.id.clone());
    }
    let verb = if fresh { "created" } else { "going on in" };
    log::info(&format!("{verb} the spreadsheet \"{}\"", destination::title(&finding.name, volume)));
    state.spreadsheet = Some(Spreadsheet {
        name: finding.name,
        volume,
        id,
        link: None,
        fresh,
        lost: None,
        full: false,
        cells: 0,
        look: Look::Tabs,
        looked_at: 0,
        blank: None,
        adding: None,
        tab: None,
    });
    // What a lost state sent went to what is found, never to what was created just now.
    state.begun |= fresh;
    state.mark.take_if(|mark| fresh || mark.id.is_some());
    state.spent.clear();
    state.failures = 0;
    Next::Plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_nothing_is_said() {
        assert_eq!(render_twin(true, "Time clock", "1x"), None);
        let said = "another sink or device made \"Time clock\" at the same moment; the empty one with the id 1x can be deleted";
        assert_eq!(render_twin(false, "Time clock", "1x").as_deref(), Some(said));
    }
}
