//! A row of the table: a fault, what the device has to say of it, and the script that produces it.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde::Serialize;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::machine::NotProduced;
use crate::outcome::{Outcome, Verdict};
use crate::trial::{Surroundings, Trial};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// The device itself, at any moment.
    Power,
    /// What lies between the device and its servers.
    Network,
    /// Who may do what.
    Access,
    /// What people and others do to the sheet.
    Sheet,
    /// The card that everything is on.
    Disk,
    /// Plugins.
    Guests,
    /// The hands of those who use it.
    Hands,
    /// What clocks do.
    Time,
}

impl Group {
    /// As it is written in the table and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Network => "network",
            Self::Access => "access",
            Self::Sheet => "sheet",
            Self::Disk => "disk",
            Self::Guests => "guests",
            Self::Hands => "hands",
            Self::Time => "time",
        }
    }
}

type Script = Box<dyn FnOnce(Surroundings) -> Pin<Box<dyn Future<Output = Result<Trial>>>>>;

/// A row.
pub(crate) struct Row {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    /// What happens, for a person.
    pub(crate) what: &'static str,
    /// The headlines that `status` has to say while it lasts. It must say nothing else.
    pub(crate) says: Vec<&'static str>,
    /// Those that it may say, where chance decides.
    pub(crate) may_say: Vec<&'static str>,
    /// It hardly does anything but wait.
    pub(crate) is_slow: bool,
    /// With which what was left to chance can be tried again.
    pub(crate) seed: Option<u64>,
    /// It has failed when it is not over by then.
    limit_for: Duration,
    script: Script,
}

/// Most take some seconds; what is waited for in vain takes five minutes.
const LIMIT_FOR: Duration = Duration::from_mins(20);

impl Row {
    /// A fault that heals by itself, before anything has to be said of it. The script produces it and, where it takes a
    /// hand, mends it; at its end everything that was pressed has to be in the sheet.
    pub(crate) fn new<F, T>(group: Group, name: &'static str, what: &'static str, script: F) -> Self
    where
        F: FnOnce(Surroundings) -> T + 'static,
        T: Future<Output = Result<Trial>> + 'static,
    {
        let script: Script = Box::new(|surroundings| Box::pin(script(surroundings)));
        let (says, may_say) = (Vec::new(), Vec::new());
        Self { group, name, what, says, may_say, is_slow: false, seed: None, limit_for: LIMIT_FOR, script }
    }

    /// The same, of which `status` has to say this.
    pub(crate) fn says(mut self, headlines: &[&'static str]) -> Self {
        self.says.extend(headlines);
        self
    }

    /// The same, of which `status` may say this.
    pub(crate) fn may_say(mut self, headlines: &[&'static str]) -> Self {
        self.may_say.extend(headlines);
        self
    }

    /// The same, tried beside others.
    pub(crate) fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    /// The same, with what its chance began with.
    pub(crate) fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The same, with another time in which it has to be over.
    pub(crate) fn within(mut self, limit_for: Duration) -> Self {
        self.limit_for = limit_for;
        self
    }

    /// Tries it. Whatever becomes of the script, there is an outcome.
    pub(crate) async fn try_out(self, surroundings: Surroundings) -> Outcome {
        let Self { group, name, says, may_say, seed, limit_for, script, .. } = self;
        let blank = Outcome { seed, ..Outcome::new(name, group) };
        let outcome = blank.clone();
        let tried = async move { script(surroundings).await?.conclude(outcome, &says, &may_say).await };
        // A task of its own: where it panics, the others go on.
        let tried = match spawn_local(timeout(limit_for, tried)).await {
            Ok(Ok(tried)) => tried,
            Ok(Err(_)) => Err(anyhow!("it is not over after {limit_for:?}")),
            Err(error) => Err(anyhow!(error)),
        };
        tried.unwrap_or_else(|error| {
            let verdict = match error.is::<NotProduced>() {
                true => Verdict::NotProduced,
                false => Verdict::Failed,
            };
            Outcome { verdict, why: Some(format!("{error:#}")), ..blank }
        })
    }
}

#[cfg(test)]
mod tests {
    use punchcard_rig::{Compiled, Programs};
    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn a_script_that_panics_hangs_or_finds_nothing_to_try_with_has_an_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs { host: "/no/program".into(), guests: "/no/guests".into() };
        let surroundings = Surroundings { programs, compiled: Compiled::within(folder.path()).unwrap() };
        let row = |script: fn() -> Result<Trial>| {
            Row::new(Group::Disk, "a fault", "it happens", async move |_| script()).try_out(surroundings.clone())
        };
        let hangs = Row::new(Group::Disk, "a fault", "it happens", async |_| std::future::pending().await);
        let hangs = hangs.within(Duration::from_millis(1)).try_out(surroundings.clone());
        let tried = async {
            let impossible = row(|| Err(NotProduced("there is no disk".to_owned()).into()));
            [row(|| panic!("an index is wrong")).await, hangs.await, impossible.await]
        };
        let outcomes = LocalSet::new().run_until(tried).await;
        let whys = outcomes.each_ref().map(|outcome| outcome.why.as_deref().unwrap());
        assert!(whys[0].contains("an index is wrong") && whys[1].contains("not over"), "{whys:?}");
        assert_eq!(whys[2], "there is no disk");
        assert_eq!(
            outcomes.each_ref().map(|outcome| outcome.verdict),
            [Verdict::Failed, Verdict::Failed, Verdict::NotProduced]
        );
    }
}
