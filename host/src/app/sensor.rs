//! Reads one sensor, on the clock's grid, and has the ledger record what was read.
//!
//! What always holds here: the events of a poll and what the plugin remembers after it are one transaction, so that no reading
//! is lost or doubled by a power cut, and the next poll begins after that. A reading is no press: nobody waits for it, and the
//! panel does not speak of it, but of a sensor that can't be read.

pub(super) mod lender;
mod line;
mod owner;

use std::sync::Arc;
use std::time::Duration;

use punchcard_core::backoff::plan_wait;
use punchcard_core::config;
use punchcard_core::config::sensor::READING;
use punchcard_core::event::{Event, Field, NewEvent};
use punchcard_core::name::InputName;
use punchcard_core::plugin::Problem;
use punchcard_core::plugin::sensor::Reading;
use punchcard_core::polling::plan_poll;
use punchcard_core::time::{Context, Instant, Now};
use punchcard_ledger::{AcceptError, Ledger, Poll};
use punchcard_sandbox::Sensor;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use super::error_chain::chain;
use super::intake::fresh_id;
use super::known_time::KnownTime;
use super::timer::sleep_until;
use super::trouble::Troubles;
use crate::clock::{Clock, entropy};
use lender::SensorLender;

/// Sensors that are polled at once: those that hang leave places for other plugins.
pub(super) const POLLS: usize = 4;
/// When the next poll comes is asked again after this, in milliseconds: over hours, clocks drift apart.
const ASK_AGAIN_MS: u64 = 60_000;

/// How a sensor stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SensorStatus {
    /// What it read last, since it was started.
    pub(super) last: Option<LastReading>,
    /// Why it can't be read, or what was read not recorded, where that is so.
    pub(super) failure: Option<String>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastReading {
    /// When, where the time was known.
    pub(super) at: Option<Instant>,
    pub(super) fields: Vec<Field>,
}

/// A sensor at work.
pub(super) struct Sensing {
    pub(super) name: InputName,
    pub(super) configuration: config::sensor::Sensor,
    pub(super) sensor: Sensor,
    pub(super) lender: Arc<SensorLender>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) troubles: Troubles,
    pub(super) polling: Arc<Semaphore>,
    pub(super) standing: watch::Sender<SensorStatus>,
}

/// Why a poll brought nothing.
enum PollError {
    /// The plugin, or what is lent to it.
    Unread(String),
    /// What was read can never be recorded.
    Unfit(AcceptError),
}

