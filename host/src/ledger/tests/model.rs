//! Random histories, compared step by step with a model that is too simple to be wrong: lists in memory.

use std::collections::HashMap;

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use punchcard_core::plugin::delivery::Rejection;
use tempfile::TempDir;

use super::super::{Keep, Moment, Stage, Tried};
use super::*;

const SINKS: [(&str, &[&str]); 2] = [("both", &["punch", "reading"]), ("sheet", &["punch"])];
const KINDS: [&str; 3] = ["punch", "reading", "nobody"];

#[derive(Debug, Clone)]
enum Step {
    /// An event of one of three kinds, with a time or without.
    Accept {
        kind: usize,
        timed: bool,
    },
    /// An event that was given before.
    Repeat {
        which: usize,
    },
    LearnTime,
    Format {
        sink: usize,
        max: usize,
        rows: usize,
        columns: u32,
    },
    Fail {
        sink: usize,
        set_aside: bool,
    },
    Open {
        sink: usize,
        rows: u32,
    },
    Begin {
        sink: usize,
    },
    Complete {
        sink: usize,
        rejected: Option<u32>,
    },
    Prune,
    Restart {
        new_boot: bool,
        power_cut: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let sink = || 0..SINKS.len();
    prop_oneof![
        6 => (0..KINDS.len(), any::<bool>()).prop_map(|(kind, timed)| Step::Accept { kind, timed }),
        1 => any::<usize>().prop_map(|which| Step::Repeat { which }),
        1 => prop::strategy::Just(Step::LearnTime),
        4 => (sink(), 1_usize..5, 0_usize..4, 1_u32..3)
            .prop_map(|(sink, max, rows, columns)| Step::Format { sink, max, rows, columns }),
        1 => (sink(), any::<bool>()).prop_map(|(sink, set_aside)| Step::Fail { sink, set_aside }),
        4 => (sink(), 1_u32..6).prop_map(|(sink, rows)| Step::Open { sink, rows }),
        2 => sink().prop_map(|sink| Step::Begin { sink }),
        4 => (sink(), prop::option::of(0_u32..6)).prop_map(|(sink, rejected)| Step::Complete { sink, rejected }),
        1 => prop::strategy::Just(Step::Prune),
        1 => any::<(bool, bool)>().prop_map(|(new_boot, power_cut)| Step::Restart { new_boot, power_cut }),
    ]
}

/// What should be in the ledger.
#[derive(Default)]
struct Model {
    /// All that ever happened, pruned or not.
    events: Vec<Happened>,
    pruned: usize,
    /// The last time seen, when a boot recorded first; and whether its time became known.
    boots: HashMap<String, (Option<i64>, bool)>,
    /// When each boot began, in their order.
    starts: Vec<i64>,
    seen: Option<i64>,
    sinks: [ModelSink; 2],
}

struct Happened {
    event: NewEvent,
    /// The true time, known or not.
    true_time: i64,
}

#[derive(Default)]
struct ModelSink {
    cursor: usize,
    state: Vec<u8>,
    connector: Vec<u8>,
    rows: Vec<ModelRow>,
    /// Rows before this one arrived or were refused.
    done: usize,
    /// Id, number of rows, tried.
    open: Option<(String, usize, Tried)>,
    refused: u64,
    set_aside: HashMap<usize, String>,
    failures: u32,
}

struct ModelRow {
    sequence: usize,
    key: String,
    text: String,
    columns: u32,
}

impl Model {
    fn moment(&self, sequence: usize) -> Moment {
        let known = |happened: &Happened| {
            let learnt = self.boots[&happened.event.monotonic.boot].1;
            (happened.event.at.is_some() || learnt).then_some(happened.true_time)
        };
        let happened = &self.events[sequence - 1];
        if let Some(time) = known(happened) {
            return Moment::Known(at(time));
        }
        let before = self.boots[&happened.event.monotonic.boot].0;
        let after = || self.events[sequence..].iter().find_map(known);
        let later = || {
            let knows = |boot: &usize| self.boots.get(&boot_name(*boot)).is_some_and(|boot| boot.1);
            let own = (0..self.starts.len()).find(|boot| boot_name(*boot) == happened.event.monotonic.boot).unwrap();
            (own + 1..self.starts.len()).find(knows).map(|boot| self.starts[boot])
        };
        before.or_else(after).or_else(later).map_or(Moment::Unknown, |time| Moment::Estimated(at(time)))
    }

    fn wants(sink: usize, event: &NewEvent) -> bool {
        SINKS[sink].1.contains(&event.kind.as_str())
    }

