//! A device that makes a random history, and the model of it.

use power_cut::{Call, Loss, Operation, Recording};
use proptest::prelude::{Strategy, any, prop, prop_oneof};
use punchcard_core::plugin::delivery::{CorrectionKind, Rejection};
use tempfile::TempDir;

use super::super::{
    AcceptError, BootTimes, CorrectedRow, CorrectionCommit, Keep, RememberedGrant, StorageError, Tried, schema,
};
use super::model::{Happened, KEYS, Model, ModelRow, Requeue, SINKS, Seen, SetAside, boot_name};
use super::*;

const KINDS: [&str; 3] = ["punch", "reading", "nobody"];

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An event of one of three kinds, with a time or without.
    Accept {
        kind: usize,
        timed: bool,
    },
    /// An event that the disk refuses, or takes in doubt.
    Refuse {
        kind: usize,
        timed: bool,
        refused: Refused,
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
    /// What formatters refused or failed on is requeued.
    Requeue {
        sink: usize,
    },
    /// A row that arrived is missing, and is redelivered.
    Redeliver {
        sink: usize,
    },
    /// The state of a grant, and what is to be erased of its slots.
    StoreGrant {
        forget: usize,
    },
    /// A small fact of the host.
    Remember {
        key: usize,
    },
    /// Where a person finds the rows.
    StoreLink {
        sink: usize,
    },
    /// The first row of an event is corrected.
    Correct {
        sink: usize,
        which: usize,
    },
    Prune,
    Restart {
        new_boot: bool,
        power_cut: bool,
    },
}

/// The calls on the log that the disk refuses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused {
    Write,
    Sync,
    /// That of what cuts the log off, too.
    Syncs,
    /// And to cut it off.
    SyncAndWrite,
}

impl Refused {
    fn calls(self) -> &'static [(usize, Call)] {
        const SYNC: (usize, Call) = (0, Call::Sync);
        const WRITE: (usize, Call) = (0, Call::Write);
        match self {
            Self::Write => &[WRITE],
            Self::Sync => &[SYNC],
            Self::Syncs => &[SYNC, SYNC],
            Self::SyncAndWrite => &[SYNC, WRITE],
        }
    }
}

fn refused() -> impl Strategy<Value = Refused> {
    prop::sample::select(vec![Refused::Write, Refused::Sync, Refused::Syncs, Refused::SyncAndWrite])
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let sink = || 0..SINKS.len();
    prop_oneof![
        6 => (0..KINDS.len(), any::<bool>()).prop_map(|(kind, timed)| Step::Accept { kind, timed }),
        2 => (0..KINDS.len(), any::<bool>(), refused())
            .prop_map(|(kind, timed, refused)| Step::Refuse { kind, timed, refused }),
        1 => prop::strategy::Just(Step::LearnTime),
        4 => (sink(), 1_usize..5, 0_usize..4, 1_u32..3)
            .prop_map(|(sink, max, rows, columns)| Step::Format { sink, max, rows, columns }),
        1 => (sink(), any::<bool>()).prop_map(|(sink, set_aside)| Step::Fail { sink, set_aside }),
        4 => (sink(), 1_u32..6).prop_map(|(sink, rows)| Step::Open { sink, rows }),
        2 => sink().prop_map(|sink| Step::Begin { sink }),
        4 => (sink(), prop::option::of(0_u32..6)).prop_map(|(sink, rejected)| Step::Complete { sink, rejected }),
        1 => sink().prop_map(|sink| Step::Requeue { sink }),
        1 => sink().prop_map(|sink| Step::Redeliver { sink }),
        1 => (0_usize..3).prop_map(|forget| Step::StoreGrant { forget }),
        1 => (0_usize..2).prop_map(|key| Step::Remember { key }),
        1 => sink().prop_map(|sink| Step::StoreLink { sink }),
        2 => (sink(), any::<usize>()).prop_map(|(sink, which)| Step::Correct { sink, which }),
        1 => prop::strategy::Just(Step::Prune),
        1 => any::<(bool, bool)>().prop_map(|(new_boot, power_cut)| Step::Restart { new_boot, power_cut }),
    ]
}

/// A device: a ledger, and what should be in it.
pub(super) struct Device {
    pub(super) folder: TempDir,
    pub(super) ledger: Ledger,
    pub(super) recording: Recording,
    pub(super) story: Story,
    pub(super) tape: Option<Tape>,
}

