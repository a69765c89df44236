//! Comparing what a service has with what was brought there, page by page, while the delivery rests between two batches.
//!
//! What always holds here: nothing is changed unless a person asked for it, and what is delivered again was missing twice,
//! in the report that the person saw and in another reading right before. Memory is bounded by a page, eight bytes for each
//! row that is there, sixteen for each event of the history, and so many details.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::{FoundRow, Page};
use punchcard_core::reconcile::{Known, Verdict, judge};
use punchcard_core::row::{Column, Row};

use super::grant::chain;
use super::status::{ReconcileDetail, ReconcileReport, ReconcileStage};
use crate::ledger::{Brought, EventIndex, Ledger, Owner, RowPlace};
use crate::wasm::Connector;

/// Rows whose place and key are told; all are counted.
const MOST_DETAILS: usize = 1_000;
/// Rows that are read: eight bytes each.
const MOST_FOUND: u64 = 4_000_000;
/// Characters of an id that are told: it may be a person's.
const KEY_CHARACTERS: usize = 60;
/// Rows of the ledger that are compared at once.
const PAGE: u32 = 1_000;

/// How far the last comparison of a sink has come. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Option<ReconcileStage>>>);

impl Progress {
    pub(super) fn get(&self) -> Option<ReconcileStage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, stage: ReconcileStage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
    }
}

/// What a comparison works with.
pub(super) struct Tools<'a> {
    pub(super) sink: &'a SinkName,
    pub(super) ledger: &'a Ledger,
    pub(super) connector: &'a Connector,
    pub(super) settings: &'a str,
}

/// A comparison that is under way.
pub(super) struct Reconciliation {
    /// What was missing before, where that is to be delivered.
    wanted: Option<Vec<RowPlace>>,
    /// Rows are being read.
    begun: bool,
    events: Option<Arc<EventIndex>>,
    /// Rows of the ledger that were seen, once for each time, packed by [`pack`].
    seen: Vec<u64>,
    link: Option<String>,
    report: ReconcileReport,
    details: BTreeMap<RowPlace, String>,
}

impl Reconciliation {
    /// One that ends with a report; or, with what a person wants delivered again, with that.
    pub(super) fn new(wanted: Option<Vec<RowPlace>>) -> Self {
        let report = ReconcileReport::default();
        Self { wanted, begun: false, events: None, seen: Vec::new(), link: None, report, details: BTreeMap::new() }
    }

    /// Reading begins, or begins once more.
    pub(super) fn begin(&mut self) {
        *self = Self { begun: true, ..Self::new(self.wanted.take()) };
    }

    /// Whether rows are being read.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// What was missing before, where that is to be delivered.
    pub(super) fn wanted(&self) -> Option<&[RowPlace]> {
        self.wanted.as_deref()
    }

    /// Rows that were read so far.
    pub(super) fn rows(&self) -> u64 {
        self.report.rows
    }

    /// Takes in a page.
    pub(super) async fn take(&mut self, tools: &Tools<'_>, page: Page) -> Result<(), String> {
        self.report.rows += page.rows.len() as u64;
        if self.report.rows > MOST_FOUND {
            return Err(format!("there are more than {MOST_FOUND} rows, which are more than can be compared"));
        }
        self.link = page.link.or(self.link.take());
        let (keyed, without): (Vec<FoundRow>, Vec<FoundRow>) = page.rows.into_iter().partition(|row| row.key.is_some());
        for row in without {
            self.report.without_id += 1;
            self.tell(ReconcileDetail {
                finding: "without-id".into(),
                place: Some(row.place),
                ..ReconcileDetail::default()
            });
        }
        let events = match &self.events {
            Some(events) => Arc::clone(events),
            None => Arc::new(tools.ledger.event_index().await.map_err(chain)?),
        };
        self.events = Some(Arc::clone(&events));
        let keys = keyed.iter().filter_map(|row| row.key.clone()).collect();
        let owners = tools.ledger.owners(tools.sink, &events, keys).await.map_err(chain)?;
        // Rows that were made for the same columns are asked for together.
        let mut made: Vec<(Vec<Column>, Vec<Row>, Vec<(RowPlace, FoundRow)>)> = Vec::new();
        for (found, owner) in keyed.into_iter().zip(owners) {
            let (finding, count) = match owner {
                Owner::Known { place, columns, row } => {
                    match made.iter_mut().find(|(known, ..)| *known == columns) {
                        Some((_, rows, of)) => {
                            rows.push(row);
                            of.push((place, found));
                        }
                        None => made.push((columns, vec![row], vec![(place, found)])),
                    }
                    continue;
                }
                Owner::Foreign => ("foreign", &mut self.report.foreign),
                Owner::Older => ("older", &mut self.report.older),
            };
            *count += 1;
            if finding == "foreign" {
                let detail = ReconcileDetail {
                    finding: finding.into(),
                    key: found.key.map(|key| key.chars().take(KEY_CHARACTERS).collect()),
                    place: Some(found.place),
                    ..ReconcileDetail::default()
                };
                self.tell(detail);
            }
        }
        for (columns, rows, found) in made {
            let expected = tools.connector.fingerprint(tools.settings, &columns, &rows).await;
            let expected = expected.map_err(|error| error.to_string())?;
            for ((place, found), expected) in found.into_iter().zip(expected) {
                let changed = found.fingerprint != expected;
                self.seen.push(pack(place, changed));
                if changed && self.details.len() < MOST_DETAILS {
                    self.details.insert(place, found.place);
                }
            }
        }
        Ok(())
    }

