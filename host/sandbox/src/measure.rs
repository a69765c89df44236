//! How large a component is, before anything else reads it: what its names are, how deep it nests, how much it would be once
//! its instances are expanded.
//!
//! The engine's parser recurses into types and its compiler has no bound, so this walk stands before both. It never recurses,
//! it allocates no more than the limits allow, and it stops at the first limit that is exceeded. What it lets through may
//! still be invalid: that is for the compiler to say.

mod types;

use wasmparser::{
    ComponentAlias, ComponentExternName, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, ElementItems, Encoding, Instance, Parser, Payload,
};

use super::admission::AdmissionError;
use super::text::{clip_name, clip_sentence};

/// The largest component, in bytes. JavaScript and Python bring their interpreters along: 12 and 18 MB.
pub(super) const COMPONENT_BYTES: usize = 32 << 20;
/// How deep components, and types of instances and components, may be nested. Toolchains need three or four.
const DEPTH: usize = 32;
/// Instances of modules and components, expanded: those of a component count each time it is instantiated.
const EXPANDED_INSTANCES: u64 = 1_000;
/// Functions of all modules, and of the canonical ABI once instances are expanded. JavaScript's interpreter has 12,650.
const FUNCTIONS: u64 = 100_000;
/// Definitions of types, and the declarations in them.
const TYPES: u64 = 10_000;
/// Bytes of one function. The longest of a known interpreter has 427 KB.
const FUNCTION_BYTES: u64 = 1 << 20;
/// Names that a component imports and exports.
const NAMES: u64 = 1_000;
/// Instances of modules in one call. A Python interpreter with its libraries is some thirty.
pub(super) const INSTANCES: u32 = 128;
/// Globals, imports and functions that are referred to, of all instances together: the engine keeps 8 to 48 bytes of the
/// host's memory for each, which no limit on a plugin's memory sees. JavaScript's and Python's interpreters have some ten
/// thousand.
const ENTRIES: u64 = 1_000_000;

/// What a component is, from the outside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// The names that it imports.
    pub(super) imports: Vec<String>,
    /// The names that it exports.
    pub(super) exports: Vec<String>,
}

/// What instantiating a component once comes to.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    instances: u64,
    entries: u64,
    functions: u64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.entries = self.entries.saturating_add(other.entries);
        self.functions = self.functions.saturating_add(other.functions);
    }
}

/// What is being read.
enum Frame {
    Module {
        entries: u64,
        functions: u64,
        references: u64,
    },
    Component {
        cost: Cost,
        /// The entries of an instance of each module, and the cost of each component, by their index.
        modules: Vec<u64>,
        components: Vec<Cost>,
    },
}

/// Reads the whole of a component.
///
/// # Errors
/// With the limit that it exceeds, or the place at which it can't be read.
pub(super) fn measure(bytes: &[u8]) -> Result<Measured, AdmissionError> {
    if bytes.len() > COMPONENT_BYTES {
        return Err(AdmissionError::TooLarge { bytes: bytes.len() });
    }
    let mut walk = Walk { bytes, ..Walk::default() };
    for payload in Parser::new(0).parse_all(bytes) {
        walk.take(payload.map_err(unreadable)?)?;
    }
    Ok(walk.measured)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unreadable(error: wasmparser::Error) -> AdmissionError {
    AdmissionError::NotAComponent { reason: clip_sentence(error.to_string()) }
}

fn missing(what: &str, index: u32) -> AdmissionError {
    AdmissionError::NotAComponent { reason: format!("there is no {what} {index}") }
}

fn at_most(what: &'static str, found: u64, most: u64) -> Result<(), AdmissionError> {
    if found > most { Err(AdmissionError::TooMany { what, found, most }) } else { Ok(()) }
}

#[derive(Default)]
struct Walk<'a> {
    bytes: &'a [u8],
    frames: Vec<Frame>,
    functions: u64,
    types: u64,
    names: u64,
    measured: Measured,
}

