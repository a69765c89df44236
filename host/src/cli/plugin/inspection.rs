//! What a component is, and what it needs: found out by a child of this program that is not root.
//!
//! `plugin add` and `plugin approve` write plugins.toml, which is often root's, and so stay root. Nothing is done with a
//! component in such a process: it hands the bytes to a child and takes text for an answer. The child reads plugins.toml, gives
//! up root's rights for good, and only then looks at the component. What it compiles, it compiles as every host does, in a
//! further child; and before it calls anything, it gives up files, the network and other programs.
//!
//! What the child answers is believed no more than the component. It is shown to a person. Only what was shown is written, and
//! only into `reach` lists of this plugin (`approve`).

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use clap::Args;
use punchcard_core::config::{Configuration, parse_configuration};
use punchcard_core::name::PluginName;
use punchcard_core::needs::UnmetNeed;
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::compiler::give_up_files_and_network;
use punchcard_sandbox::{Compiler, Sandbox, describe};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::super::device::give_up_root;
use super::super::exit::{Exit, Failure};
use super::super::output::print_line;
use super::super::{DeviceArguments, small_runtime};
use crate::app::configuration::Source;
use crate::app::error_chain::chain;
use crate::app::plugin::approval::find_unmet;
use crate::app::status::WorldName;

/// The longest answer, in bytes. Names of imports are cut, and there is a limit to their number.
const ANSWER_BYTES: u64 = 4 << 20;

/// How the child is started. Its standard input is the component.
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// Load it as this plugin, and say what it needs and is not granted.
    #[arg(long, value_name = "NAME")]
    needs: Option<String>,
}

/// What a component is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Inspected {
    /// The SHA-256 of its bytes, in hexadecimal.
    pub(super) sha256: String,
    /// How many bytes it has.
    pub(super) bytes: usize,
    /// What it fills.
    pub(super) world: WorldName,
    /// The version of the contract that it was built for.
    pub(super) contract: String,
    /// What it imports.
    pub(super) imports: Vec<String>,
    /// What it needs and is not granted, where that was asked for.
    pub(super) unmet: Vec<Unmet>,
}

/// A need that plugins.toml does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Unmet {
    /// The key that lacks something.
    pub(super) part: String,
    /// What is needed, for a person.
    pub(super) message: String,
    /// The URL that is to be added to that key, where that is all.
    pub(super) entry: Option<String>,
}

impl From<UnmetNeed> for Unmet {
    fn from(UnmetNeed { part, message, entry }: UnmetNeed) -> Self {
        Self { part: part.to_string(), message, entry }
    }
}

/// Why a component was not looked at.
#[derive(Debug, Error)]
enum InspectionError {
    #[error("the process that is to look at the component can't be started or heard")]
    Child(#[source] io::Error),
    #[error("the process that was to look at the component broke off: {0}")]
    BrokeOff(std::process::ExitStatus),
    #[error("what the process that looked at the component says is not understood")]
    Answer(#[source] serde_json::Error),
}

/// Has a component looked at. `needs`: the plugin as which it is loaded, to say what it lacks.
///
/// # Errors
/// When it can't be looked at, or is not let in.
pub(super) fn inspect(
    device: &DeviceArguments,
    component: &[u8],
    needs: Option<&PluginName>,
) -> Result<Inspected, Failure> {
    let in_child = |error| Failure::general(InspectionError::Child(error));
    let mut command = Command::new("/proc/self/exe");
    command.arg0("punchcard").env_clear().arg("--config").arg(&device.config).arg("--state").arg(&device.state);
    command.args(["plugin", "inspect"]);
    if let Some(name) = needs {
        command.arg("--needs").arg(name.as_str());
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(in_child)?;
    let answer = converse(&mut child, component);
    // What has ended does not mind, and what still talks has said too much.
    let ended = child.kill().and_then(|()| child.wait()).map_err(in_child)?;
    let answer = answer.map_err(in_child)?;
    if answer.is_empty() {
        return Err(Failure::general(InspectionError::BrokeOff(ended)));
    }
    let answer: Result<Inspected, String> =
        serde_json::from_slice(&answer).map_err(|error| Failure::general(InspectionError::Answer(error)))?;
    answer.map_err(Failure::general)
}

/// The child reads to the end before it says anything, so that neither waits for the other.
fn converse(child: &mut Child, component: &[u8]) -> io::Result<Vec<u8>> {
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(component) {
            // It has ended already, and perhaps said why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    }
    Ok(answer)
}

/// The child's side.
pub(super) fn answer(device: &DeviceArguments, arguments: &InspectArguments) -> Result<Exit, Failure> {
    let answer = look(device, arguments);
    print_line(serde_json::to_string(&answer).map_err(Failure::general)?)?;
    Ok(Exit::Success)
}

fn look(device: &DeviceArguments, arguments: &InspectArguments) -> Result<Inspected, String> {
    let named = arguments.needs.as_deref().map(|name| Named::read(device, name)).transpose()?;
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component).map_err(chain)?;
    give_up_root(&device.state).map_err(|error| format!("root's rights can't be given up: {error}"))?;
    // Nobody waits for this any more where the parent is gone. Another user's process forgets it, so it comes after that.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(chain)?;
    let described = describe(&component).map_err(chain)?;
    let unmet = match named {
        Some(named) => named.find_unmet(device, &component)?,
        None => Vec::new(),
    };
    Ok(Inspected {
        sha256: hexadecimal(&described.sha256),
        bytes: described.bytes,
        world: described.world.into(),
        contract: described.version.to_owned(),
        imports: described.imports,
        unmet,
    })
}

/// The plugin as which a component is loaded.
struct Named {
    name: PluginName,
    configuration: Configuration,
}

impl Named {
    fn read(device: &DeviceArguments, name: &str) -> Result<Self, String> {
        let name = PluginName::parse(name).map_err(chain)?;
        let source = Source::read(&device.config).map_err(chain)?;
        let configuration = parse_configuration(&source.text).map_err(|errors| source.render(&errors))?;
        Ok(Self { name, configuration })
    }

    fn find_unmet(&self, device: &DeviceArguments, component: &[u8]) -> Result<Vec<Unmet>, String> {
        let Self { name, configuration } = self;
        let plugin = configuration.plugins.get(name);
        let limits = plugin.ok_or_else(|| format!("plugins.toml names no plugin `{name}`"))?.limits;
        let compiler = Compiler::of_this_program().with_backend(configuration.backend);
        let sandbox = Sandbox::start_beside(&device.state, compiler).map_err(chain)?;
        let plugin = sandbox.load(name, component, limits).map_err(chain)?;
        let runtime = small_runtime().map_err(|failure| failure.error.to_string())?;
        give_up_files_and_network().map_err(chain)?;
        let unmet = runtime.block_on(find_unmet(configuration, name, &plugin))?;
        Ok(unmet.into_iter().map(Unmet::from).collect())
    }
}
