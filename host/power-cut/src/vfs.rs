//! Between SQLite and its usual way to the disk.
//!
//! The usual file system of SQLite (`sqlite3_vfs_find(NULL)`) stays in charge of everything, locks and shared memory too;
//! this one is registered before it as the default, passes every call on, and notes those that change a file. So the code
//! under test opens its files as it always does.

#![expect(unsafe_code, reason = "SQLite is C: a file system of its own is a table of functions on pointers")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rusqlite::ffi;

use crate::disk::{Disk, Operation};

/// Everything that SQLite did to the files of a folder, in order, since [`Recording::start`].
#[derive(Clone)]
pub struct Recording {
    tape: Arc<Tape>,
}

struct Tape {
    folder: PathBuf,
    before: Disk,
    operations: Mutex<Vec<Operation>>,
    refusals: Mutex<VecDeque<Refusal>>,
}

/// The next call that is refused.
struct Refusal {
    file: String,
    /// After so many more of its kind.
    after: usize,
    call: Call,
}

/// A call that the disk may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To write: nothing of it is written.
    Write,
    /// To make durable what was written ([`Operation::SyncRefused`]).
    Sync,
}

/// The recordings that somebody still holds.
static TAPES: Mutex<Vec<Weak<Tape>>> = Mutex::new(Vec::new());

impl Recording {
    /// Notes what is done to the files of this folder from now on, by connections that are opened from now on.
    ///
    /// # Errors
    /// When the folder can't be read, or SQLite does not take another file system.
    pub fn start(folder: &Path) -> io::Result<Self> {
        Self::start_on(folder, Disk::of_folder(folder)?)
    }

    /// The same for a folder of which not everything is durable: it holds what `before` holds when nothing is lost.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(folder: &Path, before: Disk) -> io::Result<Self> {
        register()?;
        let folder = folder.canonicalize()?;
        let tape = Arc::new(Tape { folder, before, operations: Mutex::default(), refusals: Mutex::default() });
        let mut tapes = lock(&TAPES);
        tapes.retain(|tape| tape.strong_count() > 0);
        tapes.push(Arc::downgrade(&tape));
        Ok(Self { tape })
    }

    /// Notes what was done without SQLite.
    pub fn note(&self, operation: Operation) {
        lock(&self.tape.operations).push(operation);
    }

    /// From now on the first of these calls on a file is refused after so many of its kind have gone well, then the second one
    /// likewise, and so on. What was still to be refused is not any more.
    pub fn refuse(&self, file: &str, calls: &[(usize, Call)]) {
        let refusal = |(after, call): &(usize, Call)| Refusal { file: file.to_owned(), after: *after, call: *call };
        *lock(&self.tape.refusals) = calls.iter().map(refusal).collect();
    }

    /// How many calls are still to be refused.
    #[must_use]
    pub fn refusals(&self) -> usize {
        lock(&self.tape.refusals).len()
    }

    /// What was done so far.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        lock(&self.tape.operations).clone()
    }

    /// How much that is.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.tape.operations).len()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The folder's files after the first `count` operations.
    #[must_use]
    pub fn disk_after(&self, count: usize) -> Disk {
        let mut disk = self.tape.before.clone();
        lock(&self.tape.operations).iter().take(count).for_each(|operation| disk.perform(operation));
        disk
    }
}

