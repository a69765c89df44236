//! What is remembered from one step to the next.
//!
//! No secret is ever here: tokens, codes and verifiers live in the host's slots. Instants on the monotonic clock (`…_at_ms`)
//! mean something only within the boot that [`State::boot`] names.

use punchcard_sdk::oauth::problem::Cause;
use punchcard_sdk::oauth::token::{Grant, HeldLease};
use serde::{Deserialize, Serialize};

/// What is remembered from one step to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(crate) phase: Phase,
    pub(crate) pending: Pending,
    /// The boot to which the monotonic instants belong.
    pub(crate) boot: String,
    /// Whose sign-in this is: [`crate::Settings::identity`] when it began.
    pub(crate) identity: String,
    /// Tries in a row that told nothing.
    pub(crate) failures: u32,
    /// Why the newest of them failed.
    pub(crate) trouble: Option<Cause>,
    /// Pauses in a row after problems that may be mended elsewhere.
    pub(crate) mendings: u32,
    /// Renewals in a row that were refused in words that do not say for certain what is wrong with the token.
    pub(crate) doubts: u32,
    /// The access token's validity.
    pub(crate) lease: Option<HeldLease>,
    /// Access tokens in a row that a service refused, of which none lasted until its renewal was due.
    pub(crate) refused: u32,
    /// The version of the slot `access-token` that was refused last. It is never given as a lease again.
    pub(crate) refused_version: Option<u64>,
    /// What was granted.
    pub(crate) grant: Option<Grant>,
    /// The version of the slot `refresh-token` from before the sign-in that has begun: it stays until that has succeeded.
    pub(crate) kept: Option<u64>,
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
    /// A person may come with a browser, until this instant.
    AwaitingBrowser { ends_at_ms: u64 },
    /// Exchanging the code.
    Exchanging(Exchange),
    /// The lease is good.
    Authorized,
    /// Asking for a new lease; the old one may still be good.
    Renewing,
    /// Signing out, with the server told. Counts the tries.
    Revoking(u32),
    /// No access.
    Blocked(Cause),
}

/// A code that is being exchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// With which it was asked for.
    pub(crate) redirect_uri: String,
    /// When it is given up: codes live for ten minutes at most (RFC 6749 §4.1.2).
    pub(crate) ends_at_ms: u64,
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
