//! The figures, their targets, and how a measurement compares with them.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// The figure that stands for each guest.
pub(super) const GUEST_SIZE: &str = "guest_kb";

/// The figure of the host's program.
pub(super) const PROGRAM_SIZE: &str = "program_mb";
pub(super) const UPDATES_SIZE: &str = "program_updates_kb";

/// Something that is measured.
#[derive(Debug)]
pub(super) struct Figure {
    /// As the bench program calls it.
    pub(super) name: &'static str,
    /// In words, for the table.
    pub(super) what: &'static str,
    pub(super) target: Target,
    /// It takes minutes, and is measured only where it is named, or all of its group with this name.
    pub(super) group: Option<&'static str>,
}

impl Figure {
    /// Whether it is measured, where these are named.
    pub(super) fn is_wanted(&self, named: &[String]) -> bool {
        match self.group {
            Some(group) => named.iter().any(|name| name == self.name || name == group),
            None => named.is_empty() || named.iter().any(|name| name == self.name),
        }
    }
}

/// In the figure's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// The measurement brings the least number that is possible, and must not be above it.
    LeastPossible,
    /// It is only told.
    None,
}

const fn figure(name: &'static str, what: &'static str, target: Target) -> Figure {
    Figure { name, what, target, group: None }
}

const fn outage(name: &'static str, what: &'static str, target: Target) -> Figure {
    Figure { name, what, target, group: Some("outage") }
}

/// The group of figures that take what builds plugins in other languages.
pub(super) const LANGUAGES: &str = "languages";

const fn language(name: &'static str, what: &'static str, most_us: f64) -> Figure {
    Figure { name, what, target: Target::AtMost(most_us), group: Some(LANGUAGES) }
}

/// Everything that is measured, in the order of the table.
pub(super) const FIGURES: [Figure; 34] = [
    figure("ready_ms", "host ready, three plugins, warm cache", Target::AtMost(60.0)),
    figure("idle_rss_mb", "resident when idle", Target::AtMost(25.0)),
    figure("idle_own_mb", "of that, not pages of files", Target::AtMost(8.0)),
    figure("idle_rss_pulley_mb", "resident when idle, with plugins that are interpreted", Target::AtMost(25.0)),
    figure("idle_cpu_percent", "computing time when idle, of one processor", Target::AtMost(1.0)),
    figure(
        "idle_updates_mb",
        "its own memory where a repository of plugins was looked at, and not without",
        Target::None,
    ),
    figure("reload_ms", "a sink with changed settings runs again", Target::AtMost(50.0)),
    figure("compile_press_ratio", "press to recorded, p99, while a plugin is compiled", Target::AtMost(1.2)),
    figure(
        "hostile_press_ms",
        "a press is that much slower, p99, beside a plugin that means harm",
        Target::AtMost(10.0),
    ),
    figure("reload_press_ratio", "press to recorded, p99, during a reload, against idle", Target::AtMost(1.2)),
    figure("format_one_us", "one event in a fresh instance", Target::AtMost(60.0)),
    figure("format_batched_us", "an event in a batch of 1,000", Target::AtMost(2.0)),
    figure("accept_p99_ratio", "press to commit, p99, against a bare write and fsync", Target::AtMost(1.5)),
    figure("backlog_rows_per_s", "100,000 events delivered, no quota", Target::AtLeast(20_000.0)),
    figure("backlog_rss_mb", "resident meanwhile", Target::AtMost(64.0)),
    figure("quota_requests", "requests for the same, with the quota", Target::LeastPossible),
    figure("accept_bytes", "written to the device for an event by itself", Target::AtMost(6_144.0)),
    figure("accept_shared_bytes", "for an event in commits of ten", Target::AtMost(600.0)),
    figure("accept_flushes", "flushes for a commit", Target::AtMost(1.0)),
    figure("press_bytes", "written for a press, from accepted to delivered", Target::None),
    figure("press_flushes", "flushes for the same", Target::None),
    figure("prune_kib", "written for pruning 10,000 events", Target::None),
    figure("panel_frame_ms", "a full frame of 128×64 on a bus of 400 kHz", Target::AtMost(30.0)),
    figure("panel_line_ms", "a step of a line that scrolls, on the same", Target::AtMost(5.0)),
    figure(PROGRAM_SIZE, "size of the host's program", Target::None),
    figure(UPDATES_SIZE, "of that, code that knows The Update Framework (tough)", Target::None),
    figure(GUEST_SIZE, "size of a guest", Target::AtMost(200.0)),
    outage(
        "outage_press_ratio",
        "press to recorded, p99, beside a backlog of 1,000,000, against idle",
        Target::AtMost(2.0),
    ),
    outage("outage_rss_mb", "resident meanwhile, at most", Target::AtMost(64.0)),
    outage("outage_requests", "requests for it, with the quota", Target::LeastPossible),
    outage("outage_refusals", "of which refused for their pace", Target::AtMost(0.0)),
    language("call_rust_us", "one event in a fresh instance, by a formatter in Rust", 60.0),
    language("call_js_us", "the same, in JavaScript", 1_500.0),
    language("call_python_us", "the same, in Python", 2_000.0),
];

