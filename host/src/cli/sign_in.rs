//! `punchcard sign-in` and `punchcard sign-out`.

use std::time::Duration;

use clap::Args;
use owo_colors::OwoColorize;

use super::exit::{Exit, Failure};
use super::output::{print_line, say_line};
use super::question::confirm;
use super::status::{fetch, unexpected};
use super::{DeviceArguments, printable, sleep, small_runtime};
use crate::app::control::{Answer, Question, ask};
use crate::app::status::{GrantStanding, Report};

mod web;

/// How often the host is asked how the sign-in goes.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Looks after which what the host says is its answer, even if it is what it said before.
const SETTLED: u32 = 10;

#[derive(Debug, Args)]
pub(super) struct SignInArguments {
    /// The grant; not needed where there is only one.
    grant: Option<String>,
    /// Ask for it and return at once; the panel and `status` show the code.
    #[arg(long)]
    no_wait: bool,
    /// Print a link for a browser, which comes back to this machine. For grants of plugins that sign in with one, such as
    /// web-flow.
    #[arg(long)]
    web: bool,
    /// Where the browser can't come back: paste the address at which it failed. It is read from the standard input, a line.
    #[arg(long, requires = "web", conflicts_with = "no_wait")]
    paste: bool,
}

#[derive(Debug, Args)]
pub(super) struct SignOutArguments {
    /// The grant; not needed where there is only one.
    grant: Option<String>,
    /// Give the grant up at the server too. A server may take that for every device that shares the account: Google signs out
    /// EVERY device of the same Cloud project and account.
    #[arg(long)]
    revoke: bool,
    /// Do not ask whether `--revoke` is meant.
    #[arg(long, requires = "revoke")]
    yes: bool,
}

pub(super) fn sign_in(device: &DeviceArguments, arguments: &SignInArguments) -> Result<Exit, Failure> {
    let grant = choose(&fetch(device)?, arguments.grant.as_deref())?;
    let before = standing(device, &grant)?;
    let question = match arguments.web {
        true => Question::SignInByLoopback { grant: grant.clone() },
        false => Question::SignIn { grant: grant.clone() },
    };
    request(device, &question)?;
    let way = if arguments.web { web::await_way(device, &grant)? } else { None };
    if let Some(way) = &way {
        web::explain(&grant, way, arguments.paste)?;
        if arguments.paste {
            web::take_paste(device, &grant)?;
        } else if arguments.no_wait {
            return Ok(Exit::Success);
        }
    } else if arguments.no_wait {
        print_line("It will be done; the panel and `punchcard status` show the code.")?;
        return Ok(Exit::Success);
    }
    // What stood before the host has taken this up says nothing about it, and seconds that are left are no news.
    let signed_in = |standing: &GrantStanding| matches!(standing, GrantStanding::Authorized { .. });
    let mut asked = false;
    let mut shown = None;
    let mut looks = 0;
    loop {
        let now = standing(device, &grant)?;
        asked |= now != before && !(signed_in(&now) && signed_in(&before)) || looks >= SETTLED;
        match now {
            GrantStanding::AwaitingPerson { .. } if way.is_some() => {}
            GrantStanding::AwaitingPerson { user_code, url, purpose, .. } => {
                if shown.as_ref() != Some(&user_code) {
                    let (url, code) = (printable(&url), printable(&user_code));
                    let purpose = printable(&purpose);
                    print_line(format_args!("Go to {} and enter {}, to let it {purpose}", url.bold(), code.bold()))?;
                    shown = Some(user_code);
                }
            }
            GrantStanding::Authorized { .. } if asked => {
                print_line(format_args!("Grant `{grant}` is signed in."))?;
                return Ok(Exit::Success);
            }
            GrantStanding::Blocked { problem } if asked => {
                let said = format!("{}: {}", problem.headline, problem.advice);
                return Err(Failure::with(Exit::Refused, printable(&said)));
            }
            GrantStanding::Failing { reason } if asked => {
                return Err(Failure::with(Exit::Refused, printable(&reason)));
            }
            GrantStanding::Off { reason } => return Err(Failure::with(Exit::Refused, printable(&reason))),
            GrantStanding::Starting
            | GrantStanding::SignedOut
            | GrantStanding::Renewing
            | GrantStanding::Authorized { .. }
            | GrantStanding::Blocked { .. }
            | GrantStanding::Failing { .. } => {}
        }
        looks += 1;
        sleep(LOOK_AGAIN)?;
    }
}

pub(super) fn sign_out(device: &DeviceArguments, arguments: &SignOutArguments) -> Result<Exit, Failure> {
    let report = fetch(device)?;
    let grant = choose(&report, arguments.grant.as_deref())?;
    let provider = report.grants.iter().find(|found| found.name == grant).and_then(|found| found.provider.as_deref());
    if arguments.revoke && !arguments.yes && !is_meant(&grant, provider)? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    request(device, &Question::SignOut { grant: grant.clone(), revoke: arguments.revoke })?;
    print_line(format_args!("Grant `{grant}` is being signed out; `punchcard sign-in {grant}` signs in again."))?;
    Ok(Exit::Success)
}

fn is_meant(grant: &str, provider: Option<&str>) -> Result<bool, Failure> {
    say_line(printable(&revocation_warning(grant, provider)));
    confirm("Type `revoke` if it is meant: ", &["revoke"])
}

/// What revoking a grant does beside signing this device out. Google counts by project and account; other servers end this
/// grant, and with it whatever else was given under it.
fn revocation_warning(grant: &str, provider: Option<&str>) -> String {
    let loses = match provider {
        Some("google") => {
            "removes the access of EVERY device that shares its Cloud project and account; each of them has to sign in again"
        }
        _ => "gives it up at the server too, which ends whatever else uses the same grant",
    };
    format!("Revoking `{grant}` {loses}. Without --revoke, only this device forgets its tokens.")
}

/// The grant that is meant.
fn choose(report: &Report, named: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&str> = report.grants.iter().map(|grant| grant.name.as_str()).collect();
    match (named, &names[..]) {
        (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
        (_, []) => Err(Failure::general(
            "plugins.toml has no grant to sign in to, or the device is still starting: try again in a moment",
        )),
        (Some(name), _) => Err(Failure::general(format!("there is no grant `{name}`; there is {}", names.join(", ")))),
        (None, [only]) => Ok((*only).to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_google_s_revocation_is_said_to_sign_out_every_device() {
        assert!(revocation_warning("door", Some("google")).contains("EVERY device"));
        for provider in [None, Some("keycloak")] {
            let warning = revocation_warning("door", provider);
            assert!(!warning.contains("EVERY") && warning.contains("at the server too"), "{warning}");
        }
    }
}
