//! Presses as the time clock at the door records them, at made-up moments: nobody has to have pressed a button.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use punchcard_core::event::{Field, NewEvent, Value};
use punchcard_core::name::{InputName, PluginName, SinkName};
use punchcard_core::plugin::delivery::{Limits, Receipt};
use punchcard_core::row::{Cell, Column, ColumnKind, Row};
use punchcard_core::time::{Instant, Monotonic};
use punchcard_ledger::{CheckpointInterval, Declaration, FormattedCommit, Ledger, Setup};
use ulid::Ulid;
use uuid::Uuid;

/// The boot in which all of it happened.
const BOOT: &str = "00000000-0000-4000-8000-000000000000";
/// 2026-01-01T00:00:00Z.
const BEGAN_AT: i64 = 1_767_225_600_000_000;
const PROJECTS: [&str; 3] = ["Workshop", "Garden", "Accounts"];

/// The press of this number: one a minute.
pub(crate) fn press(number: u32) -> Result<NewEvent> {
    let milliseconds = u64::from(number) * 60_000;
    let unix_micros = BEGAN_AT + i64::from(number) * 60_000_000;
    let project = PROJECTS.get(number as usize % PROJECTS.len()).copied().unwrap_or_default();
    Ok(NewEvent {
        id: Ulid::from_parts(u64::try_from(unix_micros / 1_000)?, u128::from(number)),
        at: Some(Instant { unix_micros, utc_offset_minutes: 600 }),
        monotonic: Monotonic { milliseconds, boot: BOOT.to_owned() },
        source: InputName::parse("clock")?,
        kind: "punch".to_owned(),
        fields: vec![Field { name: "project".to_owned(), value: Value::Text(project.to_owned()) }],
    })
}

/// Opens the ledger of a state folder, as the host does.
pub(crate) fn open(state: &Path) -> Result<Ledger> {
    let setup = Setup { boot: BOOT.to_owned(), zone: TimeZone::UTC, checkpoints: CheckpointInterval::default() };
    Ok(Ledger::open(state, setup).context("cannot open the ledger")?.0)
}

/// Records so many presses in a ledger that no host has open.
pub(crate) async fn record(state: &Path, count: u32) -> Result<()> {
    let ledger = open(state)?;
    let mut recording = tokio::task::JoinSet::new();
    for number in 0..count {
        let (ledger, press) = (ledger.clone(), press(number)?);
        recording.spawn(async move { ledger.accept(press).await });
        // Those that wait at the same time share a commit.
        while recording.len() >= 256 {
            recorded(recording.join_next().await)?;
        }
    }
    while !recording.is_empty() {
        recorded(recording.join_next().await)?;
    }
    ledger.close().await;
    Ok(())
}

/// Makes a row of each press in a ledger that no host has open, and takes them for delivered.
pub(crate) async fn deliver(state: &Path) -> Result<()> {
    let ledger = open(state)?;
    let sink = SinkName::parse("timesheet")?;
    let declaration = Declaration {
        kinds: vec!["punch".to_owned()],
        formatter: Some(PluginName::parse("timeclock")?),
        connector: Some(PluginName::parse("google-sheets")?),
    };
    ledger.declare_sinks(BTreeMap::from([(sink.clone(), declaration)])).await?;
    let columns = vec![Column { key: "project".to_owned(), title: "Project".to_owned(), kind: ColumnKind::Text }];
    loop {
        let read = ledger.read_unformatted(&sink, 1_000).await?;
        if read.events.is_empty() {
            break;
        }
        let row = |project: &str| Row { key: String::new(), cells: vec![Cell::Text(project.to_owned())] };
        let made = FormattedCommit {
            from: read.cursor,
            through: read.through,
            boots: read.boots,
            state: Vec::new(),
            columns: columns.clone(),
            rows: read.events.iter().map(|event| (event.event.sequence, vec![row(PROJECTS[0])])).collect(),
            set_aside: Vec::new(),
            standing: None,
            checkpoint: None,
        };
        ledger.commit_formatted(&sink, made).await?;
    }
    let limits = Limits {
        rows_per_batch: 10,
        bytes_per_batch: 1 << 20,
        characters_per_cell: 1_000,
        requests_per_minute: 60,
        reads_back: false,
    };
    // Each batch is a row in the ledger too, and a day of presses comes in many.
    for number in 0_u128.. {
        let Some(open) = ledger.open_batch(&sink, limits, Uuid::from_u128(number)).await? else { break };
        let receipt = Receipt { rejected: Vec::new(), link: None };
        ledger.complete_batch(&sink, &open.batch.id, Vec::new(), receipt, None).await?;
    }
    ledger.close().await;
    Ok(())
}

fn recorded<T, E: std::error::Error + Send + Sync + 'static>(
    ended: Option<Result<Result<T, E>, tokio::task::JoinError>>,
) -> Result<()> {
    if let Some(ended) = ended {
        ended?.context("a press was not recorded")?;
    }
    Ok(())
}
