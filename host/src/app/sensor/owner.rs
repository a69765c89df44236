//! A thread that owns something whose calls block, such as an open bus: one job after another, for whoever waits.
//!
//! What always holds: however often a bus hangs, one thread hangs with it. A job for which nobody waits any more is not begun.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread::Builder;

use tokio::sync::oneshot;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// The way to the thread, which is started with the first job. When this is dropped, it ends after what it is at.
pub(in crate::app) struct Owner<T> {
    name: &'static str,
    jobs: Mutex<Option<mpsc::Sender<Job<T>>>>,
}

impl<T: Default + Send + 'static> Owner<T> {
    /// `name`: the thread's.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, jobs: Mutex::default() }
    }

    /// Has a job done, in turn.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) async fn run<R: Send + 'static>(&self, job: impl FnOnce(&mut T) -> R + Send + 'static) -> io::Result<R> {
        let (reply, answer) = oneshot::channel();
        let job: Job<T> = Box::new(move |owned| {
            if !reply.is_closed() {
                // Whoever waited may have given up meanwhile.
                drop(reply.send(job(owned)));
            }
        });
        self.send(job)?;
        answer.await.map_err(|_| io::Error::other("it broke off, by a defect of this program"))
    }

    /// Has a job done in turn, for which nobody waits. Where no thread was needed yet, there is nothing to do it with.
    pub(super) fn post(&self, job: impl FnOnce(&mut T) + Send + 'static) {
        if let Some(running) = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Gone, by a defect, it has nothing any more.
            drop(running.send(Box::new(job)));
        }
    }

    fn send(&self, job: Job<T>) -> io::Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match jobs.as_ref() {
            Some(running) => match running.send(job) {
                Ok(()) => return Ok(()),
                // The thread is gone, by a defect: another one begins anew.
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        let (sender, waiting) = mpsc::channel::<Job<T>>();
        Builder::new().name(self.name.to_owned()).spawn(move || {
            let mut owned = T::default();
            while let Ok(job) = waiting.recv() {
                // What a job that broke off has left of it is not used again. Whoever waited for the job hears of that.
                if catch_unwind(AssertUnwindSafe(|| job(&mut owned))).is_err() {
                    owned = T::default();
                }
            }
        })?;
        sender.send(job).map_err(|_| io::Error::other("the thread for it does not begin"))?;
        *jobs = Some(sender);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn jobs_are_done_one_after_another_and_one_that_nobody_waits_for_is_not_begun() {
        let owner = Arc::new(Owner::<Vec<u8>>::new("test"));
        let (go, wait) = mpsc::channel::<()>();
        let slow = owner.clone();
        let slow = tokio::spawn(async move {
            slow.run(move |owned| {
                assert!(wait.recv().is_err(), "the other end is dropped");
                owned.push(1);
            })
            .await
        });
        tokio::task::yield_now().await;
        // Given up while the first one is under way.
        let given_up = owner.run(|owned| owned.push(2));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), given_up).await.is_err());
        drop(go);
        slow.await.unwrap().unwrap();
        assert_eq!(owner.run(|owned| owned.clone()).await.unwrap(), [1]);
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_other_along() {
        let owner = Owner::<u8>::new("test");
        assert!(owner.run(|_| panic!("a defect")).await.is_err());
        assert_eq!(owner.run(|owned| *owned).await.unwrap(), 0);
    }
}
