//! Comparing what a service has with what was delivered there, page by page, while the delivery rests between two batches.
//!
//! What always holds here: nothing is changed unless a person asked for it, and what is delivered again was missing twice,
//! in the report that the person saw and in another reading right before. Memory is bounded by a page, eight bytes for each
//! row that is there, sixteen for each event of the history, and so many details.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::{FoundRow, Page};
use punchcard_core::reconcile::{Known, RowStatus, judge};
use punchcard_core::row::{Column, Row};

use super::error_chain::chain;
use super::status::{ReconcileDetail, ReconcileReport, ReconcileStage};
use punchcard_ledger::{DeliveredRow, Delivery, EventIndex, Ledger, Ordinal, RowOwner};
use punchcard_sandbox::Connector;

/// Rows whose place and key are told; all are counted.
const MOST_DETAILS: usize = 1_000;
/// Rows that are read: eight bytes each.
const MOST_FOUND: u64 = 4_000_000;
/// Pages of them.
const MOST_PAGES: u32 = 100_000;
/// How long is waited for a page.
const PATIENCE_MS: u64 = 600_000;
/// Characters of an id that are told: it may be a person's.
const KEY_CHARACTERS: usize = 60;
/// Rows of the ledger that are compared at once.
const PAGE: u32 = 1_000;

/// How far the last comparison of a sink has come. Clones share it.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<(u64, Option<ReconcileStage>)>>);

impl Progress {
    /// Comparisons are numbered after this one: with each start from elsewhere, so that a person who answers for one is never
    /// taken to answer for another.
    pub(super) fn after(number: u64) -> Self {
        Self(Arc::new(Mutex::new((number, None))))
    }

    /// That of a comparison, while it is the last one.
    pub(super) fn get(&self, number: u64) -> Option<ReconcileStage> {
        let (last, stage) = &*self.last();
        stage.clone().filter(|_| *last == number)
    }

    /// A comparison is asked for; its number, unless another one is under way.
    pub(super) fn begin(&self) -> Option<u64> {
        let (last, stage) = &mut *self.last();
        if matches!(stage, Some(ReconcileStage::Waiting | ReconcileStage::Reading { .. })) {
            return None;
        }
        *last += 1;
        *stage = Some(ReconcileStage::Waiting);
        Some(*last)
    }

    pub(super) fn set(&self, stage: ReconcileStage) {
        self.last().1 = Some(stage);
    }

    fn last(&self) -> MutexGuard<'_, (u64, Option<ReconcileStage>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Its number.
    number: u64,
    /// What was missing before, where that is to be delivered.
    wanted: Option<Vec<Ordinal>>,
    /// Nobody asked for it: the ledger was restored.
    after_restore: bool,
    /// Rows that wait in the ledger and are there.
    there_already: Vec<Ordinal>,
    /// Rows are being read.
    begun: bool,
    events: Option<Arc<EventIndex>>,
    /// Rows of the ledger that were seen, once for each time, packed by [`pack`].
    seen: Vec<u64>,
    /// What rows without a key look like, in their order.
    unnamed: Vec<u64>,
    link: Option<String>,
    /// Where the last page ended, how many there were, and when the last one came.
    next: Option<String>,
    pages: u32,
    last_at_ms: u64,
    report: ReconcileReport,
    details: BTreeMap<Ordinal, String>,
}

impl Reconciliation {
    /// One that ends with a report; or, with what a person wants delivered again, with that.
    pub(super) fn new(number: u64, wanted: Option<Vec<Ordinal>>) -> Self {
        Self {
            number,
            wanted,
            after_restore: false,
            there_already: Vec::new(),
            begun: false,
            events: None,
            seen: Vec::new(),
            unnamed: Vec::new(),
            link: None,
            next: None,
            pages: 0,
            last_at_ms: 0,
            report: ReconcileReport::default(),
            details: BTreeMap::new(),
        }
    }

    /// One that a restored ledger wants, before anything is delivered.
    pub(super) fn after_restore() -> Self {
        Self { after_restore: true, ..Self::new(0, None) }
    }

    /// Reading begins, or begins once more.
    pub(super) fn begin(&mut self, now_ms: u64) {
        let after_restore = self.after_restore;
        *self = Self { begun: true, last_at_ms: now_ms, after_restore, ..Self::new(self.number, self.wanted.take()) };
    }

    /// Whether a restored ledger wants it, and not a person.
    pub(super) fn is_after_restore(&self) -> bool {
        self.after_restore
    }

    /// Which rows wait in the ledger and are there, once all was compared.
    pub(super) fn there_already(&self) -> &[Ordinal] {
        &self.there_already
    }

    /// Its number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the service or the connector has kept it waiting for too long. Deliveries wait for it.
    pub(super) fn is_stuck(&self, now_ms: u64) -> bool {
        self.begun && now_ms.saturating_sub(self.last_at_ms) > PATIENCE_MS
    }

