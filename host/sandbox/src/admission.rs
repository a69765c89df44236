//! Which components are let in: one exported interface of the contract, and no import beyond what its world is given.
//!
//! Nothing here runs, compiles or parses anything: it decides by names, which `super::measure` has read.

use punchcard_core::plugin::World;
use thiserror::Error;

use super::cache::Fingerprint;
use super::compiler::CompileError;
use super::contract::{PACKAGE, Shape, VERSIONS, Version};
use super::measure::{COMPONENT_BYTES, Measured};
use super::text::list_some;

/// Packages of WASI 0.2 that language runtimes pull in.
const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// Why a component is not let in.
#[derive(Debug, Error)]
pub enum AdmissionError {
    /// Too large to be looked at.
    #[error("it has {bytes} bytes; at most {COMPONENT_BYTES} are let in")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Text, a core module, or cut short.
    #[error("it is no WebAssembly component that this host runs: {reason}")]
    NotAComponent {
        /// What it is instead.
        reason: String,
    },
    /// It nests too deep.
    #[error("its {what} are nested in one another more than {most} deep; no toolchain makes such a component")]
    TooDeep {
        /// Types or components.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// It has too many of something.
    #[error("it has {found} {what}; at most {most} are let in")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many, or how many were counted until then.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// How large it is can't be known beforehand.
    #[error("it takes a component or a module from an instance or an import; put that into the component itself")]
    FromElsewhere,
    /// It imports what its world is not given.
    #[error(
        "it wants `{import}`, which no {world} is given; remove the import (the host offers it {offered} and WASI 0.2's cli, clocks, filesystem, io, random and sockets, which grant nothing)"
    )]
    Import {
        /// The import's name.
        import: String,
        /// The world's name.
        world: &'static str,
        /// What the world is given.
        offered: String,
    },
    /// It was built for another version of the contract.
    #[error(
        "it was built for `{interface}`, but this host speaks version {} of the contract; rebuild it with that version's SDK, or update the host",
        VERSIONS.map(|version| version.number).join(" and ")
    )]
    Version {
        /// The import or export.
        interface: String,
    },
    /// It mixes versions of the contract.
    #[error(
        "it wants `{import}`, but what it exports is of version {exported} of the contract; build all of it with one version's SDK"
    )]
    Mixed {
        /// The import.
        import: String,
        /// The version of its world.
        exported: &'static str,
    },
    /// It exports nothing that the host can call.
    #[error(
        "it exports none of `{PACKAGE}`'s {}{}; build it for one of the worlds {}",
        list_shapes(|shape| shape.exports),
        if found.is_empty() { String::new() } else { format!(", but {}", list_some(found)) },
        list_shapes(|shape| shape.name)
    )]
    NoWorld {
        /// What it exports.
        found: Vec<String>,
    },
    /// It exports more than one.
    #[error("it exports several of the contract's interfaces; a plugin fills one")]
    SeveralWorlds,
    /// It could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It has the right names with other types behind them.
    #[error("it does not fit the contract: {reason}")]
    Misfit {
        /// Where.
        reason: String,
    },
}

/// What a component turned out to be, where it is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The SHA-256 of its bytes.
    pub sha256: Fingerprint,
    /// How many bytes it has.
    pub bytes: usize,
    /// The part of the contract that it fills.
    pub world: World,
    /// The version of the contract that it was built for.
    pub version: &'static str,
    /// What it imports, each name cut to 200 bytes.
    pub imports: Vec<String>,
}

/// Decides which world a component fills.
///
/// # Errors
/// When it fills none, with the import or export that stands against it.
pub(super) fn find_world(measured: &Measured) -> Result<(&'static Version, &'static Shape), AdmissionError> {
    let (version, shape) = find_exported(&measured.exports)?;
    measured.imports.iter().try_for_each(|import| admit_import(import, version, shape))?;
    Ok((version, shape))
}

fn find_exported(exports: &[String]) -> Result<(&'static Version, &'static Shape), AdmissionError> {
    let mut found = None;
    for export in exports {
        let Some((PACKAGE, interface, number)) = split(export) else { continue };
        if !shapes().any(|(_, shape)| shape.exports == interface) {
            continue;
        }
        let (version, shape) = shapes()
            .find(|(version, shape)| version.number == number && shape.exports == interface)
            .ok_or_else(|| AdmissionError::Version { interface: export.clone() })?;
        if found.replace((version, shape)).is_some() {
            return Err(AdmissionError::SeveralWorlds);
        }
    }
    found.ok_or_else(|| AdmissionError::NoWorld { found: exports.to_vec() })
}

