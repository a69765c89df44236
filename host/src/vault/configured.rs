//! Secrets that plugins.toml names: a systemd credential, or a file.
//!
//! They are read when they are needed and never written. It knows neither plugins.toml nor what they are for.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use punchcard_core::encoding::{NotUtf8, decode_utf8};
use punchcard_core::printable::is_hidden;
use punchcard_core::secret::{Secret, Stranger, find_stranger, is_mark};
use thiserror::Error;
use zeroize::Zeroizing;

/// No configured secret is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Why a configured secret can't be used.
#[derive(Debug, Error)]
pub enum ConfiguredSecretError {
    /// There is no folder of credentials.
    #[error(
        "there is no credential `{0}`: $CREDENTIALS_DIRECTORY is not set; run as a systemd service with `LoadCredential={0}:…`, \
         or use {{ file = \"…\" }}"
    )]
    NoCredentials(String),
    /// Not a name that a credential can have.
    #[error("`{0}` is not the name of a credential")]
    CredentialName(String),
    /// There is no such file.
    #[error(
        "there is no file `{path}`; put the secret there: `install -m 600 /dev/null {path}`, then paste it into that file",
        path = .0.display()
    )]
    Missing(PathBuf),
    /// There is no such file among the credentials.
    #[error(
        "there is no credential `{0}`: the service was given others; add `LoadCredential={0}:…` to its unit, or use \
         {{ file = \"…\" }}"
    )]
    MissingCredential(String),
    /// It can't be read.
    #[error("the secret in `{path}` can't be read", path = .path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no file.
    #[error("`{path}` is no regular file", path = .0.display())]
    NoFile(PathBuf),
    /// Anybody can read it.
    #[error("the secret in `{path}` can be read by anybody; run `chmod o= {path}`", path = .0.display())]
    Open(PathBuf),
    /// It holds nothing.
    #[error("the secret in `{path}` is empty", path = .0.display())]
    Empty(PathBuf),
    /// It is longer than any secret.
    #[error("the secret in `{path}` is longer than {LONGEST} bytes", path = .0.display())]
    TooLong(PathBuf),
    /// It is no text.
    #[error("the secret in `{path}` is no text", path = .path.display())]
    NoText {
        /// Where.
        path: PathBuf,
        /// Why.
        source: NotUtf8,
    },
    /// It holds more than the secret.
    #[error("the secret in `{path}` has {stranger}; leave nothing but the secret in that file", path = .path.display())]
    Stranger {
        /// Where.
        path: PathBuf,
        /// What does not belong to it.
        stranger: Stranger,
    },
}

/// Where configured secrets are.
#[derive(Debug, Clone)]
pub struct ConfiguredSecrets {
    credentials: Option<PathBuf>,
}

impl ConfiguredSecrets {
    /// `credentials` is `$CREDENTIALS_DIRECTORY`, where systemd set it.
    #[must_use]
    pub fn new(credentials: Option<PathBuf>) -> Self {
        Self { credentials }
    }

    /// Reads a credential.
    ///
    /// # Errors
    /// When there are none, when it is not among them, or as [`Self::read_file`].
    pub fn read_credential(&self, name: &str) -> Result<Secret, ConfiguredSecretError> {
        self.read_with(name, Self::read_file)
    }

