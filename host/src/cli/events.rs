//! `punchcard events`: reads the ledger itself, with or without a running host.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
use punchcard_core::config::parse_what_is_valid;
use punchcard_core::event::{Field, Sequence, Value};
use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::{print, print_line};
use super::time::{render_local, render_rfc_3339};
use super::{DeviceArguments, printable, sleep};
use crate::app::configuration::Source;
use punchcard_ledger::{EventStatus, ListedEvent, Moment, Reader, Stage};

/// Events that are read at once.
const PAGE: u32 = 500;
/// How often is looked for new ones.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct EventsArguments {
    /// Go on with new ones as they come, and show each once more when it is decided what became of it.
    #[arg(long, short)]
    follow: bool,
    /// Only those after this sequence number.
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// Only the newest N. Left out: 50; all with --csv, --json or --after.
    #[arg(long, short = 'n', value_name = "N")]
    last: Option<u64>,
    /// As CSV (RFC 4180), one event a line.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON, one event a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn events(device: &DeviceArguments, arguments: &EventsArguments) -> Result<Exit, Failure> {
    let mut reader = Reader::open(&device.state, zone(device)).map_err(Failure::general)?;
    let mut writer = Writer::new(arguments);
    let newest = reader.newest().map_err(Failure::general)?;
    let last = arguments.last.or((!arguments.csv && !arguments.json && arguments.after.is_none()).then_some(50));
    let begin = Sequence(arguments.after.unwrap_or(0).max(last.map_or(0, |last| newest.0.saturating_sub(last))));
    let mut after = begin;
    let mut open = Open::default();
    loop {
        let page = reader.events(Some(after), PAGE).map_err(Failure::general)?;
        match page.events.last() {
            Some(last) => {
                after = last.event.sequence;
                writer.write(&page.events)?;
                open.watch(&page.events);
            }
            None if arguments.follow => {
                sleep(LOOK_AGAIN)?;
                if let Some(from) = open.from() {
                    let page = reader.events(Some(from), PAGE).map_err(Failure::general)?;
                    let settled = open.settle(page.events);
                    if !settled.is_empty() {
                        writer.write(&settled)?;
                    }
                }
            }
            None => break,
        }
    }
    // Only where they were left out without having been asked for or against.
    if arguments.last.is_none() && matches!(writer.form, Form::Table) && arguments.after.is_none() {
        let first = reader.events(None, 1).map_err(Failure::general)?;
        if first.events.first().is_some_and(|first| first.event.sequence <= begin) {
            print_line("There are earlier ones; `-n` lists more.")?;
        }
    }
    Ok(Exit::Success)
}

/// Events that were shown before it was decided what becomes of them: the newest, as many as are read at once.
#[derive(Default)]
struct Open(BTreeSet<Sequence>);

impl Open {
    fn watch(&mut self, page: &[ListedEvent]) {
        self.0.extend(page.iter().filter(|listed| !is_settled(listed)).map(|listed| listed.event.sequence));
        if let Some(newest) = page.last() {
            let oldest = newest.event.sequence.0.saturating_sub(u64::from(PAGE) - 1);
            self.0.retain(|sequence| sequence.0 >= oldest);
        }
    }

    /// The event after which to look; none where there is nothing to look for.
    fn from(&self) -> Option<Sequence> {
        self.0.first().map(|first| Sequence(first.0 - 1))
    }

    /// Those that are settled now, which are not watched any more.
    fn settle(&mut self, page: Vec<ListedEvent>) -> Vec<ListedEvent> {
        page.into_iter().filter(|listed| is_settled(listed) && self.0.remove(&listed.event.sequence)).collect()
    }
}

/// Whether nothing more becomes of an event by itself.
fn is_settled(listed: &ListedEvent) -> bool {
    listed.statuses.iter().all(|status| match status.stage {
        Stage::Unformatted | Stage::Waiting | Stage::InFlight => false,
        Stage::NoRows | Stage::Delivered(_) | Stage::SetAside(_) | Stage::Dropped(_) => true,
    })
}

/// The device's zone, for events whose time became known only afterwards.
pub(super) fn zone(device: &DeviceArguments) -> TimeZone {
    let configuration = Source::read(&device.config).map(|source| parse_what_is_valid(&source.text).0);
    configuration.map_or(TimeZone::UTC, |configuration| configuration.device.time_zone)
}

enum Form {
    Table,
    Csv,
    Json,
}

struct Writer {
    form: Form,
    begun: bool,
}

