//! Who is at work, on what, and since when: all that the layout `pairs` remembers.

use std::collections::BTreeMap;

use punchcard_sdk::{Certainty, Event, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wording;

/// People who are at work at once, at most: what is remembered has a bound, however many unknown badges are shown.
pub(crate) const MOST_AT_WORK: usize = 500;

/// A stretch of work that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) project: String,
    /// Microseconds since 1970-01-01T00:00:00Z.
    started_at: i64,
    /// Minutes east of UTC then.
    utc_offset_minutes: i16,
    /// The start is a guess.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

impl Running {
    pub(crate) fn start(project: String, event: &Event) -> Self {
        Self {
            project,
            started_at: event.at.unix_micros,
            utc_offset_minutes: event.at.utc_offset_minutes,
            estimated: event.certainty == Certainty::Estimated,
        }
    }

    pub(crate) fn started(&self) -> Instant {
        Instant { unix_micros: self.started_at, utc_offset_minutes: self.utc_offset_minutes }
    }

    pub(crate) fn certainty(&self) -> Certainty {
        if self.estimated { Certainty::Estimated } else { Certainty::Known }
    }
}

/// The stretch of each person, by name; by the empty one where nobody asks whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AtWork(BTreeMap<String, Running>);

impl AtWork {
    /// Takes a person's stretch out.
    pub(crate) fn take(&mut self, person: &str) -> Option<Running> {
        self.0.remove(person)
    }

    /// Has a person work. The caller has taken out what they did before, and looked for room.
    pub(crate) fn put(&mut self, person: String, running: Running) {
        self.0.insert(person, running);
    }

    /// Nobody else can begin.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MOST_AT_WORK
    }

    /// What the idle panel says: `Garden since 09:02`, `Anna: Garden since 09:02`, `3 at work`.
    pub(crate) fn standing(&self) -> Option<String> {
        let mut all = self.0.iter();
        let (person, running) = all.next()?;
        Some(match all.len() {
            0 => {
                let since = wording::about(running.started(), running.certainty());
                format!("{} since {since}", wording::work(person, &running.project))
            }
            others => format!("{} at work", others + 1),
        })
    }

    /// What version 1 of the state had: one stretch of work, or none.
    pub(crate) fn from_version_1(state: &Value) -> Option<Self> {
        if state.is_null() {
            return Some(Self::default());
        }
        let running = Running {
            project: state.get("project")?.as_str()?.to_owned(),
            started_at: state.get("started_at")?.as_i64()?,
            utc_offset_minutes: i16::try_from(state.get("utc_offset_minutes")?.as_i64()?).ok()?,
            estimated: state.get("estimated").is_some_and(|estimated| estimated == true),
        };
        Some(Self([(String::new(), running)].into()))
    }
}
