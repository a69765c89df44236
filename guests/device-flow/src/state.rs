//! What is remembered from one step to the next.
//!
//! No secret is ever here: tokens and device codes live in the host's slots. Instants on the monotonic clock
//! (`…_at_ms`) mean something only within the boot that [`State::boot`] names.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::metadata::{Discovered, Search};
use crate::problem::Cause;
use crate::token::{Grant, HeldLease};

/// What is remembered from one step to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// The access token's validity.
    pub(crate) lease: Option<HeldLease>,
    /// What was granted.
    pub(crate) grant: Option<Grant>,
    /// The issuer's endpoints, as last published.
    pub(crate) discovered: Option<Discovered>,
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
