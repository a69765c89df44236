//! The Sheets API's quotas: 60 reads and 60 writes a minute for each account, 300 each for a project.
//!
//! A batch counts once, whatever is in it. A refused call does not count. The minute slides.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::clock::since;
use crate::oauth::Caller;
use crate::refusal::Refusal;

const WINDOW: Duration = Duration::from_secs(60);
const PER_USER: usize = 60;
const PER_PROJECT: usize = 300;

/// What a call does to a spreadsheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    Read,
    Write,
}

/// The calls of the last minute.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) is_on: bool,
    /// By project and use: who called when.
    calls: HashMap<(u64, Use), VecDeque<(Timestamp, String)>>,
}

impl Quota {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, calls: HashMap::new() }
    }

    /// Counts a call, or refuses it.
    pub(crate) fn take(&mut self, caller: &Caller, kind: Use, now: Timestamp) -> Result<(), Refusal> {
        if !self.is_on {
            return Ok(());
        }
        let calls = self.calls.entry((caller.project, kind)).or_default();
        while calls.front().is_some_and(|(at, _)| since(*at, now) >= WINDOW) {
            calls.pop_front();
        }
        let own = calls.iter().filter(|(_, account)| *account == caller.account).count();
        if own >= PER_USER {
            return Err(refuse(caller.project, kind, true, calls.front().map_or(now, |(at, _)| *at)));
        }
        if calls.len() >= PER_PROJECT {
            return Err(refuse(caller.project, kind, false, calls.front().map_or(now, |(at, _)| *at)));
        }
        calls.push_back((now, caller.account.clone()));
        Ok(())
    }
}

/// The 429, as it was recorded.
pub(crate) fn refuse(project: u64, kind: Use, is_per_user: bool, window_start_at: Timestamp) -> Refusal {
    let (name, metric) = match kind {
        Use::Read => ("Read", "read_requests"),
        Use::Write => ("Write", "write_requests"),
    };
    let (limit, suffix, unit, value) = match is_per_user {
        true => ("per minute per user", "PerMinutePerUser", "1/min/{project}/{user}", PER_USER),
        false => ("per minute", "PerMinutePerProject", "1/min/{project}", PER_PROJECT),
    };
    let message = format!(
        "Quota exceeded for quota metric '{name} requests' and limit '{name} requests {limit}' of service \
         'sheets.googleapis.com' for consumer 'project_number:{project}'."
    );
    let details = vec![
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "RATE_LIMIT_EXCEEDED",
            "domain": "googleapis.com",
            "metadata": {
                "window_start_time": window_start_at.as_second().to_string(),
                "quota_metric": format!("sheets.googleapis.com/{metric}"),
                "quota_location": "global",
                "service": "sheets.googleapis.com",
                "quota_unit": unit,
                "quota_limit": format!("{name}Requests{suffix}"),
                "consumer": format!("projects/{project}"),
                "quota_limit_value": value.to_string(),
            },
        }),
        json!({
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{
                "description": "Request a higher quota limit.",
                "url": "https://cloud.google.com/docs/quotas/help/request_increase",
            }],
        }),
    ];
    Refusal::quota(details, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn caller(account: &str) -> Caller {
        Caller { account: account.to_owned(), project: 1, scopes: BTreeSet::new(), has_storage: true }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn sixty_calls_a_minute_are_taken_and_reads_do_not_count_as_writes() {
        let mut quota = Quota::new(true);
        for second in 0..60 {
            assert_eq!(quota.take(&caller("a"), Use::Write, at(second)), Ok(()));
        }
        assert!(quota.take(&caller("a"), Use::Write, at(59)).is_err());
        assert_eq!(quota.take(&caller("a"), Use::Read, at(59)), Ok(()));
        // The first call has left the minute, the refused one was never in it.
        assert_eq!(quota.take(&caller("a"), Use::Write, at(60)), Ok(()));
        assert!(quota.take(&caller("a"), Use::Write, at(60)).is_err());
    }

    #[test]
    fn a_project_has_a_limit_for_all_its_accounts() {
        let mut quota = Quota::new(true);
        for account in ["a", "b", "c", "d", "e"] {
            for _ in 0..60 {
                assert_eq!(quota.take(&caller(account), Use::Write, at(0)), Ok(()));
            }
        }
        let refusal = quota.take(&caller("f"), Use::Write, at(0)).unwrap_err();
        assert!(refusal.message.contains("'Write requests per minute' "), "{}", refusal.message);
    }

    #[test]
    fn switched_off_it_takes_all() {
        let mut quota = Quota::new(false);
        for _ in 0..1000 {
            assert_eq!(quota.take(&caller("a"), Use::Write, at(0)), Ok(()));
        }
    }
}
