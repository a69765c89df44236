//! The answers to what the command line asks of a running device.

use std::sync::Arc;

use punchcard_core::delivery::DeliveryStatus as DeliveryStanding;
use punchcard_core::event::Sequence;
use punchcard_core::grant;
use punchcard_core::name::SinkName;
use tokio::sync::oneshot;
use tracing::info;

use super::control::{Answer, FetchQuestion, Question, WayReport};
use super::delivery::{command, waits_to_look};
use super::device::{Device, Reload};
use super::error_chain::chain;
use super::formatting;
use super::grant::{FetchError, Grant, GrantCommand};
use super::part::handle::SinkHandle;
use super::part::roster::{OnOrOff, Parts};
use super::report::report;
use super::update::UpdateAsk;
use crate::browser::{PasteError, Way};
use punchcard_ledger::Requeued;

/// Answers a question, or sees to it that what is asked for will be done.
pub(super) async fn answer(device: Arc<Device>, question: Question) -> Answer {
    device.answer(question).await.unwrap_or_else(|reason| Answer::Refused { reason })
}

impl Device {
    /// The answer; otherwise why it is refused, and what to do.
    async fn answer(&self, question: Question) -> Result<Answer, String> {
        match question {
            Question::Status => Ok(Answer::Status(Box::new(report(self).await))),
            Question::Frame => Ok(self.display.answer()),
            Question::Reload => self.reload().await,
            Question::Plugin(question) => self.answer_of_plugin(question).await,
            Question::Fetch(question) => self.fetch(&question).await,
            Question::SignIn { grant } => self.ask_grant(&grant, GrantCommand::SignIn),
            Question::SignInByLoopback { grant } => self.ask_grant(&grant, GrantCommand::SignInByLoopback),
            Question::Visit { grant } => {
                let way = self.grant(&grant)?.desk().and_then(|desk| desk.way());
                let report = |way: Way| WayReport { link: way.link, port: way.at.port(), purpose: way.purpose };
                Ok(Answer::Visit(way.map(report)))
            }
            Question::Paste { grant, address } => {
                let desk = self.grant(&grant)?.desk().ok_or_else(|| PasteError::Over.to_string())?;
                desk.paste(&address.0).map_err(|error| error.to_string())?;
                Ok(Answer::Accepted)
            }
            Question::AcceptAccount { grant } => self.ask_grant(&grant, GrantCommand::AcceptAccount),
            Question::SignOut { grant, revoke } => self.ask_grant(&grant, GrantCommand::SignOut { revoke }),
            Question::Retry { sink } => self.retry(&sink),
            Question::DeliverUncompared { sink } => self.deliver_uncompared(&sink).await,
            Question::AcceptTimes { sink } => self.accept_times(&sink).await,
            Question::Reconcile { sink, deliver_missing_of } => self.reconcile(&sink, deliver_missing_of),
            Question::Reconciliation { sink, number } => self.reconciliation(&sink, number),
            Question::Pause { sink } => self.set_paused(&sink, true).await,
            Question::Resume { sink } => self.set_paused(&sink, false).await,
            Question::Requeue { sink, events } => self.requeue(&sink, &events).await,
            Question::Drop { sink, events, reason } => self.drop_set_aside(&sink, &events, &reason).await,
            Question::Forget { sink } => self.forget(&sink).await,
            Question::CreateAnew { sink } => self.create_anew(&sink).await,
            Question::Update { plugin, version, from, check } => {
                let (reply, answer) = oneshot::channel();
                let ask = UpdateAsk { plugin, version, from, check, reply };
                self.updates.send(ask).map_err(|_| "plugins can't be run on this machine".to_owned())?;
                let reports = answer.await.map_err(|_| "the device ends".to_owned())??;
                Ok(Answer::Updated(reports))
            }
            Question::Correct { sink, from, component, settings, wanted } => {
                let (reply, answer) = oneshot::channel();
                let from = Sequence(from);
                self.correct(
                    &sink,
                    formatting::FormattingCommand::Correct { from, component, settings, wanted, reply },
                    answer,
                )
                .await
            }
        }
    }

