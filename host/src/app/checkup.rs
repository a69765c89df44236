//! `punchcard doctor` at work: everything that a device needs is looked at, and nothing is changed.
//!
//! It reads with the adapters and has `core::checkup` judge. It does without a running device and without a network. Where a
//! device runs, its lines and its panel are left to it: it is asked how they are. An I2C bus is scanned as `i2cdetect` does
//! it, one address in each transfer, so that another program's transfer is never cut in two.

mod file;
pub(super) mod hardware;
mod network;
mod running;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use punchcard_core::checkup::Finding;
use punchcard_core::checkup::board::judge_board;
use punchcard_core::checkup::clock::{ClockFacts, judge_clock, judge_server_times};
use punchcard_core::config::secret::{SecretSource, find_named_secrets};
use punchcard_core::config::{Configuration, parse_what_is_valid};
use punchcard_core::secret::Secret;

use super::configuration::{LAST_VALID, ReadError, Source};
use super::control::{Answer, Question, ask, is_there};
use super::device::Options;
use super::error_chain::chain;
use super::material::{credential_folder, read_secret_of};
use super::status::Report;
use crate::clock::Clock;
use crate::machine::Machine;
use crate::vault::{ConfiguredSecretError, ConfiguredSecrets, Sealer, read_all_secrets};

/// Where systemd puts the credentials of the package's service (systemd.exec(5)): its user may read them from outside, too.
const CREDENTIALS_OF_SERVICE: &str = "/run/credentials/punchcard.service";

/// What is left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discretion {
    /// No name is looked up, and no server is asked.
    pub without_network: bool,
    /// No picture is shown.
    pub without_picture: bool,
}

/// A configuration, as far as it can be used.
struct Read {
    configuration: Configuration,
    folder: PathBuf,
    finding: Finding,
}

/// Looks at everything, in an order in which what comes first can explain what comes later.
pub async fn examine(options: &Options, machine: &Machine, discretion: Discretion) -> Vec<Finding> {
    let read = read_configuration(&options.configuration);
    let configuration = &read.configuration;
    let answer = ask(&options.state, &Question::Status).await;
    // Whoever does not answer may have lines and panel nevertheless.
    let may_run = is_there(&answer);
    let report = match &answer {
        Ok(Answer::Status(report)) => Some(report.as_ref()),
        _ => None,
    };

    let mut findings = vec![judge_version(report)];
    findings.extend(judge_board(&machine.board()));
    findings.push(read.finding);
    findings.extend(file::components(configuration, &read.folder));
    findings.push(running::judge_answer(&answer, &options.state));
    findings.extend(file::disk(machine, &options.state, configuration));
    findings.extend(file::modes(options, configuration, &read.folder));
    findings.extend(hardware::buses(configuration));
    findings.extend(hardware::lines(configuration, may_run));
    findings.extend(hardware::input_devices(configuration));
    let clock = Clock::open(
        configuration.device.name.as_str(),
        configuration.device.time_zone.clone(),
        configuration.device.trust_clock,
    );
    let clock = match clock {
        Ok(clock) => clock,
        Err(error) => {
            findings.push(Finding::bad("clock", &chain(error), "look whether /proc is mounted"));
            return findings;
        }
    };
    findings.push(judge_clock(&clock_facts(&clock, machine, configuration)));
    if discretion.without_network {
        findings.push(Finding::unknown("network", "not asked"));
    } else {
        let network = network::examine(configuration, &read.folder, machine, &clock).await;
        findings.extend(network.findings);
        findings.extend(judge_server_times(&network.times));
    }
    if !discretion.without_picture {
        findings.extend(hardware::picture(configuration, may_run).await);
    }
    findings.extend(match report {
        Some(report) => running::judge_report(report),
        None => running::without_report(configuration),
    });
    findings
}

/// The secrets of a device, for whoever takes them out of a text.
pub struct KnownSecrets {
    /// Those that could be read.
    pub secrets: Vec<Secret>,
    /// Those that could not, and why, each as a line of text: they can't be looked for.
    pub unread: Vec<String>,
}

