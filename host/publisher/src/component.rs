//! What a component is, as far as its exports say: which world it fills, of which version of the contract.

use anyhow::{Context as _, Result, bail};
use punchcard_core::plugin::World;
use punchcard_core::update::ContractVersion;
use wasmparser::{Parser, Payload};

/// The package of the contract.
const PACKAGE: &str = "punchcard:plugin/";

/// What each world exports.
const EXPORTS: [(&str, World); 5] = [
    ("auth-flow", World::AuthPolicy),
    ("row-format", World::Formatter),
    ("delivery", World::Connector),
    ("source", World::Sensor),
    ("item-list", World::Listing),
];

/// Which world, of which contract.
pub(crate) fn read_world(bytes: &[u8]) -> Result<(World, ContractVersion)> {
    if !Parser::is_component(bytes) {
        bail!("it is no WebAssembly component");
    }
    let mut depth = 0_u32;
    let mut found = None;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.context("it is damaged")? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.context("it is damaged")?.name.name;
                    found = found.or(world_of(name)?);
                }
            }
            _ => {}
        }
    }
    found.context(
        "it exports none of the contract's interfaces: row-format, delivery, auth-flow, source or item-list of punchcard:plugin",
    )
}

fn world_of(export: &str) -> Result<Option<(World, ContractVersion)>> {
    let Some((interface, version)) = export.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')) else {
        return Ok(None);
    };
    let Some((_, world)) = EXPORTS.into_iter().find(|(name, _)| *name == interface) else { return Ok(None) };
    let short = version.rsplit_once('.').map_or(version, |(short, _)| short);
    Ok(Some((world, ContractVersion::parse(short)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(exports: &str) -> Vec<u8> {
        wat::parse_str(format!("(component (core module $m) (component $c) (instance $i) {exports})")).unwrap()
    }

    #[test]
    fn the_exports_say_what_it_is() {
        let table = [
            ("row-format@0.1.0", Some((World::Formatter, ContractVersion { major: 0, minor: 1 }))),
            ("delivery@0.2.0", Some((World::Connector, ContractVersion { major: 0, minor: 2 }))),
            ("auth-flow@1.12.3", Some((World::AuthPolicy, ContractVersion { major: 1, minor: 12 }))),
            ("source@0.1.0", Some((World::Sensor, ContractVersion { major: 0, minor: 1 }))),
            ("logging@0.1.0", None),
        ];
        for (export, expected) in table {
            let bytes = component(&format!("(export \"{PACKAGE}{export}\" (instance $i))"));
            assert_eq!(read_world(&bytes).ok(), expected, "{export}");
        }
    }

    #[test]
    fn what_is_no_plugin_is_refused() {
        let module = wat::parse_str("(module)").unwrap();
        let mut cut = component("(export \"punchcard:plugin/source@0.1.0\" (instance $i))");
        cut.truncate(cut.len() - 4);
        let table = [
            (b"hello".to_vec(), "no WebAssembly component"),
            (module, "no WebAssembly component"),
            (cut, "damaged"),
            (component(""), "none of the contract's interfaces"),
        ];
        for (bytes, message) in table {
            let refused = format!("{:#}", read_world(&bytes).unwrap_err());
            assert!(refused.contains(message), "{message}: {refused}");
        }
    }
}
