//! `check`: the repository as a device sees it, with the code that devices have.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use punchcard_core::update::Release;
use punchcard_repository::{Clock, FolderMirror, Freshness, Limits, TrustState, Versions, refresh};
use serde::Serialize;

use crate::staging;
use crate::workshop::Workshop;

/// What `check` finds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    ok: bool,
    versions: Versions,
    /// The first that expires does so then.
    expires: Option<Timestamp>,
    plugins: Vec<Line>,
    /// What keeps devices from using it.
    problems: Vec<String>,
    /// What is not signed yet.
    staged: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    file: String,
    bytes: u64,
    sha256: String,
    #[serde(flatten)]
    release: Option<Release>,
}

/// Looks at the repository from its first root on, fetches every plugin, and says what is there.
pub(crate) async fn check(workshop: &Workshop, as_json: bool, now: Timestamp) -> Result<ExitCode> {
    let report = look(workshop, now).await?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&report).context("the report can't be written as JSON")?);
    } else {
        print(&report);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(workshop: &Workshop, now: Timestamp) -> Result<Report> {
    let first = workshop.metadata().join("1.root.json");
    let root = fs::read(&first).with_context(|| format!("can't read {}", first.display()))?;
    let mirror = Arc::new(FolderMirror::open(&workshop.repository())?);
    let work = tempfile::tempdir().context("no temporary folder can be made")?;
    let clock = Clock::Known(now);
    let attempt = refresh(TrustState::shipped(root), mirror, clock, &Limits::default(), work.path()).await;
    let mut report = Report {
        ok: true,
        versions: attempt.trust.versions(),
        expires: None,
        plugins: Vec::new(),
        problems: Vec::new(),
        staged: staging::read(workshop)?.into_keys().collect(),
    };
    match attempt.outcome {
        Err(error) => report.problems.push(format!("{:#}", anyhow::Error::new(error))),
        Ok(catalogue) => {
            if let Freshness::Until(at) = catalogue.freshness {
                report.expires = Some(at);
            }
            for unusable in &catalogue.unusable {
                report.problems.push(format!("`{}`: {}", unusable.name, unusable.reason));
            }
            for offer in &catalogue.offers {
                if let Err(error) = catalogue.download(&offer.name).await {
                    report.problems.push(format!("`{}`: {:#}", offer.name, anyhow::Error::new(error)));
                }
                report.plugins.push(Line {
                    file: offer.name.clone(),
                    bytes: offer.length,
                    sha256: offer.sha256.clone(),
                    release: offer.release.clone(),
                });
            }
        }
    }
    report.ok = report.problems.is_empty();
    Ok(report)
}

fn print(report: &Report) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["PLUGIN", "VERSION", "WORLD", "CONTRACT", "CHANNEL", "SHARE", "BYTES"]);
    for line in &report.plugins {
        let said = line.release.as_ref().map(|release| {
            let world = serde_json::to_value(release.world).ok();
            let world = world.and_then(|world| world.as_str().map(str::to_owned)).unwrap_or_default();
            let share = format!("{} %", release.rollout.percent());
            let text = [release.plugin.to_string(), release.version.to_string(), world];
            text.into_iter().chain([release.contract.to_string(), release.channel.to_string(), share]).collect()
        });
        let mut cells: Vec<String> = said.unwrap_or_else(|| vec![line.file.clone(); 1]);
        cells.resize(6, String::new());
        cells.push(line.bytes.to_string());
        table.add_row(cells);
    }
    if report.plugins.is_empty() {
        println!("No plugin is published.");
    } else {
        println!("{table}");
    }
    if let Some(at) = report.expires {
        println!("Valid until {}.", at.strftime("%F %H:%M UTC"));
    }
    for name in &report.staged {
        println!("`{name}` waits: run `punchcard-publisher sign`.");
    }
    for problem in &report.problems {
        println!("problem: {problem}");
    }
    if report.ok {
        println!("Devices can use this repository.");
    }
}
