//! `punchcard replay`: reads the ledger itself and runs the formatter in an engine of its own, with or without a running
//! host.

use std::io::IsTerminal;
use std::sync::Arc;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use punchcard_core::config::{Configuration, Diagnostic, parse_configuration};
use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::replay::Difference;
use punchcard_core::row::{Cell, Column};
use serde_json::{Value, json};
use ulid::Ulid;

use super::comparison;
use super::exit::{Exit, Failure};
use super::output::{print, print_line, say, say_line};
use super::question::confirm;
use super::status::unexpected;
use super::time::{render_local, render_rfc_3339};
use super::{DeviceArguments, printable, small_runtime};
use crate::app::assembly::assemble_replayer;
use crate::app::configuration::Source;
use crate::app::control::{Answer, Question, ask};
use crate::app::replay::{Refusal, Replay, Replayed, Replayer, RowDifference};
use punchcard_ledger::{PluginHistories, Reader};
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::{Compiler, Sandbox};

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The sink.
    sink: String,
    /// The first event whose rows are wanted: the number that `punchcard events` shows, or the id, which it shows with --csv
    /// or --json.
    #[arg(long, value_name = "EVENT", value_parser = parse_event)]
    from: EventName,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Only show what would be different. This is what is done without --correct, too.
    #[arg(long, conflicts_with = "correct")]
    dry_run: bool,
    /// Have the running host deliver the rows that would be different, at the end of the sheet and marked as corrections of
    /// the earlier ones, and go on from the formatter's state that the replay ends with.
    #[arg(long)]
    correct: bool,
    /// Do not ask whether `--correct` is meant.
    #[arg(long, requires = "correct")]
    yes: bool,
    /// List at most N differences, and as many events that would be refused.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    most: usize,
}

/// How a person names an event.
#[derive(Debug, Clone, Copy)]
enum EventName {
    Number(Sequence),
    Id(Ulid),
}

fn parse_event(text: &str) -> Result<EventName, String> {
    if let Ok(number) = text.parse() {
        return Ok(EventName::Number(Sequence(number)));
    }
    Ulid::from_string(text).map(EventName::Id).map_err(|_| "it is neither a number nor an event's id".to_owned())
}

pub(super) fn replay(device: &DeviceArguments, arguments: &ReplayArguments) -> Result<Exit, Failure> {
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let configuration = match parse_configuration(&source.text) {
        Ok(configuration) => configuration,
        Err(diagnostics) => return Err(refuse(&source, &diagnostics)),
    };
    let sink = find_sink(&configuration, &arguments.sink)?;
    let mut reader = Reader::open(&device.state, configuration.device.time_zone.clone()).map_err(Failure::general)?;
    let compiler = Compiler::of_this_program().with_backend(configuration.backend);
    let sandbox = Sandbox::start_beside(&device.state, compiler).map_err(Failure::general)?;
    // With the version that the device runs, which may be another than its file.
    let versions = reader.plugin_histories().map_err(Failure::general)?;
    let replayer = small_runtime()?.block_on(assemble(&source, &configuration, &sink, &sandbox, versions))?;
    let by = replayer.clone();
    let from = find_event(&mut reader, arguments.from)?;
    let ground = reader.replay_ground(&sink).map_err(Failure::general)?;
    let replay = Replay::begin(replayer, ground, from).map_err(Failure::general)?;
    let (begun_after, replayed) = run(&mut reader, &sink, replay)?;
    let shown =
        Shown { sink: &sink, from, begun_after, columns: &by.columns, replayed: &replayed, most: arguments.most };
    if arguments.json {
        print_line(serde_json::to_string_pretty(&shown.json()).map_err(Failure::general)?)?;
    } else {
        print(shown.text())?;
    }
    if arguments.correct { correct(device, arguments, from, &replayed, &by) } else { Ok(Exit::Success) }
}

/// Runs a replay to its end. Returns the event behind which it began, and what it came to.
pub(super) fn run(reader: &mut Reader, sink: &SinkName, mut replay: Replay) -> Result<(Sequence, Replayed), Failure> {
    let runtime = small_runtime()?;
    let begun_after = replay.begun_after();
    let progress = Progress::new();
    while let Some(stretch) = replay.next() {
        progress.show(&replay, stretch.through);
        let page = reader.replay_page(sink, &stretch).map_err(Failure::general)?;
        runtime.block_on(replay.format(page)).map_err(Failure::general)?;
    }
    progress.clear();
    Ok((begun_after, replay.end()))
}