    /// Has plugins.toml, the components and the secrets looked at again, and waits for what that comes to.
    async fn reload(&self) -> Result<Answer, String> {
        let (reply, answer) = oneshot::channel();
        let asked = self.supervisor.send(Reload { reply: Some(reply) });
        asked.map_err(|_| "plugins can't be run on this machine; there is nothing to reload".to_owned())?;
        let report = answer.await.map_err(|_| "the device ends".to_owned())?;
        Ok(Answer::Reloaded(Box::new(report)))
    }

    fn ask_grant(&self, name: &str, ask: GrantCommand) -> Result<Answer, String> {
        self.grant(name)?.ask(ask);
        Ok(Answer::Accepted)
    }

    /// A grant that is on.
    fn grant(&self, name: &str) -> Result<Arc<Grant>, String> {
        let parts = self.parts()?;
        match parts.grants.iter().find(|(grant, _)| grant.as_str() == name) {
            Some((_, Ok(grant))) => Ok(Arc::clone(grant)),
            Some((_, Err(reason))) => Err(format!("grant `{name}` is off: {reason}")),
            None => Err(unknown("grant", name, parts.grants.keys())),
        }
    }

    /// Sends a request of a person under a grant.
    async fn fetch(&self, question: &FetchQuestion) -> Result<Answer, String> {
        let parts = self.parts()?;
        let found = parts.grants.iter().find(|(grant, _)| grant.as_str() == question.grant);
        let (name, standing) = found.ok_or_else(|| unknown("grant", &question.grant, parts.grants.keys()))?;
        let grant = standing.as_ref().map_err(|reason| format!("grant `{name}` is off: {reason}"))?;
        let http = self.http.clone()?;
        match grant.fetch(&question.request(), &http, &self.clock).await {
            Ok(response) => Ok(Answer::Fetched(response.into())),
            Err(FetchError::Refused(reason)) => Err(reason),
            Err(FetchError::Unanswered(reason)) => Ok(Answer::Unanswered { reason }),
        }
    }

    fn ask_sink(&self, name: &str, ask: command::DeliveryCommand) -> Result<Answer, String> {
        let sink = self.sink_that_delivers(name)?;
        sink.asks.send(ask).map_err(|_| ended(name))?;
        Ok(Answer::Accepted)
    }

    /// Has a sink try again that a problem holds up. Any other goes on by itself.
    fn retry(&self, name: &str) -> Result<Answer, String> {
        let standing = self.sink(name)?.delivery.borrow().clone();
        let stuck = matches!(standing, DeliveryStanding::Held { .. } | DeliveryStanding::Failing { .. })
            || waits_to_look(&standing);
        // Refused where it can't deliver at all.
        self.sink_that_delivers(name)?;
        if stuck { self.ask_sink(name, command::DeliveryCommand::Retry) } else { Ok(Answer::NothingToDo) }
    }

    /// Has a sink of a restored ledger deliver without comparing. That is kept before it is answered.
    async fn deliver_uncompared(&self, name: &str) -> Result<Answer, String> {
        let (sink, part) = self.sink_part(name)?;
        if !self.ledger.end_comparison(&sink).await.map_err(chain)? {
            return Ok(Answer::NothingToDo);
        }
        info!(%sink, "a person has the sink deliver without comparing after a restore");
        if let Ok(handle) = part {
            handle.asks.send(command::DeliveryCommand::DeliverUncompared).map_err(|_| ended(name))?;
        }
        Ok(Answer::Accepted)
    }

    /// A person leaves rows as they are whose times were wrong. Also where the sink is off: its rows are there.
    async fn accept_times(&self, name: &str) -> Result<Answer, String> {
        let (sink, _) = self.sink_part(name)?;
        if self.ledger.clock_corrections().await.map_err(chain)?.iter().all(|wrong| wrong.sink != sink) {
            return Ok(Answer::NothingToDo);
        }
        self.time.accept_times(&self.ledger, &sink).await.map_err(chain)?;
        info!(%sink, "a person leaves the rows as they are whose times were wrong");
        Ok(Answer::Accepted)
    }

    /// Forgets a sink that is in the ledger alone.
    async fn forget(&self, name: &str) -> Result<Answer, String> {
        let sink = SinkName::parse(name).map_err(|_| format!("`{name}` is not a sink's name"))?;
        self.ledger.forget_sink(&sink).await.map_err(chain)?;
        info!(%sink, "a person had the sink forgotten");
        Ok(Answer::Accepted)
    }

