//! The host: keeps the state durable, performs what the connector asks for, and dies on command.

use punchcard_sdk::connector::{Batch, Directive, Receipt, Signal};
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Cell, Column, ColumnKind, Connector, Context, Instant, Problem, Row};

use crate::rig::service::{Google, Reply};
use crate::tests::context;
use crate::{GoogleSheets, Settings, State};

/// How a batch ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Delivered(Receipt),
    /// With the headline.
    Held(String),
}

/// A device with one sink.
pub(crate) struct Host {
    pub(crate) settings: Settings,
    pub(crate) columns: Vec<Column>,
    /// As durable.
    pub(crate) state: Vec<u8>,
    pub(crate) boots: u32,
    pub(crate) booted_at_ms: u64,
    /// Added to the simulated time for the calendar.
    pub(crate) epoch_ms: i64,
    entropy: u64,
    batches: u32,
    /// Said meanwhile.
    pub(crate) problems: Vec<Problem>,
    pub(crate) notices: Vec<Option<Problem>>,
    pub(crate) waited_ms: Vec<u64>,
}

impl Host {
    pub(crate) fn new(seed: u64) -> Self {
        let column = |key: &str, kind| Column { key: key.into(), title: key.to_uppercase(), kind };
        Self {
            settings: crate::tests::settings(),
            columns: vec![column("row", ColumnKind::Text), column("at", ColumnKind::DateTime)],
            state: vec![],
            boots: 1,
            booted_at_ms: 0,
            epoch_ms: context().now.unix_micros / 1_000,
            entropy: seed,
            batches: 0,
            problems: vec![],
            notices: vec![],
            waited_ms: vec![],
        }
    }

    /// The next batch, of so many rows that are told apart by their text.
    pub(crate) fn batch(&mut self, rows: usize) -> Batch {
        self.batches += 1;
        let number = self.batches;
        let cell = |row: usize, column: &Column| match column.kind {
            ColumnKind::DateTime => Cell::Moment(Instant { unix_micros: 0, utc_offset_minutes: 0 }),
            _ => Cell::Text(format!("{}-{number}/{row}", column.key)),
        };
        let row = |row| Row {
            key: format!("{number}/{row}"),
            cells: self.columns.iter().map(|column| cell(row, column)).collect(),
        };
        let rows = (0..rows).map(row).collect();
        Batch { id: format!("batch-{number}"), columns: self.columns.clone(), rows, corrections: vec![] }
    }

    pub(crate) fn context(&mut self, now_ms: u64) -> Context {
        // xorshift64*: reproducible entropy for tests.
        let mut next = || {
            self.entropy ^= self.entropy >> 12;
            self.entropy ^= self.entropy << 25;
            self.entropy ^= self.entropy >> 27;
            self.entropy.wrapping_mul(0x2545_f491_4f6c_dd1d)
        };
        let entropy = (0..4).flat_map(|_| next().to_le_bytes()).collect();
        Context {
            now: Instant {
                unix_micros: (self.epoch_ms + i64::try_from(now_ms).unwrap()) * 1_000,
                utc_offset_minutes: 600,
            },
            monotonic_ms: now_ms - self.booted_at_ms,
            boot: format!("boot-{}", self.boots),
            entropy,
            device: "door".into(),
        }
    }

    /// One step; its state is durable when this returns.
    pub(crate) fn step(&mut self, google: &Google, batch: &Batch, signal: Signal) -> Directive {
        let context = self.context(google.now_ms());
        let mut state: State = parse_state(&self.state, 1, |_, _| None).unwrap();
        let next = GoogleSheets::step(&self.settings, &mut state, batch, signal, &context).unwrap();
        self.state = render_state(&state, 1).unwrap();
        next
    }

    pub(crate) fn state(&self) -> State {
        parse_state(&self.state, 1, |_, _| None).unwrap()
    }

    /// Drives a batch to its end.
    pub(crate) fn run(&mut self, google: &mut Google, batch: &Batch, signal: Signal) -> End {
        let mut signal = signal;
        for _ in 0..300 {
            signal = match self.step(google, batch, signal) {
                Directive::Delivered(receipt) => return End::Delivered(receipt),
                Directive::Found(page) => panic!("{page:?}"),
                Directive::Notice(problem) => {
                    self.notices.push(problem);
                    Signal::Elapsed
                }
                Directive::Hold(pause) => {
                    let problem = pause.problem.unwrap();
                    let headline = problem.headline.clone();
                    self.problems.push(problem);
                    google.advance(1);
                    return End::Held(headline);
                }
                Directive::Wait(pause) => {
                    self.problems.extend(pause.problem);
                    self.waited_ms.push(pause.milliseconds);
                    google.advance(pause.milliseconds);
                    Signal::Elapsed
                }
                Directive::Send(request) => {
                    let reply = google.perform(&request);
                    google.advance(50);
                    match reply {
                        Reply::Response(response) => Signal::Responded(response),
                        Reply::Failure(failure) => Signal::Failed(failure),
                        Reply::Crash { reboot } => {
                            if reboot {
                                self.reboot(google);
                            }
                            Signal::Resumed
                        }
                    }
                }
            };
        }
        panic!("no end after 300 steps: {:?}", google.log);
    }

    /// Drives a batch until `last` was asked, and returns what came of that.
    pub(crate) fn run_until(&mut self, google: &mut Google, batch: &Batch, signal: Signal, last: &str) -> Signal {
        let mut signal = signal;
        while google.log.last() != Some(&last) {
            let Directive::Send(request) = self.step(google, batch, signal) else { panic!("{:?}", google.log) };
            signal = match google.perform(&request) {
                Reply::Response(response) => Signal::Responded(response),
                Reply::Failure(failure) => Signal::Failed(failure),
                Reply::Crash { .. } => Signal::Resumed,
            };
        }
        signal
    }

    pub(crate) fn reboot(&mut self, google: &Google) {
        self.boots += 1;
        self.booted_at_ms = google.now_ms();
    }

    /// Makes the sheet ready, then delivers a batch of two rows.
    pub(crate) fn settle(&mut self, google: &mut Google) {
        let empty = self.batch(0);
        assert!(matches!(self.run(google, &empty, Signal::Prepare), End::Delivered(_)));
        let batch = self.batch(2);
        assert!(matches!(self.run(google, &batch, Signal::Begin), End::Delivered(_)));
        google.log.clear();
        google.requests.clear();
    }
}
