//! Files as a disk holds them: what is durable, and what is on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

/// What a disk writes whole, in bytes.
const SECTOR: usize = 512;

/// Something that happened to the files of a folder. Names are those in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// There is a new, empty file.
    Create {
        /// Its name.
        file: String,
    },
    /// Bytes were written; a file that is too short becomes longer.
    Write {
        /// Where to.
        file: String,
        /// From the file's beginning, in bytes.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file was cut or made longer.
    Resize {
        /// Which.
        file: String,
        /// To so many bytes.
        bytes: u64,
    },
    /// What was written to a file was made durable.
    Sync {
        /// Which.
        file: String,
    },
    /// A sync of a file was refused. As with Linux, what was written to it is read by whoever opens it and taken for written:
    /// a later sync does not try it again, but for sectors that are written anew. It may have arrived.
    SyncRefused {
        /// Which.
        file: String,
    },
    /// A file got another name. Whatever had it is gone.
    Rename {
        /// Its name before.
        from: String,
        /// And after.
        to: String,
    },
    /// A file's name was removed.
    Remove {
        /// Which.
        file: String,
    },
    /// The names in the folder were made durable.
    SyncFolder,
}

/// What becomes of that which was not made durable before the power failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It arrived: the program ended, and the system did not.
    Nothing,
    /// It is gone.
    Everything,
    /// Each sector arrived or not, by chance; names arrived up to some moment.
    ByChance {
        /// The same seed loses the same.
        seed: u64,
        /// Of 256 sectors or names, about so many are lost.
        share: u8,
    },
}

/// The files of a folder.
#[derive(Debug, Default, Clone)]
pub struct Disk {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Since the folder was synced.
    namings: Vec<Naming>,
}

#[derive(Debug, Default, Clone)]
struct Content {
    durable: Vec<u8>,
    /// Since the file was synced, in order, and what was given up before.
    changes: Vec<Change>,
    /// The numbers of sectors whose sync was refused, and which were not written since.
    given_up: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize { bytes: usize },
}

/// What a name stands for from now on.
#[derive(Debug, Clone)]
struct Naming {
    name: String,
    file: Option<usize>,
}

impl Operation {
    /// The file that it is done to, by the name before.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Create { file }
            | Self::Write { file, .. }
            | Self::Resize { file, .. }
            | Self::Sync { file }
            | Self::SyncRefused { file }
            | Self::Remove { file }
            | Self::Rename { from: file, .. } => Some(file),
            Self::SyncFolder => None,
        }
    }
}

impl Disk {
    /// The files of a folder as they are now, all of them durable. SQLite's shared memory is none of them: nothing of it is
    /// used after a start. Nobody in this process may have a database of this folder open: to close a file takes away the
    /// process's locks on it.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        let mut disk = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_file() && !name.ends_with("-shm") {
                disk.names.insert(name, disk.files.len());
                disk.files.push(Content { durable: fs::read(entry.path())?, ..Content::default() });
            }
        }
        disk.durable_names = disk.names.clone();
        Ok(disk)
    }

    /// Does to these files what was done to the real ones.
    ///
    /// # Panics
    /// When an operation names a file that is not there: then something was not recorded.
    pub fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { file } => {
                self.files.push(Content::default());
                self.name(file, Some(self.files.len() - 1));
            }
            Operation::Write { file, offset, bytes } => {
                self.content(file).write(size(*offset), bytes.clone());
            }
            Operation::Resize { file, bytes } => {
                self.content(file).resize(size(*bytes));
            }
            Operation::Sync { file } => self.content(file).sync(),
            Operation::SyncRefused { file } => self.content(file).give_up(),
            Operation::Rename { from, to } => {
                let file = self.number(from);
                self.name(from, None);
                self.name(to, Some(file));
            }
            Operation::Remove { file } => self.name(file, None),
            Operation::SyncFolder => {
                self.durable_names = self.names.clone();
                self.namings.clear();
            }
        }
    }

    /// What is left when the power fails now: the content of each file by its name.
    #[must_use]
    pub fn cut(&self, loss: Loss) -> BTreeMap<String, Vec<u8>> {
        let mut chance = Chance(if let Loss::ByChance { seed, .. } = loss { seed } else { 0 });
        let mut arrives = || match loss {
            Loss::Nothing => true,
            Loss::Everything => false,
            Loss::ByChance { share, .. } => chance.next() % 256 >= u64::from(share),
        };
        let mut names = self.durable_names.clone();
        // A journal keeps the order of names.
        for Naming { name, file } in &self.namings {
            if !arrives() {
                break;
            }
            match file {
                Some(file) => names.insert(name.clone(), *file),
                None => names.remove(name),
            };
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].cut(&mut arrives))).collect()
    }

    fn name(&mut self, name: &str, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(name.to_owned(), file),
            None => self.names.remove(name),
        };
        self.namings.push(Naming { name: name.to_owned(), file });
    }

    fn number(&self, name: &str) -> usize {
        let Some(file) = self.names.get(name) else {
            panic!("`{name}` is not there; was it made before the recording?")
        };
        *file
    }

    fn content(&mut self, name: &str) -> &mut Content {
        let file = self.number(name);
        &mut self.files[file]
    }
}

