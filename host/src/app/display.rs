//! The panel at work: what happened goes into its state, and whenever the picture changes a frame goes to the driver.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use punchcard_core::appearance::{Appearance, next_change, plan_appearance};
use punchcard_core::config::panel::Care;
use punchcard_core::name::OutputName;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::{PanelState, plan_scene};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle as TaskHandle;
use tracing::warn;

use super::control::Answer;
use super::error_chain::chain;
use super::timer::wait_until;
use crate::clock::Clock;
use crate::output::{OutputError, Outputs};
use punchcard_panel::{Driver, Frame, FrameSize, Painter};

/// How long a driver may take to stop: an SSD1306 takes a frame within 100 ms, a terminal that is held up may never.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// A handle to what the panel shows. Clones share it.
#[derive(Clone)]
pub(super) struct Display {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<PanelState>,
    changed: watch::Sender<()>,
    size: Mutex<FrameSize>,
    clock: Clock,
}

impl Display {
    /// A panel that says that the device starts.
    #[must_use]
    pub(super) fn new(device: &str, size: FrameSize, clock: Clock) -> Self {
        let state = Mutex::new(PanelState::new(device, clock.monotonic_ms()));
        Self { shared: Arc::new(Shared { state, changed: watch::Sender::default(), size: Mutex::new(size), clock }) }
    }

