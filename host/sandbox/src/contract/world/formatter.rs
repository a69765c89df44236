//! The world `formatter`: how it is called, and how its types become the host's own. It is the same in all versions so far: each
//! includes this file beside bindings of its own.

use punchcard_core::plugin::World;
use punchcard_core::plugin::format::{Formatted, TimedEvent, Verdict};
use punchcard_core::row::Column;
use punchcard_core::time::Context;

use super::super::Shape;
use super::TYPES;
use super::bindings::formatter::FormatterPre;
use super::bindings::formatter::exports::punchcard::plugin::row_format as wit;
use crate::call::{Answer, CallError};
use crate::confinement::Confinement;
use crate::formatter::{Calls, Formatter};
use crate::loaded::Loaded;
use crate::sandbox::Plugin;
use crate::text::clip_sentence;

/// The world.
pub(super) const SHAPE: Shape = Shape {
    world: World::Formatter,
    name: "formatter",
    exports: "row-format",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| FormatterPre::new(instance.clone()).map(drop),
    bind: |loaded| {
        let bindings = FormatterPre::new(loaded.instance())?;
        Ok(Plugin::Formatter(Formatter::new(Bound { loaded, bindings })))
    },
};

struct Bound {
    loaded: Loaded,
    bindings: FormatterPre<Confinement>,
}

impl Calls for Bound {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn columns<'a>(&'a self, settings: &'a str) -> Answer<'a, Vec<Column>> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_row_format().call_columns(store, settings).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into_iter().map(Into::into).collect())
        })
    }

    fn format<'a>(
        &'a self,
        settings: &'a str,
        state: &'a [u8],
        events: Vec<TimedEvent>,
        context: &'a Context,
    ) -> Answer<'a, Formatted> {
        Box::pin(async move {
            let events = events.into_iter().map(Into::into).collect::<Vec<_>>();
            let given = context.clone().into();
            let answer = self.loaded.call(Some(context), async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_row_format().call_format(store, settings, state, &events, &given).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }

    fn fields<'a>(&'a self, settings: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_row_format().call_list_fields(store, settings).await
            });
            answer.await?.map_err(|error| CallError::Returned(error.into()))
        })
    }
}

impl From<wit::Formatted> for Formatted {
    fn from(from: wit::Formatted) -> Self {
        Self {
            state: from.state,
            verdicts: from.verdicts.into_iter().map(Into::into).collect(),
            standing: from.standing,
        }
    }
}

impl From<wit::Verdict> for Verdict {
    fn from(from: wit::Verdict) -> Self {
        match from {
            wit::Verdict::Accepted(accepted) => {
                Self::Accepted { rows: accepted.rows.into_iter().map(Into::into).collect(), notice: accepted.notice }
            }
            wit::Verdict::Reject(reason) => Self::Reject(clip_sentence(reason)),
        }
    }
}
