//! `punchcard check`: strict, and everything at once.

use punchcard_core::config::{Diagnostic, parse_configuration};

use super::exit::{Exit, Failure};
use super::{DeviceArguments, small_runtime};
use crate::app::assembly::find_faults;
use crate::app::configuration::Source;
use punchcard_sandbox::Sandbox;

pub(super) fn check(device: &DeviceArguments) -> Result<Exit, Failure> {
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let configuration = match parse_configuration(&source.text) {
        Ok(configuration) => configuration,
        Err(diagnostics) => return Ok(refuse(&source, &diagnostics)),
    };
    let sandbox = Sandbox::start(&device.state.join("cache")).map_err(Failure::general)?;
    let faults = small_runtime()?.block_on(find_faults(&configuration, source.folder(), &sandbox));
    let mut diagnostics: Vec<Diagnostic> = faults.iter().map(|fault| fault.diagnostic(&configuration)).collect();
    if !diagnostics.is_empty() {
        diagnostics.sort_by_key(|diagnostic| diagnostic.at.span.start);
        return Ok(refuse(&source, &diagnostics));
    }
    let (inputs, sinks, plugins) = (configuration.inputs.len(), configuration.sinks.len(), configuration.plugins.len());
    anstream::println!("{} is valid: {inputs} inputs, {sinks} sinks, {plugins} plugins.", source.path.display());
    Ok(Exit::Success)
}

fn refuse(source: &Source, diagnostics: &[Diagnostic]) -> Exit {
    anstream::eprintln!("{}", source.render(diagnostics));
    let count = diagnostics.len();
    anstream::eprintln!("{} has {count} {}.", source.path.display(), if count == 1 { "error" } else { "errors" });
    Exit::Configuration
}