    /// Notes something in the panel's state. The moment is given along, in milliseconds of the monotonic clock.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut PanelState, u64) -> T) -> T {
        let noted = {
            let mut state = self.lock();
            note(&mut state, self.shared.clock.monotonic_ms())
        };
        self.shared.changed.send_replace(());
        noted
    }

    /// Drives outputs by what is noted, until what is returned is dropped. `tell` hears which are off, and why.
    pub(super) fn follow_with(
        &self,
        mut outputs: Outputs,
        tell: impl Fn(&OutputName, Option<&OutputError>) + Send + 'static,
    ) -> Following {
        let display = self.clone();
        let follow = async move {
            let mut changed = display.shared.changed.subscribe();
            loop {
                changed.mark_unchanged();
                let occasion = display.lock().occasion();
                let next_ms = outputs.show(&occasion, display.shared.clock.monotonic_ms(), &tell);
                tokio::select! {
                    // An error means that nobody notes anything any more.
                    noted = changed.changed() => if noted.is_err() { return },
                    () = wait_until(&display.shared.clock, next_ms) => {}
                }
            }
        };
        Following(tokio::spawn(follow))
    }

    /// Hears whenever something was noted.
    pub(super) fn notes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// What is wrong, by part: also of grants that wait for a person, for which the panel shows a code.
    pub(super) fn problems(&self) -> BTreeMap<String, Problem> {
        self.lock().problems()
    }

    fn lock(&self) -> MutexGuard<'_, PanelState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self) -> FrameSize {
        *self.shared.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The panel has another size from now on. A driver draws in it once it is started anew.
    pub(super) fn set_size(&self, size: FrameSize) {
        *self.shared.size.lock().unwrap_or_else(PoisonError::into_inner) = size;
    }

    /// The picture at this moment.
    #[must_use]
    pub(super) fn frame(&self) -> Frame {
        self.paint(&mut Painter::new(self.size())).0
    }

    /// The same for the command line.
    #[must_use]
    pub(super) fn answer(&self) -> Answer {
        let frame = self.frame();
        Answer::Frame { width: frame.size().width(), height: frame.size().height(), pages: frame.bytes().to_vec() }
    }

    /// Shows frames on a driver, on a thread of its own: a driver may be slow. `report` hears why no frame is shown, each
    /// reason once, and `None` when that is over.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn show_on(
        &self,
        mut driver: Box<dyn Driver>,
        care: Care,
        report: impl Fn(Option<&str>) + Send + 'static,
    ) -> std::io::Result<Showing> {
        let (display, runtime) = (self.clone(), tokio::runtime::Handle::current());
        let (stop, mut stopped) = oneshot::channel::<Infallible>();
        let (ending, ended) = oneshot::channel::<Infallible>();
        let show = async move {
            // Dropped at the end, which is what is waited for.
            let _ending = ending;
            let mut painter = Painter::new(display.size());
            let mut resized = signal(SignalKind::window_change())
                .inspect_err(|error| warn!(%error, "the panel is not drawn anew at once when its terminal is resized"))
                .ok();
            let mut shown: Option<Picture> = None;
            let mut again_at: Option<u64> = None;
            let mut failure: Option<String> = None;
            let mut changed = display.shared.changed.subscribe();
            loop {
                changed.mark_unchanged();
                let (picture, next_ms) = display.plan_picture(&mut painter, &care);
                let is_due = again_at.is_some_and(|at| at <= display.shared.clock.monotonic_ms());
                // A driver that failed says when it may be tried again.
                let is_paused = failure.is_some() && again_at.is_some() && !is_due;
                if !is_paused && (is_due || shown.as_ref() != Some(&picture)) {
                    driver.set_appearance(picture.appearance);
                    let error = driver.show(&picture.frame).err().map(|error| chain(&error));
                    if error.is_none() {
                        shown = Some(picture);
                    }
                    if error != failure {
                        report(error.as_deref());
                        failure = error;
                    }
                    let again_ms = driver.again_after().and_then(|after| u64::try_from(after.as_millis()).ok());
                    again_at = again_ms.map(|after| display.shared.clock.monotonic_ms().saturating_add(after));
                }
                let wakes_at = [next_ms, again_at].into_iter().flatten().min();
                tokio::select! {
                    _ = &mut stopped => return,
                    // It is `display` that notes.
                    _ = changed.changed() => {}
                    () = wait_until(&display.shared.clock, wakes_at) => {}
                    () = wait_for(resized.as_mut()) => shown = None,
                }
            }
        };
        let thread = std::thread::Builder::new().name("panel".into()).spawn(move || runtime.block_on(show))?;
        Ok(Showing { stop, ended, thread })
    }

    /// The picture, and when it looks otherwise by itself.
    fn paint(&self, painter: &mut Painter) -> (Frame, Option<u64>) {
        let now_ms = self.shared.clock.monotonic_ms();
        let (view, changes_at) = {
            let state = self.lock();
            (plan_scene(&state, now_ms), state.next_change(now_ms))
        };
        let painting = painter.paint(&view);
        let moves_at = painting.moves_in_ms.map(|moves_in_ms| now_ms.saturating_add(moves_in_ms));
        let next_ms = [changes_at, moves_at].into_iter().flatten().min();
        (painting.frame, next_ms)
    }

    /// The same as a panel of light shows it.
    fn plan_picture(&self, painter: &mut Painter, care: &Care) -> (Picture, Option<u64>) {
        let now_ms = self.shared.clock.monotonic_ms();
        let (surroundings, next_minute, changes_at) = {
            let state = self.lock();
            (state.surroundings(now_ms), state.next_minute(now_ms), state.next_change(now_ms))
        };
        let appearance = plan_appearance(care, surroundings, now_ms);
        // Nobody sees what moves in the dark.
        let (frame, paints_at) = match appearance.is_dark {
            true => (Frame::new(self.size()), changes_at),
            false => self.paint(painter),
        };
        let night_at = care.night.and(next_minute);
        let next_ms = [paints_at, night_at, next_change(care, surroundings, now_ms)].into_iter().flatten().min();
        (Picture { frame, appearance }, next_ms)
    }
}

/// What a driver is given.
#[derive(PartialEq, Eq)]
struct Picture {
    frame: Frame,
    appearance: Appearance,
}

/// Outputs that follow. They are off once it was stopped, or soon after it was dropped.
pub(super) struct Following(TaskHandle<()>);