impl Writer {
    fn new(arguments: &EventsArguments) -> Self {
        let form = if arguments.csv {
            Form::Csv
        } else if arguments.json {
            Form::Json
        } else {
            Form::Table
        };
        Self { form, begun: false }
    }

    fn write(&mut self, page: &[ListedEvent]) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.begun, true);
        match self.form {
            Form::Table => print_line(table(page, first))?,
            Form::Csv => {
                if first {
                    print("sequence,id,time,time-is,source,kind,fields,status\r\n")?;
                }
                for listed in page {
                    print(csv_line(listed))?;
                }
            }
            Form::Json => {
                for listed in page {
                    print_line(json_line(listed))?;
                }
            }
        }
        Ok(())
    }
}

fn table(page: &[ListedEvent], first: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if first {
        table.set_header(["", "time", "source", "kind", "fields", "status"]);
    }
    for listed in page {
        let happened = &listed.event.happened;
        table.add_row([
            listed.event.sequence.0.to_string(),
            render_moment(listed.at),
            happened.source.to_string(),
            happened.kind.clone(),
            printable(&happened.fields.iter().map(render_field).collect::<Vec<_>>().join(", ")),
            printable(&listed.statuses.iter().map(render_status).collect::<Vec<_>>().join("; ")),
        ]);
    }
    table
}

pub(super) fn render_moment(at: Moment) -> String {
    match at {
        Moment::Known(at) => render_local(at),
        Moment::Estimated(at) => format!("about {}", render_local(at)),
        Moment::Unknown => "not known yet".into(),
    }
}

/// The same for machines.
fn certainty(at: Moment) -> &'static str {
    match at {
        Moment::Known(_) => "known",
        Moment::Estimated(_) => "estimated",
        Moment::Unknown => "unknown",
    }
}

pub(super) fn render_field(field: &Field) -> String {
    format!("{} = {}", field.name, render_value(&field.value))
}

fn render_value(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(integer) => integer.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Moment(at) => render_local(*at),
    }
}

fn render_status(status: &EventStatus) -> String {
    let stage = match &status.stage {
        Stage::Unformatted => "waits for its formatter".to_owned(),
        Stage::NoRows => "no row".to_owned(),
        Stage::Waiting => "waits for delivery".to_owned(),
        Stage::InFlight => "on its way".to_owned(),
        Stage::Delivered(_) => "delivered".to_owned(),
        Stage::SetAside(reason) => format!("set aside: {reason}"),
        Stage::Dropped(reason) => format!("dropped: {reason}"),
    };
    let again = if status.again > 0 { ", after it was tried again" } else { "" };
    let corrected = status.corrected_as.as_ref().map(|key| format!(", corrected as {key}")).unwrap_or_default();
    format!("{}: {stage}{again}{corrected}", status.sink)
}

fn csv_line(listed: &ListedEvent) -> String {
    let happened = &listed.event.happened;
    let fields: serde_json::Map<_, _> =
        happened.fields.iter().map(|field| (field.name.clone(), json_value(&field.value))).collect();
    let cells = [
        listed.event.sequence.0.to_string(),
        happened.id.to_string(),
        listed.at.instant().map(render_rfc_3339).unwrap_or_default(),
        certainty(listed.at).to_owned(),
        happened.source.to_string(),
        happened.kind.clone(),
        serde_json::Value::Object(fields).to_string(),
        listed.statuses.iter().map(render_status).collect::<Vec<_>>().join("; "),
    ];
    let quoted: Vec<String> = cells.into_iter().map(|cell| quote(&cell)).collect();
    format!("{}\r\n", quoted.join(","))
}

/// A field of RFC 4180 §2.
fn quote(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn json_line(listed: &ListedEvent) -> serde_json::Value {
    let happened = &listed.event.happened;
    let fields: serde_json::Map<_, _> =
        happened.fields.iter().map(|field| (field.name.clone(), json_value(&field.value))).collect();
    json!({
        "sequence": listed.event.sequence.0,
        "id": happened.id.to_string(),
        "time": listed.at.instant().map(render_rfc_3339),
        "time-is": certainty(listed.at),
        "source": happened.source,
        "kind": happened.kind,
        "fields": fields,
        "statuses": listed.statuses.iter().map(|status| json!({
            "sink": status.sink,
            "rows": status.rows,
            "again": status.again,
            "corrected-as": status.corrected_as,
            "stage": match &status.stage {
                Stage::Unformatted => "unformatted",
                Stage::NoRows => "no-rows",
                Stage::Waiting => "waiting",
                Stage::InFlight => "in-flight",
                Stage::Delivered(_) => "delivered",
                Stage::SetAside(_) => "set-aside",
                Stage::Dropped(_) => "dropped",
            },
            "reason": match &status.stage {
                Stage::SetAside(reason) | Stage::Dropped(reason) => Some(reason),
                _ => None,
            },
            "link": status.link,
        })).collect::<Vec<_>>(),
    })
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(integer) => json!(integer),
        Value::Number(number) => json!(number),
        Value::Flag(flag) => json!(flag),
        Value::Moment(at) => json!(render_rfc_3339(*at)),
    }
}

