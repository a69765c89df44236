//! `punchcard sign-in` and `punchcard sign-out`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use owo_colors::OwoColorize;

use super::exit::{Exit, Failure};
use super::status::{fetch, unexpected};
use super::{DeviceArguments, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::{GrantStanding, Report};

/// How often the host is asked how the sign-in goes.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct SignInArguments {
    /// The grant; not needed where there is only one.
    grant: Option<String>,
    /// Ask for it and return at once; the panel and `status` show the code.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct SignOutArguments {
    /// The grant; not needed where there is only one.
    grant: Option<String>,
    /// Give the grant up at the server too. With Google this signs out EVERY device of the same Cloud project and account.
    #[arg(long)]
    revoke: bool,
    /// Do not ask whether `--revoke` is meant.
    #[arg(long, requires = "revoke")]
    yes: bool,
}

pub(super) fn sign_in(device: &DeviceArguments, arguments: &SignInArguments) -> Result<Exit, Failure> {
    let grant = choose(&fetch(device)?, arguments.grant.as_deref())?;
    request(device, &Question::SignIn { grant: grant.clone() })?;
    if arguments.no_wait {
        anstream::println!("It will be done; the panel and `punchcard status` show the code.");
        return Ok(Exit::Success);
    }
    let mut shown = None;
    loop {
        match standing(device, &grant)? {
            GrantStanding::AwaitingPerson { user_code, url, .. } => {
                if shown.as_ref() != Some(&user_code) {
                    anstream::println!("Go to {} and enter {}", url.bold(), user_code.bold());
                    shown = Some(user_code);
                }
            }
            GrantStanding::Authorized { .. } => {
                anstream::println!("Grant `{grant}` is signed in.");
                return Ok(Exit::Success);
            }
            GrantStanding::Blocked { problem } if shown.is_some() => {
                return Err(Failure::with(Exit::Refused, format!("{}: {}", problem.headline, problem.advice)));
            }
            GrantStanding::Off { reason } => return Err(Failure::with(Exit::Refused, reason)),
            GrantStanding::Starting
            | GrantStanding::SignedOut
            | GrantStanding::Renewing
            | GrantStanding::Blocked { .. }
            | GrantStanding::Failing { .. } => {}
        }
        small_runtime()?.block_on(tokio::time::sleep(LOOK_AGAIN));
    }
}

pub(super) fn sign_out(device: &DeviceArguments, arguments: &SignOutArguments) -> Result<Exit, Failure> {
    let grant = choose(&fetch(device)?, arguments.grant.as_deref())?;
    if arguments.revoke && !arguments.yes && !confirm(&grant)? {
        anstream::println!("Nothing was done.");
        return Ok(Exit::Failure);
    }
    request(device, &Question::SignOut { grant: grant.clone(), revoke: arguments.revoke })?;
    anstream::println!("Grant `{grant}` is being signed out; `punchcard sign-in {grant}` signs in again.");
    Ok(Exit::Success)
}

fn confirm(grant: &str) -> Result<bool, Failure> {
    anstream::eprintln!(
        "Revoking `{grant}` removes the access of EVERY device that shares its Cloud project and account; each of them \
         has to sign in again. Without --revoke, only this device forgets its tokens."
    );
    if !std::io::stdin().is_terminal() {
        return Err(Failure::general("nobody can be asked; say --yes if it is meant"));
    }
    anstream::eprint!("Type `revoke` if it is meant: ");
    std::io::stderr().flush().map_err(Failure::general)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Failure::general)?;
    Ok(line.trim() == "revoke")
}

/// The grant that is meant.
fn choose(report: &Report, named: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&str> = report.grants.iter().map(|grant| grant.name.as_str()).collect();
    match (named, &names[..]) {
        (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Failure::general(format!("there is no grant `{name}`; there is {}", names.join(", ")))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Failure::general("plugins.toml has no grant to sign in to, or the device is still starting")),
        (None, _) => Err(Failure::general(format!("say which grant: {}", names.join(", ")))),
    }
}

fn standing(device: &DeviceArguments, grant: &str) -> Result<GrantStanding, Failure> {
    let report = fetch(device)?;
    let found = report.grants.into_iter().find(|candidate| candidate.name == grant);
    found.map(|grant| grant.standing).ok_or_else(|| Failure::general(format!("grant `{grant}` is gone")))
}

fn request(device: &DeviceArguments, question: &Question) -> Result<(), Failure> {
    match small_runtime()?.block_on(ask(&device.state, question))? {
        Answer::Accepted => Ok(()),
        other => Err(unexpected(other)),
    }
}
