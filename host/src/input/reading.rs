//! A driver's thread, and how it is stopped: it waits for its device and for the end at once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::warn;

use super::StartError;

/// How long a driver may take to stop. The keyboard's asks a terminal for something first, which may take two seconds.
pub const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// A driver that reads. Dropped, it is told to stop, and ends soon after; what it changed of its device is undone at once.
pub struct Reading {
    driver: &'static str,
    stop: Stop,
    /// Why it broke off; closed when the thread has ended.
    broke_off: watch::Receiver<Option<String>>,
    /// Undoes what was changed of the device when it is dropped.
    undo: Option<Box<dyn Send>>,
    /// Passes a signal on to the thread.
    passing: Option<AbortHandle>,
}

impl Reading {
    /// Reads on a thread of its own until `read` returns, which it has to do once its [`Stop`] says so. An error, or a panic,
    /// is what [`Self::broken_off`] tells.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        driver: &'static str,
        read: impl FnOnce(&Stop) -> io::Result<()> + Send + 'static,
    ) -> Result<Self, StartError> {
        let stop = Stop::new().map_err(StartError::Thread)?;
        let (ending, broke_off) = watch::channel(None);
        let seen = stop.clone();
        let read = move || {
            // Nothing of what it read with is used after a panic.
            let reason = match catch_unwind(AssertUnwindSafe(|| read(&seen))) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "its thread panicked".to_owned(),
            };
            ending.send_replace(Some(reason));
        };
        thread::Builder::new().name(driver.to_owned()).spawn(read).map_err(StartError::Thread)?;
        Ok(Self { driver, stop, broke_off, undo: None, passing: None })
    }

    /// Why its thread broke off, once it did. `None`: it ended as it should.
    pub(crate) fn broken_off(&self) -> impl Future<Output = Option<String>> + Send + use<> {
        let mut broke_off = self.broke_off.clone();
        async move { broke_off.wait_for(Option::is_some).await.ok()?.clone() }
    }

    /// Keeps what undoes a change of the device when it is dropped.
    pub(super) fn keeping(mut self, undo: impl Send + 'static) -> Self {
        self.undo = Some(Box::new(undo));
        self
    }

    /// Has the thread look again at each such signal. Needs the runtime.
    ///
    /// # Errors
    /// When the system does not pass the signal on.
    pub(super) fn looking_again_at(&mut self, kind: SignalKind) -> io::Result<()> {
        let mut signals = signal(kind)?;
        let stop = self.stop.clone();
        let passing = async move {
            while signals.recv().await.is_some() {
                stop.look_again();
            }
        };
        self.passing = Some(tokio::spawn(passing).abort_handle());
        Ok(())
    }

    /// Stops it, and returns when it has ended: another one may start. False: it did not end within [`STOPS_WITHIN`], and is
    /// left behind.
    pub async fn stop(self) -> bool {
        self.stop_within(STOPS_WITHIN).await
    }

    async fn stop_within(mut self, bound: Duration) -> bool {
        self.stop.give();
        // Closed by the end of the thread.
        let ended = self.broke_off.wait_for(|_| false);
        let has_ended = tokio::time::timeout(bound, ended).await.is_ok();
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
        if let Some(passing) = self.passing.take() {
            passing.abort();
        }
    }
}

/// The word to stop, as something that a thread can wait for beside its device. Once given it stays given.
#[derive(Clone)]
pub(super) struct Stop {
    given: Arc<OwnedFd>,
    look_again: Arc<OwnedFd>,
}

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self { given: Arc::new(eventfd(0, flags)?), look_again: Arc::new(eventfd(0, flags)?) })
    }

    pub(super) fn give(&self) {
        count_up(&self.given);
    }

    /// Ends a [`Stop::wait`] once, with nothing.
    fn look_again(&self) {
        count_up(&self.look_again);
    }

    /// Waits so long, whatever the device has. Whether the driver is to stop.
    ///
    /// # Errors
    /// When the system can't say.
    pub(super) fn rest(&self, rest_for: Duration) -> io::Result<bool> {
        let rest_for = Timespec::try_from(rest_for).map_err(io::Error::other)?;
        let mut polled = [PollFd::new(&self.given, PollFlags::IN)];
        match poll(&mut polled, Some(&rest_for)) {
            Err(Errno::INTR) => Ok(false),
            polled => Ok(polled? > 0),
        }
    }

    /// Waits until the device has something, or for so long. None: no limit.
    ///
    /// # Errors
    /// When the system can't say.
    pub(super) fn wait(&self, device: impl AsFd, wait_for: Option<Duration>) -> io::Result<Awaited> {
        let wait_for = wait_for.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut polled = [
            PollFd::new(&self.given, PollFlags::IN),
            PollFd::new(&self.look_again, PollFlags::IN),
            PollFd::new(&device, PollFlags::IN),
        ];
        match poll(&mut polled, wait_for.as_ref()) {
            // A signal: the caller looks again.
            Err(Errno::INTR) => return Ok(Awaited::Nothing),
            polled => polled?,
        };
        let [given, look_again, device] = polled.map(|polled| polled.revents());
        if !given.is_empty() {
            return Ok(Awaited::Stop);
        }
        if !look_again.is_empty() {
            // Counted down to nothing.
            rustix::io::read(&*self.look_again, &mut [0; 8])?;
            return Ok(Awaited::Nothing);
        }
        Ok(if device.is_empty() { Awaited::Nothing } else { Awaited::Device(device) })
    }
}

