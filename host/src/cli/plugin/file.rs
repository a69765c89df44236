//! Files that are replaced whole or not at all, and where a component goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use punchcard_core::config::Configuration;
use punchcard_core::name::PluginName;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, fchown, fstat, fsync, openat, openat2, renameat, unlinkat};
use rustix::process::{Gid, Uid, geteuid};
use thiserror::Error;

/// Where nothing else says it: beside plugins.toml.
const FOLDER: &str = "plugins";

/// A file that could not be written.
#[derive(Debug, Error)]
#[error("can't write {}; ask as a user who may, such as with `sudo`", path.display())]
pub(super) struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a file in the place of the one that is there: whole or not at all. It keeps the mode and the owner of that one.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    // What a link leads to is replaced, and not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let failed = |source| WriteError { path: path.clone(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = path.clone().into_os_string();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let before = path.metadata().or_else(|_| folder.metadata());
    let mode = path.metadata().map_or(0o644, |metadata| metadata.mode() & 0o777);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        if geteuid().is_root()
            && let Ok(owner) = &before
        {
            fchown(&file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| {
        // The error says what is wrong; a draft that can't be removed is in nobody's way.
        drop(fs::remove_file(&draft));
        failed(source)
    })
}

/// Writes a component, as [`replace`] does. Root follows no link: the folder may be the service's, which could have put one
/// there that leads to a file of the system's.
pub(super) fn replace_component(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    if geteuid().is_root() { replace_without_links(path, content) } else { replace(path, content) }
}

fn replace_without_links(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let failed = |source: io::Error| WriteError { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let mut draft = name.to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let directory = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = openat2(CWD, folder, directory, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let folder = folder.map_err(|errno| failed(errno.into()))?;
    let write = || {
        let owner = fstat(&folder)?;
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, &draft, new, Mode::from_raw_mode(0o644))?);
        fchown(&file, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
        file.write_all(content)?;
        file.sync_all()?;
        // A link of that name is replaced, and not what it leads to.
        renameat(&folder, &draft, &folder, name)?;
        Ok(fsync(&folder)?)
    };
    write().map_err(|source| {
        // The error says what is wrong; a draft that can't be removed is in nobody's way.
        let _left = unlinkat(&folder, &draft, AtFlags::empty());
        failed(source)
    })
}

/// Makes a folder, where it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(path).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Where the component of a plugin goes, as plugins.toml names it. `folder`: that of plugins.toml; `digest`: of the component;
/// `is_free`: whether nothing stands at a path but that very component.
pub(super) fn choose_path(
    configuration: &Configuration,
    name: &PluginName,
    digest: &str,
    is_free: impl Fn(&Path) -> bool,
) -> PathBuf {
    let own = configuration.plugins.get(name).map(|plugin| plugin.path.as_path());
    let of_others = |path: &Path| {
        let mut others = configuration.plugins.iter().filter(|(other, _)| *other != name);
        others.any(|(_, plugin)| plain(&plugin.path) == plain(path))
    };
    let may_be_replaced = |path: &Path| !is_packaged(path) && !of_others(path);
    if let Some(own) = own.filter(|own| may_be_replaced(own)) {
        return own.to_owned();
    }
    let folder = usual_folder(configuration);
    let plain_name = folder.join(format!("{name}.wasm"));
    if may_be_replaced(&plain_name) && is_free(&plain_name) {
        return plain_name;
    }
    folder.join(format!("{name}-{}.wasm", digest.get(..12).unwrap_or(digest)))
}

/// The folder in which most plugins lie that are no package's.
fn usual_folder(configuration: &Configuration) -> PathBuf {
    let folders = configuration.plugins.values().filter(|plugin| !is_packaged(&plugin.path));
    let folders: Vec<&Path> = folders.filter_map(|plugin| plugin.path.parent()).collect();
    let count = |folder: &Path| folders.iter().filter(|other| **other == folder).count();
    let most = folders.iter().copied().max_by_key(|folder| count(folder));
    most.map_or_else(|| PathBuf::from(FOLDER), Path::to_owned)
}

/// What a package brings is the package's to replace.
fn is_packaged(path: &Path) -> bool {
    path.starts_with("/usr")
}

/// A path without `.`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use punchcard_core::config::parse_configuration;

    use super::*;

    #[test]
    fn no_link_leads_root_to_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (plugins, victim) = (folder.join("plugins"), folder.join("victim"));
        fs::create_dir(&plugins).unwrap();
        fs::write(&victim, b"precious").unwrap();
        std::os::unix::fs::symlink(&victim, plugins.join("clock.wasm")).unwrap();
        std::os::unix::fs::symlink(&plugins, folder.join("link")).unwrap();
        // Also not for who is none: a file that he owns gets the owner that it has.
        replace_without_links(&plugins.join("clock.wasm"), b"component").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(plugins.join("clock.wasm")).unwrap(), b"component");
        assert!(replace_without_links(&folder.join("link/clock.wasm"), b"other").is_err());
        assert_eq!(fs::read(plugins.join("clock.wasm")).unwrap(), b"component");
        assert_eq!(fs::read_dir(&plugins).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_component_goes_where_the_others_are_and_takes_no_ones_place() {
        let table = [
            ("", &[][..], "plugins/clock.wasm"),
            ("a = 'p/a.wasm'\nb = 'p/b.wasm'\nc = 'q/c.wasm'", &[], "p/clock.wasm"),
            ("a = 'p/a.wasm'", &["p/clock.wasm"], "p/clock-0123456789ab.wasm"),
            ("a = '/usr/lib/punchcard/a.wasm'", &[], "plugins/clock.wasm"),
            // Its own file, wherever it is, but not a package's.
            ("a = 'p/a.wasm'\nclock = 'x.wasm'", &["x.wasm"], "x.wasm"),
            ("clock = '/usr/lib/punchcard/clock.wasm'", &[], "plugins/clock.wasm"),
            // Not that of another plugin.
            ("a = 'p/x.wasm'\nb = 'p/b.wasm'\nclock = './p/x.wasm'", &["p/x.wasm"], "p/clock.wasm"),
            ("a = 'clock.wasm'", &[], "clock-0123456789ab.wasm"),
        ];
        for (plugins, there, expected) in table {
            let text = format!("[device]\nname = \"x\"\n[panel]\ndriver = \"none\"\n[plugins]\n{plugins}\n");
            let configuration = parse_configuration(&text).unwrap();
            let is_free = |path: &Path| !there.iter().any(|there| Path::new(there) == path);
            let name = PluginName::parse("clock").unwrap();
            let chosen = choose_path(&configuration, &name, "0123456789abcdef", is_free);
            assert_eq!(chosen, Path::new(expected), "{plugins}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugins.toml");
        replace(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644 & !umask());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
        assert!(replace(&folder.path().join("none/x"), b"").is_err());
    }

    fn umask() -> u32 {
        let mask = rustix::process::umask(Mode::empty());
        rustix::process::umask(mask);
        mask.bits()
    }
}
