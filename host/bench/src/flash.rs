//! What a card has to bear: bytes and flushes, for each event and for one press from its acceptance to its delivery.
//!
//! SQLite's writes and syncs are recorded while they are made (`power_cut::Recording`). What counts as written to the
//! device are the blocks of 4 KiB that were touched between two flushes of a file: a file system writes no less, and a
//! block that the next commit goes on in is written again. The kernel's own count (`write_bytes` of `/proc/self/io`) comes
//! to the same where a file system keeps it, and is not asked, because some keep none. What the program asked for is much
//! less, and is said beside it.
//!
//! Figures of `accept` are those of the commit that accepts, which the log takes; that the log is moved into the main file
//! once in some hundred commits is said beside them. It has its size from the beginning: what a file system writes in a
//! journal of its own, it writes for files that grow.

use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use power_cut::{Effort, Operation, Recording};
use punchcard_ledger::{Keep, Ledger};

use crate::device::Device;
use crate::sample::{Measurement, quantile};
use crate::surroundings::Surroundings;
use crate::{folder, history};

const RUNS: u32 = 5;
/// Commits of one event, in a run: more than the log holds.
const SINGLE: u32 = 1_000;
/// Commits of ten.
const SHARED: u32 = 400;
const TOGETHER: u32 = 10;
/// Longer than any run takes: only a press or a full commit ends it.
const COMPANY_FOR: Duration = Duration::from_secs(3600);
/// Presses of a device, each delivered before the next.
const DELIVERED: u32 = 20;
const PRUNED: u32 = 10_000;

/// A ledger whose every write is recorded.
pub(crate) struct Recorded {
    pub(crate) ledger: Ledger,
    pub(crate) recording: Recording,
    pub(crate) folder: tempfile::TempDir,
}

impl Recorded {
    /// A new one, of which what making it takes is not recorded.
    pub(crate) async fn make() -> Result<Self> {
        let folder = folder::make()?;
        history::open(folder.path())?.close().await;
        Self::open(folder)
    }

    /// Of a folder with a ledger that is closed.
    pub(crate) fn open(folder: tempfile::TempDir) -> Result<Self> {
        let recording = Recording::start(folder.path()).context("cannot record what SQLite does")?;
        let ledger = history::open(folder.path())?;
        Ok(Self { ledger, recording, folder })
    }
}

/// For each event that is accepted singly; flushes for each commit.
pub(crate) async fn measure_single() -> Result<Vec<Measurement>> {
    let Recorded { ledger, recording, folder: _folder } = Recorded::make().await?;
    let (mut bytes, mut flushes, mut pressed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let begin = recording.len();
        let mut ends = Vec::new();
        for _ in 0..SINGLE {
            ledger.accept(history::press(pressed)?).await?;
            pressed += 1;
            ends.push(recording.len());
        }
        let operations = recording.operations();
        let commits = commits_of(&operations, begin, recording.len(), SINGLE)?;
        bytes.push(share(commits.block_bytes, SINGLE)?);
        // Of each commit: beginning the log anew takes one more, and moving it two, once in some hundred.
        let mut of_commits = Vec::new();
        let mut before = begin;
        for end in ends {
            of_commits.push(share(effort_of(&operations, before, end)?.flushes, 1)?);
            before = end;
        }
        flushes.push(quantile(&mut of_commits, 0.5));
    }
    ledger.close().await;
    Ok(vec![Measurement::new("accept_bytes", "bytes", bytes), Measurement::new("accept_flushes", "", flushes)])
}

/// For each event in commits of ten.
pub(crate) async fn measure_shared() -> Result<Measurement> {
    let Recorded { ledger, recording, folder: _folder } = Recorded::make().await?;
    let (mut bytes, mut pressed) = (Vec::new(), 0);
    for _ in 0..RUNS {
        let begin = recording.len();
        for _ in 0..SHARED {
            let mut readings = Vec::new();
            for _ in 1..TOGETHER {
                readings.push(Box::pin(ledger.accept_within(history::press(pressed)?, COMPANY_FOR)));
                pressed += 1;
            }
            // Each asks when it is polled first, and waits.
            let wait = poll_fn(|task| {
                Poll::Ready(readings.iter_mut().all(|reading| reading.as_mut().poll(task).is_pending()))
            });
            ensure!(wait.await, "a reading did not wait for company");
            ledger.accept(history::press(pressed)?).await?;
            pressed += 1;
            for reading in readings {
                reading.await?;
            }
        }
        let commits = commits_of(&recording.operations(), begin, recording.len(), SHARED * TOGETHER)?;
        // Otherwise they did not share.
        ensure!(commits.flushes < u64::from(SHARED + SHARED / 10), "{} flushes for {SHARED} commits", commits.flushes);
        bytes.push(share(commits.block_bytes, SHARED * TOGETHER)?);
    }
    ledger.close().await;
    Ok(Measurement::new("accept_shared_bytes", "bytes", bytes))
}

