//! `punchcard sinks`.

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};

use super::events::zone;
use super::exit::{Exit, Failure};
use super::output::print_line;
use super::question::confirm;
use super::status::{fetch, unexpected};
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::StageReport;
use punchcard_ledger::Reader;

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
    /// After a restore, have a sink deliver although it could not look which of its rows arrived since the backup. Those that
    /// did come a second time, with the ids that they had. Asks first.
    DeliverUncompared {
        /// The sink.
        sink: String,
        /// Do not ask whether it is meant.
        #[arg(long)]
        yes: bool,
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
    /// Forget a sink that plugins.toml does not name any more: its rows, those that were not delivered too, and what it set
    /// aside. Asks first.
    Forget {
        /// The sink.
        sink: String,
        /// Do not ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Have a sink make a new destination, because the old one was deleted or is given up. Rows that were delivered stay
    /// in the old one. Asks first where nothing is wrong with the sink.
    CreateAnew {
        /// The sink.
        sink: String,
        /// Do not ask whether it is meant.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn sinks(device: &DeviceArguments, arguments: &SinksArguments) -> Result<Exit, Failure> {
    let Some(command) = &arguments.command else { return list(device, arguments.json) };
    if let SinksCommand::CreateAnew { sink, yes: false } = command
        && !is_held(device, sink)?
        && !is_meant(sink)?
    {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    if let SinksCommand::Forget { sink, yes: false } = command
        && !is_to_be_forgotten(device, sink)?
    {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    if let SinksCommand::DeliverUncompared { sink, yes: false } = command
        && !confirm(
            &format!(
                "Rows of sink `{sink}` that were delivered since the backup come a second time.\nType `deliver` if it is meant: "
            ),
            &["deliver"],
        )?
    {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    match small_runtime()?.block_on(ask(&device.state, &command.question()))? {
        Answer::Accepted => print_line(command.done())?,
        Answer::NothingToDo => print_line(command.nothing_to_do())?,
        other => return Err(unexpected(other)),
    }
    Ok(Exit::Success)
}

impl SinksCommand {
    fn question(&self) -> Question {
        match self {
            Self::Retry { sink } => Question::Retry { sink: sink.clone() },
            Self::AcceptTimes { sink } => Question::AcceptTimes { sink: sink.clone() },
            Self::DeliverUncompared { sink, .. } => Question::DeliverUncompared { sink: sink.clone() },
            Self::Pause { sink } => Question::Pause { sink: sink.clone() },
            Self::Resume { sink } => Question::Resume { sink: sink.clone() },
            Self::Forget { sink, .. } => Question::Forget { sink: sink.clone() },
            Self::CreateAnew { sink, .. } => Question::CreateAnew { sink: sink.clone() },
        }
    }

    /// What was done.
    fn done(&self) -> String {
        match self {
            Self::Retry { sink } => format!("Sink `{sink}` delivers again; `punchcard status` says how it goes."),
            Self::AcceptTimes { sink } => format!("The rows of sink `{sink}` stay as they are."),
            Self::DeliverUncompared { sink, .. } => {
                format!("Sink `{sink}` delivers without comparing; `punchcard status` says how it goes.")
            }
            Self::Pause { sink } => {
                format!("Sink `{sink}` is paused, and its rows wait; `punchcard sinks resume {sink}` goes on.")
            }
            Self::Resume { sink } => format!("Sink `{sink}` delivers again."),
            Self::Forget { sink, .. } => format!("Sink `{sink}` is forgotten."),
            Self::CreateAnew { sink, .. } => {
                format!("Sink `{sink}` makes a new destination; `punchcard status` shows its link when it is there.")
            }
        }
    }

    /// Why nothing was done.
    fn nothing_to_do(&self) -> String {
        match self {
            Self::Retry { sink } => format!("Nothing was to do: no problem holds up sink `{sink}`."),
            Self::AcceptTimes { sink } => format!("Nothing was to do: no rows of sink `{sink}` have wrong times."),
            Self::DeliverUncompared { sink, .. } => {
                format!("Nothing was to do: sink `{sink}` does not compare before it delivers.")
            }
            Self::Pause { sink } => format!("Nothing was to do: sink `{sink}` was paused already."),
            Self::Resume { sink } => format!("Nothing was to do: sink `{sink}` was not paused."),
            Self::Forget { sink, .. } | Self::CreateAnew { sink, .. } => {
                format!("Nothing was to do for sink `{sink}`.")
            }
        }
    }
}

/// Whether a sink waits for a person, as it does when its destination is gone.
fn is_held(device: &DeviceArguments, sink: &str) -> Result<bool, Failure> {
    let report = fetch(device)?;
    let found = report.sinks.iter().find(|candidate| candidate.name == sink);
    Ok(found.is_some_and(|sink| matches!(sink.delivery, StageReport::Held { .. })))
}

/// Whether a person means it, who is told what is lost.
fn is_to_be_forgotten(device: &DeviceArguments, sink: &str) -> Result<bool, Failure> {
    let mut reader = Reader::open(&device.state, zone(device)).map_err(Failure::general)?;
    let sinks = reader.sinks().map_err(Failure::general)?;
    let Some(counts) = sinks.iter().find(|counts| counts.sink.as_str() == sink && !counts.declared) else {
        // The host says why not.
        return Ok(true);
    };
    let waiting = counts.rows_waiting + counts.rows_in_flight;
    let aside = counts.rows_set_aside + counts.events_set_aside;
    let question = format!(
        "Forgetting sink `{sink}` loses {waiting} rows that were not delivered, {} events that were not formatted for it, and \
         {aside} that were set aside. The events themselves stay.\nType `forget` if it is meant: ",
        counts.events_waiting
    );
    confirm(&question, &["forget"])
}

fn is_meant(sink: &str) -> Result<bool, Failure> {
    let question = format!(
        "Nothing is wrong with sink `{sink}`. Its new rows would go to another destination, and those that were delivered stay \
         in the old one.\nType `anew` if it is meant: "
    );
    confirm(&question, &["anew"])
}

fn list(device: &DeviceArguments, json: bool) -> Result<Exit, Failure> {
    let sinks = fetch(device)?.sinks;
    if json {
        print_line(serde_json::to_string_pretty(&sinks).map_err(Failure::general)?)?;
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
    print_line(table)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_names_the_sink() {
        let sink = || "timesheet".to_owned();
        let commands = [
            SinksCommand::Retry { sink: sink() },
            SinksCommand::AcceptTimes { sink: sink() },
            SinksCommand::DeliverUncompared { sink: sink(), yes: false },
            SinksCommand::Pause { sink: sink() },
            SinksCommand::Resume { sink: sink() },
            SinksCommand::Forget { sink: sink(), yes: false },
            SinksCommand::CreateAnew { sink: sink(), yes: false },
        ];
        for command in commands {
            for said in [command.done(), command.nothing_to_do()] {
                assert!(said.contains("ink `timesheet`"), "{said}");
            }
        }
    }
}
