//! Carries batches of rows into a Google spreadsheet, each exactly once.
//!
//! One `batchUpdate` carries a batch. Together with the rows it creates a piece of developer metadata, the *mark*, whose
//! id is random and durable in the state before the request leaves, and whose value is the batch's id. The request is
//! atomic and an id can't be created twice, so the rows are there exactly if the mark is; after an outcome that leaves
//! doubt the mark is read. See `mark`. Which rows are there can be read back by the ids of their events (`event_id`,
//! `reading`).
//!
//! The connector is a step machine in two halves. `absorb` takes in what the service answered to the last request and
//! changes what the state knows; `plan` looks at the state and decides the next request. Whatever interrupts the machine,
//! a crash, a trap, another signal, is taken in as an answer that never came, and planning goes on from there.
//!
//! What it deliberately does not know: tokens, clocks, connections, how batches are formed, and any spreadsheet that it
//! neither created nor was told of: the scope `drive.file` shows it no other. In one that a person made (`spreadsheet-id`) the
//! tab's columns are matched by their titles once (`header`), and from then on known by their metadata as everywhere.
//!
//! What always holds:
//! - An id of a mark is used for one batch only, and is in the state before a request with it leaves.
//! - A mark in doubt is resolved, or ten minutes old, before its batch goes anywhere else, also where its id is lost.
//! - Nothing of a person's is deleted, and a missing spreadsheet or tab is never made again without being asked.

mod settings;
mod state;
mod stored;

mod step;

mod append;
mod cell;
mod columns;
mod delivery;
mod destination;
mod event_id;
mod finding;
mod guard;
mod header;
mod listing;
mod look;
mod mark;
mod reading;
mod serial;
mod stray;
mod tab;

mod answer;
mod call;
mod draw;
mod limits;
mod member;
mod pause;
mod problem;
mod request;

#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;

use punchcard_sdk::connector::{Batch, Directive, Limits, Signal};
use punchcard_sdk::{Column, Connector, Context, Error, Needs, Row, export_connector};

pub use settings::Settings;
pub use state::State;

/// The connector for Google Sheets.
pub struct GoogleSheets;

impl Connector for GoogleSheets {
    type Settings = Settings;
    type State = State;

    fn check(settings: &Settings, columns: &[Column]) -> Result<Limits, Error> {
        settings.check()?;
        limits::plan_limits(settings, columns)
    }

    fn fingerprint(_: &Settings, columns: &[Column], rows: &[Row]) -> Result<Vec<String>, Error> {
        Ok(rows.iter().map(|row| reading::fingerprint(columns, row)).collect())
    }

    fn needs(settings: &Settings) -> Needs {
        let mut urls = vec![settings.sheets_url.clone()];
        // One that a person made is neither looked for nor made.
        if settings.existing().is_none() {
            urls.push(settings.drive_url.clone());
        }
        Needs { urls, slots: Vec::new(), authorization: true }
    }

    fn step(
        settings: &Settings,
        state: &mut State,
        batch: &Batch,
        signal: Signal,
        context: &Context,
    ) -> Result<Directive, Error> {
        step::step(settings, state, batch, signal, context)
    }
}

export_connector!(GoogleSheets);
