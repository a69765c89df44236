//! Whether the device knows the time, and the events that were made before it did.
//!
//! The ledger is told when the time becomes known, when the kernel is synchronised after that, and whenever it sets its clock
//! then: what was recorded before gets its true time, and no clock that was wrong once counts as the last time seen. What was
//! formatted by then with a wrong one is said, until it was corrected or a person takes it as it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::stream::{Stream, StreamExt as _};
use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use punchcard_core::time::{Now, TimeStatus};
use punchcard_core::time_lower_bound::Run;
use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use super::display::Display;
use super::error_chain::chain;
use super::timer::sleep_until;
use super::trouble::Troubles;
use crate::clock::Clock;
use punchcard_ledger::{BootTimes, ClockCorrection, Ledger, StorageError};

/// Milliseconds after which is looked whether the time is known by now, or known better. The kernel says when its clock is
/// set, and not when it takes it for synchronised: after a step that follows within seconds, and without one a clock that
/// was nearly right is called so.
const LOOK_AGAIN_MS: u64 = 10_000;
/// Milliseconds after which the panel's clock is set again, and looked whether a synchronised clock was set.
const SET_AGAIN_MS: u64 = 30_000;
/// A clock that moves by more than this against the monotonic one was set, in µs.
const WAS_SET: u64 = 1_000_000;

/// The latest time that was believed. Clones share it.
#[derive(Clone)]
pub(super) struct KnownTime {
    last_seen: Arc<AtomicI64>,
    /// Counts how often the ledger was told the time.
    learnt: Arc<watch::Sender<u64>>,
    /// The sinks of which is said that their times were wrong. Held while that is read and said anew, so that what was kept
    /// last is what is said.
    wrong_times: Arc<Mutex<BTreeSet<SinkName>>>,
    troubles: Troubles,
}

impl KnownTime {
    /// `last_seen`: what the ledger remembers, in Unix microseconds.
    pub(super) fn new(last_seen: Option<i64>, troubles: Troubles) -> Self {
        let last_seen = Arc::new(AtomicI64::new(last_seen.unwrap_or(i64::MIN)));
        Self { last_seen, learnt: Arc::new(watch::channel(0).0), wrong_times: Arc::default(), troubles }
    }

    /// What the clocks say.
    pub(super) fn now(&self, clock: &Clock) -> Now {
        clock.now(self.last_seen.load(Ordering::Relaxed))
    }

    /// The latest time that was believed, in Unix microseconds.
    pub(super) fn last_seen(&self) -> i64 {
        self.last_seen.load(Ordering::Relaxed)
    }

    /// It was that late, in Unix microseconds.
    pub(super) fn see(&self, unix_micros: i64) {
        self.last_seen.fetch_max(unix_micros, Ordering::Relaxed);
    }

    /// A sink's rows are right from this event on, by these times.
    pub(super) async fn note_corrected(
        &self,
        ledger: &Ledger,
        sink: &SinkName,
        from: Sequence,
        boots: BootTimes,
    ) -> Result<(), StorageError> {
        ledger.note_corrected(sink, from, boots).await?;
        self.say_clock_corrections(ledger).await
    }

    /// A person leaves what became of wrong times as it is.
    pub(super) async fn accept_times(&self, ledger: &Ledger, sink: &SinkName) -> Result<(), StorageError> {
        self.note_corrected(ledger, sink, Sequence(0), BootTimes::default()).await
    }

    /// Says whose rows may be wrong, and what to do.
    async fn say_clock_corrections(&self, ledger: &Ledger) -> Result<(), StorageError> {
        let mut said = self.wrong_times.lock().await;
        let corrections = ledger.clock_corrections().await?;
        for sink in std::mem::take(&mut *said) {
            if corrections.iter().all(|correction| correction.sink != sink) {
                self.troubles.set(&part(&sink), None);
            }
        }
        for ClockCorrection { sink, from } in corrections {
            let advice = format!(
                "the clock was wrong until the kernel was synchronised, and the formatter of sink `{sink}` was given its times \
                 from event {from} on; `punchcard replay {sink} --from {from} --correct` puts right what became of them, \
                 `punchcard sinks accept-times {sink}` leaves it as it is",
                from = from.0
            );
            self.troubles.set(&part(&sink), Some(Problem { headline: "times were wrong".into(), advice }));
            said.insert(sink);
        }
        Ok(())
    }

    /// Changes whenever the ledger was told the time: events that waited for it have theirs then.
    pub(super) fn learnt(&self) -> watch::Receiver<u64> {
        self.learnt.subscribe()
    }

