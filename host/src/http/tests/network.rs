//! Where names lead, and who proves to be behind them.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::IpAddr;
use std::path::Path;

use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// Names of the tests' own.
struct Names(BTreeMap<&'static str, &'static str>);

impl Lookup for Names {
    fn addresses(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let address = self.0.get(name.as_str()).map(|address| address.parse().unwrap());
        Box::pin(async move { address.map(|address| vec![address]).ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// With a lookup of the test's own.
fn opened<L: Lookup + 'static>(limits: &Limits, trust: &Trust, lookup: Arc<L>) -> Result<Http, OpenError> {
    let lookup: Arc<dyn Lookup> = lookup;
    Http::open_with(limits, trust, &lookup)
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
    let http = opened(&Limits::default(), &Trust::only(vec![]), names).unwrap();
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
    let prepared = plan_delivery(&request, reach, None).ok().unwrap();
    assert_eq!(shown(http.perform(&prepared).await), ok());
}

#[tokio::test]
async fn what_is_not_encrypted_goes_to_no_address_of_the_open_internet() {
    let names = Arc::new(Names([("nas.example", "8.8.8.8")].into()));
    let http = opened(&Limits::default(), &Trust::only(vec![]), names).unwrap();
    let granted = [Prefix::parse("http://nas.example", true).unwrap()];
    let reach = Reach { key: "reach", prefixes: &granted };
    let request = get("http://nas.example/path".to_owned());
    let prepared = plan_delivery(&request, reach, None).ok().unwrap();
    let said = said(shown(http.perform(&prepared).await));
    assert!(said.starts_with("not sent: "), "{said}");
    assert!(
        said.ends_with(
            "`nas.example` leads to 8.8.8.8, which is not in a private network; use https for it in plugins.toml"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_unsent() {
    let http = opened(&Limits::default(), &Trust::only(vec![]), Arc::new(Names(BTreeMap::new()))).unwrap();
    let said = said(performed(&http, &post("http://nowhere.example/?s3cret".to_owned())).await);
    assert_eq!(said, "not sent: the name nowhere.example can't be looked up: is there a network?");
}

#[tokio::test]
async fn a_server_that_refuses_is_said_in_one_plain_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let http = opened(&Limits::default(), &Trust::only(vec![]), Arc::new(Names(BTreeMap::new()))).unwrap();
    let said = said(performed(&http, &post(format!("http://{address}/?s3cret"))).await);
    assert_eq!(said, "not sent: 127.0.0.1 refuses the connection");
}

#[tokio::test]
async fn a_connection_has_to_be_made_in_time() {
    let limits = Limits { connect_for: Duration::from_millis(1), ..Limits::default() };
    let silence = Arc::new(Silence(Mutex::new(None)));
    let http = opened(&limits, &Trust::only(vec![]), silence).unwrap();
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
        let http = opened(&Limits::default(), &Trust::only(vec![]), silence).unwrap();
        let deadline = async { told.await.unwrap() };
        let outcome = http.perform_before(deadline, &prepared(&request("http://h.example/".to_owned()))).await;
        assert_eq!(shown(outcome), Err(expected));
    }
}

/// A certificate for `h.example` that nobody vouches for: itself in PEM, and a server that shows it.
fn certificate() -> (Vec<u8>, TlsAcceptor) {
    let own = rcgen::generate_simple_self_signed(vec!["h.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    // Named, because another crate may bring a second provider along, and then there is no default.
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (own.cert.pem().into_bytes(), TlsAcceptor::from(Arc::new(config)))
}

/// What comes of a request to `name` over TLS, where this is trusted.
async fn met_with_tls(name: &str, trust: Trust, server: &Server) -> Result<(u16, String), Failure> {
    let names = Arc::new(Names([("h.example", "127.0.0.1"), ("other.example", "127.0.0.1")].into()));
    let http = opened(&Limits::default(), &trust, names).unwrap();
    let origin = format!("https://{name}:{}", server.port);
    let granted = [Prefix::parse(&origin, true).unwrap()];
    let request = post(format!("{origin}/path?s3cret"));
    let prepared = plan_delivery(&request, Reach { key: "reach", prefixes: &granted }, None).ok().unwrap();
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
            matches!(&failure, Failure::Unsent(text) if text.starts_with(&format!("the certificate of {name} is not"))),
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
        assert!(matches!(Http::open(&Limits::default(), &trust).err(), Some(OpenError::Certificate(_))));
    }
}

#[tokio::test]
async fn the_certificates_of_the_system_are_believed_beside_extra_ones() {
    let (own, acceptor) = certificate();
    let server = Server::start(vec![vec![Act::Read, send(OK)]], Some(acceptor)).await;
    assert_eq!(met_with_tls("h.example", Trust::system(vec![own]), &server).await, ok());
}

#[tokio::test]
async fn the_authorities_of_a_file_are_believed_beside_those_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    let (own, acceptor) = certificate();
    std::fs::write(&file, own).unwrap();
    let server = Server::start(vec![vec![Act::Read, send(OK)]], Some(acceptor)).await;
    assert_eq!(met_with_tls("h.example", Trust::system_and_file(&file).unwrap(), &server).await, ok());
}

#[test]
fn a_file_without_certificates_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    let said = |path: &Path| Trust::system_and_file(path).unwrap_err().to_string();
    assert!(said(&file).ends_with("authority.pem` can't be read"));
    assert!(said(folder.path()).contains("is no regular file"));
    for (content, words) in [
        (b"".to_vec(), "holds no certificate in PEM"),
        (b"\x30\x82".to_vec(), "converts one in DER"),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec(), "holds no certificate in PEM"),
        (vec![b'\n'; 1024 * 1024 + 1], "is longer than 1048576 bytes"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert!(said(&file).contains(words), "{}", said(&file));
    }
}
