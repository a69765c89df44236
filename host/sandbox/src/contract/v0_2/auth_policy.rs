//! The world `auth-policy`: how it is called, and how its types become the host's own.

use punchcard_core::http::{Algorithm, Assertion, AuthRequest, ClientAuthentication, FormField, FormValue};
use punchcard_core::plugin::auth::{Directive, Lease, Outcome, Prompt, Refusal, Signal, Slot, Status, Visit};
use punchcard_core::plugin::{Needs, World};
use punchcard_core::time::Context;

use super::super::Shape;
use super::TYPES;
use crate::auth_policy::{AuthPolicy, Calls};
use crate::call::{Answer, CallError};
use crate::confinement::Confinement;
use crate::loaded::Loaded;
use crate::sandbox::Plugin;
use crate::text::{clip_scopes, clip_sentence};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "auth-policy",
        exports: { default: async },
        with: {
            "punchcard:plugin/types@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::types,
            "punchcard:plugin": crate::contract::v0_2::shared::punchcard::plugin,
        },
    });
}

use bindings::AuthPolicyPre;
use bindings::exports::punchcard::plugin::auth_flow as wit;

/// The world.
pub(super) const SHAPE: Shape = Shape {
    world: World::AuthPolicy,
    name: "auth-policy",
    exports: "auth-flow",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| AuthPolicyPre::new(instance.clone()).map(drop),
    bind: |loaded| {
        let bindings = AuthPolicyPre::new(loaded.instance())?;
        Ok(Plugin::AuthPolicy(AuthPolicy::new(Bound { loaded, bindings })))
    },
};

struct Bound {
    loaded: Loaded,
    bindings: AuthPolicyPre<Confinement>,
}

impl Calls for Bound {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn check<'a>(&'a self, settings: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_auth_flow().call_check(store, settings).await
            });
            answer.await?.map_err(|error| CallError::Returned(error.into()))
        })
    }

    fn needs<'a>(&'a self, settings: &'a str) -> Answer<'a, Needs> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_auth_flow().call_list_needs(store, settings).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }

    fn step<'a>(
        &'a self,
        settings: &'a str,
        state: &'a [u8],
        signal: Signal,
        slots: Vec<Slot>,
        context: &'a Context,
    ) -> Answer<'a, Outcome> {
        Box::pin(async move {
            let (signal, slots) = (signal.into(), slots.into_iter().map(Into::into).collect::<Vec<_>>());
            let given = context.clone().into();
            let answer = self.loaded.call(Some(context), async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_auth_flow().call_step(store, settings, state, &signal, &slots, &given).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }
}

impl From<Signal> for wit::Signal {
    fn from(from: Signal) -> Self {
        match from {
            Signal::Started => Self::Started,
            Signal::Responded(response) => Self::Responded(response.into()),
            Signal::Failed(failure) => Self::Failed(failure.into()),
            Signal::Elapsed => Self::Elapsed,
            Signal::SignIn => Self::SignIn,
            Signal::SignOut { revoke } => Self::SignOut(revoke),
            Signal::TokenRefused => Self::TokenRefused,
            Signal::Returned { redirect_uri } => Self::Returned(redirect_uri),
            Signal::TurnedAway(Refusal { error, description }) => Self::TurnedAway(wit::Refusal { error, description }),
        }
    }
}

impl From<Slot> for wit::Slot {
    fn from(from: Slot) -> Self {
        Self { name: from.name, version: from.version }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(from: wit::Outcome) -> Self {
        Self { state: from.state, status: from.status.into(), forget: from.forget, next: from.next.into() }
    }
}

impl From<wit::Status> for Status {
    fn from(from: wit::Status) -> Self {
        match from {
            wit::Status::SignedOut => Self::SignedOut,
            wit::Status::AwaitingPerson(prompt) => Self::AwaitingPerson(Prompt {
                user_code: prompt.user_code,
                url: prompt.url,
                complete_url: prompt.complete_url,
                purpose: clip_sentence(prompt.purpose),
                expires_in_seconds: prompt.expires_in_seconds,
            }),
            wit::Status::AwaitingBrowser(visit) => Self::AwaitingBrowser(Visit {
                url: visit.url,
                parameters: visit.parameters.into_iter().map(|parameter| (parameter.name, parameter.value)).collect(),
                issuer: visit.issuer,
                purpose: clip_sentence(visit.purpose),
                expires_in_seconds: visit.expires_in_seconds,
            }),
            wit::Status::Authorized(lease) => Self::Authorized(Lease {
                expires_in_seconds: lease.expires_in_seconds,
                scopes: clip_scopes(lease.scopes),
            }),
            wit::Status::Renewing => Self::Renewing,
            wit::Status::Blocked(problem) => Self::Blocked(problem.into()),
        }
    }
}

impl From<wit::Directive> for Directive {
    fn from(from: wit::Directive) -> Self {
        match from {
            wit::Directive::Send(request) => Self::Send(request.into()),
            wit::Directive::Wait(milliseconds) => Self::Wait(milliseconds),
            wit::Directive::Rest => Self::Rest,
        }
    }
}

impl From<wit::Request> for AuthRequest {
    fn from(from: wit::Request) -> Self {
        match from {
            wit::Request::Get(url) => Self::Get(url),
            wit::Request::Post(form) => Self::Post {
                url: form.url,
                client: match form.client {
                    wit::ClientAuthentication::None => ClientAuthentication::None,
                    wit::ClientAuthentication::Basic((client_id, slot)) => {
                        ClientAuthentication::Basic { client_id, slot }
                    }
                },
                fields: form
                    .fields
                    .into_iter()
                    .map(|field| FormField {
                        name: field.name,
                        value: match field.value {
                            wit::FormValue::Plain(text) => FormValue::Plain(text),
                            wit::FormValue::Secret(slot) => FormValue::Secret(slot),
                            wit::FormValue::Assertion(assertion) => FormValue::Assertion(assertion.into()),
                        },
                    })
                    .collect(),
            },
        }
    }
}

impl From<wit::Assertion> for Assertion {
    fn from(from: wit::Assertion) -> Self {
        Self {
            slot: from.slot,
            algorithm: match from.algorithm {
                wit::Algorithm::Rs256 => Algorithm::Rs256,
                wit::Algorithm::Es256 => Algorithm::Es256,
            },
            key_id: from.key_id,
            claims: from.claims,
        }
    }
}