impl Sensing {
    /// Reads it again and again, until the task is dropped: a poll that is under way then brings nothing, and what was read
    /// is recorded.
    pub(super) async fn run(self) {
        let mut state = self.begin().await;
        let mut failures = 0;
        let mut learnt = self.time.learnt();
        loop {
            let polled_ms = self.clock.monotonic_ms();
            match self.poll(&state).await {
                Ok(new_state) => {
                    state = new_state;
                    failures = 0;
                    self.sensor.tally().note_work();
                    self.say(None);
                    self.wait(polled_ms, &mut learnt).await;
                }
                Err(error) => {
                    let (headline, advice) = match error {
                        PollError::Unread(reason) => (format!("{} can't be read", self.name), reason),
                        PollError::Unfit(error) => (self.not_recorded(), chain(error)),
                    };
                    self.say(Some(Problem { headline, advice }));
                    self.pause(failures).await;
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    /// What the plugin remembers. A ledger that can't be read is asked again: a plugin that forgot would read amiss.
    async fn begin(&self) -> Vec<u8> {
        for failures in 0.. {
            // What a part of this name before it wanted recorded is there then.
            let found = match self.ledger.come_round().await {
                Ok(()) => self.ledger.sensor_state(&self.name, &self.configuration.plugin).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(state) => return state,
                Err(error) => {
                    let advice = format!("what it remembers can't be read: {}", chain(error));
                    self.say(Some(Problem { headline: format!("{} waits", self.name), advice }));
                    self.pause(failures).await;
                }
            }
        }
        Vec::new()
    }

    /// Polls it once, and has the ledger record what that brought. Returns what the plugin remembers then.
    async fn poll(&self, state: &[u8]) -> Result<Vec<u8>, PollError> {
        let permit = self.polling.acquire().await;
        let now = self.time.now(&self.clock);
        let context = Context { now: now.wall, monotonic: now.monotonic.clone(), ..self.clock.context() };
        self.lender.begin();
        let settings = self.configuration.settings.to_json();
        let polled = self.sensor.poll(Arc::clone(&self.lender) as _, &settings, state, &context).await;
        self.lender.end();
        drop(permit);
        // The host's own words say which bus and what to do. Where the bus is well, the plugin's do.
        let polled =
            polled.map_err(|error| PollError::Unread(self.lender.failure().unwrap_or_else(|| error.to_string())))?;
        let last = polled.readings.last().map(|reading| reading.fields.clone());
        let events: Vec<NewEvent> = polled.readings.into_iter().map(|reading| self.form(&now, reading)).collect();
        if !events.is_empty() || polled.state != state {
            let (sensor, plugin) = (self.name.clone(), self.configuration.plugin.clone());
            self.record(Poll { sensor, plugin, state: polled.state.clone(), events }).await?;
        }
        if let Some(fields) = last {
            let at = now.is_known().then_some(now.wall);
            self.standing.send_modify(|standing| standing.last = Some(LastReading { at, fields }));
        }
        Ok(polled.state)
    }

    fn form(&self, now: &Now, reading: Reading) -> NewEvent {
        let Reading { kind, fields } = reading;
        let kind = if kind == READING { self.configuration.event.to_string() } else { kind };
        NewEvent {
            id: fresh_id(now.wall.unix_micros),
            at: now.is_known().then_some(now.wall),
            monotonic: now.monotonic.clone(),
            source: self.name.clone(),
            kind,
            fields,
        }
    }

    /// Has it recorded, however long the disk refuses: it is not polled meanwhile, and what it read is not forgotten.
    async fn record(&self, poll: Poll) -> Result<(), PollError> {
        let share_for = self.configuration.share_commit_for;
        for failures in 0.. {
            match self.ledger.accept_poll(poll.clone(), share_for).await {
                Ok(events) => {
                    self.note_recorded(&events);
                    return Ok(());
                }
                Err(error @ (AcceptError::NotFinite(_) | AcceptError::TooLarge { .. })) => {
                    return Err(PollError::Unfit(error));
                }
                Err(error) => {
                    let advice = format!("{}; it is tried again, and not read meanwhile", chain(error));
                    self.say(Some(Problem { headline: self.not_recorded(), advice }));
                    self.pause(failures).await;
                }
            }
        }
        Ok(())
    }

    fn note_recorded(&self, events: &[Event]) {
        for event in events {
            if let Some(at) = event.happened.at {
                self.time.see(at.unix_micros);
            }
            info!(event = event.sequence.0, sensor = %self.name, kind = event.happened.kind, "recorded");
        }
    }

    fn not_recorded(&self) -> String {
        format!("{}: NOT recorded", self.name)
    }

    fn say(&self, problem: Option<Problem>) {
        let failure = problem.as_ref().map(|problem| problem.advice.clone());
        self.standing.send_modify(|standing| standing.failure = failure);
        self.troubles.set(&sensor_part(&self.name), problem);
    }

    /// Waits for the next poll after one at this reading of the monotonic clock. A clock that is set moves the grid.
    async fn wait(&self, polled_ms: u64, learnt: &mut watch::Receiver<u64>) {
        let every_ms = milliseconds(self.configuration.every);
        loop {
            let now = self.time.now(&self.clock);
            let now_ms = now.monotonic.milliseconds;
            let wait_ms = plan_poll(&now, every_ms, now_ms.saturating_sub(polled_ms));
            let is_far = wait_ms > 2 * ASK_AGAIN_MS;
            let until_ms = now_ms + if is_far { ASK_AGAIN_MS } else { wait_ms };
            tokio::select! {
                () = sleep_until(&self.clock, until_ms) => if !is_far { return },
                Ok(()) = learnt.changed() => {}
            }
        }
    }

    /// Waits after a failure, the first in a row being number 0.
    async fn pause(&self, failures: u32) {
        let [first, ..] = entropy();
        // Where sensors share a bus, they need not come back together.
        let wait_ms = plan_wait(failures, u64::from(first) * 4);
        warn!(sensor = %self.name, seconds = wait_ms / 1_000, "the sensor is tried again");
        sleep_until(&self.clock, self.clock.monotonic_ms() + wait_ms).await;
    }
}

/// What has the problem when a sensor can't be read.
pub(super) fn sensor_part(name: &InputName) -> String {
    format!("sensors.{name}")
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
