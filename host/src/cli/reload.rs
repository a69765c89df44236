//! `punchcard reload`.

use owo_colors::OwoColorize;

use super::exit::{Exit, Failure};
use super::output::{print, print_line};
use super::status::unexpected;
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::{ActionName, ReloadReport};

pub(super) fn reload(device: &DeviceArguments, json: bool) -> Result<Exit, Failure> {
    let answer = small_runtime()?.block_on(ask(&device.state, &Question::Reload))?;
    let report = match answer {
        Answer::Reloaded(report) => *report,
        other => return Err(unexpected(other)),
    };
    if json {
        print_line(serde_json::to_string_pretty(&report).map_err(Failure::general)?)?;
    } else {
        return say(&report);
    }
    Ok(exit(&report))
}

/// Prints what a reload came to.
pub(super) fn say(report: &ReloadReport) -> Result<Exit, Failure> {
    print(render_report(report))?;
    Ok(exit(report))
}

fn exit(report: &ReloadReport) -> Exit {
    if report.errors.is_some() { Exit::Configuration } else { Exit::Success }
}

fn render_report(report: &ReloadReport) -> String {
    if let Some(errors) = &report.errors {
        return format!("{errors}\nNothing was changed: what ran before goes on.\n");
    }
    let mut text = String::new();
    for step in &report.steps {
        let action = match step.action {
            ActionName::Started => "started".green().to_string(),
            ActionName::Restarted => "restarted".green().to_string(),
            ActionName::Stopped => "stopped".yellow().to_string(),
            ActionName::LeftAlone => "left alone".dimmed().to_string(),
            ActionName::Off => "off".red().to_string(),
        };
        text.push_str(&format!("{:<24} {action}: {}\n", step.part, printable(&step.reason)));
    }
    for note in &report.notes {
        text.push_str(&format!("{}\n", printable(note)));
    }
    for key in &report.after_restart {
        text.push_str(&format!("{key:<24} {}: restart the host\n", "counts after a restart".yellow()));
    }
    text
}
