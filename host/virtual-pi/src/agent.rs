//! Runs what is asked for through a port of the machine, one command after the other. A line of JSON is a command, and a
//! line of JSON its answer.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Between two looks for a port, and for who speaks through it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A command.
#[derive(Debug, Deserialize)]
struct Order {
    /// Its answer has the same.
    number: u64,
    /// The program and its arguments.
    words: Vec<String>,
}

/// How it ended.
#[derive(Debug, Serialize)]
struct Answer {
    number: u64,
    /// The exit status; none where it was ended by a signal, or could not be started.
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Serves a port, which comes when its driver is loaded.
pub(crate) fn run(port: &Path) -> Result<()> {
    while !port.exists() {
        rest();
    }
    let opened = OpenOptions::new().read(true).write(true).open(port);
    let mut writer = opened.with_context(|| format!("cannot open {}", port.display()))?;
    let mut reader = BufReader::new(writer.try_clone().context("cannot share the port")?);
    let mut line = String::new();
    loop {
        line.clear();
        // While nobody is at the other end, there is nothing to read and no waiting for it.
        if reader.read_line(&mut line).context("cannot read the port")? == 0 {
            rest();
            continue;
        }
        let answer = match serde_json::from_str(&line) {
            Ok(order) => perform(&order),
            Err(error) => Answer { number: 0, status: None, stdout: String::new(), stderr: error.to_string() },
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        writer.write_all(text.as_bytes()).context("cannot answer through the port")?;
    }
}

fn perform(order: &Order) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut words = order.words.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    match command.args(words).stdin(Stdio::null()).output() {
        Ok(output) => Answer {
            number: order.number,
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        },
        Err(error) => Answer { number: order.number, status: None, stdout: String::new(), stderr: error.to_string() },
    }
}

#[expect(clippy::disallowed_methods, reason = "a port that is not there yet can't be waited for otherwise")]
fn rest() {
    std::thread::sleep(LOOK_EVERY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_answered_with_its_status_and_what_it_printed() {
        let order = |words: &str| serde_json::from_str(&format!(r#"{{"number":3,"words":[{words}]}}"#)).unwrap();
        let answer = perform(&order(r#""sh","-c","echo one; echo two >&2; exit 4""#));
        assert_eq!((answer.number, answer.status), (3, Some(4)));
        assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("one\n", "two\n"));
        let answer = perform(&order(r#""/no/such/program""#));
        assert!(answer.status.is_none() && !answer.stderr.is_empty());
    }
}
