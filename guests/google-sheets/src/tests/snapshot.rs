//! The exact requests.

use punchcard_sdk::connector::{Batch, Directive, Signal};
use punchcard_sdk::http::{Method, Request};
use punchcard_sdk::{Cell, Column, ColumnKind, Instant, Row};

use crate::rig::{Google, Host, Reply};

fn shown(request: &Request) -> String {
    let body = request.body.as_ref().map(|body| String::from_utf8(body.bytes.clone()).unwrap());
    let method = if request.method == Method::Get { "GET" } else { "POST" };
    format!("{method} {}\n{}", request.url, body.unwrap_or_default().replace("},{", "},\n{"))
}

fn columns() -> Vec<Column> {
    use ColumnKind::{Date, DateTime, Duration, Flag, Number, Text, Time};
    [
        ("project", Text),
        ("number", Number),
        ("flag", Flag),
        ("day", Date),
        ("time", Time),
        ("start", DateTime),
        ("hours", Duration),
    ]
    .map(|(key, kind)| Column { key: key.into(), title: key.to_uppercase(), kind })
    .into()
}

fn batch(id: &str) -> Batch {
    let moment = Cell::Moment(Instant { unix_micros: 1_795_168_800_000_000, utc_offset_minutes: 600 });
    let cells = vec![
        Cell::Text("=\"a\"".into()),
        Cell::Number(1.5),
        Cell::Flag(true),
        moment.clone(),
        moment.clone(),
        moment,
        Cell::Seconds(5_400.0),
    ];
    let rows = vec![
        Row { key: "1/0".into(), cells },
        Row { key: "1/1".into(), cells: vec![Cell::Empty; 7] },
        Row { key: "1/2".into(), cells: vec![Cell::Number(f64::NAN); 7] },
    ];
    Batch { id: id.into(), columns: columns(), rows, corrections: vec![] }
}

/// All requests of a batch, answered by the stand-in.
fn requests(google: &mut Google, host: &mut Host, batch: &Batch, signal: Signal) -> Vec<String> {
    let (mut signal, mut shown_requests) = (signal, vec![]);
    loop {
        signal = match host.step(google, batch, signal) {
            Directive::Send(request) => {
                shown_requests.push(shown(&request));
                match google.perform(&request) {
                    Reply::Response(response) => Signal::Responded(response),
                    Reply::Failure(failure) => Signal::Failed(failure),
                    Reply::Crash { .. } => Signal::Resumed,
                }
            }
            Directive::Wait(pause) => {
                google.advance(pause.milliseconds);
                Signal::Elapsed
            }
            Directive::Delivered(_) => return shown_requests,
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn requests_are_these() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settings.tab = "Sheet1".into();
    host.settings.event_ids = true;
    let mut all = requests(&mut google, &mut host, &batch("batch-a"), Signal::Begin);
    all.extend(requests(&mut google, &mut host, &batch("batch-b"), Signal::Begin));
    google.advance(3_600_000);
    let mut more = batch("batch-c");
    more.columns[0].title = "Client".into();
    for key in ["note", "end"] {
        more.columns.push(Column { key: key.into(), title: key.into(), kind: ColumnKind::DateTime });
    }
    more.rows.truncate(1);
    more.rows[0].cells.extend([Cell::Empty, Cell::Empty]);
    google.faults = [crate::rig::Fault::None; 6].into();
    google.faults.push_back(crate::rig::Fault::LostAfter);
    all.extend(requests(&mut google, &mut host, &more, Signal::Begin));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn the_state_is_this() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    requests(&mut google, &mut host, &batch("batch-a"), Signal::Begin);
    host.step(&google, &batch("batch-b"), Signal::Begin);
    let state = String::from_utf8(host.state.clone()).unwrap();
    insta::assert_snapshot!(state.replace(",\"", ",\n\""));
}
