//! Components that mean harm, from the file to the answer: each is refused with a message of its own, and the sandbox goes on.
//! What is made to hurt the walk that measures components is in `corpus`. The table is printed with `--no-capture`.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bare_component::{ALLOCATES, component, component_that_returns_with, component_with};
use punchcard_core::config::limit::Limits;
use punchcard_core::event::{Event, NewEvent, Sequence};
use punchcard_core::name::{InputName, PluginName};
use punchcard_core::plugin::format::TimedEvent;
use punchcard_core::time::{Certainty, Context, Instant, Monotonic};
use punchcard_sandbox::{Compiler, Plugin, Sandbox, read_component};

/// A formatter in WebAssembly's text format, with something else in it.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let text = wasmprinter::print_bytes(component("formatter", "unreachable").unwrap()).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    wat::parse_str(text.replace(from, to)).unwrap()
}

/// What no plugin is given, one of each package and every one that reaches out.
const FORBIDDEN: [&str; 12] = [
    "wasi:http/outgoing-handler@0.2.0",
    "wasi:http/types@0.2.3",
    "wasi:http/incoming-handler@0.2.0",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:blobstore/blobstore@0.2.0-draft",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:nn/graph@0.2.0-rc",
    "wasi:threads/thread@0.1.0",
    "wasi:i2c/i2c@0.2.0-draft",
    "wasi:io/streams@0.3.0",
    "punchcard:plugin/hardware@0.1.0",
    "punchcard:plugin/auth-flow@0.1.0",
];

#[test]
fn what_may_not_be_let_in_is_refused_with_a_message_of_its_own_before_it_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    // There is no compiler: what got as far would say so.
    let sandbox = Sandbox::start(folder.path(), Compiler::of_program(Path::new("/nowhere"))).unwrap();
    let whole = component("formatter", "unreachable").unwrap();
    let mut table: Vec<(String, Vec<u8>, String)> = vec![
        ("nothing".into(), Vec::new(), "the file is empty".into()),
        ("no wasm".into(), b"#!/bin/sh".to_vec(), "it does not begin as one".into()),
        ("a core module".into(), wat::parse_str("(module)").unwrap(), "it is a core module".into()),
        ("another layer".into(), b"\0asm\x0e\0\x01\0".to_vec(), "its format's version is not known".into()),
        // In the middle of its first section: at the end of one it would be a component.
        ("cut short".into(), whole[..16].to_vec(), "no WebAssembly component".into()),
        (
            "two worlds".into(),
            {
                let text = wasmprinter::print_bytes(&whole).unwrap();
                let (inside, _) = text.trim_end().rsplit_once(')').unwrap();
                wat::parse_str(format!(
                    "{inside}(instance $more) (export \"punchcard:plugin/delivery@0.1.0\" (instance $more)))"
                ))
                .unwrap()
            },
            "it exports several".into(),
        ),
        (
            "a version to come".into(),
            changed("punchcard:plugin/row-format@0.1.0", "punchcard:plugin/row-format@0.3.0"),
            "`punchcard:plugin/row-format@0.3.0`, but this host speaks version 0.1.0 and 0.2.0".into(),
        ),
        (
            "two versions in one".into(),
            changed("punchcard:plugin/row-format@0.1.0", "punchcard:plugin/row-format@0.2.0"),
            "`punchcard:plugin/logging@0.1.0`, but what it exports is of version 0.2.0".into(),
        ),
        (
            "no world at all".into(),
            changed("punchcard:plugin/row-format@0.1.0", "wasi:cli/run@0.2.0"),
            "it exports none of `punchcard:plugin`'s".into(),
        ),
    ];
    for import in FORBIDDEN {
        let bytes = changed("punchcard:plugin/logging@0.1.0", import);
        table.push((format!("imports {import}"), bytes, format!("it wants `{import}`, which no formatter is given")));
    }
    let mut said = BTreeSet::new();
    for (name, bytes, says) in &table {
        let refusal = sandbox.admit(bytes).map(drop).unwrap_err().to_string();
        println!("| {name} | {refusal} |");
        assert!(refusal.contains(says), "{name}: {refusal}");
        assert!(said.insert(refusal.clone()), "{name} is told as another one is: {refusal}");
    }
    assert_eq!(said.len(), table.len());
}

