//! Metadata as tough understands it, from bytes. What is verified here was verified by tough before; this only compares.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tough::schema::{self, Metafile, RoleType, Root, Signed, Snapshot, Targets};

use crate::trust::Role;

/// Until when a file says that it holds. None, if it is no such file.
pub(crate) fn expires(role: Role, bytes: &[u8]) -> Option<Timestamp> {
    match role {
        Role::Root => parse::<Root>(bytes).map(|file| file.signed.expires),
        Role::Timestamp => parse::<schema::Timestamp>(bytes).map(|file| file.signed.expires),
        Role::Snapshot => parse::<Snapshot>(bytes).map(|file| file.signed.expires),
        Role::Targets => parse::<Targets>(bytes).map(|file| file.signed.expires),
    }
}

/// Whether two serializations are of the same file, signatures included.
pub(crate) fn is_same(role: Role, one: &[u8], other: &[u8]) -> bool {
    fn equal<T: DeserializeOwned + PartialEq>(one: &[u8], other: &[u8]) -> bool {
        matches!((parse::<T>(one), parse::<T>(other)), (Some(one), Some(other)) if one == other)
    }
    match role {
        Role::Root => equal::<Root>(one, other),
        Role::Timestamp => equal::<schema::Timestamp>(one, other),
        Role::Snapshot => equal::<Snapshot>(one, other),
        Role::Targets => equal::<Targets>(one, other),
    }
}

/// Whether the keys for timestamps or snapshots are others than before, so that what was signed with them counts no more
/// (TUF 5.3.11): the way back after somebody had the old ones and pushed versions far ahead.
pub(crate) fn is_rotated(before: &[u8], after: &[u8]) -> bool {
    let (Some(before), Some(after)) = (parse::<Root>(before), parse::<Root>(after)) else { return true };
    [RoleType::Timestamp, RoleType::Snapshot]
        .into_iter()
        .any(|role| before.signed.keys(role).ne(after.signed.keys(role)))
}

/// Whether `stored` may stand in for `fetched`: it is a timestamp of the same version, signed as `root` wants it. TUF 5.4.3
/// has the one that came thrown away then.
pub(crate) fn is_same_timestamp(root: &[u8], stored: &[u8], fetched: &[u8]) -> bool {
    let (Some(stored), Some(fetched)) = (parse::<schema::Timestamp>(stored), parse::<schema::Timestamp>(fetched))
    else {
        return false;
    };
    stored.signed.version == fetched.signed.version
        && parse::<Root>(root).is_some_and(|root| root.signed.verify_role(&stored).is_ok())
}

/// Whether `stored` is the snapshot that `timestamp` names, signed as `root` wants it, so that it need not be fetched.
pub(crate) fn is_named_snapshot(root: &[u8], timestamp: &[u8], stored: &[u8]) -> bool {
    let named = parse::<schema::Timestamp>(timestamp).and_then(|file| file.signed.meta.get("snapshot.json").cloned());
    is_named::<Snapshot>(root, named.as_ref(), stored)
}

/// [`is_named_snapshot`], of the targets that a snapshot names.
pub(crate) fn is_named_targets(root: &[u8], snapshot: &[u8], stored: &[u8]) -> bool {
    let named = parse::<Snapshot>(snapshot).and_then(|file| file.signed.meta.get("targets.json").cloned());
    is_named::<Targets>(root, named.as_ref(), stored)
}

fn is_named<T: schema::Role + DeserializeOwned>(root: &[u8], named: Option<&Metafile>, stored: &[u8]) -> bool {
    let (Some(named), Some(file), Some(root)) = (named, parse::<T>(stored), parse::<Root>(root)) else { return false };
    let length = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    named.version == file.signed.version()
        && named.length.is_none_or(|named| named == length)
        && named.hashes.as_ref().is_none_or(|hashes| hashes.sha256[..] == Sha256::digest(stored)[..])
        && root.signed.verify_role(&file).is_ok()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<Signed<T>> {
    serde_json::from_slice(bytes).ok()
}
