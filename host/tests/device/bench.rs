//! A whole device on a bench: the real program with real plugins in a folder of its own, keys on a pipe, and the stand-in
//! for Google on loopback. What the device says of itself is read with its own command line, as a person would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use google_sim::{Config, Decision, GoogleSim, OauthClient, SheetTable};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long is waited for what should happen at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// What the keys 1 to 9 record: the field `project` of their events.
pub(crate) const DEEDS: [&str; 9] = ["one", "two", "three", "trap", "loop", "hoard", "nan", "state", "reject"];

/// A device and the world around it.
pub(crate) struct Bench {
    pub(crate) sim: GoogleSim,
    pub(crate) folder: TempDir,
    /// The state folder; another one is another card.
    pub(crate) state: PathBuf,
    host: Option<Running>,
    /// In every state folder of this bench.
    pressed: u64,
}

struct Running {
    child: Child,
    keys: ChildStdin,
}

impl Bench {
    /// A device that is not running yet, with [`configuration`].
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// The same with a stand-in that has other settings. Polls come each second.
    pub(crate) async fn with(config: Config) -> Self {
        let sim = GoogleSim::start(Config { interval: Duration::from_secs(1), ..config }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("client-secret");
        fs::write(&secret, OauthClient::DEMO_SECRET).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let bench = Self { state: folder.path().join("state"), sim, folder, host: None, pressed: 0 };
        bench.configure(&configuration(&bench.sim.base_url()));
        bench
    }

    /// A device that runs, is signed in and has its sheet.
    pub(crate) async fn signed_in() -> Self {
        let mut bench = Self::new().await;
        bench.start().await;
        bench.sign_in().await;
        bench.until("the sheet is linked", |report| report["sinks"][0]["link"].is_string()).await;
        bench
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.folder.path().join("plugins.toml"), text).unwrap();
    }

    /// Changes the configuration as it stands.
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.folder.path().join("plugins.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        self.configure(&text.replace(from, to));
    }

    /// Another, empty card in the same device.
    pub(crate) fn replace_card(&mut self) {
        self.state = self.folder.path().join("another-state");
        self.pressed = 0;
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_punchcard"));
        command.args(["--config", "plugins.toml", "--state"]).arg(&self.state).current_dir(self.folder.path());
        // All of our own and of the HTTP client's words; the compiler's would be hundreds of thousands of lines.
        command.env("PUNCHCARD_LOG", "info,punchcard=trace,reqwest=trace,hyper_util=trace").kill_on_drop(true);
        command
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        let program = self.program();
        self.start_as(program).await;
    }

    /// Starts it with a limit to the size of every file that it writes, in KiB: what a full card looks like.
    pub(crate) async fn start_with_files_of_at_most(&mut self, kib: u64) {
        let program = self.program();
        let program = program.as_std();
        let mut shell = Command::new("sh");
        // Without the trap the signal for the limit would end the program; with it, writing fails.
        shell.args(["-c", r#"trap "" XFSZ; ulimit -f "$0"; exec "$@""#]).arg((kib * 2).to_string());
        shell.arg(program.get_program()).args(program.get_args());
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(self.folder.path()).kill_on_drop(true);
        self.start_as(shell).await;
    }

    async fn start_as(&mut self, mut program: Command) {
        assert!(self.host.is_none(), "it runs");
        warm(&self.state);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let mut child = program.arg("run").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        self.host = Some(Running { child, keys });
        // Parts are listed when all of them have been put together.
        self.until("it is ready", |report| report["sinks"].as_array().is_some_and(|sinks| !sinks.is_empty())).await;
        keep_compiled(&self.state);
    }

    /// Ends it as the system would.
    pub(crate) async fn stop(&mut self) {
        let mut running = self.host.take().unwrap();
        let id = running.child.id().unwrap();
        let killed = Command::new("kill").arg(id.to_string()).status().await.unwrap();
        assert!(killed.success());
        let status: ExitStatus = timeout(PATIENCE, running.child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        let mut running = self.host.take().unwrap();
        running.child.kill().await.unwrap();
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
        let key = DEEDS.iter().position(|known| *known == deed).unwrap() + 1;
        let running = self.host.as_mut().unwrap();
        running.keys.write_all(key.to_string().as_bytes()).await.unwrap();
        running.keys.flush().await.unwrap();
        // A terminal repeats a key that is held; what follows at once is the same press.
        sleep(Duration::from_millis(40)).await;
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
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            if let Some(running) = &mut self.host
                && let Some(status) = running.child.try_wait().unwrap()
            {
                panic!("while waiting until {what}: it ended with {status}\n{}", self.log());
            }
            let output = self.command(&["status", "--json"]).await;
            if output.status.success() {
                last = serde_json::from_slice(&output.stdout).unwrap();
                if is_so(&last) {
                    return last;
                }
            }
            sleep(LOOK_AGAIN).await;
        }
        let log = self.log();
        let newest = log.lines().count().saturating_sub(80);
        let log: Vec<&str> = log.lines().skip(newest).collect();
        panic!("not within {PATIENCE:?}: {what}\n{last:#}\n{}", log.join("\n"));
    }

    /// Runs a command of the command line to its end.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).stdin(Stdio::null()).output().await.unwrap()
    }

    /// The same, which must succeed; what it printed.
    pub(crate) async fn printed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What every run of this bench logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
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
        let mut files = fs::read_dir(self.state.join("vault")).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "json")).expect("a file of tokens")
    }

    /// What it holds.
    pub(crate) fn tokens(&self) -> Value {
        serde_json::from_slice(&fs::read(self.tokens_file()).unwrap()).unwrap()
    }
}

