//! Which version a device takes, and whether now.
//!
//! Always: what does not fit this host, what plugins.toml does not grant and what was found bad is never taken; an older
//! version is taken at a person's word alone. A person's word overrides the share, the hours, `updates = "ask"` and a clock
//! that is not known, and nothing else.

use std::fmt;

use semver::Version;

use super::release::{Channel, ContractVersion, Release, ReleaseNeeds};
use super::share::is_in_share;
use crate::config::repository::{Updates, Window};

/// What is offered.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// The file's name in the repository.
    pub file: &'a str,
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'a str,
    /// What is said of it.
    pub release: &'a Release,
}

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// The SHA-256 of its component, in hexadecimal. None: there is none.
    pub sha256: Option<String>,
    /// Its version, where that is known: a file that a person put there says none.
    pub version: Option<Version>,
    /// A person wants it to stay.
    pub pinned: bool,
}

/// The host.
#[derive(Debug, Clone)]
pub struct Host<'a> {
    /// The device's name.
    pub device: &'a str,
    /// The host's own version.
    pub version: &'a Version,
    /// The versions of the contract that it speaks.
    pub contracts: &'a [ContractVersion],
}

/// What plugins.toml says, and what the moment is.
#[derive(Debug, Clone)]
pub struct Policy<'a> {
    /// `channel`
    pub channel: &'a Channel,
    /// `updates`
    pub updates: Updates,
    /// `window`
    pub window: Option<Window>,
    /// The minute of the local day, where the time is known.
    pub minute: Option<u16>,
    /// The publisher vouches for this being the newest.
    pub is_fresh: bool,
}

/// Who wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// It is time to look.
    Schedule,
    /// A person wants the newest.
    Newest,
    /// A person wants this one, be it older.
    Version(Version),
}

/// Why a version is not for this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// It was made for another contract.
    Contract(ContractVersion),
    /// It needs a newer host.
    Host(Version),
    /// It is for others.
    Channel(Channel),
    /// It was tried and found bad.
    Bad,
    /// It needs what is not granted.
    NotGranted(Vec<String>),
    /// Others get it first.
    Share(u8),
}

impl fmt::Display for Objection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(version) => {
                write!(formatter, "it was made for version {version} of the contract, which this host does not speak")
            }
            Self::Host(version) => write!(formatter, "it needs punchcard {version} or newer"),
            Self::Channel(channel) => write!(formatter, "it is of channel `{channel}`"),
            Self::Bad => {
                write!(formatter, "it was tried here and found bad; `punchcard plugin allow` lets it be tried again")
            }
            Self::NotGranted(needs) => {
                write!(formatter, "it needs {}, which plugins.toml does not grant", needs.join(" and "))
            }
            Self::Share(percent) => {
                write!(formatter, "it is given to {percent} % of the devices so far, and this one is not among them")
            }
        }
    }
}

/// A newer version that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The version.
    pub version: Version,
    /// Why.
    pub objection: Objection,
}

/// What a version waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A person: `updates = "ask"`.
    Person,
    /// A person, because what runs is a file of an unknown version.
    UnknownVersion,
    /// A person, or the time: nobody can say whether this is the newest.
    Freshness,
    /// The hours of `window`.
    Window,
}

impl fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Person => "it waits for a person",
            Self::UnknownVersion => {
                "what runs is a file of an unknown version; a person has to say that it may be replaced"
            }
            Self::Freshness => "the time is not known, so nobody can say whether it is the newest",
            Self::Window => "it waits for the hours of `window`",
        })
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: what runs is the newest that fits.
    Keep,
    /// A person pinned what runs.
    Pinned,
    /// Install the one at this place in what is offered.
    Install(usize),
    /// That one is there, and waits.
    Wait(usize, Waiting),
    /// What a person wants is not offered.
    NotOffered,
    /// What a person wants can't run here.
    Refuse(Objection),
}

