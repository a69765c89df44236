//! Everything that the stand-in simulates, without network and clock: a call and the time go in, a delivery comes out.
//!
//! Time passes only between calls. What became due in between — a request that is applied late — happens before
//! anything else is looked at, so that it makes no difference when exactly it was done.

use std::time::Duration;

use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use jiff::Timestamp;

use crate::call::{Answer, Call, Delivery, Manner};
use crate::clock::later;
use crate::drive::Drive;
use crate::fault::{Effect, Faults};
use crate::journal::{Entry, Journal};
use crate::oauth::{Caller, Forced, Oauth};
use crate::quota::{self, Quota, Use};
use crate::refusal::{Api, Refusal, render_no_such_path};
use crate::schema::{DISCOVERY, Found, Mismatch};
use crate::sheets;
use crate::switch::{Switches, UnknownParameters};
use crate::tasks::Tasks;

/// Bytes of a request's body: beyond them Google refuses it.
pub(crate) const MOST_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The simulated world.
pub(crate) struct World {
    pub(crate) oauth: Oauth,
    pub(crate) drive: Drive,
    pub(crate) tasks: Tasks,
    pub(crate) quota: Quota,
    pub(crate) switches: Switches,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    held: Vec<Held>,
    /// Set when all idle connections are to be closed; `server` takes it.
    pub(crate) wants_closing: bool,
}

/// A request that will be carried out later.
struct Held {
    due_at: Timestamp,
    call: Call,
    /// Who sent it, for an API's request.
    caller: Option<Caller>,
}

impl World {
    pub(crate) fn new(oauth: Oauth, quota: Quota, switches: Switches) -> Self {
        Self {
            oauth,
            drive: Drive::default(),
            tasks: Tasks::default(),
            quota,
            switches,
            faults: Faults::default(),
            journal: Journal::default(),
            held: Vec::new(),
            wants_closing: false,
        }
    }

    /// How many requests wait to be carried out late.
    pub(crate) fn count_held(&self) -> usize {
        self.held.len()
    }

