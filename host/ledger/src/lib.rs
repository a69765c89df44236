//! The ledger: everything that happened, what became of it, and what every plugin remembers, in one SQLite file.
//!
//! Deliberately absent: plugins, the network, the clock. The ledger knows sinks and grants by name, their states as
//! bytes, and any moment only because somebody told it.
//!
//! What always holds in it:
//! - What [`Ledger::accept`] returned is on the disk.
//! - A sink's state, rows and cursor move together, and only from where the caller read them.
//! - A row that was made stays as it is, and where it is. What corrects it, or goes again, is a further ordinal of the outbox.
//! - A batch that was handed out keeps its id and its rows until it is complete, through restarts.
//! - Once the disk has not confirmed what was written, nothing is written until the next start ([`Ledger::latched`]).
//! - One thread writes. Reading never holds it up, and a press overtakes every other job that waits.
//! - One host owns a state folder; anybody may read beside it ([`Reader`]).
//!
//! A write is one transaction and keeps the writer for as long as it takes. One with many rows gives way to a press until
//! it commits; but a commit does not, and a caller that drains a backlog commits some hundred events at a time, not all of
//! them.

mod error;
mod lock;
mod schema;

mod latch;
mod log_file;
mod log_frames;
mod wal;
mod writer;

mod reader;

mod backup;
mod compare_first;
mod restore;

mod boot;
mod boot_times;
mod clock_correction;
mod encoding;
mod known_time;
mod moment;

mod event;
mod forget;
mod set_aside;
mod sink;
mod waiting;

mod batch;
mod checkpoint;
mod correction;
mod delivered_rows;
mod formatting;
mod outbox;
mod redelivery;
mod reject;
mod replay;
mod requeue;
mod row_key;
mod row_owner;
mod sent;

mod event_status;
mod history;

mod grant;
mod memory;
mod plugin;
mod repository;
mod sensor;
mod trial_state;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use punchcard_core::event::Sequence;
use punchcard_core::time::Instant;
use tokio::sync::watch;

pub use backup::{BackedUpSecret, BackupError, BackupLabel};
pub use batch::{BatchError, OpenBatch, Tried};
pub use boot_times::BootTimes;
pub use checkpoint::{Checkpoint, CheckpointInterval, StoredCheckpoint};
pub use clock_correction::ClockCorrection;
pub use compare_first::{CompareFirst, Compared};
pub use correction::{CorrectedRow, CorrectionCommit};
pub use delivered_rows::{DeliveredRow, Delivery};
pub use encoding::NotFinite;
pub use error::{OpenError, StorageError};
pub use event::AcceptError;
pub use event_status::{EventPage, EventStatus, ListedEvent, Stage};
pub use forget::ForgetError;
pub use formatting::{CommitError, FormattedCommit, Unformatted};
pub use grant::{Granted, RememberedGrant};
pub use history::{Keep, Pruned};
pub use known_time::KnownTime;
pub use moment::Moment;
pub use outbox::Ordinal;
pub use plugin::{BadComponent, NewVersion, PluginHistories, PluginHistory, RollbackError, Version, Whence};
pub use reader::Reader;
pub use reject::{Reject, RejectPage, RejectPlace};
pub use replay::{KeptRow, ReplayGround, ReplayPage, ReplayedEvent, Stretch};
pub use repository::{PluginRelease, RepositoryTrust};
pub use requeue::{RequeueError, Requeued};
pub use restore::{LedgerSummary, RestoreError, StagedRestore, Undo, VAULT, perform_undo, plan_undo, summarise_ledger};
pub use row_owner::{EventIndex, RowOwner};
pub use sensor::Poll;
pub use set_aside::{SetAside, SetAsideBy};
pub use sink::{Declaration, Declared, SinkCounts, SinkError};
pub use trial_state::{OwedState, ReckonedState};

use latch::Latch;
use lock::StateLock;
use log_file::LogFile;
use reader::Readers;
use restore::Swap;
pub use writer::SHARED_COMMIT;
use writer::{Store, Writer};

/// The ledger's file in the state folder. Beside it stand `-wal`, its log, which is kept, and SQLite's `-shm`.
pub const FILE_NAME: &str = "ledger.sqlite";

/// What the ledger is told when it is opened.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which start of the machine this is. Events of another boot that never learnt the time never will.
    pub boot: String,
    /// The device's time zone, for events whose time became known only afterwards.
    pub zone: TimeZone,
    /// How often a formatter's call is kept for replay.
    pub checkpoints: CheckpointInterval,
}

