//! A new key for a role: a new root, signed with the old key and the new one, and everything else signed anew.
//!
//! Devices follow from root to root, however long they were away; so no root is ever taken from the repository.

use std::fs;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use tough::key_source::KeySource;
use tough::schema::RoleType;

use crate::key::{self, Key, KeyPlace, KeyPlaces};
use crate::signing::{Lifetimes, after_days, load, publish, set_key, sign_root, workspace};
use crate::workshop::{Workshop, replace};

/// Replaces the key of `role`. `root_days`: for how long the new root is valid.
pub(crate) async fn rotate(
    workshop: &Workshop,
    role: RoleType,
    root_days: u16,
    lifetimes: &Lifetimes,
    places: &KeyPlaces,
    now: Timestamp,
) -> Result<()> {
    let (root_file, before) = workshop.newest_root()?;
    let before = before.signed;
    // Under the old root: the new one does not know the old keys.
    let repository = load(workshop, &root_file).await?;
    let mut signers = places.sources(workshop, &[RoleType::Root]).await?;
    let place = places.place(workshop, role);
    let (key, new_file) = match &place {
        KeyPlace::File(old) => {
            let new_file = old.with_extension("new.pem");
            let key = key::make(&new_file).with_context(|| {
                let file = new_file.display();
                format!("if {file} was left behind by a rotation that broke off, remove it")
            })?;
            (key, Some((old.clone(), new_file)))
        }
        KeyPlace::Command(_) if role == RoleType::Root => {
            bail!("a new root needs the old key and the new one; give the old one as a file, with --key root=FILE")
        }
        // The command prints the new key by now.
        KeyPlace::Command(_) => (Key::load(&place)?, None),
    };
    let mut root = before.clone();
    root.version = before.version.checked_add(1).context("there are no more versions")?;
    root.expires = after_days(now, root_days)?;
    set_key(&mut root, role, &key)?;
    if role == RoleType::Root {
        signers.push(Box::new(key));
    }
    let signed = sign_root(root, Some(&before), &signers).await?;
    let files = workspace(workshop)?;
    let signed_file = files.path().join("root.json");
    replace(&signed_file, signed.buffer())?;
    let places = match &new_file {
        Some((_, new_file)) => places.clone().with_file(role, new_file),
        None => places.clone(),
    };
    publish(workshop, &signed_file, Some(repository), lifetimes, &places, now).await?;
    if let Some((old, new)) = new_file {
        let retired = old.with_extension(format!("retired-{}.pem", before.version));
        fs::rename(&old, &retired).with_context(|| format!("can't rename {}", old.display()))?;
        fs::rename(&new, &old).with_context(|| format!("can't rename {}", new.display()))?;
        println!("The old key is {}; keep it or destroy it, no device believes it any more.", retired.display());
    }
    Ok(())
}

/// The root signed anew with the same keys, for longer.
pub(crate) async fn renew_root(workshop: &Workshop, root_days: u16, places: &KeyPlaces, now: Timestamp) -> Result<()> {
    let (_, before) = workshop.newest_root()?;
    let before = before.signed;
    let mut root = before.clone();
    root.version = before.version.checked_add(1).context("there are no more versions")?;
    root.expires = after_days(now, root_days)?;
    let signers: Vec<Box<dyn KeySource>> = places.sources(workshop, &[RoleType::Root]).await?;
    let version = root.version;
    let signed = sign_root(root, Some(&before), &signers).await?;
    replace(&workshop.metadata().join(format!("{version}.root.json")), signed.buffer())
}
