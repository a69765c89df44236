//! What a device told its people: the lines of its log that it writes together with what the panel shows of a press.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};

/// A press is recorded; the event's number follows.
const RECORDED: &str = " recorded event=";
/// A press counts for nothing.
const REFUSED: &str = "a press is NOT recorded";
/// A press was taken for the one before.
const AGAIN: &str = "pressed again while the press before is still to be saved";

/// All of that so far, in all of its starts.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Presses that are recorded.
    pub(crate) recorded: u64,
    /// The number of the last event that is.
    pub(crate) last: u64,
    /// Presses that are not.
    pub(crate) refused: u64,
    /// Presses that were taken for the one before.
    pub(crate) again: u64,
    /// Bytes of the log that were read.
    read: u64,
}

impl Told {
    /// Reads on. A line that is not whole yet is left for the next time.
    pub(crate) fn listen(&mut self, log: &Path) -> Result<()> {
        let mut news = Vec::new();
        let read = || {
            let mut log = File::open(log)?;
            log.seek(SeekFrom::Start(self.read))?;
            log.read_to_end(&mut news)
        };
        match { read }() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.context("cannot read what the device logs")?,
        };
        let whole = news.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        for line in String::from_utf8_lossy(&news[..whole]).lines() {
            self.take(line);
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        if let Some((_, number)) = line.split_once(RECORDED) {
            let digits = number.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
            // A number that can't be read is none of an event.
            self.last = digits.parse().unwrap_or_default();
            self.recorded += 1;
        } else if line.contains(REFUSED) {
            self.refused += 1;
        } else if line.contains(AGAIN) {
            self.again += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_counts_once_and_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut told = Told::default();
        told.listen(&log).unwrap();
        let mut counts = |text: &str| {
            std::fs::write(&log, text).unwrap();
            told.listen(&log).unwrap();
            (told.recorded, told.last, told.refused, told.again)
        };
        let mut text =
            "2026-01-01T00:00:00Z  INFO recorded event=7 input=key-1 kind=\"punch\"\n... INFO reco".to_owned();
        assert_eq!(counts(&text), (1, 7, 0, 0));
        text += "rded event=12 input=key-2 kind=\"punch\"\n";
        assert_eq!(counts(&text), (2, 12, 0, 0));
        text += "ERROR a press is NOT recorded error=\"the disk is full\"\n";
        text += "INFO pressed again while the press before is still to be saved; that is one press input=key-1\n";
        assert_eq!(counts(&text), (2, 12, 1, 1));
        assert_eq!(counts(&text), (2, 12, 1, 1));
    }
}
