//! What is remembered from one step to the next.
//!
//! No secret is ever here. Instants on the monotonic clock (`…_at_ms`) mean something only within the boot that
//! [`State::boot`] names.

use punchcard_sdk::oauth::token::HeldLease;
use serde::{Deserialize, Serialize};

use crate::problem::Cause;

/// What is remembered from one step to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(crate) phase: Phase,
    pub(crate) pending: Pending,
    /// The boot to which the monotonic instants belong.
    pub(crate) boot: String,
    /// Whose token is in the slot: [`crate::Settings::identity`] when it was asked for.
    pub(crate) identity: String,
    /// Tries in a row that told nothing.
    pub(crate) failures: u32,
    /// Why the newest of them failed.
    pub(crate) trouble: Option<Cause>,
    /// Pauses in a row after problems that may be mended elsewhere.
    pub(crate) mendings: u32,
    /// The access token's validity.
    pub(crate) lease: Option<HeldLease>,
    /// Access tokens in a row that a service refused, of which none lasted until the next was due.
    pub(crate) refused: u32,
    /// The version of the slot `access-token` that was the newest of them. It is never given as a lease again.
    pub(crate) refused_version: Option<u64>,
}

/// Where the sign-in stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Nothing was ever tried.
    #[default]
    Fresh,
    /// A person signed out: nothing happens until a person signs in.
    SignedOut,
    /// Asking for a token; the old one may still be good.
    Asking,
    /// The lease is good.
    Authorized,
    /// No access.
    Blocked(Cause),
}

/// What the phase waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pending {
    /// A person.
    #[default]
    Person,
    /// The answer to a request.
    Answer,
    /// This instant on the monotonic clock, in milliseconds.
    Until(u64),
}
