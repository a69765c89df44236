//! `punchcard support-bundle`: one text file for whoever helps. The person reads it, and sends it.
//!
//! What the device knows as a secret is looked for in all of it and blanked, in any form in which servers echo one; of
//! plugins.toml only what `config::sharing` lets through is in it. Where the tokens can't be read, nothing is written: it
//! would not be known what to take out. A secret of plugins.toml that can't be read is named in the first lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, fchown};
use std::path::PathBuf;

use clap::Args;
use punchcard_core::config::sharing::render_shareable;
use punchcard_core::redact::{Blanker, blank_fields};
use punchcard_core::secret::Secret;

use super::device::{HARDWARE_GROUPS, become_owner};
use super::doctor::{look, options, render_findings};
use super::exit::{Exit, Failure};
use super::output::{print_line, say_line};
use super::{DeviceArguments, logs, printable, status};
use crate::app::checkup::{Discretion, KnownSecrets, known_secrets};
use crate::app::configuration::Source;
use crate::app::status::{GrantStanding, Report};
use punchcard_panel::charset::Charset;

/// Lines of the log that are in it.
const LOG_LINES: usize = 1_000;
/// Fields of the log that are left out. Whoever has the link of a sheet that is shared by its link can read it, also of one of
/// last year; the path of a request, which is logged for debugging, can be the secret of a webhook.
const UNSHARED_FIELDS: [&str; 2] = ["link", "path"];

/// Where to.
#[derive(Debug, Clone, Args)]
pub(super) struct SupportBundleArguments {
    /// The file that is made. One that is there is not overwritten.
    #[arg(default_value = "punchcard-support.txt", value_name = "FILE")]
    file: PathBuf,
    /// Look up no name, and ask no server.
    #[arg(long)]
    no_network: bool,
}

/// What only the user who called may do: made before the command goes on as the owner of the state folder.
struct Begun {
    file: File,
    log: Result<Option<Vec<String>>, Failure>,
}

/// Makes the file, and reads the log.
fn begin(device: &DeviceArguments, arguments: &SupportBundleArguments) -> Result<Begun, Failure> {
    let path = &arguments.file;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        let what = if error.kind() == io::ErrorKind::AlreadyExists {
            "; name another file".to_owned()
        } else {
            format!(": {error}")
        };
        Failure::general(format!("{} can't be made{what}", path.display()))
    })?;
    // With `sudo` it is for the person who said so.
    if let (Some(user), Some(group)) = (number("SUDO_UID"), number("SUDO_GID")) {
        fchown(&file, Some(user), Some(group)).map_err(Failure::general)?;
    }
    Ok(Begun { file, log: logs::last_lines(device, LOG_LINES) })
}

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Makes the bundle.
pub(super) fn support_bundle(device: &DeviceArguments, arguments: &SupportBundleArguments) -> Result<Exit, Failure> {
    let path = &arguments.file;
    let begun = begin(device, arguments)?;
    become_owner(&device.state, HARDWARE_GROUPS).map_err(Failure::general)?;
    let text = fill(device, arguments, begun).inspect_err(|_| {
        // An empty one helps nobody, and would be in the way of the next try.
        if std::fs::remove_file(path).is_err() {
            say_line(format_args!("{} is left behind empty; remove it.", path.display()));
        }
    })?;
    for line in contents(&text) {
        print_line(line)?;
    }
    print_line(format_args!(
        "{} has {} KiB of text. Secrets were taken out. Read it before you send it to anybody: it is sent by nobody but you.",
        path.display(),
        text.len().div_ceil(1_024)
    ))?;
    Ok(Exit::Success)
}

fn fill(device: &DeviceArguments, arguments: &SupportBundleArguments, begun: Begun) -> Result<String, Failure> {
    let source = Source::read(&device.config);
    let KnownSecrets { mut secrets, unread } = known_secrets(&options(device)).map_err(|error| {
        Failure::general(format!(
            "the secrets can't be read, so that they can't be taken out: {error}; ask with `sudo`"
        ))
    })?;
    let report = match status::fetch(device) {
        Ok(mut report) => {
            secrets.extend(take_code(&mut report));
            serde_json::to_string_pretty(&report).map_err(Failure::general)?
        }
        Err(failure) => failure.error.to_string(),
    };
    // A picture on the panel is for whoever stands before it.
    let discretion = Discretion { without_network: arguments.no_network, without_picture: true };
    let findings = look(device, discretion)?;
    let findings = anstream::adapter::strip_str(&render_findings(&findings, Charset::Unicode)).to_string();
    let shared = match &source {
        Ok(source) => render_shareable(&source.text),
        Err(error) => error.to_string(),
    };
    let log = match begun.log {
        Ok(Some(lines)) => lines.iter().map(|line| blank_fields(line, &UNSHARED_FIELDS)).collect::<Vec<_>>().join("\n"),
        Ok(None) => "there is no log file; the log of `punchcard run` went to its standard error".to_owned(),
        Err(failure) => failure.error.to_string(),
    };
    let sections = [
        Section { title: "findings of punchcard doctor", text: findings },
        Section { title: "plugins.toml, without comments and without what may be a secret", text: shared },
        Section { title: "status", text: report },
        Section { title: "the end of the log", text: log },
    ];
    let text = render_bundle(&sections, &secrets.iter().collect::<Vec<_>>(), &unread);
    let mut file = begun.file;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Failure::general)?;
    for what in &unread {
        say_line(format_args!("This could not be looked for, and may be in it: {}.", printable(what)));
    }
    if secrets.is_empty() && unread.is_empty() {
        say_line("No secret is stored on this device: there was none to be looked for.");
    }
    Ok(text)
}

