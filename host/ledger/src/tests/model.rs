//! What a ledger should hold: lists in memory, too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::{EventStatus, Moment, Opened, Reader, RememberedGrant, Stage, Tried};
use super::*;

/// What the host remembers of its own.
pub(super) const KEYS: [&str; 2] = ["choice/project", "create-anew/sheet"];

pub(super) const SINKS: [(&str, &[&str]); 2] = [("both", &["punch", "reading"]), ("sheet", &["punch"])];

/// What should be in the ledger.
#[derive(Default, Clone)]
pub(super) struct Model {
    /// The places of the ledger's order, from 1, pruned or not: all that ever happened, and where it was requeued.
    pub(super) events: Vec<Happened>,
    pub(super) pruned: usize,
    /// Of the boots that recorded something or learnt the time: what none of its guesses is before; and whether its time
    /// became known.
    pub(super) boots: HashMap<String, (Option<i64>, bool)>,
    /// When each boot began, in their order.
    pub(super) starts: Vec<i64>,
    pub(super) time_seen: Option<i64>,
    pub(super) sinks: [ModelSink; 2],
    pub(super) grant: RememberedGrant,
    /// Under [`KEYS`].
    pub(super) memory: [Option<String>; 2],
}

#[derive(Clone)]
pub(super) struct Happened {
    pub(super) event: NewEvent,
    /// The true time, known or not.
    pub(super) true_time: i64,
    /// It did not happen here: an earlier one is requeued for this sink alone.
    pub(super) requeued: Option<Requeue>,
}

#[derive(Clone, Copy)]
pub(super) struct Requeue {
    pub(super) sink: usize,
    pub(super) of: usize,
}

/// Why an event, or one of its rows, did not arrive.
#[derive(Clone)]
pub(super) enum SetAside {
    /// The formatter could not.
    Event(String),
    /// The service would not.
    Row(String),
}

/// A formatter's call that can be repeated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) after: u64,
    through: u64,
    pub(super) state: Vec<u8>,
    pub(super) component: u8,
}

#[derive(Default, Clone)]
pub(super) struct ModelSink {
    pub(super) cursor: usize,
    pub(super) state: Vec<u8>,
    pub(super) connector: Vec<u8>,
    pub(super) rows: Vec<ModelRow>,
    /// Rows before this one arrived or were refused.
    pub(super) done: usize,
    /// Id, number of rows, tried.
    pub(super) open: Option<(String, usize, Tried)>,
    pub(super) refused: u64,
    /// The event of each row that the service refused and that was not corrected since, and the row's key.
    pub(super) refused_rows: Vec<(usize, String)>,
    pub(super) set_aside: BTreeMap<usize, SetAside>,
    pub(super) failures: u32,
    pub(super) link: Option<String>,
    pub(super) calls: Vec<Call>,
}

#[derive(Clone)]
pub(super) struct ModelRow {
    /// What it is made of.
    pub(super) event: usize,
    pub(super) key: String,
    pub(super) text: String,
    pub(super) columns: u32,
    pub(super) is_correction: bool,
}

impl ModelRow {
    /// The key of the row that it is or corrects, and how often that was corrected.
    pub(super) fn revision(&self) -> (&str, u32) {
        match self.key.rsplit_once('/') {
            Some((of, revision)) if self.is_correction => (of, revision.parse().unwrap()),
            _ => (&self.key, 0),
        }
    }
}

impl ModelSink {
    /// The events that could become rows after all.
    pub(super) fn may_be_requeued(&self, pruned: usize) -> Vec<usize> {
        let events = self.set_aside.iter().filter(|(_, why)| matches!(why, SetAside::Event(_)));
        events.map(|(sequence, _)| *sequence).filter(|sequence| *sequence > pruned).collect()
    }

    /// Whether a later correction stands in a row's place.
    pub(super) fn is_corrected(&self, row: &ModelRow) -> bool {
        let (of, revision) = row.revision();
        self.rows.iter().map(ModelRow::revision).any(|(other, later)| other == of && later > revision)
    }

    /// A row is corrected, whose key this is: what was refused of it, and of its corrections, is told no more.
    pub(super) fn drop_refused(&mut self, of_row: &str) {
        let corrections = format!("{of_row}/");
        let (dropped, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.refused_rows)
            .into_iter()
            .partition(|(_, key)| key == of_row || key.starts_with(&corrections));
        self.refused_rows = left;
        for (event, _) in dropped {
            if self.refused_rows.iter().all(|(other, _)| *other != event) {
                self.set_aside.remove(&event);
            }
        }
    }

