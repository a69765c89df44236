//! A row of the table: a fault, what the device has to say of it, and the script that produces it.

use std::pin::Pin;

use anyhow::Result;
use serde::Serialize;
use thiserror::Error;

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

/// Whom it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Healing {
    /// Nobody.
    ByItself,
    /// A person, who does in the script what the device told them to.
    ByHand,
}

/// The fault can't be made on this machine.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotProduced(pub(crate) String);

type Script = Box<dyn FnOnce(Surroundings) -> Pin<Box<dyn Future<Output = Result<Trial>>>>>;

/// A row.
pub(crate) struct Row {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    /// What happens, for a person.
    pub(crate) what: &'static str,
    pub(crate) healing: Healing,
    /// The headlines that `status` has to say while it lasts. It must say nothing else.
    pub(crate) says: Vec<&'static str>,
    /// Those that it may say, where chance decides.
    pub(crate) may_say: Vec<&'static str>,
    /// It hardly does anything but wait.
    pub(crate) is_slow: bool,
    /// With which what was left to chance can be tried again.
    pub(crate) seed: Option<u64>,
    script: Script,
}

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
        Self { group, name, what, healing: Healing::ByItself, says, may_say, is_slow: false, seed: None, script }
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

    /// The same, and a person has to mend it.
    pub(crate) fn by_hand(mut self) -> Self {
        self.healing = Healing::ByHand;
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

    /// Tries it.
    pub(crate) async fn try_out(self, surroundings: Surroundings) -> Outcome {
        let Self { group, name, healing, says, may_say, seed, script, .. } = self;
        let outcome = Outcome { seed, ..Outcome::new(name, group, healing) };
        let tried = async { script(surroundings).await?.conclude(outcome.clone(), &says, &may_say).await };
        match tried.await {
            Ok(outcome) => outcome,
            Err(error) => {
                let verdict = match error.is::<NotProduced>() {
                    true => Verdict::NotProduced,
                    false => Verdict::Failed,
                };
                Outcome { verdict, why: Some(format!("{error:#}")), ..outcome }
            }
        }
    }
}
