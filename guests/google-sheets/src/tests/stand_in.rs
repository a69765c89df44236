//! The connector against the stand-in for Google, which is strict, and which others wrote: what the model here takes for
//! granted of Drive and Sheets is asked there.

use std::time::Duration;

use google_sim::{Config, Direct, Effect, Fault, FileAction};
use punchcard_sdk::connector::{Batch, Directive, FoundRow, Signal};
use punchcard_sdk::http::{Failure, Header, Method, Request, Response};
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Connector, Context, Instant};
use serde_json::json;

use crate::model::Host;
use crate::{GoogleSheets, Settings, State};

/// A device on the stand-in.
struct Device {
    google: Direct,
    /// Forms batches and contexts.
    host: Host,
    settings: Settings,
    state: Vec<u8>,
    /// Headlines that were said, and how long was waited, in milliseconds.
    said: Vec<String>,
    waited_ms: Vec<u64>,
    notices: Vec<String>,
}

/// How a batch ended.
#[derive(Debug, PartialEq)]
enum End {
    Delivered,
    Held(String),
    Found(Vec<FoundRow>),
    /// The device died after this many requests.
    Killed,
}

impl Device {
    fn new() -> Self {
        let config =
            Config { quota: false, access_tokens_live_for: Duration::from_secs(400_000_000), ..Config::default() };
        let google = Direct::new(config, "2026-11-20T10:00:00Z".parse().unwrap()).unwrap();
        let settings = Settings {
            sheets_url: "http://127.0.0.1".into(),
            drive_url: "http://127.0.0.1/drive".into(),
            event_ids: true,
            ..crate::tests::settings()
        };
        let (said, waited_ms, notices) = (vec![], vec![], vec![]);
        Self { google, host: Host::new(1), settings, state: vec![], said, waited_ms, notices }
    }

    fn context(&mut self) -> Context {
        let context = self.host.context(0);
        let now = self.google.now();
        let now_ms = u64::try_from(now.as_millisecond()).unwrap();
        Context {
            now: Instant { unix_micros: now.as_microsecond(), utc_offset_minutes: 600 },
            monotonic_ms: now_ms,
            ..context
        }
    }

    fn step(&mut self, batch: &Batch, signal: Signal) -> Directive {
        let context = self.context();
        let mut state: State = parse_state(&self.state, 1, |_, _| None).unwrap();
        let next = GoogleSheets::step(&self.settings, &mut state, batch, signal, &context).unwrap();
        self.state = render_state(&state, 1).unwrap();
        next
    }

    fn perform(&mut self, request: &Request) -> Signal {
        assert!(request.authorized);
        let method = if request.method == Method::Get { "GET" } else { "POST" };
        let path = request.url.strip_prefix("http://127.0.0.1").unwrap();
        let body = request.body.as_ref().map(|body| body.bytes.as_slice());
        match self.google.call(method, path, body) {
            None => Signal::Failed(Failure::Interrupted("connection reset".into())),
            Some(answer) => {
                let header = |(name, value)| Header { name, value };
                let headers = answer.headers.into_iter().map(header).collect();
                Signal::Responded(Response { status: answer.status, headers, body: answer.body })
            }
        }
    }

    /// Drives a batch to its end, or through so many requests and no further.
    fn run_through(&mut self, batch: &Batch, signal: Signal, requests: u32) -> End {
        let (mut signal, mut left) = (signal, requests);
        let mut rows = vec![];
        for _ in 0..300 {
            signal = match self.step(batch, signal) {
                Directive::Delivered(_) => return End::Delivered,
                Directive::Hold(pause) => return End::Held(pause.problem.unwrap().headline),
                Directive::Found(page) => {
                    rows.extend(page.rows);
                    match page.next {
                        None => return End::Found(rows),
                        next => Signal::ReadBack(next),
                    }
                }
                Directive::Notice(problem) => {
                    self.notices.extend(problem.map(|problem| problem.advice));
                    Signal::Elapsed
                }
                Directive::Wait(pause) => {
                    self.said.extend(pause.problem.map(|problem| problem.headline));
                    self.waited_ms.push(pause.milliseconds);
                    self.google.advance(Duration::from_millis(pause.milliseconds));
                    Signal::Elapsed
                }
                Directive::Send(_) if left == 0 => return End::Killed,
                Directive::Send(request) => {
                    left -= 1;
                    self.perform(&request)
                }
            };
        }
        panic!("no end: {:?}", self.said);
    }

    fn run(&mut self, batch: &Batch, signal: Signal) -> End {
        self.run_through(batch, signal, u32::MAX)
    }

    fn deliver(&mut self, rows: usize) -> End {
        let batch = self.host.batch(rows);
        self.run(&batch, Signal::Begin)
    }

    /// The first cells of the rows of the first spreadsheet.
    fn rows(&self) -> Vec<String> {
        let tables = self.google.tables();
        let tab = tables[0].tabs.iter().find(|tab| tab.title == "Punches").unwrap();
        tab.rows.iter().skip(1).map(|row| row[0].clone()).collect()
    }

