//! The program as a person or a script calls it, where no device runs: what it prints, and with which status it ends.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings do not work")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::tz::TimeZone;
use punchcard_core::event::{NewEvent, Sequence};
use punchcard_core::name::{InputName, PluginName, SinkName};
use punchcard_core::time::{Instant, Monotonic};
use punchcard_ledger::{CheckpointInterval, Declaration, Ledger, Setup};
use tempfile::TempDir;
use ulid::Ulid;

const CONFIGURATION: &str = r#"
[device]
name = "door"
time-zone = "Australia/Brisbane"

[inputs.clock]
driver = "keyboard"
key = "space"
press = { event = "punch" }
"#;

/// A folder with a configuration, and a ledger with so many events.
async fn folder(configuration: &[u8], events: u64) -> TempDir {
    let (folder, ledger) = folder_with_ledger(configuration, events).await;
    ledger.close().await;
    folder
}

/// The same, with the ledger still open.
async fn folder_with_ledger(configuration: &[u8], events: u64) -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plugins.toml"), configuration).unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let setup = Setup { boot: "first".to_owned(), zone: TimeZone::UTC, checkpoints: CheckpointInterval::default() };
    let (ledger, _) = Ledger::open(&state, setup).unwrap();
    for number in 0..events {
        let event = NewEvent {
            id: Ulid::from_parts(1, number.into()),
            at: Some(Instant { unix_micros: 1_795_168_800_000_000, utc_offset_minutes: 600 }),
            monotonic: Monotonic { milliseconds: number, boot: "first".to_owned() },
            source: InputName::parse("clock").unwrap(),
            kind: "punch".to_owned(),
            fields: Vec::new(),
        };
        ledger.accept(event).await.unwrap();
    }
    (folder, ledger)
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punchcard"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command.env_remove("PUNCHCARD_CONFIG").env_remove("STATE_DIRECTORY");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_full_disk_under_the_output_is_an_error_and_no_panic() {
    let folder = folder(CONFIGURATION.as_bytes(), 3).await;
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    for arguments in
        [&["events"][..], &["events", "--csv"], &["events", "--json"], &["rejects"], &["check"], &["--help"]]
    {
        let output = command(folder.path(), arguments).stdout(full()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
    let events = command(folder.path(), &["events", "--csv"]).stdout(full()).output().unwrap();
    assert!(
        text(&events.stderr).starts_with("error: the output can't be written\n  because No space left"),
        "{events:?}"
    );
    // Where nothing at all can be said, the status is left.
    let output = command(folder.path(), &["status"]).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_output_without_a_word() {
    let folder = folder(CONFIGURATION.as_bytes(), 3).await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(folder.path(), &["events", "--csv"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(7), String::new()));
}

#[tokio::test]
async fn a_list_says_that_there_is_more() {
    let folder = folder(CONFIGURATION.as_bytes(), 51).await;
    let listed = |arguments: &[&str]| text(&run(folder.path(), arguments).stdout);
    let more = "There are earlier ones; `-n` lists more.\n";
    assert!(listed(&["events"]).ends_with(more));
    for all in [&["events", "-n", "2"][..], &["events", "-n", "51"], &["events", "--csv"], &["events", "--after", "50"]]
    {
        assert!(!listed(all).contains("earlier ones"), "{all:?}");
    }
    assert_eq!(listed(&["events", "--csv"]).lines().count(), 52);
}

#[tokio::test]
async fn what_is_set_aside_is_listed_up_to_a_limit_and_that_there_is_more_is_said() {
    let (folder, ledger) = folder_with_ledger(CONFIGURATION.as_bytes(), 51).await;
    let sink = SinkName::parse("sheet").unwrap();
    let plugin = || Some(PluginName::parse("bare").unwrap());
    let declaration = Declaration { kinds: vec!["punch".to_owned()], formatter: plugin(), connector: plugin() };
    ledger.declare_sinks(BTreeMap::from([(sink.clone(), declaration)])).await.unwrap();
    // The first sinks of a ledger begin with its history.
    for number in 0..51 {
        ledger.set_aside_event(&sink, Sequence(number), Sequence(number + 1), "it trapped").await.unwrap();
    }
    ledger.close().await;
    let listed = |arguments: &[&str]| text(&run(folder.path(), arguments).stdout);
    let more = "There are more; `-n` lists more, and `--sink` those of one sink.\n";
    let count = |listed: &str| listed.lines().filter(|line| line.contains("it trapped")).count();
    let limited = listed(&["rejects"]);
    assert!(limited.ends_with(more), "{limited}");
    assert_eq!(count(&limited), 50);
    let fewer = listed(&["rejects", "-n", "7"]);
    assert_eq!((count(&fewer), fewer.ends_with(more)), (7, true), "{fewer}");
    let all = listed(&["rejects", "-n", "51"]);
    assert_eq!((count(&all), all.contains("There are more")), (51, false), "{all}");
    assert_eq!(listed(&["rejects", "--json"]).lines().count(), 51);
}

#[tokio::test]
async fn an_encoding_is_named_with_the_place_of_the_first_bad_byte() {
    let table: [(Vec<u8>, &str); 2] = [
        (
            b"[device]\nname = \"T\xfcr\"\n".to_vec(),
            "line 2, column 10 (byte 18) is not UTF-8: the file is probably in Latin-1 (ISO 8859-1); save it as UTF-8",
        ),
        (
            "\u{feff}[device]".encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "line 1, column 1 (byte 0) is not UTF-8: the file is in UTF-16; save it as UTF-8",
        ),
    ];
    for (bytes, expected) in table {
        let folder = folder(&bytes, 0).await;
        let output = run(folder.path(), &["check"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert_eq!(said, format!("error: plugins.toml can't be read as text\n  because {expected}\n"));
    }
}

#[tokio::test]
async fn a_component_that_is_missing_is_said_with_where_it_was_expected_and_how_it_comes_there() {
    let folder = folder(CONFIGURATION.as_bytes(), 0).await;
    let plugins = format!("{CONFIGURATION}\n[plugins]\ntimeclock = \"timeclock.wasm\"\n");
    std::fs::write(folder.path().join("plugins.toml"), plugins).unwrap();
    let output = run(folder.path(), &["check"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("plugins.timeclock: there is no component at timeclock.wasm;"), "{said}");
    assert!(said.contains("`cargo xtask guests`"), "{said}");
    assert!(File::open(folder.path().join("state")).is_ok());
}
