//! The answers to what the command line asks of a running device.

use std::sync::Arc;

use punchcard_core::delivery::Standing;
use punchcard_core::event::Sequence;
use tokio::sync::oneshot;
use tracing::info;

use super::control::{Answer, Question};
use super::delivery;
use super::device::Device;
use super::formatting;
use super::grant::{Ask, chain};
use super::intake::fresh_id;
use super::part::{GrantPart, SinkHandle, SinkPart};
use super::report::report;
use crate::ledger::PutBack;

/// Answers a question, or sees to it that what is asked for will be done.
pub(super) async fn answer(device: Arc<Device>, question: Question) -> Answer {
    match question {
        Question::Status => Answer::Status(Box::new(report(&device).await)),
        Question::Frame => device.display.answer(),
        Question::SignIn { grant } => device.ask_grant(&grant, Ask::SignIn),
        Question::SignOut { grant, revoke } => device.ask_grant(&grant, Ask::SignOut { revoke }),
        Question::Retry { sink } => device.ask_sink(&sink, delivery::Ask::Retry),
        Question::Reconcile { sink, deliver_missing_of } => device.reconcile(&sink, deliver_missing_of),
        Question::Reconciliation { sink, number } => device.reconciliation(&sink, number),
        Question::Pause { sink } => device.set_paused(&sink, true).await,
        Question::Resume { sink } => device.set_paused(&sink, false).await,
        Question::PutBack { sink, events } => device.put_back(&sink, &events).await,
        Question::Drop { sink, events, reason } => device.drop_set_aside(&sink, &events, &reason).await,
        Question::CreateAnew { sink } => device.ask_sink(&sink, delivery::Ask::CreateAnew),
        Question::Correct { sink, from, component, settings } => {
            device.correct(&sink, Sequence(from), component, settings).await
        }
    }
}

impl Device {
    fn ask_grant(&self, name: &str, ask: Ask) -> Answer {
        let Some(parts) = self.parts.get() else { return still_starting() };
        match parts.grants.iter().find(|(grant, _)| grant.as_str() == name) {
            Some((_, GrantPart::On(grant))) => {
                grant.ask(ask);
                Answer::Accepted
            }
            Some((_, GrantPart::Off(reason))) => Answer::Refused { reason: format!("grant `{name}` is off: {reason}") },
            None => unknown("grant", name, parts.grants.keys()),
        }
    }

    fn ask_sink(&self, name: &str, ask: delivery::Ask) -> Answer {
        let sink = match self.sink(name) {
            Ok(sink) => sink,
            Err(answer) => return answer,
        };
        if let Some(reason) = &sink.delivery_off {
            return Answer::Refused { reason: format!("sink `{name}` is off: {reason}") };
        }
        if *sink.paused.borrow() {
            let reason = format!("sink `{name}` is paused; `punchcard sinks resume {name}` first");
            return Answer::Refused { reason };
        }
        match sink.asks.send(ask) {
            Ok(()) => Answer::Accepted,
            Err(_) => ended(name),
        }
    }

    /// A sink that is on; otherwise what is to be answered.
    fn sink(&self, name: &str) -> Result<&SinkHandle, Answer> {
        let parts = self.parts.get().ok_or_else(still_starting)?;
        match parts.sinks.iter().find(|(sink, _)| sink.as_str() == name) {
            Some((_, SinkPart::On(sink))) => Ok(sink),
            Some((_, SinkPart::Off(reason))) => {
                Err(Answer::Refused { reason: format!("sink `{name}` is off: {reason}") })
            }
            None => Err(unknown("sink", name, parts.sinks.keys())),
        }
    }

    /// Has a sink's formatter replay, and what is different delivered.
    async fn correct(&self, name: &str, from: Sequence, component: String, settings: String) -> Answer {
        let sink = match self.sink(name) {
            Ok(sink) => sink,
            Err(answer) => return answer,
        };
        let (reply, answer) = oneshot::channel();
        if sink.corrections.send(formatting::Ask::Correct { from, component, settings, reply }).is_err() {
            return ended(name);
        }
        match answer.await {
            Ok(Ok(corrected)) => Answer::Corrected { rows: corrected.rows, through: corrected.through.0 },
            Ok(Err(reason)) => Answer::Refused { reason },
            Err(_) => ended(name),
        }
    }

