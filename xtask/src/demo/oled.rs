//! The OLED of a device with simulated hardware: how the host is told of it, and what is seen of the chip.
//!
//! Its picture is the chip's own, made of what the host's driver sent over the bus. What the host says that it shows has to be
//! the same.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Deserialize;

use crate::patience;

/// Between two looks at what it shows.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An OLED of 128×64 pixels, where `[panel]` looks for one.
#[derive(Debug)]
pub(super) struct Oled {
    /// The description of all hardware.
    description: PathBuf,
    /// Where the simulation writes what the chip shows.
    picture: PathBuf,
}

/// What is seen of the chip.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Seen {
    /// A line for each row, with `#` for a lit pixel and `.` for a dark one.
    rows: Vec<String>,
    is_on: bool,
    complaints: Vec<String>,
}

impl Oled {
    /// Describes the hardware in a file in `folder`.
    pub(super) fn plug_in(folder: &Path) -> Result<Self> {
        let oled = Self { description: folder.join("hardware.json"), picture: folder.join("oled.json") };
        let chip = serde_json::json!({ "chip": "ssd1306", "height": 64, "picture": oled.picture });
        let description = serde_json::json!({ "i2c": { "/dev/i2c-1": { "chips": { "0x3c": chip } } } });
        std::fs::write(&oled.description, description.to_string())
            .with_context(|| format!("cannot write {}", oled.description.display()))?;
        Ok(oled)
    }

    /// What `punchcard run --hardware` is given.
    pub(super) fn hardware(&self) -> OsString {
        let mut hardware = OsString::from("simulated:");
        hardware.push(&self.description);
        hardware
    }

    /// What `run` returns, and whether the chip showed that, a frame of half blocks, at some moment meanwhile: a text that scrolls
    /// goes on while a program that is emulated answers.
    ///
    /// Fails where the chip was told what its data sheet does not allow.
    pub(super) fn shows_during(&self, run: impl FnOnce() -> Result<String>) -> Result<(String, bool)> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| self.watch_until(&is_over));
            let told = run();
            is_over.store(true, Ordering::Relaxed);
            let shown = watcher.join().map_err(|_panic| anyhow!("watching the OLED broke off"))??;
            let told = told?;
            let is_shown = shown.contains(&parse_half_blocks(&told)?);
            Ok((told, is_shown))
        })
    }

    /// Every picture that it shows until then, and at that moment.
    fn watch_until(&self, is_over: &AtomicBool) -> Result<Vec<Vec<String>>> {
        let mut shown: Vec<Vec<String>> = Vec::new();
        loop {
            let is_last = is_over.load(Ordering::Relaxed);
            if let Some(seen) = self.look()? {
                ensure!(seen.complaints.is_empty(), "the chip was told nonsense: {}", seen.complaints.join("; "));
                if seen.is_on && shown.last() != Some(&seen.rows) {
                    shown.push(seen.rows);
                }
            }
            if is_last {
                return Ok(shown);
            }
            patience::rest(LOOK_EVERY);
        }
    }

    /// Draws what it shows at the top of the terminal, for as long as `run` takes.
    pub(super) fn draw_during<T>(&self, run: impl FnOnce() -> T) -> Result<T> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let drawer = scope.spawn(|| self.draw_until(&is_over));
            let ended = run();
            is_over.store(true, Ordering::Relaxed);
            drawer.join().map_err(|_panic| anyhow!("drawing the OLED broke off"))??;
            Ok(ended)
        })
    }

    fn draw_until(&self, is_over: &AtomicBool) -> Result<()> {
        let mut drawn = String::new();
        let draw = |text: &str| -> Result<()> {
            let mut terminal = std::io::stdout().lock();
            terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).context("cannot draw on the terminal")
        };
        draw(CLEAR)?;
        while !is_over.load(Ordering::Relaxed) {
            let picture = match self.look()? {
                Some(seen) => render_braille(&seen.rows),
                None => String::new(),
            };
            if picture != drawn {
                draw(&format!("{HOME}{picture}{KEYS}"))?;
                drawn = picture;
            }
            patience::rest(LOOK_EVERY);
        }
        Ok(())
    }

    /// What is seen of it; nothing before the first was sent to it.
    fn look(&self) -> Result<Option<Seen>> {
        let text = match std::fs::read_to_string(&self.picture) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.picture.display())),
        };
        serde_json::from_str(&text).map(Some).with_context(|| format!("{} is of another form", self.picture.display()))
    }
}

const CLEAR: &str = "\x1b[2J\x1b[H";
const HOME: &str = "\x1b[H";
/// The terminal does not go to the beginning of a line by itself while keys are read.
const KEYS: &str = "\r\n  space punches   ← → choose   q or Ctrl-C stops\x1b[K\r\n";

/// The pixels of a frame of half blocks, two rows in each line, as rows of `#` and `.`.
fn parse_half_blocks(frame: &str) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    // Behind the frame is an empty line.
    for line in frame.lines().filter(|line| !line.is_empty()) {
        let (mut upper, mut lower) = (String::new(), String::new());
        for block in line.chars() {
            let (above, below) = match block {
                ' ' => ('.', '.'),
                '▀' => ('#', '.'),
                '▄' => ('.', '#'),
                '█' => ('#', '#'),
                other => bail!("`{other}` is no half block"),
            };
            upper.push(above);
            lower.push(below);
        }
        rows.extend([upper, lower]);
    }
    Ok(rows)
}

/// Rows of pixels as Braille, of which a character stands for two by four (Unicode 16, section 21.1): it fits into a terminal
/// of 80 by 24.
fn render_braille(rows: &[String]) -> String {
    const DOTS: [(usize, usize); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    let mut text = String::new();
    for rows in rows.chunks(4) {
        let width = rows.iter().map(String::len).max().unwrap_or(0);
        for left in (0..width).step_by(2) {
            let is_lit =
                |(x, y): (usize, usize)| rows.get(y).and_then(|row| row.as_bytes().get(left + x)) == Some(&b'#');
            let bits = DOTS.into_iter().rev().fold(0, |bits, dot| bits << 1 | u32::from(is_lit(dot)));
            text.extend(char::from_u32(0x2800 + bits));
        }
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oled_shows_a_frame_where_all_pixels_are_alike_and_it_is_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let oled = Oled::plug_in(folder.path()).expect("written");
        let shows = |frame: &str| oled.shows_during(|| Ok(frame.to_owned())).map(|(_, is_shown)| is_shown);
        assert!(!shows("▀▄\n").expect("nothing is seen yet"));
        let seen = |is_on: bool, complaints: &str| {
            let text = format!(r##"{{"rows":["#.",".#"],"is-on":{is_on},"complaints":[{complaints}]}}"##);
            std::fs::write(&oled.picture, text).expect("written");
        };
        seen(true, "");
        assert!(shows("▀▄\n").expect("seen"));
        assert!(!shows("▀█\n").expect("seen"));
        assert!(shows("?\n").is_err());
        seen(false, "");
        assert!(!shows("▀▄\n").expect("seen"));
        seen(true, r#""unknown command""#);
        assert!(shows("▀▄\n").expect_err("nonsense").to_string().contains("unknown command"));
    }

    #[test]
    fn pixels_are_drawn_as_dots() {
        let rows = ["#..#", ".#..", "#.#.", "...#"].map(str::to_owned);
        assert_eq!(render_braille(&rows), "⠕⢌\r\n");
    }
}