fn admit_import(import: &str, version: &Version, shape: &Shape) -> Result<(), AdmissionError> {
    let is_given = |interface: &str| shape.imports.contains(&interface) || shape.types.contains(&interface);
    match split(import) {
        Some((PACKAGE, interface, number)) if is_given(interface) => {
            if number == version.number {
                Ok(())
            } else {
                Err(AdmissionError::Mixed { import: import.to_owned(), exported: version.number })
            }
        }
        Some((package, _, number)) if WASI_PACKAGES.contains(&package) && number.starts_with("0.2.") => Ok(()),
        _ => {
            let offered = shape.imports.iter().map(|interface| format!("`{PACKAGE}/{interface}`")).collect::<Vec<_>>();
            Err(AdmissionError::Import { import: import.to_owned(), world: shape.name, offered: offered.join(", ") })
        }
    }
}

/// All worlds of all versions.
fn shapes() -> impl Iterator<Item = (&'static Version, &'static Shape)> {
    VERSIONS.into_iter().flat_map(|version| version.worlds.iter().map(move |shape| (version, *shape)))
}

/// "`a`, `b` and `c`", of the newest version.
fn list_shapes(word: impl Fn(&Shape) -> &'static str) -> String {
    let words: Vec<String> =
        VERSIONS[VERSIONS.len() - 1].worlds.iter().map(|shape| format!("`{}`", word(shape))).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => words.join(""),
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

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn found(imports: &[&str], exports: &[&str]) -> Result<World, AdmissionError> {
        let measured = Measured { imports: names(imports), exports: names(exports) };
        find_world(&measured).map(|(_, shape)| shape.world)
    }

    #[test]
    fn what_the_contract_and_language_runtimes_need_is_let_in() {
        for import in [
            "punchcard:plugin/logging@0.1.0",
            "punchcard:plugin/types@0.1.0",
            "wasi:cli/environment@0.2.0",
            "wasi:io/streams@0.2.6",
            "wasi:sockets/tcp@0.2.3",
        ] {
            assert_eq!(found(&[import], &["punchcard:plugin/delivery@0.1.0"]).ok(), Some(World::Connector), "{import}");
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
            let refusal = found(&[import], &["punchcard:plugin/delivery@0.1.0"]).unwrap_err();
            assert!(matches!(&refusal, AdmissionError::Import { import: refused, .. } if refused == import));
        }
        let refusal = found(&["wasi:http/outgoing-handler@0.2.0"], &["punchcard:plugin/row-format@0.1.0"]).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "it wants `wasi:http/outgoing-handler@0.2.0`, which no formatter is given; remove the import (the host offers \
             it `punchcard:plugin/logging` and WASI 0.2's cli, clocks, filesystem, io, random and sockets, which grant \
             nothing)"
        );
    }

    #[test]
    fn another_version_of_the_contract_is_named() {
        let import = found(&["punchcard:plugin/types@0.2.0"], &["punchcard:plugin/delivery@0.1.0"]);
        assert_eq!(
            import.unwrap_err().to_string(),
            "it wants `punchcard:plugin/types@0.2.0`, but what it exports is of version 0.1.0 of the contract; build all of \
             it with one version's SDK"
        );
        let refusal = found(&[], &["punchcard:plugin/delivery@0.3.0"]).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "it was built for `punchcard:plugin/delivery@0.3.0`, but this host speaks version 0.1.0 and 0.2.0 of the \
             contract; rebuild it with that version's SDK, or update the host"
        );
    }

    #[test]
    fn the_exported_interface_is_the_world() {
        for (version, shape) in shapes() {
            let export = format!("{PACKAGE}/{}@{}", shape.exports, version.number);
            assert_eq!(found(&[], &["wasi:cli/run@0.2.0", &export]).ok(), Some(shape.world));
        }
    }

    #[test]
    fn none_and_several_are_refused() {
        assert!(matches!(found(&[], &[]), Err(AdmissionError::NoWorld { .. })));
        let refusal = found(&[], &["wasi:cli/run@0.2.0"]).unwrap_err();
        assert!(refusal.to_string().contains(", but wasi:cli/run@0.2.0; build it for"), "{refusal}");
        let both = ["punchcard:plugin/delivery@0.1.0", "punchcard:plugin/row-format@0.1.0"];
        assert!(matches!(found(&[], &both), Err(AdmissionError::SeveralWorlds)));
    }
}
