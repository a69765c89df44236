//! Who may read and change the device's files.

use super::Finding;

/// A file or folder, as stat(2) has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Its path.
    pub path: String,
    /// The permission bits.
    pub mode: u32,
    /// Its owner's number.
    pub owner: u32,
}

/// Whom a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Its owner alone.
    Owner,
    /// Its owner and its group.
    Group,
    /// Everybody may read it, and its owner alone change it.
    Readers,
}

/// Whom the device runs as: the owner of its state folder, or who asks where there is none yet. `state_owner` and `asks` are
/// numbers of users.
///
/// # Errors
/// Somebody else asks. Nothing can be said then: what looks wrong from there may be right, and most can't be seen.
pub fn device_user(state_owner: Option<u32>, asks: u32) -> Result<u32, Finding> {
    match state_owner {
        Some(owner) if owner != asks => {
            Err(Finding::unknown("modes", "the device's files belong to another user").with_remedy("ask with `sudo`"))
        }
        Some(owner) => Ok(owner),
        None => Ok(asks),
    }
}

/// Says what is wrong with a file's owner and mode. None: nothing. `user`: whom the device runs as.
#[must_use]
pub fn judge_mode(facts: &FileFacts, audience: Audience, user: u32) -> Option<Finding> {
    let FileFacts { path, mode, owner } = facts;
    let check = format!("mode of {path}");
    // plugins.toml and secrets may be root's: then nobody but root changes them.
    let is_owned = *owner == user || (audience != Audience::Owner && *owner == 0);
    if !is_owned {
        let seen = format!("it belongs to the user of number {owner}, and the device runs as {user}");
        return Some(Finding::bad(&check, &seen, &format!("`sudo chown -R {user} {path}`")));
    }
    let (forbidden, remedy) = match audience {
        Audience::Owner => (0o077, "go="),
        Audience::Group => (0o007, "o="),
        Audience::Readers => (0o002, "o-w"),
    };
    let seen = match audience {
        Audience::Owner => "others than its owner may read it",
        Audience::Group => "anybody may read it",
        Audience::Readers => "anybody may change it",
    };
    (mode & forbidden != 0).then(|| {
        let seen = format!("{seen} (mode {:04o})", mode & 0o7777);
        Finding::bad(&check, &seen, &format!("`sudo chmod {remedy} {path}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_devices_own_user_can_tell_whose_its_files_should_be() {
        for (state_owner, asks, user) in [
            (Some(900), 900, Some(900)),
            (Some(900), 1_000, None),
            (Some(0), 1_000, None),
            (Some(0), 0, Some(0)),
            (None, 1_000, Some(1_000)),
        ] {
            let found = device_user(state_owner, asks);
            assert_eq!(found.as_ref().ok(), user.as_ref(), "{state_owner:?} {asks}");
            if let Err(finding) = found {
                assert_eq!(finding.remedy.as_deref(), Some("ask with `sudo`"));
                assert!(!format!("{finding:?}").contains("chown"), "{finding:?}");
            }
        }
    }

    #[test]
    fn a_file_is_for_whom_it_should_be() {
        for (mode, owner, audience, remedy) in [
            (0o700, 900, Audience::Owner, None),
            (0o750, 900, Audience::Owner, Some("`sudo chmod go= /x`")),
            (0o600, 0, Audience::Owner, Some("`sudo chown -R 900 /x`")),
            (0o640, 0, Audience::Group, None),
            (0o644, 0, Audience::Group, Some("`sudo chmod o= /x`")),
            (0o644, 900, Audience::Readers, None),
            (0o666, 900, Audience::Readers, Some("`sudo chmod o-w /x`")),
            (0o600, 7, Audience::Group, Some("`sudo chown -R 900 /x`")),
        ] {
            let found = judge_mode(&FileFacts { path: "/x".into(), mode, owner }, audience, 900);
            assert_eq!(found.and_then(|found| found.remedy).as_deref(), remedy, "{mode:o} {owner} {audience:?}");
        }
    }
}
