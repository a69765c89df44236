//! `punchcard status`.

use std::fmt::Write;

use jiff::tz::TimeZone;
use owo_colors::OwoColorize;
use punchcard_core::plugin::Problem;

use super::events::{render_field, zone};
use super::exit::{Exit, Failure};
use super::output::{print, print_line};
use super::plugin::render_repository;
use super::time::{render_local_in, render_span};
use super::{DeviceArguments, printable, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::{
    GrantStanding, ListingReport, ListingStanding, ReadingReport, Report, SensorReport, SensorStanding, SinkReport,
    StageReport,
};

pub(super) fn status(device: &DeviceArguments, json: bool) -> Result<Exit, Failure> {
    let report = fetch(device)?;
    if json {
        print_line(serde_json::to_string_pretty(&report).map_err(Failure::general)?)?;
    } else {
        print(render_report(&report, &zone(device)))?;
    }
    Ok(Exit::Success)
}

/// Asks the running host for its report.
pub(super) fn fetch(device: &DeviceArguments) -> Result<Report, Failure> {
    match small_runtime()?.block_on(ask(&device.state, &Question::Status))? {
        Answer::Status(report) => Ok(*report),
        other => Err(unexpected(other)),
    }
}

/// An answer that does not fit its question: a refusal, or another version.
pub(super) fn unexpected(answer: Answer) -> Failure {
    match answer {
        Answer::Refused { reason } => Failure::with(Exit::Refused, reason),
        _ => Failure::general("the running host's answer does not fit; is it of another version?"),
    }
}

fn render_report(report: &Report, zone: &TimeZone) -> String {
    let mut text = format!("{}  punchcard {}\n", printable(&report.device).bold(), printable(&report.version));
    let mut line = |part: &str, says: String| {
        // A String takes everything.
        let _infallible = writeln!(text, "  {part:<24} {says}");
    };
    line("events", report.events.to_string());
    if !report.clock_known {
        line("clock", format!("{}; events are recorded and formatted later", "the time is not known yet".yellow()));
    }
    if let Some(fallback) = report.configuration.fallback {
        line("configuration", format!("{}; {}; see `punchcard check`", "has errors".red(), fallback.in_words()));
    }
    for found in &report.problems {
        line(&found.part, render_problem(&found.problem));
    }
    for input in &report.inputs {
        if let Some(error) = &input.error {
            line(&format!("input {}", input.name), format!("{}: {}", "off".red(), printable(error)));
        }
    }
    for plugin in &report.plugins {
        if let Some(error) = &plugin.error {
            line(&format!("plugin {}", plugin.name), format!("{}: {}", "off".red(), printable(error)));
        }
        let said = report.problems.iter().any(|problem| problem.part == format!("plugins.{}", plugin.name));
        if let Some(instead) = plugin.instead.as_ref().filter(|_| !said) {
            line(&format!("plugin {}", plugin.name), printable(instead));
        }
    }
    for (part, says) in report.repositories.iter().flat_map(render_repository) {
        line(&part, says);
    }
    if report.simulated_hardware {
        line("hardware", format!("{}: its readings are of no real chip", "simulated".yellow()));
    }
    for sensor in &report.sensors {
        line(&format!("sensor {}", sensor.name), render_sensor(sensor, zone));
    }
    for listing in &report.listings {
        line(&format!("choice {}", listing.name), render_listing(listing, zone));
    }
    for grant in &report.grants {
        line(&format!("grant {}", grant.name), render_grant(&grant.name, grant.account.as_deref(), &grant.standing));
    }
    for sink in &report.sinks {
        line(&format!("sink {}", sink.name), render_counts(sink, zone));
        for (stage, standing) in [("formatting", &sink.formatting), ("delivery", &sink.delivery)] {
            if let Some(says) = render_stage(&sink.name, standing) {
                line(&format!("  {stage}"), says);
            }
        }
        if let Some(notice) = &sink.notice {
            line("  notice", render_problem(notice));
        }
        if let Some(link) = &sink.link {
            line("  rows", printable(link));
        }
    }
    text
}

fn render_sensor(sensor: &SensorReport, zone: &TimeZone) -> String {
    let last = sensor.last.as_ref().map(|ReadingReport { at, fields }| {
        let fields: Vec<String> = fields.iter().map(render_field).collect();
        let at = at.map_or_else(String::new, |at| format!(" ({})", render_local_in(zone, at)));
        format!("{}{at}", printable(&fields.join(", ")))
    });
    let before = |reason: &str| match &last {
        Some(last) => format!("{}; it is tried again. Last: {last}", printable(reason)),
        None => format!("{}; it is tried again", printable(reason)),
    };
    match &sensor.standing {
        SensorStanding::Starting => "not read yet".into(),
        SensorStanding::Reading => last.unwrap_or_default(),
        SensorStanding::Failing { reason } => format!("{}: {}", "fails".red(), before(reason)),
        SensorStanding::Off { reason } => format!("{}: {}", "off".red(), printable(reason)),
    }
}

fn render_listing(listing: &ListingReport, zone: &TimeZone) -> String {
    let left_out = if listing.left_out > 0 { ", and more that are left out" } else { "" };
    let at = listing.fetched_at.map_or_else(String::new, |at| format!(" of {}", render_local_in(zone, at)));
    let list = match listing.items {
        0 => "no list yet".to_owned(),
        1 => format!("1 item{at}"),
        items => format!("{items} items{left_out}{at}"),
    };
    match &listing.standing {
        ListingStanding::Starting | ListingStanding::Current => list,
        ListingStanding::Stale { reason } => format!("{list}; {}: {}", "no newer one".yellow(), printable(reason)),
        ListingStanding::Off { reason } => format!("{}: {}", "off".red(), printable(reason)),
    }
}

fn render_grant(name: &str, account: Option<&str>, standing: &GrantStanding) -> String {
    match standing {
        GrantStanding::Starting => "starting".into(),
        GrantStanding::SignedOut => format!("{}; `punchcard sign-in {name}` signs in", "signed out".yellow()),
        GrantStanding::AwaitingPerson { user_code, url, purpose, seconds_left, .. } => format!(
            "{}: go to {} and enter {} within {}, to let it {}",
            "waits for a person".yellow(),
            printable(url),
            printable(user_code).bold(),
            render_span(*seconds_left),
            printable(purpose)
        ),
        GrantStanding::Authorized { .. } => match account {
            Some(account) => format!("{} as {}", "signed in".green(), printable(account)),
            None => "signed in".green().to_string(),
        },
        GrantStanding::Renewing => "renewing its token".into(),
        GrantStanding::Blocked { problem } => render_problem(problem),
        GrantStanding::Failing { reason } => format!("{}: {}; it is tried again", "fails".red(), printable(reason)),
        GrantStanding::Off { reason } => format!("{}: {}", "off".red(), printable(reason)),
    }
}

fn render_counts(sink: &SinkReport, zone: &TimeZone) -> String {
    let waiting = sink.rows_waiting + sink.rows_in_flight;
    let mut text = format!("{} rows delivered", sink.rows_delivered);
    if let Some(at) = sink.last_delivered_at {
        text.push_str(&format!(" (last {})", render_local_in(zone, at)));
    }
    if sink.events_waiting + waiting > 0 {
        text.push_str(&format!(", {} events and {waiting} rows waiting", sink.events_waiting));
    }
    if sink.set_aside > 0 {
        let says = format!("{} set aside", sink.set_aside);
        text.push_str(&format!(", {} (`punchcard rejects --sink {}`)", says.red(), sink.name));
    }
    if sink.dropped > 0 {
        text.push_str(&format!(", {} dropped", sink.dropped));
    }
    text
}

fn render_stage(sink: &str, stage: &StageReport) -> Option<String> {
    match stage {
        StageReport::Idle | StageReport::Working | StageReport::Waiting { problem: None } => None,
        StageReport::AwaitingTime => Some("waits until the time is known".into()),
        StageReport::AwaitingGrant => Some("waits for its grant".into()),
        StageReport::Paused => Some(format!("{}; `punchcard sinks resume {sink}` goes on", "paused".yellow())),
        StageReport::Waiting { problem: Some(problem) } => {
            Some(format!("{}: {}", printable(&problem.headline).yellow(), printable(&problem.advice)))
        }
        StageReport::Held { problem: Some(problem) } => Some(render_problem(problem)),
        StageReport::Held { problem: None } => Some("waits for a person".into()),
        StageReport::Failing { reason } => Some(format!("{}: {}; it is tried again", "fails".red(), printable(reason))),
        StageReport::Off { reason } => Some(format!("{}: {}", "off".red(), printable(reason))),
    }
}

fn render_problem(problem: &Problem) -> String {
    format!("{}: {}", printable(&problem.headline).red(), printable(&problem.advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server and its plugins would make a terminal do.
    const HOSTILE: &str = "x\x1b[2J\u{202e}y\nsink all  is well";

    #[test]
    fn nothing_that_others_say_is_obeyed_by_a_terminal() {
        let hostile = || HOSTILE.to_owned();
        let problem = || Problem { headline: hostile(), advice: hostile() };
        let prompt = GrantStanding::AwaitingPerson {
            user_code: hostile(),
            url: hostile(),
            complete_url: None,
            purpose: hostile(),
            seconds_left: 1,
        };
        let off = StageReport::Off { reason: hostile() };
        let said = [
            render_grant("g", None, &prompt),
            render_grant("g", None, &GrantStanding::Blocked { problem: problem() }),
            render_grant("g", None, &GrantStanding::Failing { reason: hostile() }),
            render_grant("g", None, &GrantStanding::Off { reason: hostile() }),
            render_stage("s", &StageReport::Waiting { problem: Some(problem()) }).unwrap_or_default(),
            render_stage("s", &StageReport::Held { problem: Some(problem()) }).unwrap_or_default(),
            render_stage("s", &StageReport::Failing { reason: hostile() }).unwrap_or_default(),
            render_stage("s", &off).unwrap_or_default(),
        ];
        for said in said {
            assert!(!said.contains("\x1b[2J") && !said.contains(['\u{202e}', '\n']), "{said:?}");
            assert!(said.contains("x\\u{1b}[2J\\u{202e}y\\nsink"), "{said:?}");
        }
    }
}
