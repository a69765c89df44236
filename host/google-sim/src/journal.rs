//! What was called, for tests and for people: never a header, a query or a body, and so never a token.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

/// Calls beyond this number are forgotten, the oldest first; the counts go on.
const LONGEST: usize = 10_000;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Counts from one.
    pub sequence: u64,
    /// The simulated time.
    pub at: Timestamp,
    /// The HTTP method.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As in `sheets.spreadsheets.batchUpdate` or `oauth.token`; `unknown` for what is neither.
    pub operation: String,
    /// The status, also of an answer that was dropped on its way; `None` if nothing was carried out and nothing said.
    pub status: Option<u16>,
    /// The length of the request's body in bytes.
    pub request_bytes: usize,
    /// The fault that hit it.
    pub fault: Option<String>,
}

/// The calls, and how often each operation was called.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    counts: BTreeMap<String, u64>,
    sequence: u64,
}

impl Journal {
    /// Adds a call and numbers it.
    pub(crate) fn note(&mut self, entry: Entry) {
        self.sequence += 1;
        *self.counts.entry(entry.operation.clone()).or_default() += 1;
        if self.entries.len() == LONGEST {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { sequence: self.sequence, ..entry });
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }
}
