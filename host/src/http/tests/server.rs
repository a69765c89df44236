//! A server that does to each of its connections what a script says, byte by byte.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What the server does next on a connection.
pub(super) enum Act {
    /// Read a whole request.
    Read,
    /// Send these bytes.
    Send(String),
    /// Send these bytes until the client has gone.
    SendForEver(String),
    /// Tell the test that it has come so far.
    Tell(oneshot::Sender<()>),
    /// Keep the connection until the client has gone.
    Hold,
    /// Break the connection without a farewell.
    Reset,
}

/// What it saw.
#[derive(Default)]
pub(super) struct Seen {
    /// How many connections there were.
    pub(super) connections: usize,
    /// Every request that arrived in whole.
    pub(super) requests: Vec<String>,
}

/// A server on loopback.
pub(super) struct Server {
    /// Its port.
    pub(super) port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// The first connection gets the first script, and so on. Connections beyond the last are closed unread. At the end of
    /// its script a connection is closed.
    pub(super) async fn start(scripts: Vec<Vec<Act>>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let own = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                own.lock().unwrap().connections += 1;
                let script = scripts.next().unwrap_or_default();
                let (seen, tls) = (Arc::clone(&own), tls.clone());
                tokio::spawn(async move {
                    // What the client makes of a broken connection is the test's subject, not ours.
                    let _end: io::Result<()> = match tls {
                        None => play(stream, script, &seen).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => play(stream, script, &seen).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { port, seen }
    }

    /// How many connections there were, and how many requests arrived in whole.
    pub(super) fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.connections, seen.requests.len())
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }
}

/// What can be closed rudely.
trait Linger {
    fn linger_not(&self) -> io::Result<()>;
}

impl Linger for TcpStream {
    fn linger_not(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Linger for tokio_rustls::server::TlsStream<TcpStream> {
    fn linger_not(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Linger + Unpin,
    script: Vec<Act>,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    for act in script {
        match act {
            Act::Read => {
                let request = read(&mut stream).await?;
                seen.lock().unwrap().requests.push(request);
            }
            Act::Send(text) => {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await?;
            }
            Act::SendForEver(text) => loop {
                stream.write_all(text.as_bytes()).await?;
            },
            Act::Tell(sender) => sender.send(()).unwrap(),
            Act::Hold => while stream.read(&mut [0; 1024]).await? > 0 {},
            Act::Reset => stream.linger_not()?,
        }
    }
    Ok(())
}

/// A head, and a body of the length that the head says.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 64 * 1024];
        let length = stream.read(&mut part).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&part[..length]);
        let text = String::from_utf8(request.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let expected =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
        if body.len() >= expected {
            return Ok(text);
        }
    }
}
