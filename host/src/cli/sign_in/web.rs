//! `punchcard sign-in --web`: a link for a browser anywhere, which comes back to a loopback address of the device (RFC 8252
//! §7.3), through a tunnel, or by what a person pastes.

use std::io::{BufRead, IsTerminal, Read};

use owo_colors::OwoColorize;

use super::super::exit::Failure;
use super::super::output::{OutputError, print_line, say};
use super::super::status::unexpected;
use super::super::{DeviceArguments, printable, sleep, small_runtime};
use super::{LOOK_AGAIN, SETTLED, standing};
use crate::app::control::{Answer, Pasted, Question, WayReport, ask};
use crate::app::status::GrantStanding;

/// Bytes of what is pasted, at most. The longest address that a browser shows is shorter.
const LONGEST_PASTE: u64 = 16 << 10;

/// Waits until the device listens for the browser. None: it does not, and how the grant stands says why.
pub(super) fn await_way(device: &DeviceArguments, grant: &str) -> Result<Option<WayReport>, Failure> {
    for looks in 0.. {
        let question = Question::Visit { grant: grant.to_owned() };
        match small_runtime()?.block_on(ask(&device.state, &question))? {
            Answer::Visit(Some(way)) => return Ok(Some(way)),
            Answer::Visit(None) => {}
            other => return Err(unexpected(other)),
        }
        match standing(device, grant)? {
            GrantStanding::Starting | GrantStanding::Renewing => {}
            // A policy without a browser, or one that stops.
            _ if looks >= SETTLED => break,
            _ => {}
        }
        sleep(LOOK_AGAIN)?;
    }
    Ok(None)
}

/// Says where to go, and how the browser comes back.
pub(super) fn explain(grant: &str, way: &WayReport, pastes: bool) -> Result<(), OutputError> {
    let WayReport { link, port, purpose } = way;
    print_line(format_args!("Open this link in a browser, to let grant `{grant}` {}:", printable(purpose)))?;
    print_line(format_args!("\n  {}\n", printable(link).bold()))?;
    if pastes {
        return print_line(format_args!(
            "At the end the browser goes to http://127.0.0.1:{port}, where it may find nobody. Copy the whole address from its \
             address bar."
        ));
    }
    print_line(format_args!(
        "At the end the browser goes to http://127.0.0.1:{port}, which is this machine. Where the browser runs on another one, \
         open a tunnel there first:\n\n  ssh -N -L {port}:127.0.0.1:{port} USER@THIS-MACHINE\n\nWithout a tunnel: `punchcard \
         sign-in {grant} --web --paste` takes the address at which the browser failed."
    ))
}

/// Takes what a person pastes, until it is the answer.
pub(super) fn take_paste(device: &DeviceArguments, grant: &str) -> Result<(), Failure> {
    let is_asked = std::io::stdin().is_terminal();
    let mut pasted = std::io::stdin().lock().take(LONGEST_PASTE);
    loop {
        if is_asked {
            say("The address: ");
        }
        let mut line = String::new();
        pasted.set_limit(LONGEST_PASTE);
        if pasted.read_line(&mut line).map_err(Failure::general)? == 0 {
            return Err(Failure::general("no address was pasted; the sign-in goes on until its time is over"));
        }
        if line.trim().is_empty() {
            continue;
        }
        let question = Question::Paste { grant: grant.to_owned(), address: Pasted(line) };
        match small_runtime()?.block_on(ask(&device.state, &question)) {
            Ok(Answer::Accepted) => return Ok(()),
            Ok(Answer::Refused { reason }) if is_asked => print_line(format_args!("{}.", printable(&reason)))?,
            Ok(other) => return Err(unexpected(other)),
            Err(error) => return Err(error.into()),
        }
    }
}
