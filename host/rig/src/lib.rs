//! A device for trials: the real program with the real plugins on a folder of its own, keys on a pipe, and the stand-in
//! for Google beside it. For tests, the bench and the faults; the program knows nothing of it.
//!
//! What a device says of itself is read from outside, with its own command line and its log. What it promises, and
//! whether it kept that, is for those who use this to say.

mod configuration;

mod compiled;
mod folder;
mod process;

mod device;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use google_sim::{Config, GoogleSim};

pub use compiled::Compiled;
pub use configuration::{Configuration, Key};
pub use device::Device;
pub use folder::Folder;
pub use process::Process;

/// What is tried.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `punchcard`.
    pub host: PathBuf,
    /// The folder of components.
    pub guests: PathBuf,
}

impl Programs {
    /// The program of `PUNCHCARD_PROGRAM`, and the components in `PUNCHCARD_GUESTS`. `task` is what sets them.
    ///
    /// # Errors
    ///
    /// When one of them is not set, or the program is not there.
    pub fn of_environment(task: &str) -> Result<Self> {
        let path = |name: &str| -> Result<PathBuf> {
            let path = std::env::var_os(name).with_context(|| format!("{name} is not set; use `{task}`"))?;
            std::path::absolute(PathBuf::from(path)).with_context(|| format!("{name} is no path"))
        };
        let programs = Self { host: path("PUNCHCARD_PROGRAM")?, guests: path("PUNCHCARD_GUESTS")? };
        anyhow::ensure!(programs.host.is_file(), "there is no program {}", programs.host.display());
        Ok(programs)
    }

    /// The component of a guest.
    #[must_use]
    pub fn guest(&self, name: &str) -> PathBuf {
        self.guests.join(format!("{name}.wasm"))
    }
}

/// The stand-in for Google. Devices ask each second whether they are signed in.
///
/// # Errors
///
/// When it can't listen.
pub async fn stand_in(config: Config) -> Result<GoogleSim> {
    Ok(GoogleSim::start(Config { interval: Duration::from_secs(1), ..config }).await?)
}
