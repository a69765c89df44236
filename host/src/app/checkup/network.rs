//! The servers that plugins.toml lets requests go to: each is asked for the head of its first page, and for nothing else.
//!
//! Nothing of the device goes with it, no token either. The path of a `reach` is left out, for it may be a secret.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use punchcard_core::checkup::Finding;
use punchcard_core::checkup::clock::{ServerTime, parse_http_date};
use punchcard_core::checkup::origin::{OriginFacts, judge_origin};
use punchcard_core::config::Configuration;
use punchcard_core::config::repository::RepositorySource;
use punchcard_core::http::{Failure, Method, Request};
use punchcard_core::reach::{Prefix, literal_address};
use punchcard_core::redact::Blanker;
use punchcard_core::request::{Reach, plan_delivery};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use super::super::error_chain::chain;
use super::super::material::open_http;
use crate::clock::Clock;
use crate::http::{Http, Limits, Trust};
use crate::machine::Machine;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the network looks like.
pub(super) struct Network {
    pub(super) findings: Vec<Finding>,
    pub(super) times: Vec<ServerTime>,
}

/// A server, and how it may be reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    /// Scheme, host and port.
    origin: String,
    /// Its address may be one of a private network.
    is_private: bool,
    /// The certificates of its authority.
    ca: Option<PathBuf>,
}

/// Asks all servers, side by side.
pub(super) async fn examine(configuration: &Configuration, folder: &Path, machine: &Machine, clock: &Clock) -> Network {
    let targets = targets(configuration, folder);
    if targets.is_empty() {
        let findings = vec![Finding::unknown("network", "plugins.toml names no server")];
        return Network { findings, times: Vec::new() };
    }
    let mut clients: BTreeMap<Option<PathBuf>, Result<Arc<Http>, String>> = BTreeMap::new();
    let mut asking = JoinSet::new();
    for (number, (target, parts)) in targets.into_iter().enumerate() {
        let http = clients.entry(target.ca.clone()).or_insert_with(|| open(target.ca.as_deref())).clone();
        let clock = clock.clone();
        asking.spawn(async move {
            let asked = ask(&target, parts, http, &clock).await;
            (number, asked)
        });
    }
    let mut asked = asking.join_all().await;
    asked.sort_by_key(|(number, _)| *number);
    let servers = machine.name_servers();
    let mut findings = vec![if servers.is_empty() {
        Finding::bad("name servers", "there are none", "the network gives some, or /etc/resolv.conf names one")
    } else {
        Finding::good("name servers", &servers.join(", "))
    }];
    let mut times = Vec::new();
    for (_, (facts, time)) in asked {
        findings.push(judge_origin(&facts));
        times.extend(time);
    }
    Network { findings, times }
}

fn open(ca: Option<&Path>) -> Result<Arc<Http>, String> {
    match ca {
        Some(ca) => open_http(ca),
        None => Http::open(&Limits::default(), &Trust::system(Vec::new())).map(Arc::new).map_err(chain),
    }
}

/// All servers, each with the parts that may reach it.
fn targets(configuration: &Configuration, folder: &Path) -> BTreeMap<Target, Vec<String>> {
    let mut targets: BTreeMap<Target, Vec<String>> = BTreeMap::new();
    let mut add = |prefixes: &[Prefix], ca: Option<&PathBuf>, part: &str| {
        for prefix in prefixes {
            let Ok(url) = Url::parse(&prefix.to_string()) else { continue };
            let origin = url.origin().ascii_serialization();
            let target = Target { origin, is_private: prefix.private(), ca: ca.map(|ca| folder.join(ca)) };
            let parts = targets.entry(target).or_default();
            if !parts.iter().any(|known| known == part) {
                parts.push(part.to_owned());
            }
        }
    };
    for (name, grant) in &configuration.grants {
        add(&grant.reach, grant.ca.as_ref(), &format!("grant {name}"));
        add(&grant.audience, None, &format!("grant {name}"));
    }
    for (name, sink) in &configuration.sinks {
        add(&sink.reach, None, &format!("sink {name}"));
    }
    if let Some(notify) = &configuration.notify {
        add(&notify.reach, None, "notify");
    }
    for (name, repository) in &configuration.repositories {
        if let RepositorySource::Url(url) = &repository.source {
            add(std::slice::from_ref(url), None, &format!("repository {name}"));
        }
    }
    targets
}

