//! The program as a person or a script calls it, where no device runs: what it prints, and with which status it ends.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings do not work")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::tz::TimeZone;
use punchcard::vault::Vault;
use punchcard_core::config::parse_configuration;
use punchcard_core::event::{NewEvent, Sequence};
use punchcard_core::name::{GrantName, InputName, PluginName, SinkName, SlotName};
use punchcard_core::secret::Secret;
use punchcard_core::time::{Instant, Monotonic};
use punchcard_ledger::{CheckpointInterval, Declaration, Ledger, Setup};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

#[tokio::test]
async fn doctor_looks_at_a_device_that_does_not_run_and_changes_nothing() {
    let folder = folder(CONFIGURATION.as_bytes(), 3).await;
    let state = folder.path().join("state");
    std::fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
    let before = listing(folder.path());
    let output = run(folder.path(), &["doctor", "--no-network", "--no-picture", "--json"]);
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["well"], false);
    let finding = |check: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("{check}: {report}")).clone()
    };
    assert_eq!(finding("configuration")["verdict"], "good");
    assert_eq!(finding("device")["verdict"], "unknown");
    assert_eq!(finding("network")["verdict"], "unknown");
    let mode = finding("mode of state");
    assert_eq!((&mode["verdict"], &mode["remedy"]), (&"bad".into(), &"`sudo chmod go= state`".into()));
    assert_eq!(listing(folder.path()), before);
    // A person reads the same.
    let output = run(folder.path(), &["doctor", "--no-network", "--no-picture"]);
    let said = text(&output.stdout);
    assert!(said.contains("mode of state") && said.contains("`sudo chmod go= state`"), "{said}");
}