/// What happened so far: the model of the ledger, and a clock that is advanced by every step.
#[derive(Clone)]
pub(super) struct Story {
    pub(super) model: Model,
    boot: usize,
    booted_at: i64,
    time: i64,
    ids: u64,
    batches: u128,
}

/// Everything that was written to the disk.
pub(super) struct Tape {
    pub(super) recording: Recording,
    pub(super) acknowledged: Vec<Change>,
    /// Changes that were refused when all of them was in the log.
    refused: Vec<Change>,
}

impl Tape {
    /// What may be there after a cut, with this loss, after so many operations: the last change that was acknowledged, or the
    /// one that was being made; and what was refused, until it is cut off and that is durable.
    pub(super) fn possible(&self, count: usize, loss: Loss) -> Vec<&Change> {
        let last = self.acknowledged.iter().rposition(|change| change.length <= count).unwrap();
        let operations = self.recording.operations();
        let is_there = |change: &&Change| {
            change.length <= count
                && !operations[change.length..count].iter().any(|operation| match operation {
                    Operation::Resize { file, .. } => file == LOG && loss == Loss::Nothing,
                    Operation::Sync { file } => file == LOG,
                    _ => false,
                })
        };
        let made = self.acknowledged[last..].iter().take(2);
        made.chain(self.refused.iter().filter(is_there)).collect()
    }
}

/// The log's name in the folder.
const LOG: &str = "ledger.sqlite-wal";

/// A change that was acknowledged.
pub(super) struct Change {
    /// How much was recorded then.
    pub(super) length: usize,
    /// What had happened.
    pub(super) story: Story,
    /// What the file held.
    pub(super) tables: Tables,
}

/// Every row of every table, as text: what the model does not know, too.
#[derive(Debug, PartialEq)]
pub(super) struct Tables(BTreeMap<String, Vec<String>>);

impl Tables {
    /// Of the ledger in this folder.
    pub(super) fn of(folder: &TempDir) -> Self {
        let connection = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        let texts = |question: &str| -> Vec<String> {
            let mut select = connection.prepare(question).unwrap();
            let columns = select.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                let cells = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
                let cells = cells.collect::<Result<Vec<_>, _>>()?;
                Ok(match cells.as_slice() {
                    [rusqlite::types::Value::Text(text)] => text.clone(),
                    cells => format!("{cells:?}"),
                })
            };
            let mut texts: Vec<_> = select.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap();
            texts.sort();
            texts
        };
        let names = texts("SELECT name FROM sqlite_schema WHERE type = 'table'");
        let rows = names.into_iter().map(|name| (name.clone(), texts(&format!("SELECT * FROM {name}"))));
        Self(rows.collect())
    }

    /// How many rows a table has.
    fn count(&self, table: &str) -> usize {
        self.0.get(table).map_or(0, Vec::len)
    }

    /// Those without a row.
    pub(super) fn empty(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name.as_str())
    }
}

impl Story {
    /// This was recorded.
    fn record(&mut self, happened: Happened) {
        let boot = happened.event.monotonic.boot.clone();
        let floor = self.model.floor();
        let given = happened.event.at.map(|at| at.unix_micros);
        self.model.events.push(happened);
        self.model.boots.entry(boot).or_insert((floor, false)).1 |= given.is_some();
        self.model.time_seen = given.or(self.model.time_seen);
    }

    /// The name of the boot that it is in.
    pub(super) fn boot(&self) -> String {
        boot_name(self.boot)
    }

    /// What can be seen of it.
    pub(super) fn seen(&self) -> Seen {
        self.model.seen(&self.boot())
    }
}

