//! `punchcard check`: strict, and everything at once.

use punchcard_core::config::{Configuration, Diagnostic, Severity, parse_configuration, warn_of_undrawable};

use super::exit::{Exit, Failure};
use super::output::{print_line, say_line};
use super::{DeviceArguments, small_runtime};
use crate::app::assembly::find_faults;
use crate::app::configuration::Source;
use punchcard_sandbox::{Compiler, Sandbox};

pub(super) fn check(device: &DeviceArguments) -> Result<Exit, Failure> {
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let configuration = match parse_configuration(&source.text) {
        Ok(configuration) => configuration,
        Err(diagnostics) => return Ok(say(&source, &diagnostics)),
    };
    let compiler = Compiler::of_this_program().with_backend(configuration.backend);
    let sandbox = Sandbox::start(&device.state, compiler).map_err(Failure::general)?;
    sandbox.forget_failures();
    let faults = small_runtime()?.block_on(find_faults(&configuration, source.folder(), &sandbox));
    let mut diagnostics: Vec<Diagnostic> = faults.iter().map(|fault| fault.diagnostic(&configuration)).collect();
    diagnostics.extend(warn_of_undrawable(&configuration, punchcard_panel::undrawable));
    diagnostics.sort_by_key(|diagnostic| diagnostic.at.span.start);
    let exit = if diagnostics.is_empty() { Exit::Success } else { say(&source, &diagnostics) };
    if exit == Exit::Success {
        let Configuration { inputs, sensors, sinks, plugins, .. } = &configuration;
        let (inputs, sensors, sinks, plugins) = (inputs.len(), sensors.len(), sinks.len(), plugins.len());
        let sensors = if sensors == 0 { String::new() } else { format!(" {sensors} sensors,") };
        let path = source.path.display();
        print_line(format_args!("{path} is valid: {inputs} inputs,{sensors} {sinks} sinks, {plugins} plugins."))?;
    }
    Ok(exit)
}

/// Says what was found, and whether the file can be used.
fn say(source: &Source, diagnostics: &[Diagnostic]) -> Exit {
    say_line(source.render(diagnostics));
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let counts: Vec<String> = [counted(errors, "error"), counted(warnings, "warning")].into_iter().flatten().collect();
    say_line(format_args!("{} has {}.", source.path.display(), counts.join(" and ")));
    if errors > 0 { Exit::Configuration } else { Exit::Success }
}
