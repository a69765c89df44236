//! Calls of an auth policy, and what is checked in its answers.

use std::sync::Arc;

use punchcard_core::plugin::Needs;
use punchcard_core::plugin::auth::{Outcome, Signal, Slot, Status};
use punchcard_core::time::Context;

use super::cache::Fingerprint;
use super::call::CallError;
use super::confinement::Confinement;
use super::contract::v0_1::auth_policy::AuthPolicyPre;
use super::formatter::check_state;
use super::loaded::Loaded;
use super::text::{check_address, check_code, check_forgotten, check_needs};

/// A plugin that signs the device in.
#[derive(Clone)]
pub struct AuthPolicy {
    loaded: Arc<Loaded>,
    bindings: AuthPolicyPre<Confinement>,
}

impl AuthPolicy {
    pub(super) fn new(loaded: Loaded) -> wasmtime::Result<Self> {
        let bindings = AuthPolicyPre::new(loaded.instance())?;
        Ok(Self { loaded: Arc::new(loaded), bindings })
    }

    /// The SHA-256 of the component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        &self.loaded.sha256
    }

    /// Whether these settings can work.
    ///
    /// # Errors
    /// When they can't, or the call fails.
    pub async fn check(&self, settings: &str) -> Result<(), CallError> {
        self.loaded
            .call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_auth_flow().call_check(store, settings).await
            })
            .await?
            .map_err(|error| CallError::Returned(error.into()))
    }

    /// What these settings need from plugins.toml.
    ///
    /// # Errors
    /// When the call fails, or names more than a configuration could grant.
    pub async fn needs(&self, settings: &str) -> Result<Needs, CallError> {
        let needs: Needs = self
            .loaded
            .call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_auth_flow().call_list_needs(store, settings).await
            })
            .await?
            .map_err(|error| CallError::Returned(error.into()))?
            .into();
        check_needs(&needs)?;
        Ok(needs)
    }

    /// One step.
    ///
    /// # Errors
    /// When the call fails or its answer breaks the contract; the next signal is then `started`.
    pub async fn step(
        &self,
        settings: &str,
        state: Vec<u8>,
        signal: Signal,
        slots: Vec<Slot>,
        context: &Context,
    ) -> Result<Outcome, CallError> {
        let signal = signal.into();
        let slots: Vec<_> = slots.into_iter().map(Into::into).collect();
        let outcome: Outcome = self
            .loaded
            .call(Some(context), async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin
                    .punchcard_plugin_auth_flow()
                    .call_step(store, settings, &state, &signal, &slots, &context.clone().into())
                    .await
            })
            .await?
            .map_err(|error| CallError::Returned(error.into()))?
            .into();
        check_state(&outcome.state, self.loaded.limits.state_bytes)?;
        check_forgotten(&outcome.forget)?;
        if let Status::AwaitingPerson(prompt) = &outcome.status {
            check_code(&prompt.user_code)?;
            for address in [Some(&prompt.url), prompt.complete_url.as_ref()].into_iter().flatten() {
                check_address(address)?;
            }
        }
        Ok(outcome)
    }
}
