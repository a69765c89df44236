//! The report behind `punchcard status`, gathered from the parts of a running device.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::delivery;
use punchcard_core::grant::GrantStatus;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;

use super::device::Device;
use super::error_chain::chain;
use super::formatting;
use super::grant::Grant;
use super::io::input_part;
use super::listing::ListingStatus;
use super::part::handle::{ListingHandle, SensorHandle, SinkHandle};
use super::part::roster::{OnOrOff, Parts};
use super::sensor::{LastReading, SensorStatus, sensor_part};
use super::status::{
    CallsReport, GrantReport, GrantStanding, InputReport, ListingReport, ListingStanding, PluginReport, ProblemReport,
    ReadingReport, Report, SensorReport, SensorStanding, SinkReport, StageReport,
};
use punchcard_ledger::SinkCounts;

/// Gathers the report.
pub(super) async fn report(device: &Device) -> Report {
    let parts = Arc::clone(&device.parts.borrow());
    // Those of inputs are said with the inputs.
    let of_inputs = |part: &str| parts.configuration.inputs.keys().any(|name| input_part(name) == part);
    let (inputs, mut problems): (Vec<_>, Vec<_>) =
        device.troubles.report().into_iter().partition(|problem| of_inputs(&problem.part));
    // A sensor's own standing says the same, and more.
    let of_sensors = |part: &str| parts.configuration.sensors.keys().any(|name| sensor_part(name) == part);
    problems.retain(|problem| !of_sensors(&problem.part));
    let mut troubled_inputs: BTreeMap<String, String> =
        inputs.into_iter().map(|ProblemReport { part, problem }| (part, problem.advice)).collect();
    let counts = device.ledger.sinks().await.unwrap_or_else(|error| {
        let advice = format!("{}; what waits and what was delivered is not known, and not 0 as shown", chain(error));
        let problem = Problem { headline: "ledger can't be read".into(), advice };
        problems.push(ProblemReport { part: "ledger".into(), problem });
        Vec::new()
    });
    for (name, part) in &parts.grants {
        if let Ok(grant) = part
            && let Some(advice) = grant.damage()
        {
            let problem = Problem { headline: "tokens were damaged".into(), advice };
            problems.push(ProblemReport { part: format!("grants.{name}"), problem });
        }
    }
    let mut counts: BTreeMap<SinkName, SinkCounts> =
        counts.into_iter().map(|counts| (counts.sink.clone(), counts)).collect();
    // After the ledger was waited for: seconds that are left are counted from now.
    let now_ms = device.clock.monotonic_ms();
    let mut sinks = Vec::new();
    for (name, part) in &parts.sinks {
        sinks.push(sink_report(name.to_string(), part, counts.remove(name), Some(&parts), now_ms));
    }
    if !parts.starting {
        sinks.extend(counts.into_values().filter_map(removed_sink_report));
    }
    Report {
        device: device.configuration.device.name.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        problems,
        configuration: device.configuration_report(),
        clock_known: device.time.now(&device.clock).is_known(),
        events: device.ledger.accepted().borrow().0,
        plugins: parts.plugins.iter().map(|plugin| plugin_report(plugin, &parts)).collect(),
        grants: parts
            .grants
            .iter()
            .map(|(name, part)| GrantReport {
                name: name.to_string(),
                provider: parts
                    .configuration
                    .grants
                    .get(name)
                    .and_then(|grant| grant.settings.text("provider").map(ToOwned::to_owned)),
                on_request: part.as_ref().is_ok_and(|grant| grant.is_on_request()),
                granted_at: part.as_ref().ok().and_then(|grant| grant.granted_at()),
                account: part.as_ref().ok().and_then(|grant| grant.account()),
                account_before: part.as_ref().ok().and_then(|grant| grant.account_before()),
                standing: grant_standing(part, now_ms),
            })
            .collect(),
        sinks,
        inputs: parts
            .configuration
            .inputs
            .keys()
            .map(|name| InputReport { name: name.to_string(), error: troubled_inputs.remove(&input_part(name)) })
            .collect(),
        sensors: parts.sensors.iter().map(|(name, part)| sensor_report(name.to_string(), part)).collect(),
        listings: parts.listings.iter().map(|(name, part)| listing_report(name.to_string(), part)).collect(),
        simulated_hardware: device.is_simulated,
        repositories: device.repositories.borrow().clone(),
    }
}

/// What is known of a plugin, with what became of its calls until now.
fn plugin_report(plugin: &PluginReport, parts: &Parts) -> PluginReport {
    let counted = parts.tallies.get(&plugin.name).map(|tally| tally.read());
    let calls = counted.map(|counted| CallsReport {
        calls: counted.calls,
        milliseconds: u64::try_from(counted.took.as_millis()).unwrap_or(u64::MAX),
        peak_memory_bytes: u64::try_from(counted.peak_memory_bytes).unwrap_or(u64::MAX),
        work: counted.outcomes.work,
        failures: counted.outcomes.failures(),
        last_error: counted.last_error,
    });
    PluginReport { calls, ..plugin.clone() }
}

fn sensor_report(name: String, part: &OnOrOff<Arc<SensorHandle>>) -> SensorReport {
    let sensor = match part {
        Ok(sensor) => sensor.standing.borrow().clone(),
        Err(reason) => {
            return SensorReport { name, standing: SensorStanding::Off { reason: reason.clone() }, last: None };
        }
    };
    let SensorStatus { last, failure } = sensor;
    let standing = match (failure, &last) {
        (Some(reason), _) => SensorStanding::Failing { reason },
        (None, Some(_)) => SensorStanding::Reading,
        (None, None) => SensorStanding::Starting,
    };
    let last = last.map(|LastReading { at, fields }| ReadingReport { at: at.map(|at| at.unix_micros), fields });
    SensorReport { name, standing, last }
}

