//! The sending of a listing's requests: within its reach and pace, under whatever authority it has, and with its secrets taken
//! out of what comes back.

use std::sync::Arc;
use std::time::Duration;

use punchcard_core::grant::{GrantStatus, LeaseId};
use punchcard_core::http::{Failure, Request, Response};
use punchcard_core::redact::{Blanker, RawResponse};
use punchcard_core::request::{Credential, Prepared, Reach, plan_delivery};
use punchcard_core::secret::Secret;
use tokio::time::sleep;
use tracing::info;

use super::super::delivery::{Authority, GrantLink};
use super::super::grant::{Grant, depart};
use super::Listings;

/// A renewal of a token takes less; who waits for longer waits for a person.
const A_RENEWAL: Duration = Duration::from_secs(10);

impl Listings {
    /// Sends a request under whatever authority the listing has. Whatever comes back, an echo of a secret is blanked in it.
    pub(super) async fn authorize_and_send(&self, request: &Request) -> Result<Response, Failure> {
        match &self.authority {
            Authority::None => blank(self.plan_and_send(request, None).await, &[]),
            Authority::Header { name, value } => {
                let credential = request.authorized.then_some(Credential::Header { name, value });
                blank(self.plan_and_send(request, credential).await, std::slice::from_ref(value))
            }
            Authority::Grant(link) if request.authorized => self.send_under_lease(request, link).await,
            Authority::Grant(link) => {
                let answer = self.plan_and_send(request, None).await;
                blank(answer, &link.now().map(|grant| grant.secrets()).unwrap_or_default())
            }
        }
    }

    /// Sends a request under a lease, and once more under another where the server refuses the token.
    async fn send_under_lease(&self, request: &Request, link: &GrantLink) -> Result<Response, Failure> {
        let (mut grant, lease, mut token) = self.wait_for_lease(link).await;
        let mut secrets = vec![token.clone()];
        let mut answer = self.send_with(request, &grant, &token).await;
        if answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
            info!(choice = %self.choice, grant = %grant.name, "the token was refused; it is renewed once");
            grant.refuse(lease);
            secrets.extend(grant.secrets());
            let lease;
            (grant, lease, token) = self.wait_for_lease(link).await;
            secrets.push(token.clone());
            answer = self.send_with(request, &grant, &token).await;
            if answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
                grant.refuse(lease);
            }
        }
        secrets.extend(grant.secrets());
        blank(answer, &secrets)
    }

    async fn send_with(&self, request: &Request, grant: &Grant, token: &Secret) -> Result<RawResponse, Failure> {
        let mut prepared = self.plan(request, Some(Credential::Bearer { audience: grant.audience() }))?;
        prepared.bear(token)?;
        self.send(&prepared).await
    }

    /// Waits for a lease, however long it takes: the last list stays meanwhile, and `status` says what is waited for.
    async fn wait_for_lease(&self, link: &GrantLink) -> (Arc<Grant>, LeaseId, Secret) {
        let lease = link.lease(&self.clock);
        tokio::pin!(lease);
        tokio::select! {
            biased;
            leased = &mut lease => return leased,
            () = sleep(A_RENEWAL) => {}
        }
        let reason = match link.now() {
            None => format!("grant `{}`, which authorizes it, is off", link.name()),
            Some(grant) => match grant.standing_at(self.clock.monotonic_ms()) {
                GrantStatus::SignedOut | GrantStatus::AwaitingPerson { .. } => {
                    format!("nobody is signed in; `punchcard sign-in {}` signs in", grant.name)
                }
                _ => format!("it waits for a token of grant `{}`", grant.name),
            },
        };
        self.say(Some(reason));
        lease.await
    }

    async fn plan_and_send(
        &self,
        request: &Request,
        credential: Option<Credential<'_>>,
    ) -> Result<RawResponse, Failure> {
        self.send(&self.plan(request, credential)?).await
    }

    async fn send(&self, prepared: &Prepared<'_>) -> Result<RawResponse, Failure> {
        depart(&self.pace, &self.clock).await;
        if let Authority::Grant(link) = &self.authority {
            link.grant().await.depart(&self.clock).await;
        }
        self.http.perform(prepared).await
    }

    fn plan<'a>(&self, request: &'a Request, credential: Option<Credential<'_>>) -> Result<Prepared<'a>, Failure> {
        let key = format!("choices.{}.items.reach", self.choice);
        plan_delivery(request, Reach { key: &key, prefixes: &self.configuration.reach }, credential)
    }
}

/// What a plugin may see of an answer, or of why there is none.
fn blank(answer: Result<RawResponse, Failure>, secrets: &[Secret]) -> Result<Response, Failure> {
    let blanker = Blanker::new(&secrets.iter().collect::<Vec<_>>());
    match answer {
        Ok(answer) => Ok(answer.blank(&blanker)),
        Err(failure) => Err(blanker.blank_failure(failure)),
    }
}