    /// Keeps a call every three events and with each new component, the newest two (see [`setup`]).
    pub(super) fn keep_call(&mut self, after: u64, through: u64, component: u8) {
        if self.calls.last().is_some_and(|last| last.component == component && after < last.after + 3) {
            return;
        }
        // A call over no events of its own has the place of the one before.
        self.calls.retain(|call| call.after != after);
        self.calls.push(Call { after, through, state: self.state.clone(), component });
        let old = self.calls.len().saturating_sub(2);
        self.calls.drain(..old);
    }
}

impl Model {
    pub(super) fn moment(&self, sequence: usize) -> Moment {
        let known = |happened: &Happened| {
            let learnt = self.boots[&happened.event.monotonic.boot].1;
            (happened.event.at.is_some() || learnt).then_some(happened.true_time)
        };
        let happened = &self.events[sequence - 1];
        if let Some(time) = known(happened) {
            return Moment::Known(at(time));
        }
        let ran_for = i64::try_from(happened.event.monotonic.milliseconds).unwrap() * 1000;
        let own = (0..self.starts.len()).find(|boot| boot_name(*boot) == happened.event.monotonic.boot).unwrap();
        self.start(own).map_or(Moment::Unknown, |start| Moment::Estimated(at(start + ran_for)))
    }

    /// What the times of a boot are reckoned from: when it began, or a guess of that. Where nothing was known before it, it
    /// ended right before the next one began.
    fn start(&self, boot: usize) -> Option<i64> {
        match self.boots[&boot_name(boot)] {
            (_, true) => Some(self.starts[boot]),
            (Some(floor), false) => Some(floor),
            (None, false) => {
                let next = (boot + 1..self.starts.len()).find(|next| self.boots.contains_key(&boot_name(*next)))?;
                Some(self.start(next)? - self.ran_for(boot, 0))
            }
        }
    }

    /// How long a boot had lasted at its last event after those.
    fn ran_for(&self, boot: usize, after: usize) -> i64 {
        let of_it =
            |happened: &&Happened| happened.event.monotonic.boot == boot_name(boot) && happened.requeued.is_none();
        let ran_for = self.events[after..].iter().filter(of_it).map(|happened| happened.event.monotonic.milliseconds);
        i64::try_from(ran_for.max().unwrap_or(0)).unwrap() * 1000
    }

    /// What no guess of a boot that begins to record now is before: the last time seen, or where the boot before it never
    /// learnt the time, its end.
    pub(super) fn floor(&self) -> Option<i64> {
        let before = (0..self.starts.len()).rev().find(|boot| self.boots.contains_key(&boot_name(*boot)));
        let end = before.and_then(|boot| match self.boots[&boot_name(boot)] {
            (Some(floor), false) => Some(floor + self.ran_for(boot, self.pruned)),
            _ => None,
        });
        self.time_seen.max(end)
    }

    pub(super) fn wants(sink: usize, happened: &Happened) -> bool {
        match happened.requeued {
            Some(requeued) => requeued.sink == sink,
            None => SINKS[sink].1.contains(&happened.event.kind.as_str()),
        }
    }

    /// The sequences that the formatter gets next, how far was looked, and whether it has to wait for the time.
    pub(super) fn unformatted(&self, sink: usize, max: usize, boot: &str) -> (Vec<usize>, usize, bool) {
        let mut found = Vec::new();
        let mut through = self.sinks[sink].cursor;
        for sequence in self.sinks[sink].cursor.max(self.pruned) + 1..=self.events.len() {
            if found.len() == max {
                return (found, through, false);
            }
            let happened = &self.events[sequence - 1];
            if happened.requeued.is_some_and(|requeued| requeued.sink != sink) {
                continue;
            }
            if Self::wants(sink, happened) {
                let ready = match self.moment(sequence) {
                    Moment::Known(_) => true,
                    Moment::Estimated(_) => {
                        happened.event.monotonic.boot != boot && self.boots.get(boot).is_some_and(|boot| boot.1)
                    }
                    Moment::Unknown => false,
                };
                if !ready {
                    return (found, through, true);
                }
                found.push(sequence);
            }
            through = sequence;
        }
        (found, through, false)
    }

    /// The places at which an event was requeued for a sink.
    fn requeued(&self, sink: usize, event: usize) -> impl Iterator<Item = usize> {
        let of_it = move |requeued: Requeue| requeued.sink == sink && requeued.of == event;
        (1..).zip(&self.events).filter(move |(_, place)| place.requeued.is_some_and(of_it)).map(|(place, _)| place)
    }

    /// Whether a sink's formatter is done with an event that it wants.
    pub(super) fn is_formatted(&self, sink: usize, event: usize) -> bool {
        self.requeued(sink, event).last().unwrap_or(event) <= self.sinks[sink].cursor
    }

