//! The device's pages for a person who signs in with a browser: where it begins, and where it comes back to.
//!
//! They are there while a visit is under way, and gone when it is over. What is decided stands in `punchcard_core::visit`;
//! this hands on what a browser sent, and answers with pages that name no secret and load nothing. Anybody in the network
//! may ask, but who does not see the panel does not know the code with which a sign-in begins.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, info, warn};
use url::Url;

/// How long a browser may take until it has asked for a page. Some open a connection before they have anything to ask.
const ASK_WITHIN: Duration = Duration::from_secs(4);
/// How long it may take for all of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at the same time, at most. One more takes the place of another that has not asked for anything yet.
const MOST_CONNECTIONS: usize = 8;
/// How often it is tried to listen where somebody listens already, and how long is waited between two tries.
const TRIES: usize = 20;
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// The pages of one visit. They are gone when this is dropped, once whoever is being answered has the answer.
pub struct Pages {
    desk: Desk,
    /// Dropped with the pages.
    _open: watch::Sender<()>,
}

/// Milliseconds of the clock that never decreases.
pub type Milliseconds = Arc<dyn Fn() -> u64 + Send + Sync>;

impl Pages {
    /// Shows the pages of a visit where somebody listens already. The answer, when it comes, goes to `answers`.
    #[must_use]
    pub fn open(listener: Listener, visit: OpenVisit, answers: mpsc::Sender<Answer>, now_ms: Milliseconds) -> Self {
        info!(at = %listener.at, "a person can sign in with a browser");
        let (open, closed) = watch::channel(());
        let visit = Arc::new(Mutex::new(Some(visit)));
        let desk = Desk { visit, answers, now_ms, ask_within: ASK_WITHIN, at: listener.at };
        tokio::spawn(serve(listener.listener, desk.clone(), closed));
        Self { desk, _open: open }
    }

    /// The visit, unless it was answered.
    pub fn with_visit<T>(&self, use_it: impl FnOnce(&mut OpenVisit) -> T) -> Option<T> {
        self.desk.lock().as_mut().map(use_it)
    }

    /// For those who ask in the browser's place.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }
}

/// A connection that is still open has nothing to answer for any more.
impl Drop for Pages {
    fn drop(&mut self) {
        *self.desk.lock() = None;
    }
}

/// What the pages work with: a visit, and where its answer goes. It outlives the pages, and has no visit then.
#[derive(Clone)]
pub struct Desk {
    visit: Arc<Mutex<Option<OpenVisit>>>,
    answers: mpsc::Sender<Answer>,
    now_ms: Milliseconds,
    ask_within: Duration,
    at: SocketAddr,
}

/// A port of the device where a browser can come to. Nobody is answered before there are [`Pages`].
pub struct Listener {
    listener: TcpListener,
    at: SocketAddr,
    url: Url,
}

impl Listener {
    /// Listens at an address; port 0 is any that is free.
    ///
    /// # Errors
    /// When nobody can listen there.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = bind(listen).await?;
        let at = listener.local_addr()?;
        let url = Url::parse(&format!("http://{at}")).map_err(std::io::Error::other)?;
        Ok(Self { listener, at, url })
    }

    /// What a browser of this machine calls it.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Listens at the address. The task of the visit before may have to run once more until its socket is gone: dropping its pages
/// tells it so and can't wait for it, and the part of before may be another one, which was stopped. So it is tried for a second.
/// Whoever else listens there is an error then.
async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    for _ in 0..TRIES {
        match TcpListener::bind(listen).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::time::sleep(TRY_AGAIN).await,
            bound => return bound,
        }
    }
    TcpListener::bind(listen).await
}

/// A connection, as long as it is one of those that count.
struct Visitor {
    task: AbortHandle,
    has_asked: Arc<AtomicBool>,
}

/// Those who are connected, the oldest first.
#[derive(Default)]
struct Visitors(VecDeque<Visitor>);

impl Visitors {
    /// Makes room for one more: the oldest that has not asked for anything goes, or where all have asked the oldest of all.
    /// Whoever opens connections and says nothing keeps nobody out.
    fn make_room(&mut self) {
        self.0.retain(|visitor| !visitor.task.is_finished());
        if self.0.len() < MOST_CONNECTIONS {
            return;
        }
        let idle = self.0.iter().position(|visitor| !visitor.has_asked.load(Ordering::Relaxed));
        if let Some(visitor) = self.0.remove(idle.unwrap_or(0)) {
            debug!(has_asked = idle.is_none(), "a connection gives way to another one");
            visitor.task.abort();
        }
    }
}

