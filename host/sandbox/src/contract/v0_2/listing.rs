//! The world `listing`, which this version has first: how it is called, and how its types become the host's own.

use punchcard_core::plugin::item_list::{Directive, Outcome, RawItem, Signal};
use punchcard_core::plugin::{Needs, World};
use punchcard_core::time::Context;

use super::super::Shape;
use super::TYPES;
use crate::call::{Answer, CallError};
use crate::confinement::Confinement;
use crate::listing::{Calls, Listing};
use crate::loaded::Loaded;
use crate::sandbox::Plugin;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "listing",
        exports: { default: async },
        with: {
            "punchcard:plugin/types@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::types,
            "punchcard:plugin": crate::contract::v0_2::shared::punchcard::plugin,
        },
    });
}

use bindings::ListingPre;
use bindings::exports::punchcard::plugin::item_list as wit;

/// The world.
pub(super) const SHAPE: Shape = Shape {
    world: World::Listing,
    name: "listing",
    exports: "item-list",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| ListingPre::new(instance.clone()).map(drop),
    bind: |loaded| {
        let bindings = ListingPre::new(loaded.instance())?;
        Ok(Plugin::Listing(Listing::new(Bound { loaded, bindings })))
    },
};

struct Bound {
    loaded: Loaded,
    bindings: ListingPre<Confinement>,
}

impl Calls for Bound {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn check<'a>(&'a self, settings: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_item_list().call_check(store, settings).await
            });
            answer.await?.map_err(|error| CallError::Returned(error.into()))
        })
    }

    fn needs<'a>(&'a self, settings: &'a str) -> Answer<'a, Needs> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_item_list().call_list_needs(store, settings).await
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
        context: &'a Context,
    ) -> Answer<'a, Outcome> {
        Box::pin(async move {
            let (signal, given) = (signal.into(), context.clone().into());
            let answer = self.loaded.call(Some(context), async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_item_list().call_step(store, settings, state, &signal, &given).await
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
        }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(from: wit::Outcome) -> Self {
        let next = match from.next {
            wit::Directive::Send(request) => Directive::Send(request.into()),
            wit::Directive::Wait(milliseconds) => Directive::Wait(milliseconds),
            wit::Directive::Done(items) => {
                Directive::Done(items.into_iter().map(|item| RawItem { id: item.id, text: item.text }).collect())
            }
            wit::Directive::Unavailable(problem) => Directive::Unavailable(problem.into()),
        };
        Self { state: from.state, next }
    }
}
