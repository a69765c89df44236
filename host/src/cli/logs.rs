//! `punchcard logs`: the log, wherever it goes.
//!
//! The service's goes to systemd's journal, that of a device whose panel is drawn in its terminal to a file of the state
//! folder (`cli::log`). Nothing is decided here but where to look.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use super::exit::{Exit, Failure};
use super::log::FILE_NAME;
use super::log::part::{canonical, named_parts};
use super::output::print_line;
use super::{DeviceArguments, printable, sleep};

/// The service that the package installs.
const UNIT: &str = "punchcard.service";
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Which lines.
#[derive(Debug, Clone, Args)]
pub(super) struct LogsArguments {
    /// Go on with new lines as they come.
    #[arg(long, short)]
    follow: bool,
    /// Only those that name this part: `timesheet`, or with its kind `sinks.timesheet`.
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    /// So many of the last lines.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    lines: usize,
}

/// Where the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// In systemd's journal.
    Journal,
    /// In a file.
    File(PathBuf),
}

/// Prints the log.
pub(super) fn logs(device: &DeviceArguments, arguments: &LogsArguments) -> Result<Exit, Failure> {
    match source(device) {
        Source::Journal => journal(arguments)?,
        Source::File(path) => file(&path, arguments)?,
    }
    Ok(Exit::Success)
}

/// The last lines, oldest first, for whoever asks for help. None: there is no log.
pub(super) fn last_lines(device: &DeviceArguments, count: usize) -> Result<Option<Vec<String>>, Failure> {
    let wanted = LogsArguments { follow: false, part: None, lines: count };
    match source(device) {
        Source::Journal => {
            let output = journalctl(&wanted).stderr(Stdio::null()).output().map_err(|error| no_journal(&error))?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(Some(text.lines().map(str::to_owned).collect()))
        }
        Source::File(path) if !path.exists() => Ok(None),
        Source::File(path) => Ok(Some(read_last(&path, &wanted)?)),
    }
}

fn source(device: &DeviceArguments) -> Source {
    plan_source(device.is_installed(), Path::new("/run/systemd/system").is_dir(), &device.state)
}

/// The service's log is in the journal, every other one in a file.
fn plan_source(is_installed: bool, has_systemd: bool, state: &Path) -> Source {
    if is_installed && has_systemd { Source::Journal } else { Source::File(state.join(FILE_NAME)) }
}

fn journalctl(arguments: &LogsArguments) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--unit", UNIT, "--output", "short-iso", "--no-hostname", "--no-pager", "--quiet"]);
    command.args(["--lines", &arguments.lines.to_string()]);
    if arguments.follow {
        command.arg("--follow");
    }
    // An entry has each part that it names (`log::journal`).
    command.args(arguments.part.as_deref().map(|part| format!("PART={}", canonical(part))));
    command
}

fn no_journal(error: &std::io::Error) -> Failure {
    Failure::general(format!("systemd's journal can't be asked (`journalctl`): {error}"))
}

fn journal(arguments: &LogsArguments) -> Result<(), Failure> {
    let mut child = journalctl(arguments).stdout(Stdio::piped()).spawn().map_err(|error| no_journal(&error))?;
    let output = child.stdout.take().ok_or_else(|| Failure::general("systemd's journal gives no output"))?;
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    let printed = loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => break Ok(()),
            Ok(_) => {
                if let Err(error) = print_line(printable(String::from_utf8_lossy(&line).trim_end())) {
                    break Err(error.into());
                }
            }
            Err(error) => break Err(no_journal(&error)),
        }
    };
    // It waits for more where it follows, and nobody reads any more.
    if printed.is_err() {
        // One that has ended by itself needs no end.
        drop(child.kill());
    }
    let ended = child.wait().map_err(|error| no_journal(&error))?;
    printed?;
    if ended.success() {
        Ok(())
    } else {
        Err(Failure::general("systemd's journal can't be read; ask with `sudo`, or be in the group `systemd-journal`"))
    }
}

