//! Compiling in a child: what it is given, how it ends, and what the host makes of that.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bare_component::component;
use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_sandbox::compiler::Bounds;
use punchcard_sandbox::{CallError, Compiler, Plugin, Sandbox};

const PROGRAM: &str = env!("CARGO_BIN_EXE_compile-plugin");

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn start(&self, compiler: Compiler) -> Arc<Sandbox> {
        Sandbox::start(&self.folder.path().join("state"), compiler).unwrap()
    }

    /// What a component is refused with.
    fn refusal(&self, compiler: Compiler, bytes: &[u8]) -> String {
        self.start(compiler).admit(bytes).map(drop).unwrap_err().to_string()
    }

    /// A program that does this in the place of a compiler.
    fn script(&self, does: &str) -> Compiler {
        let path = self.folder.path().join("script");
        fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Compiler::of_program(&path)
    }

    fn cached(&self) -> Vec<PathBuf> {
        fs::read_dir(self.folder.path().join("state/cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn child() -> Compiler {
    Compiler::of_program(Path::new(PROGRAM))
}

fn nowhere() -> Compiler {
    Compiler::of_program(Path::new("/nowhere"))
}

fn formatter() -> Vec<u8> {
    component("formatter", "unreachable").unwrap()
}

/// A formatter with a module that nothing uses, whose one function has so many empty blocks.
fn blocks(blocks: usize) -> Vec<u8> {
    let section = |kind: u8, content: &[u8]| [&[kind], &number(content.len())[..], content].concat();
    let body = [&[0][..], &b"\x02\x40\x0b".repeat(blocks), &[0x0b]].concat();
    let code = [&[1][..], &number(body.len()), &body].concat();
    let module = [b"\0asm\x01\0\0\0".to_vec(), section(1, b"\x01\x60\0\0"), section(3, b"\x01\0"), section(10, &code)];
    [formatter(), section(1, &module.concat())].concat()
}

/// An unsigned number as LEB128, in three bytes.
fn number(number: usize) -> [u8; 3] {
    [number & 0x7f | 0x80, number >> 7 & 0x7f | 0x80, number >> 14 & 0x7f].map(|byte| u8::try_from(byte).unwrap())
}

#[tokio::test]
async fn what_a_child_compiled_runs_and_is_not_compiled_again() {
    let bench = Bench::new();
    for compiler in [child(), nowhere()] {
        let sandbox = bench.start(compiler);
        let plugin = sandbox.load(&PluginName::parse("guest").unwrap(), &formatter(), Limits::default());
        let Plugin::Formatter(formatter) = plugin.unwrap_or_else(|error| panic!("{error}")) else {
            panic!("no formatter")
        };
        let failed = formatter.columns("{}").await.unwrap_err();
        assert!(matches!(&failed, CallError::Trapped { reason } if reason.contains("unreachable")), "{failed}");
    }
    assert_eq!(bench.cached().len(), 2, "the code and its seal");
    for file in bench.cached() {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn what_takes_more_memory_than_a_child_may_is_refused_and_not_tried_again_until_somebody_asks() {
    let bench = Bench::new();
    let bounds = Bounds { memory_bytes: 64 << 20, ..Bounds::default() };
    let bytes = blocks(300_000);
    let refusal = bench.refusal(child().within(bounds), &bytes);
    assert_eq!(refusal, "to compile it takes more than 64 MiB of memory; make it smaller");
    let again = bench.refusal(nowhere().within(bounds), &bytes);
    assert!(again.starts_with(&refusal) && again.contains("`punchcard check` tries it again"), "{again}");
    // Another one may be compiled meanwhile; and with other bounds it is tried again, by a program that is not there.
    assert!(bench.refusal(nowhere().within(bounds), &formatter()).contains("can't be started"));
    assert!(bench.refusal(nowhere(), &bytes).contains("can't be started"));
    let sandbox = bench.start(nowhere().within(bounds));
    sandbox.forget_failures();
    assert!(sandbox.admit(&bytes).map(drop).unwrap_err().to_string().contains("can't be started"));
    assert_eq!(bench.cached(), [] as [PathBuf; 0], "nothing half-written is left");
}

#[test]
fn what_takes_too_long_is_ended() {
    let bench = Bench::new();
    let zero = Duration::ZERO;
    let bounds = Bounds { compute_for: zero, compute_for_each_mib: zero, ..Bounds::default() };
    let refusal = bench.refusal(bench.script("exec sleep 600").within(bounds), &formatter());
    assert_eq!(refusal, "to compile it takes more than 0 s; make it smaller");
    let bench = Bench::new();
    let refusal = bench.refusal(bench.script("kill -XCPU $$"), &formatter());
    assert_eq!(refusal, "to compile it takes more than 45 s; make it smaller");
}

#[test]
fn how_a_child_dies_is_said_and_remembered_unless_it_was_told_to() {
    let too_much_memory = "to compile it takes more than 768 MiB of memory; make it smaller";
    for (does, says, is_remembered) in [
        ("echo stack overflow >&2; kill -ABRT $$", "the compiler broke off: signal 6: stack overflow", true),
        ("kill -SEGV $$", "the compiler broke off: signal 11", true),
        ("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$", too_much_memory, true),
        ("echo unhandled error: out of memory >&2; exit 101", too_much_memory, true),
        ("echo unreachable >&2; exit 101", "the compiler broke off: status 101: unreachable", true),
        ("kill -KILL $$", "the compiler broke off: the system ended it, which it does when memory is short", true),
        ("echo bad type >&2; exit 3", "it is no WebAssembly component that this host runs: bad type", true),
        ("kill -TERM $$", "the compiler was told to end", false),
        ("kill -INT $$", "the compiler was told to end", false),
        ("exit 4", "the compiler can't be started", false),
    ] {
        let bench = Bench::new();
        let refusal = bench.refusal(bench.script(does), &formatter());
        assert_eq!(refusal, says, "{does}");
        let again = bench.refusal(nowhere(), &formatter());
        assert_eq!(again.contains("it is not tried again at each start"), is_remembered, "{does}: {again}");
    }
}

/// What the walk refuses, and what it may fail to: the engine's parser recurses.
#[test]
fn what_overflows_the_compilers_stack_ends_the_compiler_alone() {
    let types = [[0x42, 1, 1].repeat(20_000), vec![0x42, 0]].concat();
    // The size of the section is 60,003, as LEB128.
    let bytes = [&b"\0asm\x0d\0\x01\0\x07\xe3\xd4\x03\x01"[..], &types].concat();
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("component");
    fs::write(&input, &bytes).unwrap();
    let ended = std::process::Command::new(PROGRAM)
        .args(["compile-plugin", "500000000", "30", "100000000", "0"])
        .stdin(fs::File::open(&input).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code().is_none() && said.contains("overflowed its stack"), "{}: {said}", ended.status);
    let refusal = Bench::new().refusal(child(), &bytes);
    assert!(refusal.starts_with("its types are nested in one another"), "{refusal}");
}

#[test]
fn code_that_is_none_is_not_run() {
    let bench = Bench::new();
    let refusal = bench.refusal(bench.script("echo no code"), &formatter());
    assert!(refusal.starts_with("the engine refuses the compiled code"), "{refusal}");
    assert!(bench.start(child()).admit(&formatter()).is_ok(), "and it is compiled anew");
}

#[test]
fn a_child_has_no_environment_but_the_number_of_its_threads_and_no_folder() {
    let bench = Bench::new();
    let say = "tr '\\0' ' ' </proc/$$/environ >&2; readlink /proc/$$/cwd >&2; exit 3";
    let refusal = bench.refusal(bench.script(say), &formatter());
    let (_, said) = refusal.split_once("that this host runs: ").unwrap();
    let threads = said.strip_prefix("RAYON_NUM_THREADS=").and_then(|said| said.strip_suffix(" /")).unwrap();
    // One is left, where there are two.
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(threads.parse(), Ok((processors - 1).max(1)), "{refusal}");
}

#[test]
fn what_a_child_says_is_clipped() {
    let bench = Bench::new();
    let refusal = bench.refusal(bench.script("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3"), &formatter());
    assert!(refusal.len() < 1_200 && refusal.ends_with("xx…"), "{} bytes", refusal.len());
}

#[test]
fn where_nothing_can_be_kept_it_is_compiled_into_memory() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("state"), "no folder").unwrap();
    assert!(bench.start(child()).admit(&formatter()).is_ok());
}
