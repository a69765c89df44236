//! Whether the clock is right, who says so, and what servers say.

use std::fmt::Write as _;

use jiff::fmt::rfc2822;

use super::Finding;
use crate::time::TimeStatus;

/// A clock that is further off than this makes rows with wrong times. In seconds. A server's `Date` has whole seconds, and
/// an answer takes some.
const RIGHT_WITHIN_SECONDS: i64 = 5;

/// What is known of the device's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFacts {
    /// Whether it is believed, and how well.
    pub standing: TimeStatus,
    /// plugins.toml says `trust-clock`.
    pub is_vouched_for: bool,
    /// What sets the clock from the network, such as `systemd-timesyncd`, where one was found.
    pub synchroniser: Option<String>,
    /// The clock chip that the kernel names first.
    pub chip: Option<String>,
    /// The time of day, as the clock says it, for a person.
    pub local_time: String,
}

/// What a server said of the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTime {
    /// Scheme, host and port.
    pub origin: String,
    /// Its `Date`, in seconds since 1970.
    pub date: i64,
    /// The device's clock when the request began, in seconds since 1970,
    pub asked_at: i64,
    /// and when the answer was there.
    pub answered_at: i64,
}

impl ServerTime {
    /// Seconds by which the device's clock is ahead of the server's, as far as it can be told: 0 where the server's second
    /// lies between question and answer.
    #[must_use]
    pub fn ahead_seconds(&self) -> i64 {
        if self.date < self.asked_at {
            // The second that is named lasts until the next one.
            self.asked_at.saturating_sub(self.date).saturating_sub(1)
        } else {
            self.answered_at.saturating_sub(self.date).min(0)
        }
    }
}

/// The seconds since 1970 of a `Date` (RFC 9110, section 5.6.7). None: it is none, or in one of the obsolete forms.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<i64> {
    rfc2822::parse(text).ok().map(|moment| moment.timestamp().as_second())
}

/// Says whether the clock is believed, and where its time comes from.
#[must_use]
pub fn judge_clock(facts: &ClockFacts) -> Finding {
    let from = match (facts.standing, &facts.synchroniser, &facts.chip) {
        (TimeStatus::Synchronised, Some(synchroniser), _) => format!("the kernel is synchronised, by {synchroniser}"),
        (TimeStatus::Synchronised, None, _) => "the kernel is synchronised".to_owned(),
        (TimeStatus::Believed, _, _) if facts.is_vouched_for => {
            "plugins.toml says `trust-clock`; nothing else vouches for it".to_owned()
        }
        (TimeStatus::Believed, _, Some(chip)) => format!("a clock chip with a battery vouches for it ({chip})"),
        (TimeStatus::Believed, _, None) => "a clock chip with a battery vouches for it".to_owned(),
        (TimeStatus::Unknown, _, _) => "nothing vouches for it: no time server was heard in this boot".to_owned(),
    };
    let mut seen = format!("{}; {from}", facts.local_time);
    match facts.standing {
        TimeStatus::Synchronised | TimeStatus::Believed => Finding::good("clock", &seen),
        TimeStatus::Unknown => {
            if let Some(chip) = &facts.chip {
                // A String takes everything.
                let _infallible =
                    write!(seen, "; the chip {chip} does not agree with it, or was not asked at the start");
            }
            let remedy = match &facts.synchroniser {
                Some(synchroniser) => format!(
                    "{synchroniser} runs: look whether the network lets NTP through (UDP port 123), with `timedatectl \
                     timesync-status`. Events are recorded meanwhile, and formatted when the time is known"
                ),
                None => "`sudo timedatectl set-ntp true` has it set from the network; without one, a clock chip with a battery \
                         (`dtoverlay=i2c-rtc,ds3231`) or `trust-clock` in plugins.toml"
                    .to_owned(),
            };
            Finding::bad("clock", &seen, &remedy)
        }
    }
}

