//! What commands print. A disk that is full, or a reader that has gone away, is an error like any other: it ends the command
//! with a status of its own, so that nobody takes half a list for all of it.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use thiserror::Error;

use super::exit::{Exit, Failure};

/// Why the standard output does not take what is printed.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Whoever read it has gone away, such as `head`: it has had enough.
    #[error("nobody reads the output any more")]
    Closed,
    /// Anything else, such as a disk that is full.
    #[error("the output can't be written")]
    Write(#[source] io::Error),
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::with(Exit::Output, error)
    }
}

/// Prints a text as it is.
///
/// # Errors
/// When it can't be written.
pub(super) fn print(text: impl Display) -> Result<(), OutputError> {
    print_to(anstream::stdout().lock(), text)
}

/// Prints bytes as they are, for whatever reads them.
///
/// # Errors
/// When they can't be written.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).map_err(classify)
}

/// Prints a line.
///
/// # Errors
/// When it can't be written.
pub(super) fn print_line(text: impl Display) -> Result<(), OutputError> {
    print(format_args!("{text}\n"))
}

fn print_to(mut output: impl Write, text: impl Display) -> Result<(), OutputError> {
    // What waits in a buffer would be lost in silence when the program ends.
    write!(output, "{text}").and_then(|()| output.flush()).map_err(classify)
}

fn classify(error: io::Error) -> OutputError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => OutputError::Closed,
        _ => OutputError::Write(error),
    }
}

/// Characters of a line where the output is no terminal.
const USUAL_WIDTH: usize = 100;

/// How many characters a line of the output has room for.
pub(super) fn width() -> usize {
    let terminal = io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    terminal.map_or(USUAL_WIDTH, |(columns, _)| usize::from(columns))
}

/// Says something beside the output, on the standard error.
pub(super) fn say(text: impl Display) {
    let mut output = anstream::stderr().lock();
    // There is no third place to say that this one is full; the exit status says how the command ended.
    let _said = write!(output, "{text}").and_then(|()| output.flush());
}

/// The same as a line.
pub(super) fn say_line(text: impl Display) {
    say(format_args!("{text}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that takes so many bytes.
    struct Full(usize, io::ErrorKind);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(self.1.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_not_written_whole_is_an_error_with_a_status_of_its_own() {
        let print_into = |room: usize, kind| {
            let failure = print_to(io::LineWriter::new(Full(room, kind)), "twelve bytes").map_err(Failure::from);
            failure.map_err(|failure| (failure.exit, failure.is_silent(), failure.error.to_string()))
        };
        assert_eq!(print_into(12, io::ErrorKind::StorageFull), Ok(()));
        for room in [0, 11] {
            let full = (Exit::Output, false, "the output can't be written".to_owned());
            assert_eq!(print_into(room, io::ErrorKind::StorageFull), Err(full));
            let gone = (Exit::Output, true, "nobody reads the output any more".to_owned());
            assert_eq!(print_into(room, io::ErrorKind::BrokenPipe), Err(gone));
        }
    }
}
