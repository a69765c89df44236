//! The folder that a device lives in: plugins.toml, the client's secret, and its state.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use google_sim::OauthClient;
use tempfile::TempDir;
use tokio::process::Command;

/// A folder, removed with the value.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    /// The state folder; another one is another card.
    pub state: PathBuf,
}

impl Folder {
    /// A folder of a device that was never on.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn new(configuration: &str) -> Result<Self> {
        Self::within(tempfile::tempdir().context("cannot make a folder")?, configuration)
    }

    /// The same in this folder.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn within(folder: TempDir, configuration: &str) -> Result<Self> {
        let secret = folder.path().join("client-secret");
        fs::write(&secret, OauthClient::DEMO_SECRET).context("cannot write the client's secret")?;
        // The host takes no secret from a file that others can read.
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).context("cannot keep a secret")?;
        let folder = Self { state: folder.path().join("state"), folder };
        folder.configure(configuration)?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes another plugins.toml.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        fs::write(self.configuration_file(), configuration).context("cannot write plugins.toml")
    }

    /// The plugins.toml as it stands.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn configuration(&self) -> Result<String> {
        fs::read_to_string(self.configuration_file()).context("cannot read plugins.toml")
    }

    fn configuration_file(&self) -> PathBuf {
        self.path().join("plugins.toml")
    }

    /// The program on this folder, without a command yet. It is killed with the child that becomes of it.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["--config", "plugins.toml", "--state"]).arg(&self.state).current_dir(self.path());
        command.env_remove("PUNCHCARD_LOG").kill_on_drop(true);
        command
    }

    /// Keeps it when the value is dropped, for a person to look at. Returns where it is.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.path()
    }
}