#[tokio::test]
async fn doctor_asks_servers_and_tells_them_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let length = stream.read(&mut request).await.unwrap();
        let answer = "HTTP/1.1 404 Not Found\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let folder = folder(with_webhook(&format!("http://{address}/s3cret-path")).as_bytes(), 0).await;
    std::fs::write(folder.path().join("key"), "s3cret-key-of-the-webhook").unwrap();
    std::fs::set_permissions(folder.path().join("key"), Permissions::from_mode(0o600)).unwrap();
    let path = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || run(&path, &["doctor", "--json"])).await.unwrap();
    let request = asked.await.unwrap();
    assert!(request.starts_with("HEAD / HTTP/1.1\r\n") && !request.contains("s3cret"), "{request}");
    let said = text(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let verdict = |check: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["check"] == check).unwrap()["verdict"].clone()
    };
    assert_eq!(verdict(&format!("server http://{address}")), "good");
    assert_eq!(verdict("clock and servers"), "bad");
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_support_bundle_has_no_secret_of_the_device() {
    let url = "http://127.0.0.1:9/s3cret-path";
    let folder = folder(format!("{}\n# once: s3cret-comment-1234\n", with_webhook(url)).as_bytes(), 0).await;
    let state = folder.path().join("state");
    let vault = Vault::open(&state.join("vault")).unwrap();
    let (token, key) = ("1//0s3cret refresh&token", "s3cret-key-of-the-webhook");
    let slot = SlotName::parse("refresh-token").unwrap();
    vault.store(&GrantName::parse("google").unwrap(), vec![(slot, Secret::new(token.to_owned()))]).unwrap();
    std::fs::write(folder.path().join("key"), format!("{key}\n")).unwrap();
    std::fs::set_permissions(folder.path().join("key"), Permissions::from_mode(0o600)).unwrap();
    let log = format!("a line sink=hook\n{token}\nrefresh_token=1%2F%2F0s3cret+refresh%26token\nX-Key: {key}\n");
    std::fs::write(state.join("punchcard.log"), log).unwrap();

    let output = run(folder.path(), &["support-bundle", "--no-network"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.contains("lines: the end of the log") && said.contains("Read it before you send it"), "{said}");
    let path = folder.path().join("punchcard-support.txt");
    let bundle = std::fs::read_to_string(&path).unwrap();
    assert!(!bundle.contains("s3cret"), "{bundle}");
    for part in ["a line sink=hook", "X-Key: [secret]", "[sinks.hook]", "no host runs", "configuration"] {
        assert!(bundle.contains(part), "{part}: {bundle}");
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // One that is there is somebody's.
    let again = run(folder.path(), &["support-bundle", "--no-network"]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), bundle);
}

#[tokio::test]
async fn a_support_bundle_has_neither_badges_nor_links_nor_secrets_that_the_device_refuses() {
    let url = "http://127.0.0.1:9/hook";
    // One wrong key, and the whole sink is off: the device goes on with the last valid one.
    let broken = with_webhook(url).replace("authorize =", "autorize = 1\nauthorize =");
    let people = "[people]\n0012345678 = \"Anna Webersdottir\"\n";
    let folder = folder(format!("{broken}{people}").as_bytes(), 0).await;
    let state = folder.path().join("state");
    let before = with_webhook(url).replace("\"key\"", "\"older-key\"");
    std::fs::write(state.join("last-valid.toml"), before).unwrap();
    // Both are refused by the device: everybody can read one, and the other one has quotation marks.
    for (file, content, mode) in [("key", "n3w-s3cret\n", 0o644), ("older-key", "\"0ld-s3cret\"\n", 0o600)] {
        std::fs::write(folder.path().join(file), content).unwrap();
        std::fs::set_permissions(folder.path().join(file), Permissions::from_mode(mode)).unwrap();
    }
    let link = "https://sheets.example/d/1A-old-sheet";
    let log = format!("INFO ready sink=a link=\"{link}\"\nX-Key: n3w-s3cret\nX-Key: 0ld-s3cret\n");
    std::fs::write(state.join("punchcard.log"), log).unwrap();

    let output = run(folder.path(), &["support-bundle", "--no-network"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let bundle = std::fs::read_to_string(folder.path().join("punchcard-support.txt")).unwrap();
    for secret in ["n3w-s3cret", "0ld-s3cret", "0012345678", "Webersdottir", link] {
        assert!(!bundle.contains(secret), "{secret}: {bundle}");
    }
    for part in ["X-Key: [secret]", "link=[secret]", "[people]\n[secret]"] {
        assert!(bundle.contains(part), "{part}: {bundle}");
    }
    assert!(!bundle.contains("NOT looked for"), "{bundle}");
}

#[tokio::test]
async fn a_support_bundle_says_first_which_secrets_could_not_be_looked_for() {
    let credential =
        with_webhook("http://127.0.0.1:9/hook").replace("{ file = \"key\" }", "{ credential = \"the-key\" }");
    let folder = folder(
        format!("{credential}[notify]\nurl = {{ file = \"gone\" }}\nreach = [\"https://h.example\"]\n").as_bytes(),
        0,
    )
    .await;
    let output = run(folder.path(), &["support-bundle", "--no-network"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let bundle = std::fs::read_to_string(folder.path().join("punchcard-support.txt")).unwrap();
    let first: Vec<&str> = bundle.lines().skip(1).take(2).collect();
    assert_eq!(
        first,
        [
            "NOT looked for, and perhaps in it: the credential `the-key`, which systemd gives to the service alone.",
            "NOT looked for, and perhaps in it: the file gone, which is not there.",
        ]
    );
    let said = text(&output.stderr);
    assert!(said.contains("the credential `the-key`") && !said.contains("No secret is stored"), "{said}");
}

#[tokio::test]
async fn the_log_is_printed_and_of_one_part_alone() {
    let folder = folder(CONFIGURATION.as_bytes(), 0).await;
    let missing = run(folder.path(), &["logs"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("standard error"), "{missing:?}");
    let log = "one sink=a\ntwo \x1b[2J part=\"sinks.b\"\nthree sink=a\n";
    std::fs::write(folder.path().join("state/punchcard.log"), log).unwrap();
    let printed = |arguments: &[&str]| text(&run(folder.path(), arguments).stdout);
    assert_eq!(printed(&["logs"]), "one sink=a\ntwo \\u{1b}[2J part=\"sinks.b\"\nthree sink=a\n");
    assert_eq!(printed(&["logs", "-n", "1"]), "three sink=a\n");
    assert_eq!(printed(&["logs", "--part", "a"]), "one sink=a\nthree sink=a\n");
    assert_eq!(printed(&["logs", "--part", "sinks.b"]), "two \\u{1b}[2J part=\"sinks.b\"\n");
}

#[test]
fn init_writes_what_check_accepts_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let client = folder.path().join("client.json");
    let json = r#"{"installed":{"client_id":"1-a.apps.googleusercontent.com","client_secret":"GOCSPX-s3cret"}}"#;
    std::fs::write(&client, json).unwrap();
    // A script has no terminal.
    let nobody = run(folder.path(), &["init"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("--defaults"), "{nobody:?}");

    let output = run(folder.path(), &["init", "--defaults", "--client", "client.json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!text(&output.stdout).contains("s3cret"), "{output:?}");
    let path = folder.path().join("plugins.toml");
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(!written.contains("s3cret"), "{written}");
    let configuration = parse_configuration(&written).unwrap();
    assert_eq!((configuration.grants.len(), configuration.sinks.len()), (1, 1));
    let secret = folder.path().join("google-client-secret");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "GOCSPX-s3cret\n");
    assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let again = run(folder.path(), &["init", "--defaults"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    // What was answered is the default of the next time.
    assert_eq!(std::fs::read_to_string(folder.path().join("plugins.toml.new")).unwrap(), written);
    let third = run(folder.path(), &["init", "--defaults"]);
    assert_eq!(third.status.code(), Some(1), "{third:?}");
    // What a person does next loses nothing.
    let said = text(&again.stdout);
    let lines = [
        "diff plugins.toml plugins.toml.new",
        "cp --preserve=all plugins.toml plugins.toml.old",
        "mv plugins.toml.new plugins.toml",
    ];
    let places: Vec<Option<usize>> = lines.iter().map(|line| said.find(line)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{said}");
    assert!(said.contains("What was not asked is not in the new one"), "{said}");
    // There are no plugins anywhere.
    assert!(said.contains("there is no device-flow.wasm, google-sheets.wasm, timeclock.wasm"), "{said}");

    std::fs::write(&client, json.replace("installed", "web")).unwrap();
    let web = run(folder.path(), &["init", "--defaults", "--client", "client.json", "--config", "other.toml"]);
    assert!(text(&web.stderr).contains("TVs and Limited Input devices"), "{web:?}");
    assert!(!folder.path().join("other.toml").exists());
}

/// A device with a sink that posts to this address.
fn with_webhook(url: &str) -> String {
    let sink = format!(
        "[plugins]\nrows = \"rows.wasm\"\nhook = \"hook.wasm\"\n[sinks.hook]\nevents = [\"punch\"]\n\
         format = {{ plugin = \"rows\" }}\ndeliver = {{ plugin = \"hook\" }}\nreach = [\"{url}\"]\n\
         authorize = {{ header = \"X-Key\", secret = {{ file = \"key\" }} }}\n"
    );
    format!("{CONFIGURATION}{sink}")
}

/// Every file below a folder, with its length and mode.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let mode = metadata.permissions().mode();
        found.push(format!("{} {mode:o} {}", path.display(), metadata.len()));
        if metadata.is_dir() {
            found.extend(listing(&path));
        }
    }
    found.sort();
    found
}
