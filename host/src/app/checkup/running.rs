//! What the running device says of itself: the account, the sheet, its troubles.

use std::path::Path;

use punchcard_core::checkup::Finding;
use punchcard_core::config::Configuration;
use punchcard_core::plugin::Problem;

use super::super::control::{Answer, ControlError};
use super::super::error_chain::chain;
use super::super::status::{
    GrantReport, GrantStanding, ListingReport, ListingStanding, Report, SensorReport, SensorStanding, SinkReport,
    StageReport,
};

/// What to do about a part of which no more is known.
const LOOK: &str = "`punchcard status` and `punchcard logs` say more";

/// Whether a device runs on the state folder.
pub(super) fn judge_answer(answer: &Result<Answer, ControlError>, state: &Path) -> Finding {
    const CHECK: &str = "device";
    match answer {
        Ok(Answer::Status(report)) => {
            Finding::good(CHECK, &format!("`{}` runs and answers; events recorded: {}", report.device, report.events))
        }
        Ok(_) => {
            Finding::bad(CHECK, "it runs, and its answer does not fit", "it may be of another version: start it anew")
        }
        Err(ControlError::NoHost { .. }) => {
            let seen = format!("none runs on {}", state.display());
            let remedy = "`sudo systemctl start punchcard` where it is installed, else `punchcard run`";
            Finding::unknown(CHECK, &seen).with_remedy(remedy)
        }
        Err(error) => Finding::of_error(CHECK, &chain(error), "`sudo punchcard doctor` asks as its own user"),
    }
}

/// What is known of sensors, accounts and sheets while no device runs: nothing.
pub(super) fn without_report(configuration: &Configuration) -> Vec<Finding> {
    let sensors = configuration.sensors.keys().map(|name| format!("sensor {name}"));
    let grants = configuration.grants.keys().map(|name| format!("account {name}"));
    let listed = configuration.choices.iter().filter(|(_, choice)| choice.listing().is_some());
    let lists = listed.map(|(name, _)| format!("list of {name}"));
    let sinks = configuration.sinks.keys().map(|name| format!("sink {name}"));
    sensors
        .chain(lists)
        .chain(grants)
        .chain(sinks)
        .map(|check| Finding::unknown(&check, "the device is asked while it runs"))
        .collect()
}

/// Sensors, accounts, sheets and troubles.
pub(super) fn judge_report(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(fallback) = report.configuration.fallback {
        let seen = format!("the file has errors; {}", fallback.in_words());
        let remedy = "`punchcard check` says what is wrong with it";
        findings.push(Finding::bad("configuration in force", &seen, remedy));
    }
    findings.extend(report.problems.iter().map(|found| of_problem(&found.part, &found.problem)));
    for input in &report.inputs {
        findings
            .extend(input.error.as_ref().map(|error| Finding::of_error(&format!("input {}", input.name), error, LOOK)));
    }
    for plugin in &report.plugins {
        let check = format!("plugin {}", plugin.name);
        findings.push(match (&plugin.error, &plugin.sha256) {
            (Some(error), _) => Finding::of_error(&check, error, "`punchcard check` tries it again"),
            (None, Some(sha256)) => Finding::good(&check, &format!("loaded, SHA-256 {sha256}")),
            (None, None) => Finding::good(&check, "loaded"),
        });
    }
    findings.extend(report.sensors.iter().map(judge_sensor));
    findings.extend(report.listings.iter().map(judge_listing));
    findings.extend(report.grants.iter().map(judge_grant));
    findings.extend(report.sinks.iter().flat_map(judge_sink));
    findings
}

fn judge_sensor(sensor: &SensorReport) -> Finding {
    let check = format!("sensor {}", sensor.name);
    match &sensor.standing {
        SensorStanding::Starting => Finding::unknown(&check, "it was not read yet"),
        SensorStanding::Reading => Finding::good(&check, "it is read"),
        SensorStanding::Failing { reason } => Finding::of_error(&check, reason, LOOK),
        SensorStanding::Off { reason } => {
            Finding::bad(&check, &format!("off: {reason}"), "`punchcard check` says more")
        }
    }
}

fn judge_listing(listing: &ListingReport) -> Finding {
    let check = format!("list of {}", listing.name);
    match &listing.standing {
        ListingStanding::Starting => Finding::unknown(&check, "it was not fetched yet"),
        ListingStanding::Current => Finding::good(&check, &format!("{} items", listing.items)),
        ListingStanding::Stale { reason } => Finding::of_error(&check, reason, LOOK),
        ListingStanding::Off { reason } => {
            Finding::bad(&check, &format!("off: {reason}"), "`punchcard check` says more")
        }
    }
}

