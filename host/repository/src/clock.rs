//! What is expired, by a clock that may not be known.

use jiff::Timestamp;

/// What the device knows of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// It is known.
    Known(Timestamp),
    /// It is not known, and not earlier than this.
    NotBefore(Timestamp),
}

/// How new what a repository says may be taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The publisher vouches for it until then.
    Until(Timestamp),
    /// The clock is not known: signatures and versions are right, and nobody can say whether it is old.
    Unknown,
}

impl Clock {
    /// Whether what holds until `expires` holds no more for certain (TUF 5.4.4 and its like).
    pub(crate) fn is_past(self, expires: Timestamp) -> bool {
        match self {
            Self::Known(now) | Self::NotBefore(now) => expires < now,
        }
    }

    pub(crate) fn freshness(self, expires: Timestamp) -> Freshness {
        match self {
            Self::Known(_) => Freshness::Until(expires),
            Self::NotBefore(_) => Freshness::Unknown,
        }
    }
}
