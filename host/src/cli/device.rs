//! Which device is meant: the one of the folder that the command is called in, or the one that is installed.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid};

use crate::machine::Machine;

/// Where the package keeps its configuration.
const INSTALLED_CONFIG: &str = "/etc/punchcard/plugins.toml";
/// Where the service keeps what outlives a restart.
pub(super) const INSTALLED_STATE: &str = "/var/lib/punchcard";

/// The groups to whom buses, lines and input devices belong, on Raspberry Pi OS and by the package's rules.
pub(super) const HARDWARE_GROUPS: &[&str] = &["i2c", "gpio", "input"];

/// The user and the group `nobody`, to whom nothing belongs: the kernel has this number for them by itself.
const NOBODY: u32 = 65_534;

/// What was said of it.
#[derive(Debug, Clone, Args)]
pub(super) struct DeviceOptions {
    /// The configuration; when not given, `plugins.toml` in this folder, or where there is none that of the installed
    /// device.
    #[arg(long, short, global = true, value_name = "FILE", env = "PUNCHCARD_CONFIG")]
    config: Option<PathBuf>,
    /// The folder of everything that outlives a restart: ledger, tokens, compiled plugins; when not given, `state`, or that
    /// of the installed device.
    #[arg(long, short, global = true, value_name = "FOLDER", env = "STATE_DIRECTORY")]
    state: Option<PathBuf>,
}

/// The device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceArguments {
    /// Its configuration.
    pub(super) config: PathBuf,
    /// Its state folder.
    pub(super) state: PathBuf,
}

impl DeviceOptions {
    /// Looks which device is there.
    pub(super) fn device(self) -> DeviceArguments {
        let is_there = |path: &Path| match path.symlink_metadata() {
            Ok(_) => true,
            // Of the installed one only root and its own user may know.
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        };
        self.choose(is_there, is_installed)
    }

    fn choose(self, is_there: impl Fn(&Path) -> bool, is_installed: impl Fn(&Path) -> bool) -> DeviceArguments {
        let (own, installed) = (Path::new("plugins.toml"), Path::new(INSTALLED_CONFIG));
        let config = self.config.unwrap_or_else(|| {
            if is_there(own) || !is_there(installed) { own.to_owned() } else { installed.to_owned() }
        });
        let state = if is_installed(&config) { INSTALLED_STATE } else { "state" };
        DeviceArguments { state: self.state.unwrap_or_else(|| state.into()), config }
    }
}

impl DeviceArguments {
    /// Whether it is the one that the package installs.
    pub(super) fn is_installed(&self) -> bool {
        is_installed(&self.config)
    }
}

/// Whether this is the installed device's configuration, also by another name, such as in its own folder.
fn is_installed(path: &Path) -> bool {
    match (path.canonicalize(), Path::new(INSTALLED_CONFIG).canonicalize()) {
        (Ok(path), Ok(installed)) => path == installed,
        _ => path == Path::new(INSTALLED_CONFIG),
    }
}

/// Goes on as the owner of a device's state folder, where root calls: a file of root's in it could not be replaced by the
/// service. Where it is not there yet, as the owner of the folder in which it would be made. `groups`: those of the system
/// that it is to be in as well, where there are such. To be called before there are other threads.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn become_owner(state: &Path, groups: &[&str]) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let folder = nearest(state)?;
    if folder.uid() == 0 {
        return Ok(());
    }
    let machine = Machine::here();
    let groups: Vec<Gid> = groups.iter().filter_map(|name| machine.group(name)).collect();
    become_user(Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()), groups)
}

/// What is at a path, or where nothing is, the nearest folder above it.
fn nearest(path: &Path) -> io::Result<Metadata> {
    let mut missing = io::Error::from(io::ErrorKind::NotFound);
    for path in path.ancestors() {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match here.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing = error,
            found => return found,
        }
    }
    Err(missing)
}