    /// Has a new destination made. That is kept before it is answered.
    async fn create_anew(&self, name: &str) -> Result<Answer, String> {
        let (sink, _) = self.sink_part(name)?;
        let handle = self.sink_that_delivers(name)?;
        command::keep_wish(&self.ledger, &sink).await.map_err(chain)?;
        // From here on it holds, whatever has happened to the sink meanwhile.
        handle.asks.send(command::DeliveryCommand::CreateAnew).map_err(|_| ended(name))?;
        Ok(Answer::Accepted)
    }

    /// Has a sink's formatter replay, and what is different delivered.
    async fn correct(
        &self,
        name: &str,
        ask: formatting::FormattingCommand,
        answer: oneshot::Receiver<Result<formatting::Corrected, String>>,
    ) -> Result<Answer, String> {
        let sink = self.sink(name)?;
        sink.corrections.send(ask).map_err(|_| ended(name))?;
        let corrected = answer.await.map_err(|_| ended(name))??;
        Ok(Answer::Corrected { rows: corrected.rows, through: corrected.through.0 })
    }

    /// Has a sink's rows read back and compared.
    fn reconcile(&self, name: &str, deliver_missing_of: Option<u64>) -> Result<Answer, String> {
        let sink = self.sink(name)?;
        if !sink.reads_back {
            return Err(format!(
                "the connector of sink `{name}` can't say which rows are there; google-sheets can, unless its setting \
                 `event-ids` is false"
            ));
        }
        match &*sink.delivery.borrow() {
            DeliveryStanding::Held { problem: Some(problem) } => {
                return Err(format!("sink `{name}` waits for a person: {}: {}", problem.headline, problem.advice));
            }
            DeliveryStanding::Held { problem: None } => return Err(format!("sink `{name}` waits for a person")),
            DeliveryStanding::Failing { reason } => return Err(format!("sink `{name}` fails: {reason}")),
            DeliveryStanding::Idle
            | DeliveryStanding::Working
            | DeliveryStanding::Paused
            | DeliveryStanding::Waiting { .. } => {}
        }
        let sink = self.sink_that_delivers(name)?;
        if !self.time.now(&self.clock).is_known() {
            return Err("the time is not known yet, and nothing is read back before it is".to_owned());
        }
        self.signed_in(&sink)?;
        let number = sink
            .progress
            .begin()
            .ok_or_else(|| format!("sink `{name}` is being compared; ask again when that is done"))?;
        sink.asks.send(command::DeliveryCommand::Reconcile { number, deliver_missing_of }).map_err(|_| ended(name))?;
        Ok(Answer::Compares { number })
    }

    fn reconciliation(&self, name: &str, number: u64) -> Result<Answer, String> {
        let stage = self.sink(name)?.progress.get(number);
        stage
            .map(|stage| Answer::Reconciliation(Box::new(stage)))
            .ok_or_else(|| format!("sink `{name}` was compared once more since, or the host was started anew"))
    }

    /// Stops a sink's deliveries, or has them go on: in the ledger first, so that it holds over a restart. Also where the
    /// sink is off: it may be on again after the next start.
    async fn set_paused(&self, name: &str, paused: bool) -> Result<Answer, String> {
        let (sink, _) = self.sink_part(name)?;
        // One at a time: what the ledger has last is what holds.
        let _alone = self.pausing.lock().await;
        if self.ledger.is_paused(&sink).await.map_err(chain)? == paused {
            return Ok(Answer::NothingToDo);
        }
        self.ledger.set_paused(&sink, paused).await.map_err(chain)?;
        info!(%sink, paused, "a person paused or resumed the sink");
        if let Ok(handle) = self.sink(name) {
            handle.set_paused(paused);
            // What it waited for has most likely been mended: that is why it was paused.
            if !paused && handle.delivery_off.is_none() {
                return self.ask_sink(name, command::DeliveryCommand::Retry);
            }
        }
        Ok(Answer::Accepted)
    }

