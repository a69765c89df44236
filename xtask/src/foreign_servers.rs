//! `cargo xtask test foreign-servers`: the program signs in against authorization servers of npm and PyPI, whose versions are
//! pinned where their configuration stands.
//!
//! Everything that this takes is installed below cargo's target folder, and nothing anywhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{self, perform};
use crate::workspace::Workspace;

/// What has to be there, and how it is installed on Debian.
const TOOLS: [(&str, &str); 3] = [("node", "nodejs"), ("npm", "npm"), ("python3", "python3-venv")];
/// Where the test looks for them.
pub(crate) const INSTALLED: &str = "PUNCHCARD_FOREIGN_SERVERS";

/// What is missing on this machine, with how it is installed.
pub(crate) fn find_missing() -> Option<String> {
    process::find_missing(&TOOLS).map(|packages| format!("apt-get install {packages}"))
}

/// Installs the servers, where other ones are installed or none, and returns where.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("foreign-servers");
    fs::create_dir_all(&folder).context("cannot make a folder for servers")?;
    let servers = workspace.root.join("host/tests/foreign/servers");
    for entry in fs::read_dir(&servers).context("cannot list the servers")? {
        let file = entry.context("cannot list the servers")?;
        fs::copy(file.path(), folder.join(file.file_name())).context("cannot copy a server")?;
    }
    let in_folder = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&folder);
        command
    };
    install_anew(&folder, "package-lock.json", "node_modules", || {
        perform(in_folder("npm").args(["ci", "--no-fund", "--no-audit", "--loglevel=error"]))
    })?;
    install_anew(&folder, "requirements.txt", ".venv", || {
        perform(in_folder("python3").args(["-m", "venv", ".venv"]))?;
        let mut pip = Command::new(folder.join(".venv/bin/pip"));
        pip.current_dir(&folder);
        perform(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]))
    })?;
    Ok(folder)
}

/// Has `install` fill the folder `place` with what the file `wanted` names, where that is not what is in it.
fn install_anew(folder: &Path, wanted: &str, place: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(folder.join(wanted)).with_context(|| format!("cannot read {wanted}"))?;
    let place = folder.join(place);
    let installed = place.join("punchcard-installed");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    install()?;
    fs::write(&installed, wanted).context("cannot note what is installed")
}
