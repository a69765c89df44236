//! What others hold of a part that runs, and how it is told to stop.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use punchcard_core::delivery;
use punchcard_core::name::GrantName;
use punchcard_core::plugin::Problem;
use tokio::sync::{Notify, mpsc, watch};

use super::super::delivery::command::{DeliveryCommand, Flow};
use super::super::formatting;
use super::super::grant;
use super::super::grant::Grant;
use super::super::listing::ListingStatus;
use super::super::reconcile::Progress;
use super::super::sensor::SensorStatus;

/// What others hold of a part that runs.
#[derive(Clone)]
pub(in crate::app) enum Handle {
    /// A grant.
    Grant(Arc<Grant>),
    /// A sink.
    Sink(Arc<SinkHandle>),
    /// A sensor.
    Sensor(Arc<SensorHandle>),
    /// A choice's list.
    Listing(Arc<ListingHandle>),
}

impl Handle {
    /// Tells the part to end when it can: after the request that is under way.
    pub(in crate::app) fn stop(&self) {
        match self {
            Self::Grant(running) => running.ask(grant::GrantCommand::Stop),
            Self::Sink(sink) => sink.stop(),
            Self::Sensor(sensor) => {
                sensor.stop.send_replace(true);
            }
            Self::Listing(listing) => {
                listing.stop.send_replace(true);
            }
        }
    }

    /// Waits while it is at something that may not be cut off.
    pub(in crate::app) async fn may_be_cut(&self) {
        if let Self::Grant(grant) = self {
            grant.has_stored().await;
        }
    }

    /// How long it may take to. After that it is ended wherever it is, as by a restart.
    pub(in crate::app) fn stops_within(&self) -> Duration {
        match self {
            // A renewal whose answer is lost may cost the grant, where the server gives a new refresh token with it.
            Self::Grant(_) => Duration::from_secs(65),
            Self::Sink(_) | Self::Sensor(_) | Self::Listing(_) => Duration::from_secs(10),
        }
    }
}

/// A sensor that runs.
pub(in crate::app) struct SensorHandle {
    pub(in crate::app) standing: watch::Receiver<SensorStatus>,
    pub(in crate::app) stop: watch::Sender<bool>,
}

/// A list that is fetched.
pub(in crate::app) struct ListingHandle {
    pub(in crate::app) standing: watch::Receiver<ListingStatus>,
    pub(in crate::app) stop: watch::Sender<bool>,
}

/// A sink that runs.
pub(in crate::app) struct SinkHandle {
    pub(in crate::app) formatting: watch::Receiver<formatting::FormattingStatus>,
    pub(in crate::app) delivery: watch::Receiver<delivery::DeliveryStatus>,
    /// What the connector says that a person should know, and that stops nothing.
    pub(in crate::app) notice: watch::Receiver<Option<Problem>>,
    /// Why nothing is delivered, where that is so. Its rows are made and kept.
    pub(in crate::app) delivery_off: Option<String>,
    pub(in crate::app) asks: mpsc::UnboundedSender<DeliveryCommand>,
    /// What is asked of its formatting.
    pub(in crate::app) corrections: mpsc::UnboundedSender<formatting::FormattingCommand>,
    /// There may be rows.
    pub(in crate::app) rows: Arc<Notify>,
    /// Whether its rows can be read back.
    pub(in crate::app) reads_back: bool,
    /// How far comparing them has come.
    pub(in crate::app) progress: Progress,
    /// Whether it delivers. What a person wants, the ledger knows first.
    pub(in crate::app) flow: watch::Sender<Flow>,
    pub(in crate::app) grant: Option<GrantName>,
    /// Requests that its service takes in a minute.
    pub(in crate::app) requests_per_minute: NonZeroU32,
}

impl SinkHandle {
    /// Rows were added for it by hand.
    pub(in crate::app) fn wake(&self) {
        self.rows.notify_one();
    }

    /// A person wants nothing delivered for now, or wants it to go on.
    pub(in crate::app) fn set_paused(&self, paused: bool) {
        self.flow.send_if_modified(|flow| {
            // A sink that is told to stop stops; the next one asks the ledger.
            let news = *flow != Flow::Stop && *flow != Flow::of(paused);
            if news {
                *flow = Flow::of(paused);
            }
            news
        });
    }

    /// Whether a person wants nothing delivered for now.
    pub(in crate::app) fn is_paused(&self) -> bool {
        *self.flow.borrow() == Flow::Pause
    }

    fn stop(&self) {
        self.flow.send_replace(Flow::Stop);
    }
}
