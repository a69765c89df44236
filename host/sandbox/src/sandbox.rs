//! The engine with what is offered to plugins, and the one way into it.

use std::path::Path;
use std::sync::Arc;

use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_core::plugin::World;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::warn;
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use super::admission::{AdmissionError, Description, find_world};
use super::archive::{self, Archive, ArchiveError};
use super::cache::{Cache, Fingerprint};
use super::compiler::Compiler;
use super::confinement::{Confinement, LogRate};
use super::contract::{Shape, VERSIONS};
use super::engine::{self, CALLS};
use super::loaded::Loaded;
use super::measure::measure;
use super::tally::Tally;
use super::text::clip_sentence;
use super::watchdog::Watchdog;
use super::{AuthPolicy, Connector, Formatter, Listing, Sensor};

/// Why a plugin could not be loaded. The others run without it.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Its component is not let in.
    #[error("plugin `{plugin}` can't be used: {source}")]
    NotAdmitted {
        /// The plugin.
        plugin: PluginName,
        /// Why.
        source: AdmissionError,
    },
    /// It fills another part than the one it is named for.
    #[error("plugin `{plugin}` is {}, but {} is wanted here", describe_world(*found), describe_world(*wanted))]
    WrongWorld {
        /// The plugin.
        plugin: PluginName,
        /// What it is.
        found: World,
        /// What plugins.toml uses it as.
        wanted: World,
    },
}

fn describe_world(world: World) -> &'static str {
    match world {
        World::AuthPolicy => "an auth policy",
        World::Formatter => "a formatter",
        World::Connector => "a connector",
        World::Sensor => "a sensor",
        World::Listing => "a listing",
    }
}

/// Why there is no sandbox at all.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The engine does not run here.
    #[error("the engine can't be set up on this machine: {0}")]
    Engine(String),
    /// The time limits can't be kept.
    #[error("no thread for the plugins' time limits")]
    Watchdog(#[source] std::io::Error),
}

/// The engine with everything that is offered to plugins.
pub struct Sandbox {
    pub(super) engine: Engine,
    linker: Linker<Confinement>,
    pub(super) compiler: Compiler,
    pub(super) cache: Cache,
    /// Without it plugins run, and there is nothing to go back to.
    archive: Option<Archive>,
    pub(super) watchdog: Watchdog,
    pub(super) turns: Semaphore,
}

/// A component that was let in: it is compiled, it fits, and its bytes are kept.
#[derive(Clone)]
pub struct Admitted {
    description: Description,
    shape: &'static Shape,
    instance: InstancePre<Confinement>,
}

impl Admitted {
    /// What it is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }
}

/// A plugin, by what it fills.
pub enum Plugin {
    /// Signs the device in.
    AuthPolicy(AuthPolicy),
    /// Makes rows.
    Formatter(Formatter),
    /// Carries rows.
    Connector(Connector),
    /// Reads a sensor.
    Sensor(Sensor),
    /// Fetches a list to choose from.
    Listing(Listing),
}

impl Plugin {
    /// What it fills.
    #[must_use]
    pub fn world(&self) -> World {
        match self {
            Self::AuthPolicy(_) => World::AuthPolicy,
            Self::Formatter(_) => World::Formatter,
            Self::Connector(_) => World::Connector,
            Self::Sensor(_) => World::Sensor,
            Self::Listing(_) => World::Listing,
        }
    }

    /// The SHA-256 of its component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        match self {
            Self::AuthPolicy(plugin) => plugin.sha256(),
            Self::Formatter(plugin) => plugin.sha256(),
            Self::Connector(plugin) => plugin.sha256(),
            Self::Sensor(plugin) => plugin.sha256(),
            Self::Listing(plugin) => plugin.sha256(),
        }
    }

    /// What became of its calls.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        match self {
            Self::AuthPolicy(plugin) => plugin.tally(),
            Self::Formatter(plugin) => plugin.tally(),
            Self::Connector(plugin) => plugin.tally(),
            Self::Sensor(plugin) => plugin.tally(),
            Self::Listing(plugin) => plugin.tally(),
        }
    }
}

