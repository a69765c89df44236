//! `punchcard logs`: the log, wherever it goes.
//!
//! The service's goes to systemd's journal, that of a device whose panel is drawn in its terminal to a file of the state
//! folder (`cli::log`). Nothing is decided here but where to look.

use std::collections::VecDeque;
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
const JOURNALCTL: &str = "journalctl";
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
    let print = |line: &str| -> Result<(), Failure> { Ok(print_line(printable(line))?) };
    match source(device) {
        Source::Journal => for_each_line(&mut journalctl(JOURNALCTL, arguments), print)?,
        Source::File(path) => {
            if !path.exists() && !arguments.follow {
                return Err(no_file(&path));
            }
            let (lines, mut end) = read_last(&path, arguments)?;
            lines.iter().try_for_each(|line| print(line))?;
            if !arguments.follow {
                return Ok(Exit::Success);
            }
            loop {
                sleep(LOOK_EVERY)?;
                let new = end.read_on(&path)?;
                new.iter().filter(|line| is_wanted(line, arguments)).try_for_each(|line| print(line))?;
            }
        }
    }
    Ok(Exit::Success)
}

/// The last lines, oldest first, for whoever asks for help. None: there is no log.
pub(super) fn last_lines(device: &DeviceArguments, count: usize) -> Result<Option<Vec<String>>, Failure> {
    let wanted = LogsArguments { follow: false, part: None, lines: count };
    match source(device) {
        Source::Journal => Ok(Some(read_journal(JOURNALCTL, &wanted)?)),
        Source::File(path) if !path.exists() => Ok(None),
        Source::File(path) => Ok(Some(read_last(&path, &wanted)?.0)),
    }
}

fn source(device: &DeviceArguments) -> Source {
    plan_source(device.is_installed(), Path::new("/run/systemd/system").is_dir(), &device.state)
}

/// The service's log is in the journal, every other one in a file.
fn plan_source(is_installed: bool, has_systemd: bool, state: &Path) -> Source {
    if is_installed && has_systemd { Source::Journal } else { Source::File(state.join(FILE_NAME)) }
}

/// The last of the wanted lines that it is given.
struct Tail<'a> {
    arguments: &'a LogsArguments,
    kept: VecDeque<String>,
}

impl<'a> Tail<'a> {
    fn new(arguments: &'a LogsArguments) -> Self {
        Self { arguments, kept: VecDeque::new() }
    }

    fn take(&mut self, line: &str) {
        if is_wanted(line, self.arguments) {
            self.kept.push_back(line.to_owned());
            if self.kept.len() > self.arguments.lines {
                self.kept.pop_front();
            }
        }
    }
}

/// Whether a line is of the part that is asked for.
fn is_wanted(line: &str, arguments: &LogsArguments) -> bool {
    arguments.part.as_deref().is_none_or(|part| named_parts(line).contains(&canonical(part)))
}

fn journalctl(program: &str, arguments: &LogsArguments) -> Command {
    let mut command = Command::new(program);
    command.args(["--unit", UNIT, "--output", "short-iso", "--no-hostname", "--no-pager", "--quiet"]);
    command.args(["--lines", &arguments.lines.to_string()]);
    if arguments.follow {
        command.arg("--follow");
    }
    // An entry has each part that it names (`log::journal`).
    command.args(arguments.part.as_deref().map(|part| format!("PART={}", canonical(part))));
    command
}

fn read_journal(program: &str, arguments: &LogsArguments) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for_each_line(&mut journalctl(program, arguments), |line| {
        lines.push(line.to_owned());
        Ok(())
    })?;
    Ok(lines)
}

fn no_journal(error: &std::io::Error) -> Failure {
    Failure::general(format!("systemd's journal can't be asked (`journalctl`): {error}"))
}

/// Gives each line that a program prints to whoever wants it, until that fails.
fn for_each_line(command: &mut Command, mut take: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| no_journal(&error))?;
    let output = child.stdout.take().ok_or_else(|| Failure::general("systemd's journal gives no output"))?;
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    let taken = loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => break Ok(()),
            Ok(_) => {
                if let Err(failure) = take(String::from_utf8_lossy(&line).trim_end()) {
                    break Err(failure);
                }
            }
            Err(error) => break Err(no_journal(&error)),
        }
    };
    // It waits for more where it follows, and nobody reads any more.
    if taken.is_err() {
        // One that has ended by itself needs no end.
        drop(child.kill());
    }
    let ended = child.wait().map_err(|error| no_journal(&error))?;
    taken?;
    if ended.success() {
        Ok(())
    } else {
        Err(Failure::general("systemd's journal can't be read; ask with `sudo`, or be in the group `systemd-journal`"))
    }
}

fn no_file(path: &Path) -> Failure {
    Failure::general(format!(
        "there is no {}: `punchcard run` logs to its standard error, and to that file where its panel is drawn in the same \
         terminal",
        path.display()
    ))
}

