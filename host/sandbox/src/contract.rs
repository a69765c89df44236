//! The contract's versions, each with its worlds and its conversion into the host's own types.
//!
//! A released version is frozen. A new one is a new module beside the old ones and a line in [`VERSIONS`], so that old plugins
//! go on working; a new world is a file in its version's folder and a line there. Nothing else knows a version or what a world
//! imports and exports.

use punchcard_core::plugin::World;
use wasmtime::component::{InstancePre, Linker};

use super::confinement::Confinement;
use super::loaded::Loaded;
use super::sandbox::Plugin;

pub(super) mod v0_1;
pub(super) mod v0_2;

pub(super) use v0_1::{LogLevel, LoggingHost};

/// The package that every version of the contract is a version of.
pub(super) const PACKAGE: &str = "punchcard:plugin";
/// The versions that this host speaks, the newest last.
pub(super) const VERSIONS: [&Version; 2] = [&v0_1::VERSION, &v0_2::VERSION];

/// The numbers of the contract's versions that this host speaks, such as `0.1.0`, the newest last.
#[must_use]
pub fn contract_versions() -> Vec<&'static str> {
    VERSIONS.iter().map(|version| version.number).collect()
}

/// A version of the contract.
pub(super) struct Version {
    /// As it stands behind the interfaces' names: `0.1.0`.
    pub(super) number: &'static str,
    /// Its worlds.
    pub(super) worlds: &'static [&'static Shape],
    /// Adds what its worlds import, all of them: which world may import what is decided before.
    pub(super) offer: fn(&mut Linker<Confinement>) -> wasmtime::Result<()>,
}

/// A world of a version.
pub(super) struct Shape {
    /// Which.
    pub(super) world: World,
    /// Its name in the contract.
    pub(super) name: &'static str,
    /// The one interface that it exports.
    pub(super) exports: &'static str,
    /// The interfaces of the contract that it may import: those with functions.
    pub(super) imports: &'static [&'static str],
    /// And those with nothing but types.
    pub(super) types: &'static [&'static str],
    /// Whether a component's functions have the types that the world gives them.
    pub(super) fits: fn(&InstancePre<Confinement>) -> wasmtime::Result<()>,
    /// Makes a plugin of a component that fits.
    pub(super) bind: fn(Loaded) -> wasmtime::Result<Plugin>,
}