    /// Reads a file that holds nothing but the secret, as one line of text. White space around it does not belong to it.
    ///
    /// # Errors
    /// When it is not there, can't be read, is no file, can be read by anybody, is empty, too long or no text, or has
    /// several lines, quotation marks around it or characters that nobody sees.
    pub fn read_file(&self, path: &Path) -> Result<Secret, ConfiguredSecretError> {
        let failed = |source| refusal(path, source);
        // Before it is opened: opening a pipe would wait for a writer.
        let metadata = path.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(ConfiguredSecretError::NoFile(path.to_owned()));
        }
        if metadata.permissions().mode() & 0o007 != 0 {
            return Err(ConfiguredSecretError::Open(path.to_owned()));
        }
        let content = read_bounded(path).map_err(failed)?;
        if content.len() as u64 > LONGEST {
            return Err(ConfiguredSecretError::TooLong(path.to_owned()));
        }
        let text =
            decode_utf8(&content).map_err(|source| ConfiguredSecretError::NoText { path: path.to_owned(), source })?;
        let secret = text.trim();
        if secret.is_empty() {
            return Err(ConfiguredSecretError::Empty(path.to_owned()));
        }
        match find_stranger(secret) {
            Some(stranger) => Err(ConfiguredSecretError::Stranger { path: path.to_owned(), stranger }),
            None => Ok(Secret::new(secret.to_owned())),
        }
    }

    /// What may be secret in a credential, for whoever takes it out of a text.
    ///
    /// # Errors
    /// As [`Self::read_all_of_file`], and where there is no such credential here.
    pub fn read_all_of_credential(&self, name: &str) -> Result<Vec<Secret>, ConfiguredSecretError> {
        self.read_with(name, Self::read_all_of_file)
    }

    /// What may be secret in a file, for whoever takes it out of a text: each of its lines, also of a file that the device
    /// refuses because anybody can read it, or for what else is in it.
    ///
    /// # Errors
    /// When it is not there, can't be read, is no file, or is longer than any secret.
    pub fn read_all_of_file(&self, path: &Path) -> Result<Vec<Secret>, ConfiguredSecretError> {
        let failed = |source| refusal(path, source);
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(ConfiguredSecretError::NoFile(path.to_owned()));
        }
        let content = read_bounded(path).map_err(failed)?;
        if content.len() as u64 > LONGEST {
            return Err(ConfiguredSecretError::TooLong(path.to_owned()));
        }
        let text = Zeroizing::new(String::from_utf8_lossy(&content).into_owned());
        let marks = |character: char| character.is_whitespace() || is_hidden(character) || is_mark(character);
        let lines = text.lines().flat_map(|line| [line.trim(), line.trim_matches(marks)]);
        let mut secrets: Vec<Secret> =
            lines.filter(|line| !line.is_empty()).map(|line| Secret::new(line.to_owned())).collect();
        secrets.dedup();
        Ok(secrets)
    }

    fn read_with<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Self, &Path) -> Result<T, ConfiguredSecretError>,
    ) -> Result<T, ConfiguredSecretError> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(ConfiguredSecretError::CredentialName(name.to_owned()));
        }
        let folder = self.credentials.as_ref().ok_or_else(|| ConfiguredSecretError::NoCredentials(name.to_owned()))?;
        read(self, &folder.join(name)).map_err(|error| match error {
            ConfiguredSecretError::Missing(_) => ConfiguredSecretError::MissingCredential(name.to_owned()),
            error => error,
        })
    }
}

