//! The target's standard library from rustup: one attempt, bounded, and not again for a day where it failed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::TARGET;
use crate::process;
use crate::workspace::Workspace;

/// Enough for a slow line; without any network rustup gives up by itself, much sooner.
const DOWNLOAD_LIMIT_FOR: Duration = Duration::from_mins(3);

/// A machine that is not let out today will hardly be in an hour, and each attempt costs a wait.
const ATTEMPT_AGAIN_AFTER: Duration = Duration::from_hours(24);

/// Has rustup add the target to the active toolchain.
pub(super) fn add_target(workspace: &Workspace) -> Result<()> {
    if !process::is_on_path("rustup") {
        bail!("there is no rustup to bring it");
    }
    let mark = FailureMark(workspace.target.join("guests-build/rustup-target-add-failed"));
    if mark.is_recent() {
        let mark = mark.0.display();
        bail!("rustup failed to bring it less than a day ago (remove {mark} to have it tried again)");
    }
    eprintln!("rustup target add {TARGET} (at most {} s)", DOWNLOAD_LIMIT_FOR.as_secs());
    let mut command = Command::new("rustup");
    process::remove_variables(&mut command, process::is_left_by_cargo);
    command.current_dir(&workspace.root).args(["target", "add", TARGET]);
    let failure = match process::perform_within(&mut command, DOWNLOAD_LIMIT_FOR)? {
        Some(status) if status.success() => return Ok(()),
        Some(status) => anyhow!("rustup could not bring it ({status})"),
        None => anyhow!("rustup did not bring it within {} s", DOWNLOAD_LIMIT_FOR.as_secs()),
    };
    mark.set()?;
    Err(failure)
}

/// A file whose age tells when rustup failed last.
struct FailureMark(PathBuf);

impl FailureMark {
    fn is_recent(&self) -> bool {
        let age = std::fs::metadata(&self.0).and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
        matches!(age, Ok(Ok(age)) if age < ATTEMPT_AGAIN_AFTER)
    }

    fn set(&self) -> Result<()> {
        let folder = self.0.parent().context("the mark is in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::write(&self.0, "").with_context(|| format!("cannot write {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_remembered_until_its_mark_is_a_day_old_or_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = FailureMark(folder.path().join("build/failed"));
        assert!(!mark.is_recent());
        mark.set().expect("written");
        assert!(mark.is_recent());
        let file = std::fs::File::options().write(true).open(&mark.0).expect("it is there");
        let set_at = file.metadata().and_then(|metadata| metadata.modified()).expect("it has an age");
        file.set_modified(set_at - ATTEMPT_AGAIN_AFTER).expect("made older");
        assert!(!mark.is_recent());
    }
}