impl Walk<'_> {
    fn take(&mut self, payload: Payload<'_>) -> Result<(), AdmissionError> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.frames.push(match encoding {
                    Encoding::Module => Frame::Module { entries: 0, functions: 0, references: 0 },
                    Encoding::Component => {
                        Frame::Component { cost: Cost::default(), modules: Vec::new(), components: Vec::new() }
                    }
                });
                if self.frames.len() > DEPTH {
                    return Err(AdmissionError::TooDeep { what: "components", most: DEPTH });
                }
                Ok(())
            }
            Payload::End(_) => {
                self.end();
                Ok(())
            }
            payload if matches!(self.frames.last(), Some(Frame::Module { .. })) => self.take_of_module(payload),
            payload => self.take_of_component(payload),
        }
    }

    fn end(&mut self) {
        let ended = self.frames.pop();
        let Some(Frame::Component { modules, components, .. }) = self.frames.last_mut() else { return };
        match ended {
            // However often a function is referred to, it has one entry.
            Some(Frame::Module { entries, functions, references }) => {
                modules.push(entries.saturating_add(references.min(functions)));
            }
            Some(Frame::Component { cost, .. }) => components.push(cost),
            None => {}
        }
    }

    fn take_of_module(&mut self, payload: Payload<'_>) -> Result<(), AdmissionError> {
        match payload {
            Payload::TypeSection(section) => {
                let end = section.range().end;
                return self.take_core_types(section.original_position(), end, section.count());
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                return at_most("bytes in one function", bytes, FUNCTION_BYTES);
            }
            Payload::FunctionSection(ref section) => {
                self.functions = self.functions.saturating_add(section.count().into());
                at_most("functions", self.functions, FUNCTIONS)?;
            }
            _ => {}
        }
        let Some(Frame::Module { entries, functions, references }) = self.frames.last_mut() else { return Ok(()) };
        let more = |sum: &mut u64, count: u32| *sum = sum.saturating_add(count.into());
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    import.map_err(unreadable)?;
                    more(entries, 1);
                    more(functions, 1);
                }
            }
            Payload::FunctionSection(section) => more(functions, section.count()),
            Payload::GlobalSection(section) => {
                more(entries, section.count());
                more(references, section.count());
            }
            Payload::TableSection(section) => more(entries, section.count()),
            Payload::MemorySection(section) => more(entries, section.count()),
            Payload::TagSection(section) => more(entries, section.count()),
            Payload::ExportSection(section) => more(references, section.count()),
            Payload::StartSection { .. } => more(references, 1),
            Payload::ElementSection(section) => {
                for element in section {
                    match element.map_err(unreadable)?.items {
                        ElementItems::Functions(items) => more(references, items.count()),
                        ElementItems::Expressions(_, items) => more(references, items.count()),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_of_component(&mut self, payload: Payload<'_>) -> Result<(), AdmissionError> {
        match payload {
            Payload::ComponentTypeSection(section) => {
                let end = section.range().end;
                self.take_component_types(section.original_position(), end, section.count())
            }
            Payload::CoreTypeSection(section) => {
                let end = section.range().end;
                self.take_core_types_of_component(section.original_position(), end, section.count())
            }
            Payload::ComponentCanonicalSection(section) => self.take_cost(|cost| {
                cost.functions = cost.functions.saturating_add(section.count().into());
            }),
            Payload::InstanceSection(section) => {
                for instance in section {
                    let instance = instance.map_err(unreadable)?;
                    let entries = match (instance, self.frames.last()) {
                        (Instance::Instantiate { module_index, .. }, Some(Frame::Component { modules, .. })) => {
                            *modules.get(module_index as usize).ok_or_else(|| missing("module", module_index))?
                        }
                        _ => 0,
                    };
                    self.take_cost(|cost| cost.add(Cost { instances: 1, entries, functions: 0 }))?;
                }
                Ok(())
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    let instance = instance.map_err(unreadable)?;
                    let own = match (instance, self.frames.last()) {
                        (
                            ComponentInstance::Instantiate { component_index, .. },
                            Some(Frame::Component { components, .. }),
                        ) => *components
                            .get(component_index as usize)
                            .ok_or_else(|| missing("component", component_index))?,
                        _ => Cost::default(),
                    };
                    self.take_cost(|cost| {
                        cost.add(own);
                        cost.instances = cost.instances.saturating_add(1);
                    })?;
                }
                Ok(())
            }
            Payload::ComponentAliasSection(section) => {
                section.into_iter().try_for_each(|alias| self.take_alias(&alias.map_err(unreadable)?))
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(unreadable)?;
                    if matches!(import.ty, ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_)) {
                        return Err(AdmissionError::FromElsewhere);
                    }
                    self.take_name(&import.name, true)?;
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(unreadable)?;
                    self.take_name(&export.name, false)?;
                    // What is exported has another index from there on.
                    self.take_again(self.frames.len() - 1, export.kind, export.index)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Changes what instantiating the present component comes to.
    fn take_cost(&mut self, change: impl FnOnce(&mut Cost)) -> Result<(), AdmissionError> {
        let Some(Frame::Component { cost, .. }) = self.frames.last_mut() else { return Ok(()) };
        change(cost);
        let cost = *cost;
        at_most("instances, expanded", cost.instances, EXPANDED_INSTANCES)?;
        at_most("functions", cost.functions, FUNCTIONS)?;
        at_most("globals, imports and functions that are referred to, in all instances together", cost.entries, ENTRIES)
    }

    /// A component or module that is known under another index in the component that `frame` is.
    fn take_again(&mut self, frame: usize, kind: ComponentExternalKind, index: u32) -> Result<(), AdmissionError> {
        let Some(Frame::Component { modules, components, .. }) = self.frames.get(frame) else { return Ok(()) };
        let at = index as usize;
        let (module, component) = match kind {
            ComponentExternalKind::Module => (Some(*modules.get(at).ok_or_else(|| missing("module", index))?), None),
            ComponentExternalKind::Component => {
                (None, Some(*components.get(at).ok_or_else(|| missing("component", index))?))
            }
            _ => return Ok(()),
        };
        if let Some(Frame::Component { modules, components, .. }) = self.frames.last_mut() {
            modules.extend(module);
            components.extend(component);
        }
        Ok(())
    }

    fn take_alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), AdmissionError> {
        match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module | ComponentExternalKind::Component,
                ..
            } => Err(AdmissionError::FromElsewhere),
            ComponentAlias::Outer { kind, count, index } => {
                let kind = match kind {
                    ComponentOuterAliasKind::CoreModule => ComponentExternalKind::Module,
                    ComponentOuterAliasKind::Component => ComponentExternalKind::Component,
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => return Ok(()),
                };
                let frame = (self.frames.len() - 1)
                    .checked_sub(*count as usize)
                    .ok_or_else(|| missing("component around this one", *count))?;
                self.take_again(frame, kind, *index)
            }
            _ => Ok(()),
        }
    }

    fn take_name(&mut self, name: &ComponentExternName<'_>, is_import: bool) -> Result<(), AdmissionError> {
        if self.frames.len() > 1 {
            return Ok(());
        }
        self.names += 1;
        at_most("imports and exports", self.names, NAMES)?;
        let names = if is_import { &mut self.measured.imports } else { &mut self.measured.exports };
        names.push(clip_name(name.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
