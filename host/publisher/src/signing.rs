//! Signing: what waits becomes part of the repository, and everything but the root is signed anew.

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tough::editor::RepositoryEditor;
use tough::editor::signed::SignedRole;
use tough::key_source::KeySource;
use tough::schema::{Hashes, KeyHolder, RoleKeys, RoleType, Root, Target};
use tough::{ExpirationEnforcement, FilesystemTransport, Repository, RepositoryLoader, TargetName};
use url::Url;

use crate::key::{Key, KeyPlaces, ROLES, file_of, make};
use crate::staging::{self, Staged};
use crate::workshop::{Workshop, replace};

/// The key of a target's custom metadata below which the release stands.
const CUSTOM: &str = "punchcard";

/// For how long a signature holds.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Lifetimes {
    /// Days for which the list of plugins is valid; sign again before they are over
    #[arg(long, default_value_t = 365, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    targets_days: u16,
    /// Days for which the timestamp is valid; `refresh` renews it
    #[arg(long, default_value_t = 14, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    timestamp_days: u16,
}

/// The moment that lies so many days after another one.
pub(crate) fn after_days(now: Timestamp, days: u16) -> Result<Timestamp> {
    let at = now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).context("that is too far away")?;
    // Whole seconds: other readers of the format accept no fractions.
    Timestamp::from_second(at.as_second()).context("that is too far away")
}

