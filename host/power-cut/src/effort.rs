//! What operations ask of a disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::Operation;

/// What most file systems write at least, in bytes: also for one byte of it, and all of it again for the next.
const BLOCK: u64 = 4096;

/// What some operations asked of the disk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Bytes that the program wrote.
    pub asked_bytes: u64,
    /// Bytes that the file system wrote for it: every block of 4 KiB that was touched, once for each time that it was made
    /// durable. What was not made durable counts as if it was at the end. What a file system writes about files that grow
    /// or get names, in a journal of its own, does not count.
    pub block_bytes: u64,
    /// How often something was to be made durable, the folder included.
    pub flushes: u64,
}

impl Effort {
    /// Of these operations, from the first to the last.
    #[must_use]
    pub fn of(operations: &[Operation]) -> Self {
        let mut effort = Self::default();
        let mut dirty: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        let size = |blocks: BTreeSet<u64>| blocks.len() as u64 * BLOCK;
        for operation in operations {
            match operation {
                Operation::Write { file, offset, bytes } if !bytes.is_empty() => {
                    let length = bytes.len() as u64;
                    effort.asked_bytes += length;
                    dirty.entry(file).or_default().extend(offset / BLOCK..=(offset + length - 1) / BLOCK);
                }
                Operation::Sync { file } => {
                    effort.flushes += 1;
                    effort.block_bytes += dirty.remove(file.as_str()).map_or(0, size);
                }
                Operation::SyncFolder | Operation::SyncRefused { .. } => effort.flushes += 1,
                Operation::Write { .. }
                | Operation::Create { .. }
                | Operation::Resize { .. }
                | Operation::Rename { .. }
                | Operation::Remove { .. } => {}
            }
        }
        effort.block_bytes += dirty.into_values().map(size).sum::<u64>();
        effort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &str, offset: u64, length: usize) -> Operation {
        Operation::Write { file: file.to_owned(), offset, bytes: vec![7; length] }
    }

    fn sync(file: &str) -> Operation {
        Operation::Sync { file: file.to_owned() }
    }

    #[test]
    fn a_block_counts_once_for_each_time_that_it_is_made_durable() {
        let effort = |asked_bytes, blocks, flushes| Effort { asked_bytes, block_bytes: blocks * BLOCK, flushes };
        let table = [
            (vec![], effort(0, 0, 0)),
            (vec![write("a", 0, 1), sync("a")], effort(1, 1, 1)),
            (vec![write("a", 4095, 1), write("a", 0, 9), sync("a")], effort(10, 1, 1)),
            (vec![write("a", 4095, 2), sync("a")], effort(2, 2, 1)),
            (vec![write("a", 4096, 4096), sync("a")], effort(4096, 1, 1)),
            (vec![write("a", 0, 1), sync("a"), write("a", 1, 1), sync("a")], effort(2, 2, 2)),
            (vec![write("a", 0, 1), write("b", 0, 1), sync("b")], effort(2, 2, 1)),
            (vec![write("a", 0, 0), sync("a"), Operation::SyncFolder], effort(0, 0, 2)),
        ];
        for (operations, expected) in table {
            assert_eq!(Effort::of(&operations), expected, "{operations:?}");
        }
    }
}
