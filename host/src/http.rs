//! HTTP: performs requests that were planned, and says of each failure whether it may have been carried out.
//!
//! It knows neither plugins nor secrets: a [`Prepared`] request is as it may leave, and an answer goes back as a
//! [`RawResponse`], which nobody can read before secrets were taken out and blanked. Deliberately absent: redirects
//! followed, cookies, proxies (`HTTP_PROXY` and its like are not read), compression, and repeats of what is not marked
//! idempotent.
//!
//! HTTP/1.1 alone is spoken. A connection then carries one request at a time, so that a connection that breaks says of one
//! request, and of that alone, that it is in doubt; and nothing is sent again because a server refused a stream. One batch
//! at a time would gain nothing from several streams.
//!
//! Certificates are those of the system (`ca-certificates`; `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured). They are
//! read when [`Http::open`] is called.
//!
//! Nothing lets go of connections after the machine slept, whose idle time no clock of the library counts: at most one
//! for each server was waiting, for at most [`Limits::idle_for`] before the sleep. A request on it fails or is in doubt,
//! and a doubt costs a look at the service and never a row.

mod trust;
pub use trust::{AuthorityError, Trust};

mod resolver;

mod departure;

mod failure;

mod download;
pub use download::Download;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use punchcard_core::http::{Failure, Header, Method, Response};
use punchcard_core::reach::Network;
use punchcard_core::redact::RawResponse;
use punchcard_core::request::Prepared;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use departure::{Departure, Parcel, Witness};
use failure::{Broken, describe};
use resolver::{Lookup, Resolver, SystemLookup};

/// What this program calls itself.
const USER_AGENT: &str = concat!("punchcard/", env!("CARGO_PKG_VERSION"));

/// How long the parts of a request may take, and what an answer may hold.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For name, connection and TLS together. 10 s.
    pub connect_for: Duration,
    /// How long a connection is kept without a request. 4 s: common servers close theirs after 5 s and more, and a
    /// request on a connection that is being closed is in doubt. A backlog's requests follow one another faster.
    pub idle_for: Duration,
    /// How long what was sent may go without the peer's acknowledgement before the connection counts as broken. 30 s.
    pub unacknowledged_for: Duration,
    /// Bytes of an answer's body. 8 MiB.
    pub largest_answer: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_for: Duration::from_secs(10),
            idle_for: Duration::from_secs(4),
            unacknowledged_for: Duration::from_secs(30),
            largest_answer: 8 * 1024 * 1024,
        }
    }
}

