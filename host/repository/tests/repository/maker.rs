//! Makes repositories, with whatever versions and expirations a test wants.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use jiff::{SignedDuration, Timestamp};
use punchcard_repository::{Attempt, Clock, FolderMirror, Limits, Mirror, TrustState, refresh};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tough::TargetName;
use tough::editor::RepositoryEditor;
use tough::editor::signed::SignedRole;
use tough::key_source::KeySource;
use tough::schema::{Hashes, KeyHolder, RoleKeys, RoleType, Root, Signed, Target};
use tough::sign::{Sign, parse_keypair};

/// The plugin that most repositories offer.
pub(crate) const PLUGIN: &str = "timeclock-1.0.0.wasm";

const ROLES: [RoleType; 4] = [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];

/// When the tests take place.
pub(crate) fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn in_days(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

#[derive(Debug, Clone)]
struct Key(Vec<u8>);

impl Key {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap().as_ref().to_vec())
    }

    fn pair(&self) -> impl Sign + use<> {
        parse_keypair(&self.0).unwrap()
    }
}

#[async_trait]
impl KeySource for Key {
    async fn as_sign(&self) -> Result<Box<dyn Sign>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Box::new(self.pair()))
    }

    async fn write(&self, _: &str, _: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// One state of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Edition {
    pub(crate) plugins: Vec<(String, Vec<u8>)>,
    pub(crate) custom: Option<serde_json::Value>,
    /// Of targets, snapshot and timestamp.
    pub(crate) versions: [u64; 3],
    pub(crate) expires: [Timestamp; 3],
    pub(crate) delegates: bool,
}

impl Edition {
    pub(crate) fn of(version: u64) -> Self {
        Self {
            plugins: vec![(PLUGIN.to_owned(), format!("version {version}").into_bytes())],
            custom: None,
            versions: [version; 3],
            expires: [in_days(300), in_days(300), in_days(14)],
            delegates: false,
        }
    }
}

/// A publisher with keys, and the folder that it serves.
#[derive(Debug)]
pub(crate) struct Maker {
    folder: TempDir,
    keys: HashMap<RoleType, Key>,
    root: Root,
    signed: Signed<Root>,
}

