//! Files that are replaced whole or not at all: a component that comes from a repository or from a person, and plugins.toml.
//!
//! The new content is written beside the old one, under a name that says which process writes it, and made durable before it
//! takes the place of the old one. So whoever reads finds one of them whole, also after a power cut. What a process that was
//! killed has left is removed by the next one that writes the same file, and when a device starts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fchmod, fchown, fstat, fsync, openat, openat2,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Pid, Uid, geteuid, test_kill_process};

/// The end of the name of a file that is being written.
const DRAFT: &str = ".new";
/// The mode of a file where there was none.
const USUAL_MODE: u32 = 0o644;

/// What is done with links on the way to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// What a link leads to is replaced. The new file keeps the mode and the owner of the old one.
    Follow,
    /// A link of the file's name is replaced itself. Those that lead to its folder are followed.
    Replace,
    /// The same, and none may lead to its folder: for root, in a folder where another user could have put one that leads to a
    /// file of the system's. The new file belongs to whom the folder does.
    Refuse,
}

/// Writes a file in the place of the one that is there, if one is. When this returns, it is on the disk.
///
/// # Errors
/// When it can't be written; what was there is there then, and nothing else.
pub(crate) fn replace(path: &Path, content: &[u8], links: Links) -> io::Result<()> {
    let path = match links {
        Links::Follow => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        Links::Replace | Links::Refuse => path.to_owned(),
    };
    let target = Target::open(&path, links)?;
    target.remove_drafts(Drafts::OfTheDead)?;
    target.write(content, links)
}

