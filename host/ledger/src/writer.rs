//! The one thread that writes.
//!
//! Three queues feed it: presses, readings that may wait for company, and everything else. Presses come first; those that
//! wait at the same time share a commit, and take the readings along. A job that fails leaves nothing behind, or says that it
//! may have ([`StorageError::InDoubt`]). One that takes long gives way: when a press comes it is undone, and done again after
//! the press. Small transactions alone would not do: the corrections of a replay are one transaction of up to thousands of
//! rows, and `tests/precedence` holds that a press goes before whatever takes long.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use punchcard_core::event::{Event, Sequence};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::error::StorageError;
use super::event::{self, Press};
use super::latch::Latch;
use super::lock::StateLock;
use super::log_file::LogFile;
use super::wal::{self, Checkpoints};

/// Events that share a commit.
pub const SHARED_COMMIT: usize = 256;
/// How often a transaction gives way. Then it is carried through: presses that never pause must not hold it up for ever.
const MOST_GIVEN_WAY: u32 = 4;

type Reply = oneshot::Sender<Result<Vec<Event>, StorageError>>;
type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// What the writing thread owns.
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) announce: watch::Sender<Sequence>,
    pub(super) log: LogFile,
    pub(super) latch: Latch,
    /// What waits for this thread.
    pub(super) queue: Arc<Queue>,
    /// Given back when the file is closed, not before.
    pub(super) _lock: StateLock,
}

impl Store {
    /// Runs `steps` as one transaction, which is on the disk when this returns and undone when they fail.
    pub(super) fn transact<T, E: From<StorageError>>(
        &mut self,
        steps: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.latch.check()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(StorageError::from)?;
        let result = steps(&transaction)?;
        match transaction.commit() {
            Ok(()) => Ok(result),
            Err(error) => Err(self.latch.commit_failed(error, &self.connection, &self.log).into()),
        }
    }

    /// The same for steps that take long. They ask their [`Way`] again and again, and end where it says so: then everything
    /// is undone, presses that wait are recorded, and the steps are run anew. So `steps` may be run several times, and only
    /// the last time counts.
    pub(super) fn transact_giving_way<T, E: From<StorageError>>(
        &mut self,
        steps: impl Fn(&Transaction<'_>, &Way<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let queue = Arc::clone(&self.queue);
        for _ in 0..MOST_GIVEN_WAY {
            let way = Way { queue: Some(&queue), given: Cell::new(false) };
            let result = self.transact(|transaction| steps(transaction, &way));
            if !way.given.get() {
                return result;
            }
            self.accept(queue.take_presses());
        }
        self.transact(|transaction| steps(transaction, &Way { queue: None, given: Cell::new(false) }))
    }

    /// Wakes whoever waits for events, after a transaction that may have requeued some.
    pub(super) fn announce_newest(&mut self) -> Result<(), StorageError> {
        self.announce(event::newest(&self.connection)?);
        Ok(())
    }

    fn announce(&self, newest: Sequence) {
        self.announce.send_if_modified(|known| {
            let newer = newest > *known;
            *known = newest.max(*known);
            newer
        });
    }

    fn accept(&mut self, presses: Vec<(Press, Reply)>) {
        let recorded = self.transact(|transaction| {
            let record = |(press, _): &(Press, Reply)| event::record(transaction, press);
            presses.iter().map(record).collect::<Result<Vec<_>, StorageError>>()
        });
        match recorded {
            Ok(events) => {
                if let Some(newest) = events.iter().flatten().map(|event| event.sequence).max() {
                    self.announce(newest);
                }
                for ((_, reply), events) in presses.into_iter().zip(events) {
                    answer(reply, Ok(events));
                }
            }
            // What became of their commit became of all of them.
            Err(StorageError::Unconfirmed(source)) => {
                for (_, reply) in presses {
                    answer(reply, Err(StorageError::Unconfirmed(Arc::clone(&source))));
                }
            }
            Err(StorageError::InDoubt(source)) => {
                for (_, reply) in presses {
                    answer(reply, Err(StorageError::InDoubt(Arc::clone(&source))));
                }
            }
            // What one press meets says nothing of the others: each is tried alone.
            Err(_) if presses.len() > 1 => {
                presses.into_iter().for_each(|press| self.accept(vec![press]));
            }
            Err(error) => {
                if let Some((_, reply)) = presses.into_iter().next() {
                    answer(reply, Err(error));
                }
            }
        }
    }
}

/// Whether a transaction may go on, or a press goes first.
pub(super) struct Way<'a> {
    /// `None`: it has given way often enough.
    queue: Option<&'a Queue>,
    given: Cell<bool>,
}

