//! The ledger as its callers see it.

#![expect(clippy::cast_possible_truncation, reason = "tests count in numbers that fit")]

mod correction;
mod cut;
mod damage;
mod declaration;
mod delivered_rows;
mod delivery;
mod device;
mod forget;
mod formatting;
mod histories;
mod history;
mod model;
mod plugin;
mod precedence;
mod refusal;
mod replay;
mod repository;
mod requeue;
mod restore;
mod sensor;
mod switch;
mod time;
mod trial_state;
mod truth;
mod writing;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use proptest::prelude::ProptestConfig;
use punchcard_core::event::{Event, Field, NewEvent, Sequence, Value};
use punchcard_core::name::{GrantName, InputName, PluginName, SinkName};
use punchcard_core::plugin::delivery::{Limits, Receipt};
use punchcard_core::row::{Cell, Column, ColumnKind, Row};
use punchcard_core::time::{Certainty, Context, Instant, Monotonic, Now, TimeStatus};
use rusqlite_migration::M;
use ulid::Ulid;
use uuid::Uuid;

use super::event::Press;
use super::schema;
use super::{Checkpoint, CheckpointInterval, Declaration, FormattedCommit, Ledger, OpenBatch, Setup, Unformatted};

fn setup(boot: &str) -> Setup {
    let checkpoints = CheckpointInterval { events: 3, keep: 2 };
    Setup { boot: boot.to_owned(), zone: TimeZone::UTC, checkpoints }
}

fn open(folder: &Path) -> Ledger {
    Ledger::open(folder, setup("first")).unwrap().0
}

fn sink(name: &str) -> SinkName {
    SinkName::parse(name).unwrap()
}

fn at(unix_micros: i64) -> Instant {
    Instant { unix_micros, utc_offset_minutes: 0 }
}

/// The monotonic clock of `boot`, `micros` after it started, and a wall clock that is believed.
fn now(boot: &str, unix_micros: i64, micros: i64) -> Now {
    let milliseconds = u64::try_from(micros / 1000).unwrap();
    let monotonic = Monotonic { milliseconds, boot: boot.to_owned() };
    Now { wall: at(unix_micros), standing: TimeStatus::Believed, monotonic }
}

/// The same, and the kernel stands for it.
fn synchronised(boot: &str, unix_micros: i64, micros: i64) -> Now {
    Now { standing: TimeStatus::Synchronised, ..now(boot, unix_micros, micros) }
}

/// A punch in the boot `first`, which started at 1,000 s; made at that plus `number` seconds.
fn punch(number: u64) -> NewEvent {
    let fields = vec![Field { name: "project".to_owned(), value: Value::Text(format!("Garden {number}")) }];
    NewEvent {
        id: Ulid::from_parts(number, u128::from(number)),
        at: Some(at(1_000_000_000 + i64::try_from(number).unwrap() * 1_000_000)),
        monotonic: Monotonic { milliseconds: number * 1000, boot: "first".to_owned() },
        source: InputName::parse("clock").unwrap(),
        kind: "punch".to_owned(),
        fields,
    }
}

/// A press on its way to the writing thread.
pub(super) fn press() -> Press {
    Press::of(punch(1)).unwrap()
}

async fn accept(ledger: &Ledger, numbers: impl IntoIterator<Item = u64>) -> Vec<Event> {
    let mut events = Vec::new();
    for number in numbers {
        events.push(ledger.accept(punch(number)).await.unwrap());
    }
    events
}

async fn declare(ledger: &Ledger, sinks: &[&str]) -> Vec<super::Declared> {
    let sinks: BTreeMap<_, _> = sinks.iter().map(|name| (sink(name), declaration(&["punch"]))).collect();
    ledger.declare_sinks(sinks).await.unwrap()
}

fn declaration(kinds: &[&str]) -> Declaration {
    Declaration {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        formatter: Some(plugin("formatter")),
        connector: Some(plugin("connector")),
    }
}

fn plugin(name: &str) -> PluginName {
    PluginName::parse(name).unwrap()
}

fn columns(version: u32) -> Vec<Column> {
    vec![Column { key: "what".to_owned(), title: format!("What {version}"), kind: ColumnKind::Text }]
}

fn row(text: &str) -> Row {
    Row { key: String::new(), cells: vec![Cell::Text(text.to_owned())] }
}

/// One row for each event, and everything as a formatter would return it.
fn one_row_each(read: &Unformatted) -> FormattedCommit {
    let rows =
        read.events.iter().map(|event| (event.event.sequence, vec![row(&format!("row {}", event.event.sequence.0))]));
    FormattedCommit {
        from: read.cursor,
        through: read.through,
        boots: read.boots.clone(),
        state: format!("through {}", read.through.0).into_bytes(),
        columns: columns(1),
        rows: rows.collect(),
        set_aside: Vec::new(),
        standing: None,
        checkpoint: None,
    }
}

/// How a component was called.
fn call(component: u8) -> Checkpoint {
    Checkpoint {
        context: Context {
            now: at(5),
            monotonic: Monotonic { milliseconds: 6, boot: "first".to_owned() },
            entropy: [7; 32],
            device: "front-door".to_owned(),
        },
        settings: "{}".to_owned(),
        plugin_sha256: [component; 32],
    }
}

fn grant() -> GrantName {
    GrantName::parse("google").unwrap()
}

async fn format_all(ledger: &Ledger, name: &str) {
    let read = ledger.read_unformatted(&sink(name), 1000).await.unwrap();
    ledger.commit_formatted(&sink(name), one_row_each(&read)).await.unwrap();
}

fn limits(rows_per_batch: u32) -> Limits {
    Limits {
        rows_per_batch,
        bytes_per_batch: 1 << 20,
        characters_per_cell: 100,
        requests_per_minute: 60,
        reads_back: false,
    }
}

async fn open_batch(ledger: &Ledger, name: &str, rows: u32, id: u128) -> Option<OpenBatch> {
    ledger.open_batch(&sink(name), limits(rows), Uuid::from_u128(id)).await.unwrap()
}

fn arrived() -> Receipt {
    Receipt { rejected: Vec::new(), link: None }
}

/// Delivers what waits, in batches of 1,000.
async fn deliver_all(ledger: &Ledger, name: &str) {
    while let Some(open) = open_batch(ledger, name, 1000, 7).await {
        ledger.complete_batch(&sink(name), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    }
}

fn keys(batch: &OpenBatch) -> Vec<&str> {
    batch.batch.rows.iter().map(|row| row.key.as_str()).collect()
}

fn sequences(read: &Unformatted) -> Vec<u64> {
    read.events.iter().map(|event| event.event.sequence.0).collect()
}

/// So many cases of a property, or as many as `PROPTEST_CASES` says.
fn cases(usually: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: usually, ..config } }
}

/// What a power cut leaves: the file and its log as they are on the disk now, in another folder.
fn power_cut(from: &Path, to: &Path) {
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// The steps to a version after the newest: an example of one.
fn next_version() -> Vec<M<'static>> {
    let example =
        "CREATE TABLE next_memory (key TEXT PRIMARY KEY, value TEXT NOT NULL, at INTEGER) STRICT, WITHOUT ROWID;
                   INSERT INTO next_memory (key, value) SELECT key, value FROM memory;
                   DROP TABLE memory;
                   ALTER TABLE next_memory RENAME TO memory;
                   ALTER TABLE sink ADD COLUMN example TEXT;
                   UPDATE sink SET example = upper(name)";
    schema::STEPS.iter().cloned().chain([M::up(example)]).collect()
}

const FIRST: Sequence = Sequence(1);
