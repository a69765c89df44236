//! The sending of a sink's requests, as a part of its delivery: within its reach and pace, under whatever authority it has,
//! and with its secrets taken out of what comes back.

use std::sync::Arc;

use punchcard_core::grant::LeaseId;
use punchcard_core::http::{Failure, Request, Response};
use punchcard_core::plugin::delivery::Signal;
use punchcard_core::redact::{Blanker, RawResponse};
use punchcard_core::request::{Credential, Prepared, Reach, plan_delivery};
use punchcard_core::secret::Secret;
use tracing::{debug, info};

use super::super::grant::{Grant, depart};
use super::Delivery;
use super::command::Flow;
use super::grant_link::GrantLink;

/// How a sink's requests are authorized.
pub(in crate::app) enum Authority {
    /// Not at all.
    None,
    /// By a grant.
    Grant(GrantLink),
    /// By a key of its own.
    Header {
        /// The header.
        name: String,
        /// The key.
        value: Secret,
    },
}

impl Delivery {
    pub(super) async fn perform(&self, request: &Request) -> Signal {
        match self.authorize_and_send(request).await {
            Ok(response) => Signal::Responded(response),
            Err(failure) => {
                debug!(sink = %self.sink, %failure, "a request failed");
                Signal::Failed(failure)
            }
        }
    }

    /// Sends a request under whatever authority the sink has. Whatever comes back, an echo of a secret of the sink's is
    /// blanked in it: also of one that this request did not carry, for a server may repeat what it was sent before.
    async fn authorize_and_send(&self, request: &Request) -> Result<Response, Failure> {
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

    /// Sends a request under a lease, and once more under another where the server refuses the token. Where it refuses that
    /// one too, the connector hears so, and its next request waits for a third: the policy asks for one when it is time.
    async fn send_under_lease(&self, request: &Request, link: &GrantLink) -> Result<Response, Failure> {
        let mut planned_for = self.unless_paused(link.grant()).await?;
        // What is denied or malformed is so at once, not after somebody has signed in.
        let mut prepared = self.plan_for(request, &planned_for)?;
        let (grant, lease, token) = self.wait_for_lease(link).await?;
        if !Arc::ptr_eq(&grant, &planned_for) {
            // Another one took its place meanwhile, whose token may go elsewhere.
            prepared = self.plan_for(request, &grant)?;
            planned_for = Arc::clone(&grant);
        }
        let mut secrets = grant.secrets();
        prepared.bear(&token)?;
        let answer = self.send(&prepared).await;
        secrets.push(token);
        if !answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
            return blank(answer, &secrets);
        }
        info!(sink = %self.sink, grant = %grant.name, "the token was refused; it is renewed once");
        grant.refuse(lease);
        let (grant, lease, renewed) = self.wait_for_lease(link).await?;
        if !Arc::ptr_eq(&grant, &planned_for) {
            prepared = self.plan_for(request, &grant)?;
        }
        prepared.bear(&renewed)?;
        let answer = self.send(&prepared).await;
        if answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
            info!(sink = %self.sink, grant = %grant.name, "the new token was refused too; it is not used again");
            grant.refuse(lease);
        }
        secrets.extend(grant.secrets());
        secrets.push(renewed);
        blank(answer, &secrets)
    }

    /// Waits for a lease. A connector that knows the word for it hears that the grant was signed out meanwhile.
    async fn wait_for_lease(&self, link: &GrantLink) -> Result<(Arc<Grant>, LeaseId, Secret), Failure> {
        if !self.connector.hears_signed_out() {
            return self.unless_paused(link.lease(&self.clock)).await;
        }
        tokio::select! {
            biased;
            leased = self.unless_paused(link.lease(&self.clock)) => leased,
            () = link.signed_out() => Err(Failure::SignedOut),
        }
    }

    /// Plans a request that a grant authorizes, and that has no token yet.
    fn plan_for<'a>(&self, request: &'a Request, grant: &Grant) -> Result<Prepared<'a>, Failure> {
        self.plan(request, Some(Credential::Bearer { audience: grant.audience() }))
    }

    async fn plan_and_send(
        &self,
        request: &Request,
        credential: Option<Credential<'_>>,
    ) -> Result<RawResponse, Failure> {
        self.send(&self.plan(request, credential)?).await
    }

    async fn send(&self, prepared: &Prepared<'_>) -> Result<RawResponse, Failure> {
        let departs = async {
            match &self.authority {
                Authority::Grant(link) => link.grant().await.depart(&self.clock).await,
                Authority::None | Authority::Header { .. } => depart(&self.pace, &self.clock).await,
            }
        };
        self.unless_paused(departs).await?;
        self.http.perform(prepared).await
    }

    /// Waits for what a request needs before it may leave. A pause and a stop end the wait: nothing was sent.
    async fn unless_paused<T>(&self, wait: impl Future<Output = T>) -> Result<T, Failure> {
        let mut flow = self.flow.clone();
        tokio::select! {
            biased;
            // The sender ends with the device, and so does this task.
            Ok(_) = flow.wait_for(|flow| *flow != Flow::Deliver) => Err(Failure::Unsent("the sink was paused".into())),
            awaited = wait => Ok(awaited),
        }
    }

    fn plan<'a>(&self, request: &'a Request, credential: Option<Credential<'_>>) -> Result<Prepared<'a>, Failure> {
        let reach = Reach { key: &self.reach_key, prefixes: &self.reach };
        plan_delivery(request, reach, credential)
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