/// The last lines of the file and of the one before it, oldest first, and how far the file was read for them.
fn read_last(path: &Path, arguments: &LogsArguments) -> Result<(Vec<String>, End), Failure> {
    let mut tail = Tail::new(arguments);
    // Opened first: where it is put aside meanwhile, it is the same file under both names.
    let current = open(path)?;
    let inode = current.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.ino());
    if let Some(mut before) = open(&one_before(path))?
        && before.metadata().map_err(|error| unreadable(path, &error))?.ino() != inode.unwrap_or_default()
    {
        let mut end = End::default();
        end.read(&mut before).map_err(|error| unreadable(path, &error))?.iter().for_each(|line| tail.take(line));
    }
    let mut end = End::default();
    if let Some(mut current) = current {
        end.read(&mut current).map_err(|error| unreadable(path, &error))?.iter().for_each(|line| tail.take(line));
    }
    // Who follows gets it when it is whole.
    if !arguments.follow && !end.rest.is_empty() {
        tail.take(&String::from_utf8_lossy(&end.rest));
    }
    Ok((tail.kept.into(), end))
}

/// Opens a file of the log. None: it is not there, as between two files for a moment.
fn open(path: &Path) -> Result<Option<File>, Failure> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Where a large file is put aside.
fn one_before(path: &Path) -> PathBuf {
    let mut before = path.as_os_str().to_owned();
    before.push(".1");
    before.into()
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
    rest: Vec<u8>,
}

impl End {
    /// The lines that are new, also those that came before the file was put aside.
    fn read_on(&mut self, path: &Path) -> Result<Vec<String>, Failure> {
        let failed = |error: std::io::Error| unreadable(path, &error);
        let Some(mut file) = open(path)? else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        if file.metadata().map_err(failed)?.ino() != self.inode
            && let Some(mut before) = open(&one_before(path))?
            && before.metadata().map_err(failed)?.ino() == self.inode
        {
            lines = self.read(&mut before).map_err(failed)?;
        }
        lines.extend(self.read(&mut file).map_err(failed)?);
        Ok(lines)
    }

    /// The whole lines of a file from where it was read to; of another file, from its beginning.
    fn read(&mut self, file: &mut File) -> std::io::Result<Vec<String>> {
        let metadata = file.metadata()?;
        if metadata.ino() != self.inode || metadata.len() < self.bytes {
            *self = Self { inode: metadata.ino(), ..Self::default() };
        }
        file.seek(SeekFrom::Start(self.bytes))?;
        let read = file.read_to_end(&mut self.rest)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        Ok(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

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
        let arguments =
            |follow, lines, part: Option<&str>| LogsArguments { follow, part: part.map(str::to_owned), lines };
        let last = |lines, part| read_last(&path, &arguments(false, lines, part)).ok().unwrap().0;
        assert_eq!(last(3, None), ["two sink=b", "three sink=a", "four sink=b"]);
        assert_eq!(last(9, Some("a")), ["one sink=a", "three sink=a"]);

        fs::write(&path, "three sink=a\nfour sink=b\nhal").unwrap();
        assert_eq!(last(1, None), ["hal"]);
        let (lines, mut end) = read_last(&path, &arguments(true, 1, None)).ok().unwrap();
        assert_eq!(lines, ["four sink=b"]);
        let mut read_on = || end.read_on(&path).ok().unwrap();
        assert!(read_on().is_empty());
        fs::write(&path, "three sink=a\nfour sink=b\nhalf\nfi").unwrap();
        assert_eq!(read_on(), ["half"]);
        fs::write(&path, "three sink=a\nfour sink=b\nhalf\nfive\nsix\n").unwrap();
        assert_eq!(read_on(), ["five", "six"]);
        // Put aside with a line that nobody has seen yet, and another one begun.
        fs::write(&path, "three sink=a\nfour sink=b\nhalf\nfive\nsix\nseven\n").unwrap();
        fs::rename(&path, &before).unwrap();
        assert!(read_on().is_empty());
        fs::write(&path, "eight\n").unwrap();
        assert_eq!(read_on(), ["seven", "eight"]);
    }

    /// A program in the place of `journalctl`, which prints this.
    fn journal(folder: &Path, script: &str) -> String {
        let path = folder.join("journalctl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn the_journal_is_asked_for_so_many_lines_of_a_part() {
        let folder = tempfile::tempdir().unwrap();
        let program = journal(folder.path(), "echo \"$@\"; echo \"delivered\"");
        let arguments = LogsArguments { follow: true, part: Some("sink.a".into()), lines: 2 };
        let lines = read_journal(&program, &arguments).ok().unwrap();
        assert!(lines[0].ends_with(&format!("--lines 2 --follow PART={}", canonical("sink.a"))), "{lines:?}");
        assert_eq!(lines[1], "delivered", "what does not name it in its text is of it all the same");
    }

    #[test]
    fn a_journal_that_refuses_is_no_empty_log() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = LogsArguments { follow: false, part: None, lines: 9 };
        let refused = read_journal(&journal(folder.path(), "exit 1"), &arguments).err().unwrap();
        assert!(refused.error.to_string().contains("systemd-journal"), "{}", refused.error);
        let missing = read_journal(&folder.path().join("none").display().to_string(), &arguments).err().unwrap();
        assert!(missing.error.to_string().contains("can't be asked"), "{}", missing.error);
    }
}