/// Why no request can be performed at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A certificate that should be trusted is none.
    #[error("a certificate that should be trusted can't be read")]
    Certificate(#[source] reqwest::Error),
    /// TLS could not be set up.
    #[error("HTTPS can't be set up; check that the system's certificates are installed (package `ca-certificates`)")]
    Client(#[source] reqwest::Error),
}

/// The owner of all connections.
pub struct Http {
    largest_answer: u64,
    clients: Clients,
}

/// One for each [`Network`], because a connection that was made to one must not serve a request that may not go there.
struct Clients {
    open: Client,
    any: Client,
    private: Client,
}

impl Http {
    /// Reads the certificates. Connects to nothing yet.
    ///
    /// # Errors
    /// When there are no certificates, or one of the extra ones is none.
    pub fn open(limits: &Limits, trust: &Trust) -> Result<Self, OpenError> {
        let lookup: Arc<dyn Lookup> = Arc::new(SystemLookup);
        Self::open_with(limits, trust, &lookup)
    }

    fn open_with(limits: &Limits, trust: &Trust, lookup: &Arc<dyn Lookup>) -> Result<Self, OpenError> {
        let clients = build_clients(limits, trust, lookup)?;
        Ok(Self { largest_answer: limits.largest_answer, clients })
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    ///
    /// A request that is marked idempotent is sent once more, within the same time, when its connection broke before an
    /// answer began: it may have been a stale one. No other is sent again once any of it may have left.
    ///
    /// # Errors
    /// `Unsent` when it did not leave: the name, the connection, TLS, or a connection that was closed before the request
    /// was written; also where the name leads to a private network that was not granted, which heals when a router that
    /// answers for every name while it is offline is online again. `Interrupted` when it may have been carried out:
    /// everything after that. `TooLarge`. `Invalid` when the library refuses the request.
    pub async fn perform(&self, request: &Prepared<'_>) -> Result<RawResponse, Failure> {
        let deadline = sleep(Duration::from_millis(request.timeout_ms().into()));
        self.perform_before(deadline, request).await
    }

    /// [`Self::perform`] with the end of the deadline given up to the caller.
    async fn perform_before(
        &self,
        deadline: impl Future<Output = ()>,
        request: &Prepared<'_>,
    ) -> Result<RawResponse, Failure> {
        let started_at = Instant::now();
        let mut deadline = pin!(deadline);
        let mut outcome = self.perform_once(deadline.as_mut(), request).await;
        if let Err(broken) = &outcome
            && broken.stale
            && request.idempotent()
        {
            tracing::debug!(origin = origin_of(request), "sent again after its connection broke");
            // That the second did not leave says nothing of the first.
            match self.perform_once(deadline, request).await {
                Err(second) if matches!(second.failure, Failure::Unsent(_)) => {}
                second => outcome = second,
            }
        }
        let took_ms = u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        // A path can be a secret, as that of a webhook is: it is for those alone who look for an error.
        let (method, origin) = (method_of(request).to_string(), origin_of(request));
        tracing::debug!(method, origin, path = request.url().path(), "asked");
        match &outcome {
            Ok(answer) => {
                tracing::info!(
                    method,
                    origin,
                    status = answer.status(),
                    bytes = answer.body_length(),
                    took_ms,
                    "answered"
                );
            }
            Err(broken) => tracing::warn!(method, origin, failure = %broken.failure, took_ms, "no answer"),
        }
        outcome.map_err(|broken| broken.failure)
    }

    fn client_for(&self, request: &Prepared<'_>) -> &Client {
        match request.network() {
            Network::Open => &self.clients.open,
            Network::Any => &self.clients.any,
            Network::Private => &self.clients.private,
        }
    }

    async fn perform_once<Deadline: Future<Output = ()>>(
        &self,
        mut deadline: Pin<&mut Deadline>,
        request: &Prepared<'_>,
    ) -> Result<RawResponse, Broken> {
        let client = self.client_for(request);
        let (message, witness) = build(client, request)?;
        let mut answer = match before(deadline.as_mut(), client.execute(message)).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return Err(Broken::before_answer(error, &witness)),
            None => return Err(Broken::by_timeout(request.timeout_ms(), &witness)),
        };
        let status = answer.status().as_u16();
        let headers = read_headers(answer.headers())?;
        let most = self.largest_answer.min(request.largest_answer());
        if answer.content_length().is_some_and(|length| length > most) {
            return Err(Broken::during_answer(Failure::TooLarge(most)));
        }
        let mut body = Vec::new();
        loop {
            match before(deadline.as_mut(), answer.chunk()).await {
                Some(Ok(Some(chunk))) if (body.len() + chunk.len()) as u64 > most => {
                    return Err(Broken::during_answer(Failure::TooLarge(most)));
                }
                Some(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Some(Ok(None)) => return Ok(RawResponse::new(Response { status, headers, body })),
                Some(Err(error)) => {
                    let text = format!("the answer broke off after {} bytes: {}", body.len(), describe(error));
                    return Err(Broken::during_answer(Failure::Interrupted(text)));
                }
                None => {
                    let text = format!("the answer was not whole within {} ms", request.timeout_ms());
                    return Err(Broken::during_answer(Failure::Interrupted(text)));
                }
            }
        }
    }
}

/// What the work gives, unless the deadline comes before it.
async fn before<T>(deadline: Pin<&mut impl Future<Output = ()>>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = deadline => None,
    }
}

fn build_clients(limits: &Limits, trust: &Trust, lookup: &Arc<dyn Lookup>) -> Result<Clients, OpenError> {
    let client = |network, trust: &Trust| {
        let keepalive = Duration::from_secs(15);
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            // A compressed answer could not be searched for echoes of secrets.
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(limits.connect_for)
            .pool_idle_timeout(limits.idle_for)
            .pool_max_idle_per_host(1)
            .tcp_keepalive(keepalive)
            .tcp_keepalive_interval(keepalive)
            .tcp_keepalive_retries(3)
            .tcp_user_timeout(limits.unacknowledged_for)
            .dns_resolver(Resolver { network, lookup: Arc::clone(lookup) });
        trust.apply(builder)?.build().map_err(OpenError::Client)
    };
    // What goes to private networks alone is not encrypted: no certificates have to be kept for it.
    let private = client(Network::Private, &Trust::only(Vec::new()))?;
    Ok(Clients { open: client(Network::Open, trust)?, any: client(Network::Any, trust)?, private })
}

/// The library's form of the request, and who tells whether it left.
fn build(client: &Client, request: &Prepared<'_>) -> Result<(reqwest::Request, Witness), Broken> {
    let wants_body = matches!(request.method(), Method::Post | Method::Put | Method::Patch);
    let mut message = client.request(method_of(request), request.url().clone());
    for Header { name, value } in request.headers() {
        message = message.header(name, value);
    }
    if let Some((name, secret)) = request.credential() {
        let mut value = HeaderValue::from_str(secret.reveal())
            .map_err(|_| Broken::before_sending(format!("the value of the header `{name}` can't be sent")))?;
        value.set_sensitive(true);
        message = message.header(name, value);
    }
    let mut departure = None;
    match request.body() {
        Some(body) if !body.is_empty() => {
            let departure = departure.insert(Departure::new()).clone();
            let parcel = Parcel::new(Bytes::copy_from_slice(body), departure);
            message = message.body(reqwest::Body::wrap(parcel));
        }
        // Some servers refuse a POST that does not say that it has no content (RFC 9110 §8.6).
        _ if wants_body => message = message.header(CONTENT_LENGTH, "0"),
        _ => {}
    }
    let message = message.build().map_err(|error| Broken::before_sending(describe(error)))?;
    Ok((message, Witness::new(departure)))
}

/// Scheme, host and port of a request.
fn origin_of(request: &Prepared<'_>) -> String {
    request.url().origin().ascii_serialization()
}

fn method_of(request: &Prepared<'_>) -> reqwest::Method {
    match request.method() {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn read_headers(headers: &HeaderMap) -> Result<Vec<Header>, Broken> {
    if let Some(encoding) = foreign_encoding(headers) {
        let text = format!("the answer is in {encoding}, which was not asked for and is not read");
        return Err(Broken::during_answer(Failure::Interrupted(text)));
    }
    let header = |(name, value): (&HeaderName, &HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    Ok(headers.iter().map(header).collect())
}

/// The encoding in which a body can't be searched for echoes of secrets. What a server calls one may be such an echo, so
/// that only those with a name (RFC 9110 §16.6.1, RFC 7932, RFC 8878) are named.
fn foreign_encoding(headers: &HeaderMap) -> Option<String> {
    const KNOWN: [&str; 7] = ["gzip", "x-gzip", "br", "deflate", "zstd", "compress", "x-compress"];
    let codings =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut foreign = codings.map(<[u8]>::trim_ascii).filter(|coding| {
        // An empty element of a list counts for nothing (RFC 9110 §5.6.1.2).
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    });
    let first = foreign.next()?;
    let known = KNOWN.iter().find(|known| first.eq_ignore_ascii_case(known.as_bytes()));
    Some(known.map_or_else(|| "an encoding".to_owned(), |known| format!("the encoding `{known}`")))
}

#[cfg(test)]
mod tests;
