//! Requests of a policy: built, sent, and what their answers bring stored before the policy sees them.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use punchcard_core::http::{AuthRequest, Failure};
use punchcard_core::name::SlotName;
use punchcard_core::plugin::auth::Signal;
use punchcard_core::redact::Blanker;
use punchcard_core::request::{Prepared, Reach, Signing, plan_authentication};
use punchcard_core::secret::Secret;
use tokio::task::spawn_blocking;
use tracing::debug;

use super::super::depart;
use super::{GrantKeeper, REFRESH_TOKEN};
use crate::signature::sign;

impl GrantKeeper {
    pub(super) async fn perform(&mut self, request: &AuthRequest) -> Signal {
        match self.try_perform(request).await {
            Ok(signal) => signal,
            Err(failure) => {
                debug!(grant = %self.grant.name, %failure, "a request of the policy failed");
                Signal::Failed(failure)
            }
        }
    }

    /// Sends a request of the policy. The secrets of the answer are durable when this returns.
    async fn try_perform(&mut self, request: &AuthRequest) -> Result<Signal, Failure> {
        let prepared = self.prepare(request).await?;
        depart(&self.requests, &self.clock).await;
        if request.bears(REFRESH_TOKEN) {
            self.grant.has_sent_refresh_token.store(true, Ordering::Relaxed);
        }
        let mut known: Vec<Secret> = self.secrets();
        known.extend(prepared.minted().iter().cloned());
        let (answer, brought) = match self.http.perform(&prepared).await {
            Ok(answer) => answer.take_secrets(),
            Err(failure) => return Err(Blanker::new(&known.iter().collect::<Vec<_>>()).blank_failure(failure)),
        };
        if !brought.is_empty() {
            known.extend(brought.iter().map(|(_, secret)| secret.clone()));
            self.store(&brought).await;
        }
        Ok(Signal::Responded(answer.blank(&Blanker::new(&known.iter().collect::<Vec<_>>()))))
    }

    /// Builds a request. A signature takes a small board tens of milliseconds: it is made on a thread where nothing else waits,
    /// with copies of the secrets, so that nobody waits for the slots meanwhile.
    async fn prepare(&self, request: &AuthRequest) -> Result<Prepared<'static>, Failure> {
        let now = self.time.now(&self.clock);
        let now = now.is_known().then(|| now.wall.unix_micros.div_euclid(1_000_000));
        let (request, configured) = (request.clone(), self.configured.clone());
        let (key, prefixes) = (self.reach_key.clone(), self.reach.clone());
        let slots = self.grant.slots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let prepared = spawn_blocking(move || {
            let reach = Reach { key: &key, prefixes: &prefixes };
            let filled = |name: &SlotName| configured.get(name).or_else(|| slots.as_ref()?.get(name));
            plan_authentication(&request, reach, filled, Signing { now, sign: &sign })
        });
        let lost = |_| Failure::Unsent("the request could not be built, by a defect of this program".to_owned());
        prepared.await.map_err(lost)?
    }
}
