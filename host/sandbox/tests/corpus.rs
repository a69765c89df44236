//! Components that are made to hurt whoever reads or compiles them. Each is refused in less than a second, before anything but
//! the walk that measures it has seen it, and takes no memory of the host's with it.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::path::Path;
use std::time::Duration;

use punchcard_sandbox::{Compiler, Sandbox};
use rustix::time::{ClockId, clock_gettime};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// An unsigned number as LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn section(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], &number(content.len())[..], content].concat()
}

/// As many of something, with their number before them.
fn vector(count: usize, one: &[u8]) -> Vec<u8> {
    [number(count), one.repeat(count)].concat()
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT, &sections.concat()].concat()
}

fn component_of_module(sections: &[Vec<u8>]) -> Vec<u8> {
    component(&[section(1, &[MODULE, &sections.concat()].concat())])
}

/// Types of instances or components in one another; the innermost is empty.
fn nested_types(kind: u8, depth: usize) -> Vec<u8> {
    let types = [[kind, 1, 1].repeat(depth), vec![kind, 0]].concat();
    component(&[section(7, &[&[1][..], &types].concat())])
}

fn nested_components(depth: usize) -> Vec<u8> {
    (0..depth).fold(component(&[]), |inner, _| component(&[section(4, &inner)]))
}

/// On each level the component of the level below is instantiated so often.
fn multiplied_instances(depth: usize, times: usize) -> Vec<u8> {
    let instances = section(5, &vector(times, &[0, 0, 0]));
    (0..depth).fold(component(&[]), |inner, _| component(&[section(4, &inner), instances.clone()]))
}

/// A function whose body is so many times this.
fn function(body: &[u8], times: usize) -> Vec<u8> {
    let body = [&[0][..], &body.repeat(times), &[0x0b]].concat();
    let code = [&[1][..], &number(body.len()), &body].concat();
    component_of_module(&[section(1, b"\x01\x60\0\0"), section(3, b"\x01\0"), section(10, &code)])
}

fn exports(count: usize, bytes: usize) -> Vec<u8> {
    let mut content = number(count);
    for export in 0..count {
        let name = format!("{export:x>bytes$}");
        content.extend([&[0][..], &number(name.len()), name.as_bytes(), &[1, 0, 0]].concat());
    }
    component(&[section(11, &content)])
}

/// A module with so many functions, all of whose bodies are empty.
fn functions(count: usize) -> Vec<u8> {
    let bodies = vector(count, &[2, 0, 0x0b]);
    component_of_module(&[section(1, b"\x01\x60\0\0"), section(3, &vector(count, &[0])), section(10, &bodies)])
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn computed_for() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

#[test]
fn what_is_made_to_hurt_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing of it reaches a compiler: there is none.
    let sandbox = Sandbox::start(folder.path(), Compiler::of_program(Path::new("/nowhere"))).unwrap();
    let no_types = section(7, &[&[0xff, 0xff, 0xff, 0xff, 0x0f][..]].concat());
    let corpus: [(&str, Vec<u8>, &str); 17] = [
        (
            "types of instances, 33 deep",
            nested_types(0x42, 32),
            "its types are nested in one another more than 32 deep",
        ),
        ("types of instances, 650 deep", nested_types(0x42, 650), "its types are nested"),
        ("types of components, 650 deep", nested_types(0x41, 650), "its types are nested"),
        ("types of instances, a million deep", nested_types(0x42, 1_000_000), "its types are nested"),
        ("components, 33 deep", nested_components(32), "its components are nested in one another more than 32 deep"),
        ("components, 5,000 deep", nested_components(5_000), "its components are nested"),
        ("instances, 2 to the 30th", multiplied_instances(30, 2), "instances, expanded; at most 1000 are let in"),
        ("instances, 200 to the 20th", multiplied_instances(20, 200), "instances, expanded"),
        ("blocks, 5 MB in one function", function(b"\x02\x40\x0b", 1_700_000), "bytes in one function"),
        ("blocks in one another, 5 MB", function(b"\x02\x40", 2_500_000), "bytes in one function; at most 1048576"),
        ("a function of 7 MB", function(b"\x41\0\x1a", 2_400_000), "bytes in one function"),
        ("50,000 long exports", exports(50_000, 600), "it has 1001 imports and exports; at most 1000 are let in"),
        ("200,000 functions", functions(200_000), "it has 200000 functions; at most 100000 are let in"),
        (
            "a group of a million types",
            component_of_module(&[section(1, &[b"\x01\x4e".to_vec(), vector(1_000_000, b"\x60\0\0")].concat())]),
            "types and declarations in them; at most 10000 are let in",
        ),
        (
            "a million types",
            component(&[section(7, &vector(1_000_000, b"\x73"))]),
            "it has 10001 types and declarations in them",
        ),
        ("four thousand million types, of which none is there", component(&[no_types]), "no WebAssembly component"),
        ("33 MiB", [COMPONENT, &vec![0; 33 << 20]].concat(), "bytes; at most 33554432 are let in"),
    ];
    // The corpus itself is in memory by now.
    let before = peak_memory();
    for (name, bytes, says) in &corpus {
        let began = computed_for();
        let refusal = sandbox.admit(bytes).map(drop).unwrap_err().to_string();
        assert!(refusal.contains(says), "{name}: {refusal}");
        assert!(refusal.len() < 300, "{name}: {refusal}");
        let took = computed_for() - began;
        assert!(took < Duration::from_secs(1), "{name}: {took:?}");
    }
    let grown = (peak_memory() - before) >> 20;
    assert!(grown < 16, "the host has grown by {grown} MiB");
}

/// What JavaScript's and Python's interpreters are, and more than either.
#[test]
fn what_interpreters_need_is_let_in_by_the_walk() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(folder.path(), Compiler::of_program(Path::new("/nowhere"))).unwrap();
    let body = |bytes: usize| [number(bytes), vec![0], b"\x41\0\x1a".repeat((bytes - 2) / 3), vec![0x0b]].concat();
    let bodies = [body(427_001), body(1_001).repeat(12_650), body(1_001).repeat(4_000)].concat();
    let module = [
        section(1, b"\x01\x60\0\0"),
        section(3, &vector(16_651, &[0])),
        section(10, &[number(16_651), bodies].concat()),
    ];
    let bytes = component_of_module(&module);
    assert!(bytes.len() > 16 << 20);
    let refusal = sandbox.admit(&bytes).map(drop).unwrap_err().to_string();
    assert!(refusal.starts_with("it exports none of `punchcard:plugin`'s"), "it was let in until then: {refusal}");
}
