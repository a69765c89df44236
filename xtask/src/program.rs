//! Programs of this workspace, as they are released.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use crate::process;
use crate::workspace::Workspace;

/// The feature of a host with a clock that a trial sets.
pub(crate) const WITH_CLOCK: &str = "simulated-clock";

/// Builds the program of a package that has its name, in the release profile, and tells where it is.
pub(crate) fn build(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    build_with(workspace, name, name, &[])
}

/// Builds the host with a clock that a trial sets: a program of another name, so that it never lies where the real one does.
pub(crate) fn build_with_clock(workspace: &Workspace) -> Result<PathBuf> {
    build_with(workspace, "punchcard", "punchcard-with-simulated-clock", &["--features", WITH_CLOCK])
}

fn build_with(workspace: &Workspace, package: &str, name: &str, more: &[&str]) -> Result<PathBuf> {
    let mut command = process::cargo();
    command.current_dir(&workspace.root);
    command.args(["build", "--release", "--locked", "--package", package, "--bin", name]).args(more);
    command.args(["--message-format", "json-render-diagnostics"]);
    let line = process::render_command(&command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    for message in Message::parse_stream(output.stdout.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message.context("cannot read what cargo reports")?
            && artifact.target.name == name
            && let Some(executable) = artifact.executable
        {
            return Ok(executable.into_std_path_buf());
        }
    }
    bail!("cargo built no program `{name}`")
}
