//! A gate between the device and the stand-in: connections go through it, or meet what networks do to them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What becomes of connections.
#[derive(Clone)]
pub(crate) enum Passage {
    /// They go through.
    Open,
    /// Nothing listens.
    Closed,
    /// What should open them is not answered.
    Unanswered,
    /// They go through, with TLS on the device's side.
    Encrypted(Arc<ServerConfig>),
}

/// The gate. It closes with the value.
pub(crate) struct Gate {
    /// Where the device finds it.
    pub(crate) address: SocketAddr,
    wishes: mpsc::UnboundedSender<(Passage, oneshot::Sender<Result<()>>)>,
}

impl Gate {
    /// A gate before the server on this port of loopback.
    pub(crate) async fn new(server: u16, passage: Passage) -> Result<Self> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let reserved = bind(loopback(0))?;
        let address = reserved.local_addr()?;
        let (wishes, inbox) = mpsc::unbounded_channel();
        let keeper = Keeper {
            address,
            _reserved: reserved,
            server: loopback(server),
            inbox,
            passage: Passage::Closed,
            held: Held::Nothing,
        };
        tokio::spawn(keeper.run());
        let gate = Self { address, wishes };
        gate.set(passage).await?;
        Ok(gate)
    }

    /// Ends every connection; from now on this becomes of those that come.
    pub(crate) async fn set(&self, passage: Passage) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        self.wishes.send((passage, done)).ok().context("nobody keeps the gate")?;
        is_done.await.context("nobody keeps the gate")?
    }

    /// How many connections to it are being opened at this moment, and have no answer yet: what the kernel drops nobody
    /// else can count.
    pub(crate) fn unanswered(&self) -> Result<usize> {
        let connections = fs::read_to_string("/proc/net/tcp").context("the system tells of no connections")?;
        Ok(count_unanswered(&connections, self.address))
    }
}

/// Of what `/proc/net/tcp` lists, the connections to this address that are being opened.
fn count_unanswered(connections: &str, address: SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else { return 0 };
    // As the kernel prints it: the address as this machine has it in memory, the port as a number.
    let host = u32::from_ne_bytes(address.ip().octets());
    let address = format!("{host:08X}:{:04X}", address.port());
    let connections = connections.lines().map(|line| line.split_whitespace().skip(2));
    connections.filter(|fields| fields.clone().take(2).eq([address.as_str(), SYN_SENT])).count()
}

/// Connections that may wait to be taken, where they are taken.
const BACKLOG: u32 = 64;
/// How `/proc/net/tcp` calls a connection that is being opened (`TCP_SYN_SENT` of the kernel's `tcp_states.h`).
const SYN_SENT: &str = "02";
/// For what loopback answers at once, or not at all.
const AT_ONCE: Duration = Duration::from_millis(300);

struct Keeper {
    address: SocketAddr,
    /// A socket that has the port and does not listen at it: while nothing else does, nobody gets it, neither a server nor an
    /// outgoing connection.
    _reserved: TcpSocket,
    server: SocketAddr,
    inbox: mpsc::UnboundedReceiver<(Passage, oneshot::Sender<Result<()>>)>,
    passage: Passage,
    held: Held,
}

/// What holds the port.
enum Held {
    Nothing,
    Listener(TcpListener),
    /// A listener that takes nothing, and the connections that fill its queue.
    Full {
        _listener: TcpListener,
        _queue: Vec<TcpStream>,
    },
}

impl Keeper {
    async fn run(mut self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                wish = self.inbox.recv() => {
                    let Some((passage, done)) = wish else { return };
                    connections.shutdown().await;
                    self.held = Held::Nothing;
                    let held = hold(self.address, &passage).await;
                    self.passage = passage;
                    // Who wished it waits for this.
                    done.send(held.map(|held| self.held = held)).ok();
                }
                device = accept(&self.held) => {
                    connections.spawn(carry(device, self.server, self.passage.clone()));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn hold(address: SocketAddr, passage: &Passage) -> Result<Held> {
    Ok(match passage {
        Passage::Closed => Held::Nothing,
        Passage::Open | Passage::Encrypted(_) => Held::Listener(listen(address, BACKLOG)?),
        Passage::Unanswered => {
            let listener = listen(address, 0)?;
            let mut queue = Vec::new();
            // What does not fit in any more is dropped by the kernel, as by a network.
            while let Ok(connected) = timeout(AT_ONCE, TcpStream::connect(address)).await {
                queue.push(connected.context("cannot fill the queue of a port")?);
                if queue.len() > 8 {
                    bail!("the queue of a port has no end");
                }
            }
            Held::Full { _listener: listener, _queue: queue }
        }
    })
}

fn listen(address: SocketAddr, backlog: u32) -> Result<TcpListener> {
    Ok(bind(address)?.listen(backlog)?)
}

fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // The port was just used, and one socket more may have it as long as no other listens at it (socket(7)).
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot listen at {address}"))?;
    Ok(socket)
}

async fn accept(held: &Held) -> TcpStream {
    match held {
        Held::Listener(listener) => loop {
            if let Ok((device, _)) = listener.accept().await {
                return device;
            }
        },
        Held::Nothing | Held::Full { .. } => std::future::pending().await,
    }
}

async fn carry(device: TcpStream, server: SocketAddr, passage: Passage) {
    match passage {
        Passage::Encrypted(config) => {
            // A device that does not believe the certificate ends it here.
            if let Ok(device) = TlsAcceptor::from(config).accept(device).await {
                pass(device, server).await;
            }
        }
        _ => pass(device, server).await,
    }
}

/// Carries bytes both ways until one side ends. How it ends is for the two sides to judge.
async fn pass(mut device: impl AsyncRead + AsyncWrite + Unpin, server: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(server).await {
        copy_bidirectional(&mut device, &mut server).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_nobody_answers_is_counted_while_it_is_tried() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let gate = Gate::new(listener.local_addr().unwrap().port(), Passage::Open).await.unwrap();
        let connected = TcpStream::connect(gate.address).await.unwrap();
        assert_eq!(gate.unanswered().unwrap(), 0, "one that is open");
        drop(connected);
        gate.set(Passage::Unanswered).await.unwrap();
        assert_eq!(gate.unanswered().unwrap(), 0, "nobody tries");
        let mut tried = Box::pin(TcpStream::connect(gate.address));
        assert!(timeout(AT_ONCE, &mut tried).await.is_err());
        assert_eq!(gate.unanswered().unwrap(), 1);
        drop(tried);
        assert_eq!(gate.unanswered().unwrap(), 0, "given up");
    }

    #[tokio::test]
    async fn while_nothing_listens_at_its_port_nobody_gets_that() {
        let gate = Gate::new(1, Passage::Closed).await.unwrap();
        for passage in [Passage::Closed, Passage::Open, Passage::Closed] {
            let is_open = matches!(passage, Passage::Open);
            gate.set(passage).await.unwrap();
            assert!(TcpSocket::new_v4().unwrap().bind(gate.address).is_err());
            assert_eq!(TcpStream::connect(gate.address).await.is_ok(), is_open);
        }
    }
}
