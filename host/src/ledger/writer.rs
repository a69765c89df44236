//! The one thread that writes.
//!
//! Two queues feed it: presses, and everything else. Presses come first; those that wait at the same time share a
//! commit. A job that fails leaves nothing behind.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use punchcard_core::event::{Event, Sequence};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::error::StorageError;
use super::event::{self, Press};
use super::lock::StateLock;
use super::wal::Mover;

/// Presses that share a commit.
const SHARED_COMMIT: usize = 256;

type Reply = oneshot::Sender<Result<Event, StorageError>>;
type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// What the writing thread owns.
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) announce: watch::Sender<Sequence>,
    pub(super) path: PathBuf,
    /// Given back when the file is closed, not before.
    pub(super) _lock: StateLock,
}

impl Store {
    /// Runs `steps` as one transaction, which is on the disk when this returns and undone when they fail.
    pub(super) fn transact<T, E: From<StorageError>>(
        &mut self,
        steps: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(StorageError::from)?;
        let result = steps(&transaction)?;
        transaction.commit().map_err(StorageError::from)?;
        Ok(result)
    }

    fn accept(&mut self, presses: Vec<(Press, Reply)>) {
        let recorded = self.transact(|transaction| {
            presses.iter().map(|(press, _)| event::record(transaction, press)).collect::<Result<Vec<_>, StorageError>>()
        });
        match recorded {
            Ok(events) => {
                if let Some(newest) = events.iter().map(|event| event.sequence).max() {
                    self.announce.send_if_modified(|known| {
                        let newer = newest > *known;
                        *known = newest.max(*known);
                        newer
                    });
                }
                for ((_, reply), event) in presses.into_iter().zip(events) {
                    answer(reply, Ok(event));
                }
            }
            // What one press meets says nothing of the others: each is tried alone.
            Err(_) if presses.len() > 1 => presses.into_iter().for_each(|press| self.accept(vec![press])),
            Err(error) => {
                if let Some((_, reply)) = presses.into_iter().next() {
                    answer(reply, Err(error));
                }
            }
        }
    }
}

/// Answers whoever still waits: a caller may have given up, and what was written stays written.
fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    drop(reply.send(result));
}

/// What waits for the writing thread.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    presses: VecDeque<(Press, Reply)>,
    jobs: VecDeque<Job>,
    /// The log is too long: only presses.
    held: bool,
    closed: bool,
}

enum Work {
    Presses(Vec<(Press, Reply)>),
    Job(Job),
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only presses are served.
    pub(super) fn hold(&self) {
        self.lock().held = true;
    }

    /// Everything is served again.
    pub(super) fn release(&self) {
        self.lock().held = false;
        self.changed.notify_one();
    }

    /// Adds something, unless the ledger is closed.
    fn add(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        if !waiting.closed {
            add(&mut waiting);
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// What to do next; `None` when the ledger is closed and everything is done.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            if !waiting.presses.is_empty() {
                let count = waiting.presses.len().min(SHARED_COMMIT);
                return Some(Work::Presses(waiting.presses.drain(..count).collect()));
            }
            if (!waiting.held || waiting.closed)
                && let Some(job) = waiting.jobs.pop_front()
            {
                return Some(Work::Job(job));
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The way to the writing thread. When it is dropped, the thread finishes what waits and ends.
pub(super) struct Writer {
    queue: Arc<Queue>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Writer {
    pub(super) fn start(store: Store) -> io::Result<Self> {
        let queue = Arc::new(Queue { waiting: Mutex::default(), changed: Condvar::new() });
        let mover = Mover::start(&store.path, Arc::clone(&queue))?;
        let (end, ended) = oneshot::channel();
        let served = Arc::clone(&queue);
        Builder::new().name("ledger".to_owned()).spawn(move || {
            serve(store, &served, mover);
            answer(end, ());
        })?;
        Ok(Self { queue, ended: Mutex::new(Some(ended)) })
    }

    /// Records a press, before everything else that waits.
    pub(super) async fn accept(&self, press: Press) -> Result<Event, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.queue.add(|waiting| waiting.presses.push_back((press, reply)));
        answer.await.unwrap_or(Err(StorageError::Stopped))
    }

    /// Runs a job, in turn.
    pub(super) async fn run<T, E>(&self, job: impl FnOnce(&mut Store) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (reply, receive) = oneshot::channel();
        self.queue.add(|waiting| waiting.jobs.push_back(Box::new(move |store| answer(reply, job(store)))));
        receive.await.unwrap_or_else(|_| Err(StorageError::Stopped.into()))
    }

    /// Waits until everything is written and the file is closed. The first caller waits; to later ones it is closed.
    pub(super) async fn close(&self) {
        self.queue.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && ended.await.is_err()
        {
            tracing::error!("the ledger's writing thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Whatever ends the thread, a panic too, nobody waits for an answer that can't come.
struct Served<'a>(&'a Queue);

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.presses.clear();
        waiting.jobs.clear();
    }
}

fn serve(mut store: Store, queue: &Queue, mover: Mover) {
    let _served = Served(queue);
    while let Some(work) = queue.next() {
        match work {
            Work::Presses(presses) => store.accept(presses),
            Work::Job(job) => job(&mut store),
        }
        mover.look(&store.connection, queue);
    }
    mover.stop();
}