/// Compares the clock with what servers say. None: no server said anything.
#[must_use]
pub fn judge_server_times(times: &[ServerTime]) -> Option<Finding> {
    const CHECK: &str = "clock and servers";
    let mut sorted: Vec<&ServerTime> = times.iter().collect();
    sorted.sort_by_key(|time| time.ahead_seconds());
    // One server that is wrong among several does not count.
    let middle = sorted.get(sorted.len() / 2)?;
    let ahead = middle.ahead_seconds();
    let origin = &middle.origin;
    if ahead.abs() <= RIGHT_WITHIN_SECONDS {
        return Some(Finding::good(CHECK, &format!("within {RIGHT_WITHIN_SECONDS} s of {origin}")));
    }
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let seen = format!("{} {direction} {origin}", render_span(ahead.unsigned_abs()));
    let remedy = "set the clock: `sudo timedatectl set-ntp true`, or by hand with `sudo timedatectl set-time`. A certificate \
                  is refused by a clock that is wrong by months";
    Some(Finding::bad(CHECK, &seen, remedy))
}

fn render_span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Verdict;

    #[test]
    fn a_date_of_http_is_read() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for none in ["", "0", "tomorrow", "1994-11-06T08:49:37Z"] {
            assert_eq!(parse_http_date(none), None, "{none}");
        }
    }

    #[test]
    fn a_clock_is_believed_for_a_reason_that_is_said() {
        let facts = |standing, is_vouched_for, synchroniser: Option<&str>, chip: Option<&str>| ClockFacts {
            standing,
            is_vouched_for,
            synchroniser: synchroniser.map(str::to_owned),
            chip: chip.map(str::to_owned),
            local_time: "09:00".into(),
        };
        use TimeStatus::{Believed, Synchronised, Unknown};
        for (facts, verdict, seen, remedy) in [
            (facts(Synchronised, false, Some("chrony"), None), Verdict::Good, "synchronised, by chrony", ""),
            (facts(Synchronised, true, None, Some("ds3231")), Verdict::Good, "the kernel is synchronised", ""),
            (facts(Believed, true, None, None), Verdict::Good, "trust-clock", ""),
            (facts(Believed, false, None, Some("ds3231")), Verdict::Good, "(ds3231)", ""),
            (facts(Unknown, false, None, None), Verdict::Bad, "nothing vouches", "set-ntp"),
            (facts(Unknown, false, Some("chrony"), None), Verdict::Bad, "nothing vouches", "port 123"),
            (facts(Unknown, false, None, Some("ds3231")), Verdict::Bad, "does not agree", "set-ntp"),
        ] {
            let found = judge_clock(&facts);
            assert_eq!(found.verdict, verdict, "{facts:?}");
            assert!(found.seen.starts_with("09:00; ") && found.seen.contains(seen), "{found:?}");
            assert!(found.remedy.unwrap_or_default().contains(remedy), "{facts:?}");
        }
    }

    #[test]
    fn the_servers_second_lies_between_question_and_answer_or_the_clock_is_off() {
        for (date, asked_at, answered_at, ahead) in [
            (100, 100, 100, 0),
            (100, 100, 130, 0),
            (99, 100, 100, 0),
            (101, 100, 100, -1),
            (90, 100, 101, 9),
            (200, 100, 101, -99),
        ] {
            let time = ServerTime { origin: String::new(), date, asked_at, answered_at };
            assert_eq!(time.ahead_seconds(), ahead, "{time:?}");
        }
    }

    #[test]
    fn the_server_in_the_middle_decides() {
        let time = |origin: &str, date| ServerTime {
            origin: origin.into(),
            date,
            asked_at: 1_000_000,
            answered_at: 1_000_001,
        };
        for (times, expected) in [
            (vec![], None),
            (vec![time("a", 1_000_000)], Some((Verdict::Good, "within 5 s of a"))),
            (vec![time("a", 0), time("b", 1_000_000), time("c", 1_000_003)], Some((Verdict::Good, "within 5 s of b"))),
            (vec![time("a", 999_900)], Some((Verdict::Bad, "99 s ahead of a"))),
            (vec![time("a", 1_000_301)], Some((Verdict::Bad, "5 min behind a"))),
            (vec![time("a", 1_050_001)], Some((Verdict::Bad, "13 h behind a"))),
            (vec![time("a", 9_640_001)], Some((Verdict::Bad, "100 days behind a"))),
        ] {
            let found = judge_server_times(&times);
            let found = found.as_ref().map(|found| (found.verdict, found.seen.as_str()));
            assert_eq!(found, expected, "{times:?}");
        }
    }
}
