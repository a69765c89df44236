//! The device's pages for a person who signs in with a browser: where it begins, and where it comes back to.
//!
//! They are there while a visit is under way, and gone when it is over. What is decided stands in `punchcard_core::visit`;
//! this hands on what a browser sent, and answers with pages that name no secret and load nothing. Anybody in the network
//! may ask, but who does not see the panel does not know the code with which a sign-in begins.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use punchcard_core::visit::{Answer, NoAnswer, OpenVisit, RETURN_PATH};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

/// How long a browser may take for a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Browsers that are answered at the same time, at most.
const MOST_CONNECTIONS: usize = 8;

/// The pages of one visit. They are gone when this is dropped, once whoever is being answered has the answer.
pub struct Pages {
    visit: Arc<Mutex<Option<OpenVisit>>>,
    /// Dropped with the pages.
    _open: watch::Sender<()>,
}

/// Milliseconds of the clock that never decreases.
pub type Milliseconds = Arc<dyn Fn() -> u64 + Send + Sync>;

impl Pages {
    /// Shows the pages of a visit at an address of the device. The answer, when it comes, goes to `answers`.
    ///
    /// # Errors
    /// When nobody can listen there.
    pub async fn open(
        listen: SocketAddr,
        visit: OpenVisit,
        answers: mpsc::Sender<Answer>,
        now_ms: Milliseconds,
    ) -> std::io::Result<Self> {
        let listener = bind(listen).await?;
        info!(at = %listen, "a person can sign in with a browser");
        let visit = Arc::new(Mutex::new(Some(visit)));
        let (open, closed) = watch::channel(());
        let desk = Desk { visit: Arc::clone(&visit), answers, now_ms };
        tokio::spawn(serve(listener, desk, closed));
        Ok(Self { visit, _open: open })
    }

    /// The visit, unless it was answered.
    pub fn with_visit<T>(&self, use_it: impl FnOnce(&mut OpenVisit) -> T) -> Option<T> {
        self.visit.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(use_it)
    }
}

/// A connection that is still open has nothing to answer for any more.
impl Drop for Pages {
    fn drop(&mut self) {
        *self.visit.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a connection needs.
#[derive(Clone)]
struct Desk {
    visit: Arc<Mutex<Option<OpenVisit>>>,
    answers: mpsc::Sender<Answer>,
    now_ms: Milliseconds,
}

/// Those of the visit before may be going.
async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    for _ in 0..20 {
        match TcpListener::bind(listen).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    TcpListener::bind(listen).await
}

async fn serve(listener: TcpListener, desk: Desk, mut closed: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Nothing is ever sent: the sender is dropped.
            _ = closed.changed() => break,
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(answer(stream, desk.clone()))),
                Err(error) => {
                    warn!(%error, "a browser is not heard");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    // The page that says how it went.
    while connections.join_next().await.is_some() {}
}

async fn answer(stream: TcpStream, desk: Desk) {
    let service = service_fn(|request: Request<Incoming>| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.respond(&request)) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false).max_buf_size(32 * 1024);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a browser went away"),
        Err(_elapsed) => debug!("a browser did not read its page"),
    }
}

impl Desk {
    fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        // Nothing else: what looks at a link before a person goes there must not use it up.
        if request.method() != Method::GET {
            return page(StatusCode::METHOD_NOT_ALLOWED, "Only pages are here", "");
        }
        let query = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/" => match query.strip_prefix("code=") {
                Some(code) => self.begin(code),
                None => page(StatusCode::OK, "Sign in", FORM),
            },
            RETURN_PATH => self.take(query),
            path => self.begin(path.trim_start_matches('/')),
        }
    }

    /// Sends a browser on to the authorization server.
    fn begin(&self, code: &str) -> Response<Full<Bytes>> {
        let visit = self.visit.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = visit.as_ref().ok_or(NoAnswer::Late).and_then(|visit| visit.begin(code, (self.now_ms)()));
        match begun.map(HeaderValue::from_str) {
            Ok(Ok(destination)) => {
                let mut response = page(StatusCode::SEE_OTHER, "Go on", "");
                response.headers_mut().insert(LOCATION, destination);
                response
            }
            Ok(Err(_)) => page(StatusCode::INTERNAL_SERVER_ERROR, "This address can't be gone to", ""),
            Err(NoAnswer::Late) => page(StatusCode::GONE, "The time for this sign-in is over", AGAIN),
            Err(_) => page(StatusCode::NOT_FOUND, "This is not the code on the device", FORM),
        }
    }

    /// Takes what a browser came back with, once.
    fn take(&self, query: &str) -> Response<Full<Bytes>> {
        let mut visit = self.visit.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = visit.as_ref() else {
            return page(StatusCode::GONE, "This sign-in was answered already", AGAIN);
        };
        let answer = match open.parse_answer(query, (self.now_ms)()) {
            Ok(answer) => answer,
            Err(reason) => {
                warn!(%reason, "what a browser came back with is not taken");
                let text = format!("<p>{}.</p>", escape(&reason.to_string()));
                return page(StatusCode::BAD_REQUEST, "Nobody was signed in", &text);
            }
        };
        let (title, text) = match &answer {
            Answer::Code { .. } => {
                ("Thank you", "<p>The device signs in now and says so. This page can be closed.</p>")
            }
            Answer::TurnedAway(_) => ("Nobody was signed in", "<p>The device says why. This page can be closed.</p>"),
        };
        match self.answers.try_send(answer) {
            Ok(()) => {
                *visit = None;
                page(StatusCode::OK, title, text)
            }
            Err(_) => page(StatusCode::SERVICE_UNAVAILABLE, "The device is busy", "<p>Load this page again.</p>"),
        }
    }
}

const FORM: &str = "<form action=\"/\"><p>The code on the device: <input name=\"code\" autocomplete=\"off\" autofocus> \
                    <button>Go on</button></p></form>";
const AGAIN: &str = "<p>Begin again: the device shows a new code.</p>";

/// A page of our own words. It loads nothing, is kept nowhere, and tells no other server where it was.
fn page(status: StatusCode, title: &str, body: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><h1>{title}</h1>{body}\n"
    );
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