fn file(path: &Path, arguments: &LogsArguments) -> Result<(), Failure> {
    if !path.exists() && !arguments.follow {
        let reason = format!(
            "there is no {}: `punchcard run` logs to its standard error, and to that file where its panel is drawn in the same \
             terminal",
            path.display()
        );
        return Err(Failure::general(reason));
    }
    let mut end = End::default();
    if path.exists() {
        end = End::of(path)?;
        for line in read_last(path, arguments)? {
            print_line(printable(&line))?;
        }
    }
    if !arguments.follow {
        return Ok(());
    }
    loop {
        sleep(LOOK_EVERY)?;
        for line in end.read_on(path)? {
            if is_wanted(&line, arguments) {
                print_line(printable(&line))?;
            }
        }
    }
}

/// The last lines of the file and of the one before it, oldest first.
fn read_last(path: &Path, arguments: &LogsArguments) -> Result<Vec<String>, Failure> {
    let mut before = path.as_os_str().to_owned();
    before.push(".1");
    let mut kept = std::collections::VecDeque::new();
    for path in [PathBuf::from(before), path.to_owned()] {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&path, &error)),
        };
        for line in String::from_utf8_lossy(&bytes).lines() {
            if is_wanted(line, arguments) {
                kept.push_back(line.to_owned());
                if kept.len() > arguments.lines {
                    kept.pop_front();
                }
            }
        }
    }
    Ok(kept.into())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::general(format!("can't read {}: {error}", path.display()))
}

/// Up to where a file was read, and which file it was: a large one is put aside and another one begun.
#[derive(Debug, Default)]
struct End {
    inode: u64,
    bytes: u64,
    /// A line that is not whole yet.
    rest: String,
}

impl End {
    fn of(path: &Path) -> Result<Self, Failure> {
        let metadata = path.metadata().map_err(|error| unreadable(path, &error))?;
        Ok(Self { inode: metadata.ino(), bytes: metadata.len(), rest: String::new() })
    }

    /// The lines that are new.
    fn read_on(&mut self, path: &Path) -> Result<Vec<String>, Failure> {
        let failed = |error: std::io::Error| unreadable(path, &error);
        let mut file = match File::open(path) {
            Ok(file) => file,
            // Between two files there is none for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if metadata.ino() != self.inode || metadata.len() < self.bytes {
            *self = Self { inode: metadata.ino(), ..Self::default() };
        }
        file.seek(SeekFrom::Start(self.bytes)).map_err(failed)?;
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes).map_err(failed)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let mut lines: Vec<String> = self.rest.split('\n').map(str::to_owned).collect();
        self.rest = lines.pop().unwrap_or_default();
        Ok(lines)
    }
}

/// Whether a line is of the part that is asked for.
fn is_wanted(line: &str, arguments: &LogsArguments) -> bool {
    arguments.part.as_deref().is_none_or(|part| named_parts(line).contains(&canonical(part)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_service_logs_to_the_journal_and_everything_else_to_a_file() {
        let state = Path::new("/s");
        let file = Source::File("/s/punchcard.log".into());
        for (is_installed, has_systemd, expected) in [
            (true, true, Source::Journal),
            (true, false, file.clone()),
            (false, true, file.clone()),
            (false, false, file),
        ] {
            assert_eq!(plan_source(is_installed, has_systemd, state), expected);
        }
    }

    #[test]
    fn the_last_lines_are_of_both_files_and_what_is_added_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let before = folder.path().join("punchcard.log.1");
        fs::write(&before, "one sink=a\ntwo sink=b\n").unwrap();
        fs::write(&path, "three sink=a\nfour sink=b\n").unwrap();
        let last = |lines, part: Option<&str>| {
            let arguments = LogsArguments { follow: false, part: part.map(str::to_owned), lines };
            read_last(&path, &arguments).ok().unwrap()
        };
        assert_eq!(last(3, None), ["two sink=b", "three sink=a", "four sink=b"]);
        assert_eq!(last(9, Some("a")), ["one sink=a", "three sink=a"]);

        let mut end = End::of(&path).ok().unwrap();
        let mut read_on = || end.read_on(&path).ok().unwrap();
        assert!(read_on().is_empty());
        fs::write(&path, "three sink=a\nfour sink=b\nfive\nsi").unwrap();
        assert_eq!(read_on(), ["five"]);
        fs::write(&path, "three sink=a\nfour sink=b\nfive\nsix\n").unwrap();
        assert_eq!(read_on(), ["six"]);
        fs::rename(&path, &before).unwrap();
        assert!(read_on().is_empty());
        fs::write(&path, "seven\n").unwrap();
        assert_eq!(read_on(), ["seven"]);
    }
}