/// Looks a server up, and has it answer.
async fn ask(
    target: &Target,
    parts: Vec<String>,
    http: Result<Arc<Http>, String>,
    clock: &Clock,
) -> (OriginFacts, Option<ServerTime>) {
    let addresses = addresses(&target.origin).await;
    let mut time = None;
    let answer = match (&addresses, http) {
        (Some(Err(_)), _) => Err("it was not asked".to_owned()),
        (_, Err(error)) => Err(error),
        (_, Ok(http)) => {
            let asked_at = seconds(clock);
            match head(target, &http).await {
                Ok((status, date)) => {
                    let answered_at = seconds(clock);
                    let origin = target.origin.clone();
                    time = date.map(|date| ServerTime { origin, date, asked_at, answered_at });
                    Ok(status)
                }
                Err(failure) => Err(reason_of(failure)),
            }
        }
    };
    (OriginFacts { origin: target.origin.clone(), parts, addresses, answer }, time)
}

/// The addresses of a server's name. None: it is an address itself.
async fn addresses(origin: &str) -> Option<Result<Vec<IpAddr>, String>> {
    let url = Url::parse(origin).ok()?;
    if literal_address(&url).is_some() {
        return None;
    }
    let place = (url.host_str()?.to_owned(), url.port_or_known_default()?);
    Some(match timeout(PATIENCE, tokio::net::lookup_host(place)).await {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no name server answered within {} s", PATIENCE.as_secs())),
    })
}

/// The status of an answer, and its `Date`.
async fn head(target: &Target, http: &Http) -> Result<(u16, Option<i64>), Failure> {
    let refused = |error: punchcard_core::reach::PrefixError| Failure::Invalid(error.to_string());
    let prefixes = [Prefix::parse(&target.origin, target.is_private).map_err(refused)?];
    let request = Request {
        method: Method::Head,
        url: target.origin.clone(),
        headers: Vec::new(),
        body: None,
        authorized: false,
        idempotent: true,
        timeout_ms: u32::try_from(PATIENCE.as_millis()).ok(),
    };
    let prepared = plan_delivery(&request, Reach { key: "reach", prefixes: &prefixes }, None)?;
    let answer = http.perform(&prepared).await?.blank(&Blanker::new(&[]));
    let date = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("date"));
    Ok((answer.status, date.and_then(|header| parse_http_date(&header.value))))
}

/// What happened, without whether it may have been carried out: nothing was to be carried out.
fn reason_of(failure: Failure) -> String {
    match failure {
        Failure::Unsent(reason) | Failure::Interrupted(reason) | Failure::Denied(reason) | Failure::Invalid(reason) => {
            reason
        }
        other => other.to_string(),
    }
}

fn seconds(clock: &Clock) -> i64 {
    clock.wall().unix_micros.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use punchcard_core::config::parse_what_is_valid;

    use super::*;

    #[test]
    fn each_server_is_asked_once_and_no_path_is_told() {
        let text = r#"
            [device]
            name = "door"
            [inputs.clock]
            driver = "keyboard"
            key = "space"
            press = { event = "punch" }
            [plugins]
            flow = "flow.wasm"
            rows = "rows.wasm"
            hook = "hook.wasm"
            [grants.account]
            plugin = "flow"
            reach = ["https://login.example"]
            audience = ["https://api.example/sheets", "https://api.example/drive"]
            ca = "authority.pem"
            [sinks.sheet]
            events = ["punch"]
            format = { plugin = "rows" }
            deliver = { plugin = "hook" }
            reach = ["https://api.example/sheets", { url = "http://nas.example:8080/s3cret", private = true }]
            authorize = { grant = "account" }
        "#;
        let (configuration, diagnostics) = parse_what_is_valid(text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let found: Vec<_> = targets(&configuration, Path::new("/etc"))
            .into_iter()
            .map(|(target, parts)| (target.origin, target.is_private, target.ca.is_some(), parts.join(", ")))
            .collect();
        let expected = [
            ("http://nas.example:8080", true, false, "sink sheet"),
            ("https://api.example", false, false, "grant account, sink sheet"),
            ("https://login.example", false, true, "grant account"),
        ];
        let expected = expected.map(|(origin, private, ca, parts)| (origin.to_owned(), private, ca, parts.to_owned()));
        assert_eq!(found, expected);
    }
}