    /// The sequences that the formatter gets next, how far was looked, and whether it has to wait for the time.
    fn unformatted(&self, sink: usize, max: usize, boot: &str) -> (Vec<usize>, usize, bool) {
        let mut found = Vec::new();
        let mut through = self.sinks[sink].cursor;
        for sequence in self.sinks[sink].cursor.max(self.pruned) + 1..=self.events.len() {
            if found.len() == max {
                return (found, through, false);
            }
            let happened = &self.events[sequence - 1];
            if Self::wants(sink, &happened.event) {
                let ready = match self.moment(sequence) {
                    Moment::Known(_) => true,
                    Moment::Estimated(_) => happened.event.monotonic.boot != boot,
                    Moment::Unknown => false,
                };
                if !ready {
                    return (found, through, true);
                }
                found.push(sequence);
            }
            through = sequence;
        }
        (found, through, false)
    }

    fn stage(&self, sink: usize, sequence: usize) -> Option<(Stage, u32)> {
        let of = &self.sinks[sink];
        if !Self::wants(sink, &self.events[sequence - 1].event) {
            return None;
        }
        let rows = of.rows.iter().filter(|row| row.sequence == sequence).count();
        let last = of.rows.iter().rposition(|row| row.sequence == sequence);
        let in_flight = of.open.as_ref().map_or(0, |open| open.1);
        let stage = match (of.set_aside.get(&sequence), last) {
            (Some(reason), _) => Stage::SetAside(reason.clone()),
            (None, Some(last)) if last < of.done => Stage::Delivered(Some(at(77))),
            (None, Some(last)) if last < of.done + in_flight => Stage::InFlight,
            (None, Some(_)) => Stage::Waiting,
            (None, None) if sequence <= of.cursor => Stage::NoRows,
            (None, None) => Stage::Unformatted,
        };
        Some((stage, u32::try_from(rows).unwrap()))
    }