/// Removes what was never finished of a file, be it in the way or not: nobody of this process may be writing it. That of
/// others that are at work stays.
///
/// # Errors
/// When its folder can't be read, or something can't be removed.
pub(crate) fn remove_drafts(path: &Path) -> io::Result<()> {
    match Target::open(path, Links::Replace) {
        Ok(target) => target.remove_drafts(Drafts::OfTheDeadAndThisProcess),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whose unfinished files are meant. A process that was started in a container may have the number of the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drafts {
    OfTheDead,
    OfTheDeadAndThisProcess,
}

/// A file that is to be replaced, in its folder.
struct Target {
    folder: OwnedFd,
    name: OsString,
}

impl Target {
    fn open(path: &Path, links: Links) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = match links {
            Links::Refuse => openat2(CWD, folder, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?,
            Links::Follow | Links::Replace => openat(CWD, folder, flags, Mode::empty())?,
        };
        Ok(Self { folder, name })
    }

    fn write(&self, content: &[u8], links: Links) -> io::Result<()> {
        let draft = self.draft_name();
        self.try_to_write(&draft, content, links).inspect_err(|_| {
            // The error says what is wrong; a draft that can't be removed is in nobody's way.
            let _left = self.unlink(&draft);
        })
    }

    fn try_to_write(&self, draft: &OsStr, content: &[u8], links: Links) -> io::Result<()> {
        let before = if links == Links::Follow { self.stat()? } else { None };
        let mode = before.map_or(USUAL_MODE, |before| before.st_mode & 0o777);
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.folder, draft, new, Mode::from_raw_mode(mode))?);
        if geteuid().is_root() {
            let owner = match before {
                Some(before) => before,
                None => fstat(&self.folder)?,
            };
            fchown(&file, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
        }
        if before.is_some() {
            // The process's own mask has no say in a mode that was there.
            fchmod(&file, Mode::from_raw_mode(mode))?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        renameat(&self.folder, draft, &self.folder, &self.name)?;
        Ok(fsync(&self.folder)?)
    }

    /// The file as it is, where it is there.
    fn stat(&self) -> io::Result<Option<Stat>> {
        match statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok((FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// `NAME.PROCESS-NUMBER.new`: no other process has this name, and no other writing of this one.
    fn draft_name(&self) -> OsString {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let mut name = self.name.clone();
        name.push(format!(".{}-{number}{DRAFT}", std::process::id()));
        name
    }

    fn remove_drafts(&self, of: Drafts) -> io::Result<()> {
        for entry in Dir::read_from(&self.folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if let Some(process) = self.drafted_by(name)
                && is_left(process, of)
            {
                self.unlink(name)?;
            }
        }
        Ok(())
    }

    /// Which process began to write a file of this name in the place of the target.
    fn drafted_by(&self, name: &OsStr) -> Option<u32> {
        let between = name.as_bytes().strip_prefix(self.name.as_bytes())?.strip_prefix(b".")?;
        let between = std::str::from_utf8(between.strip_suffix(DRAFT.as_bytes())?).ok()?;
        let (process, number) = between.split_once('-')?;
        number.parse::<u64>().ok()?;
        process.parse().ok()
    }

    fn unlink(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn is_left(process: u32, of: Drafts) -> bool {
    if process == std::process::id() {
        return of == Drafts::OfTheDeadAndThisProcess;
    }
    // The kernel answers this also for another user's process, which the service does not see in /proc.
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_none_or(|process| test_kill_process(process) == Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A number that no process has: it is above the largest that there can be.
    const NOBODY: u32 = 4_194_305;

    #[test]
    fn no_link_leads_root_to_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (plugins, victim) = (folder.join("plugins"), folder.join("victim"));
        fs::create_dir(&plugins).unwrap();
        fs::write(&victim, b"precious").unwrap();
        symlink(&victim, plugins.join("clock.wasm")).unwrap();
        symlink(&plugins, folder.join("link")).unwrap();
        // Also not for who is none: a file that he owns gets the owner that it has.
        replace(&plugins.join("clock.wasm"), b"component", Links::Refuse).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(plugins.join("clock.wasm")).unwrap(), b"component");
        assert!(replace(&folder.join("link/clock.wasm"), b"other", Links::Refuse).is_err());
        assert_eq!(fs::read(plugins.join("clock.wasm")).unwrap(), b"component");
        // A device follows a link to the folder that its owner wants.
        replace(&folder.join("link/clock.wasm"), b"other", Links::Replace).unwrap();
        assert_eq!(fs::read(plugins.join("clock.wasm")).unwrap(), b"other");
        assert_eq!(fs::read_dir(&plugins).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugins.toml");
        replace(&path, b"one", Links::Follow).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644 & !umask());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        replace(&link, b"two", Links::Follow).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        replace(&link, b"three", Links::Replace).unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&link).unwrap()), (b"two".to_vec(), b"three".to_vec()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
        assert!(replace(&folder.path().join("none/x"), b"", Links::Follow).is_err());
    }

    /// What a kill between any two steps leaves: half of a draft, all of it, or the new file.
    #[test]
    fn what_a_killed_process_has_left_is_removed_and_what_others_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.wasm");
        let put = |name: &str| fs::write(folder.path().join(name), b"half").unwrap();
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let own = format!("clock.wasm.{}-77.new", std::process::id());
        // Of the first process of all, which is always there.
        let of_others = ["clock.wasm.1-0.new", "clock.wasm.new", "clock.wasm.x-0.new", "other.wasm.4194305-0.new"];
        let dead = [format!("clock.wasm.{NOBODY}-0.new"), format!("clock.wasm.{NOBODY}-1.new")];
        for name in of_others.iter().copied().chain(dead.iter().map(String::as_str)).chain([own.as_str()]) {
            put(name);
        }
        replace(&path, b"whole", Links::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let mut expected: Vec<String> = of_others.map(str::to_owned).into();
        expected.extend(["clock.wasm".to_owned(), own]);
        expected.sort();
        assert_eq!(names(), expected);
        // At a start nothing of this process is under way.
        remove_drafts(&path).unwrap();
        assert_eq!(names().len(), expected.len() - 1);
        remove_drafts(&folder.path().join("none/clock.wasm")).unwrap();
    }

    #[test]
    fn what_can_not_be_put_in_its_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("folder.wasm");
        fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, b"three", Links::Replace).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    fn umask() -> u32 {
        let mask = rustix::process::umask(Mode::empty());
        rustix::process::umask(mask);
        mask.bits()
    }
}
