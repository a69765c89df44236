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
use punchcard_core::printable::escape;

use super::blocks::{
    render_ascii_halves, render_ascii_quadrants, render_braille, render_half_block_quadrants, render_half_blocks,
    render_quadrants,
};
use super::charset::Charset;
use super::driver::{Driver, DriverError};
use super::frame::{Frame, FrameSize};

/// The pale blue of an OLED and black, of the 256 colours that every terminal of today has.
const OLED: Colors = Colors { foreground: Some(Color::AnsiValue(159)), background: Some(Color::AnsiValue(16)) };

/// Columns and rows.
type Extent = (u16, u16);

/// A panel in a terminal.
pub struct Terminal<W: Write + Send = Stdout> {
    screen: Option<Screen<W>>,
}

struct Screen<W: Write> {
    out: W,
    charset: Charset,
    help: String,
    /// What is printed once below the panel, in lines.
    notes: String,
    extent: fn() -> io::Result<Extent>,
    /// What was drawn last, and on how large a screen.
    drawn: Option<(Frame, Extent)>,
}

impl Terminal {
    /// Takes the standard output, if it is a terminal. The line of help says what the keys do: first how to stop, for its end
    /// is cut off where the terminal is narrow. The notes are printed below it, as far as there is room.
    #[must_use]
    pub fn start(help: &str, notes: &str) -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Self { screen: None };
        }
        restore_before_panic();
        TAKEN.store(true, Ordering::Release);
        Self::on(stdout, crossterm::terminal::size, Charset::of_environment(), help, notes)
    }
}

impl<W: Write + Send> Terminal<W> {
    fn on(out: W, extent: fn() -> io::Result<Extent>, charset: Charset, help: &str, notes: &str) -> Self {
        let notes = notes.lines().map(|line| charset.spell(&escape(line))).collect::<Vec<_>>().join("\n");
        Self { screen: Some(Screen { out, charset, help: charset.spell(help), notes, extent, drawn: None }) }
    }
}

impl<W: Write + Send> Driver for Terminal<W> {
    fn show(&mut self, frame: &Frame) -> Result<(), DriverError> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        screen.show(frame).map_err(DriverError::Terminal)
    }
}

impl<W: Write> Screen<W> {
    fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let extent = (self.extent)()?;
        let fresh = match &self.drawn {
            Some((drawn, before)) if *before == extent && drawn == frame => return Ok(()),
            Some((drawn, before)) => *before != extent || drawn.size() != frame.size(),
            None => true,
        };
        let lines = plan_lines(frame, extent, self.charset, &self.help);
        // One write for all: what others write to the terminal meanwhile comes before or after it.
        let mut bytes = Vec::new();
        queue!(bytes, BeginSynchronizedUpdate)?;
        if fresh {
            let panel = u16::try_from(lines.len()).unwrap_or(u16::MAX);
            clear_and_divide(&mut bytes, panel, extent)?;
            // Also after a resize, which clears the screen.
            for line in plan_notes(&self.notes, (extent.0, extent.1.saturating_sub(panel))) {
                queue!(bytes, Print(line), Print("\r\n"))?;
            }
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
fn plan_lines(frame: &Frame, extent: Extent, charset: Charset, help: &str) -> Vec<Line> {
    let pictures = pictures(frame.size(), charset);
    let Some(picture) = pictures.iter().find(|picture| picture.fits(extent)) else {
        return too_small(pictures.last(), extent, help);
    };
    let [horizontal, vertical, top_left, top_right, bottom_left, bottom_right] = match charset {
        Charset::Unicode => ["─", "│", "╭", "╮", "╰", "╯"],
        Charset::HalfBlocks | Charset::Ascii => ["-", "|", "+", "+", "+", "+"],
    };
    let rendered = (picture.render)(frame);
    let mut lines: Vec<Line> = if picture.boxed {
        let edge = horizontal.repeat(picture.columns as usize);
        let top = format!("{top_left}{edge}{top_right}");
        let sides = rendered.lines().map(|line| format!("{vertical}{line}{vertical}"));
        let bottom = format!("{bottom_left}{edge}{bottom_right}");
        std::iter::once(top).chain(sides).chain([bottom]).map(Line::Glass).collect()
    } else {
        rendered.lines().map(|line| Line::Glass(line.to_owned())).collect()
    };
    lines.push(Line::Plain(cut(help, extent)));
    lines
}

/// A way to draw a frame.
struct Picture {
    columns: u32,
    rows: u32,
    render: fn(&Frame) -> String,
    boxed: bool,
}

impl Picture {
    /// With its box, which needs two columns and two rows, and the help, which needs one.
    fn extent(&self) -> (u32, u32) {
        let edges = if self.boxed { 2 } else { 0 };
        (self.columns + edges, self.rows + edges + 1)
    }

    fn fits(&self, (columns, rows): Extent) -> bool {
        let (needed_columns, needed_rows) = self.extent();
        needed_columns <= columns.into() && needed_rows <= rows.into()
    }
}

/// The ways to draw a frame of this size, the best first: square pixels before others, blocks before dots.
fn pictures(size: FrameSize, charset: Charset) -> Vec<Picture> {
    let (width, height) = (size.width(), size.height());
    let picture = |columns, rows, render| Picture { columns, rows, render, boxed: true };
    // A console of 1024 by 768 pixels has 128 columns.
    let unboxed = |columns, rows, render| Picture { columns, rows, render, boxed: false };
    match charset {
        Charset::Unicode => vec![
            picture(width, height / 2, render_half_blocks),
            picture(width / 2, height / 2, render_quadrants),
            picture(width / 2, height / 4, render_braille),
        ],
        Charset::HalfBlocks => vec![
            picture(width, height / 2, render_half_blocks),
            unboxed(width, height / 2, render_half_blocks),
            picture(width / 2, height / 2, render_half_block_quadrants),
        ],
        Charset::Ascii => vec![
            picture(width, height / 2, render_ascii_halves),
            unboxed(width, height / 2, render_ascii_halves),
            picture(width / 2, height / 2, render_ascii_quadrants),
        ],
    }
}

/// Says how much the smallest picture needs, in as many lines as that takes, and how to stop.
fn too_small(least: Option<&Picture>, extent: Extent, help: &str) -> Vec<Line> {
    let (columns, rows) = least.map_or((0, 0), Picture::extent);
    let advice = format!("The panel needs {columns} columns and {rows} rows: make the terminal larger.");
    let wrapped = textwrap::wrap(&advice, usize::from(extent.0.max(1)));
    let above_help = usize::from(extent.1.saturating_sub(1));
    let mut lines: Vec<Line> = wrapped.iter().take(above_help).map(|line| Line::Plain(line.to_string())).collect();
    lines.push(Line::Plain(cut(help, extent)));
    lines
}

/// The first lines of the notes for which there is room, with the row in which the cursor stands after them.
fn plan_notes(notes: &str, (columns, rows): Extent) -> Vec<&str> {
    const MORE: &str = "(more: see `punchcard check`)";
    let rows_of = |line: &str| line.chars().count().div_ceil(usize::from(columns.max(1))).max(1);
    let mut room = usize::from(rows.saturating_sub(1));
    let needed: usize = notes.lines().map(rows_of).sum();
    if needed <= room {
        return notes.lines().collect();
    }
    room = room.saturating_sub(rows_of(MORE));
    let fits = |line: &&str| {
        let left = room.checked_sub(rows_of(line));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let mut lines: Vec<&str> = notes.lines().take_while(fits).collect();
    if rows > 1 {
        lines.push(MORE);
    }
    lines
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
mod tests;
