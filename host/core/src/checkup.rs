//! What `punchcard doctor` finds: each finding says what was looked at, what was seen, and what to do.
//!
//! Each subject is a file. It takes what an adapter read, as a value, and judges it; a table of tests stands beside it.
//! Deliberately unknown here: where the values come from. Nothing here reads a file, asks a clock or opens a socket.
//! What always holds: a bad finding has a remedy, and no text of a finding can steer a terminal.

pub mod board;
pub mod clock;
pub mod disk;
pub mod i2c;
pub mod line;
pub mod mode;
pub mod origin;

use serde::Serialize;

use crate::printable::escape;

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What: `board`, `bus /dev/i2c-1`, `grant google`.
    pub check: String,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do. A good finding may have one too, for what would be better still.
    pub remedy: Option<String>,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is.
    Good,
    /// It is not.
    Bad,
    /// It could not be looked at, or there is nothing to look at.
    Unknown,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn good(check: &str, seen: &str) -> Self {
        Self::new(check, Verdict::Good, seen, None)
    }

    /// It is not.
    #[must_use]
    pub fn bad(check: &str, seen: &str, remedy: &str) -> Self {
        Self::new(check, Verdict::Bad, seen, Some(remedy))
    }

    /// It could not be looked at, or there is nothing to look at.
    #[must_use]
    pub fn unknown(check: &str, seen: &str) -> Self {
        Self::new(check, Verdict::Unknown, seen, None)
    }

    /// An error of this program, whose text has what to do behind its first `; `. `otherwise`: what to do where it has not.
    #[must_use]
    pub fn of_error(check: &str, error: &str, otherwise: &str) -> Self {
        let (seen, remedy) = error.split_once("; ").unwrap_or((error, otherwise));
        Self::bad(check, seen, remedy)
    }

    /// The same with something to do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: &str) -> Self {
        self.remedy = Some(escape(remedy));
        self
    }

    fn new(check: &str, verdict: Verdict, seen: &str, remedy: Option<&str>) -> Self {
        Self { check: escape(check), verdict, seen: escape(seen), remedy: remedy.map(escape) }
    }
}

/// Whether anything is not as it should be.
#[must_use]
pub fn is_any_bad(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.verdict == Verdict::Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_taken_apart_where_its_remedy_begins() {
        let found = Finding::of_error("bus", "there is no bus; turn it on; then look again", "look");
        assert_eq!(found, Finding::bad("bus", "there is no bus", "turn it on; then look again"));
        assert_eq!(Finding::of_error("bus", "it broke", "look"), Finding::bad("bus", "it broke", "look"));
    }

    #[test]
    fn nothing_that_others_say_is_obeyed_by_a_terminal() {
        let hostile = "x\x1b[2J\ny";
        let found = Finding::bad(hostile, hostile, hostile).with_remedy(hostile);
        let safe = "x\\u{1b}[2J\\ny";
        assert_eq!((found.check.as_str(), found.seen.as_str()), (safe, safe));
        assert_eq!(found.remedy.as_deref(), Some(safe));
    }

    #[test]
    fn what_is_unknown_is_not_bad() {
        let (good, unknown) = (Finding::good("a", "b"), Finding::unknown("a", "b"));
        assert!(!is_any_bad(&[good.clone(), unknown]));
        assert!(is_any_bad(&[good, Finding::bad("a", "b", "c")]));
    }
}
