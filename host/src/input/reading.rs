//! A driver's thread, and how it is stopped: it waits for its device and for the end at once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;
use tracing::warn;

use super::StartError;

/// How long a driver may take to stop. The keyboard's asks a terminal for something first, which may take two seconds.
pub const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// A driver that reads. Dropped, it is told to stop, and ends soon after; what it changed of its device is undone at once.
pub struct Reading {
    driver: &'static str,
    stop: Stop,
    ended: oneshot::Receiver<()>,
    /// Undoes what was changed of the device when it is dropped.
    undo: Option<Box<dyn Send>>,
}

impl Reading {
    /// Reads on a thread of its own until `read` returns, which it has to do once its [`Stop`] says so.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(driver: &'static str, read: impl FnOnce(&Stop) + Send + 'static) -> Result<Self, StartError> {
        let stop = Stop::new().map_err(StartError::Thread)?;
        let (ending, ended) = oneshot::channel::<()>();
        let seen = stop.clone();
        let read = move || {
            // Dropped at the end, which is what is waited for.
            let _ending = ending;
            read(&seen);
        };
        thread::Builder::new().name(driver.to_owned()).spawn(read).map_err(StartError::Thread)?;
        Ok(Self { driver, stop, ended, undo: None })
    }

    /// Keeps what undoes a change of the device when it is dropped.
    pub(super) fn keeping(mut self, undo: impl Send + 'static) -> Self {
        self.undo = Some(Box::new(undo));
        self
    }

    /// Stops it, and returns when it has ended: another one may start. False: it did not end within [`STOPS_WITHIN`], and is
    /// left behind.
    pub async fn stop(self) -> bool {
        self.stop_within(STOPS_WITHIN).await
    }

    async fn stop_within(mut self, bound: Duration) -> bool {
        self.stop.give();
        let has_ended = tokio::time::timeout(bound, &mut self.ended).await.is_ok();
        if !has_ended {
            warn!(driver = self.driver, "a driver of inputs does not stop, and is left behind");
        }
        has_ended
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.give();
        self.undo = None;
    }
}

/// The word to stop, as something that a thread can wait for beside its device. Once given it stays given.
#[derive(Clone)]
pub(super) struct Stop(Arc<OwnedFd>);

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?)))
    }

    pub(super) fn give(&self) {
        // It fails only where it was given 2⁶⁴ times already.
        if let Err(error) = rustix::io::write(&*self.0, &1_u64.to_ne_bytes()) {
            warn!(%error, "a driver of inputs can't be told to stop");
        }
    }

    /// Waits until the device has something, or for so long. None: no limit.
    ///
    /// # Errors
    /// When the system can't say.
    pub(super) fn wait(&self, device: impl AsFd, wait_for: Option<Duration>) -> io::Result<Awaited> {
        let wait_for = wait_for.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut polled = [PollFd::new(&self.0, PollFlags::IN), PollFd::new(&device, PollFlags::IN)];
        match poll(&mut polled, wait_for.as_ref()) {
            // A signal: the caller looks again.
            Err(Errno::INTR) => return Ok(Awaited::Nothing),
            polled => polled?,
        };
        let [stop, device] = polled.map(|polled| polled.revents());
        Ok(match (stop.is_empty(), device.is_empty()) {
            (false, _) => Awaited::Stop,
            (true, false) => Awaited::Device(device),
            (true, true) => Awaited::Nothing,
        })
    }
}

/// What came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The driver is to stop.
    Stop,
    /// The device has something to read, or is gone.
    Device(PollFlags),
    /// Neither.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driver_that_waits_for_its_device_stops_at_once_and_gives_it_back_then() {
        // Nothing is ever written there.
        let (device, _silent) = io::pipe().unwrap();
        let (undone, mut is_undone) = oneshot::channel::<()>();
        let read = move |stop: &Stop| while stop.wait(&device, None).unwrap() != Awaited::Stop {};
        let reading = Reading::start("test", read).unwrap().keeping(undone);
        assert_eq!(is_undone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(reading.stop().await);
        assert_eq!(is_undone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[tokio::test]
    async fn a_driver_whose_handle_is_dropped_stops() {
        let (device, _silent) = io::pipe().unwrap();
        let (ending, ended) = oneshot::channel::<()>();
        let read = move |stop: &Stop| {
            while stop.wait(&device, None).unwrap() != Awaited::Stop {}
            drop(ending);
        };
        drop(Reading::start("test", read).unwrap());
        assert!(ended.await.is_err(), "it has ended");
    }

    #[tokio::test]
    async fn a_driver_that_hangs_is_left_behind() {
        let (release, hanging) = std::sync::mpsc::channel::<()>();
        let reading = Reading::start("test", move |_| assert!(hanging.recv().is_err())).unwrap();
        assert!(!reading.stop_within(Duration::ZERO).await);
        drop(release);
    }
}