    /// Carries out what became due until `now`, in the order in which it did.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        self.held.sort_by_key(|held| held.due_at);
        while self.held.first().is_some_and(|held| held.due_at <= now) {
            let held = self.held.remove(0);
            let at = held.due_at;
            // Nobody waits for the answer.
            drop(match (&held.caller, api_of(&held.call.path)) {
                (Some(caller), Some(api)) => self.perform_admitted(api, &held.call, caller, at),
                _ => self.perform(&held.call, None, at),
            });
        }
    }

    /// Answers a call, with what faults do to it.
    pub(crate) fn answer(&mut self, call: Call, now: Timestamp) -> Delivery {
        self.settle(now);
        let effect = self.faults.take(&call);
        let mut entry = Entry {
            sequence: 0,
            at: now,
            method: call.method.to_string(),
            path: call.path.clone(),
            operation: operation_of(&call),
            status: None,
            request_bytes: call.body.len(),
            fault: effect.as_ref().map(name_of),
        };
        let delivery = match effect {
            None => self.perform(&call, None, now).into(),
            Some(effect) => self.deliver(call, effect, now),
        };
        entry.status = delivery.answer.as_ref().map(|answer| answer.status.as_u16());
        self.journal.note(entry);
        delivery
    }

    fn deliver(&mut self, call: Call, effect: Effect, now: Timestamp) -> Delivery {
        let performed = |world: &mut Self, manner| Delivery { answer: Some(world.perform(&call, None, now)), manner };
        let forced = |world: &mut Self, forced| Delivery::from(world.perform(&call, Some(forced), now));
        match effect {
            Effect::DropAnswer => performed(self, Manner::Dropped),
            Effect::DropRequest => Delivery::NOTHING,
            Effect::ApplyLate { after_seconds } => {
                let admitted = match api_of(&call.path) {
                    Some(api) => self.admit(api, &call, now).map(|(_, caller)| Some(caller)),
                    None => Ok(None),
                };
                // What would be refused now is not carried out later either.
                if let Ok(caller) = admitted {
                    let due_at = later(now, Duration::from_secs(after_seconds));
                    self.held.push(Held { due_at, call, caller });
                }
                Delivery::NOTHING
            }
            Effect::ServerError { status, applied } => {
                if applied {
                    drop(self.perform(&call, None, now));
                }
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let page = format!(
                    "<!DOCTYPE html>\n<title>Error {status}!!1</title>\n<p><b>{status}.</b> That’s an error.\n"
                );
                Answer::html(status, page).into()
            }
            Effect::TooManyRequests => match api_of(&call.path) {
                Some(Api::Sheets) => {
                    quota::refuse(123_456_789_012, use_of(&call), true, now).render(Api::Sheets).into()
                }
                Some(api @ (Api::Drive | Api::Tasks)) => Refusal::user_rate_limit().render(api).into(),
                None => forced(self, Forced::RateLimit),
            },
            Effect::RetryLater { status, after } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                let api = api_of(&call.path).unwrap_or(Api::Sheets);
                let mut answer = Refusal::unavailable(status).render(api);
                answer.headers.extend(HeaderValue::from_str(&after).ok().map(|value| (RETRY_AFTER, value)));
                answer.into()
            }
            Effect::Intercepted { status, applied } => {
                if applied {
                    drop(self.perform(&call, None, now));
                }
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
                Answer::html(status, "<!DOCTYPE html>\n<title>Blocked</title>\n<p>Ask your administrator.\n").into()
            }
            Effect::ServiceDisabled => {
                let api = api_of(&call.path).unwrap_or(Api::Sheets);
                Refusal::service_disabled(api, 123_456_789_012).render(api).into()
            }
            Effect::Slow { millis } => performed(self, Manner::Delayed(Duration::from_millis(millis))),
            Effect::Silence { applied } => {
                let answer = applied.then(|| self.perform(&call, None, now));
                Delivery { answer, manner: Manner::Withheld }
            }
            Effect::Drip { millis } => performed(self, Manner::Dripped(Duration::from_millis(millis))),
            Effect::Endless => performed(self, Manner::Endless),
            Effect::Oversized { bytes } => performed(self, Manner::Padded(bytes)),
            Effect::HalfAnswer => performed(self, Manner::Half),
            Effect::CaptivePortal => {
                let page =
                    "<!DOCTYPE html>\n<title>Welcome to the guest network</title>\n<p>Accept the terms to go on.\n";
                Answer::html(StatusCode::OK, page).into()
            }
            Effect::Redirect { to } => Answer::redirect(&to).into(),
            Effect::CloseConnections => {
                self.wants_closing = true;
                performed(self, Manner::Whole)
            }
            Effect::ExpireAccessTokens => {
                self.oauth.expire_access_tokens();
                performed(self, Manner::Whole)
            }
            Effect::RevokeRefreshTokens => {
                self.oauth.revoke_refresh_tokens();
                performed(self, Manner::Whole)
            }
            Effect::RotateRefreshToken => forced(self, Forced::RotateRefreshToken),
            Effect::SlowDown => forced(self, Forced::SlowDown),
            Effect::Deny => forced(self, Forced::Deny),
            Effect::StatusOk => {
                let mut answer = self.perform(&call, None, now);
                answer.status = StatusCode::OK;
                answer.into()
            }
            Effect::Answer { status, content_type, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut answer = Answer::html(status, body);
                answer.content_type = content_type.into();
                answer.into()
            }
        }
    }

    fn perform(&mut self, call: &Call, forced: Option<Forced>, now: Timestamp) -> Answer {
        if Oauth::operation(&call.path).is_some() {
            return self.oauth.perform(call, forced, &self.switches, now);
        }
        let Some(api) = api_of(&call.path) else { return render_no_such_path(&call.path) };
        if DISCOVERY.of(api).find(call.method.as_str(), &call.path).is_none() {
            return render_no_such_path(&call.path);
        }
        match self.admit(api, call, now) {
            Ok((_, caller)) => self.perform_admitted(api, call, &caller, now),
            Err(refusal) => refusal.render(api),
        }
    }

    /// Everything that is looked at before a file is: credentials, API, scope, quota, and the form of the request.
    fn admit(&mut self, api: Api, call: &Call, now: Timestamp) -> Result<(Found<'static>, Caller), Refusal> {
        let document = DISCOVERY.of(api);
        let found = document.find(call.method.as_str(), &call.path).ok_or_else(Refusal::entity_not_found)?;
        let header = call.authorization.as_deref().ok_or_else(Refusal::unregistered)?;
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        let caller = self.oauth.caller(token, now).ok_or_else(Refusal::unauthenticated)?.clone();
        let is_enabled = match api {
            Api::Sheets => self.switches.sheets_enabled,
            Api::Drive => self.switches.drive_enabled,
            Api::Tasks => self.switches.tasks_enabled,
        };
        if !is_enabled {
            return Err(Refusal::service_disabled(api, caller.project));
        }
        if !found.method.scopes.iter().any(|scope| caller.scopes.contains(scope)) {
            return Err(Refusal::insufficient_scope(api, &found.method.id));
        }
        if api == Api::Sheets {
            self.quota.take(&caller, use_of(call), now)?;
        }
        let is_strict = api != Api::Drive || self.switches.unknown_drive_parameters == UnknownParameters::Refused;
        let mut violations = document.check_path(&found);
        violations.extend(document.check_query(found.method, &call.query, is_strict));
        if !violations.is_empty() {
            return Err(Refusal::violations(&violations));
        }
        if call.query("alt").is_some_and(|alt| alt != "json") {
            return Err(Refusal::invalid("The stand-in answers JSON only."));
        }
        check_body(api, &found, call)?;
        Ok((found, caller))
    }

    fn perform_admitted(&mut self, api: Api, call: &Call, caller: &Caller, now: Timestamp) -> Answer {
        let Some(found) = DISCOVERY.of(api).find(call.method.as_str(), &call.path) else {
            return render_no_such_path(&call.path);
        };
        let result = match api {
            Api::Drive => self.drive.perform(&found, call, caller, &self.switches, now),
            Api::Tasks => self.tasks.perform(&found, call, caller, &self.switches),
            Api::Sheets => {
                let id = found.path_value("spreadsheetId");
                let is_there = self.drive.file(id).is_some();
                match self.drive.visible_mut(id, caller) {
                    Some(file) => sheets::perform(file, &found, call, &self.switches, now),
                    // Whoever may see sheets that it did not make is told of one that it is not let into.
                    None if is_there && caller.sees_all() => Err(Refusal::permission_denied()),
                    None => Err(Refusal::entity_not_found()),
                }
            }
        };
        result.unwrap_or_else(|refusal| refusal.render(api))
    }
}