/// Decides on one plugin. `offered` are its versions in any order; `unmet` says which needs plugins.toml does not grant;
/// `is_bad` knows the digests that were found bad. Also returned is every newer version that is passed over.
#[must_use]
pub fn plan_update(
    offered: &[Offered<'_>],
    installed: &Installed,
    host: &Host<'_>,
    policy: &Policy<'_>,
    wish: &Wish,
    unmet: impl Fn(&ReleaseNeeds) -> Vec<String>,
    is_bad: impl Fn(&str) -> bool,
) -> (Plan, Vec<PassedOver>) {
    let is_installed = |offered: &Offered<'_>| installed.sha256.as_deref() == Some(offered.sha256);
    // A file that a person put there may well be one that the publisher signed.
    let known = offered.iter().find(|offered| is_installed(offered)).map(|offered| &offered.release.version);
    let version = known.or(installed.version.as_ref());
    let objection = |offered: &Offered<'_>| {
        let release = offered.release;
        let by_person = *wish != Wish::Schedule;
        if !host.contracts.contains(&release.contract) {
            return Some(Objection::Contract(release.contract));
        }
        if let Some(minimum) = release.minimum_host.as_ref().filter(|minimum| *minimum > host.version) {
            return Some(Objection::Host(minimum.clone()));
        }
        let is_ours = release.channel == *policy.channel || release.channel == Channel::stable();
        if !is_ours && !matches!(wish, Wish::Version(_)) {
            return Some(Objection::Channel(release.channel.clone()));
        }
        if is_bad(offered.sha256) {
            return Some(Objection::Bad);
        }
        let lacking = unmet(&release.needs);
        if !lacking.is_empty() {
            return Some(Objection::NotGranted(lacking));
        }
        let is_in_share = is_in_share(host.device, &release.plugin, &release.version, release.rollout);
        (!is_in_share && !by_person).then(|| Objection::Share(release.rollout.percent()))
    };
    if let Wish::Version(wanted) = wish {
        let plan = match offered.iter().position(|offered| offered.release.version == *wanted) {
            None => Plan::NotOffered,
            Some(_) if installed.pinned => Plan::Pinned,
            Some(place) if is_installed(&offered[place]) => Plan::Keep,
            Some(place) => objection(&offered[place]).map_or(Plan::Install(place), Plan::Refuse),
        };
        return (plan, Vec::new());
    }
    let mut newest: Vec<usize> = (0..offered.len()).collect();
    newest.sort_by(|one, other| offered[*other].release.version.cmp(&offered[*one].release.version));
    let mut passed = Vec::new();
    let mut chosen = None;
    for place in newest {
        let candidate = &offered[place];
        if is_installed(candidate) || version.is_some_and(|version| candidate.release.version <= *version) {
            break;
        }
        match objection(candidate) {
            Some(objection) => {
                passed.push(PassedOver { version: candidate.release.version.clone(), objection });
            }
            None => {
                chosen = Some(place);
                break;
            }
        }
    }
    let plan = match chosen {
        None => Plan::Keep,
        Some(_) if installed.pinned => Plan::Pinned,
        Some(place) if *wish == Wish::Newest => Plan::Install(place),
        Some(place) => match waiting(version, installed, policy) {
            Some(waiting) => Plan::Wait(place, waiting),
            None => Plan::Install(place),
        },
    };
    (plan, passed)
}

fn waiting(version: Option<&Version>, installed: &Installed, policy: &Policy<'_>) -> Option<Waiting> {
    if policy.updates != Updates::Automatic {
        return Some(Waiting::Person);
    }
    if version.is_none() && installed.sha256.is_some() {
        return Some(Waiting::UnknownVersion);
    }
    if !policy.is_fresh {
        return Some(Waiting::Freshness);
    }
    let is_time = |window: Window| policy.minute.is_some_and(|minute| window.contains(minute));
    policy.window.filter(|window| !is_time(*window)).map(|_| Waiting::Window)
}

#[cfg(test)]
mod tests;