/// For one press of a device, from its acceptance to the end of its delivery: its event, its row and the formatter's state,
/// its batch and each step of the connector. The device runs in this process, with the real plugins.
pub(crate) async fn measure_press(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let device = Device::prepare(surroundings, false).await?;
    let recording = Recording::start(device.state()).context("cannot record what SQLite does")?;
    let mut host = device.start_here().await?;
    // The first row finds no columns, and a connector that has to look.
    host.press_and_await_delivered(&device, 1).await?;
    let (mut bytes, mut flushes) = (Vec::new(), Vec::new());
    for number in 2..=DELIVERED + 1 {
        let begin = recording.len();
        host.press_and_await_delivered(&device, number).await?;
        let effort = effort_of(&recording.operations(), begin, recording.len())?;
        bytes.push(share(effort.block_bytes, 1)?);
        flushes.push(share(effort.flushes, 1)?);
    }
    let effort = effort_of(&recording.operations(), 0, recording.len())?;
    say("a press with its delivery, and the start", &effort, DELIVERED);
    host.stop().await?;
    Ok(vec![Measurement::new("press_bytes", "bytes", bytes), Measurement::new("press_flushes", "", flushes)])
}

/// For pruning ten thousand events that were delivered, of twice as many, up to the ledger's end, which moves the log.
pub(crate) async fn measure_prune() -> Result<Measurement> {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let folder = folder::make()?;
        history::record(folder.path(), 2 * PRUNED).await?;
        history::deliver(folder.path()).await?;
        let Recorded { ledger, recording, folder: _folder } = Recorded::open(folder)?;
        let now = history::press(2 * PRUNED)?.at.context("a press without a time")?;
        let keep = Keep { keep_for: Duration::MAX, bytes: 0 };
        let mut pruned = 0;
        while pruned < u64::from(PRUNED) {
            let some = ledger.prune(keep, now).await?;
            ensure!(some.events > 0 && some.held_by.is_none(), "{pruned} events were pruned, and then {some:?}");
            pruned += some.events;
        }
        ensure!(pruned == u64::from(PRUNED), "{pruned} events were pruned");
        ledger.close().await;
        let effort = effort_of(&recording.operations(), 0, recording.len())?;
        say("a pruned event", &effort, PRUNED);
        runs.push(share(effort.block_bytes, 1024)?);
    }
    Ok(Measurement::new("prune_kib", "KiB", runs))
}

/// What the commits of so many events took. Says that, and what moving the log took.
fn commits_of(operations: &[Operation], begin: usize, end: usize, events: u32) -> Result<Effort> {
    let operations = operations.get(begin..end).context("what was recorded is gone")?;
    let is_log = |operation: &&Operation| operation.file().is_some_and(|file| file.ends_with("-wal"));
    let (log, moved): (Vec<_>, Vec<_>) = operations.iter().partition(is_log);
    let [log, moved] = [log, moved].map(|some| Effort::of(&some.into_iter().cloned().collect::<Vec<_>>()));
    say("an event", &log, events);
    say("and moving it", &moved, events);
    Ok(log)
}

fn effort_of(operations: &[Operation], begin: usize, end: usize) -> Result<Effort> {
    Ok(Effort::of(operations.get(begin..end).context("what was recorded is gone")?))
}

fn say(what: &str, effort: &Effort, count: u32) {
    let of_each = |value: u64| value / u64::from(count);
    eprintln!(
        "  {what}: {} bytes of blocks, {} asked for; {} flushes for {count}",
        of_each(effort.block_bytes),
        of_each(effort.asked_bytes),
        effort.flushes
    );
}

fn share(value: u64, of: u32) -> Result<f64> {
    Ok(f64::from(u32::try_from(value)?) / f64::from(of))
}
