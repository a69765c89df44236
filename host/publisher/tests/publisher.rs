//! The program as a publisher runs it, and what a device makes of its repository.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use punchcard_core::plugin::World;
use punchcard_repository::{Attempt, Catalogue, Clock, FolderMirror, Limits, TrustState, refresh};
use tempfile::TempDir;

struct Publisher {
    folder: TempDir,
}

impl Publisher {
    fn new() -> Self {
        let publisher = Self { folder: tempfile::tempdir().unwrap() };
        publisher.run("init", &[]);
        publisher
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn output(&self, command: &str, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_punchcard-publisher"));
        program.arg("--folder").arg(self.folder.path()).arg(command).args(arguments).output().unwrap()
    }

    /// What it prints. It has to succeed.
    fn run(&self, command: &str, arguments: &[&str]) -> String {
        let output = self.output(command, arguments);
        assert!(output.status.success(), "{command} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    /// What it says why it does not do that.
    fn refusal(&self, command: &str, arguments: &[&str]) -> String {
        let output = self.output(command, arguments);
        assert!(!output.status.success(), "{command} {arguments:?} was done");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A component whose bytes differ with `content`.
    fn component(&self, name: &str, content: &str) -> String {
        let text = format!(
            "(component (core module $m (memory 1) (data (i32.const 0) \"{content}\")) (instance $i)
             (export \"punchcard:plugin/row-format@0.1.0\" (instance $i)))"
        );
        let path = self.path(name);
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn shipped(&self) -> TrustState {
        TrustState::shipped(std::fs::read(self.path("repository/metadata/1.root.json")).unwrap())
    }

    async fn attempt(&self, trust: TrustState, now: Timestamp) -> Attempt {
        let mirror = Arc::new(FolderMirror::open(&self.path("repository")).unwrap());
        let work = tempfile::tempdir().unwrap();
        refresh(trust, mirror, Clock::Known(now), &Limits::default(), work.path()).await
    }

    /// What a device sees that never looked before.
    async fn catalogue(&self) -> Catalogue {
        self.attempt(self.shipped(), Timestamp::now()).await.outcome.unwrap()
    }
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.offers.iter().map(|offer| offer.name.as_str()).collect()
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}

#[tokio::test]
async fn what_is_added_and_signed_is_what_a_device_fetches() {
    let publisher = Publisher::new();
    assert_eq!(names(&publisher.catalogue().await), [] as [&str; 0]);
    let file = publisher.component("timeclock.wasm", "one");
    let said = publisher.run(
        "add",
        &[
            &file,
            "--version=1.2.0",
            "--channel=trial",
            "--rollout=25",
            "--needs-url=https://x.example",
            "--minimum-host=0.1.0",
        ],
    );
    assert_eq!(said, "`timeclock-1.2.0.wasm` is published with the next `punchcard-publisher sign`.\n");
    assert_eq!(names(&publisher.catalogue().await), [] as [&str; 0], "it was served before it was signed");
    publisher.run("sign", &[]);

    let catalogue = publisher.catalogue().await;
    assert_eq!(names(&catalogue), ["timeclock-1.2.0.wasm"]);
    let fetched = catalogue.download("timeclock-1.2.0.wasm").await.unwrap();
    assert_eq!(fetched, std::fs::read(&file).unwrap());
    let release = catalogue.offers[0].release.clone().unwrap();
    assert_eq!((release.plugin.as_str(), release.version.to_string()), ("timeclock", "1.2.0".to_owned()));
    assert_eq!((release.world, release.contract.to_string()), (World::Formatter, "0.1".to_owned()));
    assert_eq!((release.channel.as_str(), release.rollout.percent()), ("trial", 25));
    assert_eq!(release.needs.urls, ["https://x.example"]);
    assert_eq!(release.minimum_host, Some("0.1.0".parse().unwrap()));

    // Said anew, for everybody.
    publisher.run("add", &[&file, "--version=1.2.0"]);
    publisher.run("sign", &[]);
    let release = publisher.catalogue().await.offers[0].release.clone().unwrap();
    assert_eq!((release.channel.as_str(), release.rollout.percent()), ("stable", 100));

    publisher.run("withdraw", &["timeclock", "1.2.0"]);
    publisher.run("sign", &[]);
    assert_eq!(names(&publisher.catalogue().await), [] as [&str; 0]);
}

#[test]
fn keys_are_for_their_owner_and_files_for_everybody() {
    let publisher = Publisher::new();
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let path = publisher.path("keys").join(format!("{role}.pem"));
        assert_eq!(mode(&path), 0o600, "{role}");
        assert!(std::fs::read_to_string(path).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
    for file in std::fs::read_dir(publisher.path("repository/metadata")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o644);
    }
    let entries = std::fs::read_dir(publisher.folder.path()).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    entries.sort();
    assert_eq!(entries, ["keys", "repository"]);
}

#[tokio::test]
async fn a_refresh_renews_the_timestamp_with_its_own_key_alone() {
    let publisher = Publisher::new();
    publisher.run("sign", &["--timestamp-days=1", "--targets-days=20"]);
    let later = Timestamp::now() + SignedDuration::from_hours(36);
    let seen = publisher.attempt(publisher.shipped(), Timestamp::now()).await;
    assert!(publisher.attempt(seen.trust.clone(), later).await.outcome.is_err());

    // Where the files are served there is no other key.
    for role in ["root", "targets", "snapshot"] {
        std::fs::rename(publisher.path(&format!("keys/{role}.pem")), publisher.path(&format!("{role}.pem"))).unwrap();
    }
    publisher.run("refresh", &["--timestamp-days=3"]);
    let after = publisher.attempt(seen.trust, later).await;
    assert!(after.outcome.is_ok(), "{:?}", after.outcome);
    assert_eq!(after.trust.versions().timestamp, Some(3));
    assert_eq!(after.trust.versions().targets, Some(2));

    let said = publisher.run("refresh", &["--timestamp-days=30"]);
    assert_eq!(said.matches("run `punchcard-publisher sign` before").count(), 2, "{said}");
    let refused = publisher.refusal("sign", &[]);
    assert!(refused.contains("the key for targets can't be used"), "{refused}");

    // Nobody has the publisher vouch for what was put on the server.
    let path = publisher.path("repository/metadata/timestamp.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"version\": 2", "\"version\": 1");
    std::fs::write(&path, &text).unwrap();
    let refused = publisher.refusal("refresh", &[]);
    assert!(refused.contains("is not signed by the publisher; nothing was signed"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_device_follows_new_keys_and_the_old_ones_sign_nothing() {
    let publisher = Publisher::new();
    let file = publisher.component("timeclock.wasm", "one");
    publisher.run("add", &[&file, "--version=1.0.0"]);
    publisher.run("sign", &[]);
    let mut trust = publisher.attempt(publisher.shipped(), Timestamp::now()).await.trust;
    for (round, role) in ["targets", "root", "snapshot", "timestamp", "root"].into_iter().enumerate() {
        let said = publisher.run("rotate-key", &[role]);
        assert!(said.contains(&format!("The key for {role} is a new one.")), "{said}");
        let after = publisher.attempt(trust, Timestamp::now()).await;
        assert_eq!(after.outcome.as_ref().map(names).ok(), Some(vec!["timeclock-1.0.0.wasm"]), "{role}");
        assert_eq!(after.trust.versions().root, Some(round as u64 + 2));
        trust = after.trust;
    }
    publisher.run("sign-root", &[]);
    assert_eq!(publisher.attempt(trust, Timestamp::now()).await.trust.versions().root, Some(7));
    assert_eq!(names(&publisher.catalogue().await), ["timeclock-1.0.0.wasm"]);

    let retired = publisher.path("keys/targets.retired-1.pem");
    let refused = publisher.refusal("sign", &["--key", &format!("targets={}", retired.display())]);
    assert!(refused.contains("can't be signed with these keys"), "{refused}");
    assert_eq!(publisher.run("check", &[]).lines().last(), Some("Devices can use this repository."));
}

#[test]
fn a_key_can_come_from_a_command() {
    let publisher = Publisher::new();
    let elsewhere = publisher.path("elsewhere.pem");
    std::fs::rename(publisher.path("keys/targets.pem"), &elsewhere).unwrap();
    let command = format!("targets=cat {}", elsewhere.display());
    publisher.run("sign", &["--key-command", &command]);
    let refused = publisher.refusal("sign", &["--key-command", "targets=false"]);
    assert!(refused.contains("what `false` prints") && refused.contains("the command ended with"), "{refused}");
}

#[test]
fn check_says_what_a_device_would_say() {
    let publisher = Publisher::new();
    let file = publisher.component("timeclock.wasm", "one");
    publisher.run("add", &[&file, "--version=1.0.0"]);
    assert!(publisher.run("check", &[]).contains("`timeclock-1.0.0.wasm` waits: run `punchcard-publisher sign`."));
    publisher.run("sign", &[]);
    let report: serde_json::Value = serde_json::from_str(&publisher.run("check", &["--json"])).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(report["versions"]["targets"], 2);
    assert_eq!(report["plugins"][0]["file"], "timeclock-1.0.0.wasm");
    assert_eq!(report["plugins"][0]["version"], "1.0.0");

    let mut targets = std::fs::read_dir(publisher.path("repository/targets")).unwrap();
    std::fs::write(targets.next().unwrap().unwrap().path(), "something else").unwrap();
    let output = publisher.output("check", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = report["problems"][0].as_str().unwrap();
    assert!(problem.contains("is not what the publisher signed"), "{problem}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let publisher = Publisher::new();
    let file = publisher.component("timeclock.wasm", "one");
    let text = publisher.path("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    let text = text.to_str().unwrap();
    let table: &[(&str, &[&str], &str)] = &[
        ("init", &[], "exists already; nothing was changed"),
        ("add", &[&file], "--version"),
        ("add", &[&file, "--version=1.2"], "invalid value '1.2'"),
        ("add", &[text, "--version=1.0.0"], "is no plugin: it is no WebAssembly component"),
        ("add", &["/nowhere/it.wasm", "--version=1.0.0"], "can't read /nowhere/it.wasm"),
        ("add", &[&file, "--version=1.0.0", "--plugin=Time Clock"], "is not a name"),
        ("add", &[&file, "--version=1.0.0", "--rollout=101"], "0 to 100, in percent"),
        ("add", &[&file, "--version=1.0.0", "--channel=A"], "is no channel"),
        ("rotate-key", &["mirrors"], "the roles are root, targets, snapshot and timestamp"),
        ("sign", &["--key=root"], "write ROLE=…"),
        ("sign", &["--timestamp-days=0"], "0 is not in 1.."),
        ("withdraw", &["timeclock", "x"], "invalid value 'x'"),
    ];
    for (command, arguments, message) in table {
        let refused = publisher.refusal(command, arguments);
        assert!(refused.contains(message), "{command} {arguments:?}: {refused}");
    }
    publisher.run("withdraw", &["timeclock", "9.0.0"]);
    let refused = publisher.refusal("sign", &[]);
    assert!(refused.contains("`timeclock-9.0.0.wasm` is not published"), "{refused}");
    std::fs::remove_dir_all(publisher.path("staged")).unwrap();

    // Devices may run the one that is there.
    publisher.run("add", &[&file, "--version=1.0.0"]);
    publisher.run("sign", &[]);
    let other = publisher.component("timeclock.wasm", "two");
    publisher.run("add", &[&other, "--version=1.0.0"]);
    let refused = publisher.refusal("sign", &[]);
    assert!(refused.contains("is published already with other bytes"), "{refused}");

    let nowhere = tempfile::tempdir().unwrap();
    let publisher = Publisher { folder: nowhere };
    let refused = publisher.refusal("sign", &[]);
    assert!(refused.contains("is no publisher's folder; make one with"), "{refused}");
}
