//! `[notify]` at work: what is wrong for a while is posted to a URL, and that it works again.
//!
//! What is told is what the panel shows, that somebody has to sign in, too; when, is decided by [`punchcard_core::alert`]. A message that did not arrive is
//! posted again after a pause, and so is one of which nobody knows: twice is better than never.

use std::path::PathBuf;
use std::sync::Arc;

use punchcard_core::alert::{Alert, Alerts, is_configured, render_alert};
use punchcard_core::backoff::plan_wait;
use punchcard_core::config::Part as Place;
use punchcard_core::config::notify::{Notify, NotifyUrl};
use punchcard_core::http::{Content, Method, Request};
use punchcard_core::plugin::Problem;
use punchcard_core::reach::covering;
use punchcard_core::redact::Blanker;
use punchcard_core::request::{Reach, plan_delivery};
use punchcard_core::secret::Secret;
use tracing::info;
use url::Url;

use super::device::Device;
use super::fault::Fault;
use super::material::read_secret;
use super::timer::wait_until;
use crate::clock::entropy;
use crate::http::Http;

/// What has the problem when messages do not arrive. Nobody is told of that by a message.
const PART: &str = "notify";
/// Milliseconds for which a message may be under way.
const TIMEOUT_MS: u32 = 30_000;
/// Milliseconds until a message that was refused is posted again: a wrong URL does not heal by itself.
const REFUSED_MS: u64 = 900_000;

/// Posts until the task is dropped. `folder`: that of plugins.toml.
pub(super) async fn alert(device: Arc<Device>, http: Result<Arc<Http>, String>, folder: PathBuf) {
    let mut notes = device.display.notes();
    let mut parts = device.parts.subscribe();
    let mut alerts = Alerts::default();
    let (mut failures, mut again_ms, mut posted_with) = (0, 0, None);
    loop {
        notes.mark_unchanged();
        let configuration = Arc::clone(&parts.borrow_and_update().configuration);
        let now_ms = device.clock.monotonic_ms();
        if configuration.notify != posted_with {
            // Another URL may be the one that works.
            (failures, again_ms) = (0, 0);
            posted_with.clone_from(&configuration.notify);
        }
        let mut problems = device.display.problems();
        problems.remove(PART);
        alerts.note(&problems, |part| is_configured(part, &configuration), now_ms);
        let mut next_ms = None;
        if let Some(notify) = &configuration.notify {
            let after_ms = u64::try_from(notify.after.as_millis()).unwrap_or(u64::MAX);
            if now_ms >= again_ms
                && let Some(alert) = alerts.due(after_ms, now_ms)
            {
                let text = render_alert(&alert, configuration.device.name.as_str());
                match post(notify, &http, &folder, &text).await {
                    Ok(()) => {
                        note_sent(&alert);
                        alerts.sent(&alert);
                        (failures, again_ms) = (0, 0);
                        device.troubles.set(PART, None);
                    }
                    Err(NotPosted { reason, is_refused }) => {
                        let wait_ms = if is_refused { REFUSED_MS } else { plan_wait(failures, random()) };
                        again_ms = device.clock.monotonic_ms().saturating_add(wait_ms);
                        failures = failures.saturating_add(1);
                        let advice = format!("a message did not arrive: {reason}; it is posted again");
                        device.troubles.set(PART, Some(Problem { headline: "nobody is told".into(), advice }));
                    }
                }
                continue;
            }
            next_ms = alerts.next_ms(after_ms).map(|next_ms| next_ms.max(again_ms));
        } else {
            device.troubles.set(PART, None);
        }
        tokio::select! {
            // An error means that the device ends.
            noted = notes.changed() => if noted.is_err() { return },
            changed = parts.changed() => if changed.is_err() { return },
            () = wait_until(&device.clock, next_ms) => {}
        }
    }
}

/// What keeps `[notify]` from working, beyond the text of plugins.toml.
pub(super) fn find_fault(notify: &Notify, folder: &std::path::Path) -> Option<Fault> {
    let fault = |message| Some(Fault { part: Place::NotifyUrl, message, misconfigured: false });
    let url = match url(notify, folder) {
        Ok(url) => url,
        Err(reason) => return fault(reason),
    };
    let is_covered = Url::parse(url.reveal()).is_ok_and(|url| covering(&notify.reach, &url).is_some());
    if is_covered {
        None
    } else {
        fault("what is in it is no URL that `reach` covers: nothing could ever be posted".into())
    }
}

/// Why a message is not where it should be.
struct NotPosted {
    reason: String,
    /// The server does not want it.
    is_refused: bool,
}

impl From<String> for NotPosted {
    fn from(reason: String) -> Self {
        Self { reason, is_refused: false }
    }
}

async fn post(
    notify: &Notify,
    http: &Result<Arc<Http>, String>,
    folder: &std::path::Path,
    text: &str,
) -> Result<(), NotPosted> {
    let http = http.as_ref().map_err(Clone::clone)?;
    let url = url(notify, folder)?;
    let content = match &notify.json {
        Some(member) => Content {
            media_type: "application/json".to_owned(),
            bytes: serde_json::json!({ member: text }).to_string().into_bytes(),
        },
        None => Content { media_type: "text/plain; charset=utf-8".to_owned(), bytes: text.as_bytes().to_vec() },
    };
    let request = Request {
        method: Method::Post,
        url: url.reveal().to_owned(),
        headers: Vec::new(),
        body: Some(content),
        authorized: false,
        idempotent: false,
        timeout_ms: Some(TIMEOUT_MS),
    };
    let reach = Reach { key: "notify.reach", prefixes: &notify.reach };
    let answer = match plan_delivery(&request, reach, None) {
        Ok(prepared) => http.perform(&prepared).await,
        Err(failure) => Err(failure),
    };
    match answer.map(|answer| answer.status()) {
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(NotPosted {
            reason: format!("the server answered with status {status}"),
            is_refused: (300..500).contains(&status) && !matches!(status, 408 | 429),
        }),
        Err(failure) => Err(Blanker::new(&[&url]).blank_failure(failure).to_string().into()),
    }
}

/// The URL, read each time: a file may have been replaced.
fn url(notify: &Notify, folder: &std::path::Path) -> Result<Secret, String> {
    match &notify.url {
        NotifyUrl::Plain(url) => Ok(Secret::new(url.clone())),
        NotifyUrl::Secret(source) => read_secret(source, folder),
    }
}

fn note_sent(alert: &Alert) {
    match alert {
        Alert::Trouble { part, .. } => info!(part, "its problem was told"),
        Alert::Mended { part } => info!(part, "that it works again was told"),
    }
}

fn random() -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| entropy()[index]))
}