/// Compares a body with the message that the method takes.
fn check_body(api: Api, found: &Found<'_>, call: &Call) -> Result<(), Refusal> {
    let Some(message) = &found.method.request else {
        return match call.body.is_empty() {
            true => Ok(()),
            false => Err(Refusal::invalid("This method takes no request body.")),
        };
    };
    if call.media_type.as_deref() != Some("application/json") && !call.body.is_empty() {
        return Err(Refusal::invalid("The request body must be application/json."));
    }
    let body = if call.body.is_empty() { b"{}" } else { call.body.as_ref() };
    DISCOVERY.of(api).check(&message.name, body).map_err(|fault| match fault {
        Mismatch::Syntax(message) => Refusal::violations(&[(String::new(), message)]),
        Mismatch::Message(message) => Refusal::invalid(message),
        Mismatch::Violations(violations) => Refusal::violations(&violations),
    })
}

fn api_of(path: &str) -> Option<Api> {
    if path.starts_with("/v4/") {
        return Some(Api::Sheets);
    }
    if path.starts_with("/tasks/") {
        return Some(Api::Tasks);
    }
    path.starts_with("/drive/").then_some(Api::Drive)
}

/// What a call of the Sheets API counts as: a search reads, though it is posted.
fn use_of(call: &Call) -> Use {
    let is_read = call.method == Method::GET || call.path.ends_with(":search");
    if is_read { Use::Read } else { Use::Write }
}

fn operation_of(call: &Call) -> String {
    let method = |api| Some(DISCOVERY.of(api).find(call.method.as_str(), &call.path)?.method.id.as_str());
    Oauth::operation(&call.path).or_else(|| method(api_of(&call.path)?)).unwrap_or("unknown").to_owned()
}

/// A fault's name, as it is written in JSON.
fn name_of(effect: &Effect) -> String {
    let value = serde_json::to_value(effect).unwrap_or_default();
    value["kind"].as_str().unwrap_or_default().to_owned()
}
