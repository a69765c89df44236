//! The driver against simulated chips: what is seen on the glass is the frame.

use std::sync::{Arc, Mutex};

use embedded_graphics::Drawable;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::{Circle, Line, Primitive, PrimitiveStyle, Rectangle};
use proptest::prelude::*;
use punchcard_chips::{Bus, BusError, Fault, Glass, Sh1106, Ssd1306, Traffic};
use punchcard_core::scene::{Choosing, Chosen, Idle, Scene, View};

use super::*;
use crate::blocks::render_pixels;
use crate::frame::FrameSize;
use crate::painter::Painter;

const ADDRESS: u8 = 0x3c;
const FAST_HZ: u32 = 400_000;

const CHIPS: [Chip; 4] =
    [Chip::Ssd1306(FrameSize::Low), Chip::Ssd1306(FrameSize::High), Chip::Ssd1306(FrameSize::Small), Chip::Sh1106];

const DAY: Appearance = Appearance { contrast: 0x7f, is_dark: false, shift: (0, 0) };

/// A panel on a bus of its own.
struct Bench {
    bus: Bus,
    driver: Box<dyn Driver>,
    glass: On,
}

/// The chip, to look at.
enum On {
    Ssd1306(Arc<Mutex<Ssd1306>>),
    Sh1106(Arc<Mutex<Sh1106>>),
}

impl On {
    fn picture(&self) -> String {
        match self {
            Self::Ssd1306(chip) => chip.lock().unwrap().picture(),
            Self::Sh1106(chip) => chip.lock().unwrap().picture(),
        }
    }

    fn contrast(&self) -> u8 {
        match self {
            Self::Ssd1306(chip) => chip.lock().unwrap().contrast(),
            Self::Sh1106(chip) => chip.lock().unwrap().contrast(),
        }
    }

    fn complaints(&self) -> Vec<String> {
        match self {
            Self::Ssd1306(chip) => chip.lock().unwrap().complaints(),
            Self::Sh1106(chip) => chip.lock().unwrap().complaints(),
        }
    }
}

fn size(chip: Chip) -> FrameSize {
    match chip {
        Chip::Ssd1306(size) => size,
        Chip::Sh1106 => FrameSize::High,
    }
}

fn bench(chip: Chip, is_turned: bool) -> Bench {
    let bus = Bus::new();
    let glass = match chip {
        Chip::Ssd1306(FrameSize::Low) => On::Ssd1306(bus.attach(ADDRESS, Ssd1306::new(Glass::LOW))),
        Chip::Ssd1306(FrameSize::High) => On::Ssd1306(bus.attach(ADDRESS, Ssd1306::new(Glass::HIGH))),
        Chip::Ssd1306(FrameSize::Small) => On::Ssd1306(bus.attach(ADDRESS, Ssd1306::new(Glass::SMALL))),
        Chip::Sh1106 => On::Sh1106(bus.attach(ADDRESS, Sh1106::new())),
    };
    let lent = bus.clone();
    let connection = Connection { chip, address: ADDRESS, is_turned };
    let driver = Box::new(Oled::new(connection, move || Ok(lent.clone())));
    Bench { bus, driver, glass }
}

impl Bench {
    /// Shows it, and looks.
    #[track_caller]
    fn assert_shows(&mut self, frame: &Frame) {
        self.driver.show(frame).unwrap();
        assert_eq!(self.glass.picture(), render_pixels(frame));
        assert_eq!(self.glass.complaints(), Vec::<String>::new());
    }
}

/// A picture without symmetry.
fn drawing(size: FrameSize, step: i32) -> Frame {
    let mut frame = Frame::new(size);
    let thin = PrimitiveStyle::with_stroke(BinaryColor::On, 1);
    let (right, bottom) = (size.width() as i32 - 1, size.height() as i32 - 1);
    let Ok(()) = Line::new(Point::new(0, 0), Point::new(right, bottom)).into_styled(thin).draw(&mut frame);
    let Ok(()) = Circle::new(Point::new(3 + step, 9), 17).into_styled(thin).draw(&mut frame);
    let filled = PrimitiveStyle::with_fill(BinaryColor::On);
    let Ok(()) = Rectangle::new(Point::new(right - 9, 2), Size::new(10, 5)).into_styled(filled).draw(&mut frame);
    frame
}

