//! HTTP: performs requests that were planned, and says of each failure whether it may have been carried out.
//!
//! It knows neither plugins nor secrets: a [`Prepared`] request is as it may leave, and an answer goes back as a
//! [`RawResponse`], which nobody can read before secrets were taken out and blanked. Deliberately absent: redirects
//! followed, cookies, proxies (`HTTP_PROXY` and its like are not read), compression, and repeats of what is not marked
//! idempotent. A request leaves once.
//!
//! HTTP/1.1 alone is spoken. A connection then carries one request at a time, so that a connection that breaks says of one
//! request, and of that alone, that it is in doubt; and nothing is sent again because a server refused a stream. One batch
//! at a time would gain nothing from several streams.
//!
//! Certificates are those of the system (`ca-certificates`; `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured). They are
//! read when [`Http::open`] is called and when [`Http::drop_connections`] is.

mod trust;
pub use trust::Trust;

mod resolver;

mod departure;

mod failure;

use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use punchcard_core::http::{Failure, Header, Method, Response};
use punchcard_core::reach::without_query;
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
    limits: Limits,
    trust: Trust,
    lookup: Arc<dyn Lookup>,
    clients: RwLock<Clients>,
}

/// Two, because a connection that was made to a private network must not serve a request that may not go there.
#[derive(Clone)]
struct Clients {
    open: Client,
    private: Client,
}

impl Http {
    /// Reads the certificates. Connects to nothing yet.
    ///
    /// # Errors
    /// When there are no certificates, or one of the extra ones is none.
    pub fn open(limits: Limits, trust: Trust) -> Result<Self, OpenError> {
        Self::open_with(limits, trust, Arc::new(SystemLookup))
    }

    fn open_with(limits: Limits, trust: Trust, lookup: Arc<dyn Lookup>) -> Result<Self, OpenError> {
        let clients = RwLock::new(build_clients(&limits, &trust, &lookup)?);
        Ok(Self { limits, trust, lookup, clients })
    }

    /// Lets go of the connections that wait for a next request, and reads the certificates anew: after the machine slept,
    /// whose idle time no clock of the connections counted, and after the network changed. Requests under way go on.
    ///
    /// # Errors
    /// As [`Self::open`]; everything stays as it was then.
    pub fn drop_connections(&self) -> Result<(), OpenError> {
        let clients = build_clients(&self.limits, &self.trust, &self.lookup)?;
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = clients;
        Ok(())
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
    pub async fn perform(&self, request: &Prepared) -> Result<RawResponse, Failure> {
        let deadline = sleep(Duration::from_millis(request.timeout_ms().into()));
        self.perform_before(deadline, request).await
    }

    /// [`Self::perform`] with the end of the deadline given up to the caller.
    async fn perform_before(
        &self,
        deadline: impl Future<Output = ()>,
        request: &Prepared,
    ) -> Result<RawResponse, Failure> {
        let started_at = Instant::now();
        let mut deadline = pin!(deadline);
        let mut outcome = self.perform_once(deadline.as_mut(), request).await;
        if let Err(broken) = &outcome
            && broken.stale
            && request.idempotent()
        {
            tracing::debug!(url = without_query(request.url()), "sent again after its connection broke");
            outcome = self.perform_once(deadline, request).await;
        }
        let took_ms = u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (method, url) = (method_of(request).to_string(), without_query(request.url()));
        match &outcome {
            Ok(answer) => {
                tracing::info!(
                    method,
                    url,
                    status = answer.status(),
                    bytes = answer.body_length(),
                    took_ms,
                    "answered"
                );
            }
            Err(broken) => tracing::warn!(method, url, failure = %broken.failure, took_ms, "no answer"),
        }
        outcome.map_err(|broken| broken.failure)
    }

    async fn perform_once<Deadline: Future<Output = ()>>(
        &self,
        mut deadline: Pin<&mut Deadline>,
        request: &Prepared,
    ) -> Result<RawResponse, Broken> {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner).clone();
        let client = if request.private() { clients.private } else { clients.open };
        let (message, witness) = build(&client, request)?;
        let mut answer = match before(deadline.as_mut(), client.execute(message)).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return Err(Broken::before_answer(error, &witness)),
            None => return Err(Broken::by_timeout(request.timeout_ms(), &witness)),
        };
        let status = answer.status().as_u16();
        let headers = read_headers(answer.headers())?;
        let most = self.limits.largest_answer;
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
    let client = |private| {
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
            .dns_resolver(Resolver { private, lookup: Arc::clone(lookup) });
        trust.apply(builder)?.build().map_err(OpenError::Client)
    };
    Ok(Clients { open: client(false)?, private: client(true)? })
}

/// The library's form of the request, and who tells whether it left.
fn build(client: &Client, request: &Prepared) -> Result<(reqwest::Request, Witness), Broken> {
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

fn method_of(request: &Prepared) -> reqwest::Method {
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
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let text = format!("the answer is in the encoding {encoding:?}, which was not asked for and is not read");
        return Err(Broken::during_answer(Failure::Interrupted(text)));
    }
    let header = |(name, value): (&HeaderName, &HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    Ok(headers.iter().map(header).collect())
}

#[cfg(test)]
mod tests;
