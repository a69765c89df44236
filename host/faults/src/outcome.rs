//! How the host did: what is printed for each fault.

use serde::Serialize;

use crate::row::Group;

/// How the host did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Outcome {
    /// Which fault.
    pub(crate) fault: &'static str,
    pub(crate) group: Group,
    pub(crate) verdict: Verdict,
    /// Why it is not passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// How often it was tried.
    pub(crate) runs: u32,
    /// Presses that the device had said were recorded.
    pub(crate) acknowledged: usize,
    /// Rows in the sheet at the end, corrections and what they replace among them.
    pub(crate) rows: usize,
    /// Of the acknowledged presses, those without a row.
    pub(crate) lost: usize,
    /// Rows without a press of their own.
    pub(crate) doubled: usize,
    /// Requests that went wrong on the way.
    pub(crate) disturbed: u32,
    /// From when the fault was over, or else was laid, until everything was in the sheet.
    pub(crate) recovered_ms: u128,
    /// The headlines of what `status` said was wrong, which the panel shows too.
    pub(crate) said: Vec<String>,
    /// With which what was left to chance can be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
}

/// What that comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Nothing is lost or doubled, and the device said what it has to.
    Passed,
    Failed,
    /// The fault can't be made on this machine.
    NotProduced,
}

impl Outcome {
    /// Of a fault that was not tried.
    pub(crate) fn new(fault: &'static str, group: Group) -> Self {
        Self {
            fault,
            group,
            verdict: Verdict::Failed,
            why: None,
            runs: 0,
            acknowledged: 0,
            rows: 0,
            lost: 0,
            doubled: 0,
            disturbed: 0,
            recovered_ms: 0,
            said: Vec::new(),
            seed: None,
        }
    }
}
