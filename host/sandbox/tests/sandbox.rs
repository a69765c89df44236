//! What a malicious, broken or mistaken plugin meets: real components in the real engine.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bare_component::{ALLOCATES, component_that_returns, component_that_returns_with};
use punchcard_core::config::limit::Limits;
use punchcard_core::config::runtime::Backend;
use punchcard_core::event::{Field, Value};
use punchcard_core::name::PluginName;
use punchcard_core::plugin::World;
use punchcard_core::plugin::delivery::{Batch, Directive, Signal};
use punchcard_core::plugin::sensor::Reading;
use punchcard_core::row::Row;
use punchcard_core::time::{Context, Instant, Monotonic};
use punchcard_sandbox::lender::Nothing;
use punchcard_sandbox::{CallError, Compiler, Formatter, LoadError, Plugin, Sandbox};
use sha2::{Digest as _, Sha256};

/// [`bare_component::component`].
fn component(world: &str, body: &str) -> Vec<u8> {
    bare_component::component(world, body).unwrap()
}

/// [`bare_component::component_with`].
fn component_with(world: &str, body: &str, change: impl FnOnce(String) -> String) -> Vec<u8> {
    bare_component::component_with(world, body, change).unwrap()
}

struct Bench {
    sandbox: Arc<Sandbox>,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with_backend(Backend::Native)
    }

    fn with_backend(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(folder.path(), Compiler::unconfined().with_backend(backend)).unwrap();
        Self { sandbox, folder }
    }

    fn load(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let limits = Limits { call_for: Duration::from_millis(200), memory_bytes: 4 << 20, ..Limits::default() };
        self.sandbox.load(&PluginName::parse("guest").unwrap(), bytes, limits)
    }

    fn formatter(&self, body: &str) -> Formatter {
        match self.load(&component("formatter", body)) {
            Ok(Plugin::Formatter(formatter)) => formatter,
            Ok(other) => panic!("{:?}", other.world()),
            Err(error) => panic!("{error}"),
        }
    }

    fn refusal(&self, bytes: &[u8]) -> String {
        match self.load(bytes) {
            Ok(_) => panic!("it was let in"),
            Err(error) => error.to_string(),
        }
    }
}

fn no_context() -> Context {
    Context {
        now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
        monotonic: Monotonic { milliseconds: 0, boot: String::new() },
        entropy: [0; 32],
        device: String::new(),
    }
}

#[tokio::test]
async fn a_plugin_that_traps_has_failed_its_call_and_nothing_else() {
    let bench = Bench::new();
    let formatter = bench.formatter("unreachable");
    for _ in 0..3 {
        let failed = formatter.columns("{}").await.unwrap_err();
        let CallError::Trapped { reason } = failed else { panic!("{failed:?}") };
        assert!(reason.contains("unreachable"), "{reason}");
    }
}

#[tokio::test]
async fn a_plugin_that_loops_is_stopped_at_its_deadline() {
    let bench = Bench::new();
    let formatter = bench.formatter("(loop (br 0)) unreachable");
    let failed = formatter.columns("{}").await.unwrap_err();
    assert_eq!(failed, CallError::Deadline { limit: Duration::from_millis(200) });
    assert_eq!(failed.to_string(), "it took longer than 200 ms");
}

#[tokio::test]
async fn a_plugin_that_is_interpreted_is_confined_as_well() {
    let bench = Bench::with_backend(Backend::Pulley);
    let hoard = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    for (body, said) in [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("(loop (br 0)) unreachable", "it took longer than 200 ms"),
        (hoard, "it trapped: it asked for more than 4 MiB of memory"),
        // Native code relies on pages there that nobody may use.
        ("(i32.store (i32.const -8) (i32.const 1)) unreachable", "out of bounds memory access"),
    ] {
        let failed = bench.formatter(body).columns("{}").await.unwrap_err().to_string();
        assert!(failed.contains(said), "{failed}");
    }
}

