//! Whose account a grant is, and since when a person lets the device in.
//!
//! What always holds here: nothing is done in the name of another account than before until a person accepts it.

use std::sync::PoisonError;

use punchcard_core::account::{Change, judge_account, read_account};
use punchcard_core::name::SlotName;
use punchcard_core::plugin::Problem;
use punchcard_core::secret::Secret;
use tracing::{error, warn};

use super::super::super::error_chain::chain;
use super::GrantKeeper;
use crate::vault::Accounts;

/// The slot of what says whose account it is.
const ID_TOKEN: &str = "id-token";

impl GrantKeeper {
    /// A person accepts the account that was signed in with. Where that can't be stored, nothing has changed.
    pub(super) fn accept_account(&mut self) {
        let Accounts { other: Some(account), .. } = self.grant.accounts() else { return };
        let accounts = Accounts { accepted: Some(account), other: None };
        match self.vault.store_as(&self.grant.name, Vec::new(), Some(accounts)) {
            Ok(loaded) => self.hold(loaded),
            Err(error) => error!(grant = %self.grant.name, reason = chain(error), "the account can't be stored"),
        }
        self.is_let_in |= self.publish();
    }

    /// Whose account the answer says it is, where it does. The policy has no use for the token that says so, and may forget it.
    pub(super) fn judge_account(&self, brought: &[(SlotName, Secret)]) -> Option<Accounts> {
        let (_, token) = brought.iter().find(|(slot, _)| slot.as_str() == ID_TOKEN)?;
        let Accounts { accepted, .. } = self.grant.accounts();
        Some(match judge_account(accepted.as_ref(), read_account(token).as_ref()) {
            Change::Same => Accounts { accepted, other: None },
            Change::Accept(account) => Accounts { accepted: Some(account), other: None },
            Change::Another(account) => Accounts { accepted, other: Some(account) },
            Change::Unknown => return None,
        })
    }

    /// Keeps when a person let the device in. Nothing hangs on it: where the disk refuses, it is not known later.
    pub(super) async fn note_granted(&self) {
        let now = self.time.now(&self.clock);
        let at = now.is_known().then_some(now.wall.unix_micros);
        *self.grant.granted_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
        if let Err(error) = self.ledger.note_granted(&self.grant.name, at).await {
            warn!(grant = %self.grant.name, reason = chain(error), "when a person signed in is not kept");
        }
    }

    pub(super) fn say_other_account(&self, before: &str) -> Problem {
        let name = &self.grant.name;
        let now = self.grant.account().unwrap_or_default();
        let advice = format!(
            "the device is signed in as {now}; before, it was {before}, whose files it can't use now. If that is meant: `punchcard \
             grants accept {name}`. Otherwise `punchcard sign-out {name}`, and sign in as {before}"
        );
        Problem { headline: "other account".into(), advice }
    }
}
