//! The world `sensor`: how it is called, and how its types become the host's own. It is the same in all versions so far: each
//! includes this file beside bindings of its own.

use std::sync::Arc;
use std::time::Duration;

use punchcard_core::plugin::World;
use punchcard_core::plugin::sensor::{Loans, Polled, Reading};
use punchcard_core::time::Context;

use super::super::Shape;
use super::TYPES;
use super::bindings::sensor::SensorPre;
use super::bindings::sensor::exports::punchcard::plugin::source as wit;
use crate::call::{Answer, CallError};
use crate::confinement::Confinement;
use crate::lender::Lender;
use crate::loaded::Loaded;
use crate::sandbox::Plugin;
use crate::sensor::{Calls, Sensor};

/// The world.
pub(super) const SHAPE: Shape = Shape {
    world: World::Sensor,
    name: "sensor",
    exports: "source",
    imports: &["logging", "hardware"],
    types: TYPES,
    fits: |instance| SensorPre::new(instance.clone()).map(drop),
    bind: |loaded| {
        let bindings = SensorPre::new(loaded.instance())?;
        Ok(Plugin::Sensor(Sensor::new(Bound { loaded, bindings })))
    },
};

struct Bound {
    loaded: Loaded,
    bindings: SensorPre<Confinement>,
}

impl Calls for Bound {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn check<'a>(&'a self, settings: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_source().call_check(store, settings).await
            });
            answer.await?.map_err(|error| CallError::Returned(error.into()))
        })
    }

    fn loans<'a>(&'a self, settings: &'a str) -> Answer<'a, Loans> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_source().call_list_loans(store, settings).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(Loans { i2c: answer.i2c, lines: answer.lines, one_wire: answer.one_wire })
        })
    }

    fn poll<'a>(
        &'a self,
        lender: Arc<dyn Lender>,
        limit: Duration,
        settings: &'a str,
        state: &'a [u8],
        context: &'a Context,
    ) -> Answer<'a, Polled> {
        Box::pin(async move {
            let given = context.clone().into();
            let answer = self.loaded.call_lending(lender, limit, Some(context), async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_source().call_poll(store, settings, state, &given).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }
}

impl From<wit::Polled> for Polled {
    fn from(from: wit::Polled) -> Self {
        Self { state: from.state, readings: from.readings.into_iter().map(Into::into).collect() }
    }
}

impl From<wit::Reading> for Reading {
    fn from(from: wit::Reading) -> Self {
        Self { kind: from.kind, fields: from.fields.into_iter().map(Into::into).collect() }
    }
}