/// Has the host do what was shown.
fn correct(
    device: &DeviceArguments,
    arguments: &ReplayArguments,
    from: Sequence,
    replayed: &Replayed,
    by: &Replayer,
) -> Result<Exit, Failure> {
    replayed.check().map_err(Failure::general)?;
    let wanted = !replayed.changes_nothing();
    if wanted && !arguments.yes && !is_meant(replayed.differences.len())? {
        say_line("Nothing was done.");
        return Ok(Exit::Failure);
    }
    let question = Question::Correct {
        sink: arguments.sink.clone(),
        from: from.0,
        component: hexadecimal(by.formatter.sha256()),
        settings: by.settings.clone(),
        wanted,
    };
    match small_runtime()?.block_on(ask(&device.state, &question))? {
        Answer::Corrected { .. } if !wanted => {
            say_line("There is nothing to correct.");
            Ok(Exit::Success)
        }
        Answer::Corrected { rows, through } => {
            say_line(format_args!(
                "{rows} rows up to event {through} are corrected; `punchcard status` says how their delivery goes."
            ));
            Ok(Exit::Success)
        }
        other => Err(unexpected(other)),
    }
}

fn is_meant(rows: usize) -> Result<bool, Failure> {
    confirm(&format!("Deliver {rows} rows as corrections? [y/N] "), &["y", "yes"])
}

pub(super) fn refuse(source: &Source, diagnostics: &[Diagnostic]) -> Failure {
    Failure::with(Exit::Configuration, source.render(diagnostics))
}

fn find_sink(configuration: &Configuration, name: &str) -> Result<SinkName, Failure> {
    let found = configuration.sinks.keys().find(|sink| sink.as_str() == name);
    found.cloned().ok_or_else(|| {
        let known: Vec<String> = configuration.sinks.keys().map(|sink| format!("`{sink}`")).collect();
        Failure::general(format!("plugins.toml has no sink `{name}`; it has {}", known.join(", ")))
    })
}

fn find_event(reader: &mut Reader, name: EventName) -> Result<Sequence, Failure> {
    match name {
        EventName::Number(number) => {
            let newest = reader.newest().map_err(Failure::general)?;
            check_number(number, newest).map_err(Failure::general)?;
            Ok(number)
        }
        EventName::Id(id) => {
            let found = reader.find_event(id).map_err(Failure::general)?;
            found.ok_or_else(|| Failure::general(format!("event {id} is not, or no longer, in the history")))
        }
    }
}

/// Whether there is, or was, an event of this number.
fn check_number(number: Sequence, newest: Sequence) -> Result<(), String> {
    match (number.0, newest.0) {
        (_, 0) => Err("there is no event yet".to_owned()),
        (number, newest) if number == 0 || number > newest => {
            Err(format!("there is no event {number}; the newest is {newest}, and the first was 1"))
        }
        _ => Ok(()),
    }
}

/// The sink's formatter, loaded and checked as the host does it. Of its connector only the limits are wanted.
pub(super) async fn assemble(
    source: &Source,
    configuration: &Configuration,
    sink: &SinkName,
    sandbox: &Arc<Sandbox>,
    versions: PluginHistories,
) -> Result<Replayer, Failure> {
    let configured = &configuration.sinks[sink];
    let mut alone = configuration.clone();
    alone.sinks.retain(|name, _| name == sink);
    alone.plugins.retain(|name, _| [&configured.format.plugin, &configured.deliver.plugin].contains(&name));
    assemble_replayer(&alone, sink, source.folder(), sandbox, versions).await.map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|fault| fault.diagnostic(configuration)).collect();
        refuse(source, &faults)
    })
}

/// How far it is, for a person who waits at a terminal.
struct Progress {
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, replay: &Replay, through: Sequence) {
        if self.shown {
            let (done, all) = (replay.at().0 - replay.begun_after().0, through.0 - replay.begun_after().0);
            say(format_args!("\r{done} of {all} events looked at "));
        }
    }

    fn clear(&self) {
        if self.shown {
            say("\r\x1b[K");
        }
    }
}

