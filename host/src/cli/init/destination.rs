//! Where the configuration and the secret are written. Nothing that a person wrote is overwritten.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use punchcard_core::secret::Secret;
use punchcard_core::setup::{SECRET_FILE, packaged_configuration};
use rustix::process::geteuid;
use thiserror::Error;

/// Why something can't be written.
#[derive(Debug, Error)]
pub(in crate::cli) enum DestinationError {
    /// There is a file of an earlier `init` that nobody has taken up.
    #[error("{} is there from before; take it up, or remove it, and then run this again", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("{} can't be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where the configuration goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    path: PathBuf,
    /// Where the package's own is put.
    aside: Option<(PathBuf, PathBuf)>,
    is_beside: bool,
}

impl Destination {
    /// Looks what is there.
    pub(super) fn plan(config: &Path) -> Result<Self, DestinationError> {
        let text = match std::fs::read_to_string(config) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(String::new()),
            Err(source) => return Err(DestinationError::Write { path: config.to_owned(), source }),
        };
        Self::choose(config, text.as_deref(), |path| path.symlink_metadata().is_ok())
    }

    fn choose(config: &Path, text: Option<&str>, is_there: impl Fn(&Path) -> bool) -> Result<Self, DestinationError> {
        let named = |ending: &str| {
            let mut name = config.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let path = config.to_owned();
        match text {
            None => Ok(Self { path, aside: None, is_beside: false }),
            // A person has not touched it.
            Some(text) if text == packaged_configuration() && !is_there(&named(".package")) => {
                Ok(Self { path: path.clone(), aside: Some((path, named(".package"))), is_beside: false })
            }
            Some(_) if is_there(&named(".new")) => Err(DestinationError::Taken(named(".new"))),
            Some(_) => Ok(Self { path: named(".new"), aside: None, is_beside: true }),
        }
    }

    /// The file that is written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the package's own is put.
    pub(super) fn aside(&self) -> Option<&Path> {
        self.aside.as_ref().map(|(_, to)| to.as_path())
    }

    /// Whether there is a configuration already, which stays as it is.
    pub(super) fn is_beside(&self) -> bool {
        self.is_beside
    }

    /// The folder from which paths in the file are looked for.
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Writes the configuration. The group of the state folder may read it, where there is one: the service does.
    pub(super) fn write(&self, text: &str, state: &Path) -> Result<(), DestinationError> {
        let failed = |source| DestinationError::Write { path: self.path.clone(), source };
        if let Some((from, to)) = &self.aside {
            std::fs::rename(from, to).map_err(failed)?;
        }
        let folder = self.folder().metadata().map_err(failed)?;
        let group = state.metadata().map_or_else(|_| folder.gid(), |state| state.gid());
        create(&self.path, text.as_bytes(), 0o640, (folder.uid(), group)).map_err(failed)
    }
}

/// The name of the secret's file: the first that is free, or has this very secret in it.
pub(super) fn choose_secret_file(folder: &Path, secret: &Secret) -> String {
    let names = (2..100).map(|number| format!("{SECRET_FILE}-{number}"));
    let is_free = |name: &String| match std::fs::read_to_string(folder.join(name)) {
        Ok(there) => there.trim() == secret.reveal(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    // Where none is free, writing it says so.
    std::iter::once(SECRET_FILE.to_owned()).chain(names).find(is_free).unwrap_or_else(|| SECRET_FILE.to_owned())
}

/// Writes a secret into a file that the owner of the state folder alone can read; where there is no state folder yet, the
/// owner of the folder that it lies in. One with the same secret is left as it is.
pub(in crate::cli) fn write_secret(path: &Path, secret: &Secret, state: &Path) -> Result<(), DestinationError> {
    let failed = |source| DestinationError::Write { path: path.to_owned(), source };
    if std::fs::read_to_string(path).is_ok_and(|there| there.trim() == secret.reveal()) {
        return Ok(());
    }
    let owner = state.metadata().or_else(|_| folder_of(path).metadata()).map_err(failed)?;
    let line = zeroize::Zeroizing::new(format!("{}\n", secret.reveal()));
    create(path, line.as_bytes(), 0o600, (owner.uid(), owner.gid())).map_err(failed)
}

/// Makes a new file, durably. Root gives it to its owner; everybody else is that.
fn create(path: &Path, content: &[u8], mode: u32, (user, group): (u32, u32)) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    if geteuid().is_root() {
        fchown(&file, Some(user), Some(group))?;
    }
    file.write_all(content)?;
    file.sync_all()?;
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_a_person_wrote_is_never_in_the_way_and_never_lost() {
        let config = Path::new("/etc/punchcard/plugins.toml");
        let packaged = packaged_configuration();
        let packaged = Some(packaged.as_str());
        let (new, package) = ("/etc/punchcard/plugins.toml.new", "/etc/punchcard/plugins.toml.package");
        for (text, there, expected) in [
            (None, vec![], Ok(("/etc/punchcard/plugins.toml", None))),
            (Some("mine"), vec![], Ok((new, None))),
            (Some("mine"), vec![new], Err(())),
            (packaged, vec![], Ok(("/etc/punchcard/plugins.toml", Some(package)))),
            (packaged, vec![package], Ok((new, None))),
            (Some(""), vec![package], Ok((new, None))),
        ] {
            let planned = Destination::choose(config, text, |path| there.iter().any(|there| path == Path::new(there)));
            let planned =
                planned.map(|planned| (planned.path.clone(), planned.aside().map(Path::to_owned))).map_err(|_| ());
            let expected = expected.map(|(path, aside)| (PathBuf::from(path), aside.map(PathBuf::from)));
            assert_eq!(planned, expected, "{text:?} {there:?}");
        }
    }

    #[test]
    fn files_are_made_anew_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("plugins.toml");
        fs::write(&config, packaged_configuration()).unwrap();
        let destination = Destination::plan(&config).unwrap();
        let state = folder.path().join("state");
        destination.write("mine", &state).unwrap();
        assert_eq!(fs::read_to_string(&config).unwrap(), "mine");
        assert_eq!(fs::read_to_string(folder.path().join("plugins.toml.package")).unwrap(), packaged_configuration());
        let beside = Destination::plan(&config).unwrap();
        fs::create_dir(&state).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(&state, Some(1), Some(1)).unwrap();
        }
        beside.write("new", &state).unwrap();
        assert_eq!(beside.path().metadata().unwrap().gid(), state.metadata().unwrap().gid());
        assert_eq!(fs::read_to_string(&config).unwrap(), "mine");
        assert!(beside.is_beside() && beside.write("newer", &state).is_err());
    }

    #[test]
    fn a_secret_is_for_its_owner_alone_and_another_one_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secret = |text: &str| Secret::new(text.to_owned());
        write_secret(&path, &secret("GOCSPX-s"), folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "GOCSPX-s\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        write_secret(&path, &secret("GOCSPX-s"), folder.path()).unwrap();
        assert!(write_secret(&path, &secret("other"), folder.path()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "GOCSPX-s\n");
        assert_eq!(choose_secret_file(folder.path(), &secret("a")), "google-client-secret");
        fs::write(folder.path().join("google-client-secret"), "a\n").unwrap();
        assert_eq!(choose_secret_file(folder.path(), &secret("a")), "google-client-secret");
        assert_eq!(choose_secret_file(folder.path(), &secret("b")), "google-client-secret-2");
    }
}
