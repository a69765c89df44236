//! What is told to a person who does not look: that something has been wrong for a while, once, and that it works again.
//!
//! Times are milliseconds of a clock that never decreases, and are given. It knows neither how a message travels nor whether
//! one arrived; whoever sends them says so ([`Alerts::sent`]).

use std::collections::BTreeMap;

use crate::config::Configuration;
use crate::plugin::Problem;

/// For so long a part must work before that is told, in milliseconds: one that comes and goes would otherwise be told of
/// each time.
const STEADY_MS: u64 = 60_000;

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// A part has been in trouble for long enough.
    Trouble {
        /// The part.
        part: String,
        /// What is wrong, and what to do.
        problem: Problem,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// A part of which trouble was told works again.
    Mended {
        /// The part.
        part: String,
    },
}

/// What is known of the parts that have or had trouble.
#[derive(Debug, Clone, Default)]
pub struct Alerts {
    parts: BTreeMap<String, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    /// What is wrong; None since it works again.
    problem: Option<Problem>,
    /// Since when it has been in trouble.
    trouble_since_ms: u64,
    /// Since when it has been as it is: in trouble, or mended.
    since_ms: u64,
    /// Its trouble was told.
    is_told: bool,
}

impl Alerts {
    /// Notes which parts are in trouble now. Of a part that is no longer there nothing is told: it does not work again.
    pub fn note(&mut self, problems: &BTreeMap<String, Problem>, is_there: impl Fn(&str) -> bool, now_ms: u64) {
        for (part, problem) in problems {
            let known = self.parts.entry(part.clone()).or_insert_with(|| Known {
                problem: None,
                trouble_since_ms: now_ms,
                since_ms: now_ms,
                is_told: false,
            });
            if known.problem.is_none() {
                // One that came back before it was told to be mended has been in trouble all along.
                known.since_ms = now_ms;
            }
            known.problem = Some(problem.clone());
        }
        for (_, known) in self.parts.iter_mut().filter(|(part, _)| !problems.contains_key(*part)) {
            if known.problem.take().is_some() {
                known.since_ms = now_ms;
            }
        }
        // Of what was never told nobody needs to hear that it is over.
        self.parts.retain(|part, known| known.problem.is_some() || (known.is_told && is_there(part)));
    }

    /// What is to be told now, where a part must have been in trouble for `after_ms`.
    #[must_use]
    pub fn due(&self, after_ms: u64, now_ms: u64) -> Option<Alert> {
        self.parts.iter().find_map(|(part, known)| {
            if known.due_ms(after_ms)? > now_ms {
                return None;
            }
            Some(match &known.problem {
                Some(problem) => Alert::Trouble {
                    part: part.clone(),
                    problem: problem.clone(),
                    for_ms: now_ms.saturating_sub(known.trouble_since_ms),
                },
                None => Alert::Mended { part: part.clone() },
            })
        })
    }

    /// When something is to be told next, where nothing changes until then.
    #[must_use]
    pub fn next_ms(&self, after_ms: u64) -> Option<u64> {
        self.parts.values().filter_map(|known| known.due_ms(after_ms)).min()
    }

    /// It was told.
    pub fn sent(&mut self, alert: &Alert) {
        match alert {
            Alert::Trouble { part, .. } => {
                if let Some(known) = self.parts.get_mut(part) {
                    known.is_told = true;
                }
            }
            Alert::Mended { part } => {
                self.parts.remove(part);
            }
        }
    }
}

impl Known {
    fn due_ms(&self, after_ms: u64) -> Option<u64> {
        match (&self.problem, self.is_told) {
            (Some(_), false) => Some(self.trouble_since_ms.saturating_add(after_ms)),
            (None, true) => Some(self.since_ms.saturating_add(STEADY_MS)),
            (Some(_), true) | (None, false) => None,
        }
    }
}

