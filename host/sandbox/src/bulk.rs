//! How much a component takes of the host's own memory before it computes anything.
//!
//! The limit on a plugin's memory does not see it: for each instance of a module the engine keeps an entry for every
//! import, every global, and every function that is referred to. A file of some megabytes can hold a million of them, and
//! be instantiated many times in each call.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ElementItems, Instance, Parser, Payload,
};

/// Instances of modules in one call. A Python interpreter with its libraries is some thirty.
pub(super) const INSTANCES: u32 = 128;
/// Entries of all instances together, each of 8 to 48 bytes. JavaScript's and Python's interpreters have some ten thousand.
pub(super) const ENTRIES: u64 = 1_000_000;

/// What is being read.
enum Frame {
    Module {
        entries: u64,
        functions: u64,
        references: u64,
    },
    /// The entries of its modules, by their index. `None`: it comes from elsewhere.
    Component(Vec<Option<u64>>),
}

/// The entries of all instances of a component, or more: never fewer. What can't be read is left to the engine, which reads
/// it with the same library and refuses it.
pub(super) fn count_entries(component: &[u8]) -> u64 {
    count(component).unwrap_or(0)
}

fn count(bytes: &[u8]) -> wasmparser::Result<u64> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut most_of_a_module = 0;
    let mut instantiated: Vec<Option<u64>> = Vec::new();
    let mut nested = false;
    for payload in Parser::new(0).parse_all(bytes) {
        let depth = frames.len();
        match (payload?, frames.last_mut()) {
            (Payload::Version { encoding: wasmparser::Encoding::Module, .. }, _) => {
                frames.push(Frame::Module { entries: 0, functions: 0, references: 0 });
            }
            (Payload::Version { .. }, _) => frames.push(Frame::Component(Vec::new())),
            (Payload::End(_), _) => {
                if let Some(Frame::Module { entries, functions, references }) = frames.pop() {
                    // However often a function is referred to, it has one entry.
                    let entries = entries.saturating_add(references.min(functions));
                    most_of_a_module = most_of_a_module.max(entries);
                    if let Some(Frame::Component(modules)) = frames.last_mut() {
                        modules.push(Some(entries));
                    }
                }
            }
            (payload, Some(Frame::Module { entries, functions, references })) => match payload {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        import?;
                        *entries = entries.saturating_add(1);
                        *functions = functions.saturating_add(1);
                    }
                }
                Payload::FunctionSection(section) => *functions = functions.saturating_add(section.count().into()),
                Payload::GlobalSection(section) => {
                    *entries = entries.saturating_add(section.count().into());
                    *references = references.saturating_add(section.count().into());
                }
                Payload::TableSection(section) => *entries = entries.saturating_add(section.count().into()),
                Payload::MemorySection(section) => *entries = entries.saturating_add(section.count().into()),
                Payload::TagSection(section) => *entries = entries.saturating_add(section.count().into()),
                Payload::ExportSection(section) => *references = references.saturating_add(section.count().into()),
                Payload::StartSection { .. } => *references = references.saturating_add(1),
                Payload::ElementSection(section) => {
                    for element in section {
                        let items = match element?.items {
                            ElementItems::Functions(items) => items.count(),
                            ElementItems::Expressions(_, items) => items.count(),
                        };
                        *references = references.saturating_add(items.into());
                    }
                }
                _ => {}
            },
            (Payload::InstanceSection(section), Some(Frame::Component(modules))) => {
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        nested |= depth > 1;
                        instantiated.push(modules.get(module_index as usize).copied().flatten());
                    }
                }
            }
            (Payload::ComponentAliasSection(section), Some(Frame::Component(modules))) => {
                for alias in section {
                    match alias? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
                        | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. } => modules.push(None),
                        _ => {}
                    }
                }
            }
            (Payload::ComponentImportSection(section), Some(Frame::Component(modules))) => {
                for import in section {
                    if matches!(import?.ty, wasmparser::ComponentTypeRef::Module(_)) {
                        modules.push(None);
                    }
                }
            }
            _ => {}
        }
    }
    let all = most_of_a_module.saturating_mul(INSTANCES.into());
    // A component inside another may be instantiated any number of times: the limit on instances is then what is known.
    Ok(if nested {
        all
    } else {
        instantiated.into_iter().map(|own| own.unwrap_or(most_of_a_module)).sum::<u64>().min(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> u64 {
        count_entries(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn what_every_instance_has_is_counted_for_each() {
        let module = "(core module $m
            (import \"a\" \"b\" (func)) (import \"a\" \"c\" (global i32))
            (global i32 (i32.const 1)) (memory 0) (table 1 funcref)
            (func $f) (func (export \"g\")) (func (export \"h\"))
            (elem declare func $f $f $f $f $f $f $f $f))";
        // Two imports, a global, a memory, a table; five functions, be they referred to ever so often.
        let args = "(with \"a\" (instance (export \"b\" (func $x)) (export \"c\" (global $y))))";
        let prelude = "(core module $o (func (export \"b\")) (global (export \"c\") i32 (i32.const 0)))
            (core instance $i (instantiate $o)) (alias core export $i \"b\" (core func $x))
            (alias core export $i \"c\" (core global $y))";
        let once = format!("(core instance (instantiate $m {args}))");
        let other = counted(&format!("(component {prelude})"));
        assert_eq!(other, 2);
        assert_eq!(counted(&format!("(component {prelude} {module})")), other, "it is not instantiated");
        assert_eq!(counted(&format!("(component {prelude} {module} {once})")), other + 10);
        assert_eq!(counted(&format!("(component {prelude} {module} {once} {once} {once})")), other + 30);
    }

    #[test]
    fn what_is_nested_counts_as_often_as_it_could_be_instantiated() {
        let nested = "(component $c (core module $m (global i32 (i32.const 1))) (core instance (instantiate $m)))";
        assert_eq!(counted(&format!("(component {nested})")), 128);
        assert_eq!(counted("(component (component (core module (global i32 (i32.const 1)))))"), 0);
        let exported = "(component $c (core module $m (global i32 (i32.const 1))) (export \"m\" (core module $m)))";
        let aliased =
            "(instance $i (instantiate $c)) (alias export $i \"m\" (core module $m)) (core instance (instantiate $m))";
        assert_eq!(counted(&format!("(component {exported} {aliased})")), 1);
    }

    #[test]
    fn what_is_no_component_is_left_to_the_engine() {
        assert_eq!(count_entries(b""), 0);
        assert_eq!(count_entries(b"\0asm\x0d\0\x01\0\xff"), 0);
    }
}
