//! The contract's versions, each with its conversion into the host's own types.
//!
//! A released version is frozen. A new one is a new module beside the old ones, so that old plugins go on working.

pub(super) mod v0_1;

/// The package that every version of the contract is a version of.
pub(super) const PACKAGE: &str = "punchcard:plugin";
/// The version that this host speaks.
pub(super) const VERSION: &str = "0.1.0";
