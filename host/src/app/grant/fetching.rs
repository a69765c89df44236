//! A request of a person under a grant: within its audience and its pace, with a token that nobody sees.
//!
//! A sink's requests are in `delivery::sending`, and wait for a person as long as it takes. A person who asks does not: where
//! there is no lease and none is on its way, that is said.

use std::sync::PoisonError;

use punchcard_core::grant::{GrantStatus, LeaseId};
use punchcard_core::http::{Failure, Request, Response};
use punchcard_core::redact::{Blanker, RawResponse};
use punchcard_core::request::{Credential, plan_delivery};
use punchcard_core::secret::Secret;
use thiserror::Error;
use tracing::info;

use super::super::timer::sleep_until;
use super::Grant;
use crate::clock::Clock;
use crate::http::Http;

/// Milliseconds that a renewal may take.
const RENEWED_WITHIN_MS: u64 = 60_000;

/// Why a request of a person has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// It was not sent, and will not be as it is.
    #[error("{0}")]
    Refused(String),
    /// The service did not answer, or not in time.
    #[error("{0}")]
    Unanswered(String),
}

impl From<Failure> for FetchError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(_) | Failure::Invalid(_) | Failure::Missing(_) | Failure::SignedOut => {
                Self::Refused(failure.to_string())
            }
            Failure::Unsent(_) | Failure::Interrupted(_) | Failure::TooLarge(_) => {
                Self::Unanswered(failure.to_string())
            }
        }
    }
}

impl Grant {
    /// Sends a request under the grant, and once more where the server refuses the token: it is renewed once.
    ///
    /// # Errors
    /// When it is outside the grant's audience or malformed, when nobody is signed in, and when no answer comes.
    pub(in crate::app) async fn fetch(
        &self,
        request: &Request,
        http: &Http,
        clock: &Clock,
    ) -> Result<Response, FetchError> {
        let audience = self.audience();
        // What is denied or malformed is so at once.
        let mut prepared = plan_delivery(request, audience, Some(Credential::Bearer { audience }))?;
        let (lease, token) = self.lease_soon(clock).await?;
        let mut secrets = self.secrets();
        prepared.bear(&token)?;
        secrets.push(token);
        self.depart(clock).await;
        let answer = http.perform(&prepared).await;
        if !answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
            return blank(answer, &secrets);
        }
        info!(grant = %self.name, "the token was refused; it is renewed once");
        self.refuse(lease);
        let (lease, renewed) = self.lease_soon(clock).await?;
        prepared.bear(&renewed)?;
        secrets.extend(self.secrets());
        secrets.push(renewed);
        self.depart(clock).await;
        let answer = http.perform(&prepared).await;
        if answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
            info!(grant = %self.name, "the new token was refused too; it is not used again");
            self.refuse(lease);
        }
        blank(answer, &secrets)
    }

    /// A lease, where there is one or one is on its way.
    async fn lease_soon(&self, clock: &Clock) -> Result<(LeaseId, Secret), FetchError> {
        let until_ms = clock.monotonic_ms() + RENEWED_WITHIN_MS;
        tokio::select! {
            biased;
            leased = self.lease(clock) => Ok(leased),
            reason = self.needs_person(until_ms) => Err(FetchError::Refused(reason)),
            () = sleep_until(clock, until_ms) => {
                let within = RENEWED_WITHIN_MS / 1000;
                Err(FetchError::Unanswered(format!("grant `{}` was not renewed within {within} s; try again", self.name)))
            }
        }
    }

    /// Waits until the grant can't go on by itself before this time of the monotonic clock, and says why.
    pub(in crate::app) async fn needs_person(&self, before_ms: u64) -> String {
        let mut standing = self.standing();
        loop {
            let reason = why_not(&standing.borrow_and_update(), self.name.as_str());
            let goes_on_at_ms = *self.goes_on_at_ms.lock().unwrap_or_else(PoisonError::into_inner);
            // A policy that was refused a young token says so, and asks for another one a little later.
            let is_blocked = matches!(*standing.borrow(), GrantStatus::Blocked(_));
            let is_on_its_way = is_blocked && goes_on_at_ms.is_some_and(|at_ms| at_ms < before_ms);
            if let Some(reason) = reason.filter(|_| !is_on_its_way) {
                return reason;
            }
            if standing.changed().await.is_err() {
                return format!("grant `{}` has ended", self.name);
            }
        }
    }
}

/// Why no lease is on its way, and what to do. `None`: one may be.
fn why_not(standing: &GrantStatus, grant: &str) -> Option<String> {
    match standing {
        GrantStatus::Starting | GrantStatus::Renewing | GrantStatus::Authorized { .. } => None,
        GrantStatus::SignedOut | GrantStatus::AwaitingPerson { .. } => {
            Some(format!("nobody is signed in to grant `{grant}`; `punchcard sign-in {grant}` first"))
        }
        GrantStatus::Blocked(problem) => Some(format!("grant `{grant}`: {}: {}", problem.headline, problem.advice)),
        GrantStatus::Failing { reason } => Some(format!("the policy of grant `{grant}` fails: {reason}")),
    }
}

fn blank(answer: Result<RawResponse, Failure>, secrets: &[Secret]) -> Result<Response, FetchError> {
    let blanker = Blanker::new(&secrets.iter().collect::<Vec<_>>());
    match answer {
        Ok(answer) => Ok(answer.blank(&blanker)),
        Err(failure) => Err(blanker.blank_failure(failure).into()),
    }
}
