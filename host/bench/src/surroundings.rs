//! What is measured: the host's program and the components.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use punchcard::wasm::{Plugin, Sandbox};
use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;

/// Where they are.
pub(crate) struct Surroundings {
    /// `punchcard`.
    pub(crate) program: PathBuf,
    guests: PathBuf,
}

impl Surroundings {
    pub(crate) fn of_environment() -> Result<Self> {
        let path = |name: &str| -> Result<PathBuf> {
            let path = std::env::var_os(name).with_context(|| format!("{name} is not set; use `cargo xtask bench`"))?;
            std::path::absolute(PathBuf::from(path)).with_context(|| format!("{name} is no path"))
        };
        let surroundings = Self { program: path("PUNCHCARD_PROGRAM")?, guests: path("PUNCHCARD_GUESTS")? };
        if !surroundings.program.is_file() {
            bail!("there is no program {}", surroundings.program.display());
        }
        Ok(surroundings)
    }

    /// The component of a guest.
    pub(crate) fn guest(&self, name: &str) -> PathBuf {
        self.guests.join(format!("{name}.wasm"))
    }

    /// A guest in an engine of this process, as the host loads it.
    pub(crate) fn load(&self, name: &str, cache: &Path) -> Result<Plugin> {
        let file = self.guest(name);
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let sandbox: Arc<Sandbox> = Sandbox::start(cache).context("cannot start the sandbox")?;
        Ok(sandbox.load(&PluginName::parse(name)?, &bytes, Limits::default())?)
    }
}
