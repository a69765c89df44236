//! Components that are made of the contract itself: a world's functions with bodies in which the plugin traps, loops or
//! hoards, or returns what lies in its memory.

use std::path::Path;

use anyhow::{Context as _, Result};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// A component of `world` in which every function has this body, in WebAssembly's text format.
///
/// # Errors
/// When the contract has no such world, or the body is none.
pub fn component(world: &str, body: &str) -> Result<Vec<u8>> {
    component_with(world, body, |module| module)
}

/// The same, with its module's text changed.
///
/// # Errors
/// As [`component`], and when the text is no module any more.
pub fn component_with(world: &str, body: &str, change: impl FnOnce(String) -> String) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/v0.1");
    let (package, _) = resolve.push_path(contract).context("the contract can't be read")?;
    let world = resolve.select_world(&[package], Some(world)).context("the contract has no such world")?;
    let dummy = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    let text = wasmprinter::print_bytes(&dummy).context("a bare module can't be printed")?;
    let mut module = wat::parse_str(change(text.replace("unreachable", body))).context("the body is none")?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}

/// A body for the last of a world's functions, which allocates what the arguments of the others are put into. Nothing looks at
/// them: all are put in the same place, behind the first 64 KiB.
pub const ALLOCATES: &str = "i32.const 65536";

/// A component of `world` whose functions have these bodies, in the order of the contract, and whose memory holds these bytes
/// at these places below 64 KiB. What a function returns is the place of its result, as the canonical ABI lays it out.
///
/// # Errors
/// As [`component`].
pub fn component_that_returns(world: &str, bodies: &[&str], data: &[(u32, Vec<u8>)]) -> Result<Vec<u8>> {
    component_that_returns_with(world, bodies, data, |module| module)
}

/// The same, with its module's text changed.
///
/// # Errors
/// As [`component_with`].
pub fn component_that_returns_with(
    world: &str,
    bodies: &[&str],
    data: &[(u32, Vec<u8>)],
    change: impl FnOnce(String) -> String,
) -> Result<Vec<u8>> {
    let data = data.iter().fold(String::new(), |data, (at, bytes)| {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!("{data}(data (i32.const {at}) \"{bytes}\")")
    });
    component_with(world, "body", |text| {
        let text = bodies.iter().fold(text, |text, body| text.replacen("body", body, 1));
        let text = text.replace("(memory (;0;) 0)", "(memory (;0;) 2)");
        let (inside, _) = text.trim_end().rsplit_once(')').unwrap_or_default();
        change(format!("{inside}{data})"))
    })
}
