//! What servers and networks do to requests.

mod server;

mod answer;
mod network;

use std::io;
use std::sync::Mutex;

use punchcard_core::http::{Content, Request};
use punchcard_core::reach::Prefix;
use punchcard_core::redact::Blanker;
use punchcard_core::request::{Credential, Reach, plan_delivery};
use punchcard_core::secret::Secret;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use server::{Act, Server};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn send(text: &str) -> Act {
    Act::Send(text.to_owned())
}

/// A POST with a body, not idempotent.
fn post(url: String) -> Request {
    Request {
        method: Method::Post,
        url,
        headers: vec![],
        body: Some(Content { media_type: "text/plain".to_owned(), bytes: b"rows".to_vec() }),
        authorized: false,
        idempotent: false,
        timeout_ms: None,
    }
}

fn get(url: String) -> Request {
    Request { method: Method::Get, body: None, idempotent: true, ..post(url) }
}

/// Planned where everything is granted but private networks.
fn prepared(request: &Request) -> Prepared<'_> {
    let url = url::Url::parse(&request.url).unwrap();
    let prefixes = [Prefix::parse(&url.origin().ascii_serialization(), false).unwrap()];
    plan_delivery(request, Reach { key: "sinks.rows.reach", prefixes: &prefixes }, None).ok().unwrap()
}

fn http() -> Http {
    Http::open(&Limits::default(), &Trust::only(vec![])).unwrap()
}

fn shown(outcome: Result<RawResponse, Failure>) -> Result<(u16, String), Failure> {
    let response = outcome?.blank(&Blanker::new(&[]));
    Ok((response.status, String::from_utf8(response.body).unwrap()))
}

async fn performed(http: &Http, request: &Request) -> Result<(u16, String), Failure> {
    shown(http.perform(&prepared(request)).await)
}

fn ok() -> Result<(u16, String), Failure> {
    Ok((200, "ok".to_owned()))
}

fn url(server: &Server) -> String {
    format!("http://127.0.0.1:{}/path?query=s3cret", server.port)
}

/// A server with these scripts, and what came of one request to it.
async fn met(scripts: Vec<Vec<Act>>, request: impl Fn(String) -> Request) -> (Result<(u16, String), Failure>, Server) {
    let server = Server::start(scripts, None).await;
    let outcome = performed(&http(), &request(url(&server))).await;
    (outcome, server)
}

fn said(outcome: Result<(u16, String), Failure>) -> String {
    outcome.unwrap_err().to_string()
}

