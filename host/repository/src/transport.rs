//! What stands between tough and a mirror: bounds whatever comes, keeps the bytes as they came, and answers from the trust
//! state where nothing newer can be had.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};
use tough::{TransportError, TransportErrorKind};
use url::Url;

use crate::limits::Limits;
use crate::mirror::{Folder, Mirror, MirrorError, Pieces};
use crate::role;
use crate::target_name::is_flat;
use crate::trust::{Role, TrustState};

/// Names that are never sent anywhere: tough joins file names to URLs, and the host part says which folder is meant.
pub(crate) fn base_url(folder: Folder) -> Option<Url> {
    Url::parse(&format!("repository://{folder}/")).ok()
}

type TransportStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send + Sync>>;

/// One attempt's way to the mirror.
#[derive(Debug, Clone)]
pub(crate) struct Transport(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    mirror: Arc<dyn Mirror>,
    limits: Limits,
    /// tough's folder of what is trusted so far.
    store: PathBuf,
    stored: TrustState,
    refresh_until: Instant,
    journal: Mutex<Journal>,
}

/// What happened in an attempt.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The last file of each role that was given to tough, as it came.
    pub(crate) given: BTreeMap<Role, Vec<u8>>,
    /// The first failure that is not a missing file.
    pub(crate) failure: Option<MirrorError>,
    /// The last file that is missing, which no repository is without.
    pub(crate) missing: Option<MirrorError>,
    /// A file of metadata that only a delegation has.
    pub(crate) delegated: Option<String>,
    opened: u32,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Metadata(Role),
    Target,
    Delegated,
}

fn classify(folder: Folder, name: &str) -> Asked {
    if folder == Folder::Targets {
        return Asked::Target;
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bare = name.split_once('.').filter(|(version, _)| is_number(version)).map_or(name, |(_, bare)| bare);
    match bare {
        "root.json" if bare != name => Asked::Metadata(Role::Root),
        "timestamp.json" if bare == name => Asked::Metadata(Role::Timestamp),
        "snapshot.json" => Asked::Metadata(Role::Snapshot),
        "targets.json" => Asked::Metadata(Role::Targets),
        _ => Asked::Delegated,
    }
}

impl Transport {
    pub(crate) fn new(mirror: Arc<dyn Mirror>, limits: Limits, store: &Path, stored: TrustState) -> Self {
        let refresh_until = Instant::now() + limits.refresh_for;
        let journal = Mutex::default();
        Self(Arc::new(Shared { mirror, limits, store: store.to_owned(), stored, refresh_until, journal }))
    }

    pub(crate) fn take_journal(&self) -> Journal {
        std::mem::take(&mut *self.0.journal())
    }
}

#[async_trait]
impl tough::Transport for Transport {
    // Whatever goes wrong is in the stream: tough takes a failure to begin one, of a new root, for "there is none".
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let folder = if url.host_str() == Some(Folder::Targets.as_str()) { Folder::Targets } else { Folder::Metadata };
        let name = url.path().trim_start_matches('/').to_owned();
        let role = match classify(folder, &name) {
            Asked::Target => return Ok(self.0.stream_target(url, &name)),
            Asked::Metadata(role) => role,
            Asked::Delegated => {
                self.0.journal().delegated.get_or_insert(name);
                return Ok(once(Err(fail(&url, "it belongs to a delegation"))));
            }
        };
        let fetched = match self.0.unchanged(role).await {
            Some(stored) => Ok(stored),
            None => self.0.obtain(&name, role).await,
        };
        let bytes = match fetched {
            Ok(fetched) => self.0.replace_with_stored(role, fetched).await,
            Err(error) => return Ok(once(Err(self.0.note(&url, error, role == Role::Root)))),
        };
        self.0.journal().given.insert(role, bytes.clone());
        Ok(once(Ok(bytes.into())))
    }
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        // It holds notes of one attempt; what was noted before a panic is as good as it was.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tough trusts so far in this attempt.
    async fn trusted(&self, role: Role) -> Option<Vec<u8>> {
        tokio::fs::read(self.store.join(role.file())).await.ok()
    }

    /// The stored file, where it is the one that is named, and tough did not drop it.
    async fn unchanged(&self, role: Role) -> Option<Vec<u8>> {
        let stored = self.stored.file(role)?;
        let root = self.trusted(Role::Root).await?;
        let is_named = match role {
            Role::Root | Role::Timestamp => false,
            Role::Snapshot => {
                self.trusted(Role::Snapshot).await?;
                role::is_named_snapshot(&root, &self.trusted(Role::Timestamp).await?, stored)
            }
            Role::Targets => role::is_named_targets(&root, &self.trusted(Role::Snapshot).await?, stored),
        };
        is_named.then(|| stored.to_owned())
    }

    /// A timestamp of a version that is known already is not looked at again (TUF 5.4.3).
    async fn replace_with_stored(&self, role: Role, fetched: Vec<u8>) -> Vec<u8> {
        let (Role::Timestamp, Some(stored)) = (role, &self.stored.timestamp) else { return fetched };
        let is_trusted = self.trusted(Role::Timestamp).await.is_some();
        match self.trusted(Role::Root).await {
            Some(root) if is_trusted && role::is_same_timestamp(&root, stored, &fetched) => stored.clone(),
            _ => fetched,
        }
    }

    async fn obtain(&self, name: &str, role: Role) -> Result<Vec<u8>, MirrorError> {
        let limit = self.limits.files();
        {
            let mut journal = self.journal();
            journal.opened += 1;
            if journal.opened > limit {
                return Err(MirrorError::TooMany { limit });
            }
        }
        let limit = match role {
            Role::Root => self.limits.root,
            Role::Timestamp => self.limits.timestamp,
            Role::Snapshot => self.limits.snapshot,
            Role::Targets => self.limits.targets,
        };
        let patience =
            Patience { idle_for: self.limits.idle_for, until: self.refresh_until, all_for: self.limits.refresh_for };
        let file = Bounded::new(Arc::clone(&self.mirror), Folder::Metadata, name, limit, patience);
        let mut file = file.into_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = file.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    /// `may_be_missing`: there is an end to the roots.
    fn note(&self, url: &Url, error: MirrorError, may_be_missing: bool) -> TransportError {
        if let MirrorError::NotFound { .. } = error {
            let told = TransportError::new_with_cause(TransportErrorKind::FileNotFound, url, error.to_string());
            if !may_be_missing {
                self.journal().missing = Some(error);
            }
            return told;
        }
        let told = fail(url, error.to_string());
        self.journal().failure.get_or_insert(error);
        told
    }

    fn stream_target(self: &Arc<Self>, url: Url, name: &str) -> TransportStream {
        let all_for = self.limits.download_for;
        let patience = Patience { idle_for: self.limits.idle_for, until: Instant::now() + all_for, all_for };
        let file = Bounded::new(Arc::clone(&self.mirror), Folder::Targets, name, self.limits.target, patience);
        let shared = Arc::clone(self);
        Box::pin(Exclusive(Mutex::new(
            file.into_stream().map(move |piece| piece.map_err(|error| shared.note(&url, error, false))).boxed(),
        )))
    }
}

fn fail(url: &Url, why: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
    TransportError::new_with_cause(TransportErrorKind::Other, url, why)
}

fn once(item: Result<Bytes, TransportError>) -> TransportStream {
    Box::pin(Exclusive(Mutex::new(stream::iter([item]).boxed())))
}

/// tough wants streams that threads may share, though nobody shares them.
struct Exclusive<S>(Mutex<S>);

impl<S: Stream + Unpin> Stream for Exclusive<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}