#[test]
fn a_file_of_200_megabytes_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    File::create(&path).unwrap().set_len(200 << 20).unwrap();
    let refusal = read_component(&path).unwrap_err().to_string();
    println!("| 200 MB | {refusal} |");
    assert!(refusal.contains("209715200") || refusal.contains("33554432"), "{refusal}");
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A formatter that returns these words of a result as the canonical ABI lays it out, from a memory of 1.25 MiB.
fn answering(result: &[u32], verdicts: &[u32]) -> Vec<u8> {
    let data = [(256, words(result)), (512, words(verdicts))];
    let bodies = ["unreachable", "i32.const 256", "unreachable", ALLOCATES];
    let larger = |text: String| text.replace("(memory (;0;) 2)", "(memory (;0;) 20)");
    component_that_returns_with("formatter", &bodies, &data, larger).unwrap()
}

/// The same formatter with a function more, which `body` calls.
fn with_function(function: &str, body: &str) -> Vec<u8> {
    let change = |text: String| {
        let (inside, _) = text.trim_end().rsplit_once(')').unwrap();
        format!("{inside}{function})")
    };
    component_with("formatter", body, change).unwrap()
}

#[tokio::test]
async fn what_does_harm_when_it_is_called_fails_its_own_call_with_a_message_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(folder.path(), Compiler::unconfined()).unwrap();
    let limits = Limits { call_for: Duration::from_millis(300), memory_bytes: 4 << 20, ..Limits::default() };
    let one_verdict = [0, 0, 0, 512, 1, 0, 0, 0];
    let grows = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let table: [(&str, Vec<u8>, &str); 8] = [
        (
            "a start function that loops",
            with_function("(func $start (loop (br 0))) (start $start)", "unreachable"),
            "it took longer than 300 ms",
        ),
        ("memory that grows in each call", component("formatter", grows).unwrap(), "it asked for more than 4 MiB"),
        (
            "a stack that overflows",
            with_function("(func $deep (call $deep))", "(call $deep) unreachable"),
            "call stack exhausted",
        ),
        ("a trap", component("formatter", "unreachable").unwrap(), "wasm `unreachable` instruction executed"),
        (
            "a state of 1 MiB and a byte",
            answering(&[0, 0, (1 << 20) + 1, 512, 1, 0, 0, 0], &[1, 0, 0, 0, 0, 0]),
            "a state of 1048577 bytes; at most 1048576 are kept",
        ),
        ("1,001 rows", answering(&one_verdict, &[0, 4_096, 1_001, 0, 0, 0]), "1001 rows for one event; at most 1000"),
        // As many as there is memory for are read at all.
        ("a million rows", answering(&one_verdict, &[0, 4_096, 1_000_000, 0, 0, 0]), "out of bounds"),
        ("no verdict", answering(&[0, 0, 0, 512, 0, 0, 0, 0], &[]), "0 verdicts for 1 events"),
    ];
    let happened = NewEvent {
        id: "01J00000000000000000000000".parse().unwrap(),
        at: None,
        monotonic: Monotonic { milliseconds: 0, boot: String::new() },
        source: InputName::parse("button").unwrap(),
        kind: "punch".to_owned(),
        fields: Vec::new(),
    };
    let at = Instant { unix_micros: 0, utc_offset_minutes: 0 };
    let event = TimedEvent { event: Event { sequence: Sequence(1), happened }, at, certainty: Certainty::Known };
    let context = Context {
        now: at,
        monotonic: Monotonic { milliseconds: 0, boot: String::new() },
        entropy: [0; 32],
        device: String::new(),
    };
    let name = PluginName::parse("guest").unwrap();
    for (what, bytes, says) in &table {
        let plugin = Arc::clone(&sandbox).load(&name, bytes, limits).unwrap_or_else(|error| panic!("{what}: {error}"));
        let Plugin::Formatter(formatter) = plugin else { panic!("{what}: no formatter") };
        // And again: no call leaves anything to the next.
        for _ in 0..2 {
            let failed = formatter.format("{}", 0, Vec::new(), vec![event.clone()], &context).await;
            let failed = failed.map(drop).unwrap_err().to_string();
            println!("| {what} | {failed} |");
            assert!(failed.contains(says), "{what}: {failed}");
        }
    }
}
