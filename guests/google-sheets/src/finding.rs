//! Finding: the spreadsheet of a name is looked for, and created where there is none.
//!
//! Creating can be repeated: the nonce is durable before the request leaves, and after a doubtful outcome the file is looked
//! for until nothing of that request can happen any more, because it may be carried out late and a listing may lag behind it.
//! That is counted in time and not in looks, so that restarts do not shorten it. After a certain outcome it is looked for
//! too: two devices that start at the same moment both find nothing and both create; both see both before either uses one,
//! agree on the older, and say that the other one stays behind (`stray`).

use std::time::Duration;

use punchcard_sdk::connector::Directive;
use punchcard_sdk::{Error, log};

use crate::answer::{Answer, Trouble};
use crate::call::{Call, Next};
use crate::destination::{self, choose};
use crate::member::text;
use crate::pause::unanswered;
use crate::state::{Asked, Finding, Intent, Look, Loss, Spreadsheet, Stage, Stamp, State, StrayDue};
use crate::{draw, listing, pause, problem, request, stray};

/// Until the first look after a creation.
const SETTLE_MS: u64 = 2_000;
/// By then a listing shows what was created for certain; if not, it is taken all the same.
const SETTLE_LASTS: Duration = Duration::from_secs(120);
/// Between two looks for what may have been created.
const DOUBT_MS: u64 = 10_000;
/// By then what may have been created is listed: Google may carry it out 180 s late, and list it 60 s after that.
const DOUBT_LASTS: Duration = Duration::from_secs(240);
/// Spreadsheets that were left, of which is known.
const MOST_LEFT: usize = 10;

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
    if let Some(id) = call.settings.existing() {
        take_existing(state, call, &name, id);
        return Ok(None);
    }
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
            let title = destination::title(&finding.name, finding.volume);
            let properties = format!(
                r#"{{"{}":{},"{}":"{}","{}":{}}}"#,
                destination::NAME,
                request::quote(&finding.name),
                destination::VOLUME,
                finding.volume,
                destination::NONCE,
                request::quote(&finding.nonce)
            );
            let body = format!(
                r#"{{"name":{},"mimeType":"application/vnd.google-apps.spreadsheet","appProperties":{properties}}}"#,
                request::quote(&title)
            );
            request::post(request::drive_url(call.settings, "?fields=id&supportsAllDrives=true"), body.into_bytes())
        }
        Stage::Look | Stage::Settle { .. } | Stage::Doubt { .. } => {
            state.asked = Asked::Files;
            listing::request(call, &finding.name)
        }
    };
    Ok(Some(Directive::Send(request)))
}

/// A spreadsheet that the settings name is neither looked for nor made.
fn take_existing(state: &mut State, call: Call, name: &str, id: &str) {
    state.finding = None;
    // Where a batch is in doubt, there it is finished.
    let stays = state.mark.is_some() && state.spreadsheet.is_some();
    if stays || state.spreadsheet.as_ref().is_some_and(|current| current.name == name) {
        return;
    }
    log::info(&format!("going on in the spreadsheet {name}"));
    if !state.strays.is_empty() {
        state.strays.clear();
        state.stray_due = StrayDue::Notice;
    }
    go_to(state, call, name.to_owned(), id.to_owned(), 1, false);
}

