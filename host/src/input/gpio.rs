//! GPIO: buttons and rotary encoders on lines of the kernel's GPIO chips, read on one thread.
//!
//! Each input asks for its lines by itself, so that a line in use costs that input alone. The kernel stamps each edge when
//! it happens and numbers them: a late thread changes no time, and a lost edge is known. After one the levels are read anew,
//! so that a button is never taken for held.

use std::collections::BTreeMap;
use std::io;

use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::name::InputName;
use rustix::event::epoll;
use tokio::sync::mpsc;
use tracing::{error, warn};

use super::{Driver, Message, NowMs, Reading, StartError};

mod chip;
mod control;

use self::chip::Chips;
pub use self::chip::LineError;
use self::control::Control;
use super::reading::{Awaited, Stop};

/// The driver `gpio`.
pub struct Gpio;

impl Driver for Gpio {
    fn name(&self) -> &'static str {
        "gpio"
    }

    fn drives(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Line { .. } | Trigger::Encoder { .. })
    }

    fn start(
        &self,
        inputs: &BTreeMap<InputName, Input>,
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
    ) -> Result<Reading, StartError> {
        let chips = Chips::find();
        let mut refused = BTreeMap::new();
        let mut watched = Vec::new();
        for (name, input) in inputs {
            match chips.request(name, &input.trigger) {
                Ok((lines, control)) => watched.push(Watched { lines, control }),
                Err(error) => {
                    refused.insert(name.clone(), error.into());
                }
            }
        }
        let reading = Reading::start(self.name(), move |stop| watch(stop, watched, &now_ms, &sender))?;
        Ok(reading.without(refused))
    }
}

/// Lines, and what their edges mean.
struct Watched<L> {
    lines: L,
    control: Control,
}

/// Lines of one input. The descriptor is readable while there are edges.
trait Lines: std::os::fd::AsFd {
    /// The next edge that happened, if there is one.
    fn next(&mut self) -> io::Result<Option<LineEdge>>;

    /// Whether the contacts of the lines are closed, in the order in which they were asked for.
    fn are_closed(&self) -> io::Result<Vec<bool>>;
}

/// An edge of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LineEdge {
    /// Which of the input's lines, from 0.
    line: usize,
    /// The contact is closed now.
    is_closed: bool,
    /// It counts the edges of this input; a gap tells of lost ones.
    number: u32,
    /// How long ago it happened.
    ago_ms: u64,
}

/// Reads until it is to stop, or nobody receives any more.
fn watch<L: Lines>(stop: &Stop, mut watched: Vec<Watched<L>>, now_ms: &NowMs, sender: &mpsc::Sender<Message>) {
    // One descriptor that is readable while one of them is.
    let any = match gather(&watched) {
        Ok(any) => any,
        Err(error) => return error!(%error, "no GPIO line can be waited for; buttons and knobs are off"),
    };
    loop {
        match stop.wait(&any, None) {
            Ok(Awaited::Stop) => return,
            Ok(Awaited::Nothing) => continue,
            Ok(Awaited::Device(_)) => {}
            Err(error) => return error!(%error, "GPIO lines can't be waited for; buttons and knobs are off"),
        }
        let mut is_received = true;
        watched.retain_mut(|Watched { lines, control }| {
            let taken = take(lines, control, now_ms, |message| is_received &= sender.blocking_send(message).is_ok());
            // Dropped, its descriptor leaves the gathering.
            taken.inspect_err(|error| error!(input = %control.input(), %error, "an input is off")).is_ok()
        });
        if !is_received {
            return;
        }
    }
}

fn gather<L: Lines>(watched: &[Watched<L>]) -> io::Result<std::os::fd::OwnedFd> {
    let any = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for Watched { lines, .. } in watched {
        epoll::add(&any, lines, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    }
    Ok(any)
}

/// Takes all edges that there are.
fn take(
    lines: &mut impl Lines,
    control: &mut Control,
    now_ms: &NowMs,
    mut send: impl FnMut(Message),
) -> io::Result<()> {
    while let Some(edge) = lines.next()? {
        let now_ms = now_ms();
        let lost = control.lost_before(edge.number);
        control.edge(edge.line, edge.is_closed, now_ms.saturating_sub(edge.ago_ms)).into_iter().for_each(&mut send);
        if lost > 0 {
            warn!(input = %control.input(), lost, "edges of an input came faster than they could be read");
            control.find(&lines.are_closed()?, now_ms).into_iter().for_each(&mut send);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
