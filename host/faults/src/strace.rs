//! Calls of the real program that fail or take long, because `strace` has them fail: the program, its SQLite and the
//! kernel's files are what they always are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::machine::probe;

/// What goes wrong with calls on some files.
#[derive(Debug)]
pub(crate) struct Calls {
    files: Vec<PathBuf>,
    /// The calls, as `-e trace=` of `strace` takes them.
    names: &'static str,
    /// Where it is noted that one went wrong.
    log: PathBuf,
}

impl Calls {
    /// Calls on the ledger in this state folder. `log` is a file of the trial's.
    ///
    /// # Errors
    ///
    /// When nothing makes calls go wrong on this machine.
    pub(crate) async fn on_the_ledger(state: &Path, names: &'static str, log: &Path) -> Result<Self> {
        let files = ["ledger.sqlite", "ledger.sqlite-wal"].map(|file| state.join(file)).into();
        Self::on(files, names, log).await
    }

    /// Calls on these files, which need not be there yet.
    ///
    /// # Errors
    ///
    /// When nothing makes calls go wrong on this machine.
    pub(crate) async fn on(files: Vec<PathBuf>, names: &'static str, log: &Path) -> Result<Self> {
        // Where tracing is forbidden, the words are written.
        let mut command = strace(Path::new("/dev/null"))?;
        command.extend(inject("write", "error=ENOSPC"));
        command.extend(["sh", "-c", "! echo written 2>/dev/null"].map(str::to_owned));
        probe(&command, "`strace` makes no calls of the system fail here").await?;
        Ok(Self { files, names, log: log.to_owned() })
    }

    /// A command that starts the program with the calls going wrong as `what` says: `inject` of `strace`, whose `when`
    /// counts the calls of each thread.
    pub(crate) fn wrapper(&self, what: &str) -> Result<Vec<String>> {
        let mut command = strace(&self.log)?;
        for file in &self.files {
            command.extend(["-P".to_owned(), file.to_str().context("a path is no text")?.to_owned()]);
        }
        command.extend(inject(self.names, what));
        Ok(command)
    }

    /// How many calls went wrong since the last start with them, but for those of the thread that opens the ledger: the main
    /// one, whose number is the process's.
    pub(crate) fn count_at_work(&self, process: u32) -> usize {
        count_beside(&fs::read_to_string(&self.log).unwrap_or_default(), process)
    }
}

/// A line of `strace -f` begins with the number of its thread.
fn count_beside(log: &str, thread: u32) -> usize {
    let main = format!("{thread} ");
    let went_wrong = |line: &&str| line.contains("(INJECTED") || line.contains("(DELAYED");
    log.lines().filter(went_wrong).filter(|line| !line.starts_with(&main)).count()
}

/// Beside the program and not above it (`-D`): the one that is started and killed is the program.
fn strace(log: &Path) -> Result<Vec<String>> {
    let log = log.to_str().context("a path is no text")?;
    Ok(["strace", "-D", "-f", "-qq", "-o", log].map(str::to_owned).into())
}

fn inject(names: &str, what: &str) -> [String; 4] {
    ["-e".to_owned(), format!("trace={names}"), "-e".to_owned(), format!("inject={names}:{what}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_while_the_ledger_is_opened_is_not_counted() {
        let log = "71 pwrite64(9, \"\", 4096, 0) = -1 ENOSPC (No space left on device) (INJECTED)\n\
                   72 pwrite64(9, \"\", 4096, 0) = 4096\n\
                   710 pwrite64(9, \"\", 4096, 0) = -1 ENOSPC (No space left on device) (INJECTED)\n\
                   72 fdatasync(9) = 0 (DELAYED)\n";
        assert_eq!(count_beside(log, 71), 2);
        assert_eq!(count_beside("", 71), 0);
    }
}
