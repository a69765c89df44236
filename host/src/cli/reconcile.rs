//! `punchcard reconcile`: has the running host compare what a service has with what was delivered, and shows what came of it.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use super::exit::{Exit, Failure};
use super::output::{print, print_line, say_line};
use super::question::confirm;
use super::status::unexpected;
use super::{DeviceArguments, printable, sleep, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::{ReconcileReport, ReconcileStage};

/// How often the host is asked how it goes.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Looks after which it is said how far it is.
const SAID_FROM: u32 = 5;

#[derive(Debug, Args)]
pub(super) struct ReconcileArguments {
    /// The sink.
    sink: String,
    /// Deliver again what is missing, without asking. It is looked for once more before.
    #[arg(long)]
    deliver_missing: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// List at most N rows that are not simply there.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    most: usize,
}

pub(super) fn reconcile(device: &DeviceArguments, arguments: &ReconcileArguments) -> Result<Exit, Failure> {
    let (number, report) = compare(device, &arguments.sink, None)?;
    let delivers = report.missing > 0
        && (arguments.deliver_missing || {
            if !arguments.json {
                print(render_report(&report, arguments.most))?;
            }
            !arguments.json && deliver_again(report.missing)?
        });
    let report = if delivers { compare(device, &arguments.sink, Some(number))?.1 } else { report };
    if arguments.json {
        print_line(serde_json::to_string_pretty(&report).map_err(Failure::general)?)?;
    } else if arguments.deliver_missing || report.missing == 0 {
        print(render_report(&report, arguments.most))?;
    }
    if let Some(count) = report.delivered_again.filter(|_| !arguments.json) {
        print_line(format_args!("{count} rows are delivered again; `punchcard status` says how it goes."))?;
    }
    Ok(Exit::Success)
}

/// Has the host compare, and waits until it has. Returns the comparison's number too.
fn compare(
    device: &DeviceArguments,
    sink: &str,
    deliver_missing_of: Option<u64>,
) -> Result<(u64, ReconcileReport), Failure> {
    let runtime = small_runtime()?;
    let question = Question::Reconcile { sink: sink.to_owned(), deliver_missing_of };
    let number = match runtime.block_on(ask(&device.state, &question))? {
        Answer::Compares { number } => number,
        other => return Err(unexpected(other)),
    };
    let mut looks = 0;
    let mut said = String::new();
    loop {
        let stage =
            match runtime.block_on(ask(&device.state, &Question::Reconciliation { sink: sink.to_owned(), number }))? {
                Answer::Reconciliation(stage) => *stage,
                other => return Err(unexpected(other)),
            };
        let says = match stage {
            ReconcileStage::Done { report } => return Ok((number, report)),
            ReconcileStage::Failed { reason } => return Err(Failure::with(Exit::Refused, printable(&reason))),
            ReconcileStage::Waiting => "waits until the sink has nothing else to do".to_owned(),
            ReconcileStage::Reading { rows } => format!("{rows} rows were read"),
        };
        looks += 1;
        if looks >= SAID_FROM && says != said {
            say_line(&says);
            said = says;
        }
        sleep(LOOK_AGAIN)?;
    }
}

fn deliver_again(missing: u64) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        say_line("`--deliver-missing` delivers what is missing again.");
        return Ok(false);
    }
    confirm(&format!("Deliver the {missing} missing rows again? [y/N] "), &["y", "yes"])
}

fn render_report(report: &ReconcileReport, most: usize) -> String {
    let lines = [
        (report.there, "there, as they were delivered"),
        (report.missing, "missing: delivered, and not there"),
        (report.changed, "changed by somebody"),
        (report.doubled, "there more than once"),
        (
            report.unknown,
            "can't be told: delivered without ids or with other settings, or a row without an id looks the same",
        ),
        (report.elsewhere, "delivered to another place than this one"),
        (report.replaced, "not there, and a correction goes in their place"),
        (report.pending, "still to be delivered"),
        (report.set_aside, "set aside"),
        (report.foreign, "foreign: there with an id that this sink did not bring"),
        (report.older, "there, from before the history of this device"),
        (report.without_id, "there without an id"),
    ];
    let mut text =
        format!("compared with {}\n", report.link.as_deref().map_or_else(|| "the service".into(), printable));
    for (count, what) in lines {
        if count > 0 || what.starts_with("there, as") || what.starts_with("missing") {
            text.push_str(&format!("{count:>9}  {what}\n"));
        }
    }
    if !report.details.is_empty() {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["", "event", "id", "place"]);
        for detail in report.details.iter().take(most) {
            table.add_row([
                detail.finding.replace('-', " "),
                detail.event.map(|event| event.to_string()).unwrap_or_default(),
                printable(detail.key.as_deref().unwrap_or_default()),
                printable(detail.place.as_deref().unwrap_or_default()),
            ]);
        }
        text.push_str(&format!("{table}\n"));
    }
    let not_shown = report.details.len().saturating_sub(most);
    if not_shown > 0 {
        text.push_str(&format!("and {} more of these; `-n` lists more\n", not_shown as u64 + report.untold));
    } else if report.untold > 0 {
        text.push_str(&format!("and {} more of these\n", report.untold));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::status::ReconcileDetail;

    #[test]
    fn a_list_of_rows_has_a_limit_and_says_that_there_is_more() {
        let detail = |number: u64| ReconcileDetail {
            finding: "missing".to_owned(),
            event: Some(number),
            ..ReconcileDetail::default()
        };
        let report = |untold| ReconcileReport {
            missing: 4,
            details: (1..=4).map(detail).collect(),
            untold,
            ..ReconcileReport::default()
        };
        let table = [
            (4, 0, 4, None),
            (9, 0, 4, None),
            (3, 0, 3, Some("and 1 more of these; `-n` lists more")),
            (1, 7, 1, Some("and 10 more of these; `-n` lists more")),
            (4, 7, 4, Some("and 7 more of these")),
            (0, 0, 0, Some("and 4 more of these; `-n` lists more")),
        ];
        for (most, untold, listed, last) in table {
            let text = render_report(&report(untold), most);
            let lines = text.lines().filter(|line| line.trim_start().starts_with("missing  ")).count();
            assert_eq!(lines, listed, "{text}");
            let said = text.lines().last().filter(|line| line.starts_with("and "));
            assert_eq!(said, last, "{text}");
        }
    }
}