#[test]
fn what_is_on_the_glass_is_the_frame() {
    for chip in CHIPS {
        let mut bench = bench(chip, false);
        for step in [0, 1, 2, 20, 0] {
            bench.assert_shows(&drawing(size(chip), step));
        }
        bench.assert_shows(&Frame::new(size(chip)));
    }
}

#[test]
fn a_panel_that_is_mounted_upside_down_is_upright() {
    for chip in CHIPS {
        let mut bench = bench(chip, true);
        for step in [0, 5] {
            let frame = drawing(size(chip), step);
            bench.driver.show(&frame).unwrap();
            let seen = bench.glass.picture();
            let turned: String = seen.trim_end().chars().rev().collect::<String>() + "\n";
            assert_eq!(turned, render_pixels(&frame));
            assert_eq!(bench.glass.complaints(), Vec::<String>::new());
        }
    }
}

#[test]
fn after_an_error_anywhere_in_a_frame_the_next_one_is_whole() {
    for chip in CHIPS {
        // In each byte while it is set up, and now and then in its picture.
        for arriving in (0..70).chain((70..1_100).step_by(97)) {
            let mut bench = bench(chip, false);
            let (first, next) = (drawing(size(chip), 0), drawing(size(chip), 30));
            bench.assert_shows(&first);
            bench.bus.fail_after(arriving);
            if bench.driver.show(&next).is_err() {
                assert!(bench.driver.again_after().unwrap() < ASK_EVERY);
            }
            bench.bus.fail_after(usize::MAX);
            // The half of another frame is not taken for this one.
            bench.assert_shows(&first);
            bench.bus.unplug(ADDRESS);
            bench.bus.plug_in(ADDRESS);
            bench.bus.fail_after(arriving);
            drop(bench.driver.show(&next));
            bench.bus.fail_after(usize::MAX);
            bench.assert_shows(&next);
        }
    }
}

#[test]
fn an_unplugged_panel_is_found_again() {
    for chip in CHIPS {
        let mut bench = bench(chip, false);
        bench.assert_shows(&drawing(size(chip), 0));
        bench.bus.unplug(ADDRESS);
        let mut pauses = Vec::new();
        for step in 1..8 {
            let error = bench.driver.show(&drawing(size(chip), step)).unwrap_err();
            let DriverError::Oled(source) = error else { panic!("{error}") };
            assert_eq!(source.downcast_ref(), Some(&BusError::NoAnswer(ADDRESS)));
            pauses.push(bench.driver.again_after().unwrap().as_millis());
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        bench.bus.plug_in(ADDRESS);
        bench.assert_shows(&drawing(size(chip), 9));
        assert_eq!(bench.driver.again_after(), Some(ASK_EVERY));
    }
}

#[test]
fn a_panel_that_lost_its_power_between_two_frames_is_set_up_anew() {
    for chip in CHIPS {
        let mut bench = bench(chip, false);
        let frame = drawing(size(chip), 0);
        bench.assert_shows(&frame);
        bench.bus.unplug(ADDRESS);
        bench.bus.plug_in(ADDRESS);
        assert_ne!(bench.glass.picture(), render_pixels(&frame));
        bench.assert_shows(&frame);
    }
}

#[test]
fn asking_whether_it_is_there_takes_two_bytes() {
    let chip = Chip::Ssd1306(FrameSize::High);
    let mut told = bench(chip, false);
    let mut clone = bench(chip, false);
    let On::Ssd1306(chip) = &clone.glass else { panic!("an SSD1306") };
    // What some clones answer, whatever they are asked.
    chip.lock().unwrap().set_status(0xff);
    for bench in [&mut told, &mut clone] {
        let frame = drawing(FrameSize::High, 0);
        bench.assert_shows(&frame);
        bench.bus.take_traffic();
        bench.assert_shows(&frame);
        let traffic = bench.bus.take_traffic();
        assert!(traffic.bytes <= 3, "{traffic:?}");
    }
}

#[test]
fn whatever_is_wrong_with_the_bus_passes() {
    for chip in CHIPS {
        let mut bench = bench(chip, false);
        for fault in [Fault::NoAnswer, Fault::TimesOut, Fault::StuckLow, Fault::Gone] {
            bench.bus.set_fault(Some(fault));
            assert!(bench.driver.show(&drawing(size(chip), 0)).is_err());
            bench.bus.set_fault(None);
            bench.assert_shows(&drawing(size(chip), 3));
        }
    }
}

#[test]
fn a_bus_that_is_not_there_is_opened_later() {
    let bus = Bus::new();
    let chip = bus.attach(ADDRESS, Ssd1306::new(Glass::LOW));
    let connection = Connection { chip: Chip::Ssd1306(FrameSize::Low), address: ADDRESS, is_turned: false };
    let mut opened = [Err("no such bus"), Err("no such bus"), Ok(bus)].into_iter();
    let mut driver = Oled::new(connection, move || Ok(opened.next().unwrap()?));
    let frame = drawing(FrameSize::Low, 0);
    for _ in 0..2 {
        let error = driver.show(&frame).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "no such bus");
    }
    driver.show(&frame).unwrap();
    assert_eq!(chip.lock().unwrap().picture(), render_pixels(&frame));
}

