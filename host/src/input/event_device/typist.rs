//! What the keys of one device mean: numbers of badges, or buttons.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

use punchcard_core::badge::{BadgeNumber, BadgeRead, Typing, UnreadReason};
use punchcard_core::input::{Edge, Motion};
use punchcard_core::key::Key;
use punchcard_core::key::code::Buttons;
use punchcard_core::name::InputName;
use tracing::warn;

use super::super::watching::Source;
use super::super::{Message, NowMs};

/// What is on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hands {
    /// What is typed there is the number of a badge.
    Reader(InputName),
    /// Keys that are buttons.
    Buttons(BTreeMap<Key, InputName>),
}

impl Hands {
    /// All inputs that it is.
    pub(super) fn inputs(&self) -> Vec<&InputName> {
        match self {
            Self::Reader(input) => vec![input],
            Self::Buttons(buttons) => buttons.values().collect(),
        }
    }
}

/// What the kernel says that happened at a device (`struct input_event`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawEvent {
    /// When, by the wall clock.
    pub(super) at: SystemTime,
    /// `type`: [`EV_SYN`], [`EV_KEY`] and others, of which nothing is made.
    pub(super) kind: u16,
    /// Of a key, which.
    pub(super) code: u16,
    /// Of a key: 0 it went up, 1 down, 2 it is held.
    pub(super) value: i32,
}

// As `linux/input-event-codes.h` has them.
pub(super) const EV_SYN: u16 = 0;
pub(super) const EV_KEY: u16 = 1;
pub(super) const SYN_REPORT: u16 = 0;
pub(super) const SYN_DROPPED: u16 = 3;

/// A device that has keys.
pub(super) trait KeyDevice: AsFd {
    /// What happened since it was last asked. Nothing: nothing more, for now.
    fn fetch(&mut self) -> io::Result<Vec<RawEvent>>;

    /// The wall clock, by which the kernel stamps what happens.
    fn wall(&self) -> SystemTime;
}

/// The kernel's stamps are by the wall clock, which may be set at any moment: no older than this is believed.
const OLDEST: Duration = Duration::from_secs(5);

/// A device and what its keys mean.
pub(super) struct Typist<D> {
    device: D,
    keys: Keys,
    /// The kernel dropped something. What comes until it says that a report is whole belongs to what was dropped.
    is_dropping: bool,
}

enum Keys {
    Reader(InputName, Typing),
    Buttons(Buttons<InputName>),
}

impl<D> Typist<D> {
    pub(super) fn new(device: D, hands: &Hands) -> Self {
        let keys = match hands {
            Hands::Reader(input) => Keys::Reader(input.clone(), Typing::new(0)),
            Hands::Buttons(buttons) => Keys::Buttons(Buttons::new(buttons.clone())),
        };
        Self { device, keys, is_dropping: false }
    }
}

impl<D: KeyDevice> Typist<D> {
    fn happen(&mut self, event: RawEvent, now_ms: u64, send: &mut dyn FnMut(Message)) {
        let happened_for = self.device.wall().duration_since(event.at).unwrap_or_default();
        let ago = if happened_for > OLDEST { Duration::ZERO } else { happened_for };
        let at_ms = now_ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(0));
        match (event.kind, event.code) {
            (EV_SYN, SYN_DROPPED) => self.is_dropping = true,
            (EV_SYN, SYN_REPORT) if self.is_dropping => {
                // Which keys are held is not asked for: the kernel drops all keys that it has not told yet when it says so.
                self.is_dropping = false;
                self.keys.lose(at_ms).into_iter().for_each(send);
            }
            (EV_KEY, code) if !self.is_dropping => {
                let motion = match event.value {
                    0 => Motion::Up,
                    1 => Motion::Down,
                    _ => Motion::Repeat,
                };
                self.keys.key(code, motion, at_ms).into_iter().for_each(send);
            }
            _ => {}
        }
    }
}

impl Keys {
    fn key(&mut self, code: u16, motion: Motion, at_ms: u64) -> Vec<Message> {
        match self {
            Self::Reader(input, typing) => {
                let given_up = typing.elapse(at_ms).map(Err);
                let read = typing.key(code, motion, at_ms);
                [given_up, read].into_iter().flatten().map(|number| badge(input, number, at_ms)).collect()
            }
            Self::Buttons(buttons) => {
                let moved = buttons.key(code, motion);
                moved.map(|(input, motion)| Message::Edge(Edge { input, motion, at_ms })).into_iter().collect()
            }
        }
    }

    /// The kernel dropped keys.
    fn lose(&mut self, at_ms: u64) -> Vec<Message> {
        match self {
            Self::Reader(input, typing) => {
                warn!(%input, "keys of a reader came faster than they could be read");
                typing.lose(at_ms);
                Vec::new()
            }
            Self::Buttons(buttons) => {
                let up = |input| Message::Edge(Edge { input, motion: Motion::Up, at_ms });
                buttons.lose().into_iter().map(up).collect()
            }
        }
    }
}

fn badge(input: &InputName, number: Result<BadgeNumber, UnreadReason>, at_ms: u64) -> Message {
    Message::Badge(BadgeRead { input: input.clone(), number, at_ms })
}

impl<D: AsFd> AsFd for Typist<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl<D: KeyDevice> Source for Typist<D> {
    /// A button is up: it may have been let go while nobody read, and who heard it go down would wait for that for ever.
    fn begin(&mut self, now_ms: u64) -> Vec<Message> {
        match &mut self.keys {
            Keys::Reader(_, typing) => {
                *typing = Typing::new(now_ms);
                Vec::new()
            }
            Keys::Buttons(buttons) => {
                let up =
                    |input: &InputName| Message::Edge(Edge { input: input.clone(), motion: Motion::Up, at_ms: now_ms });
                buttons.inputs().map(up).collect()
            }
        }
    }

    fn take(&mut self, now_ms: &NowMs, send: &mut dyn FnMut(Message)) -> io::Result<()> {
        loop {
            let events = self.device.fetch()?;
            if events.is_empty() {
                return Ok(());
            }
            for event in events {
                self.happen(event, now_ms(), send);
            }
        }
    }

    fn due_ms(&self) -> Option<u64> {
        match &self.keys {
            Keys::Reader(_, typing) => typing.due_ms(),
            Keys::Buttons(_) => None,
        }
    }

    fn elapse(&mut self, now_ms: u64) -> Option<Message> {
        match &mut self.keys {
            Keys::Reader(input, typing) => typing.elapse(now_ms).map(|reason| badge(input, Err(reason), now_ms)),
            Keys::Buttons(_) => None,
        }
    }
}
