//! A formatter's rows for the events of a table. Each event is a call of its own, as on a device where somebody presses now and
//! then.

use comfy_table::{ContentArrangement, Table as Drawing, presets};
use punchcard_core::plugin::format::Verdict;
use punchcard_core::rehearsal::parse_events;
use punchcard_core::row::{Cell, Column, Row};
use punchcard_core::time::Instant;
use punchcard_sandbox::Formatter;
use serde_json::{Value, json};

use super::super::super::exit::{Exit, Failure};
use super::super::super::output::print_line;
use super::super::super::printable;
use super::{TestArguments, TestError, Text, call_failed, context};

/// What became of an event.
struct Made {
    event: u64,
    at: Instant,
    verdict: Verdict,
}

pub(super) async fn test(
    formatter: &Formatter,
    arguments: &TestArguments,
    settings: &str,
    table: &Text,
) -> Result<Exit, Failure> {
    let unusable = |reason: String| Failure::general(TestError::File { path: table.path.clone(), reason });
    let events = parse_events(&table.text).map_err(|error| unusable(error.to_string()))?;
    let columns = formatter.columns(settings).await.map_err(call_failed("columns"))?;
    let fields = formatter.fields(settings).await.map_err(call_failed("list-fields"))?;
    let (mut state, mut standing, mut made) = (Vec::new(), None, Vec::new());
    for event in events {
        let (number, at) = (event.event.sequence.0, event.at);
        let context = context(at, number);
        let formatted = formatter.format(settings, columns.len(), state, vec![event], &context).await;
        let formatted = formatted.map_err(call_failed("format"))?;
        state = formatted.state;
        standing = formatted.standing.or(standing);
        made.extend(formatted.verdicts.into_iter().map(|verdict| Made { event: number, at, verdict }));
    }
    let rejected = made.iter().filter(|made| matches!(made.verdict, Verdict::Reject(_))).count();
    if arguments.json {
        let made: Vec<Value> = made.iter().map(|made| render_json(made, &columns)).collect();
        let columns: Vec<Value> = columns.iter().map(|column| json!(column)).collect();
        let report = json!({
            "world": "formatter", "columns": columns, "fields": fields, "events": made, "standing": standing,
            "state-bytes": state.len(),
        });
        print_line(report)?;
    } else {
        print_line(draw(&made, &columns))?;
        for made in &made {
            match &made.verdict {
                Verdict::Reject(reason) => {
                    print_line(format_args!("event {}: rejected: {}", made.event, printable(reason)))?;
                }
                Verdict::Accepted { notice: Some(notice), .. } => {
                    print_line(format_args!("event {}: the panel says: {}", made.event, printable(notice)))?;
                }
                Verdict::Accepted { notice: None, .. } => {}
            }
        }
        if let Some(standing) = &standing {
            print_line(format_args!("from now on the panel says: {}", printable(standing)))?;
        }
        let (count, bytes) = (made.len(), state.len());
        print_line(format_args!("{count} events, {rejected} rejected; {bytes} bytes of state"))?;
    }
    Ok(Exit::Success)
}

fn rows(made: &Made) -> &[Row] {
    match &made.verdict {
        Verdict::Accepted { rows, .. } => rows,
        Verdict::Reject(_) => &[],
    }
}

fn draw(made: &[Made], columns: &[Column]) -> Drawing {
    let mut drawing = Drawing::new();
    let titles = columns.iter().map(|column| printable(&column.title));
    drawing.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    drawing.set_header(std::iter::once("event".to_owned()).chain(titles));
    for made in made {
        for row in rows(made) {
            let cells = row.cells.iter().map(|cell| printable(&render_cell(cell)));
            drawing.add_row(std::iter::once(made.event.to_string()).chain(cells));
        }
    }
    drawing
}

fn render_json(made: &Made, columns: &[Column]) -> Value {
    let row = |row: &Row| {
        let cells = columns.iter().zip(&row.cells).map(|(column, cell)| (column.key.clone(), json_of(cell)));
        Value::Object(cells.collect())
    };
    let mut event = json!({ "event": made.event, "at": render_moment(made.at) });
    match &made.verdict {
        Verdict::Accepted { rows, notice } => {
            event["rows"] = rows.iter().map(row).collect();
            event["notice"] = json!(notice);
        }
        Verdict::Reject(reason) => event["rejected"] = json!(reason),
    }
    event
}

fn json_of(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Number(number) | Cell::Seconds(number) => json!(number),
        Cell::Flag(flag) => json!(flag),
        Cell::Text(_) | Cell::Moment(_) | Cell::Estimated(_) => json!(render_cell(cell)),
    }
}

fn render_cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Moment(at) => render_moment(*at),
        Cell::Estimated(at) => format!("about {}", render_moment(*at)),
        Cell::Seconds(seconds) => format!("{seconds} s"),
    }
}

/// In the offset that the event's moment has.
fn render_moment(at: Instant) -> String {
    let offset = jiff::tz::Offset::from_seconds(i32::from(at.utc_offset_minutes) * 60).unwrap_or(jiff::tz::Offset::UTC);
    let moment = jiff::Timestamp::from_microsecond(at.unix_micros).unwrap_or_default();
    offset.to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
