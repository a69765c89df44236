//! What is remembered of the batch that is on its way: how much of it is there, and what was posted last.
//!
//! A batch goes in one request unless its receiver refuses that; then in pieces, one after the other, each under a key of its
//! own. What always holds: rows that were posted and are without an answer are posted again as the same piece, under the
//! same key and the same device's name, whatever the settings say by then. A receiver that remembers keys could not know
//! them again otherwise. Rows go under another key only after the receiver said that it took none of them.

use std::ops::Range;

use punchcard_sdk::Row;
use punchcard_sdk::connector::{Batch, Correction, Rejection};
use serde::{Deserialize, Serialize};

use crate::answer::Stop;

/// Bytes of reasons that are kept while a batch is on its way. The host keeps 1 MiB of a state; ten thousand refused rows
/// whose reasons are all quotation marks, two bytes each in JSON, stay below it.
const REASON_BYTES: usize = 300_000;

/// What is remembered from one step to the next.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Tries in a row that brought nothing.
    pub(crate) failures: u32,
    /// Rows that a request carries since one was too large. None: as many as the settings say.
    // Between batches an older version, which knows neither this nor what follows, can take over again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    most: Option<u32>,
    /// Rows in a row that were set aside for what the receiver said of them, and none was taken in between.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) refusals: u32,
    /// The batch on its way; one without an id when there is none.
    #[serde(default, skip_serializing_if = "Open::is_none")]
    open: Open,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    batch: String,
    /// What the device was called when the batch was begun: a repeat is the same, byte by byte.
    device: String,
    /// Rows that are done, delivered or refused: the first ones.
    done: u32,
    /// Where the piece ends that was posted and is without an answer.
    end: Option<u32>,
    /// Why it is not posted again before a person says so, and the address that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<(String, Stop)>,
    /// Rows that the receiver never takes, by their positions in the batch.
    rejected: Vec<(u32, String)>,
}

/// What one request carries.
pub(crate) struct Piece<'a> {
    /// By which the receiver knows a repeat.
    pub(crate) key: String,
    pub(crate) device: &'a str,
    pub(crate) rows: &'a [Row],
    /// The position of the first of them in the batch.
    pub(crate) first: u32,
    /// Those of the whole batch.
    pub(crate) corrections: &'a [Correction],
}

impl State {
    /// Every other call is about this batch from now on; what is remembered of another one goes. `begun`: it may have
    /// been posted. Where nothing is known of that, it was by an older version, which knew no pieces.
    pub(crate) fn take_up(&mut self, batch: &Batch, device: &str, begun: bool) {
        if self.open.batch != batch.id {
            let end = begun.then(|| count(&batch.rows));
            self.open = Open { batch: batch.id.clone(), device: device.to_owned(), end, ..Open::default() };
        }
    }

    /// The rows that are to be posted now: those without an answer, else the next ones. None when all are done.
    pub(crate) fn plan_piece<'a>(&'a mut self, batch: &'a Batch, rows_per_request: u32) -> Option<Piece<'a>> {
        let total = count(&batch.rows);
        self.most = self.most.filter(|most| *most < rows_per_request);
        let most = self.most.unwrap_or(rows_per_request).max(1);
        let open = &mut self.open;
        if open.done >= total {
            return None;
        }
        let end = *open.end.get_or_insert(open.done.saturating_add(most).min(total));
        open.abridge();
        let whole = open.done == 0 && end == total;
        let key = if whole { batch.id.clone() } else { format!("{}/{}-{end}", batch.id, open.done) };
        let rows = batch.rows.get(positions(open.done..end))?;
        Some(Piece { key, device: &open.device, rows, first: open.done, corrections: &batch.corrections })
    }

    /// How many rows the answer is about that has come.
    pub(crate) fn posted(&self) -> u32 {
        let posted = self.open.posted();
        posted.end - posted.start
    }

    /// The posted rows are done, but for these, which the receiver never takes; their positions are those in the request.
    pub(crate) fn taken(&mut self, rejected: Vec<Rejection>) {
        self.settle(rejected);
        self.refusals = 0;
        // What was too large may have been one long row, so the pieces grow again. Slowly: at a receiver that takes only
        // so many rows, each piece that is larger travels for nothing.
        self.most = self.most.map(|most| most.saturating_add(most / 4 + 1));
    }

    /// The posted rows are not posted again to this address before a person says so.
    pub(crate) fn stop(&mut self, address: &str, stop: Stop) {
        self.open.stopped = Some((address.to_owned(), stop));
    }

    /// Why the posted rows are not posted again to this address.
    pub(crate) fn stopped(&self, address: &str) -> Option<&Stop> {
        self.open.stopped.as_ref().filter(|(stopped, _)| stopped == address).map(|(_, stop)| stop)
    }

    /// The rows may be posted.
    pub(crate) fn go_on(&mut self) {
        self.open.stopped = None;
    }

    /// The posted rows were not taken, and half as many go next, under a key of their own. None where it was one row.
    pub(crate) fn halve(&mut self) -> Option<u32> {
        let half = self.posted() / 2;
        if half == 0 {
            return None;
        }
        self.most = Some(half);
        self.open.end = None;
        Some(half)
    }

    /// The posted row is done, and the receiver never takes it.
    pub(crate) fn refused(&mut self, reason: String) {
        self.settle(vec![Rejection { row: 0, reason }]);
    }

    /// The batch is done. Returns the rows that were refused.
    pub(crate) fn finish(&mut self) -> Vec<Rejection> {
        let rejected = std::mem::take(&mut self.open).rejected;
        rejected.into_iter().map(|(row, reason)| Rejection { row, reason }).collect()
    }

    fn settle(&mut self, rejected: Vec<Rejection>) {
        let posted = self.open.posted();
        self.open.rejected.extend(rejected.into_iter().map(|Rejection { row, reason }| (posted.start + row, reason)));
        self.open.done = posted.end;
        self.open.end = None;
    }
}

impl Open {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The rows that were posted.
    fn posted(&self) -> Range<u32> {
        let end = self.end.unwrap_or(self.done);
        self.done.min(end)..end
    }

    /// Makes the reasons fit into a state.
    fn abridge(&mut self) {
        let mut room = REASON_BYTES;
        for (_, reason) in &mut self.rejected {
            match room.checked_sub(reason.len()) {
                Some(left) => room = left,
                None => "no room for the reason".clone_into(reason),
            }
        }
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The host's batches are far smaller.
fn count(rows: &[Row]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

fn positions(rows: Range<u32>) -> Range<usize> {
    let position = |row| usize::try_from(row).unwrap_or(usize::MAX);
    position(rows.start)..position(rows.end)
}
