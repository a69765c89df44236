//! What a failure says about whether the request was carried out.

use std::error::Error;
use std::io;

use punchcard_core::http::Failure;

use super::departure::Witness;
use super::resolver::{LookupError, NoAddress, OpenAddress, PrivateAddress};

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Broken {
    /// What the plugin is told.
    pub(super) failure: Failure,
    /// Whether its connection broke before an answer began, which a connection does that was stale.
    pub(super) stale: bool,
}

impl Broken {
    /// The request can't be sent by anybody.
    pub(super) fn before_sending(reason: String) -> Self {
        Self { failure: Failure::Invalid(reason), stale: false }
    }

    /// The library gave up before an answer began.
    pub(super) fn before_answer(error: reqwest::Error, witness: &Witness) -> Self {
        let unconnected = error.is_connect();
        if error.is_builder() {
            Self::before_sending(describe(error))
        } else if unconnected || witness.withhold() {
            Self { failure: Failure::Unsent(describe(error)), stale: !unconnected }
        } else {
            Self { failure: Failure::Interrupted(describe(error)), stale: true }
        }
    }

    /// Time was up before an answer began.
    pub(super) fn by_timeout(timeout_ms: u32, witness: &Witness) -> Self {
        let failure = if witness.withhold() {
            Failure::Unsent(format!("no connection within {timeout_ms} ms"))
        } else {
            Failure::Interrupted(format!("no answer within {timeout_ms} ms"))
        };
        Self { failure, stale: false }
    }

    /// An answer had begun: the request was carried out, or was understood at least.
    pub(super) fn during_answer(failure: Failure) -> Self {
        Self { failure, stale: false }
    }
}

/// What happened, as one plain sentence without its full stop: it ends up on a panel. It names the server, and not the URL,
/// whose query may hold what nobody should see. What the library says of it goes to the log of those who look for an error.
pub(super) fn describe(error: reqwest::Error) -> String {
    let host = error.url().and_then(|url| url.host_str()).unwrap_or("the server").to_owned();
    let error = error.without_url();
    let chain = chain_of(&error);
    tracing::debug!(host, chain, "a request failed");
    if error.is_builder() {
        return chain;
    }
    plain_cause(&host, &error).unwrap_or_else(|| {
        let why = causes_of(&error).last().map(ToString::to_string).unwrap_or_default();
        if error.is_connect() {
            format!("no connection to {host} could be made ({why})")
        } else {
            format!("the connection to {host} broke off ({why})")
        }
    })
}

/// The sentence for what is known, whichever layer says it.
fn plain_cause(host: &str, error: &(dyn Error + 'static)) -> Option<String> {
    let own = causes_of(error).find_map(|cause| {
        let refused = cause.downcast_ref::<PrivateAddress>().map(ToString::to_string);
        let refused = refused.or_else(|| cause.downcast_ref::<OpenAddress>().map(ToString::to_string));
        let lookup = cause.downcast_ref::<LookupError>().map(ToString::to_string);
        refused.or(lookup).or_else(|| cause.downcast_ref::<NoAddress>().map(ToString::to_string))
    });
    if own.is_some() {
        return own;
    }
    let innermost = causes_of(error).last()?.to_string();
    if let Some((_, why)) = innermost.split_once("invalid peer certificate: ") {
        return Some(format!(
            "the certificate of {host} is not accepted ({why}); where it is your own, name its authority's in SSL_CERT_FILE"
        ));
    }
    let kind = causes_of(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last()?.kind();
    Some(match kind {
        io::ErrorKind::ConnectionRefused => format!("{host} refuses the connection"),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown | io::ErrorKind::HostUnreachable => {
            format!("the network does not lead to {host}")
        }
        io::ErrorKind::TimedOut => format!("{host} does not answer"),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => format!("the connection to {host} broke off"),
        _ => return None,
    })
}

/// The error and its causes, the innermost last.
fn causes_of<'error>(error: &'error (dyn Error + 'static)) -> impl Iterator<Item = &'error (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| inner_cause(*cause))
}

/// An `io::Error` that was made from another error shows only what is behind that one.
fn inner_cause<'error>(error: &'error (dyn Error + 'static)) -> Option<&'error (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

/// The whole chain of causes.
fn chain_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some of the layers repeat what is below them.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of a library around the cause.
    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Layer(#[source] io::Error);

    #[test]
    fn what_the_network_did_is_one_plain_sentence() {
        let lookup = LookupError { name: "h.example".to_owned(), source: io::Error::other("EAI_AGAIN") };
        let certificate = io::Error::other("invalid peer certificate: UnknownIssuer");
        let table = [
            (io::Error::other(lookup), Some("the name h.example can't be looked up: is there a network?")),
            (io::ErrorKind::ConnectionRefused.into(), Some("h.example refuses the connection")),
            (io::Error::from_raw_os_error(101), Some("the network does not lead to h.example")),
            (io::Error::from_raw_os_error(113), Some("the network does not lead to h.example")),
            (io::ErrorKind::TimedOut.into(), Some("h.example does not answer")),
            (io::ErrorKind::ConnectionReset.into(), Some("the connection to h.example broke off")),
            (
                certificate,
                Some(
                    "the certificate of h.example is not accepted (UnknownIssuer); where it is your own, name its \
                     authority's in SSL_CERT_FILE",
                ),
            ),
            (io::Error::other("a new error of a library"), None),
        ];
        for (cause, expected) in table {
            let error = Layer(cause);
            assert_eq!(plain_cause("h.example", &error).as_deref(), expected, "{error:?}");
        }
    }
}