    /// Has a sink's rows read back and compared.
    fn reconcile(&self, name: &str, deliver_missing_of: Option<u64>) -> Answer {
        let sink = match self.sink(name) {
            Ok(sink) => sink,
            Err(answer) => return answer,
        };
        let refused = |reason: String| Answer::Refused { reason };
        if !sink.reads_back {
            return refused(format!(
                "the connector of sink `{name}` can't say which rows are there; google-sheets can, unless its setting \
                 `event-ids` is false"
            ));
        }
        match &*sink.delivery.borrow() {
            Standing::Held { problem: Some(problem) } => {
                return refused(format!("sink `{name}` waits for a person: {}: {}", problem.headline, problem.advice));
            }
            Standing::Held { problem: None } => return refused(format!("sink `{name}` waits for a person")),
            Standing::Failing { reason } => return refused(format!("sink `{name}` fails: {reason}")),
            Standing::Idle | Standing::Working | Standing::Paused | Standing::Waiting { .. } => {}
        }
        if let Some(reason) = &sink.delivery_off {
            return refused(format!("sink `{name}` is off: {reason}"));
        }
        if *sink.paused.borrow() {
            return refused(format!("sink `{name}` is paused; `punchcard sinks resume {name}` first"));
        }
        let Some(number) = sink.progress.begin() else {
            return refused(format!("sink `{name}` is being compared; ask again when that is done"));
        };
        match sink.asks.send(delivery::Ask::Reconcile { number, deliver_missing_of }) {
            Ok(()) => Answer::Compares { number },
            Err(_) => ended(name),
        }
    }

    fn reconciliation(&self, name: &str, number: u64) -> Answer {
        match self.sink(name).map(|sink| sink.progress.get(number)) {
            Ok(Some(stage)) => Answer::Reconciliation(Box::new(stage)),
            Ok(None) => {
                let reason = format!("sink `{name}` was compared once more since, or the host was started anew");
                Answer::Refused { reason }
            }
            Err(answer) => answer,
        }
    }

    /// Stops a sink's deliveries, or has them go on: in the ledger first, so that it holds over a restart. Also where the
    /// sink is off: it may be on again after the next start.
    async fn set_paused(&self, name: &str, paused: bool) -> Answer {
        let Some(parts) = self.parts.get() else { return still_starting() };
        let Some((sink, part)) = parts.sinks.iter().find(|(sink, _)| sink.as_str() == name) else {
            return unknown("sink", name, parts.sinks.keys());
        };
        // One at a time: what the ledger has last is what holds.
        let _alone = self.pausing.lock().await;
        if let Err(error) = self.ledger.set_paused(sink, paused).await {
            return Answer::Refused { reason: chain(error) };
        }
        info!(%sink, paused, "a person paused or resumed the sink");
        if let SinkPart::On(handle) = part {
            handle.paused.send_replace(paused);
            // What it waited for has most likely been mended: that is why it was paused.
            if !paused && handle.delivery_off.is_none() {
                return self.ask_sink(name, delivery::Ask::Retry);
            }
        }
        Answer::Accepted
    }

    /// Has a sink try again what it set aside: of all events, or of those that are named.
    async fn put_back(&self, name: &str, events: &[u64]) -> Answer {
        let Some(parts) = self.parts.get() else { return still_starting() };
        let Some((sink, part)) = parts.sinks.iter().find(|(sink, _)| sink.as_str() == name) else {
            return unknown("sink", name, parts.sinks.keys());
        };
        let events: Vec<Sequence> = events.iter().copied().map(Sequence).collect();
        let _woken = WakeLater(part);
        let put = match self.ledger.put_back(sink, &events, || fresh_id(self.clock.wall().unix_micros)).await {
            Ok(put) => put,
            Err(error) => return Answer::Refused { reason: chain(error) },
        };
        if put == PutBack::default() {
            let reason = format!("no event that sink `{name}` set aside is left in the history");
            return Answer::Refused { reason };
        }
        info!(%sink, events = put.events, rows = put.rows, "what was set aside is put back");
        Answer::PutBack { events: put.events, rows: put.rows, rows_left: put.rows_left }
    }

    /// Drops for good what a sink set aside.
    async fn drop_set_aside(&self, name: &str, events: &[u64], reason: &str) -> Answer {
        let Some(parts) = self.parts.get() else { return still_starting() };
        let Some(sink) = parts.sinks.keys().find(|sink| sink.as_str() == name) else {
            return unknown("sink", name, parts.sinks.keys());
        };
        let events: Vec<Sequence> = events.iter().copied().map(Sequence).collect();
        match self.ledger.drop_set_aside(sink, &events, reason).await {
            Ok(count) => {
                info!(%sink, count, reason, "a person dropped what was set aside");
                Answer::Dropped { count }
            }
            Err(error) => Answer::Refused { reason: chain(error) },
        }
    }
}

/// Has a sink look for rows once this ends, however it does: rows that are put back until then are on their way.
struct WakeLater<'a>(&'a SinkPart);

impl Drop for WakeLater<'_> {
    fn drop(&mut self) {
        if let SinkPart::On(handle) = self.0 {
            handle.wake();
        }
    }
}

fn still_starting() -> Answer {
    Answer::Refused { reason: "the device is still starting; try again in a moment".into() }
}

fn ended(sink: &str) -> Answer {
    Answer::Refused { reason: format!("sink `{sink}` has ended; restart the host") }
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = impl ToString>) -> Answer {
    let known: Vec<String> = known.map(|name| format!("`{}`", name.to_string())).collect();
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) };
    Answer::Refused { reason: format!("there is no {what} `{name}`; {known}") }
}
