//! What a device says of itself with `punchcard status --json`, as far as it matters to those who try one.

use serde::Deserialize;

/// What matters of `punchcard status --json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    /// In the ledger.
    pub(crate) events: u64,
    /// Whether it knows the time.
    #[serde(default)]
    pub(crate) clock_known: bool,
    grants: Vec<Grant>,
    sinks: Vec<Sink>,
    #[serde(default)]
    problems: Vec<Problem>,
    #[serde(default)]
    inputs: Vec<Part>,
    #[serde(default)]
    plugins: Vec<Part>,
    #[serde(default)]
    sensors: Vec<Sensor>,
    #[serde(default)]
    listings: Vec<Listing>,
}

/// A list that is fetched.
#[derive(Debug, Deserialize)]
struct Listing {
    items: u64,
}

/// What is wrong with the device itself.
#[derive(Debug, Deserialize)]
struct Problem {
    part: String,
    problem: Headline,
}

#[derive(Debug, Deserialize)]
struct Headline {
    headline: String,
}

/// An input or a plugin.
#[derive(Debug, Deserialize)]
struct Part {
    name: String,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Sensor {
    name: String,
    /// Why it is not read, where that is so.
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Grant {
    status: String,
    user_code: Option<String>,
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sink {
    events_waiting: u64,
    rows_waiting: u64,
    rows_in_flight: u64,
}

/// What a person is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) user_code: String,
    pub(crate) url: String,
}

impl Report {
    /// The code to enter, where one is shown.
    pub(crate) fn prompt(&self) -> Option<Prompt> {
        let asking = self.grants.iter().find(|grant| grant.status == "awaiting-person")?;
        Some(Prompt { user_code: asking.user_code.clone()?, url: asking.url.clone()? })
    }

    /// How many items there are in all lists that are fetched.
    pub(crate) fn listed(&self) -> u64 {
        self.listings.iter().map(|listing| listing.items).sum()
    }

    /// Whether a sign-in waits for a person who does not know yet how.
    pub(crate) fn is_blocked(&self) -> bool {
        self.grants.iter().any(|grant| grant.status == "blocked")
    }

    /// Whether there is anything to sign in to, and anywhere for rows to go.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.grants.is_empty() && !self.sinks.is_empty()
    }

    /// Whether every grant is signed in.
    pub(crate) fn is_authorized(&self) -> bool {
        !self.grants.is_empty() && self.grants.iter().all(|grant| grant.status == "authorized")
    }

    /// What is wrong with the device, its inputs, its plugins and its sensors: a line for each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let of_device = self.problems.iter().map(|found| format!("{}: {}", found.part, found.problem.headline));
        let off = |part: &Part| part.error.as_ref().map(|error| format!("{}: {error}", part.name));
        let unread = |sensor: &Sensor| sensor.reason.as_ref().map(|reason| format!("{}: {reason}", sensor.name));
        let of_parts = self.inputs.iter().chain(&self.plugins).filter_map(off);
        of_device.chain(of_parts).chain(self.sensors.iter().filter_map(unread)).collect()
    }

    /// Whether nothing waits on its way to a sheet.
    pub(crate) fn is_idle(&self) -> bool {
        let waiting = |sink: &Sink| sink.events_waiting + sink.rows_waiting + sink.rows_in_flight;
        !self.sinks.is_empty() && self.sinks.iter().all(|sink| waiting(sink) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(grants: &str, sinks: &str) -> Report {
        let text = format!(r#"{{"device":"demo","events":2,"grants":[{grants}],"sinks":[{sinks}]}}"#);
        serde_json::from_str(&text).expect("a report")
    }

    #[test]
    fn the_prompt_is_read_while_a_person_is_awaited_and_not_otherwise() {
        let awaiting = r#"{"name":"google","status":"awaiting-person","user-code":"QxRt-kLmP","url":"http://x/device",
                           "complete-url":null,"purpose":"keep files","seconds-left":1800}"#;
        let prompt = report(awaiting, "").prompt();
        let expected = Prompt { user_code: "QxRt-kLmP".to_owned(), url: "http://x/device".to_owned() };
        assert_eq!(prompt, Some(expected));
        assert!(!report(awaiting, "").is_authorized());

        let authorized = r#"{"name":"google","status":"authorized","seconds-left":3599,"scopes":[]}"#;
        assert_eq!(report(authorized, "").prompt(), None);
        assert!(report(authorized, "").is_authorized());
        assert!(!report(&format!("{authorized},{awaiting}"), "").is_authorized());
        assert!(!report("", "").is_authorized());
    }

    #[test]
    fn what_is_wrong_is_told_of_the_device_and_of_its_parts() {
        assert!(report("", "").faults().is_empty());
        let text = r#"{"events":0,"grants":[],"sinks":[],
            "problems":[{"part":"panel","problem":{"headline":"the panel is off","advice":"plug it in"}}],
            "inputs":[{"name":"clock","error":"no chip"},{"name":"knob","error":null}],
            "plugins":[{"name":"timeclock","error":null},{"name":"webhook","error":"no file"}],
            "sensors":[{"name":"climate","status":"failing","reason":"no answer"},{"name":"roof","status":"reading"}]}"#;
        let report: Report = serde_json::from_str(text).expect("a report");
        assert_eq!(
            report.faults(),
            ["panel: the panel is off", "clock: no chip", "webhook: no file", "climate: no answer"]
        );
    }

    #[test]
    fn a_device_is_idle_when_nothing_waits_anywhere() {
        let sink = |events: u64, rows: u64, in_flight: u64| {
            let text = format!(r#"{{"events-waiting":{events},"rows-waiting":{rows},"rows-in-flight":{in_flight}}}"#);
            report("", &text)
        };
        assert!(sink(0, 0, 0).is_idle());
        for busy in [sink(1, 0, 0), sink(0, 1, 0), sink(0, 0, 1), report("", "")] {
            assert!(!busy.is_idle(), "{busy:?}");
        }
    }
}
