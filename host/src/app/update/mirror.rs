//! A repository on a web server, through the host's own HTTP: nothing else sends.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use punchcard_core::http::{Failure, Method, Request};
use punchcard_core::reach::Prefix;
use punchcard_core::request::{Reach, plan_delivery};
use punchcard_repository::{Folder, Mirror, MirrorError, Pieces};

use crate::http::Http;

/// The longest that may be given to a request. The reader of the file bounds how long it may take.
const TIMEOUT_MS: u32 = 600_000;

/// Hands out the files below a URL.
pub(super) struct HttpMirror {
    http: Arc<Http>,
    url: Prefix,
    /// Where the URL stands in plugins.toml.
    key: String,
}

impl fmt::Debug for HttpMirror {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HttpMirror({})", self.url)
    }
}

impl HttpMirror {
    pub(super) fn new(http: Arc<Http>, url: Prefix, key: String) -> Self {
        Self { http, url, key }
    }
}

#[async_trait]
impl Mirror for HttpMirror {
    async fn open(&self, folder: Folder, name: &str) -> Result<Pieces, MirrorError> {
        let fail = |reason: String| MirrorError::Failed { folder, name: name.to_owned(), source: reason.into() };
        let request = Request {
            method: Method::Get,
            url: format!("{}/{folder}/{name}", self.url.to_string().trim_end_matches('/')),
            headers: Vec::new(),
            body: None,
            authorized: false,
            idempotent: true,
            timeout_ms: Some(TIMEOUT_MS),
        };
        let reach = Reach { key: &self.key, prefixes: std::slice::from_ref(&self.url) };
        let prepared = plan_delivery(&request, reach, None).map_err(|failure| fail(failure.to_string()))?;
        let download = self.http.begin(&prepared).await.map_err(|failure| fail(failure.to_string()))?;
        match download.status() {
            200 => {}
            // Storage services say of what is not there that it is forbidden.
            403 | 404 | 410 => return Err(MirrorError::NotFound { folder, name: name.to_owned() }),
            status @ 300..=399 => {
                return Err(fail(format!(
                    "the server answers {status}, and redirects are not followed; write where it leads"
                )));
            }
            status => return Err(fail(format!("the server answers {status}"))),
        }
        let broken = (folder, name.to_owned());
        Ok(Box::pin(stream::try_unfold((download, broken), |(mut download, broken)| async move {
            match download.next().await {
                Ok(piece) => Ok(piece.map(|piece| (piece, (download, broken)))),
                Err(failure) => Err(broke_off(broken, &failure)),
            }
        })))
    }
}

fn broke_off((folder, name): (Folder, String), failure: &Failure) -> MirrorError {
    MirrorError::Failed { folder, name, source: failure.to_string().into() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::extract::State;
    use axum::http::{Response, Uri};
    use futures_util::{StreamExt as _, TryStreamExt as _};
    use jiff::Timestamp;
    use punchcard_repository::{Clock, Limits, RefreshError, TrustState, refresh};
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::{self, Trust};

    type HandOut = fn(&Path, &str) -> Response<Body>;

    /// A server of the files below a folder, each as `hand_out` does it.
    async fn serve(folder: &Path, hand_out: HandOut) -> HttpMirror {
        let answer = async |State((folder, hand_out)): State<(std::path::PathBuf, HandOut)>, uri: Uri| {
            hand_out(&folder, uri.path().trim_start_matches("/base/"))
        };
        let router = Router::new().fallback(answer).with_state((folder.to_owned(), hand_out));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Prefix::parse(&format!("http://{}/base", listener.local_addr().unwrap()), true).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = Http::open(&http::Limits::default(), &Trust::only(vec![])).unwrap();
        HttpMirror::new(Arc::new(http), url, "repositories.acme.url".to_owned())
    }

    fn with_status(status: u16, body: impl Into<Body>) -> Response<Body> {
        Response::builder().status(status).body(body.into()).unwrap()
    }

    fn file(folder: &Path, name: &str) -> Response<Body> {
        std::fs::read(folder.join(name)).map_or_else(|_| with_status(404, ""), |bytes| with_status(200, bytes))
    }

    #[tokio::test]
    async fn what_a_server_answers_is_a_file_none_or_a_failure() {
        let statuses: HandOut = |_, path| {
            let status = path.trim_start_matches("metadata/").trim_end_matches(".json").parse().unwrap();
            with_status(status, "content")
        };
        let mirror = serve(Path::new("/"), statuses).await;
        let read = async |name: &str| {
            let pieces: Vec<Bytes> = mirror.open(Folder::Metadata, name).await?.try_collect().await?;
            Ok::<_, MirrorError>(pieces.concat())
        };
        assert_eq!(read("200.json").await.unwrap(), b"content");
        for name in ["403.json", "404.json", "410.json"] {
            assert!(matches!(read(name).await, Err(MirrorError::NotFound { .. })), "{name}");
        }
        for (name, reason) in [
            ("301.json", "the server answers 301, and redirects are not followed; write where it leads"),
            ("500.json", "the server answers 500"),
            ("206.json", "the server answers 206"),
        ] {
            let error = read(name).await.unwrap_err();
            assert!(matches!(&error, MirrorError::Failed { source, .. } if source.to_string() == reason), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_never_ends_is_left_and_one_that_works_is_read() {
        let publisher = tempfile::tempdir().unwrap();
        let path = publisher.path().to_str().unwrap();
        punchcard_publisher::run(["punchcard-publisher", "-C", path, "init"]).await.unwrap();
        let repository = publisher.path().join("repository");
        let root = std::fs::read(repository.join("metadata/1.root.json")).unwrap();
        let endless: HandOut = |folder, name| match name {
            "metadata/timestamp.json" => {
                let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096])));
                with_status(200, Body::from_stream(pieces))
            }
            name => file(folder, name),
        };
        let drip: HandOut = |folder, name| match name {
            "metadata/timestamp.json" => {
                let pieces = stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
                });
                with_status(200, Body::from_stream(pieces.boxed()))
            }
            name => file(folder, name),
        };
        let limits = Limits { refresh_for: Duration::from_millis(500), ..Limits::default() };
        let table: [(HandOut, Option<&str>); 3] = [
            (endless, Some("metadata/timestamp.json is larger than 65536 bytes; the rest was not read")),
            (drip, Some("metadata/timestamp.json did not come within 0 s")),
            (file, None),
        ];
        for (hand_out, said) in table {
            let mirror = Arc::new(serve(&repository, hand_out).await);
            let work = tempfile::tempdir().unwrap();
            let clock = Clock::NotBefore(Timestamp::UNIX_EPOCH);
            let attempt = refresh(TrustState::shipped(root.clone()), mirror, clock, &limits, work.path()).await;
            let found = match attempt.outcome {
                Ok(_) => None,
                Err(RefreshError::Mirror(error)) => Some(error.to_string()),
                Err(error) => panic!("{error:?}"),
            };
            assert_eq!(found.as_deref(), said);
        }
    }
}