    /// Whether rows are being read.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// What was missing before, where that is to be delivered.
    pub(super) fn wanted(&self) -> Option<&[Ordinal]> {
        self.wanted.as_deref()
    }

    /// Rows that were read so far.
    pub(super) fn rows(&self) -> u64 {
        self.report.rows
    }

    /// Takes in a page.
    pub(super) async fn take(&mut self, tools: &Tools<'_>, page: Page, now_ms: u64) -> Result<(), String> {
        self.turn(page.next.as_deref(), now_ms)?;
        self.report.rows += page.rows.len() as u64;
        if self.report.rows > MOST_FOUND {
            return Err(format!("there are more than {MOST_FOUND} rows, which are more than can be compared"));
        }
        self.link = page.link.or(self.link.take());
        let (keyed, without): (Vec<FoundRow>, Vec<FoundRow>) = page.rows.into_iter().partition(|row| row.key.is_some());
        for row in without {
            self.report.without_id += 1;
            self.unnamed.push(look(&row.fingerprint));
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
        let owners = tools.ledger.row_owners(tools.sink, &events, keys).await.map_err(chain)?;
        let mut expected = Expected::default();
        for (found, owner) in keyed.into_iter().zip(owners) {
            let (finding, count) = match owner {
                RowOwner::Known { ordinal, columns, row } => {
                    expected.add(columns, row, (ordinal, found));
                    continue;
                }
                RowOwner::Foreign => ("foreign", &mut self.report.foreign),
                RowOwner::Older => ("older", &mut self.report.older),
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
        for ((ordinal, found), fingerprint) in expected.fingerprints(tools).await? {
            let changed = found.fingerprint != fingerprint;
            self.seen.push(pack(ordinal, changed));
            if changed && self.details.len() < MOST_DETAILS {
                self.details.insert(ordinal, found.place);
            }
        }
        Ok(())
    }

    fn turn(&mut self, next: Option<&str>, now_ms: u64) -> Result<(), String> {
        self.pages += 1;
        if self.pages > MOST_PAGES || (next.is_some() && next == self.next.as_deref()) {
            return Err("the connector names pages without an end".to_owned());
        }
        (self.next, self.last_at_ms) = (next.map(ToOwned::to_owned), now_ms);
        Ok(())
    }

    /// Compares what was read with what the ledger has. Returns what is missing.
    pub(super) async fn compare(&mut self, tools: &Tools<'_>) -> Result<Vec<Ordinal>, String> {
        self.seen.sort_unstable();
        self.unnamed.sort_unstable();
        let mut missing = Vec::new();
        let (mut at, mut after) = (0, None);
        loop {
            let rows = tools.ledger.delivered_rows(tools.sink, tools.settings, after, PAGE).await.map_err(chain)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.ordinal);
            let nameless = self.find_nameless(tools, &rows).await?;
            for row in rows {
                let (mut seen, mut changed) = (0, false);
                while let Some(packed) =
                    self.seen.get(at).filter(|packed| **packed >> 1 <= pack(row.ordinal, false) >> 1)
                {
                    // What stands before it was pruned since it was read.
                    if packed >> 1 == pack(row.ordinal, false) >> 1 {
                        seen += 1;
                        changed |= packed & 1 == 1;
                    }
                    at += 1;
                }
                if seen > 0 && row.delivery == Delivery::Pending {
                    self.there_already.push(row.ordinal);
                }
                let known = match row.delivery {
                    Delivery::Delivered { identified, link } => {
                        // A row that lost its key is not missing.
                        let identified = identified && !nameless.contains(&row.ordinal);
                        Known::Delivered { identified, here: link == self.link, replaced: row.replaced }
                    }
                    Delivery::Pending => Known::Pending,
                    Delivery::SetAside => Known::Aside,
                };
                let verdict = judge(known, seen, changed);
                let (finding, count) = match verdict {
                    RowStatus::There => (None, &mut self.report.there),
                    RowStatus::Missing => (Some("missing"), &mut self.report.missing),
                    RowStatus::Changed => (Some("changed"), &mut self.report.changed),
                    RowStatus::Doubled => (Some("doubled"), &mut self.report.doubled),
                    RowStatus::Unknown => (None, &mut self.report.unknown),
                    RowStatus::Elsewhere => (None, &mut self.report.elsewhere),
                    RowStatus::Replaced => (None, &mut self.report.replaced),
                    RowStatus::Pending => (None, &mut self.report.pending),
                    RowStatus::SetAside => (None, &mut self.report.set_aside),
                };
                *count += 1;
                if verdict == RowStatus::Missing {
                    missing.push(row.ordinal);
                }
                if let Some(finding) = finding {
                    self.tell(ReconcileDetail {
                        finding: finding.into(),
                        event: Some(row.event.0),
                        key: Some(row.key),
                        place: self.details.get(&row.ordinal).cloned(),
                    });
                }
            }
        }
        Ok(missing)
    }

    /// Which of these rows may be there without their keys: one without a key looks the same.
    async fn find_nameless(&self, tools: &Tools<'_>, rows: &[DeliveredRow]) -> Result<HashSet<Ordinal>, String> {
        let mut nameless = HashSet::new();
        let Some(events) = self.events.as_ref().filter(|_| !self.unnamed.is_empty()) else { return Ok(nameless) };
        let unseen = rows.iter().filter(|row| {
            let packed = pack(row.ordinal, false);
            self.seen.binary_search(&packed).is_err() && self.seen.binary_search(&(packed | 1)).is_err()
        });
        let keys = unseen.map(|row| row.key.clone()).collect();
        let owners = tools.ledger.row_owners(tools.sink, events, keys).await.map_err(chain)?;
        let mut expected = Expected::default();
        for owner in owners {
            if let RowOwner::Known { ordinal, columns, row } = owner {
                expected.add(columns, row, ordinal);
            }
        }
        for (ordinal, fingerprint) in expected.fingerprints(tools).await? {
            if self.unnamed.binary_search(&look(&fingerprint)).is_ok() {
                nameless.insert(ordinal);
            }
        }
        Ok(nameless)
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

/// Rows as they were made, each with what it is of. Those for the same columns are asked for together.
struct Expected<T>(Vec<(Vec<Column>, Vec<Row>, Vec<T>)>);

impl<T> Default for Expected<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Expected<T> {
    fn add(&mut self, columns: Vec<Column>, row: Row, of: T) {
        match self.0.iter_mut().find(|(known, ..)| *known == columns) {
            Some((_, rows, all_of)) => {
                rows.push(row);
                all_of.push(of);
            }
            None => self.0.push((columns, vec![row], vec![of])),
        }
    }

    /// What each of them looks like where nobody has touched it.
    async fn fingerprints(self, tools: &Tools<'_>) -> Result<Vec<(T, String)>, String> {
        let mut all = Vec::new();
        for (columns, rows, of) in self.0 {
            let fingerprints = tools.connector.fingerprint(tools.settings, &columns, &rows).await;
            all.extend(of.into_iter().zip(fingerprints.map_err(|error| error.to_string())?));
        }
        Ok(all)
    }
}

/// A fingerprint, for being compared within this program.
fn look(fingerprint: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    fingerprint.hash(&mut hasher);
    hasher.finish()
}

/// A row that was seen, and whether it was changed: in the outbox's order.
fn pack(row: Ordinal, changed: bool) -> u64 {
    (row.0 << 1) | u64::from(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparison_is_under_way_and_each_is_answered_under_its_number() {
        let progress = Progress::after(6);
        assert_eq!((progress.get(6), progress.begin()), (None, Some(7)));
        assert_eq!(progress.get(7), Some(ReconcileStage::Waiting));
        progress.set(ReconcileStage::Reading { rows: 7 });
        assert_eq!(progress.begin(), None);
        let failed = ReconcileStage::Failed { reason: "it was paused".to_owned() };
        progress.set(failed.clone());
        assert_eq!((progress.get(7), progress.get(8)), (Some(failed), None));
        assert_eq!((progress.begin(), progress.get(7)), (Some(8), None));
    }

    #[test]
    fn pages_that_do_not_come_or_do_not_end_are_not_waited_for() {
        let mut reconciliation = Reconciliation::new(1, None);
        assert!(!reconciliation.is_stuck(u64::MAX), "it waits for its turn");
        reconciliation.begin(1_000);
        assert!(!reconciliation.is_stuck(1_000 + PATIENCE_MS) && reconciliation.is_stuck(1_001 + PATIENCE_MS));
        reconciliation.turn(Some("a"), 2_000).unwrap();
        assert!(!reconciliation.is_stuck(2_000 + PATIENCE_MS));
        reconciliation.turn(Some("b"), 2_000).unwrap();
        reconciliation.turn(Some("b"), 2_000).unwrap_err();
        for page in 3..MOST_PAGES {
            reconciliation.turn(Some(&page.to_string()), 2_000).unwrap();
        }
        reconciliation.turn(Some("more"), 2_000).unwrap_err();
        reconciliation.begin(3_000);
        reconciliation.turn(None, 3_000).unwrap();
    }

    #[test]
    fn rows_that_were_seen_sort_as_the_ledger_does() {
        let ordered = [1, 2, 9_999, 1 << 40].map(Ordinal);
        assert!(ordered.map(|row| pack(row, true)).is_sorted());
        for row in ordered {
            assert_eq!(pack(row, true) >> 1, pack(row, false) >> 1);
            assert_ne!(pack(row, true), pack(row, false));
        }
    }
}
