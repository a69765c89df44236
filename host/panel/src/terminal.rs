//! The panel in a terminal: the frame in a box at the top, a line of help below it, and the rest of the screen for
//! whatever else is written.
//!
//! Where the standard output is not a terminal nothing is drawn. The terminal is as before after a drop, and before the
//! message of a panic.

use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, RestorePosition, SavePosition, Show};
use crossterm::queue;
use crossterm::style::{Color, Colors, Print, ResetColor, SetColors};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

use super::blocks::{render_braille, render_half_blocks, render_quadrants};
use super::driver::{Driver, DriverError};
use super::frame::{Frame, FrameSize};

/// The pale blue of an OLED and black, of the 256 colours that every terminal of today has.
const OLED: Colors = Colors { foreground: Some(Color::AnsiValue(159)), background: Some(Color::AnsiValue(16)) };

/// Columns and rows.
type Extent = (u16, u16);

/// A panel in a terminal.
pub struct Terminal<W: Write + Send = Stdout> {
    screen: Option<Screen<W>>,
    help: String,
}

struct Screen<W: Write> {
    out: W,
    extent: fn() -> io::Result<Extent>,
    /// What was drawn last, and on how large a screen.
    drawn: Option<(Frame, Extent)>,
}

impl Terminal {
    /// Takes the standard output, if it is a terminal. The line of help says what the keys do.
    #[must_use]
    pub fn start(help: &str) -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Self { screen: None, help: help.to_owned() };
        }
        restore_before_panic();
        TAKEN.store(true, Ordering::Release);
        Self::on(stdout, crossterm::terminal::size, help)
    }
}

impl<W: Write + Send> Terminal<W> {
    fn on(out: W, extent: fn() -> io::Result<Extent>, help: &str) -> Self {
        Self { screen: Some(Screen { out, extent, drawn: None }), help: help.to_owned() }
    }
}

impl<W: Write + Send> Driver for Terminal<W> {
    fn show(&mut self, frame: &Frame) -> Result<(), DriverError> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        screen.show(frame, &self.help).map_err(DriverError::Terminal)
    }
}

impl<W: Write> Screen<W> {
    fn show(&mut self, frame: &Frame, help: &str) -> io::Result<()> {
        let extent = (self.extent)()?;
        let fresh = match &self.drawn {
            Some((drawn, before)) if *before == extent && drawn == frame => return Ok(()),
            Some((drawn, before)) => *before != extent || drawn.size() != frame.size(),
            None => true,
        };
        let lines = plan_lines(frame, extent, help);
        // One write for all: what others write to the terminal meanwhile comes before or after it.
        let mut bytes = Vec::new();
        queue!(bytes, BeginSynchronizedUpdate)?;
        if fresh {
            clear_and_divide(&mut bytes, u16::try_from(lines.len()).unwrap_or(u16::MAX), extent)?;
        }
        queue!(bytes, SavePosition)?;
        for (row, line) in (0..).zip(&lines) {
            queue!(bytes, MoveTo(0, row))?;
            line.write(&mut bytes)?;
        }
        queue!(bytes, RestorePosition, EndSynchronizedUpdate)?;
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        self.drawn = Some((frame.clone(), extent));
        Ok(())
    }
}

/// Leaves the upper lines to the panel and lets the others scroll beneath it.
fn clear_and_divide(bytes: &mut Vec<u8>, lines: u16, (_, rows): Extent) -> io::Result<()> {
    queue!(bytes, Clear(ClearType::All), Hide)?;
    if lines + 1 < rows {
        // DECSTBM (ECMA-48 has no such function; every terminal of today does): rows count from 1.
        queue!(bytes, Print(format!("\x1b[{};{rows}r", lines + 1)))?;
    }
    queue!(bytes, MoveTo(0, lines.min(rows.saturating_sub(1))))
}

/// A line of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    /// Of the panel.
    Glass(String),
    /// Beside the panel.
    Plain(String),
}

impl Line {
    fn write(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Glass(text) => queue!(bytes, SetColors(OLED), Print(text), ResetColor)?,
            Self::Plain(text) => queue!(bytes, Print(text))?,
        }
        queue!(bytes, Clear(ClearType::UntilNewLine))
    }
}

/// The frame as large as it fits, in a box, with the help below it.
fn plan_lines(frame: &Frame, extent: Extent, help: &str) -> Vec<Line> {
    let Some(picture) = plan_picture(frame, extent) else {
        let (columns, rows) = least_extent(frame.size());
        let advice = format!("The panel needs {columns} columns and {rows} rows: make the terminal larger.");
        return vec![Line::Plain(cut(&advice, extent))];
    };
    let columns = picture.lines().next().map_or(0, |line| line.chars().count());
    let edge = "─".repeat(columns);
    let mut lines = vec![Line::Glass(format!("╭{edge}╮"))];
    lines.extend(picture.lines().map(|line| Line::Glass(format!("│{line}│"))));
    lines.push(Line::Glass(format!("╰{edge}╯")));
    lines.push(Line::Plain(cut(help, extent)));
    lines
}

/// The best picture for which there is room. Square pixels before others, blocks before dots.
fn plan_picture(frame: &Frame, (columns, rows): Extent) -> Option<String> {
    type Render = fn(&Frame) -> String;
    let (width, height) = (frame.size().width(), frame.size().height());
    let pictures: [(u32, u32, Render); 3] = [
        (width, height / 2, render_half_blocks),
        (width / 2, height / 2, render_quadrants),
        (width / 2, height / 4, render_braille),
    ];
    // The box needs two columns and two rows, the help one.
    let fits = |(width, height, _): &(u32, u32, Render)| *width + 2 <= columns.into() && *height + 3 <= rows.into();
    pictures.into_iter().find(fits).map(|(_, _, render)| render(frame))
}