/// An outcome, for a person or a script.
pub(super) struct Shown<'a> {
    pub(super) sink: &'a SinkName,
    pub(super) from: Sequence,
    pub(super) begun_after: Sequence,
    pub(super) columns: &'a [Column],
    pub(super) replayed: &'a Replayed,
    /// Entries of a list, at most.
    pub(super) most: usize,
}

impl Shown<'_> {
    pub(super) fn text(&self) -> String {
        self.text_around(&self.table().to_string())
    }

    /// The same with the rows of before and of after side by side, for so many characters a line.
    pub(super) fn text_side_by_side(&self, width: usize) -> String {
        let rows = self.replayed.differences.iter().take(self.most);
        let rows: Vec<String> = rows.map(|row| comparison::render(row, self.columns, width)).collect();
        self.text_around(&rows.join("\n"))
    }

    /// What there is to say, with the differences drawn like this.
    fn text_around(&self, differences: &str) -> String {
        let Replayed { through, events, passed_over, same, .. } = self.replayed;
        let mut lines = vec![format!(
            "Sink {}, events {} to {}: {events} formatted again, from the state that was kept before event {}.",
            self.sink,
            self.from.0,
            through.0,
            self.begun_after.0 + 1
        )];
        if *passed_over > 0 {
            lines.push(format!(
                "{passed_over} were set aside and are passed over; `punchcard rejects retry {}` is for them.",
                self.sink
            ));
        }
        if !self.replayed.differences.is_empty() {
            lines.push(differences.to_owned());
        }
        let more = |all: usize| {
            let more = all.saturating_sub(self.most);
            (more > 0).then(|| format!("and {more} more of these; `-n` lists more"))
        };
        let refusals = |refusals: &[Refusal], what: &str| {
            let line = |refusal: &Refusal| format!("event {} {what}: {}", refusal.event.0, printable(&refusal.reason));
            refusals.iter().take(self.most).map(line).chain(more(refusals.len())).collect::<Vec<_>>()
        };
        lines.extend(more(self.replayed.differences.len()));
        lines.extend(refusals(&self.replayed.rejected, "would be set aside"));
        lines.extend(refusals(&self.replayed.failed, "makes the formatter fail"));
        if self.replayed.not_kept > 0 {
            lines.push(format!(
                "{} more differences are not listed; ask from a later event on.",
                self.replayed.not_kept
            ));
        }
        let different = self.replayed.differences.len();
        lines.push(format!("{same} rows would be the same, {different} different."));
        if self.replayed.state_differs {
            lines.push("Later rows would be made from another state of the formatter.".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header([
            "event",
            "time",
            "row",
            "difference",
        ]);
        for row in self.replayed.differences.iter().take(self.most) {
            let position = (row.position + 1).to_string();
            table.add_row([row.event.0.to_string(), render_local(row.at), position, printable(&self.difference(row))]);
        }
        table
    }

    fn difference(&self, row: &RowDifference) -> String {
        let cells = |cells: &[Cell], columns: &[Column]| {
            let filled = cells.iter().zip(columns).filter(|(cell, _)| **cell != Cell::Empty);
            filled
                .map(|(cell, column)| format!("{}: {}", column.title, render_cell(cell)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match &row.difference {
            Difference::Changed(changes) => {
                let change = changes.iter().map(|change| {
                    format!("{}: {} → {}", change.title, render_cell(&change.was), render_cell(&change.would_be))
                });
                change.collect::<Vec<_>>().join(", ")
            }
            Difference::Added => {
                format!("would be new: {}", cells(row.made.as_deref().unwrap_or_default(), self.columns))
            }
            Difference::Withdrawn => {
                let kept = row.kept.as_ref();
                format!(
                    "would not be there: {}",
                    kept.map_or_else(String::new, |kept| cells(&kept.cells, &kept.columns))
                )
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        let refusals = |refusals: &[Refusal]| -> Vec<Value> {
            refusals.iter().map(|refusal| json!({ "event": refusal.event.0, "reason": refusal.reason })).collect()
        };
        json!({
            "sink": self.sink.as_str(),
            "from": self.from.0,
            "through": self.replayed.through.0,
            "begun-after": self.begun_after.0,
            "events": self.replayed.events,
            "passed-over": self.replayed.passed_over,
            "same": self.replayed.same,
            "differences": self.replayed.differences.iter().map(|row| self.json_difference(row)).collect::<Vec<_>>(),
            "rejected": refusals(&self.replayed.rejected),
            "failed": refusals(&self.replayed.failed),
            "not-listed": self.replayed.not_kept,
            "state-differs": self.replayed.state_differs,
        })
    }

    fn json_difference(&self, row: &RowDifference) -> Value {
        let cells = |cells: &[Cell], columns: &[Column]| -> Value {
            columns.iter().zip(cells).map(|(column, cell)| (column.key.clone(), json_cell(cell))).collect()
        };
        json!({
            "event": row.event.0,
            "id": row.id.to_string(),
            "time": render_rfc_3339(row.at),
            "row": format!("{}/{}", row.id, row.position),
            "difference": match row.difference {
                Difference::Changed(_) => "changed",
                Difference::Added => "added",
                Difference::Withdrawn => "withdrawn",
            },
            "was": row.kept.as_ref().map(|kept| cells(&kept.cells, &kept.columns)),
            "would-be": row.made.as_ref().map(|made| cells(made, self.columns)),
        })
    }
}

pub(super) fn render_cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "nothing".to_owned(),
        Cell::Text(text) => format!("“{text}”"),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Moment(at) => render_local(*at),
        Cell::Estimated(at) => format!("about {}", render_local(*at)),
        Cell::Seconds(seconds) => format!("{seconds} s"),
    }
}

fn json_cell(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Number(number) | Cell::Seconds(number) => json!(number),
        Cell::Flag(flag) => json!(flag),
        Cell::Moment(at) => json!(render_rfc_3339(*at)),
        Cell::Estimated(at) => json!({ "estimated": render_rfc_3339(*at) }),
    }
}

#[cfg(test)]
mod tests {
    use punchcard_core::time::Instant;

    use super::*;

    #[test]
    fn an_event_that_never_was_is_said_to_be_none() {
        let none = |number| Err(format!("there is no event {number}; the newest is 3, and the first was 1"));
        let table = [(1, 3, Ok(())), (3, 3, Ok(())), (999, 3, none(999)), (4, 3, none(4)), (0, 3, none(0))];
        for (number, newest, expected) in table {
            assert_eq!(check_number(Sequence(number), Sequence(newest)), expected);
        }
        assert_eq!(check_number(Sequence(1), Sequence(0)), Err("there is no event yet".to_owned()));
    }

    #[test]
    fn a_list_has_a_limit_and_says_that_there_is_more() {
        let sink = SinkName::parse("sheet").unwrap();
        let refusal = |number| Refusal { event: Sequence(number), reason: "no project".to_owned() };
        let difference = |number| RowDifference {
            event: Sequence(number),
            id: Ulid::nil(),
            at: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            position: 0,
            difference: Difference::Added,
            kept: None,
            revision: 0,
            made: Some(vec![]),
        };
        let mut replayed = Replayed::new(Sequence(9), Vec::new());
        replayed.rejected = (1..=3).map(refusal).collect();
        replayed.failed = vec![refusal(4)];
        replayed.differences = (5..=8).map(difference).collect();
        let shown = |most| {
            let (from, begun_after) = (Sequence(1), Sequence(0));
            Shown { sink: &sink, from, begun_after, columns: &[], replayed: &replayed, most }.text()
        };
        let table = [(9, 3, vec![]), (3, 3, vec![1]), (2, 2, vec![2, 1])];
        for (most, rejected, more) in table {
            let text = shown(most);
            assert_eq!(text.matches("would be set aside: no project").count(), rejected, "{text}");
            let found = text.matches("would be new").count() + text.matches("makes the formatter fail").count();
            assert_eq!(found, most.min(4) + 1, "{text}");
            let said: Vec<&str> = text.lines().filter(|line| line.starts_with("and ")).collect();
            let expected: Vec<String> =
                more.iter().map(|more| format!("and {more} more of these; `-n` lists more")).collect();
            assert_eq!(said, expected, "{text}");
        }
    }
}
