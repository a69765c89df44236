//! What compiling takes is the child's, and is given back with it. Alone in its program, whose memory it measures.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::path::Path;

use bare_component::component_with;
use punchcard_sandbox::{Compiler, Sandbox};

/// Memory that no file is behind, now.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn the_host_keeps_nothing_of_what_compiling_takes() {
    // What compiling them leaves in the host, where it compiles itself, is some 17 MiB.
    let functions = "(func (result i32) (i32.add (i32.const 1) (i32.const 2)))".repeat(3_000);
    let bytes = component_with("formatter", "unreachable", |text| {
        let (inside, _) = text.trim_end().rsplit_once(')').unwrap();
        format!("{inside}{functions})")
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let child = Compiler::of_program(Path::new(env!("CARGO_BIN_EXE_compile-plugin")));
    let sandbox = Sandbox::start(folder.path(), child).unwrap();
    let before = memory_bytes();
    let admitted = sandbox.admit(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let taken = memory_bytes().saturating_sub(before) >> 10;
    assert!(taken < 4 << 10, "{taken} KiB are held for a component of {} bytes", admitted.description().bytes);
}
