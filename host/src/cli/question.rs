//! Asking the person at the terminal before something is done that can't be undone.

use std::io::IsTerminal;

use super::exit::Failure;
use super::output::say;

/// Asks, and tells whether one of these words was the answer.
///
/// # Errors
/// When nobody can be asked: then a script has to say that it is meant.
pub(super) fn confirm(question: &str, accepted: &[&str]) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::general("nobody can be asked; say --yes if it is meant"));
    }
    say(question);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Failure::general)?;
    Ok(accepted.iter().any(|accepted| line.trim().eq_ignore_ascii_case(accepted)))
}
