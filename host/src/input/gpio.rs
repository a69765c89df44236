//! GPIO: buttons and rotary encoders on lines of the kernel's GPIO chips, read on one thread.
//!
//! Each input asks for its lines by itself, so that a line in use costs that input alone; it is asked for again every
//! second, after a minute every five, also after its chip has gone. The kernel stamps each edge when it happens and numbers
//! them: a late thread makes no bounce of a press, and a lost edge is known. After one the levels are read anew, so that a
//! button is never taken for held.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::encoder::Contacts;
use punchcard_core::name::InputName;
use rustix::event::epoll;
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::{Driver, Message, NowMs, Reading, StartError, Tell};

mod control;

use self::control::Control;
use super::reading::{Awaited, Stop};
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
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
        tell: Tell,
    ) -> Result<Reading, StartError> {
        let triggers: Triggers = inputs.iter().map(|(name, input)| (name.clone(), input.trigger.clone())).collect();
        Reading::start(self.name(), move |stop| {
            // Looked for at each try: a chip may come later, and so may the permission to use it.
            let request = |triggers: &Triggers| {
                let chips = Chips::find();
                let ask = |(name, trigger): (&InputName, &Trigger)| {
                    (name.clone(), open(&chips, name, trigger).map_err(StartError::from))
                };
                triggers.iter().map(ask).collect()
            };
            watch(stop, &triggers, request, &now_ms, &sender, &tell);
        })
    }
}

/// What inputs are on.
type Triggers = BTreeMap<InputName, Trigger>;
/// What became of asking for the lines of inputs.
type Requested<L> = Vec<(InputName, Result<(L, Control), StartError>)>;

/// The pause between two tries for lines that are refused, at first and later. When the system starts they belong to root
/// alone until udev has given them to their group: a person who waits for that should not notice.
const AGAIN_SOON: Duration = Duration::from_secs(1);
const AGAIN_LATER: Duration = Duration::from_secs(5);
/// For how long it is asked at the first pace, in milliseconds.
const SOON_MS: u64 = 60_000;

/// The pause before the next try, for lines that have been missing for so long.
fn again_after(missing_for_ms: u64) -> Duration {
    if missing_for_ms < SOON_MS { AGAIN_SOON } else { AGAIN_LATER }
}

/// Lines, and what their edges mean.
struct Watched<L> {
    lines: L,
    control: Control,
}

/// Asks for the lines of an input.
fn open(chips: &Chips, input: &InputName, trigger: &Trigger) -> Result<(Box<dyn Lines>, Control), LineError> {
    match trigger {
        Trigger::Line { chip, line, contact } => {
            let (lines, are_closed) = chips.read(chip, &[*line], *contact)?;
            Ok((lines, Control::button(input.clone(), are_closed == [true])))
        }
        Trigger::Encoder { chip, lines, steps_per_detent, contact } => {
            let (lines, are_closed) = chips.read(chip, lines, *contact)?;
            let contacts = Contacts { a: are_closed.first() == Some(&true), b: are_closed.get(1) == Some(&true) };
            Ok((lines, Control::encoder(input.clone(), *steps_per_detent, contacts)))
        }
        Trigger::Key(_) | Trigger::DeviceKey { .. } | Trigger::Reader { .. } | Trigger::Pn532 { .. } => {
            unreachable!("it is on no line")
        }
    }
}

/// Reads until it is to stop, or nobody receives any more.
fn watch<L: Lines>(
    stop: &Stop,
    triggers: &Triggers,
    mut request: impl FnMut(&Triggers) -> Requested<L>,
    now_ms: &NowMs,
    sender: &mpsc::Sender<Message>,
    tell: &Tell,
) {
    // One descriptor that is readable while one of the inputs' is.
    let any = match epoll::create(epoll::CreateFlags::CLOEXEC) {
        Ok(any) => any,
        Err(error) => return error!(%error, "no GPIO line can be waited for; buttons and knobs are off"),
    };
    let mut watched: Vec<Watched<L>> = Vec::new();
    let mut missing = triggers.clone();
    let mut missing_since_ms = now_ms();
    let mut said: BTreeMap<InputName, String> = BTreeMap::new();
    let mut is_received = true;
    loop {
        for (name, requested) in if missing.is_empty() { Vec::new() } else { request(&missing) } {
            let added = requested.and_then(|(lines, control)| {
                epoll::add(&any, &lines, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
                    .map_err(|error| StartError::Thread(error.into()))?;
                Ok(Watched { lines, control })
            });
            match added {
                Ok(mut added) => {
                    missing.remove(&name);
                    if said.remove(&name).is_some() {
                        tell(&name, None);
                    }
                    if let Some(message) = added.control.begin(now_ms()) {
                        is_received &= sender.blocking_send(message).is_ok();
                    }
                    watched.push(added);
                }
                Err(error) => {
                    let words = error.to_string();
                    if said.get(&name) != Some(&words) {
                        tell(&name, Some(&error));
                        said.insert(name, words);
                    }
                }
            }
        }
        let pause = again_after(now_ms().saturating_sub(missing_since_ms));
        match stop.wait(&any, (!missing.is_empty()).then_some(pause)) {
            Ok(Awaited::Stop) => return,
            Ok(Awaited::Nothing) => continue,
            Ok(Awaited::Device(_)) => {}
            Err(error) => return error!(%error, "GPIO lines can't be waited for; buttons and knobs are off"),
        }
        watched.retain_mut(|Watched { lines, control }| {
            let taken = take(lines, control, now_ms, |message| is_received &= sender.blocking_send(message).is_ok());
            // Dropped, its descriptor leaves the gathering; asked for again, it says why it is off.
            taken
                .inspect_err(|error| {
                    warn!(input = %control.input(), %error, "an input's lines are gone");
                    let name = control.input();
                    missing_since_ms = now_ms();
                    missing.extend(triggers.get(name).map(|trigger| (name.clone(), trigger.clone())));
                })
                .is_ok()
        });
        if !is_received {
            return;
        }
    }
}

/// Takes all edges that there are.
fn take(
    lines: &mut impl Lines,
    control: &mut Control,
    now_ms: &NowMs,
    mut send: impl FnMut(Message),
) -> io::Result<()> {
    let mut lost = 0;
    while let Some(edge) = lines.next()? {
        lost += control.lost_before(edge.number);
        let at_ms = now_ms().saturating_sub(edge.ago_ms);
        control.edge(edge.line, edge.is_closed, at_ms).into_iter().for_each(&mut send);
    }
    // What the levels are now is known after the newest edge: the kernel drops the oldest ones. A gap is nothing to warn of.
    // The kernel numbers an edge when it happens and reads the level a little later, so that each contact that bounces
    // within that time makes one.
    if lost > 0 {
        debug!(input = %control.input(), lost, "edges of an input came faster than the kernel could read them");
        control.find(&lines.are_closed()?, now_ms()).into_iter().for_each(&mut send);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
