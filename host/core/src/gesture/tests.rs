use proptest::prelude::*;

use super::*;
use crate::config::parse_what_is_valid;
use crate::input::Motion::{Down, Repeat, Stroke, Tap, Up};
use crate::name::InputName;

/// The times at which a script of motions makes presses.
fn presses(script: &[(u64, Motion)]) -> Vec<u64> {
    let mut button = Button::new(Timing::default());
    script.iter().filter(|(at, motion)| button.press(*motion, *at)).map(|(at, _)| *at).collect()
}

#[test]
fn a_script_of_motions_makes_these_presses() {
    type Case = (&'static str, &'static [(u64, Motion)], &'static [u64]);
    let table: [Case; 14] = [
        ("one press", &[(0, Down), (90, Up)], &[0]),
        ("two presses", &[(0, Down), (90, Up), (200, Down), (280, Up)], &[0, 200]),
        ("bounces when it goes down", &[(0, Down), (1, Up), (3, Down), (4, Up), (7, Down), (99, Up)], &[0]),
        ("bounces when it goes up", &[(0, Down), (90, Up), (92, Down), (95, Up), (400, Down)], &[0, 400]),
        ("bounces when it goes down, read late", &[(0, Down), (90, Up), (300, Up), (302, Down), (400, Up)], &[0, 302]),
        ("bounces for long when it goes up", &[(0, Down), (90, Up), (120, Up), (150, Up), (180, Down)], &[0]),
        ("a shaky contact while held", &[(0, Down), (500, Up), (503, Down), (900, Up)], &[0]),
        ("held, with repeats", &[(0, Down), (500, Repeat), (530, Repeat), (560, Repeat), (570, Up)], &[0]),
        ("the release was lost", &[(0, Down), (900, Down), (950, Up), (1_100, Down)], &[0, 1_100]),
        ("the beginning was lost", &[(0, Repeat), (500, Down), (600, Up), (700, Down)], &[700]),
        ("exactly the window", &[(0, Down), (10, Up), (50, Down), (60, Up), (99, Down)], &[0, 50]),
        ("strokes of a held key", &[(0, Stroke), (660, Stroke), (690, Stroke), (720, Stroke)], &[0]),
        ("strokes of two presses", &[(0, Stroke), (699, Stroke), (1_399, Stroke)], &[0, 1_399]),
        ("a script's taps", &[(0, Tap), (0, Tap), (1, Tap)], &[0, 0, 1]),
    ];
    for (name, script, expected) in table {
        assert_eq!(presses(script), expected, "{name}");
    }
}

#[test]
fn a_clock_that_steps_back_makes_no_press() {
    assert_eq!(presses(&[(1_000, Stroke), (0, Stroke), (700, Stroke)]), [1_000, 700]);
}

#[test]
fn a_held_arrow_goes_on_turning_and_a_bouncing_one_does_not() {
    let mut button = Button::default();
    let script = [(0, Down), (2, Up), (4, Down), (500, Repeat), (530, Repeat), (540, Up), (600, Stroke), (610, Tap)];
    let turns: Vec<u64> = script.iter().filter(|(at, motion)| button.turn(*motion, *at)).map(|(at, _)| *at).collect();
    assert_eq!(turns, [0, 500, 530, 600, 610]);
}

/// The recognizer of an input that plugins.toml describes.
fn recognizer(input: &str) -> Recognizer {
    let text = format!("[choices.project]\nlabel = \"Project\"\nitems = [\"a\", \"b\"]\n[inputs.x]\n{input}\n");
    let (configuration, _) = parse_what_is_valid(&text);
    Recognizer::new(&configuration.inputs[&InputName::parse("x").unwrap()])
}

#[test]
fn a_worn_contact_bounces_for_as_long_as_plugins_toml_says() {
    let mut worn = recognizer("driver = \"gpio\"\nline = 17\ndebounce-ms = 200\npress.event = \"e\"");
    let script = [(Down, 0), (Up, 60), (Down, 120), (Up, 300), (Down, 501)];
    let presses: Vec<u64> =
        script.into_iter().filter(|(motion, at_ms)| worn.edge(*motion, *at_ms).is_some()).map(|(_, at)| at).collect();
    assert_eq!(presses, [0, 501]);
}

#[test]
fn an_input_means_what_plugins_toml_says_in_the_direction_that_it_says() {
    let press = "driver = \"keyboard\"\nkey = \"p\"\npress = { event = \"punch\" }";
    let mut press = recognizer(press);
    assert_eq!(press.edge(Down, 0), Some(Gesture::Press));
    assert_eq!(press.edge(Repeat, 500), None);
    assert_eq!(press.turn(1), None, "a button has no detents");

    for (step, forward) in [(1, 1), (-1, -1)] {
        let turn = format!("turn = {{ choice = \"project\", step = {step} }}");
        let mut key = recognizer(&format!("driver = \"keyboard\"\nkey = \"t\"\n{turn}"));
        assert_eq!(key.edge(Down, 0), Some(Gesture::Turn(forward)));
        assert_eq!(key.edge(Repeat, 500), Some(Gesture::Turn(forward)), "held, it goes on turning");
        assert_eq!(key.edge(Up, 600), None);

        let encoder = recognizer(&format!("driver = \"encoder\"\nlines = [5, 6]\n{turn}"));
        for (detents, expected) in [(0, None), (1, Some(forward)), (-3, Some(-3 * forward))] {
            assert_eq!(encoder.turn(detents), expected.map(Gesture::Turn), "{detents} detents");
        }
    }
}

#[test]
fn the_debounce_of_plugins_toml_tells_a_held_key_from_two_presses() {
    let press = "driver = \"keyboard\"\nkey = \"p\"\npress = { event = \"punch\" }";
    for (setting, hold_ms) in [("", 700), ("debounce-ms = 100", 100)] {
        let mut key = recognizer(&format!("{press}\n{setting}"));
        let presses = [0, hold_ms - 1, 2 * hold_ms - 1].map(|at_ms| key.edge(Stroke, at_ms));
        assert_eq!(presses, [Some(Gesture::Press), None, Some(Gesture::Press)], "{setting}");
    }
}

/// A person's press: the rest before it, how long it is held, the bounces at both ends, and whether the kernel reads each
/// level only after the next edge of a bounce.
#[derive(Debug, Clone)]
struct Held {
    rest_ms: u64,
    held_ms: u64,
    bounces_down: Vec<u64>,
    bounces_up: Vec<u64>,
    is_read_late: bool,
}

fn held() -> impl Strategy<Value = Held> {
    let bounces = || prop::collection::vec(0_u64..40, 0..4);
    let parts = (40_u64..3_000, 40_u64..3_000, bounces(), bounces(), any::<bool>());
    parts.prop_map(|(rest_ms, held_ms, bounces_down, bounces_up, is_read_late)| Held {
        rest_ms,
        held_ms,
        bounces_down,
        bounces_up,
        is_read_late,
    })
}

/// What a script of motions means, each gesture with the time at which it is known.
fn gestures(recognizer: &mut Recognizer, script: &[(u64, Motion)], until_ms: u64) -> Vec<(u64, Gesture)> {
    let mut found = Vec::new();
    let wait = |recognizer: &mut Recognizer, until_ms: u64, found: &mut Vec<_>| {
        while let Some(due_ms) = recognizer.due_ms().filter(|due_ms| *due_ms <= until_ms) {
            found.extend(recognizer.elapse(due_ms).map(|gesture| (due_ms, gesture)));
        }
    };
    for (at_ms, motion) in script {
        wait(recognizer, *at_ms, &mut found);
        found.extend(recognizer.edge(*motion, *at_ms).map(|gesture| (*at_ms, gesture)));
    }
    wait(recognizer, until_ms, &mut found);
    found
}

const LONG: &str = "long-press = { event = \"long\", after-ms = 800 }";
const DOUBLE: &str = "double-press = { event = \"double\", within-ms = 400 }";

fn timed(keys: &[&str]) -> Recognizer {
    recognizer(&format!("driver = \"gpio\"\nline = 17\npress.event = \"e\"\n{}", keys.join("\n")))
}

#[test]
fn time_tells_a_press_from_a_long_and_a_double_one() {
    use Gesture::{DoublePress, LongPress, Press};
    type Case = (&'static str, &'static [&'static str], &'static [(u64, Motion)], &'static [(u64, Gesture)]);
    let table: &[Case] = &[
        ("a press", &[LONG], &[(0, Down), (90, Up)], &[(120, Press)]),
        ("held just too short", &[LONG], &[(0, Down), (799, Up)], &[(829, Press)]),
        ("held", &[LONG], &[(0, Down), (2_000, Up)], &[(800, LongPress)]),
        (
            "held, and its contact bounces",
            &[LONG],
            &[(0, Down), (1, Up), (9, Down), (900, Up), (903, Down), (905, Up)],
            &[(800, LongPress)],
        ),
        ("shaky when its time comes", &[LONG], &[(0, Down), (790, Up), (810, Down), (900, Up)], &[(800, LongPress)]),
        ("let go while it bounces", &[LONG], &[(0, Down), (805, Up)], &[(800, LongPress)]),
        (
            "two presses that are no double one",
            &[LONG],
            &[(0, Down), (90, Up), (200, Down), (290, Up)],
            &[(120, Press), (320, Press)],
        ),
        ("one press", &[DOUBLE], &[(0, Down), (90, Up)], &[(490, Press)]),
        ("held without a meaning", &[DOUBLE], &[(0, Down), (5_000, Up)], &[(5_400, Press)]),
        ("two", &[DOUBLE], &[(0, Down), (90, Up), (200, Down), (290, Up)], &[(200, DoublePress)]),
        (
            "two, too far apart",
            &[DOUBLE],
            &[(0, Down), (90, Up), (490, Down), (550, Up)],
            &[(490, Press), (950, Press)],
        ),
        (
            "three",
            &[DOUBLE],
            &[(0, Down), (90, Up), (200, Down), (290, Up), (400, Down), (450, Up)],
            &[(200, DoublePress), (850, Press)],
        ),
        (
            "a double one that is held",
            &[LONG, DOUBLE],
            &[(0, Down), (90, Up), (200, Down), (2_000, Up)],
            &[(200, DoublePress)],
        ),
        (
            "a press, then a held one",
            &[LONG, DOUBLE],
            &[(0, Down), (90, Up), (600, Down), (2_000, Up)],
            &[(490, Press), (1_400, LongPress)],
        ),
    ];
    for (name, keys, script, expected) in table {
        assert_eq!(gestures(&mut timed(keys), script, 20_000), *expected, "{name}");
    }
}

#[test]
fn a_press_that_was_let_go_is_one_at_the_end_and_one_that_is_held_is_none() {
    let end = |keys: &[&str], script: &[(u64, Motion)]| {
        let mut recognizer = timed(keys);
        assert_eq!(gestures(&mut recognizer, script, 0), []);
        (recognizer.finish(), recognizer.due_ms())
    };
    assert_eq!(end(&[LONG], &[(0, Down), (90, Up)]), (Some(Gesture::Press), None));
    assert_eq!(end(&[LONG], &[(0, Down)]), (None, None));
    assert_eq!(end(&[DOUBLE], &[]), (None, None));
    assert_eq!(recognizer("driver = \"gpio\"\nline = 17\npress.event = \"e\"").finish(), None);
}

proptest! {
    #[test]
    fn a_bouncing_contact_gives_as_many_presses_as_the_person_made(script in prop::collection::vec(held(), 0..8)) {
        let mut button = Button::default();
        let (mut now, mut model, mut found) = (0, Vec::new(), Vec::new());
        for press in script {
            now += press.rest_ms;
            let mut edge = |now, motion| if button.press(motion, now) { found.push(now) };
            // The level is read when it is that of the next edge already.
            let (read_up, read_down) = if press.is_read_late { (Down, Up) } else { (Up, Down) };
            if press.is_read_late {
                edge(now, Up);
                now += 1;
            }
            model.push(now);
            edge(now, Down);
            for gap in press.bounces_down {
                edge(now + gap, read_up);
                now += gap + gap;
                edge(now, Down);
            }
            now += press.held_ms;
            edge(now, Up);
            for gap in press.bounces_up {
                edge(now + gap, read_down);
                now += gap + gap;
                edge(now, Up);
            }
        }
        prop_assert_eq!(found, model);
    }

    /// Contacts that bounce for less than the debounce time mean what contacts without bounces mean, where no time is so
    /// close to a limit that the bounces decide.
    #[test]
    fn bounces_change_no_gesture(
        presses in prop::collection::vec((prop_oneof![100_u64..300, 500_u64..1_500], prop_oneof![100_u64..700, 900_u64..1_500], prop::collection::vec(1_u64..14, 0..4)), 1..8),
        (has_long, has_double) in (any::<bool>(), any::<bool>()),
    ) {
        let keys: Vec<&str> = [has_long.then_some(LONG), has_double.then_some(DOUBLE)].into_iter().flatten().collect();
        let (mut clean, mut bouncing, mut now) = (Vec::new(), Vec::new(), 0);
        for (rests_ms, held_ms, bounces) in presses {
            now += rests_ms;
            for (at_ms, motion, other) in [(now, Down, Up), (now + held_ms, Up, Down)] {
                clean.push((at_ms, motion));
                bouncing.push((at_ms, motion));
                for (bounce, gap) in bounces.iter().enumerate() {
                    let at_ms = at_ms + 14 * u64::try_from(bounce).unwrap();
                    bouncing.extend([(at_ms + 1, other), (at_ms + gap, motion)]);
                }
            }
            now += held_ms;
        }
        let kinds = |script: &[(u64, Motion)]| -> Vec<Gesture> {
            gestures(&mut timed(&keys), script, u64::MAX).into_iter().map(|(_, gesture)| gesture).collect()
        };
        prop_assert_eq!(kinds(&bouncing), kinds(&clean));
    }

    #[test]
    fn a_train_of_strokes_is_one_press_for_each_gap_of_a_window(gaps in prop::collection::vec(0_u64..1_500, 0..40)) {
        let mut button = Button::default();
        let (mut now, mut model, mut found) = (0, 0, 0);
        for (index, gap) in gaps.into_iter().enumerate() {
            now += gap;
            model += u32::from(index == 0 || gap >= 700);
            found += u32::from(button.press(Stroke, now));
        }
        prop_assert_eq!(found, model);
    }
}
