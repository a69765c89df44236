//! Every scene in all sizes, as pictures.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_hal::i2c::{ErrorType, I2c, Operation};
use punchcard_core::plugin::Problem;
use punchcard_core::scene::{Choosing, Chosen, Idle, Scene, SignIn, View, reading_for_ms};
use ssd1306::mode::{BufferedGraphicsMode, DisplayConfig};
use ssd1306::prelude::{DisplayRotation, I2CInterface};
use ssd1306::size::{DisplaySize, DisplaySize72x40, DisplaySize128x32, DisplaySize128x64};
use ssd1306::{I2CDisplayInterface, Ssd1306};

use super::{Painter, Painting};
use crate::blocks::{render_ascii_halves, render_ascii_quadrants, render_half_block_quadrants, render_half_blocks};
use crate::frame::FrameSize;

fn sign_in() -> SignIn {
    SignIn {
        user_code: "GQVQ-JKEC".to_owned(),
        url: "https://www.google.com/device".to_owned(),
        complete_url: None,
        purpose: "keep its own files in your Drive".to_owned(),
        seconds_left: 1_799,
    }
}

fn idle() -> Idle {
    Idle {
        device: "front-door".to_owned(),
        chosen: Some(Chosen { label: "Project".to_owned(), item: "Workshop".to_owned() }),
        standing: Some("Garden since 09:02".to_owned()),
        clock: Some("11:47".to_owned()),
        undelivered: 0,
    }
}

fn choosing(item: &str, index: usize, count: usize) -> Scene {
    Scene::Choosing(Choosing { label: "Project".to_owned(), item: item.to_owned(), index, count })
}

/// Every scene that looks different from the others, with a name.
fn gallery() -> Vec<(&'static str, Scene)> {
    let deleted = Problem {
        headline: "sheet was deleted".to_owned(),
        advice: "Somebody deleted the sheet. To make another: punchcard sinks create-anew timesheet".to_owned(),
    };
    let long_code = SignIn { user_code: "W".repeat(15), ..sign_in() };
    let no_room = SignIn {
        url: format!("https://login.example.org/{}", "x".repeat(300)),
        complete_url: Some("y".repeat(3_000)),
        ..sign_in()
    };
    vec![
        ("starting", Scene::Starting { device: "front-door".to_owned() }),
        ("sign_in", Scene::SignIn(sign_in())),
        ("sign_in_long_code", Scene::SignIn(long_code)),
        ("sign_in_without_room", Scene::SignIn(no_room)),
        ("idle", Scene::Idle(idle())),
        ("idle_waiting", Scene::Idle(Idle { undelivered: 12, ..idle() })),
        ("idle_without_choice", Scene::Idle(Idle { chosen: None, ..idle() })),
        ("idle_new", Scene::Idle(Idle { chosen: None, standing: None, clock: None, ..idle() })),
        ("choosing", choosing("Garden", 1, 3)),
        ("choosing_long", choosing("Buildings and grounds", 2, 3)),
        ("saving", Scene::Saving),
        ("recorded", Scene::Recorded { notice: None }),
        ("recorded_notice", Scene::Recorded { notice: Some("Garden: started".to_owned()) }),
        ("delivered", Scene::Delivered { undelivered: 0 }),
        ("delivered_waiting", Scene::Delivered { undelivered: 12 }),
        ("problem", Scene::Problem(deleted)),
        (
            "problem_short",
            Scene::Problem(Problem { headline: "card is full".to_owned(), advice: "Not recorded".to_owned() }),
        ),
    ]
}

fn paint(size: FrameSize, scene: &Scene, shown_for_ms: u64) -> Painting {
    Painter::new(size).paint(&View { scene: scene.clone(), shown_for_ms })
}

fn assert_gallery(size: FrameSize, name: &str) {
    for (scene_name, scene) in gallery() {
        insta::assert_snapshot!(format!("{name}_{scene_name}"), render_half_blocks(&paint(size, &scene, 0).frame));
    }
}

#[test]
fn every_scene_on_the_low_panel() {
    assert_gallery(FrameSize::Low, "low");
}

#[test]
fn every_scene_on_the_high_panel() {
    assert_gallery(FrameSize::High, "high");
}

#[test]
fn every_scene_on_the_small_panel() {
    assert_gallery(FrameSize::Small, "small");
}

#[test]
fn a_scene_on_a_console_can_be_read() {
    let frame = paint(FrameSize::Low, &Scene::Idle(idle()), 0).frame;
    let pictures = [render_half_block_quadrants(&frame), render_ascii_quadrants(&frame), render_ascii_halves(&frame)];
    insta::assert_snapshot!(pictures.join("\n"));
}

