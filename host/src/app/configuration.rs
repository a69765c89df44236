//! Which configuration is in force: the file, or what stands in for it where it has errors.
//!
//! `check` is strict. `run` falls back to the last configuration that was valid as a whole, and where there never was one,
//! to the parts that are valid by themselves: a mistake in a file must not stop a time clock.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use punchcard_core::config::{
    Configuration, Diagnostic, MAX_BYTES, parse_configuration, parse_what_is_valid, render_diagnostics,
};
use thiserror::Error;

use super::status::{ConfigurationReport, Fallback};

/// The last configuration that was valid, in the state folder.
const LAST_VALID: &str = "last-valid.toml";

/// Why a configuration could not be read at all.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file can't be read.
    #[error("can't read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no text, or far too much of it.
    #[error("{} is not a text of at most {} KiB", path.display(), MAX_BYTES >> 10)]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// The text of a configuration.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, or is no text.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::File { path: path.to_owned(), source };
        // A pipe or a device could go on for ever.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(ReadError::NotText { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .map_err(failed)?
            .take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match String::from_utf8(bytes) {
            Ok(text) if text.len() <= MAX_BYTES => Ok(Self { path: path.to_owned(), text }),
            _ => Err(ReadError::NotText { path: path.to_owned() }),
        }
    }

    /// The folder to which the paths in it are relative.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Its errors, as a person reads them.
    #[must_use]
    pub fn render(&self, diagnostics: &[Diagnostic]) -> String {
        render_diagnostics(&self.text, &self.path.display().to_string(), diagnostics)
    }
}

/// A configuration in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// It.
    pub configuration: Configuration,
    /// The text it was read from, where it may become the last valid one.
    pub text: Option<String>,
    /// What `status` says of it.
    pub report: ConfigurationReport,
}

/// Decides which configuration is in force. `refused`: what plugins said of the file's settings, when it has been tried.
#[must_use]
pub fn choose(source: &Result<Source, ReadError>, refused: &[Diagnostic], state: &Path, path: &Path) -> InForce {
    let report = |fallback, errors| ConfigurationReport { path: path.display().to_string(), fallback, errors };
    let errors = match source {
        Ok(source) => match parse_configuration(&source.text) {
            Ok(configuration) if refused.is_empty() => {
                let text = Some(source.text.clone());
                return InForce { configuration, text, report: report(None, None) };
            }
            Ok(_) => source.render(refused),
            Err(diagnostics) => source.render(&diagnostics),
        },
        Err(error) => super::error_chain::chain(error),
    };
    let last_valid = Source::read(&state.join(LAST_VALID)).ok();
    if let Some(configuration) = last_valid.and_then(|source| parse_configuration(&source.text).ok()) {
        let report = report(Some(Fallback::LastValid), Some(errors));
        return InForce { configuration, text: None, report };
    }
    let configuration = source.as_ref().map(|source| parse_what_is_valid(&source.text).0).unwrap_or_default();
    InForce { configuration, text: None, report: report(Some(Fallback::ValidParts), Some(errors)) }
}

/// Reads a file that is to come into force in place of another.
///
/// # Errors
/// What is wrong with it.
pub fn read(source: &Result<Source, ReadError>, path: &Path) -> Result<InForce, String> {
    let source = source.as_ref().map_err(super::error_chain::chain)?;
    let configuration = parse_configuration(&source.text).map_err(|diagnostics| source.render(&diagnostics))?;
    let report = ConfigurationReport { path: path.display().to_string(), fallback: None, errors: None };
    Ok(InForce { configuration, text: Some(source.text.clone()), report })
}

/// The text of the last configuration that was valid, where there was one.
#[must_use]
pub fn last_valid(state: &Path) -> Option<String> {
    Source::read(&state.join(LAST_VALID)).ok().map(|source| source.text)
}

/// The tables of a configuration that count only after a restart, where they are not as the device was started with them.
#[must_use]
pub fn find_restart_needs(started_with: &Configuration, now: &Configuration) -> Vec<String> {
    let answer_bytes =
        |configuration: &Configuration| configuration.plugins.values().map(|plugin| plugin.limits.answer_bytes).max();
    let table = [
        ("device", started_with.device != now.device),
        ("panel", started_with.panel != now.panel),
        ("choices", started_with.choices != now.choices),
        ("inputs", started_with.inputs != now.inputs),
        ("limits.answer-mib", answer_bytes(started_with) != answer_bytes(now)),
    ];
    table.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}

/// Keeps a text as the last valid configuration.
///
/// # Errors
/// When the disk refuses; the one before is then still there.
pub fn keep_as_last_valid(state: &Path, text: &str) -> std::io::Result<()> {
    let path = state.join(LAST_VALID);
    if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let temporary = state.join("last-valid.tmp");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, &path)?;
    std::fs::File::open(state)?.sync_all()
}
