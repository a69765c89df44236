//! What the panel says of the parts, kept true while they run.

use std::sync::{Arc, PoisonError};

use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::PanelState;
use punchcard_core::supervisor::PartName;
use punchcard_core::{delivery, grant};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::device::Device;
use super::display::Display;
use super::formatting::{self, Said};
use super::grant::Grant;
use super::status::ConfigurationReport;
use punchcard_ledger::Declared;

/// Goes on saying what formatters say, and how much waits.
pub(super) fn start(
    device: &Arc<Device>,
    sayings: mpsc::UnboundedReceiver<Said>,
    deliveries: mpsc::UnboundedReceiver<SinkName>,
    tasks: &mut JoinSet<()>,
) {
    let moved = Arc::new(Notify::new());
    tasks.spawn(show_said(device.display.clone(), sayings, Arc::clone(&moved)));
    tasks.spawn(show_undelivered(Arc::clone(device), deliveries, moved));
}

/// Of a part by the path of its key: only its name has room on the panel.
fn headline_off(part: &str) -> String {
    format!("{} is off", part.split('.').nth(1).unwrap_or(part))
}

impl Device {
    /// Says on the panel and in the log which configuration is in force, where it is not the file.
    pub(super) fn say_configuration(&self) {
        let report = self.configuration_report();
        let problem = report.errors.map(|errors| {
            warn!(path = report.path, "the configuration has errors:\n{errors}");
            Problem {
                headline: "config has errors".into(),
                advice: format!("`punchcard check` shows what is wrong with {}", report.path),
            }
        });
        self.display.note(|panel, now_ms| panel.set_problem("configuration", problem.as_ref(), now_ms));
    }

    /// Notes which configuration is in force, and says so.
    pub(super) fn set_configuration(&self, report: ConfigurationReport) {
        let news = {
            let mut known = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            let news = *known != report;
            *known = report;
            news
        };
        if news {
            self.say_configuration();
        }
    }

    /// Which configuration is in force.
    pub(super) fn configuration_report(&self) -> ConfigurationReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says on the panel that a part is off, by the path of its key.
    pub(super) fn say_off(&self, part: &str, reason: &str) {
        let problem = Problem { headline: headline_off(part), advice: reason.to_owned() };
        self.display.note(|panel, now_ms| panel.set_problem(part, Some(&problem), now_ms));
    }

    /// Nothing is said of a part any more: it ended, or begins anew.
    pub(super) fn forget_part(&self, part: &PartName) {
        let key = part.to_string();
        self.display.note(|panel, now_ms| {
            for key in [key.clone(), format!("{key}.format"), format!("{key}.deliver")] {
                panel.set_problem(&key, None, now_ms);
            }
            match part {
                PartName::Grant(grant) => panel.set_prompt(grant, None, now_ms),
                PartName::Sink(sink) => panel.set_standing(sink, None),
                PartName::Panel | PartName::Inputs(_) => {}
            }
        });
    }

    /// Says what is out of the ordinary with the sinks' places in the ledger.
    pub(super) fn say_declared(&self, declared: &[Declared]) {
        for Declared { sink, new_after, missed, begun_anew } in declared {
            if let Some(after) = new_after {
                info!(%sink, after = after.0, "the sink is new; it takes the events after this one");
            }
            for plugin in begun_anew {
                warn!(%sink, %plugin, "the sink has another plugin, which begins with an empty state");
            }
            if *missed > 0 {
                let advice = format!(
                    "{missed} events were pruned before sink `{sink}` saw them, because plugins.toml did not name it; \
                     what is left is delivered"
                );
                let problem = Problem { headline: "events were missed".into(), advice };
                self.troubles.set(&format!("sinks.{sink}.missed"), Some(problem));
            }
        }
    }

    async fn count_undelivered(&self) {
        let mut undelivered = 0;
        let configuration = Arc::clone(&self.parts.borrow().configuration);
        for sink in configuration.sinks.keys() {
            if let Ok(counts) = self.ledger.sink_counts(sink).await {
                undelivered += counts.events_waiting + counts.rows_waiting + counts.rows_in_flight;
                let standing = counts.standing;
                self.display.note(|panel, _| panel.set_standing(sink, standing.as_deref()));
            }
        }
        self.display.note(|panel, _| panel.set_undelivered(undelivered));
    }
}

/// Shows what formatters say, and wakes who counts what waits: an event of which no row is made waits no longer either.
async fn show_said(display: Display, mut sayings: mpsc::UnboundedReceiver<Said>, moved: Arc<Notify>) {
    while let Some(said) = sayings.recv().await {
        display.note(|panel, now_ms| match &said {
            Said::Notice(event, notice) => panel.note_notice(*event, notice, now_ms),
            Said::Standing(sink, standing) => panel.set_standing(sink, standing.as_deref()),
            Said::SetAside => {}
        });
        moved.notify_one();
    }
}