/// What was measured of one figure: a line of the bench program.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measurement {
    pub(super) figure: String,
    value: f64,
    unit: String,
    /// Where it was measured several times, each.
    #[serde(default)]
    runs: Vec<f64>,
    /// For [`Target::LeastPossible`]: the least number that the limits allow.
    #[serde(default)]
    least: Option<f64>,
}

impl Measurement {
    /// Of a component of so many bytes.
    pub(super) fn of_guest(bytes: usize) -> Self {
        // A guest is far below what an f64 holds exactly.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self::of_size(GUEST_SIZE, f64::from(bytes) / 1_000.0, "KB")
    }

    /// Of a program of so many bytes.
    pub(super) fn of_program(bytes: u64) -> Self {
        Self::of_size(PROGRAM_SIZE, bytes as f64 / 1e6, "MB")
    }

    /// Of so many bytes of its code.
    pub(super) fn of_updates(bytes: u64) -> Self {
        Self::of_size(UPDATES_SIZE, bytes as f64 / 1e3, "KB")
    }

    fn of_size(figure: &str, value: f64, unit: &str) -> Self {
        Self { figure: figure.to_owned(), value, unit: unit.to_owned(), runs: Vec::new(), least: None }
    }

    /// Every run, in the order in which they were made.
    pub(super) fn render_runs(&self) -> String {
        let runs: Vec<String> = self.runs.iter().map(|run| render_number(*run)).collect();
        format!("{} in {}: {}", self.figure, self.unit, runs.join(" "))
    }

    /// The median of the runs, or the one value.
    fn median(&self) -> f64 {
        let mut runs = self.runs.clone();
        runs.sort_by(f64::total_cmp);
        let middle = runs.len() / 2;
        match (runs.get(middle), middle.checked_sub(1).and_then(|before| runs.get(before))) {
            (Some(upper), Some(lower)) if runs.len().is_multiple_of(2) => f64::midpoint(*lower, *upper),
            (Some(only), _) => *only,
            (None, _) => self.value,
        }
    }
}

/// Reads a measurement from each line; a line that is none is an error, as a typo would otherwise pass unseen.
pub(super) fn parse_measurements(text: &str) -> Result<Vec<Measurement>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let measurement: Measurement =
                serde_json::from_str(line).with_context(|| format!("no measurement: {line}"))?;
            if !FIGURES.iter().any(|figure| figure.name == measurement.figure) {
                bail!("the bench program measured `{}`, which is no figure", measurement.figure);
            }
            Ok(measurement)
        })
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Met,
    Missed,
    NotMeasured,
    /// There is no target.
    Told,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
            Self::Told => "",
        })
    }
}

/// A row of the table.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) figure: String,
    pub(super) what: &'static str,
    target: Target,
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<f64>,
    pub(super) verdict: Verdict,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Outcome {
    /// Compares `result` with the target of `figure`; `subject` tells what it was measured of, where that is one of several.
    pub(super) fn new(figure: &Figure, subject: Option<&str>, result: Result<Measurement, String>) -> Self {
        let name = match subject {
            Some(subject) => format!("{} {subject}", figure.name),
            None => figure.name.to_owned(),
        };
        let mut outcome = Self {
            figure: name,
            what: figure.what,
            target: figure.target,
            least: None,
            value: None,
            unit: None,
            runs: Vec::new(),
            verdict: Verdict::NotMeasured,
            reason: None,
        };
        match result {
            Err(reason) => outcome.reason = Some(reason),
            Ok(measurement) => {
                let value = measurement.median();
                let verdict = |is_met| if is_met { Verdict::Met } else { Verdict::Missed };
                let verdict = match figure.target {
                    Target::AtMost(limit) => Some(verdict(value <= limit)),
                    Target::AtLeast(limit) => Some(verdict(value >= limit)),
                    Target::LeastPossible => measurement.least.map(|least| verdict(value <= least)),
                    Target::None => Some(Verdict::Told),
                };
                outcome.verdict = match verdict {
                    Some(verdict) => verdict,
                    None => {
                        outcome.reason = Some("the bench program did not say what the least is".to_owned());
                        Verdict::NotMeasured
                    }
                };
                outcome.value = Some(value);
                outcome.least = measurement.least;
                outcome.unit = Some(measurement.unit);
                outcome.runs = measurement.runs;
            }
        }
        outcome
    }

    pub(super) fn render_target(&self) -> String {
        match (self.target, self.least) {
            (Target::AtMost(limit), _) => format!("≤ {limit}"),
            (Target::AtLeast(limit), _) => format!("≥ {limit}"),
            (Target::LeastPossible, Some(least)) => format!("≤ {least}"),
            (Target::LeastPossible, None) => "least possible".to_owned(),
            (Target::None, _) => String::new(),
        }
    }

    pub(super) fn render_value(&self) -> String {
        match (self.value, &self.unit) {
            (Some(value), Some(unit)) => format!("{} {unit}", render_number(value)).trim_end().to_owned(),
            _ => "–".to_owned(),
        }
    }
}