    /// Waits until the time is known.
    pub(super) async fn known(&self, clock: &Clock) {
        let mut learnt = self.learnt();
        while !self.now(clock).is_known() {
            if learnt.changed().await.is_err() {
                // The device ends, and with it this task.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tells the ledger and the panel when the time becomes known, and now and then how late it is.
    /// `sets`: each time that the wall clock is set.
    pub(super) async fn keep(
        self,
        clock: Clock,
        mut sets: impl Stream<Item = ()> + Unpin,
        ledger: Ledger,
        display: Display,
    ) {
        let mut telling = Telling::new(self, ledger);
        telling.say_clock_corrections().await;
        let mut set_again_at_ms = 0;
        loop {
            let now = telling.time.now(&clock);
            let now_ms = now.monotonic.milliseconds;
            if telling.is_news(&now) || now_ms >= set_again_at_ms {
                display.note(|panel, now_ms| panel.set_wall(now.is_known().then_some(now.wall), now_ms));
                set_again_at_ms = now_ms + SET_AGAIN_MS;
            }
            telling.look(&now).await;
            tokio::select! {
                () = sleep_until(&clock, now_ms + telling.pause_ms()) => {}
                Some(()) = sets.next() => {}
            }
        }
    }
}

/// Tells the ledger what time it is.
struct Telling {
    time: KnownTime,
    ledger: Ledger,
    told: Option<Told>,
    run: Run,
}

impl Telling {
    fn new(time: KnownTime, ledger: Ledger) -> Self {
        Self { time, ledger, told: None, run: Run::default() }
    }

    async fn say_clock_corrections(&self) {
        if let Err(error) = self.time.say_clock_corrections(&self.ledger).await {
            warn!(error = chain(error), "it can't be read whose times were wrong");
        }
    }

    fn is_news(&self, now: &Now) -> bool {
        now.is_known() && self.told.is_none_or(|told| told.is_outdated(now))
    }

    /// Until the next look: the sooner a clock that was wrong is put right, the less is formatted by it.
    fn pause_ms(&self) -> u64 {
        let is_final = self.told.is_some_and(|told| told.standing == TimeStatus::Synchronised);
        if is_final { SET_AGAIN_MS } else { LOOK_AGAIN_MS }
    }

    /// Tells it what is news of what the clocks say.
    async fn look(&mut self, now: &Now) {
        let is_news = self.is_news(now);
        if is_news && now.standing == TimeStatus::Synchronised {
            // What another clock said is not the last time seen.
            self.time.last_seen.store(now.wall.unix_micros, Ordering::Relaxed);
        }
        if now.is_known() {
            self.time.see(now.wall.unix_micros);
        }
        if is_news {
            match self.ledger.learn_time(now).await {
                Ok(()) => {
                    self.told = Some(Told { standing: now.standing, zero: now.zero() });
                    self.time.learnt.send_modify(|count| *count += 1);
                    info!(synchronised = now.standing == TimeStatus::Synchronised, "the time is known");
                    self.say_clock_corrections().await;
                }
                Err(error) => warn!(error = chain(error), "the ledger can't be told the time"),
            }
        }
        if let Some(ran_for_ms) = self.run.look(now.is_known(), now.monotonic.milliseconds)
            && let Err(error) = self.ledger.see_time(now.wall, ran_for_ms).await
        {
            warn!(error = chain(error), "the ledger can't be told the time");
        }
    }
}

/// The part of the device under which is said that a sink's times were wrong.
fn part(sink: &SinkName) -> String {
    format!("sinks.{sink}.times")
}

/// What the ledger was told.
#[derive(Debug, Clone, Copy)]
struct Told {
    standing: TimeStatus,
    zero: i64,
}

impl Told {
    /// Whether the ledger should hear of the time again. A clock that the kernel does not stand for may be set as often as a
    /// person likes.
    fn is_outdated(self, now: &Now) -> bool {
        now.standing == TimeStatus::Synchronised
            && (self.standing != TimeStatus::Synchronised || now.zero().abs_diff(self.zero) > WAS_SET)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use futures_util::stream;
    use jiff::tz::TimeZone;
    use punchcard_core::event::NewEvent;
    use punchcard_core::name::{InputName, PluginName};
    use punchcard_core::time::{Instant, Monotonic};
    use ulid::Ulid;

    use super::*;
    use punchcard_ledger::{CheckpointInterval, Declaration, FormattedCommit, Keep, Setup};
    use punchcard_panel::FrameSize;

    const HOUR: i64 = 3_600_000_000;
    const NOON: i64 = 1_795_168_800_000_000;

    /// What the clocks say so many hours after a boot at noon, the wall clock `off` hours wrong.
    fn now(standing: TimeStatus, hours: i64, off: i64) -> Now {
        Now {
            wall: Instant { unix_micros: NOON + (hours + off) * HOUR, utc_offset_minutes: 0 },
            standing,
            monotonic: Monotonic { milliseconds: u64::try_from(hours).unwrap() * 3_600_000, boot: "second".to_owned() },
        }
    }

    fn open(folder: &tempfile::TempDir, boot: &str) -> Ledger {
        let setup = Setup { boot: boot.to_owned(), zone: TimeZone::UTC, checkpoints: CheckpointInterval::default() };
        Ledger::open(folder.path(), setup).unwrap().0
    }

    fn known_time() -> KnownTime {
        let clock = Clock::open("bench", TimeZone::UTC, true).unwrap();
        KnownTime::new(Some(NOON), Troubles::new(Display::new("bench", FrameSize::Low, clock)))
    }

    fn press(at: Instant) -> NewEvent {
        NewEvent {
            id: Ulid::from_parts(1, 1),
            at: Some(at),
            monotonic: Monotonic { milliseconds: 0, boot: "first".to_owned() },
            source: InputName::parse("clock").unwrap(),
            kind: "punch".to_owned(),
            fields: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_clock_that_leaps_after_long_without_one_is_run_under_for_a_day_before_anything_is_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let before = open(&folder, "first");
        let known = Now {
            monotonic: Monotonic { milliseconds: 0, boot: "first".to_owned() },
            ..now(TimeStatus::Synchronised, 0, 0)
        };
        before.learn_time(&known).await.unwrap();
        before.accept(press(known.wall)).await.unwrap();
        before.close().await;

        let mut telling = Telling::new(known_time(), open(&folder, "second"));
        for hour in 0..30 {
            telling.look(&now(TimeStatus::Unknown, hour, -9)).await;
        }
        let month = Keep { keep_for: Duration::from_hours(30 * 24), bytes: u64::MAX };
        let two_years = 2 * 365 * 24;
        for hour in 30..=54 {
            let leapt = now(TimeStatus::Synchronised, hour, two_years);
            telling.look(&leapt).await;
            assert!(!telling.ledger.is_beyond(month, leapt.wall).await.unwrap(), "{hour}");
        }
        let leapt = now(TimeStatus::Synchronised, 55, two_years);
        telling.look(&leapt).await;
        assert!(telling.ledger.is_beyond(month, leapt.wall).await.unwrap(), "it is believed in the end");
    }

    #[tokio::test]
    async fn a_clock_that_is_set_is_looked_at_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::open("bench", TimeZone::UTC, true).unwrap();
        let display = Display::new("bench", FrameSize::Low, clock.clone());
        let time = known_time();
        let seen = Arc::clone(&time.last_seen);
        let (set, mut was_set) = tokio::sync::mpsc::unbounded_channel();
        let sets = stream::poll_fn(move |context| was_set.poll_recv(context));
        let mut learnt = time.learnt();
        let keeper = tokio::spawn(time.keep(clock, sets, open(&folder, "first"), display));
        learnt.changed().await.unwrap();
        let looked_again = async {
            seen.store(0, Ordering::Relaxed);
            set.send(()).unwrap();
            while seen.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_millis(LOOK_AGAIN_MS / 2), looked_again).await.unwrap();
        keeper.abort();
    }

    #[tokio::test]
    async fn times_that_were_wrong_are_said_until_what_became_of_them_is_corrected() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(&folder, "second");
        let sheet = SinkName::parse("sheet").unwrap();
        let plugin = |name| PluginName::parse(name).unwrap();
        let declaration = Declaration {
            kinds: vec!["punch".to_owned()],
            formatter: Some(plugin("timeclock")),
            connector: Some(plugin("google-sheets")),
        };
        ledger.declare_sinks(BTreeMap::from([(sheet.clone(), declaration)])).await.unwrap();
        let mut telling = Telling::new(known_time(), ledger.clone());
        let slow = now(TimeStatus::Believed, 1, -3);
        telling.look(&slow).await;
        assert_eq!(telling.pause_ms(), LOOK_AGAIN_MS, "the kernel may know better at any time");
        ledger.accept(NewEvent { monotonic: slow.monotonic.clone(), ..press(slow.wall) }).await.unwrap();
        let read = ledger.read_unformatted(&sheet, 1).await.unwrap();
        // The start of a pair: no row yet, but what the formatter remembers.
        let made = FormattedCommit {
            from: read.cursor,
            through: read.through,
            boots: read.boots,
            state: b"since 10".to_vec(),
            columns: Vec::new(),
            rows: Vec::new(),
            set_aside: Vec::new(),
            standing: None,
            checkpoint: None,
        };
        ledger.commit_formatted(&sheet, made).await.unwrap();
        let said = |telling: &Telling| telling.time.troubles.report().into_iter().map(|trouble| trouble.problem.advice);
        assert_eq!(said(&telling).count(), 0);
        telling.look(&now(TimeStatus::Synchronised, 2, 0)).await;
        assert_eq!(telling.pause_ms(), SET_AGAIN_MS);
        let advice = said(&telling).next().unwrap();
        assert!(advice.contains("`punchcard replay sheet --from 1 --correct`"), "{advice}");

        ledger.close().await;
        let ledger = open(&folder, "third");
        let telling = Telling::new(known_time(), ledger.clone());
        telling.say_clock_corrections().await;
        assert_eq!(said(&telling).next(), Some(advice), "after a restart too");
        let correct =
            async |from| telling.time.note_corrected(&ledger, &sheet, Sequence(from), BootTimes::default()).await;
        correct(2).await.unwrap();
        assert_eq!(said(&telling).count(), 1, "not from the beginning");
        correct(1).await.unwrap();
        assert_eq!(said(&telling).count(), 0);
    }
}
