//! What a fault takes of the machine that it is made on, and not every machine has: it is asked before.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::process::Command;
use tokio::time::timeout;

/// The fault can't be made on this machine.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotProduced(pub(crate) String);

/// For a command that does next to nothing.
const LIMIT_FOR: Duration = Duration::from_secs(20);

/// Runs such a command, which has to succeed. `what` is missing where it does not.
pub(crate) async fn probe<T: AsRef<OsStr>>(command: &[T], what: &str) -> Result<(), NotProduced> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let missing = |why: &str| Err(NotProduced(format!("{what}: {why}")));
    match timeout(LIMIT_FOR, output).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => match String::from_utf8_lossy(&output.stderr).trim() {
            "" => missing(&output.status.to_string()),
            said => missing(said),
        },
        Ok(Err(error)) => missing(&format!("`{}`: {error}", program.as_ref().display())),
        Err(_) => missing("it does not end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_work_here_is_said() {
        assert!(probe(&["true"], "nothing").await.is_ok());
        let said = async |command: &[&str]| probe(command, "no mounts").await.unwrap_err().to_string();
        assert_eq!(said(&["sh", "-c", "echo forbidden >&2; false"]).await, "no mounts: forbidden");
        assert_eq!(said(&["false"]).await, "no mounts: exit status: 1");
        assert!(said(&["there-is-no-such-program"]).await.starts_with("no mounts: `there-is-no-such-program`: "));
    }
}