fn judge_grant(grant: &GrantReport) -> Finding {
    let name = &grant.name;
    let check = format!("account {name}");
    match &grant.standing {
        GrantStanding::Starting => Finding::unknown(&check, "its plugin has not answered yet"),
        GrantStanding::Authorized { .. } => Finding::good(&check, "signed in"),
        GrantStanding::Renewing => Finding::good(&check, "signed in, and renewing its token"),
        GrantStanding::SignedOut if grant.on_request => {
            let remedy = format!("`punchcard sign-in {name}`, when it is wanted");
            Finding::unknown(&check, "nobody is signed in, and it is signed in to on request").with_remedy(&remedy)
        }
        GrantStanding::SignedOut => Finding::bad(&check, "nobody is signed in", &format!("`punchcard sign-in {name}`")),
        // Its code is for whoever stands before the panel.
        GrantStanding::AwaitingPerson { url, .. } => {
            let remedy = format!("go to {url} and enter the code that the panel and `punchcard status` show");
            Finding::bad(&check, "it waits for a person to sign in", &remedy)
        }
        GrantStanding::Blocked { problem } => of_problem(&check, problem),
        GrantStanding::Failing { reason } => Finding::bad(&check, &format!("its plugin fails: {reason}"), LOOK),
        GrantStanding::Off { reason } => Finding::bad(&check, &format!("off: {reason}"), "`punchcard check` says more"),
    }
}

fn judge_sink(sink: &SinkReport) -> Vec<Finding> {
    let check = format!("sink {}", sink.name);
    let waiting = sink.events_waiting.saturating_add(sink.rows_waiting).saturating_add(sink.rows_in_flight);
    let mut counts = format!("rows delivered: {}, waiting: {waiting}", sink.rows_delivered);
    if let Some(link) = &sink.link {
        counts.push_str(&format!("; {link}"));
    }
    let mut findings: Vec<Finding> = [&sink.formatting, &sink.delivery]
        .into_iter()
        .filter_map(|stage| judge_stage(&check, &sink.name, stage))
        .collect();
    if sink.set_aside > 0 {
        let seen = format!("set aside: {}", sink.set_aside);
        findings.push(Finding::bad(&check, &seen, "`punchcard rejects` says why, and what can be done"));
    }
    findings.extend(sink.notice.as_ref().map(|notice| of_problem(&check, notice)));
    if findings.is_empty() {
        findings.push(Finding::good(&check, &counts));
    } else {
        findings.push(Finding::unknown(&check, &counts));
    }
    findings
}

fn judge_stage(check: &str, sink: &str, stage: &StageReport) -> Option<Finding> {
    match stage {
        StageReport::Idle | StageReport::Working | StageReport::AwaitingGrant => None,
        StageReport::AwaitingTime => Some(Finding::bad(check, "it waits until the time is known", "see the clock")),
        StageReport::Paused => {
            Some(Finding::unknown(check, "a person paused it").with_remedy(&format!("`punchcard sinks resume {sink}`")))
        }
        StageReport::Waiting { problem: None } => None,
        StageReport::Waiting { problem: Some(problem) } | StageReport::Held { problem: Some(problem) } => {
            Some(of_problem(check, problem))
        }
        StageReport::Held { problem: None } => Some(Finding::bad(check, "it waits for a person", LOOK)),
        StageReport::Failing { reason } => Some(Finding::bad(check, &format!("its plugin fails: {reason}"), LOOK)),
        StageReport::Off { reason } => {
            Some(Finding::bad(check, &format!("off: {reason}"), "`punchcard check` says more"))
        }
    }
}

fn of_problem(check: &str, problem: &Problem) -> Finding {
    Finding::bad(check, &problem.headline, &problem.advice)
}

#[cfg(test)]
mod tests {
    use punchcard_core::checkup::Verdict;

    use super::super::super::status::ConfigurationReport;
    use super::*;

