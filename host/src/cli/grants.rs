//! `punchcard grants`: what the device is let into, and taking a sign-in over from another program.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use punchcard_core::config::grant::Grant;
use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::{Configuration, parse_configuration};
use punchcard_core::credential_file::{CredentialFile, LARGEST_CREDENTIAL_FILE, choose_sign_in, parse_credential_file};
use punchcard_core::name::GrantName;
use punchcard_core::secret::Secret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::init::write_secret;
use super::output::{print, print_line, say_line};
use super::question::confirm;
use super::replay::refuse;
use super::status::unexpected;
use super::time::render_rfc_3339_in;
use super::{DeviceArguments, printable, sleep, small_runtime};
use crate::app::configuration::Source;
use crate::app::control::{Answer, ControlError, Question, ask};
use crate::app::error_chain::chain;
use crate::app::lone_grant::import;
use crate::app::status::{GrantReport, GrantStanding};

/// The slot of a client's secret.
const CLIENT_SECRET: &str = "client-secret";

#[derive(Debug, Args)]
pub(super) struct GrantsArguments {
    #[command(subcommand)]
    command: GrantsCommand,
}

#[derive(Debug, Subcommand)]
enum GrantsCommand {
    /// Say whose account a grant is, what it allows, since when, how it stands and where it is used. No token is shown.
    Show {
        /// The grant; when not given, each.
        grant: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what of a grant is not secret, as JSON: for a file that may be given away. No token is in it, and no secret.
    Export {
        /// The grant.
        grant: String,
    },
    /// Go on with the account that was signed in with, though the device used another one before. Its sinks then make what they
    /// need in that account.
    Accept {
        /// The grant.
        grant: String,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Take a sign-in over from another program's file: google-auth's and gspread's authorized_user, gcloud's, oauth2client's
    /// storage and multi-store, yup-oauth2's. It is proved by one renewal; when that fails, nothing is changed. The device has to
    /// be stopped. Of client_secret.json the secret goes to the file that `secrets.client-secret` of the grant names.
    Import {
        /// The grant.
        grant: String,
        /// The file, of at most 1 MiB.
        file: PathBuf,
        /// Which of the sign-ins in the file.
        #[arg(long, value_name = "NAME")]
        entry: Option<String>,
    },
}

pub(super) fn grants(device: &DeviceArguments, arguments: &GrantsArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        GrantsCommand::Show { grant, json } => show(device, grant.as_deref(), *json),
        GrantsCommand::Export { grant } => export(device, grant),
        GrantsCommand::Accept { grant, yes } => accept(device, grant, *yes),
        GrantsCommand::Import { grant, file, entry } => take_over(device, grant, file, entry.as_deref()),
    }
}

fn read_configuration(device: &DeviceArguments) -> Result<Configuration, Failure> {
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    parse_configuration(&source.text).map_err(|diagnostics| refuse(&source, &diagnostics))
}

/// What the running host says of its grants; nothing where none runs.
fn reports(device: &DeviceArguments) -> Result<Vec<GrantReport>, Failure> {
    match small_runtime()?.block_on(ask(&device.state, &Question::Status)) {
        Ok(Answer::Status(report)) => Ok(report.grants),
        Ok(other) => Err(unexpected(other)),
        Err(ControlError::NoHost { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn show(device: &DeviceArguments, named: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let configuration = read_configuration(device)?;
    if let Some(name) = named {
        find(&configuration, name)?;
    }
    let reports = reports(device)?;
    let names = configuration.grants.keys().filter(|name| named.is_none_or(|named| name.as_str() == named));
    let shown: Vec<Value> = names
        .map(|name| {
            let report = reports.iter().find(|report| report.name == name.as_str());
            describe(&configuration, name, report)
        })
        .collect();
    if json {
        print_line(serde_json::to_string_pretty(&shown).map_err(Failure::general)?)?;
    } else {
        print(shown.iter().map(render).collect::<String>())?;
    }
    Ok(Exit::Success)
}

/// Of what `show` says, that which still holds tomorrow.
fn export(device: &DeviceArguments, named: &str) -> Result<Exit, Failure> {
    let configuration = read_configuration(device)?;
    let name = find(&configuration, named)?;
    let reports = reports(device)?;
    let mut exported = describe(&configuration, &name, reports.iter().find(|report| report.name == named));
    if let Some(members) = exported.as_object_mut() {
        members.retain(|member, _| !matches!(member.as_str(), "status" | "seconds-left"));
    }
    print_line(serde_json::to_string_pretty(&exported).map_err(Failure::general)?)?;
    Ok(Exit::Success)
}

/// Looks at whether an account was accepted, half a second apart.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

fn accept(device: &DeviceArguments, named: &str, is_meant: bool) -> Result<Exit, Failure> {
    let configuration = read_configuration(device)?;
    let name = find(&configuration, named)?;
    let reports = reports(device)?;
    let report = reports.iter().find(|report| report.name == named);
    let Some(report) = report else { return Err(Failure::general("the device does not run; start it first")) };
    let now = printable(report.account.as_deref().unwrap_or_default());
    let Some(before) = &report.account_before else {
        print_line(format_args!("Grant `{name}` has no other account than before; nothing was done."))?;
        return Ok(Exit::Success);
    };
    if !is_meant {
        let sinks = sinks_of(&configuration, &name).join(", ");
        say_line(format_args!(
            "Grant `{name}` was {}, and is {now} now. Its sinks ({sinks}) go on there; a spreadsheet of the other account that was \
             not shared with {now} is out of reach, and a new one is made where they need it.",
            printable(before)
        ));
        if !confirm("Go on with it? [y/N] ", &["y", "yes"])? {
            print_line("Nothing was done.")?;
            return Ok(Exit::Failure);
        }
    }
    match small_runtime()?.block_on(ask(&device.state, &Question::AcceptAccount { grant: named.to_owned() }))? {
        Answer::Accepted => {}
        other => return Err(unexpected(other)),
    }
    // Its keeper may be at something else first.
    for _ in 0..LOOKS {
        let still =
            self::reports(device)?.into_iter().any(|report| report.name == named && report.account_before.is_some());
        if !still {
            print_line(format_args!("Grant `{name}` goes on as {now}."))?;
            return Ok(Exit::Success);
        }
        sleep(LOOK_AGAIN)?;
    }
    Err(Failure::general(format!("grant `{name}` still waits; `punchcard logs` says why")))
}

fn sinks_of(configuration: &Configuration, name: &GrantName) -> Vec<String> {
    let of_grant = configuration.sinks.iter().filter(|(_, sink)| sink.grant() == Some(name));
    of_grant.map(|(sink, _)| sink.to_string()).collect()
}

/// Everything of a grant that is not secret.
fn describe(configuration: &Configuration, name: &GrantName, report: Option<&GrantReport>) -> Value {
    let grant = &configuration.grants[name];
    let settings: Value = serde_json::from_str(&grant.settings.to_json()).unwrap_or_default();
    let sinks = sinks_of(configuration, name);
    // The standing has nothing to hide: it is what `status` shows.
    let mut standing = serde_json::to_value(report).unwrap_or_default();
    let mut take = |key: &str| standing.as_object_mut().and_then(|standing| standing.remove(key)).unwrap_or_default();
    let zone = &configuration.device.time_zone;
    // Whose it was is history.
    let report = report.filter(|report| report.standing != GrantStanding::SignedOut);
    let (account, granted_at) = report.map_or((None, None), |report| (report.account.clone(), report.granted_at));
    let granted_at = granted_at.map(|at| render_rfc_3339_in(zone, at));
    json!({
        "grant": name.as_str(),
        "plugin": grant.plugin.as_str(),
        "account": account,
        "granted-at": granted_at,
        "status": take("status"),
        "client-id": settings.get("client-id").cloned().unwrap_or_default(),
        "asked-scopes": settings.get("scopes").cloned().unwrap_or_default(),
        "scopes": take("scopes"),
        "seconds-left": take("seconds-left"),
        "reach": grant.reach.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "audience": grant.audience.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sinks": sinks,
    })
}

fn render(shown: &Value) -> String {
    let text = |key: &str, otherwise: &str| match &shown[key] {
        Value::String(text) => printable(text),
        Value::Array(texts) if !texts.is_empty() => {
            let texts: Vec<String> = texts.iter().filter_map(Value::as_str).map(printable).collect();
            texts.join(", ")
        }
        _ => otherwise.to_owned(),
    };
    let ends = match shown["seconds-left"].as_u64() {
        Some(seconds) => format!("in {seconds} s, and is renewed before"),
        None => "not known".to_owned(),
    };
    let lines = [
        ("account", text("account", "not known")),
        ("signed in since", text("granted-at", "not known")),
        ("status", text("status", "not known: no host runs")),
        ("policy", text("plugin", "")),
        ("client", text("client-id", "not in the settings")),
        ("asks for", text("asked-scopes", "nothing that the settings name")),
        ("allows", text("scopes", "not known")),
        ("token ends", ends),
        ("token goes to", text("audience", "")),
        ("used by sinks", text("sinks", "none")),
    ];
    let mut shown = format!("{}\n", text("grant", ""));
    for (what, says) in lines {
        shown.push_str(&format!("  {what:<15} {says}\n"));
    }
    shown
}

fn find(configuration: &Configuration, name: &str) -> Result<GrantName, Failure> {
    let found = configuration.grants.keys().find(|grant| grant.as_str() == name);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = configuration.grants.keys().map(GrantName::as_str).collect();
        Failure::general(format!("there is no grant `{}`; there is {}", printable(name), known.join(", ")))
    })
}

fn take_over(device: &DeviceArguments, grant: &str, path: &Path, entry: Option<&str>) -> Result<Exit, Failure> {
    let configuration = read_configuration(device)?;
    let name = find(&configuration, grant)?;
    let shown = path.display();
    let content = read_file(path)?;
    let of_file = |error: String| Failure::general(printable(&format!("{shown} can't be imported: {error}")));
    let sign_ins = match parse_credential_file(&content).map_err(|error| of_file(error.to_string()))? {
        CredentialFile::SignIns(sign_ins) => sign_ins,
        CredentialFile::Client { client_id, client_secret } => {
            let client = (client_id.as_str(), client_secret.as_ref());
            return take_client(device, (&name, &configuration.grants[&name]), client, path);
        }
    };
    let client = configuration.grants[&name].settings.text("client-id");
    let sign_in = choose_sign_in(sign_ins, client, entry).map_err(|error| of_file(error.to_string()))?;
    let token = sign_in.refresh_token;
    let proof = small_runtime()?.block_on(import(&device.config, &device.state, name.as_str(), token))?;
    let account = proof.account.or(sign_in.account).map_or_else(
        || "an account that neither the file nor the server names".to_owned(),
        |account| printable(&account),
    );
    let scopes = if proof.scopes.is_empty() { sign_in.scopes } else { proof.scopes };
    let scopes = if scopes.is_empty() { "not said".to_owned() } else { printable(&scopes.join(", ")) };
    print_line(format_args!("Grant `{name}` is signed in as {account}. It allows: {scopes}."))?;
    print_line(format_args!(
        "Delete {shown} now: whoever has it is signed in as well, and where the server gave a new token it no longer works."
    ))?;
    Ok(Exit::Success)
}

/// Puts a client's secret where the grant looks for it. Nobody is signed in by it.
fn take_client(
    device: &DeviceArguments,
    (name, grant): (&GrantName, &Grant),
    (id, secret): (&str, Option<&Secret>),
    path: &Path,
) -> Result<Exit, Failure> {
    let shown = path.display();
    let refused = |reason: String| Err(Failure::general(printable(&format!("{shown} can't be imported: {reason}"))));
    match grant.settings.text("client-id") {
        Some(configured) if configured == id => {}
        _ => {
            return refused(format!(
                "it is of the client `{id}`; set `client-id` in the settings of grant `{name}` to that first"
            ));
        }
    }
    let Some(secret) = secret else {
        return refused(
            "no secret is in it; in the console, add one to the client, and download the JSON at once".to_owned(),
        );
    };
    let source = grant.secrets.iter().find(|(slot, _)| slot.as_str() == CLIENT_SECRET).map(|(_, source)| source);
    let file = match source {
        Some(SecretSource::File(file)) => device.config.parent().unwrap_or(Path::new("")).join(file),
        Some(SecretSource::Credential(credential)) => {
            let credential = credential.as_str();
            return refused(format!(
                "its secret is a systemd credential: put `client_secret` where `LoadCredential={credential}:…` of the unit says"
            ));
        }
        None => {
            let secrets = "secrets = { client-secret = { file = \"client-secret\" } }";
            return refused(format!("grant `{name}` names no place for its secret; add `{secrets}` to it"));
        }
    };
    write_secret(&file, secret, &device.state).map_err(|error| {
        let file = file.display();
        Failure::general(printable(&format!("{}; where {file} has another secret, move it away first", chain(error))))
    })?;
    print_line(format_args!("The client's secret is in {}, for the device alone.", file.display()))?;
    print_line(format_args!("Delete {shown} now, and `punchcard sign-in {name}`: nobody is signed in by it."))?;
    Ok(Exit::Success)
}

/// Reads a file of secrets, and says where others can.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: std::io::Error| Failure::general(format!("can't read {}: {error}", path.display()));
    let metadata = path.metadata().map_err(failed)?;
    // Opening a pipe could wait for ever.
    if !metadata.is_file() {
        return Err(Failure::general(format!("{} is no file", path.display())));
    }
    if metadata.mode() & 0o077 != 0 {
        say_line(format_args!(
            "Others on this machine can read {}, and with it sign in as you: `chmod 600` it, or delete it when it is imported.",
            path.display()
        ));
    }
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)
        .map_err(failed)?
        .take(LARGEST_CREDENTIAL_FILE as u64 + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    Ok(content)
}
