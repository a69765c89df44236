//! The keyboard: the standard input, read on a thread of its own.
//!
//! Where it is a terminal, keys come one by one, with their releases if the terminal reports them. Where it is a pipe or
//! a file, what is written there are taps of keys: plain characters, and the sequences that terminals send for arrows
//! and function keys. Its end is not the device's: the device goes on without a keyboard.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::thread;

use punchcard_core::gesture::Motion;
use punchcard_core::key::Key;
use thiserror::Error;
use tokio::sync::mpsc;

mod pipe;
mod terminal;

/// What the keyboard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A key moved.
    Key(KeyMotion),
    /// A person wants the device to stop: Ctrl-C, or `q` where it is not an input.
    Quit,
}

/// A motion of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMotion {
    /// Which key.
    pub key: Key,
    /// What it did.
    pub motion: Motion,
    /// When it was read, in milliseconds of the clock that was given.
    pub at_ms: u64,
}

/// Why there is no keyboard.
#[derive(Debug, Error)]
pub enum KeyboardError {
    /// The terminal cannot give keys one by one.
    #[error("the terminal could not be asked for single keys")]
    Terminal(#[source] io::Error),
    /// There is no thread to read it.
    #[error("no thread could be started to read the keyboard")]
    Thread(#[source] io::Error),
}

/// A keyboard that is being read. Dropped, it gives the terminal back as it was.
pub struct Keyboard {
    /// None where the standard input is not a terminal.
    terminal: Option<terminal::RawMode>,
}

impl Keyboard {
    /// Begins to read the standard input. `used` are the keys that are inputs of plugins.toml: a `q` among them is a key
    /// like any other. `now_ms` reads a clock that never decreases. When nobody receives any more, reading ends.
    ///
    /// # Errors
    /// When the terminal or the system refuses.
    pub fn start(
        used: BTreeSet<Key>,
        now_ms: impl Fn() -> u64 + Send + 'static,
        sender: mpsc::Sender<Input>,
    ) -> Result<Self, KeyboardError> {
        let sink = Sink { used, now_ms, sender };
        let stdin = io::stdin();
        let builder = thread::Builder::new().name("keyboard".to_owned());
        if stdin.is_terminal() {
            let raw = terminal::RawMode::enter().map_err(KeyboardError::Terminal)?;
            let reading = raw.reading();
            builder.spawn(move || terminal::read(&reading, &sink)).map_err(KeyboardError::Thread)?;
            Ok(Self { terminal: Some(raw) })
        } else {
            builder.spawn(move || pipe::read(stdin.lock(), &sink)).map_err(KeyboardError::Thread)?;
            Ok(Self { terminal: None })
        }
    }

    /// Whether a person types here.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal.is_some()
    }
}

/// Where motions go.
struct Sink<C> {
    used: BTreeSet<Key>,
    now_ms: C,
    sender: mpsc::Sender<Input>,
}

impl<C: Fn() -> u64> Sink<C> {
    /// Passes a motion on. False: nobody receives any more.
    fn key(&self, key: Key, motion: Motion) -> bool {
        if is_quit(key) && !self.used.contains(&key) {
            return matches!(motion, Motion::Up | Motion::Repeat) || self.quit();
        }
        self.send(Input::Key(KeyMotion { key, motion, at_ms: (self.now_ms)() }))
    }

    fn quit(&self) -> bool {
        self.send(Input::Quit)
    }

    fn send(&self, input: Input) -> bool {
        self.sender.blocking_send(input).is_ok()
    }
}

fn is_quit(key: Key) -> bool {
    Key::character('q') == Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    type FixedSink = Sink<fn() -> u64>;

    /// A sink whose clock says 7, and what arrives there.
    pub(super) fn sink(used: &[Key]) -> (FixedSink, mpsc::Receiver<Input>) {
        let (sender, receiver) = mpsc::channel(64);
        (Sink { used: used.iter().copied().collect(), now_ms: || 7, sender }, receiver)
    }

    pub(super) fn received(receiver: &mut mpsc::Receiver<Input>) -> Vec<Input> {
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    fn q() -> Key {
        Key::parse("q").unwrap()
    }

    #[test]
    fn a_key_carries_the_time_at_which_it_was_read() {
        let (sink, mut receiver) = sink(&[]);
        assert!(sink.key(Key::SPACE, Motion::Down));
        let expected = KeyMotion { key: Key::SPACE, motion: Motion::Down, at_ms: 7 };
        assert_eq!(received(&mut receiver), [Input::Key(expected)]);
    }

    #[test]
    fn q_stops_the_device_once_where_it_is_no_input() {
        let (sink, mut receiver) = sink(&[Key::SPACE]);
        for motion in [Motion::Down, Motion::Repeat, Motion::Up] {
            assert!(sink.key(q(), motion));
        }
        assert_eq!(received(&mut receiver), [Input::Quit]);
    }

    #[test]
    fn q_is_a_key_where_it_is_an_input() {
        let (sink, mut receiver) = sink(&[q()]);
        assert!(sink.key(q(), Motion::Stroke));
        let expected = KeyMotion { key: q(), motion: Motion::Stroke, at_ms: 7 };
        assert_eq!(received(&mut receiver), [Input::Key(expected)]);
    }

    #[test]
    fn reading_ends_when_nobody_receives() {
        let (sink, receiver) = sink(&[]);
        drop(receiver);
        assert!(!sink.key(Key::SPACE, Motion::Tap));
        assert!(!sink.key(q(), Motion::Tap));
    }
}