    #[test]
    fn a_sensor_that_is_not_read_is_not_good() {
        let reason = "no answer at 0x76; look at its wires".to_owned();
        for (standing, verdict, seen) in [
            (SensorStanding::Starting, Verdict::Unknown, "it was not read yet"),
            (SensorStanding::Reading, Verdict::Good, "it is read"),
            (SensorStanding::Failing { reason: reason.clone() }, Verdict::Bad, "no answer at 0x76"),
            (SensorStanding::Off { reason: "no plugin".into() }, Verdict::Bad, "off: no plugin"),
        ] {
            let report = Report {
                device: "door".into(),
                version: "1".into(),
                configuration: ConfigurationReport { path: "plugins.toml".into(), fallback: None, errors: None },
                problems: Vec::new(),
                clock_known: true,
                events: 0,
                plugins: Vec::new(),
                grants: Vec::new(),
                sinks: Vec::new(),
                inputs: Vec::new(),
                sensors: vec![SensorReport { name: "climate".into(), standing, last: None }],
                listings: Vec::new(),
                simulated_hardware: false,
                repositories: Vec::new(),
            };
            let found = judge_report(&report);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(
                (found[0].check.as_str(), found[0].verdict, found[0].seen.as_str()),
                ("sensor climate", verdict, seen)
            );
            assert_eq!(found[0].remedy.is_some(), verdict == Verdict::Bad);
        }
    }

    #[test]
    fn a_grant_is_good_when_somebody_is_signed_in_and_its_code_is_not_told() {
        let waiting = GrantStanding::AwaitingPerson {
            user_code: "GQVQ-JKEC".into(),
            url: "https://h.example/device".into(),
            complete_url: Some("https://h.example/device?code=GQVQ-JKEC".into()),
            purpose: "write".into(),
            seconds_left: 1_700,
        };
        let problem = Problem { headline: "sign-in ended".into(), advice: "publish the app".into() };
        for (standing, verdict, seen) in [
            (GrantStanding::Starting, Verdict::Unknown, "its plugin has not answered yet"),
            (GrantStanding::Authorized { seconds_left: None, scopes: Vec::new() }, Verdict::Good, "signed in"),
            (GrantStanding::Renewing, Verdict::Good, "signed in, and renewing its token"),
            (GrantStanding::SignedOut, Verdict::Bad, "nobody is signed in"),
            (waiting, Verdict::Bad, "it waits for a person to sign in"),
            (GrantStanding::Blocked { problem }, Verdict::Bad, "sign-in ended"),
            (GrantStanding::Failing { reason: "it trapped".into() }, Verdict::Bad, "its plugin fails: it trapped"),
            (GrantStanding::Off { reason: "no file".into() }, Verdict::Bad, "off: no file"),
        ] {
            let grant = GrantReport {
                name: "google".into(),
                provider: None,
                account: None,
                account_before: None,
                granted_at: None,
                on_request: false,
                standing,
            };
            let found = judge_grant(&grant);
            assert_eq!((found.verdict, found.seen.as_str()), (verdict, seen));
            assert!(!format!("{found:?}").contains("GQVQ"), "{found:?}");
            assert_eq!(found.remedy.is_some(), verdict == Verdict::Bad);
        }
        let standing = GrantStanding::SignedOut;
        let found = judge_grant(&GrantReport {
            name: "google".into(),
            provider: None,
            account: None,
            account_before: None,
            granted_at: None,
            on_request: true,
            standing,
        });
        assert_eq!(found.verdict, Verdict::Unknown, "nobody has wanted it yet: {found:?}");
    }

    #[test]
    fn a_sink_with_a_problem_is_not_good() {
        let sink = SinkReport {
            name: "sheet".into(),
            formatting: StageReport::Idle,
            delivery: StageReport::Idle,
            standing: None,
            events_waiting: 1,
            rows_waiting: 2,
            rows_in_flight: 3,
            oldest_waiting_at: None,
            rows_delivered: 9,
            set_aside: 0,
            dropped: 0,
            notice: None,
            link: Some("https://h.example/d".into()),
            last_delivered_at: None,
        };
        let counts = "rows delivered: 9, waiting: 6; https://h.example/d";
        assert_eq!(judge_sink(&sink), [Finding::good("sink sheet", counts)]);
        let problem = Problem { headline: "sheet was deleted".into(), advice: "restore it".into() };
        let held = SinkReport { delivery: StageReport::Held { problem: Some(problem) }, set_aside: 2, ..sink };
        let aside = "set aside: 2";
        let expected = [
            Finding::bad("sink sheet", "sheet was deleted", "restore it"),
            Finding::bad("sink sheet", aside, "`punchcard rejects` says why, and what can be done"),
            Finding::unknown("sink sheet", counts),
        ];
        assert_eq!(judge_sink(&held), expected);
    }
}