async fn serve(listener: TcpListener, desk: Desk, mut closed: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut visitors = Visitors::default();
    loop {
        tokio::select! {
            // Nothing is ever sent: the sender is dropped.
            _ = closed.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    visitors.make_room();
                    let has_asked = Arc::new(AtomicBool::new(false));
                    let task = connections.spawn(answer(stream, desk.clone(), Arc::clone(&has_asked)));
                    visitors.0.push_back(Visitor { task, has_asked });
                }
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

async fn answer(stream: TcpStream, desk: Desk, has_asked: Arc<AtomicBool>) {
    let service = service_fn(|request: Request<Incoming>| {
        let desk = desk.clone();
        has_asked.store(true, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(desk.respond(&request)) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(desk.ask_within).keep_alive(false).max_buf_size(32 * 1024);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a browser went away"),
        Err(_elapsed) => debug!("a browser did not read its page"),
    }
}

/// How a person gets to the authorization server, and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The authorization request: where the browser goes.
    pub link: String,
    /// Where it comes back to.
    pub at: SocketAddr,
    /// What is asked for, in words.
    pub purpose: String,
}

/// Why what a person pasted is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// It is not the answer to the visit that is under way.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// There is none.
    #[error("this sign-in was answered already, or is over; begin again")]
    Over,
    /// The answer of before was not taken up yet.
    #[error("the device is busy; paste it again in a moment")]
    Busy,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Option<OpenVisit>> {
        self.visit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way of a person, while a visit is under way that comes back to a loopback address.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        let visit = self.lock();
        let visit = visit.as_ref().filter(|visit| visit.is_on_loopback())?;
        Some(Way { link: visit.destination().to_owned(), at: self.at, purpose: visit.prompt().purpose })
    }

    /// Takes the address at which a person's browser failed.
    ///
    /// # Errors
    /// When it is not the answer to this visit, which goes on then.
    pub fn paste(&self, address: &str) -> Result<(), PasteError> {
        let mut visit = self.lock();
        let open = visit.as_ref().ok_or(PasteError::Over)?;
        let answer = open.parse_pasted(address, (self.now_ms)())?;
        self.answers.try_send(answer).map_err(|_| PasteError::Busy)?;
        *visit = None;
        Ok(())
    }

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
        let visit = self.lock();
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
        let mut visit = self.lock();
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

#[cfg(test)]
mod tests {
    use punchcard_core::plugin::auth::Visit;
    use punchcard_core::reach::Prefix;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Pages at a port of their own, and the code with which a sign-in begins.
    async fn open() -> (Pages, SocketAddr, String) {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let asked = Visit {
            url: "https://id.example/authorize".to_owned(),
            parameters: Vec::new(),
            purpose: "the sheet".to_owned(),
            issuer: None,
            expires_in_seconds: 600,
        };
        let address = Url::parse(&format!("http://{free}")).unwrap();
        let reach = [Prefix::parse("https://id.example/authorize", false).unwrap()];
        let visit = OpenVisit::plan(&asked, &address, &reach, [[7; 32]; 3], 0).unwrap();
        let code = visit.prompt().user_code;
        let (answers, _) = mpsc::channel(1);
        let listener = Listener::bind(free).await.unwrap();
        (Pages::open(listener, visit, answers, Arc::new(|| 0)), free, code)
    }

    async fn get(at: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: device\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn connections_that_say_nothing_keep_nobody_out() {
        let (_pages, at, code) = open().await;
        let mut silent = Vec::new();
        for _ in 0..3 * MOST_CONNECTIONS {
            silent.push(TcpStream::connect(at).await.unwrap());
        }
        // One that has begun to ask, and does not go on.
        silent.last_mut().unwrap().write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let answer = tokio::time::timeout(ASK_WITHIN / 2, get(at, &format!("/{code}"))).await;
        assert!(answer.expect("an answer at once").contains("https://id.example/authorize"));
        // The oldest went first: nothing comes from it but its end.
        let ended = tokio::time::timeout(ASK_WITHIN / 2, silent[0].read(&mut [0; 1])).await.expect("its end");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }

    #[tokio::test]
    async fn a_connection_that_does_not_ask_in_time_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (answers, _) = mpsc::channel(1);
        let ask_within = Duration::from_millis(20);
        let at = listener.local_addr().unwrap();
        let desk = Desk { visit: Arc::default(), answers, now_ms: Arc::new(|| 0), ask_within, at };
        tokio::time::timeout(PATIENCE / 2, answer(stream, desk, Arc::default())).await.expect("it is given up");
        let ended = silent.read(&mut [0; 1]).await;
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
}