/// With as many decimals as matter beside the targets.
fn render_number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, line: &str) -> Outcome {
        let figure = FIGURES.iter().find(|figure| figure.name == name).expect("a figure");
        let mut measurements = parse_measurements(line).expect("a measurement");
        Outcome::new(figure, None, Ok(measurements.remove(0)))
    }

    #[test]
    fn a_measurement_meets_or_misses_its_target() {
        let table = [
            ("ready_ms", r#"{"figure":"ready_ms","value":60,"unit":"ms"}"#, Verdict::Met),
            ("ready_ms", r#"{"figure":"ready_ms","value":60.1,"unit":"ms"}"#, Verdict::Missed),
            ("backlog_rows_per_s", r#"{"figure":"backlog_rows_per_s","value":20000,"unit":"rows/s"}"#, Verdict::Met),
            ("backlog_rows_per_s", r#"{"figure":"backlog_rows_per_s","value":19999,"unit":"rows/s"}"#, Verdict::Missed),
            ("quota_requests", r#"{"figure":"quota_requests","value":101,"unit":"","least":101}"#, Verdict::Met),
            ("quota_requests", r#"{"figure":"quota_requests","value":102,"unit":"","least":101}"#, Verdict::Missed),
            ("quota_requests", r#"{"figure":"quota_requests","value":101,"unit":""}"#, Verdict::NotMeasured),
            ("press_bytes", r#"{"figure":"press_bytes","value":1000000,"unit":"bytes"}"#, Verdict::Told),
        ];
        for (name, line, verdict) in table {
            assert_eq!(outcome(name, line).verdict, verdict, "{line}");
        }
    }

    #[test]
    fn a_long_figure_is_measured_where_it_or_its_group_is_named() {
        let table: [(&[&str], _, _); 5] = [
            (&[], true, false),
            (&["ready_ms"], true, false),
            (&["outage"], false, true),
            (&["outage_rss_mb"], false, true),
            (&["outage_requests"], false, false),
        ];
        let figure = |name: &str| FIGURES.iter().find(|figure| figure.name == name).expect("a figure");
        for (named, ready, outage) in table {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(figure("ready_ms").is_wanted(&named), ready, "{named:?}");
            assert_eq!(figure("outage_rss_mb").is_wanted(&named), outage, "{named:?}");
        }
    }

    #[test]
    fn the_median_of_the_runs_counts_and_not_the_value() {
        let table = [("[70, 50, 55]", 55.0), ("[70, 50, 55, 57]", 56.0), ("[50]", 50.0), ("[]", 99.0)];
        for (runs, median) in table {
            let line = format!(r#"{{"figure":"ready_ms","value":99,"unit":"ms","runs":{runs}}}"#);
            assert_eq!(outcome("ready_ms", &line).value, Some(median), "{runs}");
        }
    }

    #[test]
    fn a_line_that_is_no_measurement_is_an_error() {
        for line in ["ready", r#"{"figure":"ready_ms","value":1}"#, r#"{"figure":"steady_ms","value":1,"unit":"ms"}"#] {
            assert!(parse_measurements(line).is_err(), "{line}");
        }
        assert_eq!(parse_measurements("\n").expect("nothing"), []);
    }

    #[test]
    fn what_was_not_measured_is_said_with_the_reason() {
        let figure = FIGURES.first().expect("a figure");
        let outcome = Outcome::new(figure, None, Err("no program".to_owned()));
        assert_eq!(outcome.verdict, Verdict::NotMeasured);
        assert_eq!(outcome.render_value(), "–");
        let json = serde_json::to_value(&outcome).expect("JSON");
        let expected = serde_json::json!({
            "figure": "ready_ms", "what": figure.what, "target": { "at-most": 60.0 }, "verdict": "not-measured",
            "reason": "no program",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_guest_one_byte_over_the_limit_misses_it() {
        let figure = FIGURES.iter().find(|figure| figure.name == GUEST_SIZE).expect("a figure");
        let verdict = |bytes| Outcome::new(figure, Some("one"), Ok(Measurement::of_guest(bytes))).verdict;
        assert_eq!(verdict(crate::guests::SIZE_LIMIT), Verdict::Met);
        assert_eq!(verdict(crate::guests::SIZE_LIMIT + 1), Verdict::Missed);
    }
}
