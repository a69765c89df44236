//! A connection of the machine's, carried to the stand-in on this one: QEMU starts this program for each, with the
//! connection as its standard input and output.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, Result};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to.
    to: SocketAddr,
}

/// Carries both ways until the stand-in closes. Nothing is printed: it would go to the machine.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let stand_in = TcpStream::connect(arguments.to).with_context(|| format!("cannot connect to {}", arguments.to))?;
    let mut to = stand_in.try_clone().context("cannot share a connection")?;
    thread::spawn(move || {
        // A machine whose power was cut ends it as one that has sent everything.
        drop(carry(&mut io::stdin().lock(), &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
    let mut from = stand_in;
    carry(&mut from, &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Carries what comes as soon as it comes.
fn carry(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut piece = [0; 16 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                to.write_all(piece.get(..length).unwrap_or_default())?;
                to.flush()?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_carried() {
        let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut arrived = Vec::new();
        carry(&mut sent.as_slice(), &mut arrived).expect("carried");
        assert!(arrived == sent);
    }
}