impl Sandbox {
    /// Sets the engine up. `state` is the folder of everything that outlives a restart; compiled code and admitted components
    /// go into folders of this user's own there. Where one can't be used, it is said and gone without.
    ///
    /// # Errors
    /// When the engine does not run here.
    pub fn start(state: &Path, compiler: Compiler) -> Result<Arc<Self>, SandboxError> {
        let archive = Archive::open(&state.join(archive::FOLDER), true).inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            warn!(error, "the folder of admitted plugins can't be used; there is no version to go back to");
        });
        Self::set_up(Cache::open(&state.join("cache")), archive.ok(), compiler)
    }

    /// The same beside a host, perhaps a running one: what its folders hold is used where it is there, and nothing in them
    /// changed.
    ///
    /// # Errors
    /// When the engine does not run here.
    pub fn start_beside(state: &Path, compiler: Compiler) -> Result<Arc<Self>, SandboxError> {
        let archive = Archive::open(&state.join(archive::FOLDER), false).ok();
        Self::set_up(Cache::open_beside(&state.join("cache")), archive, compiler)
    }

    fn set_up(cache: Cache, archive: Option<Archive>, compiler: Compiler) -> Result<Arc<Self>, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = engine::start(compiler.backend).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(failed)?;
        for version in VERSIONS {
            (version.offer)(&mut linker).map_err(failed)?;
        }
        let watchdog = Watchdog::start(engine.weak()).map_err(SandboxError::Watchdog)?;
        let turns = Semaphore::new(CALLS as usize);
        Ok(Arc::new(Self { engine, linker, compiler, cache, archive, watchdog, turns }))
    }

    /// Decides whether a component is let in, compiles it where its code is not there yet, and keeps its bytes. This is the
    /// one way to anything that runs: after it nothing is read from where the bytes came from.
    ///
    /// # Errors
    /// When it is not let in, with what to do about it.
    pub fn admit(&self, bytes: &[u8]) -> Result<Admitted, AdmissionError> {
        let (description, shape) = examine(bytes)?;
        let sha256 = &description.sha256;
        let component = self.cache.compile(&self.engine, &self.compiler, bytes, sha256)?;
        let misfit = |error: wasmtime::Error| AdmissionError::Misfit { reason: clip_sentence(format!("{error:#}")) };
        let instance = self.linker.instantiate_pre(&component).map_err(misfit)?;
        (shape.fits)(&instance).map_err(misfit)?;
        if let Some(Err(error)) = self.archive.as_ref().map(|archive| archive.keep(bytes, sha256)) {
            let error = &error as &dyn std::error::Error;
            warn!(error, "an admitted plugin can't be kept; there is no going back to this version of it");
        }
        Ok(Admitted { description, shape, instance })
    }

    /// The bytes of a component that was admitted before, to be admitted again.
    ///
    /// # Errors
    /// When they are not there, or are not what was admitted.
    pub fn read_admitted(&self, sha256: &Fingerprint) -> Result<Vec<u8>, ArchiveError> {
        self.archive.as_ref().ok_or(ArchiveError::None)?.read(sha256)
    }

    /// Makes a plugin of an admitted component.
    ///
    /// # Errors
    /// When it does not fit its world; it did when it was admitted.
    pub fn load_admitted(
        self: &Arc<Self>,
        name: &PluginName,
        admitted: &Admitted,
        limits: Limits,
    ) -> Result<Plugin, LoadError> {
        let log = Arc::new(LogRate::new(name, limits.log_lines_per_minute));
        let (sandbox, instance, sha256) = (Arc::clone(self), admitted.instance.clone(), admitted.description.sha256);
        let tally = Arc::default();
        (admitted.shape.bind)(Loaded { sandbox, sha256, limits, log, instance, tally }).map_err(|error| {
            LoadError::NotAdmitted {
                plugin: name.clone(),
                source: AdmissionError::Misfit { reason: clip_sentence(format!("{error:#}")) },
            }
        })
    }

    /// Admits a component and makes a plugin of it.
    ///
    /// # Errors
    /// When it is not let in, with what to do about it.
    pub fn load(self: &Arc<Self>, name: &PluginName, bytes: &[u8], limits: Limits) -> Result<Plugin, LoadError> {
        let admitted = tracing::info_span!("plugin", %name).in_scope(|| self.admit(bytes));
        let admitted = admitted.map_err(|source| LoadError::NotAdmitted { plugin: name.clone(), source })?;
        self.load_admitted(name, &admitted, limits)
    }

    /// Removes compiled code that none of these plugins uses: what a configuration before used, and what another version of
    /// the host compiled; and of the components that none uses all but those that are `kept` and the newest. It is called when
    /// all plugins are loaded.
    pub fn keep_only(&self, used: &[Fingerprint], kept: &[Fingerprint]) {
        let code = self.cache.tidy(&self.engine, used);
        let kept = [used, kept].concat();
        let components = self.archive.as_ref().map_or(Ok(0), |archive| archive.tidy(&kept)).unwrap_or_else(|error| {
            warn!(error = &error as &dyn std::error::Error, "the folder of admitted plugins can't be tidied");
            0
        });
        if code + components > 0 {
            tracing::info!(files = code + components, "what no plugin uses was removed: compiled code, old versions");
        }
    }

    /// Has everything tried again that could not be compiled before: a person asks, or the memory of the device has grown.
    pub fn forget_failures(&self) {
        self.cache.forget_failures();
    }
}

/// What a component is, by its names and sizes alone: nothing of it is compiled or run. Whether it is let in is known when it
/// was compiled, too ([`Sandbox::admit`]).
///
/// # Errors
/// When it is not let in, with what to do about it.
pub fn describe(bytes: &[u8]) -> Result<Description, AdmissionError> {
    examine(bytes).map(|(description, _)| description)
}

fn examine(bytes: &[u8]) -> Result<(Description, &'static Shape), AdmissionError> {
    recognise(bytes).map_err(|reason| AdmissionError::NotAComponent { reason })?;
    let measured = measure(bytes)?;
    let (version, shape) = find_world(&measured)?;
    let sha256 = Sha256::digest(bytes).into();
    let (world, version, imports) = (shape.world, version.number, measured.imports);
    Ok((Description { sha256, bytes: bytes.len(), world, version, imports }, shape))
}

/// Tells a component from what people mistake for one. The header is that of the component model's binary format: `\0asm`,
/// then the version 13 of layer 1.
fn recognise(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [0, b'a', b's', b'm', 13, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err("it is a core module; make a component of it with \
             `cargo xtask guests` or `wasm-tools component new`"
            .into()),
        [0, b'a', b's', b'm', ..] => Err("its format's version is not known".into()),
        [] => Err("the file is empty".into()),
        _ => Err("it does not begin as one; was the file cut short, or is it something else?".into()),
    }
}
