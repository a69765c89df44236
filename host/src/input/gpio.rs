//! GPIO: buttons and rotary encoders on lines of the kernel's GPIO chips, read on one thread.
//!
//! Each input asks for its lines by itself, so that a line in use costs that input alone; it is asked for again every
//! second, also after its chip has gone. The kernel stamps each edge when it happens and numbers them: a late thread makes no
//! bounce of a press, and a lost edge is known. After one the levels are read anew, so that a button is never taken for held.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::encoder::Contacts;
use punchcard_core::name::InputName;
use tokio::sync::mpsc;
use tracing::debug;

use super::watching::{Source, Sources, watch};
use super::{Driver, Message, NowMs, OpenI2c, Reading, StartError, Tell};

mod control;

use self::control::Control;
use crate::gpio::{Chips, LineError, Lines};

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
        _: &OpenI2c,
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
        tell: Tell,
    ) -> Result<Reading, StartError> {
        let triggers: BTreeMap<_, _> =
            inputs.iter().map(|(name, input)| (name.clone(), input.trigger.clone())).collect();
        let wanted = triggers.keys().cloned().collect();
        let request = move |missing: &BTreeSet<InputName>| {
            // Looked for at each try: a chip may come later, and so may the permission to use it.
            let chips = Chips::find();
            let missing = triggers.iter().filter(|(name, _)| missing.contains(*name));
            missing
                .map(|(name, trigger)| (name.clone(), open(&chips, name, trigger).map_err(StartError::from)))
                .collect()
        };
        Reading::start(self.name(), move |stop| {
            watch(stop, &wanted, AllLines { request, tell }, AGAIN_AFTER, &now_ms, &sender)
        })
    }
}

/// The lines of all inputs: how those that are missing are asked for, and who is told why they can't be had.
struct AllLines<R> {
    request: R,
    tell: Tell,
}

impl<L, R> Sources<InputName> for AllLines<R>
where
    L: Lines,
    R: FnMut(&BTreeSet<InputName>) -> Vec<(InputName, Result<Watched<L>, StartError>)>,
{
    type Source = Watched<L>;

    fn request(&mut self, missing: &BTreeSet<InputName>) -> Vec<(InputName, Result<Watched<L>, StartError>)> {
        (self.request)(missing)
    }

    fn tell(&self, input: &InputName, error: Option<&StartError>) {
        (self.tell)(input, error);
    }
}

/// The pause between two tries for lines that are refused. When the system starts they belong to root alone until udev has
/// given them to their group: a person who waits for that should not notice.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Edges that are taken at once. What is left is taken right after.
const MOST_EDGES: usize = 1_024;

/// Lines, and what their edges mean.
struct Watched<L> {
    lines: L,
    control: Control,
}

/// Asks for the lines of an input.
fn open(chips: &Chips, input: &InputName, trigger: &Trigger) -> Result<Watched<Box<dyn Lines>>, LineError> {
    let (lines, control) = match trigger {
        Trigger::Line { chip, line, contact } => {
            let (lines, are_closed) = chips.read(chip, &[*line], *contact)?;
            (lines, Control::button(input.clone(), are_closed == [true]))
        }
        Trigger::Encoder { chip, lines, steps_per_detent, contact } => {
            let (lines, are_closed) = chips.read(chip, lines, *contact)?;
            let contacts = Contacts { a: are_closed.first() == Some(&true), b: are_closed.get(1) == Some(&true) };
            (lines, Control::encoder(input.clone(), *steps_per_detent, contacts))
        }
        Trigger::Key(_) | Trigger::DeviceKey { .. } | Trigger::Reader { .. } | Trigger::Pn532 { .. } => {
            unreachable!("it is on no line")
        }
    };
    Ok(Watched { lines, control })
}

impl<L: Lines> AsFd for Watched<L> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lines.as_fd()
    }
}

impl<L: Lines> Source for Watched<L> {
    fn begin(&mut self, now_ms: u64) -> Vec<Message> {
        self.control.begin(now_ms).into_iter().collect()
    }

    fn take(&mut self, now_ms: &NowMs, send: &mut dyn FnMut(Message)) -> io::Result<()> {
        let Self { lines, control } = self;
        let (mut edges, mut gone) = (Vec::new(), None);
        while edges.len() < MOST_EDGES && gone.is_none() {
            match lines.next() {
                Ok(Some(edge)) => edges.push(edge),
                Ok(None) => break,
                // What happened before counts.
                Err(error) => gone = Some(error),
            }
        }
        // The kernel numbers an edge when it happens, and each line has a thread of its own that tells of it: those of two
        // lines may come in another order. A number wraps.
        edges.sort_by(|one, other| one.number.wrapping_sub(other.number).cast_signed().cmp(&0));
        let mut lost = 0_u64;
        for edge in edges {
            lost += u64::from(control.lost_before(edge.number));
            let at_ms = now_ms().saturating_sub(edge.ago_ms);
            debug!(input = %control.input(), line = edge.line, closed = edge.is_closed, number = edge.number, at_ms, "an edge");
            control.edge(edge.line, edge.is_closed, at_ms).into_iter().for_each(&mut *send);
        }
        if let Some(error) = gone {
            return Err(error);
        }
        // What the levels are now is known after the newest edge: the kernel drops the oldest ones. A gap is nothing to warn
        // of. Edges of lines that were asked for together are numbered when they happen, and the level is read a little
        // later, so that each contact that bounces within that time makes one.
        if lost > 0 {
            debug!(input = %control.input(), lost, "edges of an input came faster than the kernel could read them");
            control.find(&lines.are_closed()?, now_ms()).into_iter().for_each(send);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
