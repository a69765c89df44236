//! A formatter's call: the real component in the real engine, as the host calls it, in this process.
//!
//! A run of one event is the median of a thousand calls: each with a fresh instance, from the call to its checked answer.
//! A run of many is one call of a thousand events, divided by them. In other languages a run is a hundred calls, of the same
//! formatter in each.

use anyhow::{Result, bail};
use punchcard_core::event::{Event, Sequence};
use punchcard_core::plugin::format::{TimedEvent, Verdict};
use punchcard_core::time::{Certainty, Context, Instant, Monotonic};
use punchcard_sandbox::{Formatter, Plugin};

use crate::folder;
use crate::history::press;
use crate::sample::{Measurement, Stopwatch, micros, quantile};
use crate::surroundings::Surroundings;

const SETTINGS: &str = r#"{"layout":"punches"}"#;
/// In a call of many, as the host calls at most.
const TOGETHER: u32 = 1_000;
const RUNS: usize = 9;
const CALLS: usize = 1_000;
/// Calls that are not counted: the first ones find caches cold.
const WARM_UP: usize = 200;

pub(crate) async fn measure_one(surroundings: &Surroundings) -> Result<Measurement> {
    let subject = Subject::load(surroundings, "timeclock", SETTINGS).await?;
    Ok(Measurement::new("format_one_us", "µs", subject.measure_calls(WARM_UP, CALLS).await?))
}

/// The guests' folder has the formatter in each language, named after it.
pub(crate) async fn measure_languages(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let mut measured = Vec::new();
    for (language, figure) in [("rust", "call_rust_us"), ("js", "call_js_us"), ("python", "call_python_us")] {
        let subject = Subject::load(surroundings, language, "{}").await?;
        measured.push(Measurement::new(figure, "µs", subject.measure_calls(WARM_UP / 10, CALLS / 10).await?));
    }
    Ok(measured)
}

pub(crate) async fn measure_batched(surroundings: &Surroundings) -> Result<Measurement> {
    let subject = Subject::load(surroundings, "timeclock", SETTINGS).await?;
    let events = events(TOGETHER)?;
    for _ in 0..WARM_UP {
        subject.format(&events).await?;
    }
    let mut runs = Vec::new();
    for _ in 0..RUNS * 10 {
        runs.push(subject.format(&events).await? / f64::from(TOGETHER));
    }
    Ok(Measurement::new("format_batched_us", "µs", runs))
}

struct Subject {
    formatter: Formatter,
    settings: &'static str,
    columns: usize,
    context: Context,
    _cache: tempfile::TempDir,
}

impl Subject {
    async fn load(surroundings: &Surroundings, name: &str, settings: &'static str) -> Result<Self> {
        let cache = folder::make()?;
        let Plugin::Formatter(formatter) = surroundings.load(name, cache.path())? else {
            bail!("{name} is no formatter");
        };
        let columns = formatter.columns(settings).await?.len();
        let context = Context {
            now: Instant { unix_micros: 1_767_225_600_000_000, utc_offset_minutes: 600 },
            monotonic: Monotonic { milliseconds: 60_000, boot: "boot".to_owned() },
            entropy: [7; 32],
            device: "bench".to_owned(),
        };
        Ok(Self { formatter, settings, columns, context, _cache: cache })
    }

    /// The median of each run's calls, in µs.
    async fn measure_calls(&self, warm_up: usize, calls: usize) -> Result<Vec<f64>> {
        let event = events(1)?;
        for _ in 0..warm_up {
            self.format(&event).await?;
        }
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let mut took = Vec::new();
            for _ in 0..calls {
                took.push(self.format(&event).await?);
            }
            runs.push(quantile(&mut took, 0.5));
        }
        Ok(runs)
    }

    /// Formats once. Returns what it took, in µs.
    async fn format(&self, events: &[TimedEvent]) -> Result<f64> {
        let given = events.to_vec();
        // In the host each call comes after a wait.
        tokio::task::yield_now().await;
        let watch = Stopwatch::start();
        let formatted = self.formatter.format(self.settings, self.columns, Vec::new(), given, &self.context).await?;
        let took = micros(watch.elapsed());
        let is_row = |verdict: &Verdict| matches!(verdict, Verdict::Accepted { rows, .. } if rows.len() == 1);
        if formatted.verdicts.len() != events.len() || !formatted.verdicts.iter().all(is_row) {
            bail!("the formatter made something else than a row for each event");
        }
        Ok(took)
    }
}

fn events(count: u32) -> Result<Vec<TimedEvent>> {
    (0..count)
        .map(|number| {
            let happened = press(number)?;
            let Some(at) = happened.at else { bail!("a press without a time") };
            Ok(TimedEvent {
                event: Event { sequence: Sequence(u64::from(number) + 1), happened },
                at,
                certainty: Certainty::Known,
            })
        })
        .collect()
}
