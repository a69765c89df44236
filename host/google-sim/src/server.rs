//! The socket: reads calls, lets the world answer them, and sends answers the way that faults want them sent.
//!
//! It serves HTTP/1.1 on one address, which is loopback where nobody asks for another one. Each connection can be told to close once it is idle.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::form_urlencoded;

use crate::call::{Answer, Call, Delivery, Manner};
use crate::clock::Clock;
use crate::refusal::{Api, Refusal};
use crate::world::{MOST_BODY_BYTES, World};
use crate::{control, page};

/// A body that is longer ends its connection.
const MOST_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) world: Mutex<World>,
    pub(crate) clock: Clock,
    /// Counts how often idle connections were told to close.
    pub(crate) closings: watch::Sender<u64>,
    /// Connections that had been used, waited for the next call, and were closed because of that.
    pub(crate) closed: AtomicU64,
}

impl Shared {
    /// Does something to the world at the simulated time, after everything that became due until then.
    pub(crate) fn with_world<T>(&self, perform: impl FnOnce(&mut World, jiff::Timestamp) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        world.settle(now);
        let result = perform(&mut world, now);
        if std::mem::take(&mut world.wants_closing) {
            self.closings.send_modify(|count| *count += 1);
        }
        result
    }

    fn answer(&self, call: Call) -> Delivery {
        if call.path.starts_with("/sim/") {
            let controlled = self.with_world(|world, now| control::perform(world, &call, now));
            self.clock.advance(controlled.advance_by);
            return controlled.answer.into();
        }
        self.with_world(|world, now| match page::perform(world, &call) {
            Some(answer) => answer.into(),
            None => world.answer(call, now),
        })
    }
}

/// Opens a port; zero is any that is free.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` is set or its sender is gone.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            // The guard of the value must not be held while something else is waited for.
            () = async { drop(stop.wait_for(|is_stopped| *is_stopped).await) } => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve_connection(stream, Arc::clone(&shared)))),
                Err(error) => {
                    // Usually there are too many open files: it passes, and must not fill the log until then.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers in several packets may be delayed");
    }
    let mut closings = shared.closings.subscribe();
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let service = service_fn(|request| {
        asked.fetch_add(1, Ordering::Relaxed);
        async {
            let response = perform(request, Arc::clone(&shared)).await;
            answered.fetch_add(1, Ordering::Relaxed);
            response
        }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_closing = false;
    let mut was_kept = false;
    let result = loop {
        tokio::select! {
            result = connection.as_mut() => break result,
            Ok(()) = closings.changed(), if !is_closing => {
                is_closing = true;
                let calls = asked.load(Ordering::Relaxed);
                was_kept = calls > 0 && calls == answered.load(Ordering::Relaxed);
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if was_kept {
        shared.closed.fetch_add(1, Ordering::Relaxed);
    }
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The answer never comes: hyper closes the connection without a byte.
#[derive(Debug, thiserror::Error)]
#[error("the answer was dropped, as asked")]
struct Dropped;

/// The answer ends in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off, as asked")]
struct CutOff;

type Body = BoxBody<Bytes, CutOff>;

async fn perform(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Dropped> {
    let (parts, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        // The client went away while it sent: there is nobody to answer, and nothing was carried out.
        let data = frame.map_err(|_| Dropped)?.into_data().unwrap_or_default();
        length = length.saturating_add(data.len());
        // What is too long is read to its end and thrown away: a client that still sends would not see an answer.
        if length <= MOST_BODY_BYTES {
            bytes.extend_from_slice(&data);
        } else if length <= MOST_DISCARDED_BYTES {
            bytes.clear();
        } else {
            return Err(Dropped);
        }
    }
    if length > MOST_BODY_BYTES {
        let message = format!("Request payload size exceeds the limit: {MOST_BODY_BYTES} bytes.");
        return send(Refusal::invalid(message).render(Api::Sheets).into()).await;
    }
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let call = Call {
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        media_type: header(CONTENT_TYPE)
            .map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()),
        authorization: header(AUTHORIZATION).map(str::to_owned),
        method: parts.method,
        body: bytes.into(),
    };
    send(shared.answer(call)).await
}

async fn send(delivery: Delivery) -> Result<Response<Body>, Dropped> {
    if delivery.manner == Manner::Withheld {
        // hyper forgets this when the client goes away.
        std::future::pending::<()>().await;
    }
    let Delivery { answer: Some(answer), manner } = delivery else { return Err(Dropped) };
    match manner {
        Manner::Dropped => return Err(Dropped),
        Manner::Delayed(span) => tokio::time::sleep(span).await,
        Manner::Whole | Manner::Half | Manner::Dripped(_) | Manner::Endless | Manner::Padded(_) | Manner::Withheld => {}
    }
    let length = answer.body.len();
    let (length, body) = match manner {
        Manner::Half => (Some(length.max(1)), cut_in_half(answer.body.clone())),
        Manner::Dripped(pause) => (Some(length), drip(answer.body.clone(), pause)),
        Manner::Endless => (None, never_end(answer.body.clone())),
        Manner::Padded(bytes) => {
            let mut padded = answer.body.to_vec();
            padded.resize(bytes.max(length), b' ');
            (Some(padded.len()), whole(padded.into()))
        }
        Manner::Whole | Manner::Dropped | Manner::Delayed(_) | Manner::Withheld => {
            (Some(length), whole(answer.body.clone()))
        }
    };
    Ok(respond(answer, length, body))
}

fn respond(answer: Answer, length: Option<usize>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("ESF"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    if let Ok(content_type) = HeaderValue::from_str(&answer.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(length) = length.filter(|_| answer.status != StatusCode::NO_CONTENT) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.extend(answer.headers);
    response
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

fn cut_in_half(bytes: Bytes) -> Body {
    let (mut sender, body) = Channel::<Bytes, CutOff>::new(1);
    tokio::spawn(async move {
        // The receiver may be gone already: then there is nothing to cut.
        if sender.send_data(bytes.slice(..bytes.len() / 2)).await.is_ok() {
            // hyper sends what it has when it finds that nothing more is there yet.
            tokio::time::sleep(Duration::from_millis(20)).await;
            sender.abort(CutOff);
        }
    });
    body.boxed()
}

fn drip(bytes: Bytes, pause: Duration) -> Body {
    let (mut sender, body) = Channel::<Bytes, CutOff>::new(1);
    tokio::spawn(async move {
        for at in 0..bytes.len() {
            if sender.send_data(bytes.slice(at..=at)).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    body.boxed()
}

fn never_end(bytes: Bytes) -> Body {
    let (mut sender, body) = Channel::<Bytes, CutOff>::new(1);
    tokio::spawn(async move {
        let mut next = bytes;
        while sender.send_data(next).await.is_ok() {
            next = Bytes::from_static(&[b' '; 4096]);
        }
    });
    body.boxed()
}
