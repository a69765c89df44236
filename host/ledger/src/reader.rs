//! Reading, beside the writer and without its lock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::FILE_NAME;
use super::error::{OpenError, StorageError};
use super::schema;
use super::waiting::Waiting;

/// Connections that are kept open between reads.
const KEPT_OPEN: usize = 2;

/// The ledger of a state folder, read only: for the command line, while a host runs or while none does.
pub struct Reader {
    connection: Connection,
    pub(super) zone: TimeZone,
    pub(super) waiting: Arc<Waiting>,
}

impl Reader {
    /// Opens the ledger of a state folder. `zone` is the device's, for events whose time became known afterwards.
    ///
    /// # Errors
    /// When there is none, when it is damaged, foreign, or of another version.
    pub fn open(state_dir: &Path, zone: TimeZone) -> Result<Self, OpenError> {
        Self::of_file(&state_dir.join(FILE_NAME), zone, Arc::default())
    }

    fn of_file(path: &Path, zone: TimeZone, waiting: Arc<Waiting>) -> Result<Self, OpenError> {
        Ok(Self { connection: schema::open_read_only(path)?, zone, waiting })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads on one snapshot: what is written meanwhile is not seen.
    pub(super) fn snapshot<T, E: From<StorageError>>(
        &mut self,
        read: impl FnOnce(&Transaction<'_>, &TimeZone) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Deferred);
        let transaction = begun.map_err(StorageError::from)?;
        read(&transaction, &self.zone)
    }
}

/// The readers that the host's tasks share. Each read has one for itself, on a thread that may block.
pub(super) struct Readers {
    path: PathBuf,
    zone: TimeZone,
    idle: Arc<Mutex<Option<Vec<Reader>>>>,
    waiting: Arc<Waiting>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, zone: TimeZone) -> Self {
        Self { path, zone, idle: Arc::new(Mutex::new(Some(Vec::new()))), waiting: Arc::default() }
    }

    pub(super) async fn run<T, E>(&self, job: impl FnOnce(&mut Reader) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let idle = Arc::clone(&self.idle);
        let free = lock(&idle).as_mut().map(Vec::pop);
        let Some(free) = free else { return Err(StorageError::Stopped.into()) };
        let (path, zone, waiting) = (self.path.clone(), self.zone.clone(), Arc::clone(&self.waiting));
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = match free {
                Some(reader) => reader,
                None => {
                    Reader::of_file(&path, zone, waiting).map_err(|source| StorageError::Reopen(Box::new(source)))?
                }
            };
            let result = job(&mut reader);
            if let Some(idle) = lock(&idle).as_mut()
                && idle.len() < KEPT_OPEN
            {
                idle.push(reader);
            }
            result
        });
        read.await.unwrap_or_else(|_| Err(StorageError::Stopped.into()))
    }

    /// Closes the connections; reads that are under way close theirs when they end.
    pub(super) fn close(&self) {
        lock(&self.idle).take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
