//! What is done in the machine: commands that go through its port, one after the other, each with an answer.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::json;

/// For one command; the longest installs a package under emulation.
const LIMIT_FOR: Duration = Duration::from_mins(10);
/// For the answer of a machine that may not be there yet.
const LOOK_FOR: Duration = Duration::from_secs(2);

/// The way into a machine.
pub(super) struct Agent {
    writer: UnixStream,
    reader: BufReader<UnixStream>,
    /// Of the last command.
    number: u64,
    /// What came of the next line so far.
    line: Vec<u8>,
}

/// How a command ended.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    number: u64,
    /// None where it could not be started, or was ended by a signal.
    pub(super) status: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Agent {
    pub(super) fn new(stream: UnixStream) -> Result<Self> {
        let writer = stream.try_clone().context("cannot share the way into the machine")?;
        Ok(Self { writer, reader: BufReader::new(stream), number: 0, line: Vec::new() })
    }

    /// Whether the machine does what it is asked for by now.
    pub(super) fn is_there(&mut self) -> Result<bool> {
        self.send("true")?;
        Ok(self.receive(LOOK_FOR)?.is_some())
    }

    /// Runs a script of the shell, whatever becomes of it.
    pub(super) fn run(&mut self, script: &str) -> Result<Answer> {
        self.send(script)?;
        let answer = self.receive(LIMIT_FOR)?;
        answer.with_context(|| format!("`{script}` was not done within {} s", LIMIT_FOR.as_secs()))
    }

    /// Runs a script that must succeed, and returns what it printed, without the white space at both ends.
    pub(super) fn perform(&mut self, script: &str) -> Result<String> {
        let answer = self.run(script)?;
        if answer.status != Some(0) {
            bail!("`{script}` ended with {:?}: {}{}", answer.status, answer.stdout, answer.stderr);
        }
        Ok(answer.stdout.trim().to_owned())
    }

    /// Puts a text into a file of the machine, which is made with this mode.
    pub(super) fn write(&mut self, path: &str, mode: &str, text: &str) -> Result<()> {
        let quoted = text.replace('\'', r"'\''");
        self.perform(&format!("printf '%s' '{quoted}' | install -m {mode} /dev/stdin {path}")).map(drop)
    }

    fn send(&mut self, script: &str) -> Result<()> {
        self.number += 1;
        let mut line = json!({ "number": self.number, "words": ["sh", "-c", script] }).to_string();
        line.push('\n');
        self.writer.write_all(line.as_bytes()).context("the machine does not listen")
    }

    /// The answer to the last command. Those to earlier ones, which nobody waited for long enough, are passed over.
    fn receive(&mut self, limit_for: Duration) -> Result<Option<Answer>> {
        let watch = crate::stopwatch::Stopwatch::start();
        loop {
            let left = limit_for.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.writer.set_read_timeout(Some(left)).context("cannot wait for the machine")?;
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => bail!("the machine is gone"),
                Ok(_) if self.line.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.line);
                    let answer: Answer = serde_json::from_slice(&line)
                        .with_context(|| format!("the machine answers {}", String::from_utf8_lossy(&line)))?;
                    if answer.number == self.number {
                        return Ok(Some(answer));
                    }
                }
                Ok(_) => bail!("the machine is gone"),
                // What came so far stays in the line.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error).context("the machine does not answer"),
            }
        }
    }
}