/// What was found when the ledger was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// There was no ledger, and now there is an empty one.
    pub created: bool,
    /// The version that the file had, where it was an older one.
    pub migrated_from: Option<u32>,
    /// The newest event; 0 before the first.
    pub newest: Sequence,
    /// The clock is never earlier than this.
    pub last_time_seen: Option<Instant>,
    /// What was known of the time before in this boot, where it was known.
    pub known_time: Option<KnownTime>,
    /// It came in the place of another one just now, and its sinks compare before they deliver.
    pub restored: bool,
}

/// A handle to the ledger. Clones share it; after the last one is dropped, what was asked for is still written.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    setup: Arc<Setup>,
    writer: Writer,
    readers: Readers,
    accepted: watch::Receiver<Sequence>,
    latched: watch::Receiver<bool>,
}

impl Ledger {
    /// Opens the ledger of a state folder, brings its form up to date, and takes the folder for this process. Creates
    /// it where there is none, and puts the one in its place that a person restores. Blocks for a few milliseconds; after a host that was killed for as long as its log
    /// takes to be written once more, mostly 1 MiB; and where an older version is brought up to date for
    /// as long as its tables take to be rewritten. Calls no runtime.
    ///
    /// # Errors
    /// When another host has the folder, when the file is damaged, foreign or of a newer version, or when the disk
    /// refuses. Nothing is ever created in place of a file that can't be read.
    pub fn open(state_dir: &Path, setup: Setup) -> Result<(Self, Opened), OpenError> {
        let lock = StateLock::take(state_dir)?;
        let path = state_dir.join(FILE_NAME);
        let (file, restored) = open_swapped(&path, &Swap::of(state_dir))?;
        let classify = |source| OpenError::reading(&path, source);
        let newest = event::newest(&file.connection).map_err(classify)?;
        let seen = moment::last_time_seen(&file.connection).map_err(classify)?;
        let known_time = known_time::known_time(&file.connection, &setup.boot).map_err(classify)?;
        let opened = Opened {
            known_time,
            restored,
            created: file.created,
            migrated_from: file.migrated_from,
            newest,
            last_time_seen: seen.map(|micros| moment::instant(micros, &setup.zone)),
        };
        let (announce, accepted) = watch::channel(newest);
        let (latch, latched) = Latch::open();
        let store = Store {
            connection: file.connection,
            announce,
            log: LogFile::of(&path),
            latch,
            queue: Arc::default(),
            _lock: lock,
        };
        let writer = Writer::start(store).map_err(|source| OpenError::Thread { source })?;
        let setup = Arc::new(setup);
        let readers = Readers::new(path.clone(), setup.zone.clone());
        Ok((Self { shared: Arc::new(Shared { path, setup, writer, readers, accepted, latched }) }, opened))
    }

    /// The newest event, whenever there is another: what wakes sinks and `events --follow`.
    #[must_use]
    pub fn accepted(&self) -> watch::Receiver<Sequence> {
        self.shared.accepted.clone()
    }

    /// Waits until the disk did not confirm something that was written. From then on nothing is recorded, and only a new start
    /// mends that: writing answers [`StorageError::Latched`], reading goes on.
    pub fn latched(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut latched = self.shared.latched.clone();
        async move {
            if latched.wait_for(|is_closed| *is_closed).await.is_err() {
                // It was closed before that.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Writes what was asked for, moves all of it into the main file and gives the state folder back. Calls after this
    /// answer [`StorageError::Stopped`].
    pub async fn close(self) {
        self.shared.readers.close();
        self.shared.writer.close().await;
    }

    /// Waits until the writing thread has done all that it was asked for before.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn come_round(&self) -> Result<(), StorageError> {
        self.write(|_| Ok(())).await
    }

    /// Runs a job on the writing thread, after the presses that wait.
    async fn write<T, E>(&self, job: impl FnOnce(&mut Store) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.shared.writer.run(job).await
    }

    /// Runs a job beside the writing thread, on a snapshot of its own.
    async fn read<T, E>(&self, job: impl FnOnce(&mut Reader) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.shared.readers.run(job).await
    }
}

/// Opens the file after a swap, where one is to be performed. Returns whether one was: then its sinks are marked.
fn open_swapped(path: &Path, swap: &Swap<'_>) -> Result<(schema::OpenFile, bool), OpenError> {
    let refused = |source| OpenError::Restore { path: path.to_owned(), source };
    let came_in = swap.perform().map_err(refused)?;
    let mut file = schema::open(path)?;
    if let Some(came_in) = came_in {
        let marked = compare_first::mark(&mut file.connection, came_in);
        marked.map_err(|source| OpenError::reading(path, source))?;
        swap.finish().map_err(refused)?;
    }
    Ok((file, came_in.is_some()))
}
