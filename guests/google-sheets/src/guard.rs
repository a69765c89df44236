//! Guard: metadata that lets only one of those add columns who saw the same ones.
//!
//! Where new columns come depends on which there are. Two sinks or devices that look at the same moment see the same, and
//! would both write to the same place. So the id of a guard follows from what was seen: it can't be created twice, and
//! whoever comes second is refused and looks again. It is attached to the first of the new columns: when a person deletes
//! that, so that the tab looks as it did before, the guard is gone too.

/// Key of the metadata; its value is how many columns the tab had.
pub(crate) const KEY: &str = "punchcard.extension";

/// The id for a tab that was seen with so many columns and with metadata of these ids on them. It is odd, as no mark's is,
/// and none of those that are `taken`. All that see the same come to the same, whatever compiler built them.
pub(crate) fn id(tab: i32, width: u32, columns: &[i32], taken: &[i32]) -> i32 {
    // From the lowest id to the highest; sorting them would be a fiftieth of this component.
    let next = |last: Option<i32>| columns.iter().copied().filter(|id| Some(*id) > last).min();
    let sorted = std::iter::successors(next(None), |last| next(Some(*last)));
    let seen = [tab.to_le_bytes(), width.to_le_bytes()].into_iter().chain(sorted.map(i32::to_le_bytes));
    // FNV-1a, whose high bits are the better ones.
    let hash = seen
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut id = i32::try_from(hash >> 33).unwrap_or(i32::MAX) | 1;
    while taken.contains(&id) {
        id = id.checked_add(2).unwrap_or(1);
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_that_see_the_same_come_to_the_same() {
        assert_eq!(id(7, 2, &[11, 5], &[]), id(7, 2, &[5, 11], &[]));
        // Devices of different versions write to one sheet.
        assert_eq!(id(2_046_803_938, 8, &[11, 5], &[]), 1_091_733_223);
    }

    #[test]
    fn what_is_seen_otherwise_has_another_id_and_all_are_positive_and_odd() {
        let seen =
            [(7, 2, &[5, 11][..]), (8, 2, &[5, 11]), (7, 3, &[5, 11]), (7, 2, &[5]), (7, 2, &[5, 12]), (7, 2, &[])];
        let ids: BTreeSet<_> = seen.iter().map(|(tab, width, columns)| id(*tab, *width, columns, &[])).collect();
        assert_eq!(ids.len(), seen.len());
        assert!(ids.iter().all(|id| *id > 0 && id % 2 == 1), "{ids:?}");
    }

    #[test]
    fn an_id_that_is_taken_is_passed_over() {
        let first = id(7, 2, &[5], &[]);
        assert_eq!(id(7, 2, &[5], &[first]), first + 2);
        assert_eq!(id(7, 2, &[5], &[first, first + 2]), first + 4);
    }
}
