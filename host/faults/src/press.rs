//! What was pressed, and what of it is in the sheet.

/// The keys, in the order in which they are pressed again and again: that tells a press from its neighbours. All digits and
/// letters, but for the one that ends the host.
pub(crate) const KEYS: [&str; 35] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
    "n", "o", "p", "r", "s", "t", "u", "v", "w", "x", "y", "z",
];

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Press {
    pub(crate) key: &'static str,
    /// The device said that it is recorded.
    pub(crate) is_acknowledged: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Presses {
    pub(crate) all: Vec<Press>,
}

/// What a sheet holds of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Acknowledged presses without a row in their place.
    pub(crate) lost: usize,
    /// Rows without a press of their own in that place.
    pub(crate) doubled: usize,
}

impl Presses {
    /// The key to press next.
    pub(crate) fn next(&mut self) -> &'static str {
        let key = KEYS[self.all.len() % KEYS.len()];
        self.all.push(Press { key, is_acknowledged: false });
        key
    }

    /// The device says that the last one is recorded. Whether it had not said so before.
    pub(crate) fn acknowledge_last(&mut self) -> bool {
        match self.all.last_mut() {
            Some(last) => !std::mem::replace(&mut last.is_acknowledged, true),
            None => false,
        }
    }

    /// The key that is next.
    pub(crate) fn peek(&self) -> &'static str {
        KEYS[self.all.len() % KEYS.len()]
    }

    /// The last one was refused: nobody takes it for recorded, and no row may come of it.
    pub(crate) fn forget_last(&mut self) {
        self.all.pop();
    }

    /// The ledger is lost, which alone held these, from the one of this number on: they may be rows or not.
    pub(crate) fn doubt_from(&mut self, number: usize) {
        for press in self.all.iter_mut().skip(number) {
            press.is_acknowledged = false;
        }
    }

    /// How many are acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.all.iter().filter(|press| press.is_acknowledged).count()
    }

    /// Compares them with the keys of a sheet's rows, from above: as many as possible are matched in order. A press that was
    /// not acknowledged may have its row or not.
    pub(crate) fn compare(&self, rows: &[&str]) -> Comparison {
        // The longest common subsequence, by how many presses and how many acknowledged ones are in it.
        let mut above = vec![(0, 0); rows.len() + 1];
        for press in &self.all {
            let mut line = vec![(0, 0)];
            for (at, row) in rows.iter().enumerate() {
                let mut best = above[at + 1].max(line[at]);
                if *row == press.key {
                    let (matched, acknowledged) = above[at];
                    best = best.max((matched + 1, acknowledged + usize::from(press.is_acknowledged)));
                }
                line.push(best);
            }
            above = line;
        }
        let (matched, acknowledged) = above[rows.len()];
        Comparison { lost: self.acknowledged() - acknowledged, doubled: rows.len() - matched }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five presses, of which the device did not say that the third is recorded.
    fn presses() -> Presses {
        let mut presses = Presses::default();
        for number in 0..5 {
            presses.next();
            if number != 2 {
                presses.acknowledge_last();
            }
        }
        presses
    }

    #[test]
    fn every_acknowledged_press_has_one_row_in_order() {
        let presses = presses();
        assert_eq!(presses.acknowledged(), 4);
        let table: [(&[&str], usize, usize); 8] = [
            (&["1", "2", "3", "4", "5"], 0, 0),
            (&["1", "2", "4", "5"], 0, 0),
            (&["1", "2", "3", "4"], 1, 0),
            (&["1", "2", "2", "4", "5"], 0, 1),
            (&["1", "2", "4", "5", "5"], 0, 1),
            (&["1", "4", "2", "5"], 1, 1),
            (&["1", "2", "x", "5"], 1, 1),
            (&[], 4, 0),
        ];
        for (rows, lost, doubled) in table {
            assert_eq!(presses.compare(rows), Comparison { lost, doubled }, "{rows:?}");
        }
    }

    #[test]
    fn a_press_is_acknowledged_once() {
        let mut presses = Presses::default();
        assert!(!presses.acknowledge_last(), "there is none");
        presses.next();
        assert!(presses.acknowledge_last());
        assert!(!presses.acknowledge_last());
    }
}