/// Goes on without root's rights, for good: as the owner of a file or folder, or where nothing is there, of the nearest
/// folder above it; where that is root, as nobody. Who is not root stays who he is. To be called before there are other
/// threads, and before anything is done with a component: whatever one makes of the engine, it is not root's.
///
/// # Errors
/// When the kernel refuses. Nothing may be done with a component then.
pub(super) fn give_up_root(path: &Path) -> io::Result<()> {
    become_owner(path, &[])?;
    if geteuid().is_root() {
        become_user(Uid::from_raw(NOBODY), Gid::from_raw(NOBODY), Vec::new())?;
    }
    Ok(set_no_new_privs(true)?)
}

fn become_user(user: Uid, group: Gid, mut groups: Vec<Gid>) -> io::Result<()> {
    // The user last: afterwards the rest is not ours to change.
    groups.push(group);
    set_thread_groups(&groups)?;
    set_thread_gid(group)?;
    set_thread_uid(user)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::process::getegid;

    use super::*;

    /// Each thread has rights of its own, so that this test's neighbours keep theirs.
    #[test]
    fn who_gives_up_root_is_not_root_and_does_not_become_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "root's").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let path = secret.clone();
        let ended = std::thread::spawn(move || {
            let before = geteuid();
            give_up_root(&path).unwrap();
            let is_readable = std::fs::read(&path).is_ok();
            (before, geteuid(), is_readable, set_thread_uid(Uid::ROOT).is_ok())
        });
        let (before, after, is_readable, is_root_again) = ended.join().unwrap();
        let expected = if before.is_root() { Uid::from_raw(NOBODY) } else { before };
        assert_eq!(after, expected);
        assert_eq!((is_readable, is_root_again), (!before.is_root(), false));
    }

    #[test]
    fn where_there_is_no_state_folder_root_goes_on_as_the_owner_of_the_one_above() {
        const SOMEBODY: u32 = 54_321;
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("none/state");
        if geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        let ended = std::thread::spawn(move || {
            let before = geteuid();
            become_owner(&state, &[]).unwrap();
            (before, geteuid(), getegid().as_raw() == SOMEBODY)
        });
        let (before, after, has_group) = ended.join().unwrap();
        let expected = if before.is_root() { (Uid::from_raw(SOMEBODY), true) } else { (before, false) };
        assert_eq!((after, has_group), expected);
        // What is named without a folder is in the one where it is called.
        let (found, here) = (nearest(Path::new("no-state-here")).unwrap(), Path::new(".").metadata().unwrap());
        assert_eq!((found.dev(), found.ino()), (here.dev(), here.ino()));
    }

    #[test]
    fn the_device_of_this_folder_comes_before_the_installed_one() {
        const ETC: &str = "/etc/punchcard/plugins.toml";
        const VAR: &str = "/var/lib/punchcard";
        let none = (None, None);
        for (options, there, config, state) in [
            (none, &["plugins.toml", ETC][..], "plugins.toml", "state"),
            (none, &["plugins.toml"], "plugins.toml", "state"),
            (none, &[ETC], ETC, VAR),
            (none, &[], "plugins.toml", "state"),
            ((Some(ETC), None), &["plugins.toml"], ETC, VAR),
            ((Some("./in-etc"), None), &[ETC], "./in-etc", VAR),
            ((Some("other.toml"), None), &[ETC], "other.toml", "state"),
            ((None, Some("there")), &[ETC], ETC, "there"),
            ((Some("other.toml"), Some("there")), &[ETC], "other.toml", "there"),
        ] {
            let (said_config, said_state) = options;
            let options = DeviceOptions { config: said_config.map(Into::into), state: said_state.map(Into::into) };
            let is_there = |path: &Path| there.iter().any(|known| Path::new(known) == path);
            let device = options.choose(is_there, |path| path == Path::new(ETC) || path == Path::new("./in-etc"));
            let expected = DeviceArguments { config: config.into(), state: state.into() };
            assert_eq!(device, expected, "{said_config:?} {said_state:?} {there:?}");
        }
    }
}
