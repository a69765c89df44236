//! A whole device on a bench: the real program with real plugins in a folder of its own, keys on a pipe, and the stand-in
//! for Google on loopback. What the device says of itself is read with its own command line, as a person would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use google_sim::{Config, Decision, GoogleSim, SheetTable};
use punchcard_rig::{Compiled, Configuration, Device, Folder, Key, Programs, stand_in};
use serde_json::Value;
use tokio::time::{sleep, timeout};

/// How long is waited for what should happen at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What the keys 1 to 9 record: the field `project` of their events.
pub(crate) const DEEDS: [&str; 9] = ["one", "two", "three", "trap", "loop", "hoard", "nan", "state", "reject"];
const KEYS: [&str; DEEDS.len()] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A device and the world around it.
pub(crate) struct Bench {
    pub(crate) sim: GoogleSim,
    device: Device,
    /// In every state folder of this bench.
    pressed: u64,
}

impl Bench {
    /// A device that is not running yet, with [`configuration`].
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// The same with a stand-in that has other settings. Polls come each second.
    pub(crate) async fn with(config: Config) -> Self {
        let sim = stand_in(config).await.unwrap();
        let folder = Folder::new(&configuration(&sim.base_url())).unwrap();
        let compiled = Compiled::within(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")).unwrap();
        let mut device = Device::new(&programs().host, folder, PATIENCE).with_compiled(compiled);
        // All of our own and of the HTTP client's words; the compiler's would be hundreds of thousands of lines.
        device.set_variable("PUNCHCARD_LOG", "info,punchcard=trace,reqwest=trace,hyper_util=trace");
        Self { sim, device, pressed: 0 }
    }

    /// A device that runs, is signed in and has its sheet.
    pub(crate) async fn signed_in() -> Self {
        let mut bench = Self::new().await;
        bench.start().await;
        bench.sign_in().await;
        bench.until("the sheet is linked", |report| report["sinks"][0]["link"].is_string()).await;
        bench
    }

    /// Where the device lives.
    pub(crate) fn folder(&self) -> &Path {
        self.device.folder.path()
    }

    /// Its state folder; another one is another card.
    pub(crate) fn state(&self) -> &Path {
        &self.device.folder.state
    }

    pub(crate) fn configure(&self, text: &str) {
        self.device.folder.configure(text).unwrap();
    }

    /// Changes the configuration as it stands.
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let text = self.device.folder.configuration().unwrap();
        assert!(text.contains(from), "{from}");
        self.configure(&text.replace(from, to));
    }

    /// Another, empty card in the same device.
    pub(crate) fn replace_card(&mut self) {
        self.device.folder.state = self.folder().join("another-state");
        self.pressed = 0;
    }

    /// Its ledger is another one, with so many events.
    pub(crate) fn restored(&mut self, events: u64) {
        self.pressed = events;
    }

    /// Its plugins.toml.
    pub(crate) fn configuration_text(&self) -> String {
        self.device.folder.configuration().unwrap()
    }

    /// Sets a variable of its environment, from the next start on.
    pub(crate) fn set_variable(&mut self, name: &str, value: impl Into<std::ffi::OsString>) {
        self.device.set_variable(name, value);
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        self.device.start_and_wait().await.unwrap();
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn start_only(&mut self) {
        self.device.start().unwrap();
    }

    /// Runs a command again and again until the device refuses it, and returns what it said.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> String {
        let refused = async {
            loop {
                let output = self.command(arguments).await;
                if output.status.code() == Some(6) {
                    return String::from_utf8(output.stderr).unwrap();
                }
                sleep(PAUSE).await;
            }
        };
        timeout(PATIENCE, refused).await.unwrap_or_else(|_| panic!("not refused: {arguments:?}\n{}", self.log()))
    }

    /// Waits until this is in its log.
    pub(crate) async fn logged(&self, words: &str) {
        let logged = async {
            while !self.log().contains(words) {
                sleep(PAUSE).await;
            }
        };
        timeout(PATIENCE, logged).await.unwrap_or_else(|_| panic!("not logged: {words}\n{}", self.log()));
    }

    /// Starts it with a limit to the size of every file that it writes, in KiB: what a full card looks like.
    pub(crate) async fn start_with_files_of_at_most(&mut self, kib: u64) {
        // Without the trap the signal for the limit would end the program; with it, writing fails.
        let limit = r#"trap "" XFSZ; ulimit -f "$0"; exec "$@""#;
        self.device.set_wrapper(["sh", "-c", limit, &(kib * 2).to_string()]);
        self.start().await;
        self.device.set_wrapper::<&str>([]);
    }