/// Takes in a listing.
pub(crate) fn absorb_files(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(finding) = &mut state.finding else { return Next::Plan };
    let all = match listing::parse(answer, &finding.name) {
        Ok(files) => files,
        Err(answer) => {
            return Next::Do(unanswered(&mut state.failures, answer, "to list the files of this device", call.context));
        }
    };
    let highest = all.iter().map(|file| file.volume).max().unwrap_or(0).max(finding.above);
    // Of what was left only a search for what is lost goes back to, and only to its own.
    let is_left = |id: &String| finding.intent == Intent::Find && state.left.contains(id);
    let files: Vec<_> = all.iter().filter(|file| file.volume > finding.above || is_left(&file.id)).cloned().collect();
    let own = files.iter().find(|file| file.has_nonce(&finding.nonce));
    // Whoever chooses before the own one is listed may choose another one than those who see both.
    if own.is_none() {
        let title = destination::title(&finding.name, finding.volume);
        match &finding.stage {
            Stage::Settle { since, .. } if since.remaining(SETTLE_LASTS, call.context) > 0 => {
                let lags = Trouble::google("Google does not list the spreadsheet yet that it created");
                return Next::Do(pause::back_off(&mut state.failures, &lags, call.context));
            }
            Stage::Doubt { since } if since.remaining(DOUBT_LASTS, call.context) > 0 => {
                let wait_ms = since.remaining(DOUBT_LASTS, call.context).min(DOUBT_MS);
                return Next::Do(pause::wait_and_say(wait_ms, problem::creation_in_doubt(&title)));
            }
            _ => {}
        }
    }
    let chosen = if finding.intent == Intent::Create { own } else { choose(&files) };
    let chosen = chosen.map(|file| (file.id.clone(), file.volume, file.has_nonce(&finding.nonce)));
    match (&finding.stage, chosen) {
        (_, Some((id, volume, own))) => {
            stray::note(state, &all, &id, volume);
            adopt(state, call, id, volume, own)
        }
        // The listing lags behind for long.
        (Stage::Settle { id, .. }, None) => {
            let (id, volume) = (id.clone(), finding.volume);
            adopt(state, call, id, volume, true)
        }
        (_, None) if finding.intent == Intent::Find => {
            state.finding = None;
            let Some(lost) = &state.spreadsheet else { return Next::Plan };
            let title = destination::title(&lost.name, lost.volume);
            Next::Do(pause::hold(problem::lost(lost.lost.unwrap_or(Loss::Deleted), &title)))
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
            finding.stage = Stage::Settle { id, since: Stamp::now(call.context) };
            state.failures = 0;
            Next::Do(pause::wait(SETTLE_MS))
        }
        Err(Answer::Doubtful(_) | Answer::TooLarge) => {
            let title = destination::title(&finding.name, finding.volume);
            doubt(state, call);
            Next::Do(pause::wait_and_say(DOUBT_MS, problem::creation_in_doubt(&title)))
        }
        Err(answer) => {
            // Another device may create it until the next try.
            finding.stage = Stage::Look;
            Next::Do(unanswered(&mut state.failures, answer, "to create the spreadsheet", call.context))
        }
    }
}

/// Takes in that a spreadsheet may have been created, or may yet be.
pub(crate) fn doubt(state: &mut State, call: Call) {
    if let Some(finding) = &mut state.finding {
        finding.stage = Stage::Doubt { since: Stamp::now(call.context) };
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
    go_to(state, call, finding.name, id, volume, fresh);
    Next::Plan
}

/// Rows go there.
fn go_to(state: &mut State, call: Call, name: String, id: String, volume: u32, fresh: bool) {
    state.left.retain(|left| *left != id);
    if let Some(old) = state.spreadsheet.take().filter(|old| old.lost == Some(Loss::Deleted) && old.id != id) {
        state.left.push(old.id);
        let too_many = state.left.len().saturating_sub(MOST_LEFT);
        state.left.drain(..too_many);
    }
    state.spreadsheet = Some(Spreadsheet {
        name,
        volume,
        id,
        link: None,
        fresh,
        lost: None,
        full: false,
        cells: 0,
        look: Look::Tabs,
        looked_at: 0,
        shown_at: call.context.now.unix_micros.div_euclid(1_000_000),
        blank: None,
        adding: None,
        tab: None,
    });
    // What a lost state sent went to what is found, never to what was created just now.
    state.begun |= fresh;
    state.mark.take_if(|mark| fresh || mark.id.is_some());
    state.spent.clear();
    state.failures = 0;
}