fn count_up(counter: &OwnedFd) {
    // It fails only where it was done 2⁶⁴ times already.
    if let Err(error) = rustix::io::write(counter, &1_u64.to_ne_bytes()) {
        warn!(%error, "a driver of inputs can't be woken");
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
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_driver_that_waits_for_its_device_stops_at_once_and_gives_it_back_then() {
        // Nothing is ever written there.
        let (device, _silent) = io::pipe().unwrap();
        let (undone, mut is_undone) = oneshot::channel::<()>();
        let read = move |stop: &Stop| {
            while stop.wait(&device, None)? != Awaited::Stop {}
            Ok(())
        };
        let reading = Reading::start("test", read).unwrap().keeping(undone);
        assert_eq!(is_undone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(reading.stop().await);
        assert_eq!(is_undone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[tokio::test]
    async fn a_driver_that_waits_for_its_device_looks_again_at_a_signal() {
        let (device, _silent) = io::pipe().unwrap();
        let (looked, mut looks) = tokio::sync::mpsc::unbounded_channel();
        let read = move |stop: &Stop| {
            while stop.wait(&device, None)? != Awaited::Stop {
                looked.send(()).unwrap();
            }
            Ok(())
        };
        let mut reading = Reading::start("test", read).unwrap();
        reading.looking_again_at(SignalKind::window_change()).unwrap();
        for _ in 0..2 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::WINCH).unwrap();
            let looked = tokio::time::timeout(Duration::from_secs(5), looks.recv()).await;
            assert_eq!(looked, Ok(Some(())));
        }
        assert!(reading.stop().await);
    }

    #[test]
    fn who_rests_stops_at_the_word_and_not_for_the_device() {
        let stop = Stop::new().unwrap();
        assert!(!stop.rest(Duration::ZERO).unwrap());
        stop.give();
        assert!(stop.rest(Duration::from_secs(600)).unwrap());
    }

    #[tokio::test]
    async fn a_driver_whose_handle_is_dropped_stops() {
        let (device, _silent) = io::pipe().unwrap();
        let (ending, ended) = oneshot::channel::<()>();
        let read = move |stop: &Stop| {
            while stop.wait(&device, None)? != Awaited::Stop {}
            drop(ending);
            Ok(())
        };
        drop(Reading::start("test", read).unwrap());
        assert!(ended.await.is_err(), "it has ended");
    }

    #[tokio::test]
    async fn a_driver_that_hangs_is_left_behind() {
        let (release, hanging) = std::sync::mpsc::channel::<()>();
        let read = move |_: &Stop| {
            assert!(hanging.recv().is_err());
            Ok(())
        };
        let reading = Reading::start("test", read).unwrap();
        assert!(!reading.stop_within(Duration::ZERO).await);
        drop(release);
    }

    #[tokio::test]
    async fn a_driver_that_breaks_off_says_why_and_one_that_is_stopped_does_not() {
        let fails = Reading::start("test", |_| Err(io::Error::other("too many open files"))).unwrap();
        assert_eq!(fails.broken_off().await.as_deref(), Some("too many open files"));
        let panics = Reading::start("test", |_| panic!("of a test")).unwrap();
        assert_eq!(panics.broken_off().await.as_deref(), Some("its thread panicked"));
        let stops = Reading::start("test", |stop| stop.rest(Duration::from_secs(600)).map(drop)).unwrap();
        let broken_off = stops.broken_off();
        assert!(stops.stop().await);
        assert_eq!(broken_off.await, None);
    }
}
