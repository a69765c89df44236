//! What a person asks of a sink's delivery.

use punchcard_core::name::SinkName;
use punchcard_ledger::{Ledger, StorageError};
use uuid::Uuid;

/// What a person asks of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum DeliveryCommand {
    /// The problem is mended.
    Retry,
    /// Make a new destination, as [`keep_wish`] keeps it.
    CreateAnew,
    /// The ledger was restored, and a person has it deliver without comparing. The ledger knows that already.
    DeliverUncompared,
    /// Compare what is there with what was delivered.
    Reconcile {
        /// The comparison's number.
        number: u64,
        /// And bring again what is missing, and was in the comparison of this number.
        deliver_missing_of: Option<u64>,
    },
}

/// Whether a sink delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Flow {
    /// It does.
    Deliver,
    /// A person wants nothing delivered for now.
    Pause,
    /// It is to end, once the request that is under way is answered.
    Stop,
}

impl Flow {
    /// That of a sink which is paused, or not.
    pub(in crate::app) fn of(paused: bool) -> Self {
        if paused { Self::Pause } else { Self::Deliver }
    }
}

/// Keeps the wish for a new destination over a restart, which may come while there is no lease to fulfil it under. One that
/// is there and not fulfilled yet stays.
pub(in crate::app) async fn keep_wish(ledger: &Ledger, sink: &SinkName) -> Result<(), StorageError> {
    if ledger.recall(&wish_key(sink)).await?.is_none_or(|wish| wish.is_empty()) {
        ledger.remember(&wish_key(sink), &Uuid::new_v4().to_string()).await?;
    }
    Ok(())
}

pub(super) fn wish_key(sink: &SinkName) -> String {
    format!("create-anew/{sink}")
}