#[test]
fn scenes_that_move_say_when_and_others_stand_still() {
    for (name, scene) in gallery() {
        for size in FrameSize::ALL {
            let mut painter = Painter::new(size);
            let mut paint = |shown_for_ms| painter.paint(&View { scene: scene.clone(), shown_for_ms });
            let mut now = 0;
            for _ in 0..20 {
                let painting = paint(now);
                let Some(moves_in_ms) = painting.moves_in_ms else {
                    assert!(!["starting", "saving"].contains(&name), "{name} moves");
                    assert_eq!(paint(now + 60_000).frame, painting.frame, "{name}");
                    break;
                };
                assert_eq!(paint(now + moves_in_ms - 1).frame, painting.frame, "{name} at {now}");
                now += moves_in_ms;
            }
        }
    }
}

#[test]
fn an_advice_is_read_to_its_end_within_its_turn() {
    let words = "Somebody deleted it, so make another or take it out of the trash of the Drive. ".repeat(4);
    for length in [10, 40, 100, 300] {
        let scene = Scene::Problem(Problem { headline: String::new(), advice: words[..length].to_owned() });
        for size in FrameSize::ALL {
            // The last thing that moves before the turn is over is the text back to its start: its end has been seen.
            let first = paint(size, &scene, 0);
            let turn_ms = reading_for_ms(&words[..length]);
            let started_again =
                (0..turn_ms).step_by(500).skip(6).any(|now| paint(size, &scene, now).frame == first.frame);
            assert!(started_again, "{length} characters");
        }
    }
}

#[test]
fn a_painter_remembers_a_qr_code_only_for_its_addresses() {
    let mut painter = Painter::new(FrameSize::High);
    let other = SignIn { url: "https://other.example/device".to_owned(), ..sign_in() };
    let complete = SignIn { complete_url: Some("https://other.example/?c=1".to_owned()), ..other.clone() };
    for sign_in in [sign_in(), other, complete, sign_in()] {
        let scene = Scene::SignIn(sign_in);
        let view = View { scene: scene.clone(), shown_for_ms: 0 };
        assert_eq!(painter.paint(&view), paint(FrameSize::High, &scene, 0));
    }
}

/// An I2C bus with an SSD1306 on it that keeps what it is sent as data.
#[derive(Clone, Default)]
struct Bus {
    data: Rc<RefCell<Vec<u8>>>,
}

impl ErrorType for Bus {
    type Error = Infallible;
}

impl I2c for Bus {
    fn transaction(&mut self, _address: u8, operations: &mut [Operation<'_>]) -> Result<(), Infallible> {
        for operation in operations {
            // Data sheet, section 8.1.5.2: 0x40 is the control byte before data, 0x00 the one before commands.
            if let Operation::Write([0x40, data @ ..]) = operation {
                self.data.borrow_mut().extend_from_slice(data);
            }
        }
        Ok(())
    }
}

type Chip<S> = Ssd1306<I2CInterface<Bus>, S, BufferedGraphicsMode<S>>;

fn chip<S: DisplaySize>(size: S) -> (Bus, Chip<S>) {
    let bus = Bus::default();
    let mut chip = Ssd1306::new(I2CDisplayInterface::new(bus.clone()), size, DisplayRotation::Rotate0)
        .into_buffered_graphics_mode();
    chip.init().unwrap();
    (bus, chip)
}

fn assert_chip_agrees<S: DisplaySize>(size: FrameSize, display: impl Fn() -> S) {
    for (name, scene) in gallery() {
        let (bus, mut chip) = chip(display());
        let view = View { scene: scene.clone(), shown_for_ms: 2_345 };
        Painter::new(size).paint_on(&mut chip, &view).unwrap();
        chip.flush().unwrap();
        assert_eq!(*bus.data.borrow(), paint(size, &scene, 2_345).frame.bytes(), "{name}");
    }
}

#[test]
fn a_frame_is_what_the_chip_is_sent() {
    assert_chip_agrees(FrameSize::Low, || DisplaySize128x32);
    assert_chip_agrees(FrameSize::High, || DisplaySize128x64);
    assert_chip_agrees(FrameSize::Small, || DisplaySize72x40);
}

#[test]
fn a_frame_drawn_outside_is_what_the_chip_is_sent() {
    use embedded_graphics::pixelcolor::BinaryColor::{Off, On};
    let pixels = [(-1, 5, On), (128, 5, On), (5, 32, On), (7, 31, On), (7, 31, Off), (127, 31, On), (0, 0, On)]
        .map(|(x, y, color)| embedded_graphics::Pixel(Point::new(x, y), color));
    let (bus, mut chip) = chip(DisplaySize128x32);
    chip.draw_iter(pixels).unwrap();
    chip.flush().unwrap();
    let mut frame = crate::Frame::new(FrameSize::Low);
    let Ok(()) = frame.draw_iter(pixels);
    assert_eq!(*bus.data.borrow(), frame.bytes());
}
