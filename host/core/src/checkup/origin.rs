//! A server that plugins.toml lets requests go to: its name, the connection, and whether anything answers.

use std::net::IpAddr;

use super::Finding;

/// What was found of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginFacts {
    /// Scheme, host and port.
    pub origin: String,
    /// What it is for: `grant google`, `sink timesheet`.
    pub parts: Vec<String>,
    /// Its addresses, or why there are none. None: it is an address itself.
    pub addresses: Option<Result<Vec<IpAddr>, String>>,
    /// The status of an answer, or why there is none.
    pub answer: Result<u16, String>,
}

/// Says whether a server is reached. Any answer shows that it is: whether it lets the device in, its account says.
#[must_use]
pub fn judge_origin(facts: &OriginFacts) -> Finding {
    let check = format!("server {}", facts.origin);
    let parts = facts.parts.join(", ");
    match (&facts.addresses, &facts.answer) {
        (Some(Err(error)), _) => {
            let remedy = "look at the cable or the Wi-Fi (`nmcli device status`), and which name server is asked (`resolvectl \
                          status`, or /etc/resolv.conf)";
            Finding::bad(&check, &format!("its name is not found: {error} (for {parts})"), remedy)
        }
        (addresses, Ok(status)) => {
            let at = match addresses {
                Some(Ok(addresses)) => addresses.first().map(|address| format!(" at {address}")).unwrap_or_default(),
                _ => String::new(),
            };
            let how = if facts.origin.starts_with("https:") { "over TLS" } else { "without TLS" };
            Finding::good(&check, &format!("answers {how}{at}, with status {status} (for {parts})"))
        }
        (_, Err(error)) => {
            let remedy = if error.contains("certificate") {
                "look at the clock first; then whether something in the network answers instead of the server, and whether \
                 the package `ca-certificates` is installed and up to date"
            } else {
                "look at the network, and whether a firewall lets it through; a browser in the same network shows a page that \
                 asks to sign in"
            };
            Finding::bad(&check, &format!("{error} (for {parts})"), remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Verdict;

    #[test]
    fn any_answer_shows_that_a_server_is_reached() {
        let facts = |origin: &str, addresses: Option<Result<Vec<&str>, &str>>, answer: Result<u16, &str>| OriginFacts {
            origin: origin.into(),
            parts: vec!["grant google".into(), "sink sheet".into()],
            addresses: addresses.map(|addresses| {
                addresses
                    .map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect())
                    .map_err(str::to_owned)
            }),
            answer: answer.map_err(str::to_owned),
        };
        let name = "https://h.example";
        let parts = "(for grant google, sink sheet)";
        for (facts, verdict, seen, remedy) in [
            (
                facts(name, Some(Ok(vec!["192.0.2.1", "192.0.2.2"])), Ok(404)),
                Verdict::Good,
                format!("answers over TLS at 192.0.2.1, with status 404 {parts}"),
                "",
            ),
            (
                facts("http://127.0.0.1:8080", None, Ok(200)),
                Verdict::Good,
                format!("answers without TLS, with status 200 {parts}"),
                "",
            ),
            (
                facts(name, Some(Err("no network")), Err("whatever")),
                Verdict::Bad,
                format!("its name is not found: no network {parts}"),
                "name server",
            ),
            (
                facts(name, Some(Ok(vec!["192.0.2.1"])), Err("the certificate of h.example is not accepted")),
                Verdict::Bad,
                format!("the certificate of h.example is not accepted {parts}"),
                "clock first",
            ),
            (
                facts(name, Some(Ok(vec!["192.0.2.1"])), Err("h.example refuses the connection")),
                Verdict::Bad,
                format!("h.example refuses the connection {parts}"),
                "firewall",
            ),
        ] {
            let found = judge_origin(&facts);
            assert_eq!((found.verdict, &found.seen), (verdict, &seen));
            assert!(found.remedy.unwrap_or_default().contains(remedy), "{seen}");
        }
    }
}
