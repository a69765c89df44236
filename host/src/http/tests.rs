//! What servers and networks do to requests.

mod server;

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use punchcard_core::http::{Content, Request};
use punchcard_core::reach::Prefix;
use punchcard_core::redact::Blanker;
use punchcard_core::request::{Credential, Reach, plan_delivery};
use punchcard_core::secret::Secret;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

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
fn prepared(request: &Request) -> Prepared {
    let url = url::Url::parse(&request.url).unwrap();
    let prefixes = [Prefix::parse(&url.origin().ascii_serialization(), false).unwrap()];
    plan_delivery(request, "rows", Reach { key: "sinks.rows.reach", prefixes: &prefixes }, None).ok().unwrap()
}

fn http() -> Http {
    Http::open(Limits::default(), Trust::only(vec![])).unwrap()
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
async fn a_request_arrives_as_it_was_planned() {
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
    let prepared = plan_delivery(&request, "rows", reach, Some(Credential::Bearer { token: &token, audience: reach }))
        .ok()
        .unwrap();
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
async fn half_an_answer_is_none() {
    let table = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "interrupted: the answer broke off after 4 bytes: "),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "interrupted: the answer broke off after 4 bytes: ",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "interrupted: the answer broke off after 0 bytes: "),
    ];
    for (answer, beginning) in table {
        let (outcome, _server) = met(vec![vec![Act::Read, send(answer)]], post).await;
        let said = said(outcome);
        assert!(said.starts_with(beginning), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    // Without a length the end of the connection is the end of the answer (RFC 9112 §6.3).
    let (outcome, _server) = met(vec![vec![Act::Read, send("HTTP/1.1 200 OK\r\n\r\nok")]], post).await;
    assert_eq!(outcome, ok());
}

#[tokio::test]
async fn an_answer_has_to_be_whole_in_time() {
    let beginnings = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    ];
    for (place, beginning) in beginnings.into_iter().enumerate() {
        for request in [post, get] {
            let (tell, told) = oneshot::channel();
            let server = Server::start(
                vec![vec![Act::Read, send(beginning), Act::Tell(tell), Act::Hold], vec![Act::Read, send(OK)]],
                None,
            )
            .await;
            let deadline = async { told.await.unwrap() };
            let outcome = shown(http().perform_before(deadline, &prepared(&request(url(&server)))).await);
            let expected =
                if place < 2 { "no answer within 60000 ms" } else { "the answer was not whole within 60000 ms" };
            // The end of the deadline and the answer's head race; the first is never reported as success.
            let said = said(outcome);
            assert!(
                said == format!("interrupted: {expected}")
                    || (place >= 2 && said == "interrupted: no answer within 60000 ms"),
                "{said}"
            );
            assert_eq!(server.counts(), (1, 1));
        }
    }
}

#[tokio::test]
async fn an_endless_answer_ends() {
    let head = || send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let (outcome, _server) = met(
        vec![vec![Act::Read, head(), Act::SendForEver(format!("400\r\n{}\r\n", "x".repeat(1_024)).repeat(100))]],
        post,
    )
    .await;
    assert_eq!(outcome, Err(Failure::TooLarge(8 * 1024 * 1024)));
}

#[tokio::test]
async fn an_answer_is_as_large_as_the_limit_at_most() {
    let limits = Limits { largest_answer: 4, ..Limits::default() };
    let http = Http::open(limits, Trust::only(vec![])).unwrap();
    let table = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour", Ok((200, "four".to_owned()))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Err(Failure::TooLarge(4))),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\n\r\n",
            Ok((200, "four".to_owned())),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n3\r\nurx\r\n0\r\n\r\n",
            Err(Failure::TooLarge(4)),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nfour", Ok((200, "four".to_owned()))),
        ("HTTP/1.1 500 X\r\n\r\nfive!", Err(Failure::TooLarge(4))),
    ];
    for (answer, expected) in table {
        let server = Server::start(vec![vec![Act::Read, send(answer)]], None).await;
        assert_eq!(performed(&http, &post(url(&server))).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
        let (outcome, server) = met(vec![vec![Act::Read, Act::Send(answer), Act::Read, send(OK)]], get).await;
        assert_eq!((outcome, server.counts()), (Ok((status, String::new())), (1, 1)));
    }
}