#[test]
fn a_panel_looks_as_it_is_told_to() {
    for chip in CHIPS {
        let mut bench = bench(chip, false);
        let frame = drawing(size(chip), 0);
        let dark = render_pixels(&Frame::new(size(chip)));
        bench.driver.set_appearance(Appearance { contrast: 9, ..DAY });
        bench.assert_shows(&frame);
        assert_eq!(bench.glass.contrast(), 9);
        for contrast in [200, 0, 0] {
            bench.driver.set_appearance(Appearance { contrast, ..DAY });
            bench.assert_shows(&frame);
            assert_eq!(bench.glass.contrast(), contrast);
        }
        bench.driver.set_appearance(Appearance { shift: (1, 1), ..DAY });
        bench.driver.show(&frame).unwrap();
        assert_eq!(bench.glass.picture(), render_pixels(&frame.shifted((1, 1))));
        for _ in 0..2 {
            bench.driver.set_appearance(Appearance { is_dark: true, ..DAY });
            bench.driver.show(&drawing(size(chip), 7)).unwrap();
            assert_eq!(bench.glass.picture(), dark);
        }
        // It may lose its power meanwhile, and stays dark.
        bench.bus.unplug(ADDRESS);
        assert!(bench.driver.show(&frame).is_err());
        bench.bus.plug_in(ADDRESS);
        bench.driver.show(&frame).unwrap();
        assert_eq!(bench.glass.picture(), dark);
        bench.driver.set_appearance(DAY);
        bench.assert_shows(&frame);
    }
}

#[test]
fn a_panel_that_is_given_back_is_dark() {
    for chip in CHIPS {
        let mut bench = bench(chip, false);
        bench.assert_shows(&drawing(size(chip), 0));
        drop(bench.driver);
        assert_eq!(bench.glass.picture(), render_pixels(&Frame::new(size(chip))));
    }
}

#[test]
fn the_pause_grows_up_to_some_seconds() {
    for (failures, ms) in [(1, 500), (2, 1_000), (5, 8_000), (6, 8_000), (33, 8_000), (u32::MAX, 8_000)] {
        assert_eq!(plan_pause(failures), Duration::from_millis(ms), "{failures}");
    }
}

/// What the bus carries for a frame after another, without what is sent to find the chip.
fn traffic(bench: &mut Bench, before: &Frame, after: &Frame) -> Traffic {
    bench.assert_shows(before);
    bench.bus.take_traffic();
    bench.assert_shows(after);
    bench.bus.take_traffic()
}

#[test]
fn a_frame_takes_no_longer_than_it_may() {
    let full = |size: FrameSize, byte| {
        let bytes = vec![byte; Frame::new(size).bytes().len()];
        Frame::from_pages(size.width(), size.height(), &bytes).unwrap()
    };
    let table = [
        (Chip::Ssd1306(FrameSize::High), 30_000),
        (Chip::Sh1106, 30_000),
        (Chip::Ssd1306(FrameSize::Low), 15_000),
        (Chip::Ssd1306(FrameSize::Small), 10_000),
    ];
    for (chip, most_micros) in table {
        let traffic = traffic(&mut bench(chip, false), &full(size(chip), 0), &full(size(chip), 0xff));
        let micros = traffic.micros_at(FAST_HZ);
        println!("{chip:?}: {micros} µs");
        assert!(micros <= most_micros, "{chip:?}: {micros} µs");
    }
}