    /// Compares what was read with what the ledger has. Returns what is missing.
    pub(super) async fn compare(&mut self, tools: &Tools<'_>) -> Result<Vec<RowPlace>, String> {
        self.seen.sort_unstable();
        let mut missing = Vec::new();
        let (mut at, mut after) = (0, None);
        loop {
            let rows = tools.ledger.brought_rows(tools.sink, after, PAGE).await.map_err(chain)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.place);
            for row in rows {
                let (mut seen, mut changed) = (0, false);
                while let Some(packed) = self.seen.get(at).filter(|packed| **packed >> 1 <= pack(row.place, false) >> 1)
                {
                    // What stands before it was pruned since it was read.
                    if packed >> 1 == pack(row.place, false) >> 1 {
                        seen += 1;
                        changed |= packed & 1 == 1;
                    }
                    at += 1;
                }
                let known = match row.brought {
                    Brought::Delivered { identified, link } => {
                        let here = self.link.is_none() || link == self.link;
                        Known::Delivered { identified, here, replaced: row.replaced }
                    }
                    Brought::Pending => Known::Pending,
                    Brought::Aside => Known::Aside,
                };
                let verdict = judge(known, seen, changed);
                let (finding, count) = match verdict {
                    Verdict::There => (None, &mut self.report.there),
                    Verdict::Missing => (Some("missing"), &mut self.report.missing),
                    Verdict::Changed => (Some("changed"), &mut self.report.changed),
                    Verdict::Doubled => (Some("doubled"), &mut self.report.doubled),
                    Verdict::Unknown => (None, &mut self.report.unknown),
                    Verdict::Elsewhere => (None, &mut self.report.elsewhere),
                    Verdict::Replaced => (None, &mut self.report.replaced),
                    Verdict::Pending => (None, &mut self.report.pending),
                    Verdict::SetAside => (None, &mut self.report.set_aside),
                };
                *count += 1;
                if verdict == Verdict::Missing {
                    missing.push(row.place);
                }
                if let Some(finding) = finding {
                    self.tell(ReconcileDetail {
                        finding: finding.into(),
                        event: Some(row.of.0),
                        key: Some(row.key),
                        place: self.details.get(&row.place).cloned(),
                    });
                }
            }
        }
        Ok(missing)
    }

    /// The report.
    pub(super) fn report(&self) -> ReconcileReport {
        ReconcileReport { link: self.link.clone(), ..self.report.clone() }
    }

    fn tell(&mut self, detail: ReconcileDetail) {
        if self.report.details.len() < MOST_DETAILS {
            self.report.details.push(detail);
        } else {
            self.report.untold += 1;
        }
    }
}

/// A row that was seen, and whether it was changed: in the ledger's order. An event has at most some thousand rows, at one
/// place there are fewer than 2^22 corrections, and a ledger has fewer than 2^40 events.
fn pack(place: RowPlace, changed: bool) -> u64 {
    let Sequence(event) = place.event;
    let position = place.position & 0x3f_ffff;
    (event << 24) | (u64::from(place.is_correction()) << 23) | (position << 1) | u64::from(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_seen_sort_as_the_ledger_does() {
        let place = |event, position| RowPlace { event: Sequence(event), position };
        let ordered = [
            place(1, 0),
            place(1, 1),
            place(1, 9_999),
            place(1, 1 << 32),
            place(1, (1 << 32) + 20_000),
            place(2, 0),
            place(1 << 39, 7),
        ];
        let packed = ordered.map(|place| pack(place, true));
        assert!(packed.is_sorted());
        for place in ordered {
            assert_eq!(pack(place, true) >> 1, pack(place, false) >> 1);
            assert_ne!(pack(place, true), pack(place, false));
        }
    }
}
