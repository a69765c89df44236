//! Questions at a terminal, with their defaults. Where nothing is asked, each default is the answer.

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::os::fd::BorrowedFd;

use punchcard_core::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use thiserror::Error;

use super::super::printable;

/// Why there are no answers.
#[derive(Debug, Error)]
pub(super) enum ConversationError {
    /// Whoever answered has gone.
    #[error("there are no more answers; nothing was written")]
    Ended,
    /// The terminal does not work.
    #[error("the terminal can't be used")]
    Terminal(#[from] io::Error),
}

/// A person who is asked.
pub(super) struct Conversation<R, W> {
    input: R,
    output: W,
    is_asking: bool,
}

impl<R: BufRead, W: Write> Conversation<R, W> {
    /// With whoever is at the other end. `is_asking`: otherwise each default is the answer.
    pub(super) fn new(input: R, output: W, is_asking: bool) -> Self {
        Self { input, output, is_asking }
    }

    /// Whether anybody is asked.
    pub(super) fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// Says something. Nothing is said where nobody is asked.
    pub(super) fn say(&mut self, text: impl Display) -> Result<(), ConversationError> {
        if self.is_asking {
            writeln!(self.output, "{text}")?;
            self.output.flush()?;
        }
        Ok(())
    }

    /// Asks until the answer is one. An empty answer is the default.
    pub(super) fn ask<T>(
        &mut self,
        question: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConversationError> {
        loop {
            let answer = if self.is_asking {
                write!(self.output, "{question} [{}] ", printable(default))?;
                self.output.flush()?;
                self.read_line()?
            } else {
                String::new()
            };
            let answer = if answer.trim().is_empty() { default } else { answer.trim() };
            match parse(answer) {
                Ok(parsed) => return Ok(parsed),
                Err(why) if self.is_asking => self.say(format_args!("  {}", printable(&why)))?,
                // A default that is none was found on this machine.
                Err(why) => return Err(io::Error::other(format!("`{answer}` is of no use: {why}")).into()),
            }
        }
    }

    /// Asks for yes or no.
    pub(super) fn confirm(&mut self, question: &str, default: bool) -> Result<bool, ConversationError> {
        self.ask(question, if default { "yes" } else { "no" }, |answer| match answer.to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err("yes or no".to_owned()),
        })
    }

    /// Asks for what nobody else may see. None: nothing was said.
    pub(super) fn ask_secret(&mut self, question: &str) -> Result<Option<Secret>, ConversationError> {
        if !self.is_asking {
            return Ok(None);
        }
        write!(self.output, "{question} (it is not shown): ")?;
        self.output.flush()?;
        let hidden = Hidden::begin();
        let line = self.read_line();
        drop(hidden);
        let line = zeroize::Zeroizing::new(line?);
        writeln!(self.output)?;
        let secret = line.trim();
        Ok((!secret.is_empty()).then(|| Secret::new(secret.to_owned())))
    }

    fn read_line(&mut self) -> Result<String, ConversationError> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(ConversationError::Ended);
        }
        Ok(line)
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    /// None: the standard input is no terminal, and shows nothing anyway.
    fn begin() -> Option<Self> {
        let before = tcgetattr(terminal()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal(), OptionalActions::Now, &hidden).ok()?;
        Some(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nobody to tell; the shell sets its terminal anew.
        let _restored = tcsetattr(terminal(), OptionalActions::Now, &self.before);
    }
}

fn terminal() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u8, String> {
        text.parse().map_err(|_| "a number from 0 to 255".to_owned())
    }

    #[test]
    fn an_answer_that_is_none_is_asked_for_again_and_an_empty_one_is_the_default() {
        let mut said = Vec::new();
        let mut conversation = Conversation::new(&b"x\n300\n 7 \n\n"[..], &mut said, true);
        assert_eq!(conversation.ask("Line", "17", number).unwrap(), 7);
        assert_eq!(conversation.ask("Line", "17", number).unwrap(), 17);
        assert!(matches!(conversation.ask("Line", "17", number), Err(ConversationError::Ended)));
        let said = String::from_utf8(said).unwrap();
        let again = "Line [17]   a number from 0 to 255\n";
        assert_eq!(said, format!("{again}{again}Line [17] Line [17] Line [17] "));
    }

    #[test]
    fn where_nobody_is_asked_nothing_is_said_and_nothing_read() {
        let mut said = Vec::new();
        let mut conversation = Conversation::new(&b""[..], &mut said, false);
        assert_eq!(conversation.ask("Line", "17", number).unwrap(), 17);
        assert!(conversation.confirm("Really?", true).unwrap());
        assert!(conversation.ask_secret("Secret").unwrap().is_none());
        assert!(conversation.ask("Line", "none", number).is_err());
        conversation.say("hello").unwrap();
        assert!(said.is_empty());
    }
}
