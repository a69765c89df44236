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
    use Charset::{Ascii, HalfBlocks, Unicode};
    let table = [
        (FrameSize::Low, Unicode, (130, 19), "│▀", (130, 19)),
        (FrameSize::Low, Unicode, (129, 19), "│▘", (66, 19)),
        (FrameSize::Low, Unicode, (66, 19), "│▘", (66, 19)),
        (FrameSize::Low, Unicode, (80, 18), "│⠁", (66, 11)),
        (FrameSize::Low, Unicode, (66, 11), "│⠁", (66, 11)),
        (FrameSize::High, Unicode, (200, 50), "│▀", (130, 35)),
        (FrameSize::High, Unicode, (80, 24), "│⠁", (66, 19)),
        (FrameSize::Low, HalfBlocks, (240, 67), "|▀", (130, 19)),
        (FrameSize::High, HalfBlocks, (128, 48), "▀", (128, 33)),
        (FrameSize::Low, HalfBlocks, (80, 25), "|`", (66, 19)),
        (FrameSize::Low, Ascii, (240, 67), "|'", (130, 19)),
        (FrameSize::Low, Ascii, (128, 48), "'", (128, 17)),
        (FrameSize::Low, Ascii, (80, 25), "|`", (66, 19)),
    ];
    for (size, charset, extent, first, expected) in table {
        let lines = plan_lines(&frame(size), extent, charset, "help");
        assert_eq!(extent_of(&lines), expected, "{charset:?} {extent:?}");
        let upper = lines.iter().take(2);
        let drawn = upper.filter(|line| matches!(line, Line::Glass(line) if line.starts_with(first)));
        assert_eq!(drawn.count(), 1, "{charset:?} {extent:?}");
        assert_eq!(lines.last(), Some(&Line::Plain("help".to_owned())));
    }
}

/// Every pattern of four pixels, each in a cell of its own.
fn patterns() -> Frame {
    let mut frame = Frame::new(FrameSize::Low);
    for pattern in 0..16 {
        let pixels = [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().enumerate();
        let lit = pixels.filter(|(bit, _)| pattern >> bit & 1 == 1);
        let at = |(_, (x, y))| Pixel(Point::new(2 * pattern + x, y), BinaryColor::On);
        let Ok(()) = frame.draw_iter(lit.map(at));
    }
    frame
}

#[test]
fn nothing_is_drawn_that_the_fonts_of_a_console_lack() {
    for extent in [(130, 40), (80, 25), (20, 8)] {
        for (charset, more) in [(Charset::HalfBlocks, "▀▄█"), (Charset::Ascii, "")] {
            for line in plan_lines(&patterns(), extent, charset, "Ctrl-C: stop") {
                let (Line::Glass(text) | Line::Plain(text)) = line;
                assert!(text.chars().all(|sign| sign.is_ascii() || more.contains(sign)), "{charset:?}: {text}");
            }
        }
    }
}

#[test]
fn a_terminal_that_is_too_small_says_so_in_lines_that_fit_and_how_to_stop() {
    let help = "Ctrl-C: stop   space: clock";
    let table = [
        (Charset::Unicode, (65, 30), "66 columns and 11 rows", 2),
        (Charset::Unicode, (66, 10), "66 columns and 11 rows", 2),
        (Charset::HalfBlocks, (80, 18), "66 columns and 19 rows", 2),
        (Charset::Unicode, (20, 8), "66 columns and 11 rows", 5),
        (Charset::Unicode, (20, 4), "", 4),
        (Charset::Unicode, (20, 1), "", 1),
    ];
    for (charset, extent, needed, rows) in table {
        let lines = plan_lines(&frame(FrameSize::Low), extent, charset, help);
        let texts: Vec<&str> = lines
            .iter()
            .map(|line| match line {
                Line::Glass(text) | Line::Plain(text) => text.as_str(),
            })
            .collect();
        assert!(texts.iter().all(|text| text.len() <= extent.0.into()), "{texts:?}");
        assert!(texts.join(" ").contains(needed), "{texts:?}");
        assert!(texts.last().unwrap().starts_with("Ctrl-C: stop"), "{texts:?}");
        assert_eq!(texts.len(), rows, "{texts:?}");
    }
}

#[test]
fn a_frame_is_drawn_in_place_and_once() {
    let out = Out::default();
    let mut terminal = Terminal::on(out.clone(), || Ok((130, 40)), Charset::Unicode, "space: punch", "");
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
    let mut terminal = Terminal::on(out.clone(), || Ok((130, 19)), Charset::Unicode, "space: punch", "");
    terminal.show(&frame(FrameSize::Low)).unwrap();
    let drawn = out.take();
    assert!(!drawn.contains(";19r") && drawn.contains("space: punch"));
}

#[test]
fn notes_stand_below_the_panel_also_after_a_resize_and_steer_nothing() {
    let out = Out::default();
    let notes = "error: found `terminl`\n \x1b[2Jhelp";
    let mut terminal = Terminal::on(out.clone(), || Ok((130, 40)), Charset::Unicode, "space: punch", notes);
    let mut show = |frame| {
        terminal.show(&frame).unwrap();
        out.take()
    };
    let first = show(frame(FrameSize::Low));
    let (before, after) = first.split_once("error: found `terminl`\r\n").unwrap();
    assert!(before.contains("\x1b[2J") && !after.contains("\x1b[2J"), "{first:?}");
    assert!(!show(Frame::new(FrameSize::Low)).contains("terminl"), "once");
    // As large a change as a resize.
    assert!(show(Frame::new(FrameSize::High)).contains("terminl"));
}

#[test]
fn notes_for_which_there_is_no_room_say_where_the_others_are() {
    let notes = "one\ntwo is longer\nthree\nfour";
    let more = "(more: see `punchcard check`)";
    let table: [(Extent, &[&str]); 5] = [
        ((80, 5), &["one", "two is longer", "three", "four"]),
        ((80, 4), &["one", "two is longer", more]),
        ((80, 2), &[more]),
        ((80, 1), &[]),
        ((10, 5), &["one", more]),
    ];
    for (extent, expected) in table {
        assert_eq!(plan_notes(notes, extent), expected, "{extent:?}");
    }
    assert_eq!(plan_notes("", (80, 5)), [""; 0]);
}

#[test]
fn where_there_is_no_terminal_nothing_is_drawn() {
    let mut nowhere: Terminal<Out> = Terminal { screen: None };
    nowhere.show(&frame(FrameSize::Low)).unwrap();
}

#[test]
fn a_terminal_that_is_gone_is_an_error() {
    let mut terminal = Terminal::on(Out::default(), || Err(io::Error::other("gone")), Charset::Unicode, "", "");
    assert!(matches!(terminal.show(&frame(FrameSize::Low)), Err(DriverError::Terminal(_))));
}

#[test]
fn restoring_gives_the_whole_screen_and_the_cursor_back() {
    let mut bytes = Vec::new();
    restore(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\x1b[r") && text.contains("\x1b[?25h") && text.ends_with("\r\n"));
}