#[tokio::test]
async fn a_connector_s_step_may_be_given_more_time_than_its_other_calls() {
    let bench = Bench::new();
    let Ok(Plugin::Connector(connector)) = bench.load(&component("connector", "(loop (br 0)) unreachable")) else {
        panic!("no connector");
    };
    let usual = connector.check("{}", &[]).await.unwrap_err();
    assert_eq!(usual, CallError::Deadline { limit: Duration::from_millis(200) });
    let batch = Batch { id: String::new(), columns: Vec::new(), rows: Vec::new(), corrections: Vec::new() };
    let limit = connector.call_for() * 2;
    let more = connector.give(batch).step(limit, "{}", &[], Signal::Prepare, &no_context()).await.unwrap_err();
    assert_eq!(more, CallError::Deadline { limit: Duration::from_millis(400) });
}

#[tokio::test]
async fn a_plugin_that_allocates_without_end_is_told_why_it_ended() {
    let bench = Bench::new();
    let hoard = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let failed = bench.formatter(hoard).columns("{}").await.unwrap_err();
    let CallError::Trapped { reason } = failed else { panic!("{failed:?}") };
    assert_eq!(reason, "it asked for more than 4 MiB of memory");
}

#[test]
fn each_world_is_recognised() {
    let bench = Bench::new();
    for (world, is) in [
        ("formatter", World::Formatter),
        ("connector", World::Connector),
        ("auth-policy", World::AuthPolicy),
        ("sensor", World::Sensor),
    ] {
        assert_eq!(bench.load(&component(world, "unreachable")).ok().map(|plugin| plugin.world()), Some(is));
    }
}

/// A sensor whose polls find this in its memory, from 4,096 on, as the canonical ABI lays it out; and which asks for hardware
/// first and traps unless that is denied.
fn sensor(readings: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    // A polled without an error: no state, and one reading at 512 whose kind is at 1,024 and whose fields are at 2,048.
    let mut data = vec![
        (256, words(&[0, 0, 0, 512, 1])),
        (512, words(&[1_024, 7, 2_048, 1])),
        (1_024, b"reading".to_vec()),
        (1_040, b"celsius".to_vec()),
        // A name, the case of a number, and the number.
        (2_048, [words(&[1_040, 7, 2, 0]), 21.5_f64.to_le_bytes().to_vec()].concat()),
    ];
    data.extend_from_slice(readings);
    let asks = "(local $denied i32)
        (call $open (i32.const 0) (i32.const 0) (i32.const 128))
        ;; An error, and the fourth of the reasons.
        (if (i32.ne (i32.load8_u (i32.const 128)) (i32.const 1)) (then unreached))
        (if (i32.ne (i32.load8_u (i32.const 132)) (i32.const 3)) (then unreached))
        (call $delay (i32.const 1))
        i32.const 256"
        .replace("unreached", "(drop (i32.div_u (i32.const 1) (i32.const 0)))");
    component_that_returns_with("sensor", &["i32.const 64", "i32.const 64", &asks, ALLOCATES], &data, |text| {
        let named = |text: String, import: &str, name: &str| {
            let at = text.find(&format!("\"{import}\" (func (;")).unwrap_or_else(|| panic!("{import}: {text}"));
            let (before, from) = text.split_at(at);
            let (to, after) = from.split_once("(func (;").unwrap();
            let (_, after) = after.split_once(";)").unwrap();
            format!("{before}{to}(func ${name} {after}")
        };
        named(named(text, "open-i2c", "open"), "delay-us", "delay")
    })
    .unwrap()
}

#[tokio::test]
async fn a_sensor_is_read_and_lent_no_hardware() {
    let bench = Bench::new();
    let plugin = bench.load(&sensor(&[])).unwrap_or_else(|error| panic!("{error}"));
    let Plugin::Sensor(sensor) = plugin else { panic!("no sensor") };
    sensor.check("{}").await.unwrap();
    let polled = sensor.poll(Arc::new(Nothing), "{}", b"state", &no_context()).await.unwrap();
    let field = Field { name: "celsius".into(), value: Value::Number(21.5) };
    assert_eq!(polled.readings, [Reading { kind: "reading".into(), fields: vec![field] }]);
    assert_eq!(polled.state, b"");
}

#[tokio::test]
async fn a_reading_that_no_event_can_be_made_of_is_refused() {
    let bench = Bench::new();
    let Ok(Plugin::Sensor(sensor)) = bench.load(&sensor(&[(1_024, b"no name".to_vec())])) else { panic!("no sensor") };
    let failed = sensor.poll(Arc::new(Nothing), "{}", b"", &no_context()).await.unwrap_err();
    assert!(matches!(failed, CallError::Refused { .. }), "{failed}");
}

