//! Where the log goes, and how much of it.
//!
//! To the standard error, or where systemd's journal takes that, into the journal itself. A panel that is drawn in the same
//! terminal would be overwritten by it: then it goes to a file in the state folder, for its owner alone and of a bounded size.
//! Where that can't be written, as on a card that is read-only, there is no log: the panel and its keys are worth more.
//! `PUNCHCARD_LOG` takes the filters of `tracing-subscriber`.

mod journal;
pub(super) mod part;

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use self::journal::Journal;
use super::output::say_line;

/// The log beside a panel in a terminal.
pub(super) const FILE_NAME: &str = "punchcard.log";
const VARIABLE: &str = "PUNCHCARD_LOG";
const USUAL: &str = "info";
/// Bytes of the log's file, after which another is begun. The one before it is kept as `punchcard.log.1`.
const MOST_BYTES: u64 = 8 << 20;

/// Begins to log. `state`: the folder that the log's file may go to, which is there.
pub(super) fn start(state: &Path) {
    start_beside(state, io::stdout().is_terminal() && io::stderr().is_terminal());
}

/// The same. `panel`: one is drawn in the terminal.
fn start_beside(state: &Path, panel: bool) {
    let wanted = std::env::var_os(VARIABLE).map(|wanted| wanted.to_string_lossy().into_owned());
    let (filter, refused) = plan_filter(wanted.as_deref());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_span_events(FmtSpan::NONE);
    if panel {
        let path = state.join(FILE_NAME);
        match BoundedFile::open(path.clone(), MOST_BYTES) {
            Ok(file) => log.with_ansi(false).with_writer(Mutex::new(file)).init(),
            // The terminal has it once the panel has gone.
            Err(error) => say_line(format_args!("There is no log, for {} can't be written: {error}", path.display())),
        }
    } else if let Some(journal) = Journal::of_this_service() {
        // Each entry has its time.
        log.with_ansi(false).without_time().with_writer(journal).init();
    } else {
        log.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
    }
    if let Some(reason) = refused {
        tracing::warn!(reason, "{VARIABLE} is not understood; `{USUAL}` is used");
    }
}

/// The filter that is wanted, or else the usual one and why.
fn plan_filter(wanted: Option<&str>) -> (EnvFilter, Option<String>) {
    match wanted.filter(|wanted| !wanted.trim().is_empty()).map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(USUAL), Some(error.to_string())),
        None => (EnvFilter::new(USUAL), None),
    }
}

/// A file that is put aside when it is large, in place of the one before it.
struct BoundedFile {
    path: PathBuf,
    most: u64,
    file: File,
    bytes: u64,
}

impl BoundedFile {
    fn open(path: PathBuf, most: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        // One that is there may have been made with the usual mode.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, most, file, bytes })
    }

    fn begin_another(&mut self) -> io::Result<()> {
        let mut before = self.path.clone().into_os_string();
        before.push(".1");
        fs::rename(&self.path, before)?;
        *self = Self::open(self.path.clone(), self.most)?;
        Ok(())
    }
}

impl Write for BoundedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes.saturating_add(line.len() as u64) > self.most {
            self.begin_another()?;
        }
        let written = self.file.write(line)?;
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_large_is_put_aside_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "old\n").unwrap();
        let mut file = BoundedFile::open(path.clone(), 10).unwrap();
        for line in ["first\n", "second\n", "third\n", "longer than all of it\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "longer than all of it\n");
        assert_eq!(fs::read_to_string(folder.path().join("punchcard.log.1")).unwrap(), "third\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn where_the_file_can_not_be_written_the_device_goes_on_without_a_log() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FILE_NAME)).unwrap();
        start_beside(folder.path(), true);
        tracing::error!("nobody hears of it");
    }

    #[test]
    fn a_filter_that_is_not_understood_is_said() {
        assert!(plan_filter(None).1.is_none() && plan_filter(Some(" ")).1.is_none());
        assert!(plan_filter(Some("info,punchcard=trace")).1.is_none());
        let (filter, refused) = plan_filter(Some("punchcard=loud"));
        assert_eq!((filter.to_string(), refused.is_some()), ("info".to_owned(), true));
    }
}
