//! `punchcard plugin test`: a plugin at work without a device, in the same sandbox and under the same limits.
//!
//! What it is called with is the same each time, so that what comes of it can be compared: the clock stands, and random bytes are
//! zeros. Compiled code is kept in the user's own folder of such things.
//!
//! Called by root it goes on as the owner of the component, or as nobody where that is root: no component runs as root.

mod connector;
mod formatter;
mod sensor;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_core::time::{Context, Instant, Monotonic};
use punchcard_sandbox::file::ReadError;
use punchcard_sandbox::{CallError, Compiler, Plugin, Sandbox, read_component};
use rustix::process::geteuid;
use thiserror::Error;

use super::super::device::give_up_root;
use super::super::exit::{Exit, Failure};
use super::super::small_runtime;

#[derive(Debug, Args)]
pub(in super::super) struct TestArguments {
    /// The component.
    file: PathBuf,
    /// A formatter's events, or a connector's rows: a table as spreadsheets write it, whose first line names the fields or columns.
    /// `at`, `kind` and `source` are the event's own.
    #[arg(long, value_name = "FILE.csv")]
    events: Option<PathBuf>,
    /// The plugin's settings, as a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// What the server of a connector answers, in TOML; 200 to everything when not given.
    #[arg(long, value_name = "FILE.toml")]
    script: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Why a plugin can't be tried, or what it did wrong.
#[derive(Debug, Error)]
enum TestError {
    #[error("the component `{path}` can't be read", path = .path.display())]
    Component { path: PathBuf, source: ReadError },
    #[error("`{path}` can't be read", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{path}` can't be used: {reason}", path = .path.display())]
    File { path: PathBuf, reason: String },
    #[error("the settings are no JSON object: {0}")]
    Settings(String),
    #[error("a {0} is tried with `--events FILE.csv`")]
    NoEvents(&'static str),
    #[error("an auth policy can't be tried without a device")]
    AuthPolicy,
    #[error("a listing can't be tried without a device; its functions can be called from `cargo test`")]
    Listing,
    #[error("{call}: {source}")]
    Call { call: &'static str, source: CallError },
}

pub(super) fn test(arguments: &TestArguments) -> Result<Exit, Failure> {
    let settings = parse_settings(&arguments.settings).map_err(Failure::general)?;
    let bytes = read_component(&arguments.file)
        .map_err(|source| Failure::general(TestError::Component { path: arguments.file.clone(), source }))?;
    let table = arguments.events.as_deref().map(Text::read).transpose().map_err(Failure::general)?;
    let script = arguments.script.as_deref().map(Text::read).transpose().map_err(Failure::general)?;
    // Everything that root alone may read was read.
    give_up_root(&arguments.file).map_err(Failure::general)?;
    let home = Home::open().map_err(Failure::general)?;
    let sandbox = Sandbox::start(&home.folder, Compiler::of_this_program()).map_err(Failure::general)?;
    let name = PluginName::parse("plugin").map_err(Failure::general)?;
    // As plugins.toml has it where it says nothing else.
    let plugin = load(&sandbox, &name, &bytes)?;
    let runtime = small_runtime()?;
    let table_for = |world| table.as_ref().ok_or(TestError::NoEvents(world)).map_err(Failure::general);
    match plugin {
        Plugin::Formatter(formatter) => {
            runtime.block_on(formatter::test(&formatter, arguments, &settings, table_for("formatter")?))
        }
        Plugin::Connector(connector) => {
            let table = table_for("connector")?;
            runtime.block_on(connector::test(&connector, arguments, &settings, table, script.as_ref()))
        }
        Plugin::Sensor(sensor) => runtime.block_on(sensor::test(&sensor, arguments, &settings)),
        Plugin::AuthPolicy(_) => Err(Failure::general(TestError::AuthPolicy)),
        Plugin::Listing(_) => Err(Failure::general(TestError::Listing)),
    }
}

fn load(sandbox: &Arc<Sandbox>, name: &PluginName, bytes: &[u8]) -> Result<Plugin, Failure> {
    sandbox.forget_failures();
    sandbox.load(name, bytes, Limits::default()).map_err(Failure::general)
}

/// The settings as the host gives them to a plugin.
fn parse_settings(text: &str) -> Result<String, TestError> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| TestError::Settings(error.to_string()))?;
    Ok(serde_json::Value::Object(object).to_string())
}

/// A file of text that the command line names.
struct Text {
    path: PathBuf,
    text: String,
}

impl Text {
    fn read(path: &Path) -> Result<Self, TestError> {
        let text = fs::read_to_string(path).map_err(|source| TestError::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), text })
    }
}

/// Where compiled code is kept: compiling takes longer than everything else.
struct Home {
    folder: PathBuf,
}

impl Home {
    /// `$XDG_CACHE_HOME/punchcard`, or as the XDG Base Directory Specification has it where that is not set. Who was root has
    /// no way into root's folders any more, and gets one of his own among the temporary ones.
    fn open() -> io::Result<Self> {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        let own = caches.map(|caches| caches.join("punchcard"));
        let made = own.filter(|own| fs::create_dir_all(own).is_ok() && is_mine(own));
        let folder = match made {
            Some(folder) => folder,
            None => std::env::temp_dir().join(format!("punchcard-{}", geteuid().as_raw())),
        };
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }
}

fn is_mine(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
}

/// What a call knows, so many milliseconds after the first.
fn context(now: Instant, milliseconds: u64) -> Context {
    let micros = i64::try_from(milliseconds).unwrap_or(0).saturating_mul(1_000);
    Context {
        now: Instant { unix_micros: now.unix_micros.saturating_add(micros), ..now },
        monotonic: Monotonic { milliseconds, boot: "test".to_owned() },
        entropy: [0; 32],
        device: "test".to_owned(),
    }
}

/// When a plugin that no event has a moment for is tried: 2026-01-05T09:00:00Z.
const NOW: Instant = Instant { unix_micros: 1_767_603_600_000_000, utc_offset_minutes: 0 };

fn call_failed(call: &'static str) -> impl Fn(CallError) -> Failure {
    move |source| Failure::general(TestError::Call { call, source })
}