impl Following {
    /// Stops it, and returns when the lines are given back.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        if let Err(error) = (&mut self.0).await
            && error.is_panic()
        {
            warn!(%error, "the outputs had broken off");
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A driver that shows frames. Dropped, it is told to stop, and ends once it has shown the frame that it is at.
pub(super) struct Showing {
    stop: oneshot::Sender<Infallible>,
    ended: oneshot::Receiver<Infallible>,
    thread: JoinHandle<()>,
}

impl Showing {
    /// Stops it, and returns when it has given its panel back: another one may start. False: it did not within
    /// [`STOPS_WITHIN`], and is left behind.
    pub(super) async fn stop(self) -> bool {
        self.stop_within(STOPS_WITHIN).await
    }

    async fn stop_within(self, bound: Duration) -> bool {
        drop(self.stop);
        if tokio::time::timeout(bound, self.ended).await.is_err() {
            warn!("the panel's driver does not stop, and is left behind");
            return false;
        }
        if self.thread.join().is_err() {
            warn!("the panel's driver had broken off");
        }
        true
    }
}

async fn wait_for(signal: Option<&mut Signal>) {
    // Signals end with the runtime.
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use punchcard_panel::driver::DriverError;
    use tokio::sync::mpsc;

    use super::*;
    use crate::app::fixture::Fixture;

    /// A driver that passes on what it is to show.
    struct Passing(mpsc::UnboundedSender<Frame>);

    impl Driver for Passing {
        fn show(&mut self, frame: &Frame) -> Result<(), DriverError> {
            self.0.send(frame.clone()).unwrap();
            Ok(())
        }
    }

    /// A driver whose panel takes no frame, and no end of it, until the other end is dropped.
    struct Hanging(std::sync::mpsc::Receiver<()>);

    impl Driver for Hanging {
        fn show(&mut self, _frame: &Frame) -> Result<(), DriverError> {
            assert!(self.0.recv().is_err());
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_that_was_resized_is_drawn_anew_at_once() {
        let fixture = Fixture::new();
        fixture.display.note(PanelState::note_ready);
        let (sender, mut frames) = mpsc::unbounded_channel();
        let _showing = fixture.display.show_on(Box::new(Passing(sender)), Care::default(), |_| {}).unwrap();
        let mut before = frames.recv().await.unwrap();
        let drawn_anew = async {
            loop {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::WINCH).unwrap();
                let frame = frames.recv().await.unwrap();
                // A frame that looks like the one before it is only shown for this reason.
                if std::mem::replace(&mut before, frame.clone()) == frame {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), drawn_anew).await.expect("drawn anew");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_driver_stops_and_another_one_starts() {
        let fixture = Fixture::new();
        for _ in 0..2 {
            let (sender, mut frames) = mpsc::unbounded_channel();
            let showing = fixture.display.show_on(Box::new(Passing(sender)), Care::default(), |_| {}).unwrap();
            assert!(frames.recv().await.is_some());
            assert!(showing.stop().await);
            while frames.recv().await.is_some() {}
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_driver_whose_handle_is_dropped_gives_its_panel_back() {
        let fixture = Fixture::new();
        let (sender, mut frames) = mpsc::unbounded_channel();
        drop(fixture.display.show_on(Box::new(Passing(sender)), Care::default(), |_| {}).unwrap());
        while frames.recv().await.is_some() {}
    }

    /// A driver that fails some times, and says that it may be tried again at once.
    struct Unplugged(u32, mpsc::UnboundedSender<Frame>);

    impl Driver for Unplugged {
        fn show(&mut self, frame: &Frame) -> Result<(), DriverError> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(DriverError::Oled("no answer".into()));
            }
            self.1.send(frame.clone()).unwrap();
            Ok(())
        }

        fn again_after(&self) -> Option<Duration> {
            (self.0 > 0).then_some(Duration::from_millis(1))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panel_that_fails_is_said_once_and_tried_until_it_is_there() {
        let fixture = Fixture::new();
        let (sender, mut frames) = mpsc::unbounded_channel();
        let (reporter, mut reports) = mpsc::unbounded_channel();
        let report = move |error: Option<&str>| reporter.send(error.map(str::to_owned)).unwrap();
        let driver = Box::new(Unplugged(4, sender));
        let _showing = fixture.display.show_on(driver, Care::default(), report).unwrap();
        assert!(frames.recv().await.is_some());
        let said = reports.recv().await.unwrap().unwrap();
        assert!(said.contains("can't be reached") && said.contains("no answer"), "{said}");
        assert_eq!(reports.recv().await, Some(None), "the same is not said twice");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_driver_that_hangs_is_left_behind() {
        let fixture = Fixture::new();
        let (release, hanging) = std::sync::mpsc::channel();
        let showing = fixture.display.show_on(Box::new(Hanging(hanging)), Care::default(), |_| {}).unwrap();
        assert!(!showing.stop_within(Duration::ZERO).await);
        drop(release);
    }
}
