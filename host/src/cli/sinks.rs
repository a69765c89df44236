//! `punchcard sinks`.

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};

use super::exit::{Exit, Failure};
use super::status::{fetch, unexpected};
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::StageReport;

#[derive(Debug, Args)]
pub(super) struct SinksArguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<SinksCommand>,
}

#[derive(Debug, Subcommand)]
enum SinksCommand {
    /// Have a sink deliver again at once that is held up by a problem, after it was mended. One that waits for something
    /// else goes on by itself.
    Retry {
        /// The sink.
        sink: String,
    },
    /// Leave rows of a sink as they are that were made while the clock was wrong, and say no more of it. `punchcard replay
    /// SINK --from EVENT --correct` would put them right.
    AcceptTimes {
        /// The sink.
        sink: String,
    },
    /// Deliver nothing of a sink for now, over restarts too. What happens is recorded and formatted as always, and its rows
    /// wait. A request that is under way is finished.
    Pause {
        /// The sink.
        sink: String,
    },
    /// Deliver again, after a pause.
    Resume {
        /// The sink.
        sink: String,
    },
    /// Have a sink make a new destination, because the old one was deleted or is given up. Rows that were delivered stay
    /// in the old one.
    CreateAnew {
        /// The sink.
        sink: String,
    },
}

pub(super) fn sinks(device: &DeviceArguments, arguments: &SinksArguments) -> Result<Exit, Failure> {
    let question = match &arguments.command {
        None => return list(device, arguments.json),
        Some(SinksCommand::Retry { sink }) => Question::Retry { sink: sink.clone() },
        Some(SinksCommand::AcceptTimes { sink }) => Question::AcceptTimes { sink: sink.clone() },
        Some(SinksCommand::Pause { sink }) => Question::Pause { sink: sink.clone() },
        Some(SinksCommand::Resume { sink }) => Question::Resume { sink: sink.clone() },
        Some(SinksCommand::CreateAnew { sink }) => Question::CreateAnew { sink: sink.clone() },
    };
    match small_runtime()?.block_on(ask(&device.state, &question))? {
        Answer::Accepted => {
            anstream::println!("It will be done; `punchcard status` says how it goes.");
            Ok(Exit::Success)
        }
        other => Err(unexpected(other)),
    }
}

fn list(device: &DeviceArguments, json: bool) -> Result<Exit, Failure> {
    let sinks = fetch(device)?.sinks;
    if json {
        anstream::println!("{}", serde_json::to_string_pretty(&sinks).map_err(Failure::general)?);
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header([
        "sink",
        "formatting",
        "delivery",
        "waiting",
        "delivered",
        "set aside",
        "rows",
    ]);
    for sink in sinks {
        table.add_row([
            sink.name,
            word(&sink.formatting).into(),
            word(&sink.delivery).into(),
            (sink.events_waiting + sink.rows_waiting + sink.rows_in_flight).to_string(),
            sink.rows_delivered.to_string(),
            sink.set_aside.to_string(),
            printable(&sink.link.unwrap_or_default()),
        ]);
    }
    anstream::println!("{table}");
    Ok(Exit::Success)
}

fn word(stage: &StageReport) -> &'static str {
    match stage {
        StageReport::Idle => "idle",
        StageReport::Working => "working",
        StageReport::AwaitingTime => "waits for the time",
        StageReport::AwaitingGrant => "waits for its grant",
        StageReport::Paused => "paused",
        StageReport::Waiting { .. } => "waits",
        StageReport::Held { .. } => "waits for a person",
        StageReport::Failing { .. } => "fails",
        StageReport::Off { .. } => "off",
    }
}