/// Makes the keys and an empty repository.
pub(crate) async fn init(
    workshop: &Workshop,
    root_days: u16,
    lifetimes: &Lifetimes,
    places: &KeyPlaces,
    now: Timestamp,
) -> Result<()> {
    if workshop.repository().exists() {
        bail!("{} exists already; nothing was changed", workshop.repository().display());
    }
    for folder in [workshop.keys(), workshop.metadata(), workshop.targets()] {
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    for role in ROLES {
        let file = file_of(workshop, role);
        if matches!(places.place(workshop, role), crate::key::KeyPlace::File(place) if place == file && !file.exists())
        {
            make(&file)?;
        }
    }
    let mut root = Root {
        spec_version: "1.0.0".to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: after_days(now, root_days)?,
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    for role in ROLES {
        set_key(&mut root, role, &Key::load(&places.place(workshop, role))?)?;
    }
    let sources = places.sources(workshop, &[RoleType::Root]).await?;
    let root = sign_root(root, None, &sources).await?;
    let files = workspace(workshop)?;
    let root_file = files.path().join("root.json");
    replace(&root_file, root.buffer())?;
    publish(workshop, &root_file, None, lifetimes, places, now).await
}

/// Signs everything but the root anew, with what waits.
pub(crate) async fn sign(workshop: &Workshop, lifetimes: &Lifetimes, places: &KeyPlaces, now: Timestamp) -> Result<()> {
    let (root_file, _) = workshop.newest_root()?;
    let repository = load(workshop, &root_file).await?;
    publish(workshop, &root_file, Some(repository), lifetimes, places, now).await
}

/// Makes `key` the only one of a role.
pub(crate) fn set_key(root: &mut Root, role: RoleType, key: &Key) -> Result<()> {
    let key = key.pair()?.tuf_key();
    let id = key.key_id().context("a key can't be named")?;
    root.keys.insert(id.clone(), key);
    let threshold = NonZeroU64::MIN;
    root.roles.insert(role, RoleKeys { keyids: vec![id], threshold, _extra: HashMap::new() });
    let used: Vec<_> = root.roles.values().flat_map(|role| role.keyids.clone()).collect();
    root.keys.retain(|id, _| used.contains(id));
    Ok(())
}

/// A root, signed with its own keys and, where there is one before it, with that one's (TUF 6.1).
pub(crate) async fn sign_root(
    root: Root,
    before: Option<&Root>,
    keys: &[Box<dyn KeySource>],
) -> Result<SignedRole<Root>> {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let own = KeyHolder::Root(root.clone());
    let signed = SignedRole::new(root.clone(), &own, keys, &rng).await.context("the root can't be signed")?;
    let signed = match before {
        Some(before) => {
            let holder = KeyHolder::Root(before.clone());
            let old = SignedRole::new(root, &holder, keys, &rng).await;
            let old = old.context("the root can't be signed with the key before it")?;
            signed.add_old_signatures(old.signed().signatures.clone()).context("the root can't be signed")?
        }
        None => signed,
    };
    for root in std::iter::once(&signed.signed().signed).chain(before) {
        root.verify_role(signed.signed()).context("the keys at hand are not those that the root names")?;
    }
    Ok(signed)
}

/// The repository as it is served, under a root.
pub(crate) async fn load(workshop: &Workshop, root_file: &Path) -> Result<Repository> {
    let root = fs::read(root_file).with_context(|| format!("can't read {}", root_file.display()))?;
    let url = |path: &Path| {
        let path = fs::canonicalize(path).with_context(|| format!("can't find {}", path.display()))?;
        Url::from_directory_path(&path).ok().with_context(|| format!("{} is no folder", path.display()))
    };
    RepositoryLoader::new(&root, url(&workshop.metadata())?, url(&workshop.targets())?)
        .transport(FilesystemTransport)
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
        .context("the repository as it is can't be read; nothing was changed")
}

/// Writes and serves everything. `root_file` may be one that is not served yet: it is from now on.
pub(crate) async fn publish(
    workshop: &Workshop,
    root_file: &Path,
    repository: Option<Repository>,
    lifetimes: &Lifetimes,
    places: &KeyPlaces,
    now: Timestamp,
) -> Result<()> {
    let next = |version: NonZeroU64| version.checked_add(1).context("there are no more versions");
    let (versions, published) = match &repository {
        Some(repository) => {
            let targets = &repository.targets().signed;
            let versions = [
                next(targets.version)?,
                next(repository.snapshot().signed.version)?,
                next(repository.timestamp().signed.version)?,
            ];
            (versions, targets.targets.clone())
        }
        None => ([NonZeroU64::MIN; 3], HashMap::new()),
    };
    let mut editor = match repository {
        Some(repository) => RepositoryEditor::from_repo(root_file, repository).await,
        None => RepositoryEditor::new(root_file).await,
    }
    .context("the root can't be used")?;
    let staged = staging::read(workshop)?;
    for (name, staged) in &staged {
        let target = TargetName::new(name).context("a name in `staged` is none")?;
        match staged {
            Staged::Withdraw => {
                if !published.contains_key(&target) {
                    bail!("`{name}` is not published, so it can't be withdrawn; remove `staged/{name}.json`");
                }
                editor.remove_target(&target).with_context(|| format!("`{name}` can't be withdrawn"))?;
            }
            Staged::Publish(release) => {
                let described = place(workshop, name, published.get(&target))?;
                let custom = serde_json::to_value(release).context("a release can't be written as JSON")?;
                let described = Target { custom: HashMap::from([(CUSTOM.to_owned(), custom)]), ..described };
                editor.add_target(target, described).with_context(|| format!("`{name}` can't be published"))?;
            }
        }
    }
    let renewed_at = after_days(now, lifetimes.targets_days)?;
    let [targets, snapshot, timestamp] = versions;
    editor.targets_version(targets).context("nothing to sign")?;
    editor.targets_expires(renewed_at).context("nothing to sign")?;
    editor.snapshot_version(snapshot).snapshot_expires(renewed_at);
    editor.timestamp_version(timestamp).timestamp_expires(after_days(now, lifetimes.timestamp_days)?);
    let keys = places.sources(workshop, &[RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp]).await?;
    let signed = editor.sign(&keys).await.context("the repository can't be signed with these keys")?;
    serve(workshop, &signed).await?;
    staging::clear(workshop, &staged)
}

/// Puts a staged file among the targets, and describes it.
fn place(workshop: &Workshop, name: &str, published: Option<&Target>) -> Result<Target> {
    let path = workshop.staged().join(name);
    let bytes = fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
    let digest = Sha256::digest(&bytes).to_vec();
    if published.is_some_and(|published| published.hashes.sha256[..] != digest[..]) {
        bail!(
            "`{name}` is published already with other bytes, and devices may run it; give this one another version, or \
             remove {}",
            path.display()
        );
    }
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    replace(&workshop.targets().join(format!("{hex}.{name}")), &bytes)?;
    let length = u64::try_from(bytes.len()).context("it is too large")?;
    let hashes = Hashes { sha256: digest.into(), _extra: HashMap::new() };
    Ok(Target { length, hashes, custom: HashMap::new(), _extra: HashMap::new() })
}

/// What others name comes before what names it, so that a device that looks in between finds the old repository or the new
/// one.
async fn serve(workshop: &Workshop, signed: &tough::editor::signed::SignedRepository) -> Result<()> {
    let files = workspace(workshop)?;
    signed.write(files.path()).await.context("the signed files can't be written")?;
    let mut names = Vec::new();
    for entry in fs::read_dir(files.path()).context("the signed files can't be read")? {
        names.push(entry.context("the signed files can't be read")?.file_name());
    }
    names.sort_by_key(|name| {
        let name = name.to_string_lossy();
        (name == "timestamp.json", name.ends_with(".root.json"), name.into_owned())
    });
    for name in names {
        let bytes = fs::read(files.path().join(&name)).context("the signed files can't be read")?;
        replace(&workshop.metadata().join(&name), &bytes)?;
    }
    Ok(())
}

pub(crate) fn workspace(workshop: &Workshop) -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix(".signing-").tempdir_in(workshop.path());
    made.with_context(|| format!("can't write in {}", workshop.path().display()))
}
