//! The world `connector`: how it is called, and how its types become the host's own. It is the same in all versions so far: each
//! includes this file beside bindings of its own.

use std::sync::Arc;
use std::time::Duration;

use punchcard_core::plugin::delivery::{
    Batch, Correction, CorrectionKind, Directive, FoundRow, Limits, Outcome, Page, Pause, Receipt, Rejection, Signal,
};
use punchcard_core::plugin::{Needs, World};
use punchcard_core::row::{Column, Row};
use punchcard_core::time::Context;

use super::super::Shape;
use super::TYPES;
use super::bindings::connector::ConnectorPre;
use super::bindings::connector::exports::punchcard::plugin::delivery as wit;
use crate::call::{Answer, CallError};
use crate::confinement::Confinement;
use crate::connector::{Calls, Connector, Steps};
use crate::loaded::Loaded;
use crate::sandbox::Plugin;
use crate::text::{clip_key, clip_sentence};

/// The world.
pub(super) const SHAPE: Shape = Shape {
    world: World::Connector,
    name: "connector",
    exports: "delivery",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| ConnectorPre::new(instance.clone()).map(drop),
    bind: |loaded| {
        let bindings = ConnectorPre::new(loaded.instance())?;
        Ok(Plugin::Connector(Connector::new(Bound { loaded, bindings })))
    },
};

struct Bound {
    loaded: Loaded,
    bindings: ConnectorPre<Confinement>,
}

impl Calls for Bound {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn check<'a>(&'a self, settings: &'a str, columns: &'a [Column]) -> Answer<'a, Limits> {
        Box::pin(async move {
            let columns = columns.iter().cloned().map(Into::into).collect::<Vec<_>>();
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_delivery().call_check(store, settings, &columns).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }

    fn fingerprint<'a>(&'a self, settings: &'a str, columns: &'a [Column], rows: &'a [Row]) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let columns = columns.iter().cloned().map(Into::into).collect::<Vec<_>>();
            let rows = rows.iter().cloned().map(Into::into).collect::<Vec<_>>();
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_delivery().call_fingerprint(store, settings, &columns, &rows).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.iter().map(|fingerprint| clip_key(fingerprint)).collect())
        })
    }

    fn needs<'a>(&'a self, settings: &'a str) -> Answer<'a, Needs> {
        Box::pin(async move {
            let answer = self.loaded.call(None, async |store| {
                let plugin = self.bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_delivery().call_list_needs(store, settings).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }

    fn give(self: Arc<Self>, batch: Batch) -> Box<dyn Steps> {
        Box::new(Given { plugin: self, batch: batch.into() })
    }

    fn hears_signed_out(&self) -> bool {
        super::HEARS_SIGNED_OUT
    }
}

/// A batch, as this version of the contract has it.
struct Given {
    plugin: Arc<Bound>,
    batch: wit::Batch,
}

impl Steps for Given {
    fn loaded(&self) -> &Loaded {
        &self.plugin.loaded
    }

    fn step<'a>(
        &'a self,
        limit: Duration,
        settings: &'a str,
        state: &'a [u8],
        signal: Signal,
        context: &'a Context,
    ) -> Answer<'a, Outcome> {
        Box::pin(async move {
            let (Bound { loaded, bindings }, batch) = (&*self.plugin, &self.batch);
            let (signal, given) = (signal.into(), context.clone().into());
            let answer = loaded.call_within(limit, Some(context), async |store| {
                let plugin = bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_delivery().call_step(store, settings, state, batch, &signal, &given).await
            });
            let answer = answer.await?.map_err(|error| CallError::Returned(error.into()))?;
            Ok(answer.into())
        })
    }
}

impl From<wit::Limits> for Limits {
    fn from(from: wit::Limits) -> Self {
        Self {
            rows_per_batch: from.rows_per_batch,
            bytes_per_batch: from.bytes_per_batch,
            characters_per_cell: from.characters_per_cell,
            requests_per_minute: from.requests_per_minute,
            reads_back: from.reads_back,
        }
    }
}

impl From<Batch> for wit::Batch {
    fn from(from: Batch) -> Self {
        Self {
            id: from.id,
            columns: from.columns.into_iter().map(Into::into).collect(),
            rows: from.rows.into_iter().map(Into::into).collect(),
            corrections: from.corrections.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Correction> for wit::Correction {
    fn from(from: Correction) -> Self {
        let kind = match from.kind {
            CorrectionKind::Changed => wit::CorrectionKind::Changed,
            CorrectionKind::Added => wit::CorrectionKind::Added,
            CorrectionKind::Withdrawn => wit::CorrectionKind::Withdrawn,
        };
        Self { row: from.row, of: from.of, kind }
    }
}

impl From<Signal> for wit::Signal {
    fn from(from: Signal) -> Self {
        match from {
            Signal::Prepare => Self::Prepare,
            Signal::Begin => Self::Begin,
            Signal::Resumed => Self::Resumed,
            Signal::Responded(response) => Self::Responded(response.into()),
            Signal::Failed(failure) => Self::Failed(failure.into()),
            Signal::Elapsed => Self::Elapsed,
            Signal::Retry => Self::Retry,
            Signal::CreateAnew => Self::CreateAnew,
            Signal::ReadBack(next) => Self::ReadBack(next),
        }
    }
}

impl From<wit::Pause> for Pause {
    fn from(from: wit::Pause) -> Self {
        Self { milliseconds: from.milliseconds, problem: from.problem.map(Into::into) }
    }
}

impl From<wit::Page> for Page {
    fn from(from: wit::Page) -> Self {
        let row = |row: wit::FoundRow| FoundRow {
            key: row.key.as_deref().map(clip_key),
            fingerprint: clip_key(&row.fingerprint),
            place: clip_sentence(row.place),
        };
        Self { rows: from.rows.into_iter().map(row).collect(), next: from.next, link: from.link }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(from: wit::Outcome) -> Self {
        let next = match from.next {
            wit::Directive::Send(request) => Directive::Send(request.into()),
            wit::Directive::Wait(pause) => Directive::Wait(pause.into()),
            wit::Directive::Delivered(receipt) => Directive::Delivered(Receipt {
                rejected: receipt
                    .rejected
                    .into_iter()
                    .map(|rejection| Rejection { row: rejection.row, reason: clip_sentence(rejection.reason) })
                    .collect(),
                link: receipt.link,
            }),
            wit::Directive::Hold(pause) => Directive::Hold(pause.into()),
            wit::Directive::Found(page) => Directive::Found(page.into()),
            wit::Directive::Notice(problem) => Directive::Notice(problem.map(Into::into)),
        };
        Self { state: from.state, next }
    }
}