    fn advance_s(&mut self, seconds: u64) {
        self.google.advance(Duration::from_secs(seconds));
    }
}

#[test]
fn rows_are_delivered_once_whatever_something_in_the_network_says_after_it() {
    for status in [200, 302, 400, 401, 403, 404, 407, 429, 451, 502] {
        let mut device = Device::new();
        assert_eq!(device.deliver(1), End::Delivered);
        for applied in [true, false] {
            device.google.arm(Fault::on("*:batchUpdate", Effect::Intercepted { status, applied }));
            assert_eq!(device.deliver(1), End::Delivered, "{status}");
        }
        assert_eq!(device.rows(), ["row-1/0", "row-2/0", "row-3/0"], "{status}");
    }
}

#[test]
fn a_service_that_wishes_to_be_left_alone_is() {
    for (after, least) in [("300", 300_000), ("Fri, 20 Nov 2026 10:20:00 GMT", 1_100_000)] {
        for status in [429, 503] {
            let mut device = Device::new();
            assert_eq!(device.deliver(1), End::Delivered);
            device.waited_ms.clear();
            let effect = Effect::RetryLater { status, after: after.into() };
            device.google.arm(Fault::on("*:batchUpdate", effect));
            assert_eq!(device.deliver(1), End::Delivered);
            assert!((least..=least * 3 / 2).contains(&device.waited_ms[0]), "{status} {after}: {:?}", device.waited_ms);
            assert_eq!(device.said, ["Google is not ready"]);
            assert_eq!(device.rows(), ["row-1/0", "row-2/0"]);
        }
    }
}

#[test]
fn a_spreadsheet_that_was_moved_to_a_shared_drive_is_gone_on_in_also_with_a_new_card() {
    let mut device = Device::new();
    assert_eq!(device.deliver(1), End::Delivered);
    let id = device.google.tables()[0].id.clone();
    device.google.edit_file(&id, &FileAction::Share).unwrap();
    device.advance_s(3_600);
    assert_eq!(device.deliver(1), End::Delivered);
    device.state.clear();
    assert_eq!(device.deliver(1), End::Delivered);
    assert_eq!(device.google.tables().len(), 1);
    assert_eq!(device.rows(), ["row-1/0", "row-2/0", "row-3/0"]);
}

#[test]
fn a_spreadsheet_in_the_bin_is_not_written_to() {
    let mut device = Device::new();
    assert_eq!(device.deliver(1), End::Delivered);
    let id = device.google.tables()[0].id.clone();
    device.google.edit_file(&id, &FileAction::Trash).unwrap();
    device.advance_s(60);
    assert_eq!(device.deliver(1), End::Held("sheet is in the bin".into()));
    assert_eq!(device.rows(), ["row-1/0"]);
}

#[test]
fn a_creation_that_was_lost_is_found_in_a_late_listing_over_any_number_of_restarts() {
    let mut device = Device::new();
    device.google.switch(|switches| switches.listing_lag_seconds = 20);
    let batch = device.host.batch(1);
    device.google.arm(Fault::on("/drive/v3/files", Effect::DropAnswer).method("POST"));
    assert_eq!(device.run_through(&batch, Signal::Begin, 2), End::Killed, "after the creation and before its answer");
    for _ in 0..10 {
        device.google.advance(Duration::from_millis(500));
        let Directive::Send(request) = device.step(&batch, Signal::Resumed) else { panic!("it looks for it") };
        let signal = device.perform(&request);
        assert!(matches!(device.step(&batch, signal), Directive::Wait(_)));
    }
    assert_eq!(device.run(&batch, Signal::Resumed), End::Delivered);
    assert_eq!((device.google.tables().len(), device.google.count("drive.files.create")), (1, 1));
    assert_eq!(device.rows(), ["row-1/0"]);
}

#[test]
fn rows_beside_a_column_that_a_person_inserted_are_found() {
    let mut device = Device::new();
    assert_eq!(device.deliver(1), End::Delivered);
    let table = device.google.tables().remove(0);
    let range = json!({ "sheetId": table.tabs[0].id, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1 });
    let insert = json!([{ "insertDimension": { "range": range } }]);
    device.google.edit_as_person(&table.id, &insert).unwrap();
    let mut batch = device.host.batch(1);
    batch.rows[0].key = "01JD3ZQ8J5M2V9X7K4T6W8Y0A1/0".into();
    assert_eq!(device.run(&batch, Signal::Begin), End::Delivered);
    let empty = device.host.batch(0);
    let End::Found(rows) = device.run(&empty, Signal::ReadBack(None)) else { panic!() };
    let keys: Vec<_> = rows.iter().map(|row| row.key.as_deref().unwrap()).collect();
    assert_eq!(keys, ["1/0", "01JD3ZQ8J5M2V9X7K4T6W8Y0A1/0"]);
}
