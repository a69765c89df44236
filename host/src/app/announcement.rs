//! What the panel says of the device: which configuration is in force, which parts are off, how much waits.

use std::sync::{Arc, PoisonError};

use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::PanelState;
use punchcard_core::supervisor::PartName;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::device::Device;
use super::display::Display;
use super::formatting::Said;
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
                PartName::Panel
                | PartName::Inputs(_)
                | PartName::Outputs
                | PartName::Sensor(_)
                | PartName::Listing(_) => {}
            }
        });
        if matches!(part, PartName::Sensor(_)) {
            self.troubles.set(&key, None);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_off_is_named_by_its_name() {
        assert_eq!(
            ["sinks.sheet.deliver", "grants.google", "sinks"].map(headline_off),
            ["sheet is off", "google is off", "sinks is off"]
        );
    }
}
