//! Plugins that do not work: their calls fail with the reason, their events stay, the rest runs.

use std::fs;

use punchcard_core::config::limit::Limits;
use punchcard_core::http::Response;
use punchcard_core::name::PluginName;
use punchcard_core::plugin::auth::{Directive, Signal};
use punchcard_core::time::{Context, Instant, Monotonic};
use punchcard_sandbox::{Compiler, Plugin, Sandbox};

use crate::bench::{Bench, guest};

/// Guests have a small stack, and each level of a JSON value takes some of it.
#[tokio::test]
async fn an_answer_that_is_nested_as_deep_as_guests_read_it_fits_their_stack() {
    /// What `serde_json` reads, and one more.
    const DEPTH: usize = 128;
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(folder.path(), Compiler::unconfined()).unwrap();
    let bytes = fs::read(guest("device-flow")).unwrap();
    let name = PluginName::parse("device-flow").unwrap();
    let Ok(Plugin::AuthPolicy(policy)) = sandbox.load(&name, &bytes, Limits::default()) else { panic!("no policy") };
    let settings = r#"{"issuer":"https://id.example","client-id":"door","scopes":["rows"]}"#;
    let context = Context {
        now: Instant { unix_micros: 1_767_225_600_000_000, utc_offset_minutes: 0 },
        monotonic: Monotonic { milliseconds: 60_000, boot: "boot".to_owned() },
        entropy: [7; 32],
        device: "door".to_owned(),
    };
    let asked = policy.step(settings, Vec::new(), Signal::Started, Vec::new(), &context).await.unwrap();
    assert!(matches!(asked.next, Directive::Send(_)), "it asks for the server's metadata: {asked:?}");
    for depth in [DEPTH - 2, DEPTH - 1, DEPTH] {
        let body = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        let response = Response { status: 200, headers: Vec::new(), body: body.into_bytes() };
        let step = policy.step(settings, asked.state.clone(), Signal::Responded(response), Vec::new(), &context);
        let outcome = step.await.unwrap_or_else(|error| panic!("{depth} levels: {error}"));
        assert!(matches!(outcome.next, Directive::Send(_)), "no metadata; it looks at the next place: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_formatter_can_not_take_is_tried_three_times_and_set_aside() {
    let mut bench = Bench::signed_in().await;
    let deeds = ["one", "trap", "loop", "hoard", "nan", "state", "reject", "two"];
    for deed in deeds {
        bench.press(deed).await;
    }
    bench.until("it fails visibly", |report| report["sinks"][0]["formatting"]["status"] == "failing").await;
    let report = bench.until("all are set aside", |report| report["sinks"][0]["set-aside"] == 6).await;
    assert_eq!(report["events"], deeds.len());
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
    let events = bench.printed(&["events", "--json"]).await;
    for reason in ["trap", "longer than 1000 ms", "memory", "number", "1048576", "it was told to"] {
        assert!(events.to_lowercase().contains(&reason.to_lowercase()), "{reason}:\n{events}");
    }
    let log = bench.log();
    let attempts = log.lines().filter(|line| line.contains("formatting failed")).count();
    assert!(attempts >= 15, "five deeds, three attempts each: {attempts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_of_attempts_outlives_a_power_cut() {
    let mut bench = Bench::signed_in().await;
    bench.press("trap").await;
    bench.until("it fails", |report| report["sinks"][0]["formatting"]["status"] == "failing").await;
    for _ in 0..3 {
        bench.kill().await;
        bench.start().await;
        bench
            .until("it has failed once more", |report| {
                let sink = &report["sinks"][0];
                sink["formatting"]["status"] == "failing" || sink["set-aside"] == 1
            })
            .await;
    }
    bench.until("it is set aside", |report| report["sinks"][0]["set-aside"] == 1).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_none_is_off_and_its_events_wait_for_one_that_works() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    let good = fs::read(guest("for-tests/saboteur")).unwrap();
    let file = bench.folder().join("formatter.wasm");
    bench.reconfigure(
        &format!("saboteur = {:?}", guest("for-tests/saboteur").to_str().unwrap()),
        r#"saboteur = "formatter.wasm""#,
    );
    // Otherwise what was kept of the version in force would go on.
    fs::remove_dir_all(bench.state().join("plugins")).unwrap();
    // Types of instances, 650 deep, overflow the stack of the engine's parser.
    let deep = [&b"\0asm\x0d\0\x01\0\x07\xa1\x0f\x01"[..], &[0x42, 1, 1].repeat(650), &[0x42, 0]].concat();
    for bad in [&b"not wasm"[..], &good[..good.len() / 2], &[], &deep] {
        fs::write(&file, bad).unwrap();
        bench.start().await;
        let report = bench.until("the plugin is off", |report| report["plugins"][2]["error"].is_string()).await;
        assert_eq!(report["plugins"][2]["name"], "saboteur");
        assert_eq!(report["sinks"][0]["formatting"]["status"], "off");
        assert_eq!(report["grants"][0]["status"].as_str().map(|status| status != "off"), Some(true));
        bench.press("one").await;
        bench.stop().await;
    }
    fs::write(&file, &good).unwrap();
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "one", "one", "one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_are_interpreted_make_rows_without_executable_memory() {
    let mut bench = Bench::new().await;
    let text = fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    bench.configure(&format!("{text}\n[runtime]\nbackend = \"pulley\"\n"));
    // Compiling for it may take longer than a start is waited for.
    bench.printed(&["check"]).await;
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
    // Address range, permissions, offset, device, inode, path (proc_pid_maps(5)).
    let maps = bench.maps();
    for line in maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|flags| flags.contains('x'))) {
        let of = line.split_whitespace().nth(5).unwrap_or_default();
        let is_program = of.ends_with("/punchcard") || of.contains(".so") || of.starts_with("[v");
        assert!(is_program, "{line}\n{maps}");
    }
}
