//! The panel at work: what happened goes into its state, and whenever the picture changes a frame goes to the driver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use punchcard_core::scene::{PanelState, plan_scene};
use tokio::sync::Notify;
use tracing::warn;

use super::control::Answer;
use super::error_chain::chain;
use super::timer::sleep_until;
use crate::clock::Clock;
use punchcard_panel::{Driver, Frame, FrameSize, Painter};

/// A handle to what the panel shows. Clones share it.
#[derive(Clone)]
pub(super) struct Display {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<PanelState>,
    changed: Notify,
    ended: AtomicBool,
    size: FrameSize,
    clock: Clock,
}

impl Display {
    /// A panel that says that the device starts.
    #[must_use]
    pub(super) fn new(device: &str, size: FrameSize, clock: Clock) -> Self {
        let state = Mutex::new(PanelState::new(device, clock.monotonic_ms()));
        Self { shared: Arc::new(Shared { state, changed: Notify::new(), ended: AtomicBool::new(false), size, clock }) }
    }

    /// Notes something in the panel's state. The moment is given along, in milliseconds of the monotonic clock.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut PanelState, u64) -> T) -> T {
        let noted = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            note(&mut state, self.shared.clock.monotonic_ms())
        };
        self.shared.changed.notify_one();
        noted
    }

    /// The picture at this moment.
    #[must_use]
    pub(super) fn frame(&self) -> Frame {
        self.paint(&mut Painter::new(self.shared.size)).0
    }

    /// The same for the command line.
    #[must_use]
    pub(super) fn answer(&self) -> Answer {
        let frame = self.frame();
        Answer::Frame { width: frame.size().width(), height: frame.size().height(), pages: frame.bytes().to_vec() }
    }

    /// The device ends: no frame is shown any more.
    pub(super) fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.changed.notify_one();
    }

    /// Shows frames on a driver until [`Display::end`], on a thread of its own: a driver may be slow.
    pub(super) fn show_on(&self, mut driver: Box<dyn Driver>) -> std::io::Result<JoinHandle<()>> {
        let (display, runtime) = (self.clone(), tokio::runtime::Handle::current());
        let show = async move {
            let mut painter = Painter::new(display.shared.size);
            let mut shown: Option<Frame> = None;
            let mut failing = false;
            while !display.shared.ended.load(Ordering::Acquire) {
                let changed = display.shared.changed.notified();
                let (frame, next_ms) = display.paint(&mut painter);
                if shown.as_ref() != Some(&frame) {
                    match driver.show(&frame) {
                        Ok(()) => (shown, failing) = (Some(frame), false),
                        Err(error) if !failing => {
                            warn!(error = chain(error), "the panel does not take a frame");
                            failing = true;
                        }
                        // Said once; the next frame may be taken.
                        Err(_) => {}
                    }
                }
                tokio::select! {
                    () = changed => {}
                    () = wait_until(&display.shared.clock, next_ms) => {}
                }
            }
        };
        std::thread::Builder::new().name("panel".into()).spawn(move || runtime.block_on(show))
    }

    /// The picture, and when it looks otherwise by itself.
    fn paint(&self, painter: &mut Painter) -> (Frame, Option<u64>) {
        let now_ms = self.shared.clock.monotonic_ms();
        let (view, changes_at) = {
            let state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            (plan_scene(&state, now_ms), state.next_change(now_ms))
        };
        let painting = painter.paint(&view);
        let moves_at = painting.moves_in_ms.map(|moves_in_ms| now_ms.saturating_add(moves_in_ms));
        let next_ms = [changes_at, moves_at].into_iter().flatten().min();
        (painting.frame, next_ms)
    }
}

async fn wait_until(clock: &Clock, at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => sleep_until(clock, at_ms).await,
        None => std::future::pending().await,
    }
}