/// Every secret that the device has: in the vault, and what plugins.toml or the last configuration that was valid names,
/// also in a part with an error and in a file that the device refuses.
///
/// # Errors
/// When the vault can't be read.
pub fn known_secrets(options: &Options) -> std::io::Result<KnownSecrets> {
    let state = &options.state;
    // Paths in the last valid one are relative to the same folder.
    let folder = options.configuration.parent().unwrap_or(Path::new("."));
    let secrets = ConfiguredSecrets::new(credential_folder().or_else(|| Some(CREDENTIALS_OF_SERVICE.into())));
    // Without a configuration that can be read, sealed files are named as not opened.
    let sealing =
        Source::read(&options.configuration).ok().and_then(|source| parse_what_is_valid(&source.text).0.vault);
    let sealer = sealing.and_then(|sealing| read_secret_of(&secrets, &sealing.key, folder).ok());
    let sealer = sealer.and_then(|key| Sealer::new(key).ok());
    let (found, unopened) = read_all_secrets(&state.join("vault"), sealer.as_ref())?;
    let unread =
        unopened.into_iter().map(|name| format!("the tokens in {name}, which are sealed with a key that is not here"));
    let mut known = KnownSecrets { secrets: found, unread: unread.collect() };
    for path in [options.configuration.clone(), state.join(LAST_VALID)] {
        let text = match Source::read(&path) {
            Ok(source) => source.text,
            Err(ReadError::File { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                known.unread.push(format!("what {} names: {}", path.display(), chain(error)));
                continue;
            }
        };
        let named = find_named_secrets(&text);
        if !named.is_whole {
            known.unread.push(format!("what {} names where it is no TOML", path.display()));
        }
        known.secrets.extend(named.plain);
        for source in named.sources {
            let read = match &source {
                SecretSource::Credential(name) => secrets
                    .read_all_of_credential(name.as_str())
                    .map_err(|_| format!("the credential `{name}`, which systemd gives to the service alone")),
                SecretSource::File(path) => {
                    let path = folder.join(path);
                    secrets.read_all_of_file(&path).map_err(|error| match error {
                        ConfiguredSecretError::Missing(_) => format!("the file {}, which is not there", path.display()),
                        error => format!("the file {}: {}", path.display(), chain(error)),
                    })
                }
            };
            match read {
                Ok(found) => known.secrets.extend(found),
                Err(what) => known.unread.push(what),
            }
        }
    }
    known.unread.sort();
    known.unread.dedup();
    Ok(known)
}

/// Reads what is valid of a configuration.
fn read_configuration(path: &Path) -> Read {
    const CHECK: &str = "configuration";
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(error) => {
            let remedy = match &error {
                ReadError::File { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                    "ask with `sudo`; or the device's user may not read it: `sudo chgrp punchcard` and `sudo chmod 640`"
                }
                ReadError::File { source, .. } if source.kind() == ErrorKind::NotFound => {
                    "`punchcard init` writes one; --config names another"
                }
                _ => "`punchcard check` says more",
            };
            let finding = Finding::bad(CHECK, &chain(error), remedy);
            return Read { configuration: Configuration::default(), folder: PathBuf::from("."), finding };
        }
    };
    let (configuration, diagnostics) = parse_what_is_valid(&source.text);
    let name = path.display();
    let finding = if diagnostics.is_empty() {
        let Configuration { inputs, sinks, .. } = &configuration;
        Finding::good(CHECK, &format!("the text of {name} is valid; inputs: {}, sinks: {}", inputs.len(), sinks.len()))
    } else {
        Finding::bad(CHECK, &format!("errors in {name}: {}", diagnostics.len()), "`punchcard check` says which")
    };
    Read { folder: source.folder().to_owned(), configuration, finding }
}

fn judge_version(report: Option<&Report>) -> Finding {
    const CHECK: &str = "version";
    const OWN: &str = env!("CARGO_PKG_VERSION");
    match report {
        Some(report) if report.version != OWN => {
            let seen = format!("this is punchcard {OWN}, and version {} runs", report.version);
            Finding::bad(CHECK, &seen, "start the device anew: `sudo systemctl restart punchcard`")
        }
        _ => Finding::good(CHECK, &format!("punchcard {OWN}")),
    }
}

fn clock_facts(clock: &Clock, machine: &Machine, configuration: &Configuration) -> ClockFacts {
    // Nothing is known of times that were seen before: that the chip agrees has to do.
    let now = clock.now(i64::MIN);
    let zone = &configuration.device.time_zone;
    let local_time = jiff::Timestamp::from_microsecond(now.wall.unix_micros)
        .map(|moment| moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string());
    ClockFacts {
        standing: now.standing,
        is_vouched_for: configuration.device.trust_clock,
        synchroniser: machine.synchroniser(),
        chip: machine.clock_chip(),
        local_time: local_time.unwrap_or_else(|_| format!("{} µs", now.wall.unix_micros)),
    }
}