    fn prunable(&self) -> usize {
        let done = self
            .sinks
            .iter()
            .map(|sink| sink.rows.get(sink.done).map_or(sink.cursor, |row| sink.cursor.min(row.sequence - 1)));
        done.min().unwrap()
    }
}

/// The device: a ledger, the model of it, and a clock that is advanced by every step.
struct Device {
    folder: TempDir,
    ledger: Ledger,
    boot: usize,
    booted_at: i64,
    time: i64,
    ids: u64,
    batches: u128,
    model: Model,
}

impl Device {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, _) = Ledger::open(folder.path(), setup("boot-0")).unwrap();
        let mut device = Self {
            folder,
            ledger,
            boot: 0,
            booted_at: 1_000_000,
            time: 1_000_000,
            ids: 0,
            batches: 0,
            model: Model { starts: vec![1_000_000], ..Model::default() },
        };
        device.declare().await;
        device
    }

    async fn declare(&mut self) {
        let sinks = SINKS.iter().map(|(name, of)| (sink(name), declaration(of))).collect();
        let declared = self.ledger.declare_sinks(sinks).await.unwrap();
        assert!(declared.iter().all(|declared| declared.missed == 0));
    }

    fn boot(&self) -> String {
        boot_name(self.boot)
    }

    async fn perform(&mut self, step: &Step) {
        self.time += 1_000_000;
        match *step {
            Step::Accept { kind, timed } => self.accept(kind, timed).await,
            Step::Repeat { which } => {
                let kept = self.model.events.len() - self.model.pruned;
                if kept > 0 {
                    let sequence = self.model.pruned + which % kept + 1;
                    let event = self.model.events[sequence - 1].event.clone();
                    let again = self.ledger.accept(event.clone()).await.unwrap();
                    assert_eq!(again, Event { sequence: Sequence(sequence as u64), happened: event });
                }
            }
            Step::LearnTime => {
                self.ledger.learn_time(&now(&self.boot(), self.time, self.time - self.booted_at)).await.unwrap();
                let seen = self.model.seen.replace(self.time);
                self.model.boots.entry(self.boot()).or_insert((seen, true)).1 = true;
            }
            Step::Format { sink, max, rows, columns } => self.format(sink, max, rows, columns).await,
            Step::Fail { sink, set_aside } => self.fail(sink, set_aside).await,
            Step::Open { sink, rows } => self.open(sink, rows).await,
            Step::Begin { sink } => {
                let state = format!("at {}", self.time).into_bytes();
                self.ledger.store_connector_state(&super::sink(SINKS[sink].0), state.clone(), true).await.unwrap();
                self.model.sinks[sink].connector = state;
                if let Some(open) = &mut self.model.sinks[sink].open {
                    open.2 = Tried::Before;
                }
            }
            Step::Complete { sink, rejected } => self.complete(sink, rejected).await,
            Step::Prune => {
                let nothing = Keep { keep_for: std::time::Duration::MAX, bytes: 0 };
                let pruned = self.ledger.prune(nothing, at(self.time)).await.unwrap();
                let expected = self.model.prunable().max(self.model.pruned);
                assert_eq!(pruned.events as usize, expected - self.model.pruned);
                self.model.pruned = expected;
            }
            Step::Restart { new_boot, power_cut } => self.restart(new_boot, power_cut).await,
        }
    }

    async fn accept(&mut self, kind: usize, timed: bool) {
        self.ids += 1;
        let boot = self.boot();
        let mut event = punch(self.ids);
        event.kind = KINDS[kind].to_owned();
        event.at = timed.then_some(at(self.time));
        event.monotonic = now(&boot, 0, self.time - self.booted_at).monotonic;
        let recorded = self.ledger.accept(event.clone()).await.unwrap();
        self.model.events.push(Happened { event: event.clone(), true_time: self.time });
        assert_eq!(recorded, Event { sequence: Sequence(self.model.events.len() as u64), happened: event });
        let seen = self.model.seen;
        self.model.boots.entry(boot).or_insert((seen, false)).1 |= timed;
        if timed {
            self.model.seen = Some(self.time);
        }
    }

    async fn format(&mut self, sink: usize, max: usize, rows: usize, columns: u32) {
        let name = super::sink(SINKS[sink].0);
        let read = self.ledger.read_unformatted(&name, max).await.unwrap();
        let (expected, through, blocked) = self.model.unformatted(sink, max, &self.boot());
        assert_eq!(sequences(&read), expected.iter().map(|sequence| *sequence as u64).collect::<Vec<_>>());
        assert_eq!(read.through.0 as usize, through.max(self.model.sinks[sink].cursor));
        assert_eq!((read.blocked_by_unknown_time, read.cursor.0 as usize), (blocked, self.model.sinks[sink].cursor));
        assert_eq!(read.state, self.model.sinks[sink].state);
        for event in &read.events {
            let sequence = event.event.sequence.0 as usize;
            assert_eq!(Some(event.at), self.model.moment(sequence).instant());
            assert_eq!(event.event.happened, self.model.events[sequence - 1].event);
        }
        if !expected.is_empty() {
            assert_eq!(read.failures, self.model.sinks[sink].failures);
        }
        let mut made = FormattedCommit { columns: super::columns(columns), rows: Vec::new(), ..one_row_each(&read) };
        made.state = format!("through {} at {}", read.through.0, self.time).into_bytes();
        let of = &mut self.model.sinks[sink];
        for sequence in expected {
            // Every seventh can't become a row.
            if sequence % 7 == 6 {
                made.set_aside.push((Sequence(sequence as u64), "seventh".to_owned()));
                of.set_aside.insert(sequence, "seventh".to_owned());
                continue;
            }
            let texts: Vec<_> = (0..(sequence + rows) % 4).map(|position| format!("{sequence}/{position}")).collect();
            made.rows.push((Sequence(sequence as u64), texts.iter().map(|text| row(text)).collect()));
            let id = self.model.events[sequence - 1].event.id;
            for (position, text) in texts.into_iter().enumerate() {
                of.rows.push(ModelRow { sequence, key: format!("{id}/{position}"), text, columns });
            }
        }
        (of.cursor, of.state) = (read.through.0 as usize, made.state.clone());
        if read.through > read.cursor {
            of.failures = 0;
        }
        self.ledger.commit_formatted(&name, made).await.unwrap();
    }

    async fn fail(&mut self, sink: usize, set_aside: bool) {
        let name = super::sink(SINKS[sink].0);
        let (next, ..) = self.model.unformatted(sink, 1, &self.boot());
        let Some(sequence) = next.first().copied() else { return };
        let of = &mut self.model.sinks[sink];
        let event = Sequence(sequence as u64);
        of.failures += 1;
        assert_eq!(self.ledger.note_failure(&name, event, "trap").await.unwrap(), of.failures);
        if set_aside {
            self.ledger.set_aside_event(&name, Sequence(of.cursor as u64), event, "trap").await.unwrap();
            of.set_aside.insert(sequence, "trap".to_owned());
            (of.cursor, of.failures) = (sequence, 0);
        }
    }

    async fn open(&mut self, sink: usize, rows: u32) {
        self.batches += 1;
        let found = open_batch(&self.ledger, SINKS[sink].0, rows, self.batches).await;
        let of = &mut self.model.sinks[sink];
        if of.open.is_none() {
            let waiting = &of.rows[of.done..];
            let same = waiting.iter().take_while(|row| row.columns == waiting[0].columns).count();
            let taken = same.min(rows as usize);
            of.open = (taken > 0).then(|| (Uuid::from_u128(self.batches).to_string(), taken, Tried::Never));
        }
        let Some((id, count, tried)) = &of.open else { return assert_eq!(found, None) };
        let found = found.unwrap();
        assert_eq!((&found.batch.id, found.tried), (id, *tried));
        let expected = &of.rows[of.done..of.done + count];
        assert_eq!(found.batch.columns, columns(expected[0].columns));
        let rows = expected.iter().map(|row| Row { key: row.key.clone(), cells: vec![Cell::Text(row.text.clone())] });
        assert_eq!(found.batch.rows, rows.collect::<Vec<_>>());
    }

    async fn complete(&mut self, sink: usize, rejected: Option<u32>) {
        let of = &mut self.model.sinks[sink];
        let Some((id, count, _)) = of.open.take() else { return };
        let rejected = rejected.filter(|row| (*row as usize) < count);
        let state = format!("done {}", self.time).into_bytes();
        let receipt = Receipt {
            rejected: rejected.map(|row| Rejection { row, reason: "refused".to_owned() }).into_iter().collect(),
            link: None,
        };
        let name = super::sink(SINKS[sink].0);
        self.ledger.complete_batch(&name, &id, state.clone(), receipt, Some(at(77))).await.unwrap();
        if let Some(row) = rejected {
            of.refused += 1;
            of.set_aside.insert(of.rows[of.done + row as usize].sequence, "refused".to_owned());
        }
        of.done += count;
        of.connector = state;
    }

    async fn restart(&mut self, new_boot: bool, cut: bool) {
        if new_boot {
            self.boot += 1;
            self.booted_at = self.time;
            self.model.starts.push(self.time);
        }
        if cut {
            let after = tempfile::tempdir().unwrap();
            power_cut(self.folder.path(), after.path());
            self.folder = after;
        } else {
            self.ledger.clone().close().await;
        }
        let (ledger, opened) = Ledger::open(self.folder.path(), setup(&self.boot())).unwrap();
        self.ledger = ledger;
        assert_eq!(opened.newest, Sequence(self.model.events.len() as u64));
        assert_eq!(opened.last_time_seen, self.model.seen.map(at));
        self.declare().await;
        for (index, (_, _)) in SINKS.iter().enumerate() {
            let of = &mut self.model.sinks[index];
            of.cursor = of.cursor.max(self.model.pruned);
        }
    }

    async fn compare(&self) {
        let listed = self.ledger.events(None, 10_000).await.unwrap();
        let kept: Vec<_> = (self.model.pruned + 1..=self.model.events.len()).collect();
        assert_eq!(listed.len(), kept.len());
        for (listed, sequence) in listed.iter().zip(kept) {
            let expected = &self.model.events[sequence - 1].event;
            assert_eq!((&listed.event.happened, listed.event.sequence.0 as usize), (expected, sequence));
            assert_eq!(listed.at, self.model.moment(sequence), "{sequence}");
            let fates: Vec<_> =
                listed.fates.iter().map(|fate| (fate.sink.as_str(), (fate.stage.clone(), fate.rows))).collect();
            let expected = SINKS.iter().enumerate();
            let expected = expected.filter_map(|(index, (name, _))| Some((*name, self.model.stage(index, sequence)?)));
            assert_eq!(fates, expected.collect::<Vec<_>>(), "{sequence}");
        }
        for (counts, (index, of)) in self.ledger.sinks().await.unwrap().iter().zip(self.model.sinks.iter().enumerate())
        {
            let in_flight = of.open.as_ref().map_or(0, |open| open.1);
            assert_eq!(counts.sink.as_str(), SINKS[index].0);
            assert_eq!(counts.rows_in_flight, in_flight as u64);
            assert_eq!(counts.rows_waiting, (of.rows.len() - of.done - in_flight) as u64);
            assert_eq!((counts.rows_set_aside, counts.rows_delivered), (of.refused, of.done as u64 - of.refused));
            let waiting = self.model.events.iter().skip(of.cursor.max(self.model.pruned));
            let waiting = waiting.filter(|happened| Model::wants(index, &happened.event)).count();
            assert_eq!(counts.events_waiting, waiting as u64);
            assert_eq!(self.ledger.connector_state(&counts.sink).await.unwrap(), of.connector);
        }
    }
}

fn boot_name(boot: usize) -> String {
    format!("boot-{boot}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_ledger_holds_what_the_model_holds_after_every_step_of_any_history(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut device = Device::new().await;
            for step in &steps {
                device.perform(step).await;
                device.compare().await;
            }
        });
    }
}