#[tokio::test]
async fn point_30_a_token_arrives_in_the_header_and_nowhere_else() {
    let server = Server::start(
        vec![vec![
            Act::Read,
            send("HTTP/1.1 418 X\r\nx-a: 1\r\nX-A: \u{e9}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ]],
        None,
    )
    .await;
    let token = Secret::new("ya29.token".to_owned());
    let prefixes = [Prefix::parse(&format!("http://127.0.0.1:{}", server.port), false).unwrap()];
    let reach = Reach { key: "reach", prefixes: &prefixes };
    let request = Request {
        headers: vec![Header { name: "X-Own".to_owned(), value: "1".to_owned() }],
        authorized: true,
        ..post(format!("{}#fragment", url(&server)))
    };
    let bearer = Credential::Bearer { audience: reach };
    let mut prepared = plan_delivery(&request, reach, Some(bearer)).ok().unwrap();
    prepared.bear(&token).unwrap();
    let response = http().perform(&prepared).await.ok().unwrap().blank(&Blanker::new(&[]));
    assert_eq!((response.status, response.body.as_slice()), (418, &b"ok"[..]));
    let headers: Vec<_> = response.headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
    assert_eq!(headers, [("x-a", "1"), ("x-a", "\u{e9}"), ("transfer-encoding", "chunked")]);
    let mut requests = server.requests();
    let request = requests.remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /path?query=s3cret HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept-encoding: identity",
            "accept: */*",
            "authorization: Bearer ya29.token",
            "content-length: 4",
            "content-type: text/plain",
            &format!("host: 127.0.0.1:{}", server.port),
            concat!("user-agent: punchcard/", env!("CARGO_PKG_VERSION")),
            "x-own: 1",
        ]
    );
    assert_eq!(body, "rows");
    assert_eq!(request.matches("ya29.token").count(), 1);
}

#[tokio::test]
async fn every_method_is_sent_and_says_how_long_its_body_is() {
    let table = [
        (Method::Get, false, "GET", None),
        (Method::Head, false, "HEAD", None),
        (Method::Post, true, "POST", Some("4")),
        (Method::Post, false, "POST", Some("0")),
        (Method::Put, true, "PUT", Some("4")),
        (Method::Put, false, "PUT", Some("0")),
        (Method::Patch, false, "PATCH", Some("0")),
        (Method::Delete, false, "DELETE", None),
        (Method::Delete, true, "DELETE", Some("4")),
    ];
    for (method, body, word, length) in table {
        let request = |url| {
            let request = post(url);
            Request { method, body: request.body.clone().filter(|_| body), ..request }
        };
        let (outcome, server) =
            met(vec![vec![Act::Read, send("HTTP/1.1 204 No Content\r\n\r\n"), Act::Hold]], request).await;
        assert_eq!(outcome, Ok((204, String::new())), "{method:?}");
        let request = server.requests().remove(0);
        assert!(request.starts_with(&format!("{word} /path")), "{request}");
        let found = request.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(found, length, "{method:?}");
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let large = || Content { media_type: "text/plain".to_owned(), bytes: vec![b'x'; 2 * 1024 * 1024] };
    let request = |url| Request { body: Some(large()), ..post(url) };
    let (outcome, server) = met(vec![vec![Act::Read, send(OK)]], request).await;
    assert_eq!(outcome, ok());
    assert!(server.requests().remove(0).ends_with(&"x".repeat(2 * 1024 * 1024)));
}

#[tokio::test]
async fn what_was_never_connected_is_unsent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for request in [post, get] {
        let failure = performed(&http(), &request(format!("http://127.0.0.1:{port}/?s3cret"))).await.unwrap_err();
        assert!(matches!(&failure, Failure::Unsent(text) if !text.contains("s3cret")), "{failure}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_leaves_doubt() {
    for scripts in [
        vec![vec![Act::Read]],
        vec![vec![Act::Read, Act::Reset]],
        vec![vec![Act::Read, send("HTTP/1.1 200 OK\r\ncontent-")]],
        vec![vec![Act::Read, send("220 mail.example ready\r\n\r\n")]],
    ] {
        let (outcome, server) = met(scripts, post).await;
        assert!(matches!(outcome, Err(Failure::Interrupted(_))), "{outcome:?}");
        assert!(!said(outcome).contains("s3cret"));
        assert_eq!(server.counts(), (1, 1));
    }
}

#[tokio::test]
async fn only_what_is_idempotent_is_sent_again_and_only_once() {
    let idempotent = |url| Request { idempotent: true, ..post(url) };
    let (outcome, server) = met(vec![vec![Act::Read], vec![Act::Read, send(OK)]], idempotent).await;
    assert_eq!((outcome, server.counts()), (ok(), (2, 2)));
    let (outcome, server) = met(vec![vec![Act::Read, Act::Reset], vec![Act::Read, send(OK)]], get).await;
    assert_eq!((outcome, server.counts()), (ok(), (2, 2)));
    let (outcome, server) = met(vec![vec![Act::Read], vec![Act::Read], vec![Act::Read, send(OK)]], get).await;
    assert!(matches!(outcome, Err(Failure::Interrupted(_))), "{outcome:?}");
    assert_eq!(server.counts(), (2, 2));
    let (outcome, server) = met(vec![vec![Act::Read], vec![Act::Read, send(OK)]], post).await;
    assert!(matches!(outcome, Err(Failure::Interrupted(_))), "{outcome:?}");
    assert_eq!(server.counts(), (1, 1));
    // Where an answer had begun, the connection was not stale.
    let half = send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    let (outcome, server) = met(vec![vec![Act::Read, half], vec![Act::Read, send(OK)]], get).await;
    assert!(matches!(outcome, Err(Failure::Interrupted(_))), "{outcome:?}");
    assert_eq!(server.counts(), (1, 1));
}

#[tokio::test]
async fn a_repeat_that_does_not_leave_says_nothing_of_the_first() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        stream.read_u8().await.unwrap();
    });
    let outcome = performed(&http(), &get(format!("http://127.0.0.1:{port}/"))).await;
    assert!(matches!(outcome, Err(Failure::Interrupted(_))), "{outcome:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_serves_the_next_request_until_it_was_idle_too_long() {
    let script = || vec![Act::Read, send(OK), Act::Read, send(OK), Act::Hold];
    let server = Server::start(vec![script(), script()], None).await;
    let http = http();
    for _ in 0..2 {
        assert_eq!(performed(&http, &post(url(&server))).await, ok());
    }
    assert_eq!(server.counts(), (1, 2));

    let server = Server::start(vec![script(), script()], None).await;
    let impatient =
        Http::open(&Limits { idle_for: Duration::ZERO, ..Limits::default() }, &Trust::only(vec![])).unwrap();
    for _ in 0..2 {
        assert_eq!(performed(&impatient, &post(url(&server))).await, ok());
    }
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn a_stale_connection_repeats_only_what_is_idempotent() {
    for idempotent in [true, false] {
        let server = Server::start(vec![vec![Act::Read, send(OK), Act::Read], vec![Act::Read, send(OK)]], None).await;
        let http = http();
        assert_eq!(performed(&http, &post(url(&server))).await, ok());
        let outcome = performed(&http, &Request { idempotent, ..post(url(&server)) }).await;
        if idempotent {
            assert_eq!((outcome, server.counts()), (ok(), (2, 3)));
        } else {
            assert!(matches!(outcome, Err(Failure::Interrupted(_))), "{outcome:?}");
            assert_eq!(server.counts(), (1, 2));
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_in_the_meantime_doubles_nothing() {
    for _ in 0..50 {
        let server = Server::start(vec![vec![Act::Read, send(OK)], vec![Act::Read, send(OK)]], None).await;
        let http = http();
        assert_eq!(performed(&http, &post(url(&server))).await, ok());
        match performed(&http, &post(url(&server))).await {
            Ok(_) => assert_eq!(server.counts(), (2, 2)),
            Err(Failure::Unsent(_) | Failure::Interrupted(_)) => assert_eq!(server.counts(), (1, 1)),
            Err(failure) => panic!("{failure}"),
        }
    }
}

/// Where the log of a test goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn point_30_the_log_has_neither_secrets_nor_bodies_nor_the_path_of_a_webhook() {
    let log = logged(tracing::Level::TRACE).await;
    assert!(log.contains("sent again after its connection broke"), "{log}");
    assert!(log.contains("path=\"/hook\""), "{log}");
    let log = logged(tracing::Level::INFO).await;
    assert!(!log.contains("hook"), "{log}");
}

/// What is logged down to this level about an answer, and about a request without one.
async fn logged(level: tracing::Level) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let answer = || send("HTTP/1.1 200 OK\r\nx-secret: s3cret-header\r\ncontent-length: 11\r\n\r\ns3cret-body");
    let server = Server::start(vec![vec![Act::Read], vec![Act::Read, answer()], vec![Act::Read]], None).await;
    let hook = format!("http://127.0.0.1:{}/hook?query=s3cret", server.port);
    let key = Secret::new("s3cret-key".to_owned());
    let prefixes = [Prefix::parse(&format!("http://127.0.0.1:{}", server.port), false).unwrap()];
    let reach = Reach { key: "reach", prefixes: &prefixes };
    let http = http();
    // Another test may have logged for the first time while this subscriber was made, and been told that nobody listens.
    tracing::callsite::rebuild_interest_cache();
    for idempotent in [true, false] {
        let content = Content { media_type: "text/plain".to_owned(), bytes: b"s3cret-rows".to_vec() };
        let request = Request { idempotent, authorized: true, body: Some(content), ..post(hook.clone()) };
        let credential = Credential::Header { name: "x-key", value: &key };
        let prepared = plan_delivery(&request, reach, Some(credential)).ok().unwrap();
        assert_eq!(http.perform(&prepared).await.is_ok(), idempotent);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let origin = format!("method=\"POST\" origin=\"http://127.0.0.1:{}\"", server.port);
    assert!(log.contains(&format!("answered {origin} status=200 bytes=11")), "{log}");
    assert!(log.contains(&format!("no answer {origin} failure=interrupted: ")), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    log
}
