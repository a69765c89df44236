//! Keys from a terminal, one by one.
//!
//! Terminals with the Kitty keyboard protocol report when a key is released; from others a held key cannot be told from
//! one that is pressed again and again, and its motions are strokes.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::{event, execute, terminal};
use punchcard_core::input::Motion;
use punchcard_core::key::Key;
use rustix::event::PollFlags;
use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};

use super::super::reading::{Awaited, Stop};
use super::Sink;

/// How long nothing is asked after there were no keys where some should be.
const DEAF_FOR: Duration = Duration::from_millis(20);

/// What has to be undone when the keyboard, or the whole program, ends.
static RAW: AtomicBool = AtomicBool::new(false);
static RELEASES: AtomicBool = AtomicBool::new(false);

/// A terminal that gives single keys, until this is dropped.
pub(super) struct RawMode(());

impl RawMode {
    pub(super) fn enter() -> io::Result<Self> {
        restore_before_panic();
        terminal::enable_raw_mode()?;
        RAW.store(true, Ordering::Release);
        let raw = Self(());
        keep_line_feeds()?;
        Ok(raw)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Raw mode also turns off that a line feed starts a new line: what is logged to the same terminal would become stairs.
fn keep_line_feeds() -> io::Result<()> {
    let stdin = io::stdin();
    let mut modes = tcgetattr(&stdin)?;
    modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    Ok(tcsetattr(&stdin, OptionalActions::Now, &modes)?)
}

fn restore_before_panic() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

/// Nothing can be done about a terminal that does not take this: it is gone.
fn restore() {
    if RELEASES.swap(false, Ordering::AcqRel) {
        let _gone = execute!(io::stdout(), PopKeyboardEnhancementFlags);
    }
    if RAW.swap(false, Ordering::AcqRel) {
        let _gone = terminal::disable_raw_mode();
    }
}

/// Asks for releases. False: the terminal knows nothing of them.
fn ask_for_releases() -> io::Result<bool> {
    // One that does not answer at all, such as a serial line, is an error here, and knows nothing of them either. One that is
    // gone says so when it is read.
    if !terminal::supports_keyboard_enhancement().unwrap_or(false) {
        return Ok(false);
    }
    let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
        | KeyboardEnhancementFlags::REPORT_EVENT_TYPES
        | KeyboardEnhancementFlags::REPORT_ALTERNATE_KEYS
        | KeyboardEnhancementFlags::REPORT_ALL_KEYS_AS_ESCAPE_CODES;
    let mut stdout = io::stdout();
    execute!(stdout, PushKeyboardEnhancementFlags(flags))?;
    stdout.flush()?;
    RELEASES.store(true, Ordering::Release);
    Ok(true)
}

/// Reads until the driver is to stop or nobody receives any more.
pub(super) fn read(stop: &Stop, sink: &Sink) {
    if let Err(error) = read_events(stop, sink) {
        tracing::warn!(%error, "the terminal's keys can no longer be read; the device goes on without them");
    }
}

fn read_events(stop: &Stop, sink: &Sink) -> io::Result<()> {
    // Asked here: a terminal that does not answer is waited for up to two seconds, which must not delay the device.
    let releases = ask_for_releases()?;
    let stdin = io::stdin();
    // `event::poll` reads a terminal that has hung up again and again for ever: it is not waited in, but before. Keys may
    // lie there that were typed while the terminal was asked for something.
    let mut has_waited = false;
    while !is_stopped(stop, &stdin, Some(Duration::ZERO))? {
        if !event::poll(Duration::ZERO)? {
            // It takes a resize for all that there is, and then does not hear of keys that came with it before the next: so
            // it is asked at once when the terminal is resized, and where that was too late, not again and again.
            if std::mem::replace(&mut has_waited, true) && stop.rest(DEAF_FOR)? || is_stopped(stop, &stdin, None)? {
                return Ok(());
            }
            continue;
        }
        has_waited = false;
        let heard = match parse_event(&event::read()?, releases) {
            Some(Parsed::Key(key, motion)) => sink.key(key, motion),
            Some(Parsed::Interrupt) => sink.quit(),
            None => true,
        };
        if !heard {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits so long for keys. Whether the driver is to stop.
///
/// # Errors
/// When there will never be any more: the terminal has hung up.
fn is_stopped(stop: &Stop, terminal: impl AsFd, wait_for: Option<Duration>) -> io::Result<bool> {
    match stop.wait(terminal, wait_for)? {
        Awaited::Stop => Ok(true),
        Awaited::Device(seen) if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the terminal has hung up"))
        }
        Awaited::Device(_) | Awaited::Nothing => Ok(false),
    }
}

/// What an event of the terminal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parsed {
    Key(Key, Motion),
    /// Ctrl-C, which in raw mode is a key.
    Interrupt,
}

fn parse_event(event: &Event, releases: bool) -> Option<Parsed> {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
    let motion = match (kind, releases) {
        (KeyEventKind::Press, true) => Motion::Down,
        (KeyEventKind::Press, false) => Motion::Stroke,
        (KeyEventKind::Repeat, _) => Motion::Repeat,
        (KeyEventKind::Release, _) => Motion::Up,
    };
    // The shift key is part of a character; the lock keys and the like change nothing.
    let modified = modifiers.intersects(
        KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META,
    );
    if *code == KeyCode::Char('c') && *modifiers == KeyModifiers::CONTROL && *kind == KeyEventKind::Press {
        return Some(Parsed::Interrupt);
    }
    // A release is a release also when a modifier went down meanwhile.
    if modified && motion != Motion::Up {
        return None;
    }
    parse_code(*code).map(|key| Parsed::Key(key, motion))
}

fn parse_code(code: KeyCode) -> Option<Key> {
    match code {
        KeyCode::Char(character) => Key::character(character),
        KeyCode::Enter => Some(Key::ENTER),
        KeyCode::Tab => Some(Key::TAB),
        KeyCode::Esc => Some(Key::ESCAPE),
        KeyCode::Backspace => Some(Key::BACKSPACE),
        KeyCode::Left => Some(Key::LEFT),
        KeyCode::Right => Some(Key::RIGHT),
        KeyCode::Up => Some(Key::UP),
        KeyCode::Down => Some(Key::DOWN),
        KeyCode::F(number) => Key::function(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: KeyCode, modifiers: KeyModifiers, kind: KeyEventKind) -> Event {
        Event::Key(KeyEvent::new_with_kind(code, modifiers, kind))
    }

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Option<Parsed> {
        parse_event(&event(code, modifiers, KeyEventKind::Press), false)
    }

    #[test]
    fn codes_become_the_keys_of_that_name() {
        let table = [
            (KeyCode::Char(' '), "space"),
            (KeyCode::Char('A'), "A"),
            (KeyCode::Enter, "enter"),
            (KeyCode::Tab, "tab"),
            (KeyCode::Esc, "escape"),
            (KeyCode::Backspace, "backspace"),
            (KeyCode::Left, "left"),
            (KeyCode::Right, "right"),
            (KeyCode::Up, "up"),
            (KeyCode::Down, "down"),
            (KeyCode::F(12), "f12"),
        ];
        for (code, name) in table {
            let expected = Parsed::Key(Key::parse(name).unwrap(), Motion::Stroke);
            assert_eq!(pressed(code, KeyModifiers::SHIFT), Some(expected), "{name}");
        }
        for code in [KeyCode::Home, KeyCode::F(13), KeyCode::Null] {
            assert_eq!(pressed(code, KeyModifiers::NONE), None, "{code:?}");
        }
    }

    #[test]
    fn a_terminal_that_reports_releases_gives_edges() {
        let table = [
            (KeyEventKind::Press, true, Motion::Down),
            (KeyEventKind::Repeat, true, Motion::Repeat),
            (KeyEventKind::Release, true, Motion::Up),
            (KeyEventKind::Press, false, Motion::Stroke),
        ];
        for (kind, releases, motion) in table {
            let event = event(KeyCode::Char(' '), KeyModifiers::NONE, kind);
            assert_eq!(parse_event(&event, releases), Some(Parsed::Key(Key::SPACE, motion)));
        }
    }

    #[test]
    fn control_c_interrupts_when_it_goes_down() {
        let control_c = |kind| event(KeyCode::Char('c'), KeyModifiers::CONTROL, kind);
        assert_eq!(parse_event(&control_c(KeyEventKind::Press), true), Some(Parsed::Interrupt));
        assert_eq!(parse_event(&control_c(KeyEventKind::Repeat), true), None);
        assert_eq!(
            parse_event(&control_c(KeyEventKind::Release), true),
            Some(Parsed::Key(Key::parse("c").unwrap(), Motion::Up))
        );
        assert_eq!(pressed(KeyCode::Char('x'), KeyModifiers::CONTROL), None);
    }

    #[test]
    fn keys_with_a_modifier_are_none_but_their_release_counts() {
        for modifier in [KeyModifiers::CONTROL, KeyModifiers::ALT, KeyModifiers::SUPER] {
            assert_eq!(pressed(KeyCode::Char(' '), modifier), None);
            let released = event(KeyCode::Char(' '), modifier, KeyEventKind::Release);
            assert_eq!(parse_event(&released, true), Some(Parsed::Key(Key::SPACE, Motion::Up)));
        }
    }

    #[test]
    fn a_terminal_that_has_hung_up_has_no_keys_and_never_will() {
        // A pipe hangs up as a terminal does.
        let (terminal, mut keys) = io::pipe().unwrap();
        let stop = Stop::new().unwrap();
        assert!(!is_stopped(&stop, &terminal, Some(Duration::ZERO)).unwrap());
        keys.write_all(b"a").unwrap();
        assert!(!is_stopped(&stop, &terminal, None).unwrap());
        drop(keys);
        assert_eq!(is_stopped(&stop, &terminal, None).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        stop.give();
        assert!(is_stopped(&stop, &terminal, None).unwrap());
    }

    #[test]
    fn what_is_no_key_is_nothing() {
        assert_eq!(parse_event(&Event::Resize(80, 24), true), None);
        assert_eq!(parse_event(&Event::FocusGained, true), None);
    }
}
