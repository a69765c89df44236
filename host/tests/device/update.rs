//! New versions of a plugin come from a publisher's repository, over HTTP or on a stick. What goes wrong leaves the old one
//! running, and no press is lost.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::fingerprint;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::bench::{Bench, guest};

/// A publisher, with its program.
struct Publisher {
    folder: TempDir,
}

impl Publisher {
    async fn new() -> Self {
        let publisher = Self { folder: tempfile::tempdir().unwrap() };
        publisher.run(&["init"]).await;
        publisher
    }

    async fn run(&self, arguments: &[&str]) {
        let program = ["punchcard-publisher", "--folder", self.folder.path().to_str().unwrap()];
        punchcard_publisher::run(program.iter().chain(arguments).copied()).await.unwrap();
    }

    /// Signs a component as a version of `saboteur`.
    async fn publish(&self, version: &str, bytes: &[u8]) {
        let file = self.folder.path().join("saboteur.wasm");
        fs::write(&file, bytes).unwrap();
        self.run(&["add", file.to_str().unwrap(), "--version", version]).await;
        self.run(&["sign"]).await;
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn root(&self) -> PathBuf {
        self.repository().join("metadata/1.root.json")
    }

    /// Serves the repository as any static web server does.
    async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(hand_out).with_state(self.repository());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

async fn hand_out(State(folder): State<PathBuf>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    fs::read(folder.join(uri.path().trim_start_matches('/'))).map_err(|_| StatusCode::NOT_FOUND)
}

/// The same component with other bytes: a custom section more.
fn another(component: &[u8], mark: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend([0, 3, 1, b'v', mark]);
    bytes
}

/// A device whose formatter is a file beside its plugins.toml, with a repository at `source`.
async fn bench(source: &str, root: &Path, updates: &str) -> Bench {
    let bench = Bench::new().await;
    fs::copy(guest("for-tests/saboteur"), bench.folder().join("saboteur.wasm")).unwrap();
    let text = bench.configuration_text();
    let line = text.lines().find(|line| line.starts_with("saboteur = ")).unwrap().to_owned();
    let root = root.display();
    let table = format!(
        "[repositories.workshop]\n{source}\nroot = \"{root}\"\nplugins = [\"saboteur\"]\nupdates = \"{updates}\"\n\n[plugins]"
    );
    bench.configure(&text.replace(&line, "saboteur = \"saboteur.wasm\"").replace("[plugins]", &table));
    bench
}

fn url(address: SocketAddr) -> String {
    format!("url = {{ url = \"http://{address}\", private = true }}")
}

async fn update(bench: &Bench, arguments: &[&str]) -> (bool, Value) {
    let arguments: Vec<&str> = ["plugin", "update", "--json"].iter().chain(arguments).copied().collect();
    let output = bench.command(&arguments).await;
    let reports: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), reports[0].clone())
}

