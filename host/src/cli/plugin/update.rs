//! `punchcard plugin update`.

use std::path::PathBuf;

use clap::Args;
use owo_colors::OwoColorize;

use super::super::exit::{Exit, Failure};
use super::super::output::{print, print_line};
use super::super::status::unexpected;
use super::super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::{RepositoryReport, UpdateReport, UpdateState};

#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    /// The plugin; all of them where none is named.
    plugin: Option<String>,
    /// This version, also where it is older than what runs.
    #[arg(long, requires = "plugin", value_name = "VERSION")]
    version: Option<String>,
    /// Read the repository from a folder, such as a USB stick's. It has to be signed by the same publisher.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Only say what there is.
    #[arg(long)]
    check: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn update(device: &DeviceArguments, arguments: &UpdateArguments) -> Result<Exit, Failure> {
    // The host has another working folder.
    let from = arguments.from.as_ref().map(std::path::absolute).transpose().map_err(Failure::general)?;
    let question = Question::Update {
        plugin: arguments.plugin.clone(),
        version: arguments.version.clone(),
        from,
        check: arguments.check,
    };
    let reports = match small_runtime()?.block_on(ask(&device.state, &question))? {
        Answer::Updated(reports) => reports,
        other => return Err(unexpected(other)),
    };
    if arguments.json {
        print_line(serde_json::to_string_pretty(&reports).map_err(Failure::general)?)?;
    } else {
        let lines = reports.iter().flat_map(render_repository);
        print(lines.map(|(part, says)| format!("{part:<24} {says}\n")).collect::<String>())?;
    }
    let is_failure =
        |update: &UpdateReport| matches!(update.state, UpdateState::Failed { .. } | UpdateState::Refused { .. });
    let failed = reports.iter().any(|report| report.error.is_some() || report.plugins.iter().any(is_failure));
    Ok(if failed { Exit::Refused } else { Exit::Success })
}

/// The lines of a repository: what they are about, and what they say.
pub(in crate::cli) fn render_repository(report: &RepositoryReport) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let name = format!("repository {}", report.name);
    if let Some(error) = &report.error {
        lines.push((name.clone(), format!("{}: {}", "can't be used".yellow(), printable(error))));
    }
    if report.freshness_unknown {
        lines.push((name.clone(), format!("{}: the time is not known", "freshness unknown".yellow())));
    }
    for file in &report.unusable {
        lines.push((name.clone(), format!("{}: {}", "a file can't be used".yellow(), printable(file))));
    }
    for update in &report.plugins {
        let part = format!("plugin {}", update.plugin);
        let running = update.running.as_deref().map_or_else(|| "a version that is not known".to_owned(), printable);
        let says = match &update.state {
            UpdateState::Current => format!("{running}; there is nothing newer for it"),
            UpdateState::Pinned => format!("{running}; pinned by a person"),
            UpdateState::Available { version, reason } => {
                format!("{running}; {} is there: {}", printable(version).green(), printable(reason))
            }
            UpdateState::Installed { version } => format!("{} is installed", printable(version).green()),
            UpdateState::Failed { version, reason } => {
                format!("{} {}: {}", printable(version), "was not installed".red(), printable(reason))
            }
            UpdateState::Refused { reason } => format!("{}: {}", "not done".red(), printable(reason)),
        };
        lines.push((part.clone(), says));
        for passed in &update.passed_over {
            let says = format!("{} is not taken: {}", printable(&passed.version), printable(&passed.reason));
            lines.push((part.clone(), says));
        }
    }
    lines
}