#[test]
fn only_a_sensor_is_offered_hardware() {
    let imported = wasmprinter::print_bytes(component("sensor", "unreachable")).unwrap();
    let other = imported.replace("punchcard:plugin/source@0.1.0", "punchcard:plugin/row-format@0.1.0");
    let refusal = Bench::new().refusal(&wat::parse_str(other).unwrap());
    assert!(
        refusal.starts_with(
            "plugin `guest` can't be used: it wants `punchcard:plugin/hardware@0.1.0`, which no formatter is given"
        ),
        "{refusal}"
    );
}

#[test]
fn what_is_no_component_is_refused_by_what_it_is() {
    let bench = Bench::new();
    let whole = component("formatter", "unreachable");
    let core_module = wat::parse_str("(module)").unwrap();
    let table: [(&[u8], &str); 4] = [
        (b"", "plugin `guest` can't be used: it is no WebAssembly component that this host runs: the file is empty"),
        (
            b"#!/bin/sh",
            "plugin `guest` can't be used: it is no WebAssembly component that this host runs: it does not begin as one",
        ),
        (
            &core_module,
            "plugin `guest` can't be used: it is no WebAssembly component that this host runs: it is a core module; make a component of it",
        ),
        (
            // In the middle of its first section: at the end of one it would be a component.
            &whole[..16],
            "plugin `guest` can't be used: it is no WebAssembly component that this host runs: ",
        ),
    ];
    for (bytes, says) in table {
        let refusal = bench.refusal(bytes);
        assert!(refusal.starts_with(says), "{refusal}");
    }
}

#[test]
fn compiled_code_is_used_again_and_damaged_code_is_not() {
    let bench = Bench::new();
    let bytes = component("formatter", "unreachable");
    bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let cache = bench.folder.path().join("cache");
    let code = std::fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .unwrap();
    let first = std::fs::metadata(&code).unwrap().modified().unwrap();
    bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(std::fs::metadata(&code).unwrap().modified().unwrap(), first, "compiled twice");

    let mut damaged = std::fs::read(&code).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&code, &damaged).unwrap();
    bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(std::fs::read(&code).unwrap(), damaged, "damaged code was kept");
}

/// The files of compiled code and of seals, by the ends of their names.
fn files(bench: &Bench, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bench.folder.path().join("cache")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == end));
    files.sort();
    files
}

#[test]
fn compiled_code_of_another_component_is_not_used_although_it_is_sealed() {
    let bench = Bench::new();
    let (one, other) = (component("formatter", "unreachable"), component("connector", "unreachable"));
    bench.load(&one).unwrap_or_else(|error| panic!("{error}"));
    let [code] = &files(&bench, "cwasm")[..] else { panic!("one file of code") };
    let [seal] = &files(&bench, "sha256")[..] else { panic!("one seal") };
    let digest = |bytes: &[u8]| punchcard_sandbox::cache::hexadecimal(&Sha256::digest(bytes));
    let name = code.file_name().unwrap().to_str().unwrap().replace(&digest(&one), &digest(&other));
    std::fs::copy(code, code.with_file_name(&name)).unwrap();
    std::fs::copy(seal, code.with_file_name(name.replace("cwasm", "sha256"))).unwrap();
    let loaded = bench.load(&other).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.world(), World::Connector);
}

/// As on a card that comes from another machine: sealed, of this component and this version, and not for this processor.
#[test]
fn code_that_does_not_fit_this_machine_is_compiled_anew() {
    let bench = Bench::new();
    let bytes = component("formatter", "unreachable");
    bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let elsewhere = Bench::with_backend(Backend::Pulley);
    elsewhere.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    for end in ["cwasm", "sha256"] {
        let ([here], [there]) = (&files(&bench, end)[..], &files(&elsewhere, end)[..]) else { panic!("one file each") };
        std::fs::copy(there, here).unwrap();
    }
    let [code] = &files(&bench, "cwasm")[..] else { panic!("one file of code") };
    let foreign = std::fs::read(code).unwrap();
    bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(std::fs::read(code).unwrap(), foreign, "code for another machine was kept");
}

