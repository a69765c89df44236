//! The keyboard: the standard input, read on a thread of its own.
//!
//! Where it is a terminal, keys come one by one, with their releases if the terminal reports them. Where it is a pipe or
//! a file, what is written there are taps of keys: plain characters, and the sequences that terminals send for arrows
//! and function keys. Its end is not the device's: the device goes on without a keyboard. Where it has ended before anything
//! came, as a service's has, nobody will ever press one of its keys, and that is an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read as _};
use std::os::fd::AsFd;

use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::input::{Edge, Motion};
use punchcard_core::key::Key;
use punchcard_core::name::InputName;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc;

use super::{Driver, Message, NowMs, OpenI2c, Reading, StartError, Tell};

mod pipe;
mod terminal;

use pipe::{Begun, Stoppable};

/// The driver `keyboard`. It also hears that a person wants the device to stop: Ctrl-C, or `q` where it is no input. So it
/// is worth starting without inputs.
pub struct Keyboard;

impl Driver for Keyboard {
    fn name(&self) -> &'static str {
        "keyboard"
    }

    fn hears_more_than_inputs(&self) -> bool {
        true
    }

    fn drives(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Key(_))
    }

    fn start(
        &self,
        inputs: &BTreeMap<InputName, Input>,
        _: &OpenI2c,
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
        _: Tell,
    ) -> Result<Reading, StartError> {
        let keys = inputs.iter().filter_map(|(name, input)| match input.trigger {
            Trigger::Key(key) => Some((key, name.clone())),
            _ => None,
        });
        let sink = Sink { inputs: keys.collect(), now_ms, sender };
        let stdin = io::stdin();
        if stdin.is_terminal() {
            let raw = terminal::RawMode::enter().map_err(StartError::Terminal)?;
            let read = move |stop: &super::reading::Stop| {
                terminal::read(stop, &sink);
                Ok(())
            };
            let mut reading = Reading::start(self.name(), read)?.keeping(raw);
            if let Err(error) = reading.looking_again_at(SignalKind::window_change()) {
                tracing::warn!(%error, "a key after the terminal was resized may be heard with the next one");
            }
            return Ok(reading);
        }
        // Without the buffer of `io::stdin`: what lies in that one can't be waited for.
        let pipe = File::from(stdin.as_fd().try_clone_to_owned().map_err(StartError::StandardInput)?);
        let first = match pipe::begin(&pipe).map_err(StartError::StandardInput)? {
            Begun::Ended if !sink.inputs.is_empty() => return Err(StartError::NoKeys),
            Begun::Ended | Begun::Silent => Vec::new(),
            Begun::Keys(bytes) => bytes,
        };
        Reading::start(self.name(), move |stop| {
            pipe::read(Cursor::new(first).chain(Stoppable::new(pipe, stop)), &sink);
            Ok(())
        })
    }
}

/// Where motions go.
struct Sink {
    inputs: BTreeMap<Key, InputName>,
    now_ms: NowMs,
    sender: mpsc::Sender<Message>,
}

impl Sink {
    /// Passes the motion of an input's key on. False: nobody receives any more.
    fn key(&self, key: Key, motion: Motion) -> bool {
        match self.inputs.get(&key) {
            Some(input) => self.send(Message::Edge(Edge { input: input.clone(), motion, at_ms: (self.now_ms)() })),
            None if is_quit(key) => matches!(motion, Motion::Up | Motion::Repeat) || self.quit(),
            None => !self.sender.is_closed(),
        }
    }

    fn quit(&self) -> bool {
        self.send(Message::Quit)
    }

    fn send(&self, message: Message) -> bool {
        self.sender.blocking_send(message).is_ok()
    }
}

fn is_quit(key: Key) -> bool {
    Key::character('q') == Some(key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A sink whose clock says 7, with inputs for these keys, and what arrives there.
    pub(super) fn sink(inputs: &[(Key, &str)]) -> (Sink, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(64);
        let inputs = inputs.iter().map(|(key, name)| (*key, InputName::parse(name).unwrap()));
        (Sink { inputs: inputs.collect(), now_ms: Arc::new(|| 7), sender }, receiver)
    }

    pub(super) fn received(receiver: &mut mpsc::Receiver<Message>) -> Vec<Message> {
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    fn q() -> Key {
        Key::parse("q").unwrap()
    }

    fn edge(input: &str, motion: Motion) -> Message {
        Message::Edge(Edge { input: InputName::parse(input).unwrap(), motion, at_ms: 7 })
    }

    #[test]
    fn a_key_is_its_input_at_the_time_at_which_it_was_read() {
        let (sink, mut receiver) = sink(&[(Key::SPACE, "clock"), (Key::ENTER, "other")]);
        assert!(sink.key(Key::SPACE, Motion::Down));
        assert!(sink.key(Key::TAB, Motion::Down), "it is no input, and reading goes on");
        assert_eq!(received(&mut receiver), [edge("clock", Motion::Down)]);
    }

    #[test]
    fn q_stops_the_device_once_where_it_is_no_input() {
        let (sink, mut receiver) = sink(&[(Key::SPACE, "clock")]);
        for motion in [Motion::Down, Motion::Repeat, Motion::Up] {
            assert!(sink.key(q(), motion));
        }
        assert_eq!(received(&mut receiver), [Message::Quit]);
    }

    #[test]
    fn q_is_a_key_where_it_is_an_input() {
        let (sink, mut receiver) = sink(&[(q(), "clock")]);
        assert!(sink.key(q(), Motion::Stroke));
        assert_eq!(received(&mut receiver), [edge("clock", Motion::Stroke)]);
    }

    #[test]
    fn reading_ends_when_nobody_receives() {
        let (sink, receiver) = sink(&[(Key::SPACE, "clock")]);
        drop(receiver);
        for key in [Key::SPACE, q(), Key::TAB] {
            assert!(!sink.key(key, Motion::Tap));
        }
    }
}