    /// Starts it without anything behind its standard input, as a service is.
    pub(crate) async fn start_without_keys(&mut self) {
        self.device.set_wrapper(["sh", "-c", r#"exec "$0" "$@" </dev/null"#]);
        self.start().await;
        self.device.set_wrapper::<&str>([]);
    }

    /// What it says of itself.
    pub(crate) async fn status(&mut self) -> Value {
        self.until("it answers", |_| true).await
    }

    /// Ends it as the system would.
    pub(crate) async fn stop(&mut self) {
        self.device.stop().await.unwrap();
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.device.kill().await.unwrap();
    }

    /// Presses the key of a deed, and waits until it is recorded.
    pub(crate) async fn press(&mut self, deed: &str) {
        self.press_only(deed).await;
        self.pressed += 1;
        let pressed = self.pressed;
        self.until("the press is recorded", |report| report["events"] == pressed).await;
    }

    /// Presses the key of a deed.
    pub(crate) async fn press_only(&mut self, deed: &str) {
        let key = DEEDS.iter().position(|known| *known == deed).unwrap();
        self.device.press(KEYS[key]).await.unwrap();
    }

    /// Enters the code that is shown, and waits until the device is signed in.
    pub(crate) async fn sign_in(&mut self) {
        let code = self.user_code().await;
        self.sim.consent(&code, Decision::Allow).unwrap();
        self.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
    }

    /// The code that is shown.
    pub(crate) async fn user_code(&mut self) -> String {
        let report = self.until("a code is shown", |report| report["grants"][0]["status"] == "awaiting-person").await;
        report["grants"][0]["user-code"].as_str().unwrap().to_owned()
    }

    /// Waits until everything that was pressed is in the sheet.
    pub(crate) async fn settle(&mut self) {
        self.until("everything is delivered", |report| {
            let sink = &report["sinks"][0];
            ["events-waiting", "rows-waiting", "rows-in-flight"].iter().all(|count| sink[count] == 0)
        })
        .await;
    }

    /// Waits until the report is as it should be.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.device.wait(what, |report| is_so(report).then(|| report.clone())).await.unwrap()
    }

    /// Waits until the stand-in for Google is as it should be.
    pub(crate) async fn until_google(&self, what: &str, is_so: impl Fn(&GoogleSim) -> bool) {
        let seen = timeout(PATIENCE, async {
            while !is_so(&self.sim) {
                sleep(PAUSE).await;
            }
        });
        seen.await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
    }

    /// Runs a command of the command line to its end.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        self.device.command(arguments).await.unwrap()
    }

    /// The same, with this on its standard input.
    pub(crate) async fn command_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.device.command_with_input(arguments, input).await.unwrap()
    }

    /// Presses a key of which nothing is recorded.
    pub(crate) async fn press_key(&mut self, key: &str) {
        self.device.press(key).await.unwrap();
    }

    /// The same, which must succeed; what it printed.
    pub(crate) async fn printed(&self, arguments: &[&str]) -> String {
        self.device.printed(arguments).await.unwrap()
    }

    /// What every run of this bench logged.
    pub(crate) fn log(&self) -> String {
        self.device.log()
    }

    /// What the system says of its memory.
    pub(crate) fn maps(&mut self) -> String {
        let id = self.device.process().unwrap().id().unwrap();
        fs::read_to_string(format!("/proc/{id}/maps")).unwrap()
    }

    /// The spreadsheets that are there.
    pub(crate) fn spreadsheets(&self) -> Vec<SheetTable> {
        self.sim.tables()
    }

    /// The rows below the titles in the only spreadsheet, by the cell of their deed.
    pub(crate) fn delivered(&self) -> Vec<String> {
        let tables = self.spreadsheets();
        let [table] = tables.as_slice() else { panic!("{tables:?}") };
        let tab = table.tabs.iter().find(|tab| tab.title == "Punches").expect("the tab");
        tab.rows.iter().skip(1).map(|row| row[0].trim_start_matches("Deed ").to_owned()).collect()
    }

    /// The token storage's file of the grant.
    pub(crate) fn tokens_file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.state().join("vault")).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "json")).expect("a file of tokens")
    }

    /// What it holds.
    pub(crate) fn tokens(&self) -> Value {
        serde_json::from_slice(&fs::read(self.tokens_file()).unwrap()).unwrap()
    }
}

pub(crate) fn programs() -> Programs {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let guests = std::env::var_os("PUNCHCARD_GUESTS").map_or(target, PathBuf::from);
    let guests = guests.canonicalize().expect("the guests, which `cargo xtask test guests` builds");
    Programs { host: env!("CARGO_BIN_EXE_punchcard").into(), guests }
}

/// A component that `cargo xtask test guests` has built.
pub(crate) fn guest(name: &str) -> PathBuf {
    let file = programs().guest(name);
    assert!(file.exists(), "{} is not there; `cargo xtask test guests` builds it", file.display());
    file
}

/// A device with a key for each of [`DEEDS`], one grant, and one sink whose formatter is the saboteur.
pub(crate) fn configuration(stand_in: &str) -> String {
    let fields = DEEDS.map(|deed| [("project", deed)]);
    let keys: Vec<_> = KEYS.iter().zip(&fields).map(|(key, fields)| Key { key, fields }).collect();
    let settings = r#"{ columns = ["Deed"] }"#;
    Configuration { device: "bench", keys: &keys, more: "", formatter: "for-tests/saboteur", settings }
        .render(&programs(), stand_in)
}
