//! What is measured: the host's program and the components.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_rig::Programs;
use punchcard_sandbox::{Compiler, Plugin, Sandbox};

/// Where they are.
pub(crate) struct Surroundings {
    pub(crate) programs: Programs,
}

impl Surroundings {
    pub(crate) fn of_environment() -> Result<Self> {
        Ok(Self { programs: Programs::of_environment("cargo xtask bench")? })
    }

    /// A guest in an engine of this process, as the host loads it.
    pub(crate) fn load(&self, name: &str, state: &Path) -> Result<Plugin> {
        let file = self.programs.guest(name);
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let sandbox: Arc<Sandbox> =
            Sandbox::start(state, Compiler::unconfined()).context("cannot start the sandbox")?;
        Ok(sandbox.load(&PluginName::parse(name)?, &bytes, Limits::default())?)
    }
}