async fn digest(bench: &mut Bench) -> String {
    let report = bench.status().await;
    let plugins = report["plugins"].as_array().unwrap();
    let found = plugins.iter().find(|plugin| plugin["name"] == "saboteur").unwrap();
    found["sha256"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_installed_from_a_server_and_a_bad_one_gives_way_to_the_old() {
    let publisher = Publisher::new().await;
    let first = fs::read(guest("for-tests/saboteur")).unwrap();
    let second = another(&first, 2);
    publisher.publish("1.0.0", &first).await;
    publisher.publish("1.1.0", &second).await;
    let mut bench = bench(&url(publisher.serve().await), &publisher.root(), "ask").await;
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    let began_with = digest(&mut bench).await;

    let (_, report) = update(&bench, &["--check"]).await;
    let found = &report["plugins"][0];
    assert_eq!((&found["running"], &found["state"]["available"]["version"]), (&"1.0.0".into(), &"1.1.0".into()));
    assert_eq!(found["waits-for"], "person", "{report:#}");
    assert_eq!(digest(&mut bench).await, began_with, "it was only looked");
    let (is_done, report) = update(&bench, &["saboteur"]).await;
    assert!(is_done, "{report:#}");
    assert_eq!(report["plugins"][0]["state"]["installed"]["version"], "1.1.0", "{report:#}");
    let installed = digest(&mut bench).await;
    assert_ne!(installed, began_with);
    assert_eq!(fs::read(bench.folder().join("saboteur.wasm")).unwrap(), second);
    bench.press("two").await;

    // A formatter, and none that takes these settings.
    publisher.publish("1.2.0", &fs::read(guest("timeclock")).unwrap()).await;
    let (is_done, report) = update(&bench, &[]).await;
    assert!(!is_done, "{report:#}");
    assert_eq!(report["plugins"][0]["state"]["failed"]["version"], "1.2.0", "{report:#}");
    assert_eq!(digest(&mut bench).await, installed);
    assert_eq!(fs::read(bench.folder().join("saboteur.wasm")).unwrap(), second);
    bench.press("three").await;
    // The settings may be others by now: that is no fault of the version, which is tried again.
    let (is_done, report) = update(&bench, &[]).await;
    assert!(!is_done, "{report:#}");
    assert_eq!(report["plugins"][0]["state"]["failed"]["version"], "1.2.0", "{report:#}");
    assert_eq!(digest(&mut bench).await, installed);

    // Backwards at a person's word alone.
    let (_, report) = update(&bench, &["saboteur", "--version", "1.0.0"]).await;
    assert_eq!(report["plugins"][0]["state"]["installed"]["version"], "1.0.0", "{report:#}");
    assert_eq!(digest(&mut bench).await, began_with);
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_or_older_changes_nothing_and_a_stick_does_as_well() {
    let publisher = Publisher::new().await;
    let first = fs::read(guest("for-tests/saboteur")).unwrap();
    publisher.publish("1.0.0", &first).await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut bench = bench(&url(gone), &publisher.root(), "automatic").await;
    bench.start().await;
    let began_with = digest(&mut bench).await;
    let (is_done, report) = update(&bench, &[]).await;
    assert!(!is_done && report["error"].as_str().unwrap().contains("can't be read"), "{report:#}");
    assert_eq!(bench.status().await["problems"], Value::Array(Vec::new()), "a server that is away is no problem yet");

    // A stick of another publisher's, and one of this one's.
    let stranger = Publisher::new().await;
    stranger.publish("9.0.0", &another(&first, 9)).await;
    let (is_done, report) = update(&bench, &["--from", stranger.repository().to_str().unwrap()]).await;
    assert!(!is_done && report["error"].as_str().unwrap().contains("is refused"), "{report:#}");
    assert_eq!(bench.status().await["problems"][0]["part"], "repositories.workshop");
    let old = tempfile::tempdir().unwrap();
    copy_folder(&publisher.repository(), old.path());
    publisher.publish("1.1.0", &another(&first, 1)).await;
    let stick = publisher.repository();
    let (is_done, report) = update(&bench, &["--from", stick.to_str().unwrap()]).await;
    assert!(is_done, "{report:#}");
    assert_eq!(report["plugins"][0]["state"]["installed"]["version"], "1.1.0", "{report:#}");
    assert_eq!(bench.status().await["problems"], Value::Array(Vec::new()));
    let installed = digest(&mut bench).await;
    assert_ne!(installed, began_with);

    // What was seen is remembered over a restart.
    bench.stop().await;
    bench.start().await;
    let (is_done, report) = update(&bench, &["--from", old.path().to_str().unwrap()]).await;
    assert!(!is_done && report["error"].as_str().unwrap().contains("is refused"), "{report:#}");
    assert_eq!(digest(&mut bench).await, installed);
    let left = fs::read_dir(bench.state().join("updates")).unwrap().count();
    assert_eq!(left, 0, "something was left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_takes_no_new_version_keeps_the_old_one_and_nothing_else() {
    let publisher = Publisher::new().await;
    let first = fs::read(guest("for-tests/saboteur")).unwrap();
    publisher.publish("1.0.0", &first).await;
    publisher.publish("1.1.0", &large(&first)).await;
    let mut bench = bench(&url(publisher.serve().await), &publisher.root(), "ask").await;
    bench.start_with_files_of_at_most(2048).await;
    bench.sign_in().await;
    let began_with = digest(&mut bench).await;
    let files = |bench: &Bench| {
        let mut names: Vec<_> = fs::read_dir(bench.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files(&bench);
    let (is_done, report) = update(&bench, &[]).await;
    let reason = report["plugins"][0]["state"]["failed"]["reason"].as_str().unwrap().to_owned();
    assert!(!is_done && reason.contains("can't be written") && reason.contains("the old version runs on"), "{reason}");
    assert_eq!((digest(&mut bench).await, files(&bench)), (began_with, before));
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);

    // It is not to blame: with room it is installed.
    bench.stop().await;
    bench.start().await;
    let (is_done, report) = update(&bench, &[]).await;
    assert!(is_done, "{report:#}");
    assert_eq!(report["plugins"][0]["state"]["installed"]["version"], "1.1.0", "{report:#}");
}

/// When the device is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// As soon as something of the new version is in the folder.
    Draft,
    /// As soon as it is in the place of the old one.
    Replaced,
    /// So many milliseconds after it was asked.
    After(u64),
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_killed_while_it_installs_comes_up_with_one_of_the_versions_whole() {
    let publisher = Publisher::new().await;
    let first = fs::read(guest("for-tests/saboteur")).unwrap();
    let second = large(&first);
    publisher.publish("1.0.0", &first).await;
    publisher.publish("1.1.0", &second).await;
    let mut bench = bench(&url(publisher.serve().await), &publisher.root(), "ask").await;
    let file = bench.folder().join("saboteur.wasm");
    bench.start().await;
    bench.sign_in().await;
    let moments = [Moment::Draft, Moment::Replaced, Moment::After(40), Moment::After(160), Moment::After(640)];
    let mut pressed = Vec::new();
    for (number, moment) in moments.into_iter().enumerate() {
        let come = async {
            match moment {
                Moment::Draft => until(|| !drafts(&bench).is_empty() || fs::read(&file).unwrap() != first).await,
                Moment::Replaced => until(|| fs::read(&file).unwrap() == second).await,
                Moment::After(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            }
        };
        tokio::select! {
            // It was quicker, and is killed all the same.
            _ = bench.command(&["plugin", "update", "saboteur"]) => {}
            () = come => {}
        }
        bench.kill().await;
        let found = fs::read(&file).unwrap();
        assert!(
            found == first || found == second,
            "the file of the plugin is neither version, but {} bytes",
            found.len()
        );
        // Half of one, as a card that is slower would have it. No process has so high a number.
        fs::write(bench.folder().join("saboteur.wasm.4194305-0.new"), &second[..second.len() / 2]).unwrap();
        bench.start().await;
        let whole = [&first, &second].map(|component| hexadecimal(&fingerprint(component)));
        let loaded = |report: &Value| {
            let plugins = report["plugins"].as_array().unwrap();
            let saboteur = plugins.iter().find(|plugin| plugin["name"] == "saboteur");
            saboteur.is_some_and(|saboteur| whole.iter().any(|whole| saboteur["sha256"] == whole.as_str()))
        };
        bench.until("one of the versions runs", loaded).await;
        until(|| drafts(&bench).is_empty()).await;
        let deed = ["one", "two", "three"][number % 3];
        bench.press(deed).await;
        pressed.push(deed);
        // It can be installed after all, and the first one again for the next time.
        for version in ["1.1.0", "1.0.0"] {
            let (is_done, report) = update(&bench, &["saboteur", "--version", version]).await;
            assert!(is_done, "{version}: {report:#}");
        }
        assert_eq!((fs::read(&file).unwrap() == first, drafts(&bench)), (true, Vec::new()));
    }
    bench.settle().await;
    assert_eq!(bench.delivered(), pressed);
}

/// What is being written in the folder, or was.
fn drafts(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("saboteur.wasm.")).collect()
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it comes to that");
}

/// The same component with 3 MiB more: a custom section and its name; its length is in LEB128.
fn large(component: &[u8]) -> Vec<u8> {
    let mut large = component.to_vec();
    large.extend([0, 0x82, 0x80, 0xc0, 0x01, 1, b'v']);
    large.resize(large.len() + 3 * 1024 * 1024, 0);
    large
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let into = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&into).unwrap();
            copy_folder(&entry.path(), &into);
        } else {
            fs::copy(entry.path(), into).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_done_is_said() {
    let publisher = Publisher::new().await;
    let stick = publisher.repository();
    let mut bench = bench(&format!("folder = \"{}\"", stick.display()), &publisher.root(), "off").await;
    bench.start().await;
    let table: [(&[&str], &str); 4] = [
        (&["device-flow"], "no repository of plugins.toml has `device-flow` in its `plugins`"),
        (&["saboteur", "--version", "1"], "that is no version such as 1.2.0"),
        (&["Saboteur"], "is not a name"),
        (&["saboteur", "--version", "3.0.0"], "the repository offers no such version"),
    ];
    for (arguments, message) in table {
        let arguments: Vec<&str> = ["plugin", "update"].iter().chain(arguments).copied().collect();
        let output = bench.command(&arguments).await;
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success() && said.contains(message), "{arguments:?}: {said}");
    }
    bench.reconfigure("1.root.json", "2.root.json");
    let checked = bench.command(&["check"]).await;
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(!checked.status.success() && said.contains("can't be read") && said.contains("2.root.json"), "{said}");
}