/// Shows how much waits, whenever that may have changed.
async fn show_undelivered(device: Arc<Device>, mut deliveries: mpsc::UnboundedReceiver<SinkName>, moved: Arc<Notify>) {
    let mut accepted = device.ledger.accepted();
    let mut parts = device.parts.subscribe();
    loop {
        device.count_undelivered().await;
        tokio::select! {
            changed = parts.changed() => if changed.is_err() { return },
            changed = accepted.changed() => if changed.is_err() { return },
            () = moved.notified() => {}
            sink = deliveries.recv() => match sink {
                Some(_) => device.display.note(PanelState::note_delivered),
                None => return,
            },
        }
    }
}

/// Keeps the panel's word on a sink's formatter true.
pub(super) async fn show_formatting(
    part: String,
    mut standing: watch::Receiver<formatting::Standing>,
    display: Display,
) {
    use formatting::Standing;
    loop {
        let problem = match standing.borrow_and_update().clone() {
            Standing::Failing { reason } => Some(Problem { headline: "formatting fails".into(), advice: reason }),
            Standing::Idle | Standing::Working | Standing::AwaitingTime => None,
        };
        display.note(|panel, now_ms| panel.set_problem(&part, problem.as_ref(), now_ms));
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the panel's word on a grant true.
pub(super) async fn show_grant(grant: Arc<Grant>, display: Display) {
    let mut standing = grant.standing();
    loop {
        let now = standing.borrow_and_update().clone();
        let (prompt, problem) = match now {
            grant::Standing::AwaitingPerson { prompt, .. } => (Some(prompt), None),
            grant::Standing::Blocked(problem) => (None, Some(problem)),
            grant::Standing::Failing { reason } => {
                (None, Some(Problem { headline: "sign-in fails".into(), advice: reason }))
            }
            grant::Standing::SignedOut => {
                let advice = format!("`punchcard sign-in {}` signs in again", grant.name);
                (None, Some(Problem { headline: "signed out".into(), advice }))
            }
            grant::Standing::Starting | grant::Standing::Authorized { .. } | grant::Standing::Renewing => (None, None),
        };
        let part = format!("grants.{}", grant.name);
        display.note(|panel, now_ms| {
            panel.set_prompt(&grant.name, prompt.as_ref(), now_ms);
            panel.set_problem(&part, problem.as_ref(), now_ms);
        });
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the panel's word on a sink's delivery true.
pub(super) async fn show_delivery(sink: SinkName, mut standing: watch::Receiver<delivery::Standing>, display: Display) {
    use delivery::Standing;
    let part = format!("sinks.{sink}");
    loop {
        let problem = match standing.borrow_and_update().clone() {
            Standing::Held { problem } => problem,
            Standing::Paused => {
                let advice = format!("`punchcard sinks resume {sink}` goes on; until then its rows wait on the device");
                Some(Problem { headline: "delivery is paused".into(), advice })
            }
            Standing::Failing { reason } => Some(Problem { headline: "delivery fails".into(), advice: reason }),
            // What is waited for heals by itself; `status` says it.
            Standing::Idle | Standing::Working | Standing::Waiting { .. } => None,
        };
        display.note(|panel, now_ms| panel.set_problem(&part, problem.as_ref(), now_ms));
        if standing.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::app::fixture::Fixture;

    /// Waits until the panel shows this problem, or none.
    async fn await_shown(fixture: &Fixture, expected: Option<&str>) {
        let shown = async {
            while fixture.shown_problem().as_deref() != expected {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), shown).await.unwrap_or_else(|_| panic!("not shown: {expected:?}"));
    }

    #[test]
    fn a_part_that_is_off_is_named_by_its_name() {
        assert_eq!(
            ["sinks.sheet.deliver", "grants.google", "sinks"].map(headline_off),
            ["sheet is off", "google is off", "sinks is off"]
        );
    }

    #[tokio::test]
    async fn the_panel_says_how_a_sink_stands_for_as_long_as_it_does() {
        let fixture = Fixture::new();
        fixture.display.note(PanelState::note_ready);
        let reason = "it trapped".to_owned();
        let (formatting, formats) = watch::channel(formatting::Standing::Idle);
        let (delivery, delivers) = watch::channel(delivery::Standing::Idle);
        let sink = SinkName::parse("sheet").unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(show_formatting("sinks.sheet.format".to_owned(), formats, fixture.display.clone()));
        tasks.spawn(show_delivery(sink, delivers, fixture.display.clone()));
        formatting.send_replace(formatting::Standing::Failing { reason: reason.clone() });
        await_shown(&fixture, Some("formatting fails")).await;
        formatting.send_replace(formatting::Standing::Working);
        await_shown(&fixture, None).await;
        let held = Problem { headline: "tab was deleted".to_owned(), advice: "bring it back".to_owned() };
        for (standing, expected) in [
            (delivery::Standing::Paused, Some("delivery is paused")),
            (delivery::Standing::Working, None),
            (delivery::Standing::Failing { reason }, Some("delivery fails")),
            (delivery::Standing::Waiting { problem: Some(held.clone()) }, None),
            (delivery::Standing::Held { problem: Some(held) }, Some("tab was deleted")),
            (delivery::Standing::Idle, None),
        ] {
            delivery.send_replace(standing);
            await_shown(&fixture, expected).await;
        }
    }
}
