//! A compiled guest made a component: what it is for the host to load.
//!
//! The core module carries the description of its world in a custom section, which the SDK's bindings put there; from
//! that and the module the component is encoded. What is only for debuggers and statistics is left out. What holds of
//! every component from here: it is valid, imports nothing but the contract, and exports something of it.

use anyhow::{Context as _, Result, bail};
use wasm_encoder::{Module, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The package of the contract, whose interfaces a guest may import.
const CONTRACT: &str = "punchcard:plugin/";

/// Begins the names of the sections that describe the world.
const DESCRIPTION: &str = "component-type";

/// A component, ready for the host.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Its binary form.
    pub(crate) bytes: Vec<u8>,
    /// The interfaces that it imports, as "punchcard:plugin/logging@0.1.0".
    pub(crate) imports: Vec<String>,
    /// The interfaces that it exports.
    pub(crate) exports: Vec<String>,
}

impl Component {
    /// Makes a component of the core module that cargo linked.
    pub(crate) fn from_module(module: &[u8]) -> Result<Self> {
        let module = without_annotations(module)?;
        let bytes = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .context("the module's description of its world cannot be read")?
            .encode()
            .context("the module is not what its world says")?;
        let (imports, exports) = interfaces(&bytes)?;
        if let Some(import) = imports.iter().find(|import| !import.starts_with(CONTRACT)) {
            bail!("it imports `{import}`, which no guest is given; a guest imports nothing but `{CONTRACT}…`");
        }
        if !exports.iter().any(|export| export.starts_with(CONTRACT)) {
            bail!("it exports nothing of `{CONTRACT}…`; export the plugin with the SDK's macro");
        }
        Ok(Self { bytes, imports, exports })
    }
}

/// The module without custom sections, except those that describe its world.
fn without_annotations(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.context("it is no WebAssembly module")?;
        if let Payload::CustomSection(section) = &payload
            && !section.name().starts_with(DESCRIPTION)
        {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).context("a section ends past the module")?;
            kept.section(&RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

fn interfaces(component: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    let decoded = wit_component::decode(component).context("the component cannot be read back")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("what was encoded is no component");
    };
    let world = resolve.worlds.get(world).context("the component has no world")?;
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let exports = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    Ok((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module of a world with one import and one export, as a compiler would leave it.
    fn module(package: &str) -> Vec<u8> {
        let mut resolve = wit_parser::Resolve::default();
        let text = format!(
            "package {package};\n
             interface logging {{ log: func(); }}\n
             interface row-format {{ format: func(); }}\n
             world formatter {{ import logging; export row-format; }}"
        );
        let package_id = resolve.push_str("world.wit", &text).expect("valid WIT");
        let world = resolve.select_world(&[package_id], None).expect("one world");
        let name = |interface: &str| package.replacen('@', &format!("/{interface}@"), 1);
        let text = format!(
            r#"(module
                 (import "{}" "log" (func $log))
                 (memory (export "memory") 1)
                 (func (export "{}#format") (call $log))
                 (@custom "producers" "a compiler")
                 (@custom "target_features" "some"))"#,
            name("logging"),
            name("row-format"),
        );
        let mut module = wat::parse_str(text).expect("valid text");
        wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
            .expect("embedded");
        module
    }

    #[test]
    fn a_module_becomes_a_component_with_its_imports_and_exports() {
        let component = Component::from_module(&module("punchcard:plugin@0.1.0")).expect("a component");
        assert_eq!(component.imports, ["punchcard:plugin/logging@0.1.0"]);
        assert_eq!(component.exports, ["punchcard:plugin/row-format@0.1.0"]);
        assert!(Parser::is_component(&component.bytes));
    }

    #[test]
    fn what_is_only_for_statistics_is_left_out() {
        let module = module("punchcard:plugin@0.1.0");
        let names = |bytes: &[u8]| -> Vec<String> {
            Parser::new(0)
                .parse_all(bytes)
                .filter_map(|payload| match payload.expect("valid") {
                    Payload::CustomSection(section) => Some(section.name().to_owned()),
                    _ => None,
                })
                .collect()
        };
        assert!(names(&module).contains(&"target_features".to_owned()));
        let kept = names(&without_annotations(&module).expect("a module"));
        assert!(!kept.is_empty() && kept.iter().all(|name| name.starts_with(DESCRIPTION)), "{kept:?}");
    }

    #[test]
    fn an_import_from_outside_the_contract_is_refused_by_name() {
        let error = Component::from_module(&module("somebody:else@1.0.0")).expect_err("refused").to_string();
        assert!(error.contains("somebody:else/logging@1.0.0"), "{error}");
    }

    #[test]
    fn a_module_without_a_world_and_bytes_that_are_no_module_are_refused() {
        let plain = wat::parse_str("(module (func (export \"run\")))").expect("valid text");
        let error = Component::from_module(&plain).expect_err("refused").to_string();
        assert!(error.contains("exports nothing"), "{error}");
        assert!(Component::from_module(b"no module").is_err());
    }
}
