//! How long a panel's bus is busy with a frame, at 400 kHz.
//!
//! Computed, not measured: the real driver sends to a simulated chip, and nine bits are counted for each byte, one for each
//! start and stop. What a real adapter adds between transfers is not in it.

use anyhow::{Context as _, Result};
use punchcard_chips::{Bus, Glass, Ssd1306};
use punchcard_core::scene::{Chosen, Idle, Scene, View};
use punchcard_panel::oled::{Chip, Connection, Oled};
use punchcard_panel::{Driver as _, Frame, FrameSize, Painter};

use crate::sample::Measurement;

const ADDRESS: u8 = 0x3c;
const HZ: u32 = 400_000;

/// All pixels of 128 by 64, and each step of a line that scrolls on 128 by 32, beside the clock.
pub(crate) fn measure() -> Result<Vec<Measurement>> {
    let size = FrameSize::High;
    let lit = vec![0xff; Frame::new(size).bytes().len()];
    let lit = Frame::from_pages(size.width(), size.height(), &lit).context("a frame of its own size")?;
    let full = steps(size, Glass::HIGH, &[Frame::new(size), lit])?;

    let mut painter = Painter::new(FrameSize::Low);
    let scene = Scene::Idle(Idle {
        device: "front-door".to_owned(),
        chosen: Some(Chosen { label: "Project".to_owned(), item: "Garden".to_owned() }),
        standing: Some("Garden since 09:02, Workshop since 10:40".to_owned()),
        clock: Some("11:47".to_owned()),
        undelivered: 0,
    });
    // Text rests for a second and a half, then it moves by a pixel every 25 ms.
    let views = (0..100).map(|step| View { scene: scene.clone(), shown_for_ms: 1_500 + 25 * step });
    let mut frames: Vec<Frame> = views.map(|view| painter.paint(&view).frame).collect();
    frames.dedup();
    let line = steps(FrameSize::Low, Glass::LOW, &frames)?;
    Ok(vec![Measurement::new("panel_frame_ms", "ms", full), Measurement::new("panel_line_ms", "ms", line)])
}

/// Milliseconds for each frame after the first one.
fn steps(size: FrameSize, glass: Glass, frames: &[Frame]) -> Result<Vec<f64>> {
    let bus = Bus::new();
    bus.attach(ADDRESS, Ssd1306::new(glass));
    let lent = bus.clone();
    let connection = Connection { chip: Chip::Ssd1306(size), address: ADDRESS, is_turned: false };
    let mut driver = Oled::new(connection, move || Ok(lent.clone()));
    let mut steps = Vec::new();
    for frame in frames {
        driver.show(frame)?;
        let micros = u32::try_from(bus.take_traffic().micros_at(HZ))?;
        steps.push(f64::from(micros) / 1_000.0);
    }
    // The first one sets the chip up.
    Ok(steps.split_off(1))
}
