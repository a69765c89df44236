//! Which configuration is in force: the file, or what stands in for it where it has errors.
//!
//! `check` is strict. `run` falls back to the last configuration that was valid as a whole, and where there never was one,
//! to the parts that are valid by themselves: a mistake in a file must not stop a time clock.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use punchcard_core::config::panel::PanelDriver;
use punchcard_core::config::{
    Configuration, Diagnostic, MAX_BYTES, parse_configuration, parse_what_is_valid, render_diagnostics,
};
use punchcard_core::encoding::{NotUtf8, decode_utf8};
use thiserror::Error;

use super::status::{ConfigurationReport, Fallback};

/// The last configuration that was valid, in the state folder.
pub(super) const LAST_VALID: &str = "last-valid.toml";

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
    /// It is no regular file, or far too large.
    #[error("{} is no file of at most {} KiB", path.display(), MAX_BYTES >> 10)]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It is in another encoding than UTF-8, or damaged.
    #[error("{} can't be read as text", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Where, and what it probably is in.
        source: NotUtf8,
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
        if bytes.len() > MAX_BYTES {
            return Err(ReadError::NotText { path: path.to_owned() });
        }
        let text = decode_utf8(&bytes).map_err(|source| ReadError::Encoding { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), text: text.to_owned() })
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

impl InForce {
    /// Takes the terminal as the panel where there is one, nothing to fall back on, and no other panel: a mistake in
    /// `[panel]`, or a missing file, must not leave a person before a blank screen.
    #[must_use]
    pub fn with_panel(mut self, has_terminal: bool) -> Self {
        let panel = &mut self.configuration.panel.driver;
        if has_terminal && self.report.fallback == Some(Fallback::ValidParts) && *panel == PanelDriver::None {
            *panel = PanelDriver::Terminal;
        }
        self
    }
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
        Err(error) => {
            let said = super::error_chain::chain(error);
            match error {
                ReadError::File { source, .. } if source.kind() == ErrorKind::NotFound => {
                    format!("{said}\nWrite that file, or name another one with --config.")
                }
                _ => said,
            }
        }
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
        ("runtime", started_with.backend != now.backend),
        ("vault", started_with.vault != now.vault),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_nothing_to_fall_back_on_the_terminal_that_is_there_is_the_panel() {
        use PanelDriver::{None as Nothing, Terminal};
        use punchcard_core::config::panel::{Care, Oled, OledChip};
        const NONE: &str = "[panel]\ndriver = \"none\"\n";
        const MISSPELT: &str = "[panel]\ndriver = \"terminl\"\n";
        const DEVICE: &str = "[device]\nname = \"bench\"\ntime-zone = \"UTC\"\n";
        let (bus, care) = ("/dev/i2c-1".into(), Care::default());
        let ssd1306 = PanelDriver::Oled(Oled { chip: OledChip::Ssd1306, bus, address: 0x3c, is_turned: false, care });
        // The file, the last valid one, whether there is a terminal; the panel.
        let table = [
            (None, None, true, Terminal),
            (None, None, false, Nothing),
            (Some(MISSPELT.to_owned()), None, true, Terminal),
            (Some(format!("{DEVICE}[panel]\ndriver = \"ssd1306\"\nsize = 1\n")), None, true, Terminal),
            (Some("[panel]\ndriver = \"ssd1306\"\n[grants.x]\n".to_owned()), None, true, ssd1306),
            (Some(MISSPELT.to_owned()), Some(format!("{DEVICE}{NONE}")), true, Nothing),
            (Some(format!("{DEVICE}{NONE}")), None, true, Nothing),
        ];
        for (text, last_valid, has_terminal, expected) in table {
            let state = tempfile::tempdir().unwrap();
            let path = state.path().join("plugins.toml");
            if let Some(text) = &text {
                std::fs::write(&path, text).unwrap();
            }
            if let Some(text) = &last_valid {
                parse_configuration(text).unwrap();
                keep_as_last_valid(state.path(), text).unwrap();
            }
            let in_force = choose(&Source::read(&path), &[], state.path(), &path).with_panel(has_terminal);
            assert_eq!(in_force.configuration.panel.driver, expected, "{text:?} {last_valid:?} {has_terminal}");
            let errors = in_force.report.errors.unwrap_or_default();
            assert_eq!(text.is_none(), errors.contains("--config"), "{errors}");
        }
    }
}