impl Way<'_> {
    /// Asks. The error ends the steps and is seen by nobody.
    pub(super) fn ask(&self) -> Result<(), StorageError> {
        if self.queue.is_some_and(Queue::has_press) {
            self.given.set(true);
            return Err(StorageError::Stopped);
        }
        Ok(())
    }
}

/// Answers whoever still waits: a caller may have given up, and what was written stays written.
fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    drop(reply.send(result));
}

/// What waits for the writing thread.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    presses: VecDeque<Arrived>,
    /// Events that wait for company.
    readings: VecDeque<Arrived>,
    /// Both, ever: in this order they are recorded.
    arrived: u64,
    /// One of them has waited for long enough.
    due: bool,
    jobs: VecDeque<Job>,
    closed: bool,
}

/// An event, and the how manieth it is.
type Arrived = (u64, Press, Reply);

enum Work {
    Presses(Vec<(Press, Reply)>),
    Job(Job),
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextWork {
    /// So many presses and so many readings, in one commit.
    Commit(usize, usize),
    Job,
    /// Nobody's yet.
    Wait,
    /// Nobody's any more.
    End,
}

impl Waiting {
    /// Decides whose turn it is. Presses never wait for readings: they come first in a commit that has not room for all.
    fn plan(&self) -> NextWork {
        let presses = self.presses.len().min(SHARED_COMMIT);
        let readings = self.readings.len().min(SHARED_COMMIT - presses);
        let ready = presses > 0 || readings == SHARED_COMMIT || (readings > 0 && (self.due || self.closed));
        if ready {
            NextWork::Commit(presses, readings)
        } else if !self.jobs.is_empty() {
            NextWork::Job
        } else if self.closed {
            NextWork::End
        } else {
            NextWork::Wait
        }
    }

    /// Takes so many presses and so many readings, in the order in which they arrived.
    fn take(&mut self, presses: usize, readings: usize) -> Vec<(Press, Reply)> {
        let mut together: Vec<_> = self.presses.drain(..presses).collect();
        together.extend(self.readings.drain(..readings));
        together.sort_unstable_by_key(|(arrived, ..)| *arrived);
        self.due &= !self.readings.is_empty();
        together.into_iter().map(|(_, press, reply)| (press, reply)).collect()
    }
}

impl Queue {
    /// Readings have waited for long enough.
    fn hurry(&self) {
        let mut waiting = self.lock();
        waiting.due = !waiting.readings.is_empty();
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something, unless the ledger is closed.
    fn add(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        if !waiting.closed {
            add(&mut waiting);
            self.changed.notify_one();
        }
    }

    /// Whether nothing waits to be done now.
    fn is_idle(&self) -> bool {
        matches!(self.lock().plan(), NextWork::Wait | NextWork::End)
    }

    /// Whether a press waits.
    pub(super) fn has_press(&self) -> bool {
        !self.lock().presses.is_empty()
    }

    /// Takes the presses that wait, and readings that share their commit.
    fn take_presses(&self) -> Vec<(Press, Reply)> {
        let mut waiting = self.lock();
        match waiting.plan() {
            NextWork::Commit(presses, readings) => waiting.take(presses, readings),
            NextWork::Job | NextWork::Wait | NextWork::End => Vec::new(),
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
            match waiting.plan() {
                NextWork::Commit(presses, readings) => return Some(Work::Presses(waiting.take(presses, readings))),
                NextWork::Job => {
                    if let Some(job) = waiting.jobs.pop_front() {
                        return Some(Work::Job(job));
                    }
                }
                NextWork::Wait => waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                NextWork::End => return None,
            }
        }
    }
}

/// Says that a reading has waited for long enough: when its time has passed, or nobody counts it any more.
struct Patience(Option<Arc<Queue>>);

impl Patience {
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.hurry();
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
        let queue = Arc::clone(&store.queue);
        let page_bytes = store.connection.pragma_query_value(None, "page_size", |row| row.get(0));
        let checkpoints = Checkpoints::of_pages(page_bytes.map_err(io::Error::other)?);
        let (end, ended) = oneshot::channel();
        let served = Arc::clone(&queue);
        Builder::new().name("ledger".to_owned()).spawn(move || {
            serve(store, &served, &checkpoints);
            answer(end, ());
        })?;
        Ok(Self { queue, ended: Mutex::new(Some(ended)) })
    }

