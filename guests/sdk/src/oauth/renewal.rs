//! What the answer to a renewal means (RFC 6749 §5.2 and §6), and when the next one may leave.
//!
//! No refusal erases a refresh token. `invalid_grant` means that a person has to sign in again; any other refusal means so
//! when it comes twice, for servers differ in what they call a token that was used or revoked, and in whether they call it
//! anything; but where the server does not let the account or the client in, it is asked again.

use crate::oauth::answer::{Refusal, Silence};
use crate::oauth::pace::{HOUR, MINUTE};
use crate::oauth::problem::Cause;
use crate::oauth::refusal::{Reason, is_restriction};
use crate::oauth::token::GAP_MIN;

/// Refusals in a row after which a refresh token counts as of no use, where their words don't say for certain.
pub const DOUBTS_MAX: u32 = 2;

/// Google ends the grants of clients in Testing after seven days. Seconds since the sign-in at which a refusal is taken
/// for that.
const TESTING_ENDS: std::ops::RangeInclusive<i64> = 13 * 43_200..=16 * 43_200;

/// Whether a refusal so long after the sign-in means that the OAuth client is in Testing. Both in seconds since 1970.
#[must_use]
pub fn is_testing_end(signed_in_at: Option<i64>, now_s: i64) -> bool {
    signed_in_at.is_some_and(|at| TESTING_ENDS.contains(&now_s.saturating_sub(at)))
}

/// How long a lease has to have been given before another is asked for, after so many refused ones in a row.
/// Milliseconds.
#[must_use]
pub fn plan_replacement(refused: u32) -> u64 {
    GAP_MIN.saturating_mul(1 << refused.saturating_sub(1).min(20)).min(HOUR)
}

/// What a refused renewal means.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing of the token: it is asked again.
    Again(Silence),
    /// Somebody has to mend this.
    Blocked(Cause),
    /// The token is of no use any more.
    Ended,
    /// The token may be of no use: it is, when this comes [`DOUBTS_MAX`] times in a row. Until then it is asked again, not at
    /// once: what a server's restart makes it say should have passed.
    Doubted(Silence),
}

/// Judges a refused renewal.
#[must_use]
pub fn judge_refusal(refusal: Refusal) -> Verdict {
    let Refusal { reason, description, retry_after_ms, .. } = refusal;
    let restricted = |code: &str, description| Cause::Restricted { code: code.to_owned(), description };
    let doubt =
        |cause| Verdict::Doubted(Silence { cause, retry_after_ms: Some(retry_after_ms.unwrap_or(0).max(MINUTE)) });
    match reason {
        Reason::Busy(cause) => Verdict::Again(Silence { cause, retry_after_ms }),
        Reason::SlowDown => Verdict::Again(Silence { cause: Cause::RateLimited, retry_after_ms }),
        Reason::Stop(Cause::Denied) => Verdict::Blocked(restricted("access_denied", description)),
        Reason::InvalidGrant if is_restriction(&description) => {
            Verdict::Blocked(restricted("invalid_grant", description))
        }
        Reason::Stop(Cause::Refused { code, .. }) if is_restriction(&description) => {
            Verdict::Blocked(restricted(&code, description))
        }
        Reason::Stop(cause) if cause.is_restriction() => Verdict::Blocked(cause),
        // It would be refused for every token.
        Reason::Stop(Cause::FormRefused) => Verdict::Blocked(Cause::FormRefused),
        Reason::InvalidGrant => Verdict::Ended,
        Reason::Stop(cause) | Reason::Unsaid(cause) => doubt(cause),
        Reason::Pending | Reason::ExpiredToken => doubt(Cause::OddAnswer("error".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_about_seven_days_after_the_sign_in_means_testing() {
        let hour = 3_600;
        for (age, testing) in [
            (6 * 24 * hour, false),
            (6 * 24 * hour + 12 * hour - 1, false),
            (6 * 24 * hour + 12 * hour, true),
            (7 * 24 * hour, true),
            (8 * 24 * hour, true),
            (8 * 24 * hour + 1, false),
            (-7 * 24 * hour, false),
        ] {
            assert_eq!(is_testing_end(Some(1_000_000), 1_000_000 + age), testing, "{age}");
        }
        assert!(!is_testing_end(None, 7 * 24 * hour));
        assert!(!is_testing_end(Some(i64::MIN), i64::MAX));
    }

    #[test]
    fn pauses_after_refused_leases_grow_up_to_an_hour() {
        for (refused, seconds) in [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1_920), (8, 3_600), (u32::MAX, 3_600)] {
            assert_eq!(plan_replacement(refused), seconds * 1_000, "{refused}");
        }
    }
}
