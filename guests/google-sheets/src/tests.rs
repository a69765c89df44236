//! Scripts of steps: what the connector does, answer by answer of the stand-in.

mod creation;
mod doubt;
mod event_id;
mod existing;
mod fault;
mod forgotten;
mod reading;
mod refusal;
mod sharing;
mod sheet;
mod snapshot;
mod stand_in;

use punchcard_sdk::connector::Receipt;
use punchcard_sdk::{Column, ColumnKind, Context, Instant};

use crate::Settings;
use crate::rig::End;

/// 2026-11-20 10:00 UTC, 20:00 in Brisbane.
pub(crate) fn context() -> Context {
    Context {
        now: Instant { unix_micros: 1_795_168_800_000_000, utc_offset_minutes: 600 },
        monotonic_ms: 1_000_000,
        boot: "boot-1".into(),
        entropy: (0..32).collect(),
        device: "door".into(),
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        spreadsheet: "Time clock".into(),
        spreadsheet_id: None,
        spreadsheet_url: None,
        account: None,
        tab: "Punches".into(),
        yearly: Some(true),
        event_ids: false,
        sheets_url: "https://sheets.googleapis.com".into(),
        drive_url: "https://www.googleapis.com/drive".into(),
    }
}

/// A column of text.
pub(crate) fn column(key: &str) -> Column {
    Column { key: key.into(), title: key.to_uppercase(), kind: ColumnKind::Text }
}

/// Delivered, with every row, into this file.
fn delivered(file: &str) -> End {
    let link = Some(format!("https://docs.google.com/spreadsheets/d/{file}/edit"));
    End::Delivered(Receipt { rejected: vec![], link })
}

fn held(headline: &str) -> End {
    End::Held(headline.into())
}

/// The first column of rows.
fn first_cells(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[0].as_str()).collect()
}