#[cfg(test)]
mod tests {
    use punchcard_core::event::{Event, NewEvent};
    use punchcard_core::name::InputName;
    use punchcard_core::time::{Instant, Monotonic};
    use ulid::Ulid;

    use super::*;

    #[test]
    fn each_line_says_how_certain_its_time_is() {
        let at = Instant { unix_micros: 1_795_168_800_000_000, utc_offset_minutes: 60 };
        let line = |at| {
            let happened = NewEvent {
                id: Ulid::from_parts(1, 1),
                at: None,
                monotonic: Monotonic { milliseconds: 1, boot: "first".to_owned() },
                source: InputName::parse("door").unwrap(),
                kind: "punch".to_owned(),
                fields: Vec::new(),
            };
            let listed = ListedEvent { event: Event { sequence: Sequence(7), happened }, at, statuses: Vec::new() };
            (
                csv_line(&listed).split(',').skip(2).take(2).collect::<Vec<_>>().join(","),
                json_line(&listed)["time-is"].clone(),
            )
        };
        let time = "2026-11-20T11:00:00+01:00";
        assert_eq!(line(Moment::Known(at)), (format!("{time},known"), json!("known")));
        assert_eq!(line(Moment::Estimated(at)), (format!("{time},estimated"), json!("estimated")));
        assert_eq!(line(Moment::Unknown), (",unknown".to_owned(), json!("unknown")));
    }

    #[test]
    fn an_event_is_shown_once_more_when_it_is_settled() {
        let listed = |sequence: u64, stages: &[Stage]| {
            let happened = NewEvent {
                id: Ulid::from_parts(1, 1),
                at: None,
                monotonic: Monotonic { milliseconds: 1, boot: "first".to_owned() },
                source: InputName::parse("door").unwrap(),
                kind: "punch".to_owned(),
                fields: Vec::new(),
            };
            let status = |stage: &Stage| {
                let sink = punchcard_core::name::SinkName::parse("sheet").unwrap();
                EventStatus { sink, stage: stage.clone(), rows: 1, again: 0, corrected_as: None, link: None }
            };
            let statuses = stages.iter().map(status).collect();
            ListedEvent { event: Event { sequence: Sequence(sequence), happened }, at: Moment::Unknown, statuses }
        };
        let shown = |page: Vec<ListedEvent>| page.iter().map(|listed| listed.event.sequence.0).collect::<Vec<_>>();
        let mut open = Open::default();
        let delivered = || Stage::Delivered(None);
        open.watch(&[
            listed(4, &[Stage::NoRows]),
            listed(5, &[Stage::Waiting]),
            listed(6, &[delivered(), Stage::Unformatted]),
            listed(7, &[]),
        ]);
        assert_eq!(open.from(), Some(Sequence(4)));
        let page = || vec![listed(5, &[Stage::InFlight]), listed(6, &[delivered(), delivered()]), listed(7, &[])];
        assert_eq!((shown(open.settle(page())), shown(open.settle(page()))), (vec![6], vec![]));
        assert_eq!(shown(open.settle(vec![listed(5, &[Stage::SetAside("no".into())])])), [5]);
        assert_eq!(open.from(), None);
        // No more are watched than are read at once.
        open.watch(&[listed(10, &[Stage::Waiting]), listed(509, &[Stage::Waiting])]);
        assert_eq!(open.from(), Some(Sequence(9)));
        open.watch(&[listed(510, &[Stage::Waiting])]);
        assert_eq!(open.from(), Some(Sequence(508)));
    }

    #[test]
    fn a_cell_of_csv_is_quoted_where_it_has_to_be() {
        let table =
            [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\""), ("a\nb", "\"a\nb\"")];
        for (cell, quoted) in table {
            assert_eq!(quote(cell), quoted);
        }
    }
}
