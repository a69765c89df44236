//! `refresh`: the timestamp signed anew, alone, with its own key. For cron, on the machine that serves the files: that key
//! can say which of the publisher's snapshots is the newest, and nothing else.

use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tough::editor::signed::SignedRole;
use tough::schema::{self, KeyHolder, Role, RoleType, Root, Signed, Snapshot, Targets};

use crate::key::KeyPlaces;
use crate::signing::after_days;
use crate::workshop::{Workshop, read_json, replace};

/// Signs the timestamp for so many days. Returns what else a person should know.
pub(crate) async fn refresh(workshop: &Workshop, days: u16, places: &KeyPlaces, now: Timestamp) -> Result<Vec<String>> {
    let (root_file, root) = workshop.newest_root()?;
    let path = workshop.metadata().join("timestamp.json");
    let timestamp: Signed<schema::Timestamp> = read_json(&path)?;
    // What lies on a server may have been changed there, and would be vouched for.
    let trusted = root.signed.verify_role(&timestamp);
    trusted.with_context(|| format!("{} is not signed by the publisher; nothing was signed", path.display()))?;
    let mut renewed = timestamp.signed;
    renewed.version = renewed.version.checked_add(1).context("there are no more versions")?;
    renewed.expires = after_days(now, days)?;
    let expires = renewed.expires;
    let snapshot_version = renewed.meta.get("snapshot.json").map(|meta| meta.version);
    let keys = places.sources(workshop, &[RoleType::Timestamp]).await?;
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let signed = SignedRole::new(renewed, &KeyHolder::Root(root.signed.clone()), &keys, &rng).await;
    let signed = signed.context("the timestamp can't be signed with this key")?;
    replace(&path, signed.buffer())?;

    let mut notes = Vec::new();
    note(&mut notes, &root_file, &root, &root, expires, "sign-root");
    if let Some(version) = snapshot_version {
        let path = workshop.metadata().join(format!("{version}.snapshot.json"));
        let snapshot: Signed<Snapshot> = read_json(&path)?;
        note(&mut notes, &path, &root, &snapshot, expires, "sign");
        if let Some(meta) = snapshot.signed.meta.get("targets.json") {
            let path = workshop.metadata().join(format!("{}.targets.json", meta.version));
            let targets: Signed<Targets> = read_json(&path)?;
            note(&mut notes, &path, &root, &targets, expires, "sign");
        }
    }
    Ok(notes)
}

fn note<T: Role>(
    notes: &mut Vec<String>,
    path: &Path,
    root: &Signed<Root>,
    file: &Signed<T>,
    until: Timestamp,
    command: &str,
) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if root.signed.verify_role(file).is_err() {
        notes.push(format!("{name} is not signed by the publisher: devices refuse the repository"));
    } else if file.signed.expires() < until {
        let at = file.signed.expires().strftime("%F");
        notes.push(format!("{name} is valid until {at} only: run `punchcard-publisher {command}` before"));
    }
}