fn listing_report(name: String, part: &OnOrOff<Arc<ListingHandle>>) -> ListingReport {
    let (standing, list) = match part {
        Ok(listing) => {
            let ListingStatus { list, is_fetched, failure, .. } = listing.standing.borrow().clone();
            let standing = match failure {
                Some(reason) => ListingStanding::Stale { reason },
                None if is_fetched => ListingStanding::Current,
                None => ListingStanding::Starting,
            };
            (standing, list)
        }
        Err(reason) => (ListingStanding::Off { reason: reason.clone() }, None),
    };
    ListingReport {
        name,
        standing,
        items: list.as_ref().map_or(0, |list| list.items.len()),
        left_out: list.as_ref().map_or(0, |list| list.left_out),
        fetched_at: list.and_then(|list| list.at),
    }
}

/// A sink that plugins.toml no longer names, where rows of it have not arrived.
fn removed_sink_report(counts: SinkCounts) -> Option<SinkReport> {
    if counts.declared || counts.rows_waiting + counts.rows_in_flight == 0 {
        return None;
    }
    let name = counts.sink.to_string();
    let reason = "plugins.toml no longer names it; its rows are kept until it does, under the same name";
    let part = Err(reason.to_owned());
    Some(SinkReport { events_waiting: 0, ..sink_report(name, &part, Some(counts), None, 0) })
}

fn grant_standing(part: &OnOrOff<Arc<Grant>>, now_ms: u64) -> GrantStanding {
    let seconds_left = |until_ms: u64| until_ms.saturating_sub(now_ms).div_ceil(1_000);
    match part {
        Err(reason) => GrantStanding::Off { reason: reason.clone() },
        Ok(grant) => match grant.standing_at(now_ms) {
            GrantStatus::Starting => GrantStanding::Starting,
            GrantStatus::SignedOut => GrantStanding::SignedOut,
            GrantStatus::AwaitingPerson { prompt, until_ms } => GrantStanding::AwaitingPerson {
                user_code: prompt.user_code,
                url: prompt.url,
                complete_url: prompt.complete_url,
                purpose: prompt.purpose,
                seconds_left: seconds_left(until_ms),
            },
            GrantStatus::Authorized { until_ms, scopes, .. } => {
                GrantStanding::Authorized { seconds_left: until_ms.map(seconds_left), scopes }
            }
            GrantStatus::Renewing => GrantStanding::Renewing,
            GrantStatus::Blocked(problem) => GrantStanding::Blocked { problem },
            GrantStatus::Failing { reason } => GrantStanding::Failing { reason },
        },
    }
}

fn sink_report(
    name: String,
    part: &OnOrOff<Arc<SinkHandle>>,
    counts: Option<SinkCounts>,
    parts: Option<&Parts>,
    now_ms: u64,
) -> SinkReport {
    let (formatting, delivery) = match part {
        Err(reason) => (StageReport::Off { reason: reason.clone() }, StageReport::Off { reason: reason.clone() }),
        Ok(sink) => {
            let formatting = match sink.formatting.borrow().clone() {
                formatting::FormattingStatus::Idle => StageReport::Idle,
                formatting::FormattingStatus::Working => StageReport::Working,
                formatting::FormattingStatus::AwaitingTime => StageReport::AwaitingTime,
                formatting::FormattingStatus::Failing { reason } => StageReport::Failing { reason },
            };
            let has_lease = sink.grant.as_ref().is_none_or(|grant| {
                parts.and_then(|parts| parts.grants.get(grant)).is_some_and(|grant| match grant {
                    Ok(grant) => grant.standing_at(now_ms).lease(now_ms).is_some(),
                    Err(_) => false,
                })
            });
            let grant_off =
                parts.and_then(|parts| parts.why_grant_off(sink)).map(|reason| format!("{reason}; its rows are kept"));
            let off = sink.delivery_off.clone().or(grant_off);
            let delivery = match sink.delivery.borrow().clone() {
                _ if off.is_some() => StageReport::Off { reason: off.unwrap_or_default() },
                delivery::DeliveryStatus::Idle => StageReport::Idle,
                delivery::DeliveryStatus::Paused => StageReport::Paused,
                delivery::DeliveryStatus::Working if !has_lease => StageReport::AwaitingGrant,
                delivery::DeliveryStatus::Working => StageReport::Working,
                delivery::DeliveryStatus::Waiting { problem } => StageReport::Waiting { problem },
                delivery::DeliveryStatus::Held { problem } => StageReport::Held { problem },
                delivery::DeliveryStatus::Failing { reason } => StageReport::Failing { reason },
            };
            (formatting, delivery)
        }
    };
    let count = |of: fn(&SinkCounts) -> u64| counts.as_ref().map_or(0, of);
    SinkReport {
        name,
        formatting,
        delivery,
        events_waiting: count(|counts| counts.events_waiting),
        rows_waiting: count(|counts| counts.rows_waiting),
        rows_in_flight: count(|counts| counts.rows_in_flight),
        rows_delivered: count(|counts| counts.rows_delivered),
        set_aside: count(|counts| (counts.rows_set_aside + counts.events_set_aside).saturating_sub(counts.dropped)),
        dropped: count(|counts| counts.dropped),
        oldest_waiting_at: counts.as_ref().and_then(|counts| counts.oldest_waiting_at).map(|at| at.unix_micros),
        last_delivered_at: counts.as_ref().and_then(|counts| counts.delivered_at).map(|at| at.unix_micros),
        standing: counts.as_ref().and_then(|counts| counts.standing.clone()),
        notice: part.as_ref().ok().and_then(|sink| sink.notice.borrow().clone()),
        link: counts.and_then(|counts| counts.link),
    }
}