/// Whether a part is there under a configuration, by the name under which it has a problem: `sinks.NAME`, also with what of it
/// behind that. What is no table of names is always there.
#[must_use]
pub fn is_configured(part: &str, configuration: &Configuration) -> bool {
    let mut words = part.split('.');
    let (table, name) = (words.next().unwrap_or_default(), words.next());
    let Some(name) = name else { return table != "metrics" || configuration.metrics.is_some() };
    match table {
        "inputs" => configuration.inputs.keys().any(|known| known.as_str() == name),
        "outputs" => configuration.outputs.keys().any(|known| known.as_str() == name),
        "sensors" => configuration.sensors.keys().any(|known| known.as_str() == name),
        "grants" => configuration.grants.keys().any(|known| known.as_str() == name),
        "sinks" => configuration.sinks.keys().any(|known| known.as_str() == name),
        "repositories" => configuration.repositories.keys().any(|known| known.as_str() == name),
        _ => true,
    }
}

/// An alert as a person reads it.
#[must_use]
pub fn render_alert(alert: &Alert, device: &str) -> String {
    match alert {
        Alert::Trouble { part, problem, for_ms } => {
            let minutes = for_ms / 60_000;
            let lasted = match minutes {
                0 => format!("{} seconds", for_ms / 1_000),
                1 => "1 minute".to_owned(),
                minutes => format!("{minutes} minutes"),
            };
            let advice = problem.advice.trim();
            let advice = if advice.is_empty() { String::new() } else { format!(": {advice}") };
            format!("{device}: {part} has had a problem for {lasted}: {}{advice}", problem.headline)
        }
        Alert::Mended { part } => format!("{device}: {part} works again"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AFTER_MS: u64 = 600_000;

    fn problem(headline: &str) -> Problem {
        Problem { headline: headline.to_owned(), advice: "try again".to_owned() }
    }

    fn at(parts: &[&str]) -> BTreeMap<String, Problem> {
        parts.iter().map(|part| ((*part).to_owned(), problem("no network"))).collect()
    }

    /// What is told of a history of troubles, and when.
    fn told(history: &[(u64, &[&str])], until_ms: u64) -> Vec<(u64, String)> {
        let (mut alerts, mut told) = (Alerts::default(), Vec::new());
        let mut changes = history.iter().peekable();
        let mut now_ms = 0;
        loop {
            while let Some((_, parts)) = changes.next_if(|(at_ms, _)| *at_ms <= now_ms) {
                alerts.note(&at(parts), |_| true, now_ms);
            }
            while let Some(alert) = alerts.due(AFTER_MS, now_ms) {
                alerts.sent(&alert);
                told.push((now_ms, render_alert(&alert, "door")));
            }
            let next_ms =
                [changes.peek().map(|(at_ms, _)| *at_ms), alerts.next_ms(AFTER_MS)].into_iter().flatten().min();
            match next_ms.filter(|next_ms| *next_ms <= until_ms) {
                Some(next_ms) => now_ms = next_ms,
                None => return told,
            }
        }
    }

    #[test]
    fn each_trouble_is_told_once_when_it_has_lasted_and_once_when_it_is_over() {
        const TROUBLE: &str = "door: sheet has had a problem for 10 minutes: no network: try again";
        const MENDED: &str = "door: sheet works again";
        type Case = (&'static str, &'static [(u64, &'static [&'static str])], &'static [(u64, &'static str)]);
        let table: &[Case] = &[
            ("nothing", &[(0, &[])], &[]),
            ("soon over", &[(0, &["sheet"]), (599_999, &[])], &[]),
            ("it lasts", &[(5, &["sheet"]), (9_000_000, &["sheet"])], &[(600_005, TROUBLE)]),
            ("and is over", &[(0, &["sheet"]), (700_000, &[])], &[(600_000, TROUBLE), (760_000, MENDED)]),
            (
                "it comes and goes once it was told",
                &[(0, &["sheet"]), (700_000, &[]), (759_999, &["sheet"]), (900_000, &[])],
                &[(600_000, TROUBLE), (960_000, MENDED)],
            ),
            (
                "short ones do not add up",
                &[(0, &["sheet"]), (400_000, &[]), (400_001, &["sheet"]), (900_000, &[])],
                &[],
            ),
            (
                "twice",
                &[(0, &["sheet"]), (700_000, &[]), (800_000, &["sheet"])],
                &[(600_000, TROUBLE), (760_000, MENDED), (1_400_000, TROUBLE)],
            ),
        ];
        for (name, history, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(at_ms, text)| (*at_ms, (*text).to_owned())).collect();
            assert_eq!(told(history, 100_000_000), expected, "{name}");
        }
    }

    #[test]
    fn an_alert_that_did_not_arrive_stays_due_and_is_forgotten_when_its_trouble_is_over() {
        let mut alerts = Alerts::default();
        alerts.note(&at(&["sheet"]), |_| true, 0);
        assert_eq!(alerts.due(AFTER_MS, 599_999), None);
        for now_ms in [600_000, 660_000] {
            assert!(matches!(alerts.due(AFTER_MS, now_ms), Some(Alert::Trouble { for_ms, .. }) if for_ms == now_ms));
        }
        alerts.note(&BTreeMap::new(), |_| true, 700_000);
        assert_eq!((alerts.due(AFTER_MS, 9_000_000), alerts.next_ms(AFTER_MS)), (None, None));
    }

    #[test]
    fn a_part_that_was_removed_does_not_work_again() {
        for (is_there, expected) in [(true, Some(Alert::Mended { part: "sinks.sheet".to_owned() })), (false, None)] {
            let mut alerts = Alerts::default();
            alerts.note(&at(&["sinks.sheet"]), |_| true, 0);
            let told = alerts.due(AFTER_MS, AFTER_MS).unwrap();
            alerts.sent(&told);
            // Its problem goes first, and a moment later the part.
            alerts.note(&BTreeMap::new(), |_| true, 700_000);
            alerts.note(&BTreeMap::new(), |part| is_there || part != "sinks.sheet", 700_001);
            assert_eq!(alerts.due(AFTER_MS, 9_000_000), expected);
        }
    }

    #[test]
    fn a_part_is_there_while_the_configuration_names_it() {
        let text = r#"
            [device]
            name = "door"
            time-zone = "UTC"
            [inputs.button]
            driver = "keyboard"
            key = "1"
            press = { event = "punch" }
        "#;
        let configuration = crate::config::parse_what_is_valid(text).0;
        assert_eq!(configuration.inputs.len(), 1);
        let table = [
            ("inputs.button", true),
            ("inputs.bell", false),
            ("sinks.sheet.format", false),
            ("grants.google", false),
            ("inputs", true),
            ("panel", true),
            ("metrics", false),
        ];
        for (part, expected) in table {
            assert_eq!(is_configured(part, &configuration), expected, "{part}");
        }
    }

    proptest! {
        /// Whatever comes and goes: of each part trouble and mending are told in turn, trouble first.
        #[test]
        fn trouble_and_mending_are_told_in_turn(history in prop::collection::vec((0_u64..2_000_000, 0_usize..4), 0..40)) {
            let sets: [&[&str]; 4] = [&[], &["a"], &["b"], &["a", "b"]];
            let mut now_ms = 0;
            let history: Vec<(u64, &[&str])> = history.into_iter().map(|(gap_ms, set)| {
                now_ms += gap_ms;
                (now_ms, sets[set])
            }).collect();
            for part in ["a", "b"] {
                let of_part = told(&history, u64::MAX / 2).into_iter().filter(|(_, text)| text.starts_with(&format!("door: {part} ")));
                for (index, (_, text)) in of_part.enumerate() {
                    prop_assert_eq!(text.ends_with("works again"), index % 2 == 1, "{}", text);
                }
            }
        }
    }
}