/// A component that `cargo xtask test guests` has built.
pub(crate) fn guest(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let folder = std::env::var_os("PUNCHCARD_GUESTS").map_or(target, PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    assert!(file.exists(), "{} is not there; `cargo xtask test guests` builds it", file.display());
    file.canonicalize().unwrap()
}

/// Where compiled code is kept from one test to the next: compiling takes longer than any of them.
fn compiled() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    create_private(&folder);
    folder
}

fn create_private(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).unwrap();
}

/// Gives a new state folder the compiled code of earlier tests.
fn warm(state: &Path) {
    let cache = state.join("cache");
    if cache.exists() {
        return;
    }
    create_private(state);
    create_private(&cache);
    for entry in fs::read_dir(compiled()).unwrap() {
        let from = entry.unwrap().path();
        if from.extension().is_none_or(|extension| extension != "new") {
            fs::copy(&from, cache.join(from.file_name().unwrap())).unwrap();
        }
    }
}

/// Keeps what a device has compiled for later tests.
fn keep_compiled(state: &Path) {
    for entry in fs::read_dir(state.join("cache")).unwrap() {
        let from = entry.unwrap().path();
        let to = compiled().join(from.file_name().unwrap());
        if !to.exists() {
            // Renamed into place, since other tests read it at the same time.
            let unfinished = tempfile::Builder::new().suffix(".new").tempfile_in(compiled()).unwrap();
            fs::copy(&from, unfinished.path()).unwrap();
            unfinished.persist(&to).unwrap();
        }
    }
}

/// A device with a key for each of [`DEEDS`], one grant, and one sink whose formatter is the saboteur.
pub(crate) fn configuration(stand_in: &str) -> String {
    let path = |name: &str| format!("{:?}", guest(name).to_str().unwrap());
    let keys: String = DEEDS
        .iter()
        .zip(1..)
        .map(|(deed, key)| {
            format!(
                r#"
[inputs.key-{key}]
driver = "keyboard"
key = "{key}"
press = {{ event = "punch", fields = {{ project = "{deed}" }} }}
debounce-ms = 20
"#
            )
        })
        .collect();
    format!(
        r#"[device]
name = "bench"
time-zone = "Australia/Brisbane"
trust-clock = true

[panel]
driver = "none"
size = "128x32"
{keys}
[plugins]
device-flow = {device_flow}
google-sheets = {google_sheets}
saboteur = {saboteur}

{google}"#,
        device_flow = path("device-flow"),
        google_sheets = path("google-sheets"),
        saboteur = path("for-tests/saboteur"),
        google = OauthClient::device_toml(stand_in, r#"{ plugin = "saboteur", settings = { columns = ["Deed"] } }"#),
    )
}
