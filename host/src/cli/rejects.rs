//! `punchcard rejects`: lists what was set aside from the ledger itself, and has the running host decide about it.

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use punchcard_core::name::SinkName;
use serde_json::json;

use super::events::{render_moment, zone};
use super::exit::{Exit, Failure};
use super::output::print_line;
use super::status::unexpected;
use super::time::render_rfc_3339;
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, Question, ask};
use punchcard_ledger::{Reader, Reject, SetAsideBy};

/// Entries that are read at once.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RejectsArguments {
    /// Only those of this sink.
    #[arg(long)]
    sink: Option<String>,
    /// Also what was dropped or tried again since.
    #[arg(long)]
    all: bool,
    /// As JSON, one a line.
    #[arg(long)]
    json: bool,
    /// At most N. Left out: 50; all with --json.
    #[arg(long, short = 'n', value_name = "N")]
    most: Option<usize>,
    #[command(subcommand)]
    command: Option<RejectsCommand>,
}

#[derive(Debug, Subcommand)]
enum RejectsCommand {
    /// Try again what was set aside, after the formatter or the service was mended. It comes after everything that was
    /// recorded since, with the time at which it happened: events go through the formatter once more, rows that the service
    /// refused are sent as they are.
    Retry {
        /// The sink.
        sink: String,
        /// The events, by the numbers that `rejects` lists; among them such as were dropped. Left out: everything that is
        /// set aside and was not dropped.
        #[arg(value_name = "EVENT")]
        events: Vec<u64>,
    },
    /// Decide that what was set aside never becomes a row. It stays in the history, with the reason.
    Drop {
        /// The sink.
        sink: String,
        /// The events, by the numbers that `rejects` lists.
        #[arg(value_name = "EVENT", required = true)]
        events: Vec<u64>,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
    },
}

pub(super) fn rejects(device: &DeviceArguments, arguments: &RejectsArguments) -> Result<Exit, Failure> {
    let question = match &arguments.command {
        None => return list(device, arguments),
        Some(RejectsCommand::Retry { sink, events }) => {
            Question::Requeue { sink: sink.clone(), events: distinct(events) }
        }
        Some(RejectsCommand::Drop { sink, events, reason }) => {
            Question::Drop { sink: sink.clone(), events: distinct(events), reason: reason.clone() }
        }
    };
    match small_runtime()?.block_on(ask(&device.state, &question))? {
        Answer::Requeued { events, rows } => {
            print_line(format_args!(
                "{events} events and {rows} rows are tried again; `punchcard status` says how it goes."
            ))?;
            Ok(Exit::Success)
        }
        Answer::Dropped { count } => {
            print_line(format_args!("{count} dropped; `punchcard rejects --all` still lists what."))?;
            Ok(Exit::Success)
        }
        other => Err(unexpected(other)),
    }
}

/// One that is named twice is meant once.
fn distinct(events: &[u64]) -> Vec<u64> {
    events.iter().copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn list(device: &DeviceArguments, arguments: &RejectsArguments) -> Result<Exit, Failure> {
    let mut reader = Reader::open(&device.state, zone(device)).map_err(Failure::general)?;
    let known: Vec<SinkName> =
        reader.sinks().map_err(Failure::general)?.into_iter().map(|counts| counts.sink).collect();
    if let Some(named) = &arguments.sink
        && known.iter().all(|sink| sink.as_str() != named)
    {
        let known: Vec<&str> = known.iter().map(SinkName::as_str).collect();
        return Err(Failure::general(format!("the ledger knows no sink `{named}`; it knows {}", known.join(", "))));
    }
    let mut begun = false;
    let mut room = arguments.most.unwrap_or(if arguments.json { usize::MAX } else { 50 });
    for sink in known {
        if arguments.sink.as_ref().is_some_and(|named| *named != sink.as_str()) {
            continue;
        }
        let mut after = None;
        loop {
            let page = reader.rejects(&sink, arguments.all, after, PAGE).map_err(Failure::general)?;
            let Some(last) = page.rejects.last() else { break };
            after = Some(last.place);
            let more = page.more || page.rejects.len() > room;
            let shown = &page.rejects[..page.rejects.len().min(room)];
            room -= shown.len();
            if arguments.json {
                for reject in shown {
                    print_line(json_line(&sink, reject))?;
                }
            } else if !shown.is_empty() {
                print_line(table(&sink, shown, !std::mem::replace(&mut begun, true)))?;
            }
            if more && room == 0 {
                if !arguments.json {
                    print_line("There are more; `-n` lists more, and `--sink` those of one sink.")?;
                }
                return Ok(Exit::Success);
            }
            if !page.more {
                break;
            }
        }
    }
    if !begun && !arguments.json {
        print_line("Nothing is set aside.")?;
    }
    Ok(Exit::Success)
}

fn table(sink: &SinkName, rejects: &[Reject], first: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if first {
        table.set_header(["sink", "event", "row", "id", "time", "kind", "", "reason"]);
    }
    for Reject { set_aside, event, at, .. } in rejects {
        table.add_row([
            sink.to_string(),
            set_aside.sequence.0.to_string(),
            set_aside.position.map_or_else(|| "all".into(), |position| position.to_string()),
            event.happened.id.to_string(),
            render_moment(*at),
            printable(&event.happened.kind),
            word(set_aside.by).into(),
            printable(&set_aside.reason),
        ]);
    }
    table
}

/// Who set it aside, or what was decided about it.
fn word(by: SetAsideBy) -> &'static str {
    match by {
        SetAsideBy::Formatter => "formatter refused",
        SetAsideBy::Failure => "formatter failed",
        SetAsideBy::Service => "service refused",
        SetAsideBy::Requeued => "tried again",
        SetAsideBy::Dropped => "dropped",
    }
}

fn json_line(sink: &SinkName, Reject { set_aside, event, at, .. }: &Reject) -> serde_json::Value {
    json!({
        "sink": sink,
        "sequence": set_aside.sequence.0,
        "id": event.happened.id.to_string(),
        "row": set_aside.position,
        "time": at.instant().map(render_rfc_3339),
        "kind": event.happened.kind,
        "by": word(set_aside.by).replace(' ', "-"),
        "reason": set_aside.reason,
    })
}
