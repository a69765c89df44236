//! What systemd is told of a device that runs as its service: that it is ready, how it stands, that it is alive, and that
//! it stops (`sd_notify(3)`). Where no systemd listens nothing is done.
//!
//! Alive is a device whose loops come round: the ledger's writing thread does what it is asked for, and the inputs take what
//! is reported. Plugins and the network are none of that: an outage, or a sink in trouble, is no reason to start anew.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use tracing::warn;

use super::device::Device;
use super::report::report;
use super::status::Report;
use crate::input::Message;

/// How often the status is gathered where systemd sets no watchdog.
const STATUS_EVERY: Duration = Duration::from_secs(30);

/// Says that the device is ready, and from then on how it stands. `inputs`: where inputs send what they read.
pub(super) async fn keep(device: Arc<Device>, inputs: mpsc::Sender<Message>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let watchdog = sd_notify::watchdog_enabled();
    say(&[NotifyState::Ready]);
    // Twice within the time that systemd allows (sd_watchdog_enabled(3)).
    let every = watchdog.map_or(STATUS_EVERY, |allowed| allowed / 2);
    let mut beat = interval(every);
    let mut said = String::new();
    loop {
        beat.tick().await;
        let found = timeout(every, async {
            comes_round(&device, &inputs).await;
            summarize(&report(&device).await)
        });
        let Ok(status) = found.await else {
            warn!("the ledger or the inputs hang; systemd is left to start the device anew");
            continue;
        };
        say(&[NotifyState::Watchdog]);
        if status != said {
            say(&[NotifyState::Status(&status)]);
            said = status;
        }
    }
}

/// Says that the device is there and refuses presses, for its ledger can't be opened; and that it is alive, until it can. Who
/// installs a newer program waits for the first. Never returns.
pub(super) async fn keep_without_ledger(reason: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(&format!("no ledger: {}", reason.replace(['\n', '\r'], " ")))]);
    let mut beat = interval(sd_notify::watchdog_enabled().map_or(STATUS_EVERY, |allowed| allowed / 2));
    loop {
        beat.tick().await;
        say(&[NotifyState::Watchdog]);
    }
}

/// Says that the device stops.
pub(super) fn stop() {
    say(&[NotifyState::Stopping]);
}

async fn comes_round(device: &Device, inputs: &mpsc::Sender<Message>) {
    // What it says does not matter here: a card that refuses is said elsewhere, and is not mended by a new start.
    let _said = device.ledger.come_round().await;
    // A place in the queue is free again whenever the intake takes something. Where it has ended, the device ends.
    let _place = inputs.reserve().await;
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd can't be told how the device stands");
    }
}

/// One line for `systemctl status`.
fn summarize(report: &Report) -> String {
    let mut said = vec![match report.events {
        1 => "1 event".to_owned(),
        events => format!("{events} events"),
    }];
    said.extend(report.sinks.iter().filter_map(|sink| {
        let rows = sink.rows_waiting + sink.rows_in_flight;
        let events = sink.events_waiting;
        let waiting = [(rows, "row"), (events, "event")].into_iter().filter(|(count, _)| *count > 0);
        let waiting: Vec<String> =
            waiting.map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" })).collect();
        (!waiting.is_empty()).then(|| format!("{}: {} to deliver", sink.name, waiting.join(" and ")))
    }));
    said.extend(report.problems.iter().map(|found| format!("{}: {}", found.part, found.problem.headline)));
    let off = report.inputs.iter().filter(|input| input.error.is_some());
    said.extend(off.map(|input| format!("input {} is off", input.name)));
    // A line break would end the message to systemd.
    said.join("; ").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use punchcard_core::plugin::Problem;

    use super::*;
    use crate::app::status::{ConfigurationReport, InputReport, ProblemReport, SinkReport, StageReport};

    fn report(events: u64) -> Report {
        Report {
            device: "front-door".into(),
            version: "0.1.0".into(),
            configuration: ConfigurationReport { path: "plugins.toml".into(), fallback: None, errors: None },
            problems: Vec::new(),
            clock_known: true,
            events,
            plugins: Vec::new(),
            grants: Vec::new(),
            sinks: Vec::new(),
            inputs: Vec::new(),
            sensors: Vec::new(),
            listings: Vec::new(),
            simulated_hardware: false,
            repositories: Vec::new(),
        }
    }

    fn sink(events_waiting: u64, rows_waiting: u64, rows_in_flight: u64) -> SinkReport {
        SinkReport {
            name: "timesheet".into(),
            formatting: StageReport::Idle,
            delivery: StageReport::Idle,
            standing: None,
            events_waiting,
            rows_waiting,
            rows_in_flight,
            oldest_waiting_at: None,
            rows_delivered: 7,
            set_aside: 0,
            dropped: 0,
            notice: None,
            link: None,
            last_delivered_at: None,
        }
    }

    #[test]
    fn systemd_shows_in_one_line_what_waits_and_what_is_wrong() {
        let mut busy = report(1);
        busy.sinks = vec![sink(0, 0, 0), sink(1, 2, 3)];
        let problem = Problem { headline: "the panel\nis off".into(), advice: String::new() };
        busy.problems = vec![ProblemReport { part: "panel".into(), problem }];
        busy.inputs = vec![
            InputReport { name: "knob".into(), error: Some("line 5 is in use".into()) },
            InputReport { name: "clock".into(), error: None },
        ];
        for (report, expected) in [
            (report(12), "12 events"),
            (busy, "1 event; timesheet: 5 rows and 1 event to deliver; panel: the panel is off; input knob is off"),
        ] {
            assert_eq!(summarize(&report), expected);
        }
    }
}