/// The numbers of the sectors in which these bytes are.
fn sectors(offset: usize, bytes: usize) -> Range<usize> {
    offset / SECTOR..(offset + bytes).div_ceil(SECTOR)
}

impl Content {
    fn write(&mut self, offset: usize, bytes: Vec<u8>) {
        for sector in sectors(offset, bytes.len()) {
            self.given_up.remove(&sector);
        }
        self.changes.push(Change::Write { offset, bytes });
    }

    fn resize(&mut self, bytes: usize) {
        self.given_up.retain(|sector| (sector + 1) * SECTOR <= bytes);
        self.changes.push(Change::Resize { bytes });
    }

    fn give_up(&mut self) {
        for change in &self.changes {
            if let Change::Write { offset, bytes } = change {
                self.given_up.extend(sectors(*offset, bytes.len()));
            }
        }
    }

    fn sync(&mut self) {
        let mut given_up: Vec<(usize, Vec<u8>)> = Vec::new();
        for change in &self.changes {
            match change {
                Change::Resize { bytes } => given_up.retain(|(offset, _)| offset / SECTOR * SECTOR + SECTOR <= *bytes),
                Change::Write { offset, bytes } => {
                    for sector in sectors(*offset, bytes.len()).filter(|sector| self.given_up.contains(sector)) {
                        let from = (sector * SECTOR).max(*offset);
                        let to = (sector * SECTOR + SECTOR).min(offset + bytes.len());
                        given_up.push((from, bytes[from - offset..to - offset].to_vec()));
                    }
                }
            }
        }
        let whole = self.cut(&mut || true);
        let before = std::mem::replace(&mut self.durable, whole);
        for sector in &self.given_up {
            let at = sector * SECTOR;
            let end = self.durable.len().min(at + SECTOR);
            for (at, byte) in (at..).zip(self.durable.get_mut(at..end).unwrap_or_default()) {
                *byte = before.get(at).copied().unwrap_or(0);
            }
        }
        // Each of them may have arrived.
        self.changes = given_up.into_iter().map(|(offset, bytes)| Change::Write { offset, bytes }).collect();
    }

    /// With those changes, and sectors of them, that arrive.
    fn cut(&self, arrives: &mut dyn FnMut() -> bool) -> Vec<u8> {
        let mut content = self.durable.clone();
        for change in &self.changes {
            match change {
                Change::Resize { bytes } => {
                    if arrives() {
                        content.resize(*bytes, 0);
                    }
                }
                Change::Write { offset, bytes } => {
                    let mut at = *offset;
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        let (sector, others) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                        if arrives() {
                            let end = at + sector.len();
                            content.resize(content.len().max(end), 0);
                            content[at..end].copy_from_slice(sector);
                        }
                        at += sector.len();
                        rest = others;
                    }
                }
            }
        }
        content
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `SplitMix64`: enough to lose sectors by chance, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (number ^ (number >> 31)) >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(operations: &[Operation]) -> Disk {
        let mut disk = Disk::default();
        operations.iter().for_each(|operation| disk.perform(operation));
        disk
    }

    fn create(file: &str) -> Operation {
        Operation::Create { file: file.to_owned() }
    }

    fn write(file: &str, offset: u64, bytes: &[u8]) -> Operation {
        Operation::Write { file: file.to_owned(), offset, bytes: bytes.to_vec() }
    }

    fn sync(file: &str) -> Operation {
        Operation::Sync { file: file.to_owned() }
    }

    fn rename(from: &str, to: &str) -> Operation {
        Operation::Rename { from: from.to_owned(), to: to.to_owned() }
    }

    fn files(entries: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
        entries.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect()
    }

    /// What is left with this many seeds, each once.
    fn by_chance(disk: &Disk) -> Vec<BTreeMap<String, Vec<u8>>> {
        let mut left: Vec<_> = (0..200).map(|seed| disk.cut(Loss::ByChance { seed, share: 128 })).collect();
        left.sort();
        left.dedup();
        left
    }

    #[test]
    fn what_was_synced_is_there_whatever_is_lost() {
        let disk = disk(&[create("a"), write("a", 0, b"one"), sync("a"), Operation::SyncFolder]);
        for loss in [Loss::Nothing, Loss::Everything, Loss::ByChance { seed: 1, share: 255 }] {
            assert_eq!(disk.cut(loss), files(&[("a", b"one")]));
        }
    }

