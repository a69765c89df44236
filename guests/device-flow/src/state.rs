//! What is remembered from one step to the next.
//!
//! No secret is ever here: tokens and device codes live in the host's slots. Instants on the monotonic clock
//! (`…_at_ms`) mean something only within the boot that [`State::boot`] names.

use punchcard_sdk::lease::HeldLease;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::metadata::{Discovered, Search};
use crate::problem::Cause;
use crate::token::Grant;

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
    /// What a service refused.
    pub(crate) refused: Refused,
    /// What was granted.
    pub(crate) grant: Option<Grant>,
    /// The refresh token of before the sign-in that has begun.
    pub(crate) kept: Option<Kept>,
    /// The server does not let this client renew.
    pub(crate) never_renews: bool,
    /// It was said that a person has to sign in each time that the lease ends.
    pub(crate) said_never_renews: bool,
    /// The issuer's endpoints, as last published.
    pub(crate) discovered: Option<Discovered>,
}

/// Access tokens that a service refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// How many in a row, of which none lasted until its renewal was due.
    pub(crate) count: u32,
    /// The version of the slot `access-token` that was the newest of them. It is never given as a lease again.
    pub(crate) slot_version: Option<u64>,
}

/// A refresh token that stays in its slot until another sign-in has succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The version of the slot `refresh-token`.
    pub(crate) slot_version: u64,
    /// Why the sign-in came to nothing, where it did: then the token is tried again, and no other code is shown unless
    /// a person asks.
    pub(crate) blocked: Option<Cause>,
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
    /// Looking for the issuer's endpoints.
    Discovering(Search),
    /// Finding out whether the host would send anything to the token endpoint that was found.
    Comparing,
    /// Asking for a code.
    RequestingCode,
    /// A code is shown.
    AwaitingPerson(Code),
    /// The lease is good.
    Authorized,
    /// Asking for a new lease; the old one may still be good.
    Renewing,
    /// Signing out, with the server told. Counts the tries.
    Revoking(u32),
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
