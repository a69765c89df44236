//! Times and what becomes of them.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Runs from its creation.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this program exists to measure time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Of one figure: a line of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    figure: &'static str,
    value: f64,
    unit: &'static str,
    runs: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<f64>,
}

impl Measurement {
    /// The median counts.
    pub(crate) fn new(figure: &'static str, unit: &'static str, runs: Vec<f64>) -> Self {
        let value = quantile(&mut runs.clone(), 0.5);
        Self { figure, value, unit, runs, least: None }
    }

    /// With the least value that is possible.
    pub(crate) fn with_least(self, least: f64) -> Self {
        Self { least: Some(least), ..self }
    }
}

/// The smallest of `values` that is not below this share of them; of none, not a number. Sorts them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "samples are counted in thousands, and a share is between 0 and 1"
)]
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let position = (values.len() as f64 * share).ceil() as usize;
    values.get(position.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// In milliseconds.
pub(crate) fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// In microseconds.
pub(crate) fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}
