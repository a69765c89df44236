//! One attempt: unpacks what is trusted, has tough bring it up to date, judges what is expired, and packs it up again.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use thiserror::Error;
use tough::{ExpirationEnforcement, Repository, RepositoryLoader};

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::mirror::{Folder, Mirror, MirrorError};
use crate::role;
use crate::transport::{Journal, Transport, base_url};
use crate::trust::{Role, TrustState};

/// What came of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What is trusted now. It is stored, all of it, whatever the outcome: a new root counts also where what it signs could
    /// not be had.
    pub trust: TrustState,
    /// What the repository offers.
    pub outcome: Result<Catalogue, RefreshError>,
}

/// Why a repository can't be used now. What is installed runs on.
#[derive(Debug, Error)]
pub enum RefreshError {
    /// The mirror does not answer, or not as it should.
    #[error("the repository can't be read")]
    Mirror(#[source] MirrorError),
    /// What the publisher signed holds no more: nobody renewed it, or somebody keeps the newer one back.
    #[error(
        "{role}.json expired on {}; the publisher has to renew it, or something on the way keeps the newer one back",
        .at.strftime("%F %T UTC")
    )]
    Expired {
        /// Which file.
        role: Role,
        /// When.
        at: Timestamp,
    },
    /// It leaves plugins to somebody else.
    #[error("it delegates to `{name}`, and delegations are not supported; sign its plugins with the key for targets")]
    Delegates {
        /// To whom.
        name: String,
    },
    /// Something is not signed as it should be, older than what was seen before, or does not belong together.
    #[error("the repository is refused")]
    Refused(#[source] Box<tough::error::Error>),
    /// The folder for what is being read can't be written.
    #[error("the folder for what is being read can't be written")]
    WorkFolder(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Brings `trust` up to date from a mirror.
///
/// `work` is a folder in which a temporary one is made; it is gone again afterwards. A process that is killed leaves one
/// behind, of at most the sum of `limits`: who starts anew empties `work`.
pub async fn refresh(
    trust: TrustState,
    mirror: Arc<dyn Mirror>,
    clock: Clock,
    limits: &Limits,
    work: &Path,
) -> Attempt {
    let store = match unpack(&trust, work).await {
        Ok(store) => store,
        Err(error) => return Attempt { trust, outcome: Err(RefreshError::WorkFolder(error.into())) },
    };
    let transport = Transport::new(mirror, *limits, store.path(), trust.clone());
    let loaded = load(&trust, transport.clone(), limits, store.path()).await;
    let journal = transport.take_journal();
    let kept = pack(&trust, &journal, store.path()).await;
    let (trust, expired) = judge(&trust, kept, loaded.is_ok(), clock);
    let outcome = match (expired, loaded) {
        (Some(expired), _) => Err(expired),
        (None, Err(error)) => Err(explain(error, journal)),
        (None, Ok(repository)) => match delegated(&repository) {
            Some(name) => Err(RefreshError::Delegates { name }),
            None => Ok(repository),
        },
    };
    let outcome = outcome.map(|repository| {
        let freshness = clock.freshness(earliest(&repository));
        Catalogue::new(repository, transport, freshness, limits.target)
    });
    Attempt { trust, outcome }
}

/// tough's folder, with what is trusted in it. `latest_known_time.json` is never in it: the time is none of its business.
async fn unpack(trust: &TrustState, work: &Path) -> std::io::Result<TempDir> {
    let store = tempfile::Builder::new().prefix("trust-").tempdir_in(work)?;
    for role in Role::ALL {
        if let Some(bytes) = trust.file(role) {
            tokio::fs::write(store.path().join(role.file()), bytes).await?;
        }
    }
    Ok(store)
}

async fn load(
    trust: &TrustState,
    transport: Transport,
    limits: &Limits,
    store: &Path,
) -> Result<Repository, tough::error::Error> {
    let (Some(metadata), Some(targets)) = (base_url(Folder::Metadata), base_url(Folder::Targets)) else {
        unreachable!("they are constant");
    };
    RepositoryLoader::new(&trust.root, metadata, targets)
        .transport(transport)
        .limits(tough::Limits {
            max_root_size: limits.root,
            max_targets_size: limits.targets,
            max_timestamp_size: limits.timestamp,
            max_snapshot_size: limits.snapshot,
            max_root_updates: limits.roots.into(),
        })
        .datastore(store)
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
}

/// What tough trusts now, as it came: tough writes serializations of its own. A file that is not whole, as on a full card,
/// counts as not written, and what was trusted before stays.
async fn pack(before: &TrustState, journal: &Journal, store: &Path) -> TrustState {
    let mut kept = Vec::new();
    for role in Role::ALL {
        let written = tokio::fs::read(store.join(role.file())).await.ok();
        let given = journal.given.get(&role).map(Vec::as_slice);
        let new = given.filter(|given| written.as_ref().is_some_and(|written| role::is_same(role, given, written)));
        kept.push((new.or(before.file(role)).map(<[u8]>::to_vec), written.is_none()));
    }
    let mut kept = kept.into_iter();
    let mut next = || kept.next().unwrap_or_default();
    let root = next().0.unwrap_or_else(|| before.root.clone());
    let is_rotated = role::is_rotated(&before.root, &root);
    let mut unless_dropped = || {
        let (file, is_missing) = next();
        file.filter(|_| !(is_missing && is_rotated))
    };
    TrustState { timestamp: unless_dropped(), snapshot: unless_dropped(), targets: next().0, root }
}

/// Takes back what is expired, and what came after it, as TUF 5.3.10, 5.4.4, 5.5.6 and 5.6.5 want it. `is_complete`: nothing
/// else is wrong, so that also what did not change has to hold still.
fn judge(
    before: &TrustState,
    after: TrustState,
    is_complete: bool,
    clock: Clock,
) -> (TrustState, Option<RefreshError>) {
    let is_changed = |role: &Role| after.file(*role) != before.file(*role);
    let Some(last) = Role::ALL.into_iter().rev().find(|role| is_complete || is_changed(role)) else {
        return (after, None);
    };
    let expired = Role::ALL.into_iter().take_while(|role| *role <= last).find_map(|role| {
        let at = role::expires(role, after.file(role)?)?;
        clock.is_past(at).then_some((role, at))
    });
    let Some((role, at)) = expired else { return (after, None) };
    // What the new root gave up stays given up.
    let is_rotated = role::is_rotated(&before.root, &after.root);
    let dropping = |bytes: &Option<Vec<u8>>| if is_rotated { None } else { bytes.clone() };
    let mut trust = after;
    if role <= Role::Timestamp {
        trust.timestamp = dropping(&before.timestamp);
    }
    if role <= Role::Snapshot {
        trust.snapshot = dropping(&before.snapshot);
    }
    trust.targets.clone_from(&before.targets);
    (trust, Some(RefreshError::Expired { role, at }))
}

fn explain(error: tough::error::Error, journal: Journal) -> RefreshError {
    use tough::error::Error;
    if let Some(name) = journal.delegated {
        // `1.team.json`, quoted as for a URL.
        let name = name.trim_end_matches(".json");
        let bare = name.split_once('.').filter(|(version, _)| version.bytes().all(|byte| byte.is_ascii_digit()));
        return RefreshError::Delegates { name: bare.map_or(name, |(_, bare)| bare).to_owned() };
    }
    if let Some(failure) = journal.failure {
        return RefreshError::Mirror(failure);
    }
    if let (Error::Transport { .. }, Some(missing)) = (&error, journal.missing) {
        return RefreshError::Mirror(missing);
    }
    match error {
        Error::DatastoreInit { .. }
        | Error::DatastoreOpen { .. }
        | Error::DatastoreCreate { .. }
        | Error::DatastoreRemove { .. } => RefreshError::WorkFolder(Box::new(error)),
        _ => RefreshError::Refused(Box::new(error)),
    }
}

/// The first to whom a repository delegates. An editor may leave an empty list of them.
fn delegated(repository: &Repository) -> Option<String> {
    let delegations = repository.targets().signed.delegations.as_ref()?;
    delegations.roles.first().map(|role| role.name.clone())
}

fn earliest(repository: &Repository) -> Timestamp {
    let expirations = [
        repository.root().signed.expires,
        repository.timestamp().signed.expires,
        repository.snapshot().signed.expires,
        repository.targets().signed.expires,
    ];
    expirations.into_iter().min().unwrap_or(Timestamp::MIN)
}
