//! From the two contacts of a rotary encoder to detents: the places at which its knob rests.
//!
//! What it deliberately does not know: which lines the contacts have, and what a detent means. A turn shows as the four
//! pairs of levels in Gray code: both open, A closed, both closed, B closed. So each edge is a step forward or back, and a
//! contact that bounces steps to and fro. Detents are counted where a knob rests, and rounded there: with four steps to a
//! detent a missed edge costs nothing, and a knob that is let go half-way stays where it was.

/// How many steps lie between two detents. It depends on the encoder: the data sheet tells pulses and detents a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepsPerDetent {
    /// As many detents as edges.
    One,
    /// Twice as many detents as pulses: it rests with both contacts open, and with both closed.
    Two,
    /// As many detents as pulses: it rests with both contacts open. The usual kind.
    Four,
}

impl StepsPerDetent {
    fn count(self) -> i32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// One of the two contacts. With A closing first the knob turns forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// The first line.
    A,
    /// The second line.
    B,
}

/// What is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contacts {
    /// A is closed.
    pub a: bool,
    /// B is closed.
    pub b: bool,
}

impl Contacts {
    /// The place in the Gray code, 0 to 3.
    fn place(self) -> i32 {
        match (self.a, self.b) {
            (false, false) => 0,
            (true, false) => 1,
            (true, true) => 2,
            (false, true) => 3,
        }
    }
}

/// Counts the detents of one encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoder {
    steps_per_detent: StepsPerDetent,
    contacts: Contacts,
    /// Steps since the last detent; forward where positive. None before the knob was first seen at rest: lines whose pull was
    /// just switched on may read closed for a moment.
    steps: Option<i32>,
}

impl Decoder {
    /// An encoder whose contacts were found like this.
    #[must_use]
    pub fn new(steps_per_detent: StepsPerDetent, contacts: Contacts) -> Self {
        let mut decoder = Self { steps_per_detent, contacts, steps: None };
        decoder.steps = decoder.is_resting_place().then_some(0);
        decoder
    }

    /// A contact closed or opened. By how many detents the knob has gone on; back where negative.
    pub fn edge(&mut self, contact: Contact, is_closed: bool) -> i32 {
        let mut contacts = self.contacts;
        match contact {
            Contact::A => contacts.a = is_closed,
            Contact::B => contacts.b = is_closed,
        }
        self.find(contacts)
    }

    /// The contacts were found like this, perhaps after edges that nobody saw. As for [`Decoder::edge`].
    pub fn find(&mut self, contacts: Contacts) -> i32 {
        let places = (contacts.place() - self.contacts.place()).rem_euclid(4);
        self.contacts = contacts;
        let rests = self.is_resting_place();
        let Some(steps) = self.steps else {
            self.steps = rests.then_some(0);
            return 0;
        };
        let steps = match places {
            1 => steps + 1,
            3 => steps - 1,
            // Both at once: an edge was missed. On through the place between, in the direction of so far.
            2 => steps + 2 * steps.signum(),
            _ => steps,
        };
        if !rests {
            self.steps = Some(steps);
            return 0;
        }
        self.steps = Some(0);
        let count = self.steps_per_detent.count();
        (steps + steps.signum() * (count / 2)) / count
    }

    fn is_resting_place(&self) -> bool {
        match self.steps_per_detent {
            StepsPerDetent::One => true,
            StepsPerDetent::Two => self.contacts.a == self.contacts.b,
            StepsPerDetent::Four => self.contacts.place() == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: Contacts = Contacts { a: false, b: false };

    /// The detents of a text of edges: `A` closes A, `a` opens it; B likewise. `*`: both changed, and one edge was missed.
    fn detents(steps_per_detent: StepsPerDetent, edges: &str) -> Vec<i32> {
        let mut decoder = Decoder::new(steps_per_detent, OPEN);
        let detents = edges.chars().map(|edge| match edge {
            'A' | 'a' => decoder.edge(Contact::A, edge == 'A'),
            'B' | 'b' => decoder.edge(Contact::B, edge == 'B'),
            _ => decoder.find(Contacts { a: !decoder.contacts.a, b: !decoder.contacts.b }),
        });
        detents.filter(|detents| *detents != 0).collect()
    }

    #[test]
    fn turns_are_counted_where_the_knob_rests() {
        use StepsPerDetent::{Four, One, Two};
        let table: &[(&str, StepsPerDetent, &str, &[i32])] = &[
            ("a detent forward", Four, "ABab", &[1]),
            ("a detent back", Four, "BAba", &[-1]),
            ("forward and back", Four, "ABabBAba", &[1, -1]),
            ("a contact that bounces", Four, "AaAaABbBaAabBb", &[1]),
            ("let go half-way, forward", Four, "ABba", &[]),
            ("let go half-way, back", Four, "BAab", &[]),
            ("a trembling hand", Four, "AaBbAaBb", &[]),
            ("one edge missed", Four, "A*b", &[1]),
            ("one edge missed going back", Four, "B*a", &[-1]),
            ("two missed: the direction is not known", Four, "**", &[]),
            ("two detents a pulse", Two, "ABab", &[1, 1]),
            ("two detents a pulse, back", Two, "BAba", &[-1, -1]),
            ("two detents a pulse, let go half-way", Two, "AaBb", &[]),
            ("a detent at each edge", One, "ABab", &[1, 1, 1, 1]),
            ("a detent at each edge, bouncing", One, "AaAB", &[1, -1, 1, 1]),
            ("the same level again", Four, "AABBaabb", &[1]),
        ];
        for (name, steps_per_detent, edges, expected) in table {
            assert_eq!(detents(*steps_per_detent, edges), *expected, "{name}");
        }
    }

    #[test]
    fn contacts_that_open_after_the_start_turn_nothing() {
        let mut decoder = Decoder::new(StepsPerDetent::Four, Contacts { a: true, b: true });
        assert_eq!(decoder.edge(Contact::A, false), 0);
        assert_eq!(decoder.edge(Contact::B, false), 0);
        let turn = [(Contact::A, true), (Contact::B, true), (Contact::A, false), (Contact::B, false)];
        assert_eq!(turn.map(|(contact, is_closed)| decoder.edge(contact, is_closed)), [0, 0, 0, 1]);
    }

    proptest! {
        /// However contacts bounce, a knob that went so far arrives there.
        #[test]
        fn bouncing_contacts_move_nothing(
            turns in prop::collection::vec(any::<bool>(), 0..50),
            bounces in prop::collection::vec(0..4_usize, 200),
        ) {
            let mut decoder = Decoder::new(StepsPerDetent::Four, OPEN);
            let mut bounces = bounces.into_iter().cycle();
            let mut counted = 0;
            for forward in &turns {
                let [first, second] = if *forward { [Contact::A, Contact::B] } else { [Contact::B, Contact::A] };
                for (contact, closes) in [(first, true), (second, true), (first, false), (second, false)] {
                    for _ in 0..bounces.next().unwrap_or_default() {
                        counted += decoder.edge(contact, closes) + decoder.edge(contact, !closes);
                    }
                    counted += decoder.edge(contact, closes);
                }
            }
            let went: i32 = turns.iter().map(|forward| if *forward { 1 } else { -1 }).sum();
            prop_assert_eq!(counted, went);
        }
    }
}
