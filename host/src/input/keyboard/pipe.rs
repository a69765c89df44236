//! Keys from a pipe or a file: plain characters, and terminals' sequences for keys that type none (ECMA-48 §5.4, and
//! xterm's "PC-style function keys").
//!
//! A sequence that is no key, or a key with a modifier, is nothing. Escape alone cannot be told from the beginning of a
//! sequence, and is nothing either.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use anstyle_parse::{Params, Parser, Perform};
use punchcard_core::input::Motion;
use punchcard_core::key::Key;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::super::reading::{Awaited, Stop};
use super::Sink;

/// What a pipe or a file begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// These bytes, and perhaps more.
    Keys(Vec<u8>),
    /// Nothing yet.
    Silent,
    /// Nothing ever: `/dev/null`, an empty file, a pipe that nobody writes to.
    Ended,
}

/// Reads what is there already, and waits for nothing.
pub(super) fn begin(mut file: &File) -> io::Result<Begun> {
    let mut polled = [PollFd::new(&file, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    while let Err(error) = poll(&mut polled, Some(&now)) {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    // At its end there is something to read as well: the end.
    if polled[0].revents().is_empty() {
        return Ok(Begun::Silent);
    }
    let mut bytes = vec![0; 256];
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    Ok(if bytes.is_empty() { Begun::Ended } else { Begun::Keys(bytes) })
}

/// A file that ends when the driver is to stop.
pub(super) struct Stoppable<'stop> {
    file: File,
    stop: &'stop Stop,
}

impl<'stop> Stoppable<'stop> {
    pub(super) fn new(file: File, stop: &'stop Stop) -> Self {
        Self { file, stop }
    }
}

impl Read for Stoppable<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.stop.wait(&self.file, None)? {
            Awaited::Stop => Ok(0),
            Awaited::Device(_) => self.file.read(bytes),
            Awaited::Nothing => Err(ErrorKind::Interrupted.into()),
        }
    }
}

/// Reads to the end, or until nobody receives any more.
pub(super) fn read(mut source: impl Read, sink: &Sink) {
    let mut parser = <Parser>::new();
    let mut sequences = Sequences::default();
    let mut bytes = [0; 256];
    loop {
        let count = match source.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(%error, "the keyboard's pipe can no longer be read; the device goes on without it");
                return;
            }
        };
        for byte in bytes.iter().take(count) {
            parser.advance(&mut sequences, *byte);
            for token in sequences.tokens.drain(..) {
                let heard = match token {
                    Token::Key(key) => sink.key(key, Motion::Tap),
                    Token::Interrupt => sink.quit(),
                };
                if !heard {
                    return;
                }
            }
        }
    }
}

/// What was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Key(Key),
    /// Ctrl-C as a character.
    Interrupt,
}

/// Receives the sequences that the parser finds.
#[derive(Default)]
struct Sequences {
    tokens: Vec<Token>,
    /// ESC O came: the next character names a key (SS3).
    single_shift: bool,
}

impl Sequences {
    fn push(&mut self, key: Option<Key>) {
        self.tokens.extend(key.map(Token::Key));
    }
}

impl Perform for Sequences {
    fn print(&mut self, character: char) {
        let key = match (std::mem::take(&mut self.single_shift), character) {
            (true, letter) => letter_key(letter),
            (false, '\u{7f}') => Some(Key::BACKSPACE),
            (false, character) => Key::character(character),
        };
        self.push(key);
    }

