//! What the edges of an input's lines mean: a button that goes down or up, a knob that turns by detents. Pure; times are
//! given.

use punchcard_core::encoder::{Contact, Contacts, Decoder, StepsPerDetent};
use punchcard_core::input::{Edge, Motion, Turn};
use punchcard_core::name::InputName;

use super::super::Message;

/// One input.
pub(super) struct Control {
    input: InputName,
    kind: Kind,
    /// The number of the last edge. The kernel counts from 1.
    last: u32,
}

enum Kind {
    /// A button, and whether it is down.
    Button(bool),
    Encoder(Decoder),
}

impl Control {
    /// A button. One that is held now is not pressed by that.
    pub(super) fn button(input: InputName, is_down: bool) -> Self {
        Self { input, kind: Kind::Button(is_down), last: 0 }
    }

    pub(super) fn encoder(input: InputName, steps_per_detent: StepsPerDetent, contacts: Contacts) -> Self {
        Self { input, kind: Kind::Encoder(Decoder::new(steps_per_detent, contacts)), last: 0 }
    }

    pub(super) fn input(&self) -> &InputName {
        &self.input
    }

    /// What is said when reading begins. A button that is open is up: it may have been let go while nobody read, and who heard
    /// it go down would wait for that for ever.
    pub(super) fn begin(&mut self, at_ms: u64) -> Option<Message> {
        match self.kind {
            Kind::Button(false) => self.button_is(false, at_ms),
            _ => None,
        }
    }

    /// How many edges were lost before this one. The numbers wrap. One that comes late was counted when it was missed.
    pub(super) fn lost_before(&mut self, number: u32) -> u32 {
        let ahead = number.wrapping_sub(self.last);
        if ahead.cast_signed() <= 0 {
            return 0;
        }
        self.last = number;
        ahead - 1
    }

    /// A contact closed or opened. The first line of an encoder is A, the second B.
    pub(super) fn edge(&mut self, line: usize, is_closed: bool, at_ms: u64) -> Option<Message> {
        match &mut self.kind {
            Kind::Button(_) => self.button_is(is_closed, at_ms),
            Kind::Encoder(decoder) => {
                let contact = if line == 0 { Contact::A } else { Contact::B };
                let detents = decoder.edge(contact, is_closed);
                self.turned(detents, at_ms)
            }
        }
    }

    /// After edges that were lost, the contacts are like this.
    pub(super) fn find(&mut self, are_closed: &[bool], at_ms: u64) -> Option<Message> {
        match (&mut self.kind, are_closed) {
            (Kind::Button(is_down), [is_closed]) if is_down != is_closed => self.button_is(*is_closed, at_ms),
            (Kind::Encoder(decoder), [a, b]) => {
                let detents = decoder.find(Contacts { a: *a, b: *b });
                self.turned(detents, at_ms)
            }
            _ => None,
        }
    }

    /// Said also where it was known: a contact that bounces within one reading of the kernel closes twice in a row.
    fn button_is(&mut self, is_closed: bool, at_ms: u64) -> Option<Message> {
        self.kind = Kind::Button(is_closed);
        let motion = if is_closed { Motion::Down } else { Motion::Up };
        Some(Message::Edge(Edge { input: self.input.clone(), motion, at_ms }))
    }

    fn turned(&self, detents: i32, at_ms: u64) -> Option<Message> {
        (detents != 0).then(|| Message::Turn(Turn { input: self.input.clone(), detents, at_ms }))
    }
}
