//! The passing scenes: each has a span of time, and gives way when it is over.

use super::state::{PressResult, Turned};
use super::{CHOOSING_FOR_MS, DELIVERED_FOR_MS, PanelState, RESULT_HOLD_MS, SAVING_AFTER_MS, Scene};

/// A passing scene.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layer<'state> {
    Saving,
    Result(&'state PressResult),
    Choosing(&'state Turned),
    Delivered,
}

/// From when until when a passing scene is shown, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'state> {
    pub(super) layer: Layer<'state>,
    /// The first millisecond.
    pub(super) from: u64,
    /// The first after it; `u64::MAX` where the end is not known.
    pub(super) until: u64,
}

impl Span<'_> {
    pub(super) fn contains(&self, now_ms: u64) -> bool {
        (self.from..self.until).contains(&now_ms)
    }

    pub(super) fn scene(&self, state: &PanelState) -> Scene {
        match self.layer {
            Layer::Saving => Scene::Saving,
            Layer::Result(result) => result.scene(),
            Layer::Choosing(turned) => Scene::Choosing(turned.choosing.clone()),
            Layer::Delivered => Scene::Delivered { undelivered: state.undelivered },
        }
    }
}

/// The spans that there are, the most important first. Spans that are over are among them: what is beneath starts where
/// they ended.
pub(super) fn plan_spans(state: &PanelState) -> Vec<Span<'_>> {
    let saving = state.accepting_at.map(|at| Span {
        layer: Layer::Saving,
        from: at.saturating_add(SAVING_AFTER_MS),
        until: u64::MAX,
    });
    let held_until = state.result.as_ref().map_or(0, |result| result.at.saturating_add(RESULT_HOLD_MS));
    let choosing = state.turned.as_ref().map(|turned| {
        let from = turned.at.max(held_until);
        Span { layer: Layer::Choosing(turned), from, until: from.saturating_add(CHOOSING_FOR_MS) }
    });
    let result = state.result.as_ref().map(|result| {
        let until = result.at.saturating_add(result.lasts_for_ms());
        let until = choosing.map_or(until, |choosing| until.min(choosing.from));
        Span { layer: Layer::Result(result), from: result.at, until }
    });
    let delivered = state.delivered_at.map(|at| {
        let from = [result, choosing].into_iter().flatten().fold(at, |from, span| from.max(span.until));
        Span { layer: Layer::Delivered, from, until: from.saturating_add(DELIVERED_FOR_MS) }
    });
    [saving, result, choosing, delivered].into_iter().flatten().collect()
}
