//! When an event happened, as a cell that says how sure that is.

use crate::{Cell, Certainty, Event, Instant};

impl Event {
    /// The cell of its moment, which is marked where the moment is a guess.
    #[must_use]
    pub fn moment(&self) -> Cell {
        self.certainty.moment(self.at)
    }
}

impl Certainty {
    /// The cell of a moment that is this certain.
    #[must_use]
    pub fn moment(self, at: Instant) -> Cell {
        match self {
            Self::Known => Cell::Moment(at),
            Self::Estimated => Cell::Estimated(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_certain_as_its_event() {
        let at = Instant { unix_micros: 1, utc_offset_minutes: 60 };
        let event = |certainty| Event {
            id: "01J".into(),
            at,
            certainty,
            source: "clock".into(),
            kind: "punch".into(),
            fields: vec![],
        };
        assert_eq!(event(Certainty::Known).moment(), Cell::Moment(at));
        assert_eq!(event(Certainty::Estimated).moment(), Cell::Estimated(at));
    }
}
