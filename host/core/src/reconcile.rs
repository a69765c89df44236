//! What comparing a service's rows with the ledger comes to, row by row.
//!
//! Deliberately unknown here: how rows are read back and where they are kept. A row is called missing only where nothing else
//! can explain that it was not seen: what is missing may be delivered again.

use serde::{Deserialize, Serialize};

/// What the ledger knows of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was delivered.
    Delivered {
        /// With its key, by which it would be recognised.
        identified: bool,
        /// To where it was looked for.
        here: bool,
        /// A correction goes in its place.
        replaced: bool,
    },
    /// It was not delivered yet.
    Pending,
    /// It is set aside, and is not delivered.
    Aside,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowStatus {
    /// It is there as it was delivered.
    There,
    /// It was delivered, and is not there.
    Missing,
    /// It is there, and somebody changed it.
    Changed,
    /// It is there more than once.
    Doubled,
    /// It was delivered without its key: whether it is there can't be told.
    Unknown,
    /// It was delivered to another place than was looked at.
    Elsewhere,
    /// It was delivered and is not there, and a correction goes in its place: somebody may have tidied up.
    Replaced,
    /// It is still to be delivered.
    Pending,
    /// It is set aside.
    SetAside,
}

/// Judges a row by what the ledger knows, how often it was seen, and whether one of these times it looked otherwise than it
/// was delivered.
#[must_use]
pub fn judge(known: Known, seen: usize, changed: bool) -> RowStatus {
    match (seen, known) {
        (0, Known::Aside) => RowStatus::SetAside,
        (0, Known::Pending) => RowStatus::Pending,
        (0, Known::Delivered { here: false, .. }) => RowStatus::Elsewhere,
        (0, Known::Delivered { identified: false, .. }) => RowStatus::Unknown,
        (0, Known::Delivered { replaced: true, .. }) => RowStatus::Replaced,
        (0, Known::Delivered { .. }) => RowStatus::Missing,
        (1, _) if changed => RowStatus::Changed,
        (1, _) => RowStatus::There,
        _ => RowStatus::Doubled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_missing_only_where_nothing_else_explains_it() {
        let delivered = |identified, here| Known::Delivered { identified, here, replaced: false };
        let replaced = |identified, here| Known::Delivered { identified, here, replaced: true };
        let table = [
            (delivered(true, true), RowStatus::Missing),
            (delivered(false, true), RowStatus::Unknown),
            (delivered(true, false), RowStatus::Elsewhere),
            (delivered(false, false), RowStatus::Elsewhere),
            (replaced(true, true), RowStatus::Replaced),
            (replaced(false, true), RowStatus::Unknown),
            (replaced(true, false), RowStatus::Elsewhere),
            (Known::Pending, RowStatus::Pending),
            (Known::Aside, RowStatus::SetAside),
        ];
        for (known, unseen) in table {
            assert_eq!(judge(known, 0, false), unseen);
            // What was seen is there, whatever is known.
            assert_eq!(judge(known, 1, false), RowStatus::There);
            assert_eq!(judge(known, 1, true), RowStatus::Changed);
            for seen in [2, 9] {
                assert_eq!([false, true].map(|changed| judge(known, seen, changed)), [RowStatus::Doubled; 2]);
            }
        }
    }
}
