//! `punchcard doctor`.

use std::fmt::Write as _;

use clap::Args;
use owo_colors::OwoColorize;
use punchcard_core::checkup::{Finding, Verdict, is_any_bad};
use serde_json::json;

use super::DeviceArguments;
use super::exit::{Exit, Failure};
use super::output::{print, print_line};
use crate::app::checkup::{Discretion, examine};
use crate::app::device::Options;
use crate::hardware::Hardware;
use crate::machine::Machine;
use punchcard_panel::charset::Charset;

/// What is looked at.
#[derive(Debug, Clone, Args)]
pub(super) struct DoctorArguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Look up no name, and ask no server.
    #[arg(long)]
    no_network: bool,
    /// Show no test picture on the panel.
    #[arg(long)]
    no_picture: bool,
}

/// Looks at everything that the device needs.
pub(super) fn doctor(device: &DeviceArguments, arguments: &DoctorArguments) -> Result<Exit, Failure> {
    let discretion = Discretion { without_network: arguments.no_network, without_picture: arguments.no_picture };
    let findings = look(device, discretion)?;
    if arguments.json {
        let report = json!({ "well": !is_any_bad(&findings), "findings": findings });
        print_line(serde_json::to_string_pretty(&report).map_err(Failure::general)?)?;
    } else {
        print(render_findings(&findings, Charset::of_environment()))?;
    }
    Ok(if is_any_bad(&findings) { Exit::Unwell } else { Exit::Success })
}

/// The findings.
pub(super) fn look(device: &DeviceArguments, discretion: Discretion) -> Result<Vec<Finding>, Failure> {
    let options = options(device);
    // Looking up a name takes a thread that nobody can stop: nobody waits for it.
    let runtime = super::small_runtime()?;
    let findings = runtime.block_on(examine(&options, &Machine::here(), discretion));
    runtime.shutdown_background();
    Ok(findings)
}

/// The device that is looked at.
pub(super) fn options(device: &DeviceArguments) -> Options {
    Options { configuration: device.config.clone(), state: device.state.clone(), hardware: Hardware::of_kernel() }
}

/// The findings as a person reads them: one to a line, and below it what to do.
pub(super) fn render_findings(findings: &[Finding], charset: Charset) -> String {
    let (good, bad, unknown, arrow) = match charset {
        Charset::Ascii => ("ok", "NO", "--", "->"),
        Charset::Unicode | Charset::HalfBlocks => ("✓", "✗", "–", "→"),
    };
    let widest = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Good => good.green().to_string(),
            Verdict::Bad => bad.red().bold().to_string(),
            Verdict::Unknown => unknown.dimmed().to_string(),
        };
        // A String takes everything.
        let _infallible = writeln!(text, "{mark} {:<widest$}  {}", finding.check, finding.seen);
        if let Some(remedy) = &finding.remedy {
            let _infallible = writeln!(text, "{:>indent$} {remedy}", arrow, indent = good.chars().count() + 3);
        }
    }
    let count = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    let summary = match count {
        0 => "Nothing is wrong.".to_owned(),
        1 => "1 thing is wrong.".to_owned(),
        count => format!("{count} things are wrong."),
    };
    // A String takes everything.
    let _infallible = writeln!(text, "{summary}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_a_list_with_what_to_do() {
        let findings = [
            Finding::good("board", "a Pi"),
            Finding::bad("clock", "wrong", "set it"),
            Finding::unknown("account google", "no device runs"),
        ];
        let plain = |charset| anstream::adapter::strip_str(&render_findings(&findings, charset)).to_string();
        let expected = "\
✓ board           a Pi
✗ clock           wrong
   → set it
– account google  no device runs
1 thing is wrong.
";
        assert_eq!(plain(Charset::Unicode), expected);
        assert!(plain(Charset::Ascii).starts_with("ok board           a Pi\nNO clock           wrong\n   -> set it\n"));
        assert!(render_findings(&findings[..1], Charset::Ascii).ends_with("Nothing is wrong.\n"));
    }
}
