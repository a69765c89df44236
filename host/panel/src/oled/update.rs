//! What of a frame has to be sent.

use crate::frame::Frame;

/// Bytes that did not change are sent again where as many or fewer of them stand between two that did: to say where the
/// next byte belongs takes two messages, of seven bytes and a half together.
const WORTH_A_GAP: usize = 7;

/// Bytes of one page, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) page: u8,
    pub(super) column: u8,
    pub(super) length: u8,
}

/// What has to be sent to a chip whose memory holds `before`, from the left to the right and from the top to the bottom.
/// Everything, where that is not known.
pub(super) fn plan_updates(before: Option<&Frame>, after: &Frame) -> Vec<Update> {
    let width = after.size().width() as usize;
    let before = before.filter(|before| before.size() == after.size());
    let mut updates = Vec::new();
    for (page, bytes) in (0_u8..).zip(after.bytes().chunks(width)) {
        let old = before.and_then(|before| before.bytes().chunks(width).nth(page.into()));
        let changed = |column: &usize| old.is_none_or(|old| old.get(*column) != bytes.get(*column));
        let mut columns = (0..width).filter(changed).peekable();
        while let Some(first) = columns.next() {
            let mut last = first;
            while let Some(next) = columns.next_if(|next| next - last <= WORTH_A_GAP + 1) {
                last = next;
            }
            let part = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
            updates.push(Update { page, column: part(first), length: part(last - first + 1) });
        }
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameSize;

    /// A frame with these bytes of these pages set.
    fn frame(size: FrameSize, set: &[(usize, usize)]) -> Frame {
        let mut bytes = Frame::new(size).bytes().to_vec();
        for (page, column) in set {
            bytes[page * size.width() as usize + column] = 0xff;
        }
        Frame::from_pages(size.width(), size.height(), &bytes).unwrap()
    }

    #[test]
    fn only_what_changed_is_sent_and_short_gaps_with_it() {
        // Pages and columns that are set before and after; page, column and length of what is sent.
        type Set = &'static [(usize, usize)];
        let table: [(Set, Set, &[(u8, u8, u8)]); 8] = [
            (&[], &[], &[]),
            (&[(1, 5)], &[(1, 5)], &[]),
            (&[(1, 5)], &[], &[(1, 5, 1)]),
            (&[], &[(0, 0), (3, 127)], &[(0, 0, 1), (3, 127, 1)]),
            (&[], &[(2, 10), (2, 18)], &[(2, 10, 9)]),
            (&[], &[(2, 10), (2, 19)], &[(2, 10, 1), (2, 19, 1)]),
            (&[(2, 10)], &[(2, 14), (2, 40)], &[(2, 10, 5), (2, 40, 1)]),
            (&[], &[(0, 127), (1, 0)], &[(0, 127, 1), (1, 0, 1)]),
        ];
        for (before, after, expected) in table {
            let updates = plan_updates(Some(&frame(FrameSize::Low, before)), &frame(FrameSize::Low, after));
            let updates: Vec<_> = updates.iter().map(|update| (update.page, update.column, update.length)).collect();
            assert_eq!(updates, expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn everything_is_sent_where_nothing_is_known() {
        let small = frame(FrameSize::Small, &[]);
        let expected: Vec<_> = (0..5).map(|page| Update { page, column: 0, length: 72 }).collect();
        assert_eq!(plan_updates(None, &small), expected);
        assert_eq!(plan_updates(Some(&frame(FrameSize::Low, &[])), &small), expected);
    }
}