/// Lines that scroll, the longest that there are.
fn scrolling() -> [(&'static str, Scene); 4] {
    let idle = Idle {
        device: "front-door".to_owned(),
        chosen: Some(Chosen { label: "Project".to_owned(), item: "Garden".to_owned() }),
        standing: Some("Garden since 09:02, Workshop since 10:40, pqyj".to_owned()),
        clock: Some("11:47".to_owned()),
        undelivered: 0,
    };
    let item = "Buildings and grounds, by quality".to_owned();
    let chosen = Some(Chosen { label: "Project".to_owned(), item: item.clone() });
    [
        ("a small line beside the clock", Scene::Idle(idle.clone())),
        ("a small line", Scene::Idle(Idle { clock: None, ..idle.clone() })),
        ("a large line", Scene::Idle(Idle { chosen, standing: None, ..idle })),
        ("a choice", Scene::Choosing(Choosing { label: "Project".to_owned(), item, index: 1, count: 3 })),
    ]
}

/// A line moves every 25 ms. In 5 ms 222 bytes go over the bus. A line over the whole width stands on two pages or three and
/// may change more in a step, whatever the driver leaves out.
#[test]
fn a_line_that_scrolls_takes_no_longer_than_it_may() {
    const MOST_MICROS: u64 = 6_200;
    // What a device with one line shows for most of its life.
    let usual = ("a small line beside the clock", Chip::Ssd1306(FrameSize::Low), 5_000);
    for (name, scene) in scrolling() {
        for chip in CHIPS {
            let mut bench = bench(chip, false);
            let mut painter = Painter::new(size(chip));
            let mut paint = |shown_for_ms| painter.paint(&View { scene: scene.clone(), shown_for_ms }).frame;
            let mut before = paint(1_500);
            bench.assert_shows(&before);
            let mut steps = Vec::new();
            for step in 1..150 {
                let frame = paint(1_500 + 25 * step);
                bench.bus.take_traffic();
                bench.driver.show(&frame).unwrap();
                if frame != before {
                    steps.push(bench.bus.take_traffic().micros_at(FAST_HZ));
                }
                before = frame;
            }
            let slowest = steps.iter().copied().max().unwrap();
            let average = steps.iter().sum::<u64>() / u64::try_from(steps.len()).unwrap();
            println!("{name} on {chip:?}: {average} µs, at most {slowest} µs");
            let most = if (name, chip) == (usual.0, usual.1) { usual.2 } else { MOST_MICROS };
            assert!(slowest <= most, "{name} on {chip:?}: {slowest} µs");
        }
    }
}

/// Something that happens to a panel.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Frame(i32),
    FailAfter(usize),
    PowerLoss,
    Look { contrast: u8, is_dark: bool, right: u32 },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..60).prop_map(Happening::Frame),
        2 => (0_usize..600).prop_map(Happening::FailAfter),
        1 => Just(Happening::PowerLoss),
        1 => (any::<u8>(), any::<bool>(), 0_u32..2)
            .prop_map(|(contrast, is_dark, right)| Happening::Look { contrast, is_dark, right }),
    ]
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(40))]
    #[test]
    fn whenever_a_frame_was_shown_it_is_on_the_glass(
        which in 0..CHIPS.len(),
        happenings in proptest::collection::vec(happening(), 1..25),
    ) {
        let chip = CHIPS[which];
        let mut bench = bench(chip, false);
        let (mut frame, mut look) = (drawing(size(chip), 0), DAY);
        for happening in happenings {
            match happening {
                Happening::Frame(step) => frame = drawing(size(chip), step),
                Happening::FailAfter(bytes) => bench.bus.fail_after(bytes),
                Happening::PowerLoss => {
                    bench.bus.unplug(ADDRESS);
                    bench.bus.plug_in(ADDRESS);
                }
                Happening::Look { contrast, is_dark, right } => {
                    look = Appearance { contrast, is_dark, shift: (right, 0) };
                    bench.driver.set_appearance(look);
                }
            }
            if bench.driver.show(&frame).is_ok() {
                let seen = if look.is_dark { Frame::new(size(chip)) } else { frame.shifted(look.shift) };
                prop_assert_eq!(bench.glass.picture(), render_pixels(&seen));
                if !look.is_dark {
                    prop_assert_eq!(bench.glass.contrast(), look.contrast);
                }
            }
        }
    }
}
