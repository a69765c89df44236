//! Waiting for a compiler: until it ends or its time is over, whatever it says meanwhile.

use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};

/// After this a person is told what the host is doing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much of what it says is kept.
const WORDS_BYTES: usize = 8192;

/// How a compiler ended.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Its time was over.
    pub(super) timed_out: bool,
    /// Its exit status, where it has one.
    pub(super) status: Option<i32>,
    /// The signal that ended it, where one did.
    pub(super) signal: Option<i32>,
    /// What it said.
    pub(super) words: String,
}

/// Waits for its end, and brings it about when its time is over.
///
/// # Errors
/// When it can't be waited for; it is ended then, too.
pub(super) fn wait(child: &mut Child, limit: Duration) -> io::Result<Ending> {
    let listened = listen(child, limit);
    // It has ended, or closed its end of the pipe, or has to end: what has ended does not mind.
    child.kill()?;
    let status = child.wait()?;
    let (timed_out, words) = listened?;
    let words = String::from_utf8_lossy(&words).into_owned();
    Ok(Ending { timed_out, status: status.code(), signal: status.signal(), words })
}

/// What it says until it ends; true where its time was over first.
fn listen(child: &mut Child, limit: Duration) -> io::Result<(bool, Vec<u8>)> {
    let mut words = Vec::new();
    let Some(mut said) = child.stderr.take() else { return Ok((false, words)) };
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let set = |after: Duration| {
        let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would stop the timer.
        let after = Timespec::try_from(after.max(Duration::from_nanos(1))).map_err(|_| Errno::OVERFLOW)?;
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: nothing, it_value: after })
    };
    let mut patient = limit > PATIENCE;
    set(if patient { PATIENCE } else { limit })?;
    let mut buffer = [0; 1024];
    loop {
        let mut awaited = [PollFd::new(&timer, PollFlags::IN), PollFd::new(&said, PollFlags::IN)];
        retry_on_intr(|| poll(&mut awaited, None))?;
        let [is_over, has_said] = awaited.map(|awaited| !awaited.revents().is_empty());
        if is_over && !patient {
            return Ok((true, words));
        }
        if is_over {
            patient = false;
            set(limit - PATIENCE)?;
            tracing::info!("a plugin is being compiled, which takes a small board a minute or more, and happens once");
        }
        if has_said {
            match said.read(&mut buffer)? {
                0 => return Ok((false, words)),
                read => words.extend(&buffer[..read.min(WORDS_BYTES.saturating_sub(words.len()))]),
            }
        }
    }
}