/// At most one byte more than a secret can have.
fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn refusal(path: &Path, source: io::Error) -> ConfiguredSecretError {
    match source.kind() {
        io::ErrorKind::NotFound => ConfiguredSecretError::Missing(path.to_owned()),
        _ => ConfiguredSecretError::Read { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn file(folder: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn said(result: Result<Secret, ConfiguredSecretError>, folder: &Path) -> Result<String, String> {
        let folder = format!("{}/", folder.display());
        result.map(|secret| secret.reveal().to_owned()).map_err(|error| error.to_string().replace(&folder, ""))
    }

    #[test]
    fn a_secret_is_the_text_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = ConfiguredSecrets::new(None);
        let longest = "x".repeat(64 * 1024);
        let stranger = |what| format!("the secret in `x` has {what}; leave nothing but the secret in that file");
        let table: [(&[u8], u32, Result<&str, &str>); 26] = [
            (b"k3y", 0o600, Ok("k3y")),
            (b"k3y\n", 0o400, Ok("k3y")),
            (b"k3y\r\n\n", 0o640, Ok("k3y")),
            (b" \t k3y \r\n", 0o660, Ok("k3y")),
            ("\u{a0}k3y\u{3000}\n".as_bytes(), 0o600, Ok("k3y")),
            (b"Bearer k3y\n", 0o600, Ok("Bearer k3y")),
            (b"k3y\"", 0o600, Ok("k3y\"")),
            (b"two\nlines\n", 0o600, Err(&stranger("another line behind it, U+000A, as its character 4"))),
            (b"k3y\r\rmore", 0o600, Err(&stranger("another line behind it, U+000D, as its character 4"))),
            (b" \"k3y\"\n", 0o600, Err(&stranger("a quotation mark around it, U+0022, as its character 1"))),
            (b"'k3y'", 0o600, Err(&stranger("a quotation mark around it, U+0027, as its character 1"))),
            ("“k3y”".as_bytes(), 0o600, Err(&stranger("a quotation mark around it, U+201C, as its character 1"))),
            ("„k3y“".as_bytes(), 0o600, Err(&stranger("a quotation mark around it, U+201E, as its character 1"))),
            ("\u{feff}k3y".as_bytes(), 0o600, Err(&stranger("an invisible character, U+FEFF, as its character 1"))),
            ("k3\u{200b}y".as_bytes(), 0o600, Err(&stranger("an invisible character, U+200B, as its character 3"))),
            (b"k3\x1by", 0o600, Err(&stranger("an invisible character, U+001B, as its character 3"))),
            (b"k3\ty", 0o600, Err(&stranger("an invisible character, U+0009, as its character 3"))),
            ("k3\u{a0}y".as_bytes(), 0o600, Err(&stranger("a space that is none, U+00A0, as its character 3"))),
            (longest.as_bytes(), 0o600, Ok(&longest)),
            (b"", 0o600, Err("the secret in `x` is empty")),
            (b"\n", 0o600, Err("the secret in `x` is empty")),
            (&[b'x'; 64 * 1024 + 1], 0o600, Err("the secret in `x` is longer than 65536 bytes")),
            (b"\xff", 0o600, Err("the secret in `x` is no text")),
            (b"k3y", 0o644, Err("the secret in `x` can be read by anybody; run `chmod o= x`")),
            (b"k3y", 0o602, Err("the secret in `x` can be read by anybody; run `chmod o= x`")),
            (b"k3y", 0o606, Err("the secret in `x` can be read by anybody; run `chmod o= x`")),
        ];
        for (content, mode, expected) in table {
            let path = file(folder.path(), "x", content, mode);
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(said(secrets.read_file(&path), folder.path()), expected, "mode {mode:o}");
            fs::remove_file(path).unwrap();
        }
        let nothing = said(secrets.read_file(&folder.path().join("x")), folder.path());
        let remedy =
            "there is no file `x`; put the secret there: `install -m 600 /dev/null x`, then paste it into that file";
        assert_eq!(nothing, Err(remedy.to_owned()));
        let folder_itself = said(secrets.read_file(folder.path()), folder.path().parent().unwrap());
        assert!(folder_itself.unwrap_err().ends_with("is no regular file"));
    }

    #[test]
    fn what_may_be_secret_is_read_also_from_a_file_that_the_device_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = ConfiguredSecrets::new(Some(folder.path().to_owned()));
        let table: [(&[u8], u32, &[&str]); 6] = [
            (b" k3y\n", 0o600, &["k3y"]),
            (b"k3y", 0o644, &["k3y"]),
            (b"\"k3y\"", 0o600, &["\"k3y\"", "k3y"]),
            (b"old-k3y\n\nnew-k3y\n", 0o600, &["old-k3y", "new-k3y"]),
            ("\u{feff}k3y\u{200b}\n".as_bytes(), 0o600, &["\u{feff}k3y\u{200b}", "k3y"]),
            (b"", 0o600, &[]),
        ];
        for (content, mode, expected) in table {
            let path = file(folder.path(), "x", content, mode);
            let revealed =
                |found: Vec<Secret>| found.iter().map(|secret| secret.reveal().to_owned()).collect::<Vec<_>>();
            assert_eq!(revealed(secrets.read_all_of_file(&path).unwrap()), expected, "{}", content.escape_ascii());
            assert_eq!(revealed(secrets.read_all_of_credential("x").unwrap()), expected);
            fs::remove_file(path).unwrap();
        }
        for missing in [secrets.read_all_of_file(&folder.path().join("x")), secrets.read_all_of_credential("x")] {
            let said = missing.err().unwrap().to_string();
            assert!(said.contains("there is no"), "{said}");
        }
        assert!(secrets.read_all_of_file(folder.path()).is_err());
    }

    #[test]
    fn a_credential_is_a_file_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "google", b"s3cret\n", 0o400);
        let secrets = ConfiguredSecrets::new(Some(folder.path().to_owned()));
        assert_eq!(said(secrets.read_credential("google"), folder.path()), Ok("s3cret".to_owned()));
        assert_eq!(
            said(secrets.read_credential("other"), folder.path()),
            Err("there is no credential `other`: the service was given others; add `LoadCredential=other:…` to its unit, \
                 or use { file = \"…\" }"
                .to_owned())
        );
        for name in ["", ".", "..", "../google", "a/b", "a\0"] {
            assert_eq!(
                said(secrets.read_credential(name), folder.path()),
                Err(format!("`{name}` is not the name of a credential"))
            );
        }
        let none = said(ConfiguredSecrets::new(None).read_credential("google"), folder.path()).unwrap_err();
        assert_eq!(
            none,
            "there is no credential `google`: $CREDENTIALS_DIRECTORY is not set; run as a systemd service with \
             `LoadCredential=google:…`, or use { file = \"…\" }"
        );
    }
}