#[test]
fn what_stands_in_the_place_of_compiled_code_is_not_waited_for() {
    let bench = Bench::new();
    let bytes = component("formatter", "unreachable");
    bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
    for end in ["cwasm", "sha256"] {
        let [file] = &files(&bench, end)[..] else { panic!("one file") };
        std::fs::remove_file(file).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, file, rustix::fs::Mode::RWXU).unwrap();
        bench.load(&bytes).unwrap_or_else(|error| panic!("{error}"));
        assert!(std::fs::metadata(file).unwrap().is_file(), "the code was compiled anew");
    }
}

#[test]
fn what_was_admitted_is_kept_and_is_what_runs_whatever_becomes_of_the_file() {
    let bench = Bench::new();
    let bytes = component("formatter", "unreachable");
    let admitted = bench.sandbox.admit(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let description = admitted.description().clone();
    assert_eq!((description.world, description.version), (World::Formatter, "0.1.0"));
    assert_eq!(description.bytes, bytes.len());
    let kept = bench.sandbox.read_admitted(&description.sha256).unwrap();
    assert_eq!(kept, bytes);
    let again = bench.sandbox.admit(&kept).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(*again.description(), description);
    assert!(bench.sandbox.admit(b"#!/bin/sh").is_err());
    assert_eq!(std::fs::read_dir(bench.folder.path().join("plugins")).unwrap().count(), 1, "only what was let in");
}

/// A formatter with this behind everything else in its component.
fn formatter_with(more: &str) -> Vec<u8> {
    let text = wasmprinter::print_bytes(component("formatter", "unreachable")).unwrap();
    let (inside, _) = text.trim_end().rsplit_once(')').unwrap();
    wat::parse_str(format!("{inside}{more})")).unwrap()
}

#[tokio::test]
async fn a_plugin_with_more_instances_memories_or_tables_than_any_needs_is_not_run() {
    let bench = Bench::new();
    for (module, count, what, most) in [
        ("(core module $x)", 128, "instance", 128),
        ("(core module $x (memory 0))", 5, "memor", 4),
        ("(core module $x (table 0 funcref))", 65, "table", 64),
    ] {
        let bytes = formatter_with(&format!("{module}{}", "(core instance (instantiate $x))".repeat(count)));
        // Where the engine reserves places for all of them beforehand, it says so beforehand.
        let said = match bench.load(&bytes) {
            Ok(Plugin::Formatter(formatter)) => formatter.columns("{}").await.unwrap_err().to_string(),
            Ok(_) => panic!("{what}: it is no formatter"),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(what), "{said}");
        assert!(said.contains("count too high") || said.contains(&format!("maximum of {most}")), "{said}");
    }
}

#[tokio::test]
async fn as_many_calls_as_there_are_places_run_at_once_and_others_wait() {
    let bench = Bench::new();
    let formatter = Arc::new(bench.formatter("(loop (br 0)) unreachable"));
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let formatter = Arc::clone(&formatter);
            tokio::spawn(async move { formatter.columns("{}").await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(CallError::Deadline { .. })));
    }
}

/// Divides by zero where any word of a megabyte is not as it was at first, or a place in the table is not empty; and then
/// writes to all of them. The data's place moves from component to component.
fn searcher(number: usize) -> Vec<u8> {
    let at = number * 8_192;
    let body = format!(
        "(local $at i32)
        (drop (memory.grow (i32.const 16)))
        (if (i64.ne (i64.load (i32.const {at})) (i64.const 0x0807060504030201)) (then unreached))
        (i64.store (i32.const {at}) (i64.const 0))
        (loop $search
            (if (i32.load (local.get $at)) (then unreached))
            (i32.store (local.get $at) (i32.const -1))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $search (i32.lt_u (local.get $at) (i32.const 0x100000))))
        (local.set $at (i32.const 0))
        (loop $search
            (if (i32.eqz (ref.is_null (table.get (local.get $at)))) (then unreached))
            (table.set (local.get $at) (ref.func $filling))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $search (i32.lt_u (local.get $at) (table.size))))
        unreachable"
    );
    let body = body.replace("unreached", "(drop (i32.div_u (i32.const 1) (i32.const 0)))");
    let more = format!(
        r#"(table 2000 funcref) (func $filling) (elem declare func $filling)
        (data (i32.const {at}) "\01\02\03\04\05\06\07\08"))"#
    );
    component_with("formatter", &body, |text| {
        let text = text.replace("(memory (;0;) 0)", "(memory (;0;) 16)");
        assert!(text.contains("(memory (;0;) 16)"), "{text}");
        let (inside, _) = text.trim_end().rsplit_once(')').unwrap();
        format!("{inside}{more}")
    })
}

