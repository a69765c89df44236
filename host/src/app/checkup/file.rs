//! The device's files: whether they are there, for whom, and what they lie on.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use punchcard_core::checkup::Finding;
use punchcard_core::checkup::disk::{judge_keeping, judge_room, judge_wear, mount_of};
use punchcard_core::checkup::mode::{Audience, FileFacts, device_user, judge_mode};
use punchcard_core::config::Configuration;
use punchcard_core::config::notify::NotifyUrl;
use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::sink::Authorization;

use super::super::device::Options;
use super::super::material::read_secret;
use crate::machine::{Machine, read_room};

/// What the disk of the state folder is like.
pub(super) fn disk(machine: &Machine, state: &Path, configuration: &Configuration) -> Vec<Finding> {
    // One that is not there yet will be made in the first folder around it that is.
    let absolute = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    let Some(place) = absolute.ancestors().find_map(|folder| folder.canonicalize().ok()) else {
        return vec![Finding::unknown("disk", "the state folder can't be looked at")];
    };
    let mounts = machine.mounts();
    let mut findings = vec![judge_keeping(&mounts, &place, &machine.command_line())];
    let ledger: u64 = ["ledger.sqlite", "ledger.sqlite-wal"]
        .iter()
        .filter_map(|name| state.join(name).metadata().ok())
        .map(|metadata| metadata.len())
        .sum();
    findings.push(match read_room(&place) {
        Ok(room) => judge_room(room, ledger, configuration.history.keep_bytes),
        Err(error) => Finding::unknown("room", &format!("the kernel does not say: {error}")),
    });
    let wear = mount_of(&mounts, &place).and_then(|mount| machine.wear(mount));
    findings.extend(wear.map(|facts| judge_wear(&facts)));
    findings
}

/// Components that are not there.
pub(super) fn components(configuration: &Configuration, folder: &Path) -> Vec<Finding> {
    let missing = configuration.plugins.iter().filter_map(|(name, plugin)| {
        let path = folder.join(&plugin.path);
        let error = std::fs::File::open(&path).err()?;
        let seen = format!("{} can't be read: {error}", path.display());
        let remedy = "look at its path in `[plugins]`; the package's are in /usr/lib/punchcard, and `cargo xtask guests` makes \
                      them";
        Some(Finding::bad(&format!("plugin {name}"), &seen, remedy))
    });
    missing.collect()
}

/// Who may read the device's files.
pub(super) fn modes(options: &Options, configuration: &Configuration, folder: &Path) -> Vec<Finding> {
    let state_owner = options.state.metadata().ok().map(|folder| folder.uid());
    let user = match device_user(state_owner, rustix::process::geteuid().as_raw()) {
        Ok(user) => user,
        Err(finding) => return vec![finding],
    };
    let mut findings = Vec::new();
    let mut looked_at = 0_u32;
    let mut look = |path: &Path, audience| {
        if let Ok(metadata) = path.metadata() {
            looked_at += 1;
            let facts =
                FileFacts { path: path.display().to_string(), mode: metadata.mode() & 0o7777, owner: metadata.uid() };
            findings.extend(judge_mode(&facts, audience, user));
        }
    };
    look(&options.configuration, Audience::Readers);
    look(&options.state, Audience::Owner);
    let vault = options.state.join("vault");
    look(&vault, Audience::Owner);
    for path in entries(&vault) {
        look(&path, Audience::Owner);
    }
    let mut unreadable = Vec::new();
    for source in secret_sources(configuration) {
        let check = match source {
            SecretSource::File(path) => format!("secret {}", folder.join(path).display()),
            SecretSource::Credential(name) => format!("credential {name}"),
        };
        match (source, read_secret(source, folder)) {
            (SecretSource::File(path), Ok(_secret)) => look(&folder.join(path), Audience::Group),
            (SecretSource::Credential(_), Ok(_secret)) => {}
            // systemd gives it to the service alone.
            (SecretSource::Credential(_), Err(_)) if std::env::var_os("CREDENTIALS_DIRECTORY").is_none() => {
                unreadable.push(Finding::unknown(&check, "only the service is given it"));
            }
            (_, Err(error)) => {
                unreadable.push(Finding::of_error(&check, &error, "look whether the device's user may read it"));
            }
        }
    }
    if findings.is_empty() && looked_at > 0 {
        let seen = format!("files and folders that are for those alone who need them: {looked_at}");
        findings.push(Finding::good("modes", &seen));
    }
    findings.extend(unreadable);
    findings
}

/// Where the configuration's secrets are.
fn secret_sources(configuration: &Configuration) -> Vec<&SecretSource> {
    let grants = configuration.grants.values().flat_map(|grant| grant.secrets.values());
    let sinks = configuration.sinks.values().filter_map(|sink| match &sink.authorize {
        Some(Authorization::Header { secret, .. }) => Some(secret),
        Some(Authorization::Grant(_)) | None => None,
    });
    let notify = configuration.notify.as_ref().and_then(|notify| match &notify.url {
        NotifyUrl::Secret(source) => Some(source),
        NotifyUrl::Plain(_) => None,
    });
    grants.chain(sinks).chain(notify).collect()
}

/// What is in a folder, in order. A folder that is not there has nothing in it.
fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