    /// Has a sink try again what it set aside: of all events, or of those that are named.
    async fn requeue(&self, name: &str, events: &[u64]) -> Result<Answer, String> {
        let (sink, part) = self.sink_part(name)?;
        let events: Vec<Sequence> = events.iter().copied().map(Sequence).collect();
        let _woken = WakeLater(part.ok());
        let requeued = self.ledger.requeue(&sink, &events).await.map_err(chain)?;
        if requeued == Requeued::default() {
            return Err(format!("no event that sink `{name}` set aside is left in the history"));
        }
        let Requeued { events, rows } = requeued;
        info!(%sink, events, rows, "what was set aside is requeued");
        Ok(Answer::Requeued { events, rows })
    }

    /// Drops for good what a sink set aside.
    async fn drop_set_aside(&self, name: &str, events: &[u64], reason: &str) -> Result<Answer, String> {
        let (sink, _) = self.sink_part(name)?;
        let events: Vec<Sequence> = events.iter().copied().map(Sequence).collect();
        let count = self.ledger.drop_set_aside(&sink, &events, reason).await.map_err(chain)?;
        info!(%sink, count, reason, "a person dropped what was set aside");
        Ok(Answer::Dropped { count })
    }

    /// A sink that is on, that has a connector, and that is not paused.
    fn sink_that_delivers(&self, name: &str) -> Result<Arc<SinkHandle>, String> {
        let sink = self.sink(name)?;
        if let Some(reason) = &sink.delivery_off {
            return Err(format!("sink `{name}` is off: {reason}"));
        }
        if let Some(reason) = self.parts()?.why_grant_off(&sink) {
            return Err(format!("sink `{name}` can't deliver: {reason}"));
        }
        if sink.is_paused() {
            return Err(format!("sink `{name}` is paused; `punchcard sinks resume {name}` first"));
        }
        Ok(sink)
    }

    /// Whether a sink's grant lets it in, or is about to.
    fn signed_in(&self, sink: &SinkHandle) -> Result<(), String> {
        let Some(name) = &sink.grant else { return Ok(()) };
        let reason = match self.parts()?.grants.get(name) {
            Some(Err(reason)) => reason.clone(),
            Some(Ok(grant)) => match &*grant.standing().borrow() {
                grant::GrantStatus::Authorized { .. } | grant::GrantStatus::Renewing | grant::GrantStatus::Starting => {
                    return Ok(());
                }
                grant::GrantStatus::SignedOut | grant::GrantStatus::AwaitingPerson { .. } => {
                    format!("nobody is signed in; `punchcard sign-in {name}` first")
                }
                grant::GrantStatus::Blocked(problem) => format!("{}: {}", problem.headline, problem.advice),
                grant::GrantStatus::Failing { .. } => "its policy fails".to_owned(),
            },
            None => return Ok(()),
        };
        Err(format!("the sink waits for grant `{name}`: {reason}"))
    }

    /// A sink that is on.
    fn sink(&self, name: &str) -> Result<Arc<SinkHandle>, String> {
        self.sink_part(name)?.1.map_err(|reason| format!("sink `{name}` is off: {reason}"))
    }

    /// A sink that is configured.
    fn sink_part(&self, name: &str) -> Result<(SinkName, OnOrOff<Arc<SinkHandle>>), String> {
        let parts = self.parts()?;
        let found = parts.sinks.iter().find(|(sink, _)| sink.as_str() == name);
        let (sink, standing) = found.ok_or_else(|| unknown("sink", name, parts.sinks.keys()))?;
        Ok((sink.clone(), standing.clone()))
    }

    fn parts(&self) -> Result<Arc<Parts>, String> {
        let parts = Arc::clone(&self.parts.borrow());
        if parts.starting && parts.sinks.is_empty() && parts.grants.is_empty() {
            return Err("the device is still starting; try again in a moment".to_owned());
        }
        Ok(parts)
    }
}

/// Has a sink look for rows once this ends, however it does: rows that are requeued until then are on their way.
struct WakeLater(Option<Arc<SinkHandle>>);

impl Drop for WakeLater {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.wake();
        }
    }
}

fn ended(sink: &str) -> String {
    format!("sink `{sink}` has ended; restart the host")
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = impl ToString>) -> String {
    let known: Vec<String> = known.map(|name| format!("`{}`", name.to_string())).collect();
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) };
    format!("there is no {what} `{name}`; {known}")
}

mod plugin;
#[cfg(test)]
mod tests;
