//! Which components are let in: one exported interface of the contract, and no import beyond what is offered.

use punchcard_core::plugin::World;
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::bulk::{ENTRIES, count_entries};
use super::contract::{PACKAGE, VERSION};

/// What the host offers, as a person reads it.
const OFFERED: &str = "the host offers `punchcard:plugin/logging` and WASI 0.2's cli, clocks, filesystem, io, random \
                       and sockets, which grant nothing";

/// Interfaces of the contract that a plugin may import, without their package.
const CONTRACT_IMPORTS: [&str; 4] = ["logging", "types", "records", "http"];
/// Packages of WASI 0.2 that language runtimes pull in.
const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// Why a component is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdmissionError {
    /// It imports what no plugin is given.
    #[error("it wants `{import}`, which no plugin is given; remove the import ({OFFERED})")]
    Import {
        /// The import's name.
        import: String,
    },
    /// It imports another version of the contract.
    #[error(
        "it was built for `{interface}`, but this host speaks version {VERSION} of the contract; rebuild it with that version's SDK, or update the host"
    )]
    Version {
        /// The import or export.
        interface: String,
    },
    /// It exports nothing that the host can call.
    #[error(
        "it exports none of `punchcard:plugin`'s `auth-flow`, `row-format` and `delivery`{}; build it for one of the worlds `auth-policy`, `formatter` and `connector`",
        if found.is_empty() { String::new() } else { format!(" but {}", found.join(", ")) }
    )]
    NoWorld {
        /// What it exports.
        found: Vec<String>,
    },
    /// Its instances would take too much of the host's own memory.
    #[error(
        "its modules have {entries} globals, imports and functions that are referred to, in all instances together; at most {ENTRIES} are let in"
    )]
    Bulk {
        /// How many.
        entries: u64,
    },
    /// It exports more than one.
    #[error("it exports several of the contract's interfaces; a plugin fills one")]
    SeveralWorlds,
}

/// Decides whether a component is small enough to be compiled.
///
/// # Errors
/// When it is not.
pub fn admit_bulk(component: &[u8]) -> Result<(), AdmissionError> {
    let entries = count_entries(component);
    if entries > ENTRIES { Err(AdmissionError::Bulk { entries }) } else { Ok(()) }
}

/// Decides whether a component is let in, and as what.
///
/// # Errors
/// When it is not, with the import or export that stands against it.
pub fn admit(engine: &Engine, component: &Component) -> Result<World, AdmissionError> {
    let component = component.component_type();
    for (import, _) in component.imports(engine) {
        admit_import(import)?;
    }
    let exports: Vec<String> = component.exports(engine).map(|(name, _)| name.to_owned()).collect();
    admit_exports(&exports)
}

fn admit_import(import: &str) -> Result<(), AdmissionError> {
    let refusal = || AdmissionError::Import { import: import.to_owned() };
    let (package, interface, version) = split(import).ok_or_else(refusal)?;
    if package == PACKAGE && CONTRACT_IMPORTS.contains(&interface) {
        if version == VERSION { Ok(()) } else { Err(AdmissionError::Version { interface: import.to_owned() }) }
    } else if WASI_PACKAGES.contains(&package) && version.starts_with("0.2.") {
        Ok(())
    } else {
        Err(refusal())
    }
}

fn admit_exports(exports: &[String]) -> Result<World, AdmissionError> {
    let mut worlds = Vec::new();
    for export in exports {
        let Some((PACKAGE, interface, version)) = split(export) else { continue };
        let world = match interface {
            "auth-flow" => World::AuthPolicy,
            "row-format" => World::Formatter,
            "delivery" => World::Connector,
            _ => continue,
        };
        if version != VERSION {
            return Err(AdmissionError::Version { interface: export.clone() });
        }
        worlds.push(world);
    }
    match worlds[..] {
        [world] => Ok(world),
        [] => Err(AdmissionError::NoWorld { found: exports.to_vec() }),
        _ => Err(AdmissionError::SeveralWorlds),
    }
}

/// `package:name/interface@version` in its three parts.
fn split(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_contract_and_language_runtimes_need_is_let_in() {
        for import in [
            "punchcard:plugin/logging@0.1.0",
            "punchcard:plugin/types@0.1.0",
            "wasi:cli/environment@0.2.0",
            "wasi:io/streams@0.2.6",
            "wasi:sockets/tcp@0.2.3",
        ] {
            assert_eq!(admit_import(import), Ok(()), "{import}");
        }
    }

    #[test]
    fn any_other_import_is_refused_by_name() {
        for import in [
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:io/streams@0.3.0",
            "wasi:io/streams",
            "punchcard:plugin/hardware@0.1.0",
            "punchcard:plugin/delivery@0.1.0",
            "env",
            "other:plugin/logging@0.1.0",
        ] {
            assert_eq!(admit_import(import), Err(AdmissionError::Import { import: import.to_owned() }));
        }
        assert_eq!(
            admit_import("wasi:http/outgoing-handler@0.2.0").unwrap_err().to_string(),
            "it wants `wasi:http/outgoing-handler@0.2.0`, which no plugin is given; remove the import (the host offers \
             `punchcard:plugin/logging` and WASI 0.2's cli, clocks, filesystem, io, random and sockets, which grant \
             nothing)"
        );
    }

    #[test]
    fn another_version_of_the_contract_is_named() {
        assert!(matches!(admit_import("punchcard:plugin/types@0.2.0"), Err(AdmissionError::Version { .. })));
        let exports = ["punchcard:plugin/delivery@0.2.0".to_owned()];
        assert!(matches!(admit_exports(&exports), Err(AdmissionError::Version { .. })));
    }

    #[test]
    fn the_exported_interface_is_the_world() {
        for (interface, world) in
            [("auth-flow", World::AuthPolicy), ("row-format", World::Formatter), ("delivery", World::Connector)]
        {
            let exports = ["wasi:cli/run@0.2.0".to_owned(), format!("{PACKAGE}/{interface}@{VERSION}")];
            assert_eq!(admit_exports(&exports), Ok(world));
        }
    }

    #[test]
    fn none_and_several_are_refused() {
        assert!(matches!(admit_exports(&[]), Err(AdmissionError::NoWorld { .. })));
        let other = ["wasi:cli/run@0.2.0".to_owned()];
        let refusal = admit_exports(&other).unwrap_err();
        assert!(refusal.to_string().contains("but wasi:cli/run@0.2.0"), "{refusal}");
        let both = [format!("{PACKAGE}/delivery@{VERSION}"), format!("{PACKAGE}/row-format@{VERSION}")];
        assert_eq!(admit_exports(&both), Err(AdmissionError::SeveralWorlds));
    }
}