    fn status(&self, sink: usize, event: usize) -> Option<SeenStatus> {
        let of = &self.sinks[sink];
        let is_its_own = |row: &&ModelRow| row.event == event;
        let rows: Vec<&ModelRow> = of.rows.iter().filter(is_its_own).collect();
        if rows.is_empty() && !Self::wants(sink, &self.events[event - 1]) {
            return None;
        }
        let last = of.rows.iter().rposition(|row| row.event == event);
        let in_flight = of.open.as_ref().map_or(0, |open| open.1);
        let stage = match (of.set_aside.get(&event), last) {
            (Some(SetAside::Event(reason) | SetAside::Row(reason)), _) => Stage::SetAside(reason.clone()),
            (None, _) if !self.is_formatted(sink, event) => Stage::Unformatted,
            (None, Some(last)) if last < of.done => Stage::Delivered(Some(at(77))),
            (None, Some(last)) if last < of.done + in_flight => Stage::InFlight,
            (None, Some(_)) => Stage::Waiting,
            (None, None) => Stage::NoRows,
        };
        let keys: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let corrections: BTreeSet<&str> =
            rows.iter().filter(|row| row.is_correction).map(|row| row.key.as_str()).collect();
        Some(SeenStatus {
            stage,
            rows: keys.len() - corrections.len(),
            again: self.requeued(sink, event).count() + rows.len() - keys.len(),
            corrected_as: rows.iter().rfind(|row| row.is_correction).map(|row| row.key.clone()),
        })
    }

    /// The first row that arrived and may go again.
    pub(super) fn may_be_redelivered(&self, sink: usize) -> Option<&ModelRow> {
        let of = &self.sinks[sink];
        let arrived = |row: &ModelRow| of.rows.iter().rposition(|other| other.key == row.key) < Some(of.done);
        of.rows.iter().find(|row| {
            arrived(row) && !of.is_corrected(row) && row.event > self.pruned && !of.set_aside.contains_key(&row.event)
        })
    }

    /// Prunes what every sink is done with, and returns how many events those are. A call goes with the first of its events,
    /// or with one that was requeued after it; and a sink's cursor past those that it does not take.
    pub(super) fn prune(&mut self) -> usize {
        let is_event = |place: &usize| self.events[place - 1].requeued.is_none();
        let Some(last) = (self.pruned + 1..=self.events.len()).rfind(is_event) else { return 0 };
        let done = self.sinks.iter().enumerate().map(|(index, of)| {
            let places = of.cursor.max(self.pruned) + 1..=self.events.len();
            let waiting = places.filter(|place| Self::wants(index, &self.events[place - 1]));
            let waiting = waiting.map(|place| self.events[place - 1].requeued.map_or(place, |requeued| requeued.of));
            let undelivered = of.rows[of.done..].iter().map(|row| row.event);
            waiting.chain(undelivered).min().map_or(last, |first| first - 1)
        });
        let done = done.min().unwrap().min(last).max(self.pruned);
        let count = (self.pruned + 1..=done).filter(is_event).count();
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            let requeued = (1..).zip(&self.events).filter_map(|(place, happened)| Some((place, happened.requeued?)));
            let lost = requeued.filter(|(_, requeued)| requeued.sink == index && requeued.of <= done);
            let from = lost.map(|(place, _)| place).max().unwrap_or(0).max(done);
            sink.calls.retain(|call| call.after >= from as u64);
            sink.cursor = sink.cursor.max(done);
        }
        self.pruned = done;
        count
    }

    /// What can be seen of all that in this boot.
    pub(super) fn seen(&self, boot: &str) -> Seen {
        let happened = (self.pruned + 1..=self.events.len()).filter(|place| self.events[place - 1].requeued.is_none());
        let events = happened.map(|sequence| SeenEvent {
            sequence,
            event: self.events[sequence - 1].event.clone(),
            at: self.moment(sequence),
            statuses: (0..SINKS.len())
                .filter_map(|index| Some((SINKS[index].0.to_owned(), self.status(index, sequence)?)))
                .collect(),
        });
        let sinks = self.sinks.iter().enumerate().map(|(index, of)| {
            let in_flight = of.open.as_ref().map_or(0, |open| open.1);
            let waiting = self.events.iter().skip(of.cursor.max(self.pruned));
            SeenSink {
                name: SINKS[index].0.to_owned(),
                rows_in_flight: in_flight,
                rows_waiting: of.rows.len() - of.done - in_flight,
                rows_set_aside: of.refused as usize,
                rows_delivered: of.done - of.refused as usize,
                events_waiting: waiting.filter(|happened| Self::wants(index, happened)).count(),
                cursor: of.cursor,
                formatter: of.state.clone(),
                failures: (!self.unformatted(index, 1, boot).0.is_empty()).then_some(of.failures),
                connector: of.connector.clone(),
                events_set_aside: of.set_aside.values().filter(|why| matches!(why, SetAside::Event(_))).count(),
                link: of.link.clone(),
                calls: of.calls.clone(),
            }
        });
        let (grant, memory) = (self.grant.clone(), self.memory.clone());
        Seen { events: events.collect(), sinks: sinks.collect(), grant, memory }
    }

    /// What is said when it is opened after that.
    pub(super) fn is_said_in(&self, opened: &Opened) -> bool {
        (opened.newest.0 as usize, opened.last_time_seen) == (self.events.len(), self.time_seen.map(at))
    }

    /// What opening and declaring the sinks anew does.
    pub(super) fn reopen(&mut self) {
        for of in &mut self.sinks {
            of.cursor = of.cursor.max(self.pruned);
        }
    }
}