    #[test]
    fn what_a_refused_sync_gave_up_is_read_and_not_durable_until_it_is_written_anew() {
        let refused = Operation::SyncRefused { file: "a".to_owned() };
        let begun = [create("a"), Operation::SyncFolder, write("a", 0, &[1; 1_000]), sync("a")];
        let mut disk = disk(&begun);
        disk.perform(&write("a", 400, &[2; 800]));
        disk.perform(&refused);
        let content =
            |parts: &[(u8, usize)]| parts.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect::<Vec<_>>();
        let cut = |disk: &Disk, loss| disk.cut(loss)["a"].clone();
        disk.perform(&sync("a"));
        assert_eq!(cut(&disk, Loss::Nothing), content(&[(1, 400), (2, 800)]));
        assert_eq!(cut(&disk, Loss::Everything), content(&[(1, 1_000), (0, 200)]));
        assert_eq!(by_chance(&disk).len(), 8, "each of three sectors, or not");
        // One sector is written anew, with what was given up in it.
        disk.perform(&write("a", 600, &[3]));
        disk.perform(&sync("a"));
        assert_eq!(cut(&disk, Loss::Nothing), content(&[(1, 400), (2, 200), (3, 1), (2, 599)]));
        assert_eq!(cut(&disk, Loss::Everything), content(&[(1, 512), (2, 88), (3, 1), (2, 423), (0, 176)]));
        // Of what is given up twice, each may have arrived.
        disk.perform(&write("a", 1_100, &[4; 50]));
        disk.perform(&refused);
        disk.perform(&write("a", 1_100, &[5; 50]));
        disk.perform(&refused);
        disk.perform(&sync("a"));
        let there: BTreeSet<_> = by_chance(&disk).iter().map(|files| files["a"][1_100]).collect();
        assert_eq!((there, cut(&disk, Loss::Nothing)[1_100]), ([0, 2, 4, 5].into(), 5));
        // What is cut off is not given up any more.
        disk.perform(&Operation::Resize { file: "a".to_owned(), bytes: 100 });
        disk.perform(&sync("a"));
        assert_eq!(by_chance(&disk), [files(&[("a", &[1; 100])])]);
    }

    #[test]
    fn a_name_is_as_durable_as_its_folder_and_a_content_as_its_file() {
        let disk = disk(&[create("a"), write("a", 0, b"one"), sync("a")]);
        assert_eq!(disk.cut(Loss::Everything), files(&[]));
        assert_eq!(disk.cut(Loss::Nothing), files(&[("a", b"one")]));
        let mut disk = disk;
        disk.perform(&Operation::SyncFolder);
        disk.perform(&write("a", 1, b"xx"));
        assert_eq!(disk.cut(Loss::Everything), files(&[("a", b"one")]));
        assert_eq!(by_chance(&disk), [files(&[("a", b"one")]), files(&[("a", b"oxx")])]);
    }

    #[test]
    fn sectors_arrive_each_by_itself_and_whole() {
        let disk = disk(&[create("a"), Operation::SyncFolder, write("a", 500, &[7; 600])]);
        // The first ends at 512, the second at 1,024, the third at 1,100.
        let lengths: Vec<_> = by_chance(&disk).iter().map(|files| files["a"].len()).collect();
        assert_eq!(by_chance(&disk).len(), 8, "each of three, or not: {lengths:?}");
        assert!(lengths.iter().all(|length| [0, 512, 1024, 1100].contains(length)), "{lengths:?}");
    }

    #[test]
    fn a_file_that_was_replaced_is_the_old_or_the_new_one() {
        let begun = [create("a"), write("a", 0, b"old"), sync("a"), Operation::SyncFolder];
        let replaced = [create("b"), write("b", 0, b"new"), sync("b"), rename("b", "a")];
        let whole: Vec<_> = begun.iter().chain(&replaced).cloned().collect();
        let left = by_chance(&disk(&whole));
        assert!(
            left.iter().all(|files| [b"old", b"new"].contains(&files["a"].as_slice().try_into().unwrap())),
            "{left:?}"
        );
        assert!(left.iter().any(|files| files["a"] == b"old") && left.iter().any(|files| files["a"] == b"new"));
        // Without its sync, the new name may stand for nothing.
        let hasty: Vec<_> = whole.iter().filter(|operation| **operation != sync("b")).cloned().collect();
        assert!(by_chance(&disk(&hasty)).contains(&files(&[("a", b"")])));
    }

    #[test]
    fn a_file_is_cut_and_removed() {
        let begun = [create("a"), write("a", 0, b"content"), sync("a"), Operation::SyncFolder];
        let mut disk = disk(&begun);
        disk.perform(&Operation::Resize { file: "a".to_owned(), bytes: 2 });
        assert_eq!(by_chance(&disk), [files(&[("a", b"co")]), files(&[("a", b"content")])]);
        disk.perform(&Operation::Remove { file: "a".to_owned() });
        assert_eq!(disk.cut(Loss::Nothing), files(&[]));
        assert_eq!(disk.cut(Loss::Everything), files(&[("a", b"content")]));
    }
}
