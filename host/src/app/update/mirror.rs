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