/// Notes what is about to be done to a file without SQLite, where its folder is recorded: `operation`, of the file's name.
///
/// # Errors
/// When the disk refuses it ([`Recording::refuse`]; a file that is cut or made longer is written). Then it is not to be done.
pub fn note_without_sqlite(file: &Path, operation: impl FnOnce(String) -> Operation) -> io::Result<()> {
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    let name = file.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (folder, name) else { return Ok(()) };
    let Some(tape) = tape_of(&folder.join(name)) else { return Ok(()) };
    let mut operations = lock(&tape.operations);
    let operation = operation(name.to_owned());
    let call = match operation {
        Operation::Write { .. } | Operation::Resize { .. } => Some(Call::Write),
        Operation::Sync { .. } => Some(Call::Sync),
        _ => None,
    };
    if call.is_some_and(|call| tape.is_refused(name, call)) {
        if call == Some(Call::Sync) {
            operations.push(Operation::SyncRefused { file: name.to_owned() });
        }
        return Err(io::Error::other("the disk refuses"));
    }
    operations.push(operation);
    Ok(())
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tape_of(path: &Path) -> Option<Arc<Tape>> {
    let folder = path.parent()?;
    lock(&TAPES).iter().filter_map(Weak::upgrade).find(|tape| tape.folder == folder)
}

/// What SQLite holds of an open file: ours, and behind it that of the usual file system.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    watched: *mut Watched,
}

/// A file that is recorded.
struct Watched {
    tape: Arc<Tape>,
    name: String,
    /// SQLite makes the folder durable with the first sync of a journal or log that it may have made (`unixSync`).
    syncs_folder: Cell<bool>,
}

impl Watched {
    fn is_refused(&self, call: Call) -> bool {
        self.tape.is_refused(&self.name, call)
    }
}

impl Tape {
    /// Whether this call on a file is refused. Then the next one is another.
    fn is_refused(&self, file: &str, call: Call) -> bool {
        let mut refusals = lock(&self.refusals);
        let is_meant = |next: &&mut Refusal| (next.file.as_str(), next.call) == (file, call);
        let Some(next) = refusals.front_mut().filter(is_meant) else { return false };
        if next.after > 0 {
            next.after -= 1;
            return false;
        }
        refusals.pop_front();
        true
    }
}

// SQLite promises as much for the usual file system's part, which comes behind ours.
const _: () = assert!(size_of::<File>().is_multiple_of(8) && align_of::<File>() <= 8);

static IS_REGISTERED: OnceLock<bool> = OnceLock::new();

/// The usual file system, which [`register`] has put into ours.
///
/// # Safety
/// `ours` is what was registered.
unsafe fn usual(ours: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: the caller's promise; what was registered stays as it is.
    unsafe { (*ours).pAppData.cast() }
}

/// Once for this process, which never takes it back.
fn register() -> io::Result<()> {
    let is_registered = IS_REGISTERED.get_or_init(|| {
        // SAFETY: the library initialises itself; without a name the default is returned, or null.
        let usual = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        if usual.is_null() {
            return false;
        }
        // Its functions ask nothing of the structure that they are called with, but that which opens a file; and that one is
        // called with its own structure.
        // SAFETY: not null, and SQLite never frees or changes it.
        let mut ours = unsafe { *usual };
        ours.zName = c"recording".as_ptr();
        ours.pNext = ptr::null_mut();
        ours.pAppData = usual.cast();
        ours.szOsFile += c_int::try_from(size_of::<File>()).unwrap_or(c_int::MAX);
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        let ours = Box::leak(Box::new(ours));
        // SAFETY: a structure that stays, with all functions of a file system.
        let code = unsafe { ffi::sqlite3_vfs_register(ours, 1) };
        code == ffi::SQLITE_OK
    });
    if *is_registered { Ok(()) } else { Err(io::Error::other("SQLite takes no other file system")) }
}

