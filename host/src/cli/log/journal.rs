//! systemd's journal as the place of the log: each line becomes an entry with its priority and the parts that it names.
//!
//! The line is the same as in every other log, so that `journalctl` and `systemctl status` show all that it says. The crate
//! `tracing-journald` makes a field of each value and leaves the bare message, from which nobody sees how many rows were
//! delivered where. An entry is what <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/> says.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::part::named_parts;

/// Where it takes entries.
const SOCKET: &str = "/run/systemd/journal/socket";
/// How systemd names the stream that it has connected (systemd.exec(5), `$JOURNAL_STREAM`).
const STREAM: &str = "JOURNAL_STREAM";
/// The most bytes of a line: what journald takes of one that comes through a stream (journald.conf(5), `LineMax`).
const LINE_LIMIT: usize = 48 << 10;

/// The journal.
pub(super) struct Journal {
    socket: UnixDatagram,
}

impl Journal {
    /// The journal, where it takes this program's standard error. None: it does not, or can't be reached otherwise.
    pub(super) fn of_this_service() -> Option<Self> {
        let stream = std::env::var(STREAM).ok()?;
        let stderr = rustix::fs::fstat(rustix::stdio::stderr()).ok()?;
        if !is_stream(&stream, stderr.st_dev, stderr.st_ino) {
            return None;
        }
        Self::open(Path::new(SOCKET)).ok()
    }

    fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self { socket })
    }
}

/// Whether a file is the stream. One that was put in its place since is not.
fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream == format!("{device}:{inode}")
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Entry<'a>;

    fn make_writer(&'a self) -> Entry<'a> {
        Entry { journal: self, level: Level::INFO }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Entry<'a> {
        Entry { journal: self, level: *metadata.level() }
    }
}

/// An entry to be. What is written at once is one.
pub(super) struct Entry<'a> {
    journal: &'a Journal,
    level: Level,
}

impl Write for Entry<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let entry = render_entry(self.level, &String::from_utf8_lossy(line));
        if self.journal.socket.send(&entry).is_err() {
            // While the journal does not listen, systemd holds what comes through the stream.
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render_entry(level: Level, line: &str) -> Vec<u8> {
    let line = line.trim();
    let line = &line[..line.floor_char_boundary(LINE_LIMIT)];
    // Of syslog(3).
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    let mut fields = format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=punchcard\n");
    for part in named_parts(line) {
        // A String takes everything. No white space is in it.
        let _infallible = writeln!(fields, "PART={part}");
    }
    let mut entry = fields.into_bytes();
    // With its length, for it may have several lines.
    entry.extend_from_slice(b"MESSAGE\n");
    entry.extend_from_slice(&(line.len() as u64).to_le_bytes());
    entry.extend_from_slice(line.as_bytes());
    entry.push(b'\n');
    entry
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_becomes_an_entry_with_its_priority_and_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let journal = Journal::open(&path).unwrap();
        let log = tracing_subscriber::fmt().with_ansi(false).with_target(false).without_time().with_writer(journal);
        tracing::subscriber::with_default(log.finish(), || {
            tracing::warn!(sink = "timesheet", rows = 2, "delivered\nin two lines");
        });
        let mut room = [0; 1_024];
        let length = listener.recv(&mut room).unwrap();
        let line = "WARN delivered\nin two lines sink=\"timesheet\" rows=2";
        let mut expected =
            b"PRIORITY=4\nSYSLOG_IDENTIFIER=punchcard\nPART=sinks.timesheet\nPART=timesheet\nMESSAGE\n".to_vec();
        expected.extend_from_slice(&[u8::try_from(line.len()).unwrap(), 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(line.as_bytes());
        expected.push(b'\n');
        assert_eq!(String::from_utf8_lossy(&room[..length]), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_two_characters() {
        let entry = render_entry(Level::INFO, &format!("x{}", "é".repeat(LINE_LIMIT)));
        assert!(entry.len() < LINE_LIMIT + 100 && std::str::from_utf8(&entry[entry.len() - 3..]).is_ok());
    }

    #[test]
    fn a_stream_is_told_by_its_device_and_inode() {
        for (stream, expected) in [("9:4711", true), ("9:471", false), ("8:4711", false), ("", false), ("9", false)] {
            assert_eq!(is_stream(stream, 9, 4_711), expected, "{stream}");
        }
    }
}