impl Maker {
    /// Root 1, and the first edition.
    pub(crate) async fn new() -> Self {
        let keys: HashMap<_, _> = ROLES.into_iter().map(|role| (role, Key::new())).collect();
        let root = Root {
            spec_version: "1.0.0".to_owned(),
            consistent_snapshot: true,
            version: NonZeroU64::MIN,
            expires: in_days(1000),
            keys: HashMap::new(),
            roles: HashMap::new(),
            _extra: HashMap::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        for name in ["metadata", "targets"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let signed = Signed { signed: root.clone(), signatures: Vec::new() };
        let mut maker = Self { folder, keys, root, signed };
        maker.set_keys();
        maker.sign_root(None).await;
        maker.publish(Edition::of(1)).await;
        maker
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("metadata").join(name)
    }

    /// Where a device's trust begins.
    pub(crate) fn shipped(&self) -> TrustState {
        TrustState::shipped(std::fs::read(self.file("1.root.json")).unwrap())
    }

    pub(crate) fn mirror(&self) -> Arc<dyn Mirror> {
        Arc::new(FolderMirror::open(self.path()).unwrap())
    }

    fn set_keys(&mut self) {
        self.root.keys.clear();
        for (role, key) in &self.keys {
            let key = key.pair().tuf_key();
            let id = key.key_id().unwrap();
            self.root.keys.insert(id.clone(), key);
            let keys = RoleKeys { keyids: vec![id], threshold: NonZeroU64::MIN, _extra: HashMap::new() };
            self.root.roles.insert(*role, keys);
        }
    }

    async fn sign_root(&mut self, before: Option<(Root, Key)>) {
        let rng = SystemRandom::new();
        let sign = async |root: &Root, holder: &Root, key: &Key| {
            let keys: [Box<dyn KeySource>; 1] = [Box::new(key.clone())];
            SignedRole::new(root.clone(), &KeyHolder::Root(holder.clone()), &keys, &rng).await.unwrap()
        };
        let mut signed = sign(&self.root, &self.root, &self.keys[&RoleType::Root]).await;
        if let Some((root, key)) = before {
            let old = sign(&self.root, &root, &key).await;
            signed = signed.add_old_signatures(old.signed().signatures.clone()).unwrap();
        }
        self.signed = signed.signed().clone();
        std::fs::write(self.file(&format!("{}.root.json", self.root.version)), signed.buffer()).unwrap();
    }

    /// A new root, with new keys for these roles. What they signed has to be published anew.
    pub(crate) async fn rotate(&mut self, roles: &[RoleType]) {
        let before = (self.root.clone(), self.keys[&RoleType::Root].clone());
        for role in roles {
            self.keys.insert(*role, Key::new());
        }
        self.root.version = self.root.version.checked_add(1).unwrap();
        self.set_keys();
        self.sign_root(Some(before)).await;
    }

    /// A new root that expires then.
    pub(crate) async fn renew_root(&mut self, expires: Timestamp) {
        self.root.expires = expires;
        self.rotate(&[]).await;
    }

    pub(crate) async fn publish(&self, edition: Edition) {
        let root = self.file(&format!("{}.root.json", self.root.version));
        let mut editor = RepositoryEditor::new(&root).await.unwrap();
        for (name, bytes) in &edition.plugins {
            let digest = Sha256::digest(bytes).to_vec();
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            if !name.contains('/') {
                std::fs::write(self.path().join("targets").join(format!("{hex}.{name}")), bytes).unwrap();
            }
            let custom = edition.custom.iter().map(|custom| ("punchcard".to_owned(), custom.clone())).collect();
            let target = Target {
                length: bytes.len() as u64,
                hashes: Hashes { sha256: digest.into(), _extra: HashMap::new() },
                custom,
                _extra: HashMap::new(),
            };
            editor.add_target(TargetName::new(name).unwrap(), target).unwrap();
        }
        let [targets, snapshot, timestamp] = edition.versions.map(|version| NonZeroU64::new(version).unwrap());
        let [targets_at, snapshot_at, timestamp_at] = edition.expires;
        if edition.delegates {
            let keys: [Box<dyn KeySource>; 1] = [Box::new(Key::new())];
            let paths = tough::schema::PathSet::Paths(Vec::new());
            let one = NonZeroU64::MIN;
            editor.delegate_role("team", &keys, paths, false, one, targets_at, one).await.unwrap();
        }
        editor.targets_version(targets).unwrap().targets_expires(targets_at).unwrap();
        editor.snapshot_version(snapshot).snapshot_expires(snapshot_at);
        editor.timestamp_version(timestamp).timestamp_expires(timestamp_at);
        let keys: Vec<Box<dyn KeySource>> =
            self.keys.values().map(|key| Box::new(key.clone()) as Box<dyn KeySource>).collect();
        editor.sign(&keys).await.unwrap().write(self.path().join("metadata")).await.unwrap();
        // The editor writes the root in a serialization of its own.
        std::fs::write(&root, serde_json::to_vec_pretty(&self.signed).unwrap()).unwrap();
    }
}

/// One attempt with the usual limits.
pub(crate) async fn attempt(trust: TrustState, mirror: Arc<dyn Mirror>, clock: Clock) -> Attempt {
    attempt_within(trust, mirror, clock, &Limits::default()).await
}

pub(crate) async fn attempt_within(
    trust: TrustState,
    mirror: Arc<dyn Mirror>,
    clock: Clock,
    limits: &Limits,
) -> Attempt {
    let work = tempfile::tempdir().unwrap();
    let attempt = refresh(trust, mirror, clock, limits, work.path()).await;
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0, "something was left behind");
    attempt
}

/// What was refused, with all its causes.
pub(crate) fn refusal(attempt: &Attempt) -> String {
    let mut error: &dyn std::error::Error = attempt.outcome.as_ref().map(|_| ()).expect_err("it was accepted");
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}