/// Of a name as SQLite gives it: absolute, and UTF-8 here.
///
/// # Safety
/// `name` is null or ends with a null byte.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().map(PathBuf::from)
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    const LOGS: c_int = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
    // SAFETY: SQLite's names end with a null byte, and are null for files without one.
    let path = unsafe { path_of(name) };
    let watched = path.as_ref().and_then(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let syncs_folder = Cell::new(flags & LOGS != 0 && flags & ffi::SQLITE_OPEN_CREATE != 0);
        Some(Watched { tape: tape_of(path)?, name, syncs_folder })
    });
    let mut tape = watched.as_ref().map(|watched| lock(&watched.tape.operations));
    let is_new = path.is_some_and(|path| !path.exists());
    // SAFETY: SQLite calls this for the file system that was registered.
    let usual = unsafe { usual(vfs) };
    let ours = file.cast::<File>();
    // SAFETY: SQLite gave as many bytes as `szOsFile` says, which is ours and the usual one's together; the usual file
    // system opens its own part of them. A method table of null says that there is nothing to close.
    unsafe {
        (*ours).base.pMethods = ptr::null();
        (*ours).watched = ptr::null_mut();
        let Some(open) = (*usual).xOpen else { return ffi::SQLITE_ERROR };
        let code = open(usual, name, behind(file), flags, out_flags);
        if (*behind(file)).pMethods.is_null() {
            return code;
        }
        (*ours).base.pMethods = &raw const METHODS;
        if let (Some(tape), Some(watched), true) = (&mut tape, &watched, is_new) {
            tape.push(Operation::Create { file: watched.name.clone() });
        }
        drop(tape);
        if let Some(watched) = watched {
            (*ours).watched = Box::into_raw(Box::new(watched));
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite calls this for the file system that was registered.
    let usual = unsafe { usual(vfs) };
    // SAFETY: SQLite's names end with a null byte.
    let path = unsafe { path_of(name) };
    let tape = path.as_deref().and_then(tape_of);
    let mut operations = tape.as_ref().map(|tape| lock(&tape.operations));
    // SAFETY: the usual file system stays; the arguments are SQLite's own.
    let code = unsafe {
        let Some(delete) = (*usual).xDelete else { return ffi::SQLITE_ERROR };
        delete(usual, name, sync_folder)
    };
    let name = path.as_ref().and_then(|path| path.file_name()?.to_str());
    if let (Some(operations), Some(name), ffi::SQLITE_OK) = (&mut operations, name, code) {
        operations.push(Operation::Remove { file: name.to_owned() });
        if sync_folder != 0 {
            operations.push(Operation::SyncFolder);
        }
    }
    code
}

/// The usual file system's part of an open file.
///
/// # Safety
/// `file` was opened with `szOsFile` bytes by [`open`], or is being opened.
unsafe fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gave as many bytes as both parts have; ours comes first.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// Does `perform` on the usual file system's part of `file`, and notes what it was when it went well. Both under one lock,
/// so that the order of the notes is the order of what happened. A call that is refused is not performed.
///
/// # Safety
/// `file` is open.
unsafe fn change(
    file: *mut ffi::sqlite3_file,
    call: Option<Call>,
    perform: impl FnOnce(&ffi::sqlite3_io_methods, *mut ffi::sqlite3_file) -> c_int,
    operations: impl FnOnce(&Watched) -> Vec<Operation>,
) -> c_int {
    // SAFETY: an open file's part behind ours is open, so that it has a method table; a file that is recorded has its
    // notes until it is closed.
    let (methods, real, watched) =
        unsafe { (&*(*behind(file)).pMethods, behind(file), (*file.cast::<File>()).watched.as_ref()) };
    let mut tape = watched.map(|watched| lock(&watched.tape.operations));
    if let (Some(tape), Some(watched), Some(call)) = (&mut tape, watched, call)
        && watched.is_refused(call)
    {
        return match call {
            Call::Write => ffi::SQLITE_IOERR_WRITE,
            Call::Sync => {
                tape.push(Operation::SyncRefused { file: watched.name.clone() });
                ffi::SQLITE_IOERR_FSYNC
            }
        };
    }
    let code = perform(methods, real);
    if let (Some(tape), Some(watched), ffi::SQLITE_OK) = (&mut tape, watched, code) {
        tape.extend(operations(watched));
    }
    code
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives an open file and so many bytes.
    unsafe {
        change(
            file,
            Some(Call::Write),
            |methods, real| methods.xWrite.map_or(ffi::SQLITE_ERROR, |write| write(real, bytes, count, offset)),
            |watched| {
                let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(count).unwrap_or(0));
                let offset = offset.unsigned_abs();
                vec![Operation::Write { file: watched.name.clone(), offset, bytes: bytes.to_vec() }]
            },
        )
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives an open file.
    unsafe {
        change(
            file,
            None,
            |methods, real| methods.xTruncate.map_or(ffi::SQLITE_ERROR, |truncate| truncate(real, size)),
            |watched| vec![Operation::Resize { file: watched.name.clone(), bytes: size.unsigned_abs() }],
        )
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    unsafe {
        change(
            file,
            Some(Call::Sync),
            |methods, real| methods.xSync.map_or(ffi::SQLITE_ERROR, |sync| sync(real, flags)),
            |watched| {
                let mut operations = vec![Operation::Sync { file: watched.name.clone() }];
                operations.extend(watched.syncs_folder.replace(false).then_some(Operation::SyncFolder));
                operations
            },
        )
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once, and does not use it afterwards.
    unsafe {
        let ours = file.cast::<File>();
        let real = behind(file);
        let code = (*(*real).pMethods).xClose.map_or(ffi::SQLITE_ERROR, |close| close(real));
        if !(*ours).watched.is_null() {
            drop(Box::from_raw((*ours).watched));
            (*ours).watched = ptr::null_mut();
        }
        code
    }
}

/// A method that changes nothing on the disk.
macro_rules! pass_on {
    ($name:ident, $method:ident, $result:ty, $otherwise:expr $(, $argument:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> $result {
            // SAFETY: SQLite gives an open file, whose part behind ours is open; the arguments are SQLite's own.
            unsafe {
                let real = behind(file);
                match (*(*real).pMethods).$method {
                    Some(method) => method(real $(, $argument)*),
                    None => $otherwise,
                }
            }
        }
    };
}

pass_on!(read, xRead, c_int, ffi::SQLITE_ERROR, into: *mut c_void, count: c_int, offset: ffi::sqlite3_int64);
pass_on!(file_size, xFileSize, c_int, ffi::SQLITE_ERROR, size: *mut ffi::sqlite3_int64);
pass_on!(lock_file, xLock, c_int, ffi::SQLITE_ERROR, level: c_int);
pass_on!(unlock_file, xUnlock, c_int, ffi::SQLITE_ERROR, level: c_int);
pass_on!(check_reserved_lock, xCheckReservedLock, c_int, ffi::SQLITE_ERROR, result: *mut c_int);
pass_on!(file_control, xFileControl, c_int, ffi::SQLITE_NOTFOUND, operation: c_int, argument: *mut c_void);
pass_on!(sector_size, xSectorSize, c_int, 0);
pass_on!(device_characteristics, xDeviceCharacteristics, c_int, 0);
pass_on!(shm_map, xShmMap, c_int, ffi::SQLITE_ERROR, region: c_int, size: c_int, extend: c_int, at: *mut *mut c_void);
pass_on!(shm_lock, xShmLock, c_int, ffi::SQLITE_ERROR, offset: c_int, count: c_int, flags: c_int);
pass_on!(shm_barrier, xShmBarrier, (), ());
pass_on!(shm_unmap, xShmUnmap, c_int, ffi::SQLITE_ERROR, remove: c_int);
pass_on!(fetch, xFetch, c_int, ffi::SQLITE_ERROR, offset: ffi::sqlite3_int64, count: c_int, at: *mut *mut c_void);
pass_on!(unfetch, xUnfetch, c_int, ffi::SQLITE_ERROR, offset: ffi::sqlite3_int64, at: *mut c_void);

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;
    use crate::Loss;

    /// A database with one row in its log, committed with this `synchronous`.
    fn recorded(synchronous: &str) -> (TempDir, Recording, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording::start(folder.path()).unwrap();
        let connection = Connection::open(folder.path().join("db")).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
        recording.note(Operation::SyncFolder);
        connection.pragma_update(None, "synchronous", synchronous).unwrap();
        connection.execute_batch("INSERT INTO numbers VALUES (7)").unwrap();
        (folder, recording, connection)
    }

    /// The rows that are there after a cut.
    fn rows(disk: &Disk, loss: Loss) -> Vec<i64> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in disk.cut(loss) {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let connection = Connection::open(folder.path().join("db")).unwrap();
        let mut select = connection.prepare("SELECT number FROM numbers").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_is_recorded_is_what_is_in_the_files() {
        let (folder, recording, connection) = recorded("FULL");
        let compare = || {
            let left = recording.disk_after(usize::MAX).cut(Loss::Nothing);
            let there = Disk::of_folder(folder.path()).unwrap().cut(Loss::Nothing);
            assert_eq!(left, there);
            left.len()
        };
        assert_eq!(compare(), 2, "the database and its log");
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        compare();
        drop(connection);
        assert_eq!(compare(), 1, "the last connection removes the log");
    }

    #[test]
    fn a_commit_that_was_synced_outlives_a_power_cut_and_one_that_was_not_does_not() {
        let (_folder, recording, _connection) = recorded("FULL");
        assert_eq!(rows(&recording.disk_after(usize::MAX), Loss::Everything), [7]);
        let (_folder, recording, _connection) = recorded("OFF");
        assert_eq!(rows(&recording.disk_after(usize::MAX), Loss::Everything), []);
        assert_eq!(rows(&recording.disk_after(usize::MAX), Loss::Nothing), [7]);
    }

    #[test]
    fn a_cut_in_the_midst_of_a_commit_leaves_all_of_it_or_nothing() {
        let (_folder, recording, connection) = recorded("FULL");
        let before = recording.len();
        connection.execute_batch("INSERT INTO numbers VALUES (8), (9)").unwrap();
        for count in before..=recording.len() {
            for seed in 0..20 {
                let rows = rows(&recording.disk_after(count), Loss::ByChance { seed, share: 128 });
                assert!(rows == [7] || rows == [7, 8, 9], "{rows:?}");
            }
        }
    }

    #[test]
    fn a_commit_whose_sync_is_refused_fails_and_is_found_by_whoever_opens_the_file_anew() {
        let (_folder, recording, connection) = recorded("FULL");
        recording.refuse("db-wal", &[(0, Call::Sync)]);
        let insert = |number: i64| connection.execute("INSERT INTO numbers VALUES (?1)", [number]);
        let error = insert(8).unwrap_err();
        assert_eq!(error.sqlite_error().unwrap().extended_code, ffi::SQLITE_IOERR_FSYNC);
        let there = |loss| rows(&recording.disk_after(usize::MAX), loss);
        assert_eq!((there(Loss::Nothing), there(Loss::Everything)), (vec![7, 8], vec![7]));
        // Neither is there once another commit is written over it, whose own write was refused at first.
        recording.refuse("db-wal", &[(0, Call::Write)]);
        let error = insert(9).unwrap_err();
        assert_eq!(error.sqlite_error().unwrap().extended_code, ffi::SQLITE_IOERR_WRITE);
        assert_eq!((there(Loss::Nothing), recording.refusals()), (vec![7, 8], 0));
        insert(10).unwrap();
        assert_eq!((there(Loss::Nothing), there(Loss::Everything)), (vec![7, 10], vec![7, 10]));
    }

    #[test]
    fn other_folders_are_left_alone() {
        let (_folder, recording, _connection) = recorded("FULL");
        let before = recording.len();
        let (_other, theirs, _theirs) = recorded("FULL");
        assert_eq!(recording.len(), before);
        assert!(!theirs.is_empty());
        drop(theirs);
        let (_third, third, _connection) = recorded("FULL");
        assert!(!third.is_empty(), "whoever ended does not stand in the way");
    }
}