#[derive(Debug, Clone, Copy)]
struct Patience {
    idle_for: Duration,
    until: Instant,
    /// How long it was in all, for the message.
    all_for: Duration,
}

impl Patience {
    async fn wait<T>(&self, for_it: impl Future<Output = T>) -> Result<T, Duration> {
        let idle_until = Instant::now() + self.idle_for;
        let (until, limit) =
            if idle_until < self.until { (idle_until, self.idle_for) } else { (self.until, self.all_for) };
        timeout_at(until, for_it).await.map_err(|_| limit)
    }
}

/// A file that is read while it keeps within its bounds.
struct Bounded {
    mirror: Arc<dyn Mirror>,
    folder: Folder,
    name: String,
    limit: u64,
    left: u64,
    patience: Patience,
    pieces: Option<Pieces>,
}

impl Bounded {
    fn new(mirror: Arc<dyn Mirror>, folder: Folder, name: &str, limit: u64, patience: Patience) -> Self {
        Self { mirror, folder, name: name.to_owned(), limit, left: limit, patience, pieces: None }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, MirrorError>> + Send {
        stream::try_unfold(self, |mut file| async move { Ok(file.next().await?.map(|piece| (piece, file))) }).boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, MirrorError> {
        let Self { folder, limit, patience, .. } = *self;
        let name = || self.name.clone();
        let slow = |limit| MirrorError::TooSlow { folder, name: name(), limit };
        let pieces = match &mut self.pieces {
            Some(pieces) => pieces,
            none => {
                if !is_flat(&self.name) {
                    let source = "it is no bare name: letters, digits, `.`, `_`, `-` and `+`".into();
                    return Err(MirrorError::Failed { folder, name: name(), source });
                }
                let opened = patience.wait(self.mirror.open(folder, &self.name)).await.map_err(slow)?;
                none.insert(opened?)
            }
        };
        let Some(piece) = patience.wait(pieces.next()).await.map_err(slow)?.transpose()? else { return Ok(None) };
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return Err(MirrorError::TooLarge { folder, name: name(), limit }),
        }
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_asked_for() {
        let table = [
            (Folder::Metadata, "2.root.json", Asked::Metadata(Role::Root)),
            (Folder::Metadata, "root.json", Asked::Delegated),
            (Folder::Metadata, "timestamp.json", Asked::Metadata(Role::Timestamp)),
            (Folder::Metadata, "3.timestamp.json", Asked::Delegated),
            (Folder::Metadata, "snapshot.json", Asked::Metadata(Role::Snapshot)),
            (Folder::Metadata, "12.snapshot.json", Asked::Metadata(Role::Snapshot)),
            (Folder::Metadata, "12.targets.json", Asked::Metadata(Role::Targets)),
            (Folder::Metadata, "1.team.json", Asked::Delegated),
            (Folder::Metadata, "a.targets.json", Asked::Delegated),
            (Folder::Metadata, "1.2.targets.json", Asked::Delegated),
            (Folder::Targets, "timestamp.json", Asked::Target),
        ];
        for (folder, name, asked) in table {
            assert_eq!(classify(folder, name), asked, "{name}");
        }
    }
}