impl Device {
    /// With an empty ledger.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = Model { starts: vec![1_000_000], ..Model::default() };
        let story = Story { model, boot: 0, booted_at: 1_000_000, time: 1_000_000, ids: 0, batches: 0 };
        drop(schema::open(&folder.path().join("ledger.sqlite")).unwrap());
        let mut device = Self::start(folder, None, story).0;
        device.declare().await;
        device
    }

    /// With the ledger in this folder.
    pub(super) fn start(folder: TempDir, recording: Option<Recording>, story: Story) -> (Self, super::super::Opened) {
        let recording = recording.unwrap_or_else(|| Recording::start(folder.path()).unwrap());
        let (ledger, opened) = Ledger::open(folder.path(), setup(&story.boot())).unwrap();
        (Self { folder, ledger, recording, story, tape: None }, opened)
    }

    /// The same as a new one, with everything noted that is acknowledged from now on.
    pub(super) async fn recorded() -> Self {
        let mut device = Self::new().await;
        let recording = device.recording.clone();
        device.tape = Some(Tape { recording, acknowledged: Vec::new(), refused: Vec::new() });
        device.acknowledge();
        device
    }

    /// What was done up to now is not undone by a power cut.
    fn acknowledge(&mut self) {
        if let Some(tape) = &mut self.tape {
            let tables = Tables::of(&self.folder);
            tape.acknowledged.push(Change { length: tape.recording.len(), story: self.story.clone(), tables });
        }
    }

    pub(super) async fn declare(&mut self) {
        let sinks = SINKS.iter().map(|(name, of)| (sink(name), declaration(of))).collect();
        let declared = self.ledger.declare_sinks(sinks).await.unwrap();
        assert!(declared.iter().all(|declared| declared.missed == 0));
    }

    pub(super) async fn perform(&mut self, step: &Step) {
        self.story.time += 1_000_000;
        match *step {
            Step::Accept { kind, timed } => self.accept(kind, timed).await,
            Step::Refuse { kind, timed, refused } => self.refuse(kind, timed, refused).await,
            Step::LearnTime => {
                // Whether it is only believed makes no difference to a clock that is right.
                let learn = if self.story.time % 2_000_000 == 0 { now } else { synchronised };
                let ran_for = self.story.time - self.story.booted_at;
                self.ledger.learn_time(&learn(&self.story.boot(), self.story.time, ran_for)).await.unwrap();
                let seen = self.story.model.time_seen.replace(self.story.time);
                self.story.model.boots.entry(self.story.boot()).or_insert((seen, true)).1 = true;
            }
            Step::Format { sink, max, rows, columns } => self.format(sink, max, rows, columns).await,
            Step::Fail { sink, set_aside } => self.fail(sink, set_aside).await,
            Step::Open { sink, rows } => self.open(sink, rows).await,
            Step::Begin { sink } => {
                let state = format!("at {}", self.story.time).into_bytes();
                self.ledger.store_connector_state(&super::sink(SINKS[sink].0), state.clone(), true).await.unwrap();
                self.story.model.sinks[sink].connector = state;
                if let Some(open) = &mut self.story.model.sinks[sink].open {
                    open.2 = Tried::Before;
                }
            }
            Step::Complete { sink, rejected } => self.complete(sink, rejected).await,
            Step::Requeue { sink } => self.requeue(sink).await,
            Step::Redeliver { sink } => self.redeliver(sink).await,
            Step::StoreGrant { forget } => {
                let forget = (0..forget).map(|slot| format!("slot-{slot}")).collect();
                let grant = RememberedGrant { state: self.story.time.to_be_bytes().to_vec(), forget };
                self.ledger.store_grant(&super::grant(), grant.clone()).await.unwrap();
                self.story.model.grant = grant;
            }
            Step::Remember { key } => {
                let value = format!("since {}", self.story.time);
                self.ledger.remember(KEYS[key], &value).await.unwrap();
                self.story.model.memory[key] = Some(value);
            }
            Step::StoreLink { sink } => {
                let link = format!("https://sheets.example/{}", self.story.time);
                self.ledger.store_link(&super::sink(SINKS[sink].0), &link).await.unwrap();
                self.story.model.sinks[sink].link = Some(link);
            }
            Step::Correct { sink, which } => self.correct(sink, which).await,
            Step::Prune => {
                let nothing = Keep { keep_for: std::time::Duration::MAX, bytes: 0 };
                let pruned = self.ledger.prune(nothing, at(self.story.time)).await.unwrap();
                assert_eq!(pruned.events as usize, self.story.model.prune());
            }
            Step::Restart { new_boot, power_cut } => self.restart(new_boot, power_cut, None).await,
        }
        self.acknowledge();
    }

    /// An event that happens now.
    fn happen(&mut self, kind: usize, timed: bool) -> Happened {
        let story = &mut self.story;
        story.ids += 1;
        let mut event = punch(story.ids);
        event.kind = KINDS[kind].to_owned();
        event.at = timed.then_some(at(story.time));
        event.monotonic = now(&story.boot(), 0, story.time - story.booted_at).monotonic;
        Happened { event, true_time: story.time, requeued: None }
    }

    async fn accept(&mut self, kind: usize, timed: bool) {
        let happened = self.happen(kind, timed);
        let event = happened.event.clone();
        let recorded = self.ledger.accept(event.clone()).await.unwrap();
        self.story.record(happened);
        assert_eq!(recorded, Event { sequence: Sequence(self.story.model.events.len() as u64), happened: event });
    }

    async fn refuse(&mut self, kind: usize, timed: bool, refused: Refused) {
        let happened = self.happen(kind, timed);
        let before = self.recording.len();
        self.recording.refuse(LOG, refused.calls());
        let answer = self.ledger.accept(happened.event.clone()).await;
        assert_eq!(self.recording.refusals(), 0, "{refused:?}");
        let error = answer.unwrap_err();
        self.note_refused(&happened, before);
        let doubtful = match error {
            AcceptError::Storage(StorageError::InDoubt(_)) => Some(happened),
            AcceptError::Storage(StorageError::Unconfirmed(_)) => None,
            // A write that was refused is gone on after.
            _ => return,
        };
        let next = self.happen(kind, timed).event;
        let again = self.ledger.accept(next).await;
        assert!(matches!(again, Err(AcceptError::Storage(StorageError::Latched))), "{again:?}");
        self.restart(false, false, doubtful).await;
    }

    /// Looks where all of an event that was refused was in the log.
    fn note_refused(&mut self, happened: &Happened, before: usize) {
        let Some(tape) = &mut self.tape else { return };
        let operations = tape.recording.operations();
        let is_refusal = |operation: &Operation| matches!(operation, Operation::SyncRefused { .. });
        for length in (before..operations.len()).filter(|length| is_refusal(&operations[*length])) {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in tape.recording.disk_after(length).cut(Loss::Nothing) {
                std::fs::write(folder.path().join(name), content).unwrap();
            }
            let tables = Tables::of(&folder);
            if tables.count("event") > tape.acknowledged.last().unwrap().tables.count("event") {
                let mut story = self.story.clone();
                story.record(happened.clone());
                tape.refused.push(Change { length, story, tables });
            }
        }
    }

    async fn format(&mut self, sink: usize, max: usize, rows: usize, columns: u32) {
        let name = super::sink(SINKS[sink].0);
        let read = self.ledger.read_unformatted(&name, max).await.unwrap();
        let (expected, through, blocked) = self.story.model.unformatted(sink, max, &self.story.boot());
        assert_eq!(sequences(&read), expected.iter().map(|sequence| *sequence as u64).collect::<Vec<_>>());
        assert_eq!(read.through.0 as usize, through.max(self.story.model.sinks[sink].cursor));
        assert_eq!(
            (read.blocked_by_unknown_time, read.cursor.0 as usize),
            (blocked, self.story.model.sinks[sink].cursor)
        );
        assert_eq!(read.state, self.story.model.sinks[sink].state);
        for event in &read.events {
            let sequence = event.event.sequence.0 as usize;
            assert_eq!(Some(event.at), self.story.model.moment(sequence).instant());
            assert_eq!(event.event.happened, self.story.model.events[sequence - 1].event);
        }
        if !expected.is_empty() {
            assert_eq!(read.failures, self.story.model.sinks[sink].failures);
        }
        let mut made = FormattedCommit { columns: super::columns(columns), rows: Vec::new(), ..one_row_each(&read) };
        made.state = format!("through {} at {}", read.through.0, self.story.time).into_bytes();
        // Another component comes now and then.
        let component = u8::try_from(self.story.batches % 5 / 4).unwrap();
        made.checkpoint = Some(call(component));
        let of = &mut self.story.model.sinks[sink];
        for sequence in expected {
            let Happened { event, requeued, .. } = &self.story.model.events[sequence - 1];
            let (id, happened) = (event.id, requeued.map_or(sequence, |requeued| requeued.of));
            // Every seventh can't become a row.
            if sequence % 7 == 6 {
                made.set_aside.push((Sequence(sequence as u64), "seventh".to_owned()));
                of.set_aside.insert(happened, SetAside::Event("seventh".to_owned()));
                continue;
            }
            let texts: Vec<_> = (0..(sequence + rows) % 4).map(|position| format!("{sequence}/{position}")).collect();
            made.rows.push((Sequence(sequence as u64), texts.iter().map(|text| row(text)).collect()));
            for (position, text) in texts.into_iter().enumerate() {
                let key = format!("{id}/{position}");
                of.rows.push(ModelRow { event: happened, key, text, columns, is_correction: false });
            }
        }
        of.keep_call(read.cursor.0, read.through.0, component);
        (of.cursor, of.state) = (read.through.0 as usize, made.state.clone());
        if read.through > read.cursor {
            of.failures = 0;
        }
        self.ledger.commit_formatted(&name, made).await.unwrap();
    }

    async fn fail(&mut self, sink: usize, set_aside: bool) {
        let name = super::sink(SINKS[sink].0);
        let (next, ..) = self.story.model.unformatted(sink, 1, &self.story.boot());
        let Some(sequence) = next.first().copied() else { return };
        let of = &mut self.story.model.sinks[sink];
        let event = Sequence(sequence as u64);
        of.failures += 1;
        assert_eq!(self.ledger.note_failure(&name, event, "trap").await.unwrap(), of.failures);
        self.acknowledge();
        let of = &mut self.story.model.sinks[sink];
        if set_aside {
            self.ledger.set_aside_event(&name, Sequence(of.cursor as u64), event, "trap").await.unwrap();
            let happened = self.story.model.events[sequence - 1].requeued.map_or(sequence, |requeued| requeued.of);
            of.set_aside.insert(happened, SetAside::Event("trap".to_owned()));
            (of.cursor, of.failures) = (sequence, 0);
        }
    }

    async fn requeue(&mut self, sink: usize) {
        let model = &mut self.story.model;
        let originals = model.sinks[sink].may_be_requeued(model.pruned);
        if originals.is_empty() {
            return;
        }
        let named: Vec<_> = originals.iter().map(|original| Sequence(*original as u64)).collect();
        let requeued = self.ledger.requeue(&super::sink(SINKS[sink].0), &named).await.unwrap();
        assert_eq!((requeued.events as usize, requeued.rows), (originals.len(), 0));
        for of in originals {
            model.events.push(Happened { requeued: Some(Requeue { sink, of }), ..model.events[of - 1].clone() });
            model.sinks[sink].set_aside.remove(&of);
        }
    }

    async fn redeliver(&mut self, sink: usize) {
        let Some(row) = self.story.model.may_be_redelivered(sink).cloned() else { return };
        let name = super::sink(SINKS[sink].0);
        let found = self.ledger.delivered_rows(&name, "", None, u32::MAX).await.unwrap();
        let ordinal = found.iter().find(|found| found.key == row.key).unwrap().ordinal;
        assert_eq!(self.ledger.redeliver(&name, vec![ordinal]).await.unwrap(), 1);
        self.story.model.sinks[sink].rows.push(row);
    }

    async fn open(&mut self, sink: usize, rows: u32) {
        self.story.batches += 1;
        let found = open_batch(&self.ledger, SINKS[sink].0, rows, self.story.batches).await;
        let of = &mut self.story.model.sinks[sink];
        if of.open.is_none() {
            let waiting = &of.rows[of.done..];
            let same = waiting.iter().take_while(|row| row.columns == waiting[0].columns).count();
            let taken = same.min(rows as usize);
            of.open = (taken > 0).then(|| (Uuid::from_u128(self.story.batches).to_string(), taken, Tried::Never));
        }
        let Some((id, count, tried)) = &of.open else { return assert_eq!(found, None) };
        let found = found.unwrap();
        assert_eq!((&found.batch.id, found.tried), (id, *tried));
        let expected = &of.rows[of.done..of.done + count];
        assert_eq!(found.batch.columns, columns(expected[0].columns));
        let rows = expected.iter().map(|row| Row { key: row.key.clone(), cells: vec![Cell::Text(row.text.clone())] });
        assert_eq!(found.batch.rows, rows.collect::<Vec<_>>());
        let corrected = (0_u32..).zip(expected).filter(|(_, row)| row.is_correction);
        let corrected = corrected.map(|(at, row)| (at, row.revision().0));
        assert!(
            corrected.eq(found.batch.corrections.iter().map(|correction| (correction.row, correction.of.as_str())))
        );
    }

    /// Corrects the first row of an event that was formatted and is in the history: what was refused of it is dropped, then.
    async fn correct(&mut self, sink: usize, which: usize) {
        let model = &mut self.story.model;
        let formatted = (model.pruned + 1..=model.sinks[sink].cursor).filter(|sequence| {
            let happened = &model.events[sequence - 1];
            happened.requeued.is_none()
                && Model::wants(sink, happened)
                && model.is_formatted(sink, *sequence)
                && !matches!(model.sinks[sink].set_aside.get(sequence), Some(SetAside::Event(_)))
        });
        let formatted: Vec<usize> = formatted.collect();
        let Some(sequence) = formatted.get(which % formatted.len().max(1)).copied() else { return };
        let of_row = format!("{}/0", model.events[sequence - 1].event.id);
        let of = &mut model.sinks[sink];
        let revisions = of.rows.iter().map(ModelRow::revision).filter(|(of, _)| *of == of_row);
        let revision = revisions.map(|(_, revision)| revision).max().unwrap_or(0);
        let text = format!("corrected at {}", self.story.time);
        of.state = text.clone().into_bytes();
        let kept = of.calls.last_mut().map(|call| {
            (call.state, call.component) = (of.state.clone(), 1);
            (Sequence(call.after), of.state.clone())
        });
        let made = CorrectionCommit {
            at: Sequence(of.cursor as u64),
            boots: BootTimes::default(),
            state: of.state.clone(),
            states: kept.into_iter().collect(),
            plugin_sha256: [1; 32],
            settings: "{}".to_owned(),
            standing: None,
            columns: columns(1),
            rows: vec![CorrectedRow {
                event: Sequence(sequence as u64),
                position: 0,
                revision,
                kind: CorrectionKind::Changed,
                cells: row(&text).cells,
            }],
            set_aside: Vec::new(),
        };
        let key = format!("{of_row}/{}", revision + 1);
        of.drop_refused(&of_row);
        of.rows.push(ModelRow { event: sequence, key, text, columns: 1, is_correction: true });
        self.ledger.correct(&super::sink(SINKS[sink].0), made).await.unwrap();
    }

    async fn complete(&mut self, sink: usize, rejected: Option<u32>) {
        let of = &mut self.story.model.sinks[sink];
        let Some((id, count, _)) = of.open.take() else { return };
        let rejected = rejected.filter(|row| (*row as usize) < count);
        let state = format!("done {}", self.story.time).into_bytes();
        let receipt = Receipt {
            rejected: rejected.map(|row| Rejection { row, reason: "refused".to_owned() }).into_iter().collect(),
            link: None,
        };
        let name = super::sink(SINKS[sink].0);
        self.ledger.complete_batch(&name, &id, state.clone(), receipt, Some(at(77))).await.unwrap();
        if let Some(row) = rejected {
            of.refused += 1;
            let row = &of.rows[of.done + row as usize];
            if !of.is_corrected(row) {
                of.refused_rows.push((row.event, row.key.clone()));
                of.set_aside.insert(row.event, SetAside::Row("refused".to_owned()));
            }
        }
        of.done += count;
        of.connector = state;
    }

    /// `doubtful`: an event that may be there then.
    async fn restart(&mut self, new_boot: bool, cut: bool, doubtful: Option<Happened>) {
        if new_boot {
            self.story.boot += 1;
            self.story.booted_at = self.story.time;
            self.story.model.starts.push(self.story.time);
        }
        // A tape is of one folder.
        let is_killed = cut && self.tape.is_none();
        if is_killed {
            let after = tempfile::tempdir().unwrap();
            power_cut(self.folder.path(), after.path());
            self.recording = Recording::start(after.path()).unwrap();
            self.folder = after;
        } else {
            self.ledger.clone().close().await;
        }
        let (ledger, opened) = Ledger::open(self.folder.path(), setup(&self.story.boot())).unwrap();
        self.ledger = ledger;
        if let Some(happened) = doubtful.filter(|_| opened.newest.0 as usize > self.story.model.events.len()) {
            self.story.record(happened);
        }
        assert!(self.story.model.is_said_in(&opened), "{opened:?}");
        self.declare().await;
        self.story.model.reopen();
    }

    /// Formats and delivers everything that can be, comparing each batch with the model.
    pub(super) async fn deliver_all(&mut self) {
        for sink in 0..SINKS.len() {
            self.perform(&Step::Format { sink, max: 1_000, rows: 1, columns: 1 }).await;
            loop {
                self.perform(&Step::Open { sink, rows: 5 }).await;
                if self.story.model.sinks[sink].open.is_none() {
                    break;
                }
                self.perform(&Step::Complete { sink, rejected: None }).await;
            }
        }
    }

    /// Whether the ledger holds what the model holds.
    pub(super) async fn compare(&self) {
        assert_eq!(Seen::of(&self.ledger).await, self.story.seen());
    }
}
