//! What the panel on the bus shows, told from one process to another: one report as JSON for each connection.

use std::fs;
use std::io::Read as _;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use punchcard_chips::{Glass, Ssd1306};
use punchcard_core::scene::{Scene, View, reading_for_ms};
use punchcard_panel::Painter;
use punchcard_panel::frame::{Frame, FrameSize};
use punchcard_panel::picture::render_png;
use serde::{Deserialize, Serialize};

/// The side of a panel's pixel in a picture.
const SCALE: u32 = 6;
/// Between two looks at the panel, and how many there are for it to say something.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1_500;

/// What is seen of a panel.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    /// A line for each row, with `#` for a lit pixel and `.` for a dark one.
    rows: Vec<String>,
    is_on: bool,
    /// What the chip was told that its data sheet does not allow.
    complaints: Vec<String>,
}

/// Tells it to whoever connects, from a thread of its own.
pub(crate) fn serve(socket: &Path, chip: Arc<Mutex<Ssd1306>>) -> Result<()> {
    // Of an earlier process.
    if socket.exists() {
        fs::remove_file(socket).with_context(|| format!("cannot remove {}", socket.display()))?;
    }
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let told = stream.map_err(anyhow::Error::from).and_then(|stream| tell(&stream, &chip));
            if let Err(error) = told {
                eprintln!("what the panel shows could not be told: {error:#}");
            }
        }
    });
    Ok(())
}

fn tell(stream: &UnixStream, chip: &Mutex<Ssd1306>) -> Result<()> {
    let report = {
        let chip = chip.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = chip.picture().lines().map(str::to_owned).collect();
        Report { rows, is_on: chip.is_on(), complaints: chip.complaints() }
    };
    serde_json::to_writer(stream, &report)?;
    stream.shutdown(Shutdown::Write)?;
    Ok(())
}

/// Asks for it, prints it, and makes a picture of it where one is wanted.
pub(crate) fn ask(socket: &Path, png: Option<&Path>) -> Result<()> {
    let text = fetch(socket)?;
    if let Some(file) = png {
        save(&frame(&parse(&text)?.rows)?, file)?;
    }
    println!("{text}");
    Ok(())
}

/// Waits until the panel says of a press that it is recorded, with a notice that may be scrolling. Makes a picture of that
/// where one is wanted.
pub(crate) fn await_recorded(socket: &Path, notice: &str, png: Option<&Path>) -> Result<()> {
    let wanted = paint_recorded(notice);
    for _ in 0..LOOKS {
        let shown = frame(&parse(&fetch(socket)?)?.rows)?;
        if wanted.contains(&shown) {
            return png.map_or(Ok(()), |file| save(&shown, file));
        }
        rest();
    }
    bail!("the panel did not say that `{notice}` is recorded, in {LOOKS} looks")
}

/// All that a panel shows of a press that is recorded, from the first moment on.
fn paint_recorded(notice: &str) -> Vec<Frame> {
    let scene = Scene::Recorded { notice: Some(notice.to_owned()) };
    let mut painter = Painter::new(FrameSize::High);
    let (mut frames, mut shown_for_ms) = (Vec::new(), 0);
    // A notice that scrolls is at its beginning again after some seconds.
    while shown_for_ms < reading_for_ms(notice) {
        let painting = painter.paint(&View { scene: scene.clone(), shown_for_ms });
        frames.push(painting.frame);
        match painting.moves_in_ms {
            Some(moves_in_ms) => shown_for_ms += moves_in_ms.max(1),
            None => break,
        }
    }
    frames
}

#[expect(clippy::disallowed_methods, reason = "a chip tells nobody that its picture changes")]
fn rest() {
    thread::sleep(LOOK_EVERY);
}

fn fetch(socket: &Path) -> Result<String> {
    let connected = UnixStream::connect(socket);
    let mut stream = connected.with_context(|| format!("nobody listens on {}; is the bus there?", socket.display()))?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("cannot read what the panel shows")?;
    Ok(text)
}

fn parse(text: &str) -> Result<Report> {
    serde_json::from_str(text).context("what the panel shows is not told as JSON")
}

fn save(frame: &Frame, file: &Path) -> Result<()> {
    let picture = render_png(frame, SCALE)?;
    fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))
}

/// The frame of rows of pixels. In it a byte is a column of eight pixels, the uppermost in its lowest bit.
fn frame(rows: &[String]) -> Result<Frame> {
    let (width, height) = (Glass::HIGH.width, Glass::HIGH.height);
    let rows: Vec<&[u8]> = rows.iter().map(String::as_bytes).collect();
    let mut bytes = Vec::new();
    for page in rows.chunks(8) {
        for x in 0..width as usize {
            let lit = |(bit, row): (usize, &&[u8])| u8::from(row.get(x) == Some(&b'#')) << bit;
            bytes.push(page.iter().enumerate().map(lit).sum());
        }
    }
    let frame = Frame::from_pages(width, height, &bytes);
    ensure!(frame.is_some(), "the picture is not one of {width}x{height}");
    frame.context("no picture")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_pixels_of_the_rows() {
        let mut rows = vec![".".repeat(128); 64];
        rows[9].replace_range(3..4, "#");
        let frame = frame(&rows).unwrap();
        let lit: Vec<(u32, u32)> =
            (0..64).flat_map(|y| (0..128).map(move |x| (x, y))).filter(|(x, y)| frame.is_lit(*x, *y)).collect();
        assert_eq!(lit, [(3, 9)]);
    }

    #[test]
    fn another_size_is_refused() {
        assert!(frame(&vec![".".repeat(128); 32]).is_err());
    }

    #[test]
    fn a_notice_that_scrolls_is_known_in_all_its_places() {
        assert_eq!(paint_recorded("Ann").len(), 1);
        let scrolling = paint_recorded("unknown badge 00123456789012345678");
        assert!(scrolling.len() > 1 && scrolling[0] != scrolling[1]);
    }

    #[test]
    fn what_the_panel_shows_reaches_who_asks() {
        let folder = std::env::temp_dir().join(format!("virtual-pi-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (socket, png) = (folder.join("socket"), folder.join("panel.png"));
        serve(&socket, Arc::new(Mutex::new(Ssd1306::new(Glass::HIGH)))).unwrap();
        ask(&socket, Some(&png)).unwrap();
        assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