/// Takes the codes out of a report. Whoever enters one signs this device in to an account of theirs.
fn take_code(report: &mut Report) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for grant in &mut report.grants {
        if let GrantStanding::AwaitingPerson { user_code, complete_url, .. } = &mut grant.standing {
            secrets.push(Secret::new(std::mem::take(user_code)));
            secrets.extend(complete_url.take().map(Secret::new));
        }
    }
    for sink in &mut report.sinks {
        // Whoever has the link of a sheet that is shared by its link can read it.
        secrets.extend(sink.link.take().map(Secret::new));
    }
    secrets
}

/// A piece of the bundle.
struct Section {
    title: &'static str,
    text: String,
}

/// What stands before each piece.
const MARK: &str = "=====";

/// The whole text, without secrets. `unread`: what could not be looked for.
fn render_bundle(sections: &[Section], secrets: &[&Secret], unread: &[String]) -> String {
    let blanker = Blanker::new(secrets);
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("Punchcard {version}: a bundle for whoever helps. Secrets were taken out.\n");
    for what in unread {
        text.push_str(&format!("NOT looked for, and perhaps in it: {}.\n", printable(&blanker.blank_text(what))));
    }
    for Section { title, text: piece } in sections {
        text.push_str(&format!("\n{MARK} {title} {MARK}\n"));
        let blank = blanker.blank_text(piece);
        for line in blank.lines() {
            text.push_str(&printable(line));
            text.push('\n');
        }
    }
    text
}

/// What is in a bundle, a line for each piece.
fn contents(text: &str) -> Vec<String> {
    let mut contents: Vec<(String, usize)> = Vec::new();
    for line in text.lines() {
        let title = line.strip_prefix(MARK).and_then(|line| line.strip_suffix(MARK));
        match (title, contents.last_mut()) {
            (Some(title), _) => contents.push((title.trim().to_owned(), 0)),
            (None, Some((_, lines))) => *lines += 1,
            (None, None) => {}
        }
    }
    contents.into_iter().map(|(title, lines)| format!("  {lines:>5} lines: {title}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};
    use proptest::sample::Index;

    use super::*;

    /// A secret as services make them, or as people choose them. A shorter one stands in too many words by chance.
    fn secret() -> impl Strategy<Value = String> {
        prop_oneof!["[!-~]{6,60}", "[A-Za-z0-9_-]{20,200}", "1//0[A-Za-z0-9_-]{40,90}", "GOCSPX-[A-Za-z0-9_-]{28}"]
    }

    /// A form in which it comes into a log.
    fn leaked(secret: &str, form: u8) -> String {
        match form {
            0 => secret.to_owned(),
            1 => serde_json::Value::from(secret).to_string(),
            2 => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            _ => format!("Bearer {secret}"),
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_in_a_bundle(
            secrets in proptest::collection::vec(secret(), 1..5),
            noise in proptest::collection::vec("[ -~]{0,40}", 4),
            form in 0_u8..4,
            place in any::<Index>(),
        ) {
            let leak = secrets.iter().map(|secret| leaked(secret, form)).collect::<Vec<_>>().join(" and ");
            let mut sections: Vec<Section> =
                noise.into_iter().map(|text| Section { title: "a piece", text: format!("{text}\n") }).collect();
            let at = place.index(sections.len());
            sections[at].text.push_str(&leak);
            let known: Vec<Secret> = secrets.iter().map(|secret| Secret::new(secret.clone())).collect();
            let text = render_bundle(&sections, &known.iter().collect::<Vec<_>>(), &[]);
            // What the text has without them, such as its heading, is no leak.
            let without: Vec<Section> = sections.iter().map(|section| Section { title: section.title, text: String::new() }).collect();
            let frame = render_bundle(&without, &[], &[]);
            for secret in &secrets {
                for form in 0..3 {
                    let leak = leaked(secret, form);
                    prop_assert!(!text.contains(&leak) || frame.contains(&leak), "{leak} is in {text}");
                }
            }
        }
    }

    #[test]
    fn what_could_not_be_looked_for_is_said_before_everything_else() {
        let sections = [Section { title: "one", text: "a".into() }];
        let text = render_bundle(&sections, &[], &["the credential `x`".to_owned()]);
        assert_eq!(text.lines().nth(1), Some("NOT looked for, and perhaps in it: the credential `x`."));
    }

    #[test]
    fn what_is_in_it_is_counted() {
        let sections = [
            Section { title: "one", text: "a\nb".into() },
            Section { title: "two", text: "\x1b[2Jsecret-word".into() },
        ];
        let text = render_bundle(&sections, &[&Secret::new("secret-word".into())], &[]);
        assert_eq!(contents(&text), ["      3 lines: one", "      1 lines: two"]);
        assert!(text.ends_with("===== two =====\n\\u{1b}[2J[secret]\n"), "{text}");
    }
}