#[tokio::test]
async fn a_call_finds_nothing_of_the_calls_before_it() {
    let bench = Bench::new();
    // Each has its own place as long as there is one that was not used; there are 32 for memories.
    for number in 0..40 {
        let Ok(Plugin::Formatter(formatter)) = bench.load(&searcher(number)) else { panic!("no formatter") };
        for _ in 0..3 {
            let failed = formatter.columns("{}").await.unwrap_err();
            let CallError::Trapped { reason } = failed else { panic!("{failed:?}") };
            assert!(reason.contains("unreachable"), "all of it was searched: {reason}");
        }
    }
}

#[test]
fn a_plugin_that_fills_the_hosts_own_memory_is_not_let_in() {
    let globals = "(global i32 (i32.const 0))".repeat(20_000);
    let instances = "(core instance (instantiate $x))".repeat(60);
    let refusal = Bench::new().refusal(&formatter_with(&format!("(core module $x {globals}){instances}")));
    assert!(refusal.starts_with("plugin `guest` can't be used: it has 10"), "{refusal}");
    assert!(
        refusal.ends_with(
            " globals, imports and functions that are referred to, in all instances together; at most 1000000 are let in"
        ),
        "{refusal}"
    );
}

#[test]
fn compiled_code_that_no_plugin_uses_is_removed() {
    let bench = Bench::new();
    let cache = bench.folder.path().join("cache");
    let names = || {
        let entries = std::fs::read_dir(&cache).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let used = bench.load(&component("formatter", "unreachable")).unwrap_or_else(|error| panic!("{error}"));
    let kept = names();
    assert_eq!(kept.len(), 2, "the code and its seal: {kept:?}");
    bench.load(&component("connector", "unreachable")).unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(cache.join("half.1-0.tmp"), "half").unwrap();
    std::fs::write(cache.join("somebody-elses.txt"), "").unwrap();
    assert_eq!(names().len(), 6);
    bench.sandbox.keep_only(&[*used.sha256()], &[]);
    assert_eq!(names().iter().filter(|name| *name != "somebody-elses.txt").cloned().collect::<Vec<_>>(), kept);
    assert_eq!(names().len(), 3);
}

/// A connector that finds one row, whose key and fingerprint have 200 characters. It says the same fingerprint of any row.
fn long_winded() -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    // The canonical ABI's records, by the places of each other: a list of fingerprints, an outcome, its row, and a text.
    let data = [
        (128, words(&[0, 160, 1])),
        (160, words(&[1_024, 200])),
        (256, words(&[0, 0, 0, 0, 4, 0, 512, 1, 0, 0, 0, 0, 0, 0])),
        (512, words(&[1, 1_024, 200, 1_024, 200, 1_024, 9])),
        (1_024, vec![b'x'; 200]),
    ];
    let bodies = ["unreachable", "i32.const 128", "i32.const 256", "unreachable", ALLOCATES];
    component_that_returns("connector", &bodies, &data).unwrap()
}

#[tokio::test]
async fn a_fingerprint_is_the_same_of_a_row_that_was_delivered_and_of_one_that_is_found_however_long_it_is() {
    let bench = Bench::new();
    let Ok(Plugin::Connector(connector)) = bench.load(&long_winded()) else { panic!("no connector") };
    let row = Row { key: String::new(), cells: Vec::new() };
    let delivered = connector.fingerprint("{}", &[], &[row]).await.unwrap();
    let batch = Batch { id: String::new(), columns: Vec::new(), rows: Vec::new(), corrections: Vec::new() };
    let (given, limit) = (connector.give(batch), connector.call_for());
    let outcome = given.step(limit, "{}", &[], Signal::ReadBack(None), &no_context()).await.unwrap();
    let Directive::Found(page) = outcome.next else { panic!("{outcome:?}") };
    assert_eq!(page.rows[0].fingerprint, "x".repeat(100));
    assert_eq!(delivered, ["x".repeat(100)]);
}