/// What can be seen of a ledger from outside, but for the rows themselves.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    events: Vec<SeenEvent>,
    sinks: Vec<SeenSink>,
    grant: RememberedGrant,
    memory: [Option<String>; 2],
}

#[derive(Debug, PartialEq)]
struct SeenEvent {
    sequence: usize,
    event: NewEvent,
    at: Moment,
    statuses: Vec<(String, SeenStatus)>,
}

#[derive(Debug, PartialEq)]
struct SeenStatus {
    stage: Stage,
    rows: usize,
    again: usize,
    corrected_as: Option<String>,
}

#[derive(Debug, PartialEq)]
struct SeenSink {
    name: String,
    rows_in_flight: usize,
    rows_waiting: usize,
    rows_set_aside: usize,
    rows_delivered: usize,
    events_waiting: usize,
    cursor: usize,
    formatter: Vec<u8>,
    /// Of the next event, where there is one.
    failures: Option<u32>,
    connector: Vec<u8>,
    events_set_aside: usize,
    link: Option<String>,
    calls: Vec<Call>,
}

impl SeenStatus {
    fn of(status: EventStatus) -> Self {
        let EventStatus { stage, rows, again, corrected_as, .. } = status;
        Self { stage, rows: rows as usize, again: again as usize, corrected_as }
    }
}

impl Seen {
    pub(super) async fn of(ledger: &Ledger) -> Self {
        let listed = ledger.events(None, 10_000).await.unwrap().events;
        let events = listed.into_iter().map(|listed| SeenEvent {
            sequence: listed.event.sequence.0 as usize,
            event: listed.event.happened,
            at: listed.at,
            statuses: listed
                .statuses
                .into_iter()
                .map(|status| (status.sink.to_string(), SeenStatus::of(status)))
                .collect(),
        });
        let events = events.collect();
        let mut sinks = Vec::new();
        for counts in ledger.sinks().await.unwrap() {
            let read = ledger.read_unformatted(&counts.sink, 1).await.unwrap();
            sinks.push(SeenSink {
                name: counts.sink.to_string(),
                rows_in_flight: counts.rows_in_flight as usize,
                rows_waiting: counts.rows_waiting as usize,
                rows_set_aside: counts.rows_set_aside as usize,
                rows_delivered: counts.rows_delivered as usize,
                events_waiting: counts.events_waiting as usize,
                cursor: read.cursor.0 as usize,
                failures: (!read.events.is_empty()).then_some(read.failures),
                formatter: read.state,
                connector: ledger.connector_state(&counts.sink).await.unwrap(),
                events_set_aside: counts.events_set_aside as usize,
                calls: calls(ledger, &counts.sink),
                link: counts.link,
            });
        }
        let grant = ledger.grant(&grant()).await.unwrap();
        let mut memory = [None, None];
        for (key, value) in KEYS.iter().zip(&mut memory) {
            *value = ledger.recall(key).await.unwrap();
        }
        Self { events, sinks, grant, memory }
    }
}

fn calls(ledger: &Ledger, sink: &SinkName) -> Vec<Call> {
    let mut reader = Reader::open(ledger.path().parent().unwrap(), TimeZone::UTC).unwrap();
    let kept = reader.checkpoints(sink).unwrap().into_iter().map(|kept| Call {
        after: kept.after.0,
        through: kept.through.0,
        state: kept.state,
        component: kept.call.plugin_sha256[0],
    });
    kept.collect()
}

pub(super) fn boot_name(boot: usize) -> String {
    format!("boot-{boot}")
}