fn least_extent(size: FrameSize) -> (u32, u32) {
    (size.width() / 2 + 2, size.height() / 4 + 3)
}

fn cut(text: &str, (columns, _): Extent) -> String {
    text.chars().take(columns.into()).collect()
}

/// Whether the standard output is a panel now.
static TAKEN: AtomicBool = AtomicBool::new(false);

fn restore_before_panic() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore_stdout();
            before(panic);
        }));
    });
}

/// Nothing can be done about a terminal that does not take this: it is gone.
fn restore_stdout() {
    if TAKEN.swap(false, Ordering::AcqRel) {
        let _gone = restore(&mut io::stdout());
    }
}

fn restore(out: &mut impl Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    // The cursor goes to the last row, whichever that is.
    queue!(bytes, ResetColor, Print("\x1b[r"), MoveTo(0, u16::MAX - 1), Show, Print("\r\n"))?;
    out.write_all(&bytes)?;
    out.flush()
}

impl<W: Write + Send> Drop for Terminal<W> {
    fn drop(&mut self) {
        restore_stdout();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use embedded_graphics::Pixel;
    use embedded_graphics::draw_target::DrawTarget;
    use embedded_graphics::geometry::Point;
    use embedded_graphics::pixelcolor::BinaryColor;

    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Out {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
        }
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frame(size: FrameSize) -> Frame {
        let mut frame = Frame::new(size);
        let Ok(()) = frame.draw_iter([Pixel(Point::new(0, 0), BinaryColor::On)]);
        frame
    }

    fn extent_of(lines: &[Line]) -> (usize, usize) {
        let columns = |line: &Line| match line {
            Line::Glass(text) | Line::Plain(text) => text.chars().count(),
        };
        (lines.iter().map(columns).max().unwrap(), lines.len())
    }

    #[test]
    fn the_picture_is_as_large_as_the_terminal_allows() {
        let table = [
            (FrameSize::Low, (130, 19), "▀", (130, 19)),
            (FrameSize::Low, (129, 19), "▘", (66, 19)),
            (FrameSize::Low, (66, 19), "▘", (66, 19)),
            (FrameSize::Low, (80, 18), "⠁", (66, 11)),
            (FrameSize::Low, (66, 11), "⠁", (66, 11)),
            (FrameSize::High, (200, 50), "▀", (130, 35)),
            (FrameSize::High, (80, 24), "⠁", (66, 19)),
        ];
        for (size, extent, first, expected) in table {
            let lines = plan_lines(&frame(size), extent, "help");
            assert_eq!(extent_of(&lines), expected, "{extent:?}");
            assert!(matches!(&lines[1], Line::Glass(line) if line.starts_with(&format!("│{first}"))), "{extent:?}");
            assert_eq!(lines.last(), Some(&Line::Plain("help".to_owned())));
        }
    }

    #[test]
    fn a_terminal_that_is_too_small_says_so() {
        for extent in [(65, 30), (66, 10)] {
            let lines = plan_lines(&frame(FrameSize::Low), extent, "help");
            assert!(
                matches!(&lines[..], [Line::Plain(text)] if text.starts_with("The panel needs 66 columns and 11 rows"))
            );
        }
        assert_eq!(extent_of(&plan_lines(&frame(FrameSize::Low), (20, 5), "help")), (20, 1));
    }

    #[test]
    fn a_frame_is_drawn_in_place_and_once() {
        let out = Out::default();
        let mut terminal = Terminal::on(out.clone(), || Ok((130, 40)), "space: punch");
        terminal.show(&frame(FrameSize::Low)).unwrap();
        let first = out.take();
        assert!(first.contains("\x1b[2J") && first.contains("\x1b[20;40r"), "{first:?}");
        assert!(first.contains("│▀") && first.contains("space: punch"));

        terminal.show(&frame(FrameSize::Low)).unwrap();
        assert_eq!(out.take(), "");

        terminal.show(&Frame::new(FrameSize::Low)).unwrap();
        let second = out.take();
        assert!(second.contains("\x1b[1;1H") && !second.contains("\x1b[2J") && !second.contains('▀'));

        terminal.show(&Frame::new(FrameSize::High)).unwrap();
        assert!(out.take().contains("\x1b[36;40r"));
    }

    #[test]
    fn a_screen_without_room_below_is_not_divided() {
        let out = Out::default();
        let mut terminal = Terminal::on(out.clone(), || Ok((130, 19)), "space: punch");
        terminal.show(&frame(FrameSize::Low)).unwrap();
        let drawn = out.take();
        assert!(!drawn.contains(";19r") && drawn.contains("space: punch"));
    }

    #[test]
    fn where_there_is_no_terminal_nothing_is_drawn() {
        let mut nowhere: Terminal<Out> = Terminal { screen: None, help: String::new() };
        nowhere.show(&frame(FrameSize::Low)).unwrap();
    }

    #[test]
    fn a_terminal_that_is_gone_is_an_error() {
        let mut terminal = Terminal::on(Out::default(), || Err(io::Error::other("gone")), "");
        assert!(matches!(terminal.show(&frame(FrameSize::Low)), Err(DriverError::Terminal(_))));
    }

    #[test]
    fn restoring_gives_the_whole_screen_and_the_cursor_back() {
        let mut bytes = Vec::new();
        restore(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\x1b[r") && text.contains("\x1b[?25h") && text.ends_with("\r\n"));
    }
}
