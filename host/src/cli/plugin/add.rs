//! `punchcard plugin add`.

use std::path::{Path, PathBuf};

use clap::Args;
use owo_colors::OwoColorize as _;
use punchcard_core::config::{Configuration, parse_configuration};
use punchcard_core::name::PluginName;
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::{fingerprint, read_component};

use super::super::exit::{Exit, Failure};
use super::super::output::{print, print_line};
use super::super::question::confirm;
use super::super::{DeviceArguments, printable, small_runtime};
use super::edit::set_plugin;
use super::inspection::{Inspected, inspect};
use super::{ask_and_print, file};
use crate::app::configuration::Source;
use crate::app::control::{PluginQuestion, may_run};
use crate::app::status::WorldName;

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The component.
    file: PathBuf,
    /// The plugin's name. Left out: that of the file, without `.wasm`.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
}

pub(super) fn add(device: &DeviceArguments, arguments: &AddArguments) -> Result<Exit, Failure> {
    let name = choose_name(arguments)?;
    let bytes = read_component(&arguments.file).map_err(Failure::general)?;
    let inspected = inspect(device, &bytes, None)?;
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let configuration = parse(&source)?;
    refuse_misfit(&configuration, &name, &inspected)?;
    let folder = source.folder();
    let sha256 = fingerprint(&bytes);
    let digest = hexadecimal(&sha256);
    let is_free = |path: &Path| match read_component(&folder.join(path)) {
        Ok(there) => fingerprint(&there) == sha256,
        Err(_) => folder.join(path).symlink_metadata().is_err(),
    };
    let path = file::choose_path(&configuration, &name, &digest, is_free);
    print(render(&name, &inspected, &digest, &configuration, &folder.join(&path)))?;
    if !arguments.yes && !confirm(&format!("Type `add` if plugin `{name}` is to be that: "), &["add"])? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    let text = set_plugin(&source.text, &name, &path.display().to_string()).map_err(Failure::general)?;
    let changed = Source { text, ..source.clone() };
    parse(&changed)?;
    // The component first: a configuration whose component is missing would be said to be wrong.
    let target = folder.join(&path);
    if let Some(folder) = target.parent() {
        file::make_folder(folder).map_err(Failure::general)?;
    }
    file::replace_component(&target, &bytes).map_err(Failure::general)?;
    if changed.text != source.text {
        file::replace(&source.path, changed.text.as_bytes()).map_err(Failure::general)?;
    }
    if !small_runtime()?.block_on(may_run(&device.state)) {
        print_line("It is there. No device runs; it counts from the next start on.")?;
        return Ok(Exit::Success);
    }
    let from = arguments.file.canonicalize().unwrap_or_else(|_| arguments.file.clone()).display().to_string();
    let question = PluginQuestion::Added { plugin: name.to_string(), sha256: digest, from };
    ask_and_print(device, question, "Nothing was to do.")
}

fn choose_name(arguments: &AddArguments) -> Result<PluginName, Failure> {
    let stem = arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let said = arguments.name.clone().or(stem).unwrap_or_default();
    PluginName::parse(&said).map_err(|error| Failure::general(format!("{error}; give it one with --name")))
}

fn parse(source: &Source) -> Result<Configuration, Failure> {
    parse_configuration(&source.text)
        .map_err(|diagnostics| Failure::with(Exit::Configuration, source.render(&diagnostics)))
}

/// Refuses a component that is not what plugins.toml uses the name as.
fn refuse_misfit(configuration: &Configuration, name: &PluginName, inspected: &Inspected) -> Result<(), Failure> {
    match configuration.uses_of(name).into_iter().find(|used| WorldName::from(used.world) != inspected.world) {
        Some(used) => Err(Failure::general(format!(
            "{} uses plugin `{name}` as {}, and this is {}; add it under another name with --name",
            used.part,
            in_words(used.world.into()),
            in_words(inspected.world)
        ))),
        None => Ok(()),
    }
}

pub(super) fn in_words(world: WorldName) -> &'static str {
    match world {
        WorldName::AuthPolicy => "auth policy",
        WorldName::Formatter => "formatter",
        WorldName::Connector => "connector",
        WorldName::Sensor => "sensor",
        WorldName::Listing => "listing",
    }
}

fn render(
    name: &PluginName,
    inspected: &Inspected,
    digest: &str,
    configuration: &Configuration,
    target: &Path,
) -> String {
    let Inspected { bytes, world, contract, imports, .. } = inspected;
    let imports = if imports.is_empty() { "nothing".to_owned() } else { printable(&imports.join(", ")) };
    let before = match configuration.plugins.contains_key(name) {
        true => "in the place of the version that it has",
        false => "new",
    };
    let (world, contract) = (in_words(*world), printable(contract));
    format!(
        "plugin {} ({before})\n  world     {world}\n  contract  {contract}\n  imports   {imports}\n  size      {bytes} bytes\n  \
         sha-256   {digest}\n  goes to   {}\n",
        name.bold(),
        target.display()
    )
}