#[tokio::test]
async fn a_cookie_is_not_sent_back() {
    let first = send("HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok");
    let server = Server::start(vec![vec![Act::Read, first, Act::Read, send(OK)]], None).await;
    let http = http();
    let response = http.perform(&prepared(&get(url(&server)))).await.ok().unwrap().blank(&Blanker::new(&[]));
    assert!(response.headers.iter().all(|header| header.name != "set-cookie"));
    assert_eq!(performed(&http, &get(url(&server))).await, ok());
    assert!(server.requests().iter().all(|request| !request.contains("cookie")));
}

#[tokio::test]
async fn an_encoded_answer_is_not_read() {
    let answer = send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx");
    let (outcome, _server) = met(vec![vec![Act::Read, answer]], post).await;
    assert_eq!(
        said(outcome),
        "interrupted: the answer is in the encoding \"gzip\", which was not asked for and is not read"
    );
    let answer = send("HTTP/1.1 200 OK\r\ncontent-encoding: Identity\r\ncontent-length: 2\r\n\r\nok");
    let (outcome, _server) = met(vec![vec![Act::Read, answer]], post).await;
    assert_eq!(outcome, ok());
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
    let impatient = Http::open(Limits { idle_for: Duration::ZERO, ..Limits::default() }, Trust::only(vec![])).unwrap();
    for _ in 0..2 {
        assert_eq!(performed(&impatient, &post(url(&server))).await, ok());
    }
    assert_eq!(server.counts(), (2, 2));

    let server = Server::start(vec![script(), script()], None).await;
    for _ in 0..2 {
        assert_eq!(performed(&http, &post(url(&server))).await, ok());
        http.drop_connections().unwrap();
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

/// Names of the tests' own.
struct Names(BTreeMap<&'static str, &'static str>);

impl Lookup for Names {
    fn addresses(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let address = self.0.get(name.as_str()).map(|address| address.parse().unwrap());
        Box::pin(async move { address.map(|address| vec![address]).ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// Never answers. Tells that it was asked.
struct Silence(Mutex<Option<oneshot::Sender<()>>>);

impl Lookup for Silence {
    fn addresses(&self, _name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        if let Some(tell) = self.0.lock().unwrap().take() {
            tell.send(()).unwrap();
        }
        Box::pin(pending())
    }
}

#[tokio::test]
async fn a_name_of_a_private_network_is_refused_unless_granted() {
    let server = Server::start(vec![vec![Act::Read, send(OK)]], None).await;
    let names = Arc::new(Names([("nas.example", "127.0.0.1")].into()));
    let http = Http::open_with(Limits::default(), Trust::only(vec![]), names).unwrap();
    let request = get(format!("http://nas.example:{}/path", server.port));
    let said = said(performed(&http, &request).await);
    assert!(said.starts_with("not sent: "), "{said}");
    assert!(
        said.contains("`nas.example` leads to 127.0.0.1, an address of a private network; if that is meant"),
        "{said}"
    );
    assert_eq!(server.counts(), (0, 0));

    let granted = [Prefix::parse(&format!("http://nas.example:{}", server.port), true).unwrap()];
    let reach = Reach { key: "reach", prefixes: &granted };
    let prepared = plan_delivery(&request, "rows", reach, None).ok().unwrap();
    assert_eq!(shown(http.perform(&prepared).await), ok());
}

#[tokio::test]
async fn a_name_without_an_address_is_unsent() {
    let http = Http::open_with(Limits::default(), Trust::only(vec![]), Arc::new(Names(BTreeMap::new()))).unwrap();
    let said = said(performed(&http, &post("http://nowhere.example/?s3cret".to_owned())).await);
    assert!(said.starts_with("not sent: ") && said.ends_with("no such name") && !said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_connection_has_to_be_made_in_time() {
    let limits = Limits { connect_for: Duration::from_millis(1), ..Limits::default() };
    let silence = Arc::new(Silence(Mutex::new(None)));
    let http = Http::open_with(limits, Trust::only(vec![]), silence).unwrap();
    for request in [post, get] {
        let failure = performed(&http, &request("http://h.example/".to_owned())).await.unwrap_err();
        assert!(matches!(failure, Failure::Unsent(_)), "{failure}");
    }
}

#[tokio::test]
async fn time_that_is_up_before_the_body_was_asked_for_leaves_no_doubt() {
    // Without a body there is nothing to tell by.
    for (request, expected) in [
        (post as fn(String) -> Request, Failure::Unsent("no connection within 60000 ms".to_owned())),
        (get, Failure::Interrupted("no answer within 60000 ms".to_owned())),
    ] {
        let (tell, told) = oneshot::channel();
        let silence = Arc::new(Silence(Mutex::new(Some(tell))));
        let http = Http::open_with(Limits::default(), Trust::only(vec![]), silence).unwrap();
        let deadline = async { told.await.unwrap() };
        let outcome = http.perform_before(deadline, &prepared(&request("http://h.example/".to_owned()))).await;
        assert_eq!(shown(outcome), Err(expected));
    }
}

/// A certificate for `h.example` that nobody vouches for: itself in PEM, and a server that shows it.
fn certificate() -> (Vec<u8>, TlsAcceptor) {
    let own = rcgen::generate_simple_self_signed(vec!["h.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    (own.cert.pem().into_bytes(), TlsAcceptor::from(Arc::new(config)))
}

/// What comes of a request to `name` over TLS, where this is trusted.
async fn met_with_tls(name: &str, trust: Trust, server: &Server) -> Result<(u16, String), Failure> {
    let names = Arc::new(Names([("h.example", "127.0.0.1"), ("other.example", "127.0.0.1")].into()));
    let http = Http::open_with(Limits::default(), trust, names).unwrap();
    let origin = format!("https://{name}:{}", server.port);
    let granted = [Prefix::parse(&origin, true).unwrap()];
    let request = post(format!("{origin}/path?s3cret"));
    let prepared = plan_delivery(&request, "rows", Reach { key: "reach", prefixes: &granted }, None).ok().unwrap();
    shown(http.perform(&prepared).await)
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing() {
    let (own, acceptor) = certificate();
    let (other, _) = certificate();
    let script = || vec![vec![Act::Read, send(OK)]];
    let server = Server::start(script(), Some(acceptor.clone())).await;
    assert_eq!(met_with_tls("h.example", Trust::only(vec![own.clone()]), &server).await, ok());
    assert_eq!(server.counts(), (1, 1));
    for (name, trust) in [
        ("h.example", Trust::only(vec![])),
        ("h.example", Trust::only(vec![other])),
        ("other.example", Trust::only(vec![own])),
    ] {
        let server = Server::start(script(), Some(acceptor.clone())).await;
        let failure = met_with_tls(name, trust, &server).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Unsent(text) if text.contains("certificate") && !text.contains("s3cret")),
            "{failure}"
        );
        assert_eq!(server.counts(), (1, 0));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_during_the_handshake_is_unsent() {
    for script in [vec![], vec![Act::Reset], vec![send("HTTP/1.1 400 Bad Request\r\n\r\n")]] {
        let server = Server::start(vec![script], None).await;
        let failure = met_with_tls("h.example", Trust::only(vec![]), &server).await.unwrap_err();
        assert!(matches!(failure, Failure::Unsent(_)), "{failure}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused_at_once() {
    let broken = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec();
    for trust in [Trust::only(vec![broken.clone()]), Trust::system(vec![broken])] {
        assert!(matches!(Http::open(Limits::default(), trust).err(), Some(OpenError::Certificate(_))));
    }
}

#[tokio::test]
async fn the_certificates_of_the_system_are_believed_beside_extra_ones() {
    let (own, acceptor) = certificate();
    let server = Server::start(vec![vec![Act::Read, send(OK)]], Some(acceptor)).await;
    assert_eq!(met_with_tls("h.example", Trust::system(vec![own]), &server).await, ok());
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
async fn the_log_has_neither_secrets_nor_bodies() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let answer = || send("HTTP/1.1 200 OK\r\nx-secret: s3cret-header\r\ncontent-length: 11\r\n\r\ns3cret-body");
    let server = Server::start(vec![vec![Act::Read], vec![Act::Read, answer()], vec![Act::Read]], None).await;
    let key = Secret::new("s3cret-key".to_owned());
    let prefixes = [Prefix::parse(&format!("http://127.0.0.1:{}", server.port), false).unwrap()];
    let reach = Reach { key: "reach", prefixes: &prefixes };
    let http = http();
    for idempotent in [true, false] {
        let content = Content { media_type: "text/plain".to_owned(), bytes: b"s3cret-rows".to_vec() };
        let request = Request { idempotent, authorized: true, body: Some(content), ..post(url(&server)) };
        let credential = Credential::Header { name: "x-key", value: &key };
        let prepared = plan_delivery(&request, "rows", reach, Some(credential)).ok().unwrap();
        assert_eq!(http.perform(&prepared).await.is_ok(), idempotent);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let url = format!("method=\"POST\" url=\"http://127.0.0.1:{}/path\"", server.port);
    assert!(log.contains(&format!("answered {url} status=200 bytes=11")), "{log}");
    assert!(log.contains(&format!("no answer {url} failure=interrupted: ")), "{log}");
    assert!(log.contains("sent again after its connection broke"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