    fn execute(&mut self, byte: u8) {
        self.single_shift = false;
        match byte {
            0x03 => self.tokens.push(Token::Interrupt),
            0x08 => self.push(Some(Key::BACKSPACE)),
            b'\t' => self.push(Some(Key::TAB)),
            b'\r' | b'\n' => self.push(Some(Key::ENTER)),
            _ => {}
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _ignore: bool, byte: u8) {
        self.single_shift = intermediates.is_empty() && byte == b'O';
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _ignore: bool, action: u8) {
        self.single_shift = false;
        let params: Vec<u16> = params.iter().filter_map(|param| param.first().copied()).collect();
        // A second parameter says which modifiers are held: 1 is none.
        let modified = params.get(1).is_some_and(|modifier| *modifier > 1);
        if modified || !intermediates.is_empty() {
            return;
        }
        let key = match (action, params.first()) {
            (b'~', Some(number)) => numbered_key(*number),
            (letter, _) => letter_key(char::from(letter)),
        };
        self.push(key);
    }
}

fn letter_key(letter: char) -> Option<Key> {
    match letter {
        'A' => Some(Key::UP),
        'B' => Some(Key::DOWN),
        'C' => Some(Key::RIGHT),
        'D' => Some(Key::LEFT),
        'P' => Key::function(1),
        'Q' => Key::function(2),
        'R' => Key::function(3),
        'S' => Key::function(4),
        _ => None,
    }
}

/// The numbers have gaps where the VT220's keyboard had.
fn numbered_key(number: u16) -> Option<Key> {
    let function = match number {
        11..=15 => number - 10,
        17..=21 => number - 11,
        23..=24 => number - 12,
        _ => return None,
    };
    Key::function(u8::try_from(function).ok()?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use punchcard_core::input::Edge;

    use super::super::super::Message;
    use super::super::tests::{received, sink};
    use super::*;

    /// The keys that are read, or `quit` for a character that interrupts.
    fn keys(bytes: &[u8]) -> Vec<String> {
        let (mut parser, mut sequences) = (<Parser>::new(), Sequences::default());
        bytes.iter().for_each(|byte| parser.advance(&mut sequences, *byte));
        let name = |token: &Token| match token {
            Token::Key(key) => key.to_string(),
            Token::Interrupt => "quit".to_owned(),
        };
        sequences.tokens.iter().map(name).collect()
    }

    #[test]
    fn characters_and_sequences_become_keys() {
        let table: [(&[u8], &[&str]); 16] = [
            (b"", &[]),
            (b"  ", &["space", "space"]),
            (b"aA5", &["a", "A", "5"]),
            ("äé€".as_bytes(), &["ä", "é", "€"]),
            (b"\t\r\n\x08\x7f", &["tab", "enter", "enter", "backspace", "backspace"]),
            (b"\x1b[A\x1b[B\x1b[C\x1b[D", &["up", "down", "right", "left"]),
            (b"\x1bOA\x1bOBA", &["up", "down", "A"]),
            (b"\x1bOP\x1bOQ\x1bOR\x1bOS", &["f1", "f2", "f3", "f4"]),
            (b"\x1b[11~\x1b[15~\x1b[17~\x1b[21~\x1b[23~\x1b[24~", &["f1", "f5", "f6", "f10", "f11", "f12"]),
            (b"\x1b[10~\x1b[16~\x1b[22~\x1b[25~\x1b[3~", &[]),
            (b"\x1b[1;1A\x1b[1;5A\x1b[15;2~\x1b[?1A", &["up"]),
            (b"\x1b[Z\x1b[1$A\x1b(OB", &["B"]),
            (b"\x1ba ", &["space"]),
            (b"\x1b", &[]),
            (b"x\x03y", &["x", "quit", "y"]),
            (b"q", &["q"]),
        ];
        for (bytes, expected) in table {
            assert_eq!(keys(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        struct Pieces(Vec<Result<&'static [u8], ErrorKind>>);
        impl Read for Pieces {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                let piece = if self.0.is_empty() { Ok(&b""[..]) } else { self.0.remove(0) };
                let piece = piece.map_err(io::Error::from)?;
                bytes[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let (sink, mut receiver) = sink(&[(Key::SPACE, "clock"), (Key::RIGHT, "right"), (a_umlaut(), "other")]);
        let pieces = [Ok(&b"\x1b"[..]), Err(ErrorKind::Interrupted), Ok(b"["), Ok(b"C\xc3"), Ok(b"\xa4")];
        read(Pieces(pieces.to_vec()), &sink);
        assert_eq!(received(&mut receiver).len(), 2);

        let pieces = [Ok(&b" "[..]), Err(ErrorKind::BrokenPipe), Ok(b" ")];
        read(Pieces(pieces.to_vec()), &sink);
        assert_eq!(received(&mut receiver).len(), 1);
    }

    fn a_umlaut() -> Key {
        Key::parse("ä").unwrap()
    }

    #[test]
    fn a_pipe_is_read_as_taps_to_its_end() {
        let (sink, mut receiver) = sink(&[(Key::SPACE, "clock")]);
        read(&b" a\x03 q"[..], &sink);
        let messages = received(&mut receiver);
        let [Message::Edge(first), Message::Quit, Message::Edge(second), Message::Quit] = &messages[..] else {
            panic!("{messages:?}")
        };
        for Edge { input, motion, at_ms } in [first, second] {
            assert_eq!((input.as_str(), *motion, *at_ms), ("clock", Motion::Tap, 7));
        }
    }

    #[test]
    fn an_end_before_anything_came_is_told_from_silence_and_from_keys() {
        let opened = |path: &std::path::Path| File::open(path).unwrap();
        assert_eq!(begin(&opened("/dev/null".as_ref())).unwrap(), Begun::Ended);
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(begin(&opened(empty.path())).unwrap(), Begun::Ended);

        let (pipe, mut keys) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        assert_eq!(begin(&pipe).unwrap(), Begun::Silent);
        keys.write_all(b" a").unwrap();
        assert_eq!(begin(&pipe).unwrap(), Begun::Keys(b" a".to_vec()));
        drop(keys);
        assert_eq!(begin(&pipe).unwrap(), Begun::Ended);
    }

    #[test]
    fn a_pipe_that_stays_open_and_silent_ends_when_the_driver_is_to_stop() {
        let (sink, mut receiver) = sink(&[(Key::SPACE, "clock")]);
        let (pipe, mut keys) = io::pipe().unwrap();
        keys.write_all(b" ").unwrap();
        let stop = Stop::new().unwrap();
        let mut source = Stoppable::new(File::from(std::os::fd::OwnedFd::from(pipe)), &stop);
        assert_eq!(source.read(&mut [0; 8]).unwrap(), 1);
        stop.give();
        read(source, &sink);
        assert_eq!(received(&mut receiver), []);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            keys(&bytes);
        }
    }
}