    /// Records a press, before everything else that waits.
    pub(super) async fn accept(&self, press: Press) -> Result<Vec<Event>, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.queue.add(|waiting| {
            waiting.arrived += 1;
            waiting.presses.push_back((waiting.arrived, press, reply));
        });
        answer.await.unwrap_or(Err(StorageError::Stopped))
    }

    /// Records a reading with the next press, with as many others as a commit takes, or after `most_for`. It has its place
    /// among the others when this returns.
    pub(super) fn accept_within(
        &self,
        reading: Press,
        most_for: Duration,
    ) -> impl Future<Output = Result<Vec<Event>, StorageError>> + Send + use<> {
        let (reply, mut answer) = oneshot::channel();
        self.queue.add(|waiting| {
            waiting.arrived += 1;
            waiting.readings.push_back((waiting.arrived, reading, reply));
        });
        let patience = Patience(Some(Arc::clone(&self.queue)));
        async move {
            let answered = match tokio::time::timeout(most_for, &mut answer).await {
                Ok(answered) => {
                    // The others go on waiting.
                    patience.end();
                    answered
                }
                Err(_) => {
                    drop(patience);
                    answer.await
                }
            };
            answered.unwrap_or(Err(StorageError::Stopped))
        }
    }

    /// Readings have waited for long enough.
    pub(super) fn hurry(&self) {
        self.queue.hurry();
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
        waiting.readings.clear();
        waiting.jobs.clear();
    }
}

fn serve(mut store: Store, queue: &Queue, checkpoints: &Checkpoints) {
    let _served = Served(queue);
    while let Some(work) = queue.next() {
        match work {
            Work::Presses(presses) => store.accept(presses),
            Work::Job(job) => job(&mut store),
        }
        if !store.latch.is_closed() {
            checkpoints.look(&store.connection, queue.is_idle(), &store.latch);
        }
    }
    if !store.latch.is_closed() {
        wal::empty(&store.connection, &store.log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::press;

    fn waiting(presses: usize, readings: usize, jobs: usize) -> Waiting {
        let some = |count: usize| (0..count).map(|_| (0, press(), oneshot::channel().0)).collect();
        let job = || -> Job { Box::new(|_| {}) };
        Waiting {
            presses: some(presses),
            readings: some(readings),
            jobs: (0..jobs).map(|_| job()).collect(),
            ..Waiting::default()
        }
    }

    #[test]
    fn presses_go_at_once_and_readings_with_them_or_when_they_are_full_due_or_the_last() {
        let due = |of: Waiting| Waiting { due: true, ..of };
        let closed = |of: Waiting| Waiting { closed: true, ..of };
        let table = [
            (waiting(0, 0, 0), NextWork::Wait),
            (waiting(0, 0, 1), NextWork::Job),
            (waiting(1, 0, 1), NextWork::Commit(1, 0)),
            (waiting(0, 255, 0), NextWork::Wait),
            (waiting(0, 255, 1), NextWork::Job),
            (waiting(0, 256, 1), NextWork::Commit(0, 256)),
            (waiting(0, 300, 0), NextWork::Commit(0, 256)),
            (waiting(1, 9, 1), NextWork::Commit(1, 9)),
            (waiting(1, 300, 0), NextWork::Commit(1, 255)),
            (waiting(300, 9, 0), NextWork::Commit(256, 0)),
            (due(waiting(0, 9, 1)), NextWork::Commit(0, 9)),
            (due(waiting(0, 0, 0)), NextWork::Wait),
            (closed(waiting(0, 9, 1)), NextWork::Commit(0, 9)),
            (closed(waiting(0, 0, 1)), NextWork::Job),
            (closed(waiting(0, 0, 0)), NextWork::End),
        ];
        for (waiting, expected) in table {
            let counts = (waiting.presses.len(), waiting.readings.len(), waiting.jobs.len());
            assert_eq!(waiting.plan(), expected, "{counts:?}");
        }
    }
}
