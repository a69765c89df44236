//! Presses on their way to a ledger.

use std::time::Duration;

use punchcard_core::badge::{BadgeRead, UnreadReason};
use punchcard_core::config::parse_what_is_valid;
use punchcard_core::scene::Scene;

use super::*;
use crate::app::fixture::Fixture;

const CONFIGURATION: &str = r#"
[device]
name = "bench"
time-zone = "Australia/Brisbane"

[inputs.left]
driver = "keyboard"
key = "l"
press = { event = "punch" }

[inputs.right]
driver = "keyboard"
key = "r"
press = { event = "punch" }

[inputs.counter]
driver = "keyboard"
key = "c"
press = { event = "pulse", share-commit-ms = 60_000 }

[inputs.door]
driver = "gpio"
line = 17
press = { event = "in" }
long-press = { event = "out", after-ms = 200 }
double-press = { event = "lunch", within-ms = 200 }
"#;

/// What hands reach, and what it stands on.
async fn intake() -> (Intake, Fixture) {
    let (configuration, _) = parse_what_is_valid(CONFIGURATION);
    assert_eq!(configuration.inputs.len(), 4);
    let fixture = Fixture::new();
    let Fixture { clock, ledger, display, troubles, time, .. } = &fixture;
    let (clock, ledger, display) = (clock.clone(), ledger.clone(), display.clone());
    let intake = Intake::new(&configuration, ledger, clock, time.clone(), display, troubles.clone(), no_lists()).await;
    (intake, fixture)
}

/// Nobody fetches lists.
fn no_lists() -> watch::Receiver<Lists> {
    watch::channel(Lists::new()).1
}

fn edge(input: &str, motion: Motion, at_ms: u64) -> Edge {
    Edge { input: InputName::parse(input).unwrap(), motion, at_ms }
}

fn tap(input: &str) -> Message {
    Message::Edge(edge(input, Motion::Tap, 0))
}

async fn recorded(ledger: &Ledger) -> Vec<String> {
    ledger
        .events(None, 100)
        .await
        .unwrap()
        .events
        .into_iter()
        .map(|listed| listed.event.happened.source.to_string())
        .collect()
}

/// A configuration in force that stays as it is.
fn unchanging() -> watch::Receiver<Arc<Parts>> {
    watch::channel(Arc::new(Parts::none_yet(Arc::default()))).1
}

#[tokio::test]
async fn presses_that_were_taken_before_the_end_are_recorded() {
    let (intake, _fixture) = intake().await;
    let ledger = intake.ledger.clone();
    let (sender, pressed) = mpsc::channel(64);
    for input in ["left", "right", "left", "left"] {
        sender.send(tap(input)).await.unwrap();
    }
    sender.send(Message::Quit).await.unwrap();
    // Read before the inputs were closed.
    sender.send(tap("right")).await.unwrap();
    intake.run(pressed, unchanging()).await;
    assert_eq!(recorded(&ledger).await, ["left", "right", "left", "left", "right"]);
}

#[tokio::test]
async fn a_second_press_is_none_while_the_first_is_saved_or_waits_its_turn() {
    let (mut intake, _fixture) = intake().await;
    let mut waiting = Waiting::new();
    let mut at_ms = 0;
    let mut press = |intake: &mut Intake, input: &str, saving: Option<&InputName>, waiting: &Waiting| {
        at_ms += 10_000;
        assert!(intake.edge(&edge(input, Motion::Up, at_ms), saving, waiting).is_empty());
        intake.edge(&edge(input, Motion::Down, at_ms + 5_000), saving, waiting).into_iter().next()
    };
    let left = press(&mut intake, "left", None, &waiting).expect("a press").input;
    assert!(press(&mut intake, "left", Some(&left), &waiting).is_none(), "it is being saved");
    waiting.extend(press(&mut intake, "right", Some(&left), &waiting));
    assert_eq!(waiting.len(), 1, "another input waits its turn");
    assert!(press(&mut intake, "right", Some(&left), &waiting).is_none(), "it waits to be saved");
    assert!(press(&mut intake, "left", None, &waiting).is_some(), "it was saved");
    let script = intake.edge(&edge("right", Motion::Tap, 0), None, &waiting);
    assert_eq!(script.len(), 1, "a script means what it writes");
}

#[tokio::test]
async fn a_press_that_is_not_taken_is_said_on_the_panel() {
    let (intake, _fixture) = intake().await;
    intake.refuse(&InputName::parse("left").unwrap(), "press again");
    let shown = intake.display.note(|panel, now_ms| punchcard_core::scene::plan_scene(panel, now_ms).scene);
    assert!(matches!(&shown, Scene::Problem(problem) if problem.headline == "NOT recorded"), "{shown:?}");
}

#[tokio::test]
async fn that_presses_are_not_recorded_is_said_until_one_is() {
    let (mut intake, _fixture) = intake().await;
    let left = InputName::parse("left").unwrap();
    let problems = |intake: &Intake| intake.troubles.report().into_iter().map(|report| report.problem.headline);
    let result = Err(AcceptError::TooLarge { bytes: 1 });
    intake.tell(&Accepted { input: left.clone(), result, badge: None });
    assert!(problems(&intake).eq(["NOT recorded"]));
    let Action::Press(presses) = intake.inputs[&left].input.action.clone() else { unreachable!() };
    let pressed = intake.form(&left, &presses.once, None);
    let result = intake.ledger.accept(pressed).await;
    intake.tell(&Accepted { input: left, result, badge: None });
    assert_eq!(problems(&intake).count(), 0);
}

#[tokio::test]
async fn what_may_wait_goes_with_the_next_press_or_at_the_end_and_no_press_waits_for_it() {
    let (intake, _fixture) = intake().await;
    let ledger = intake.ledger.clone();
    let (sender, pressed) = mpsc::channel(64);
    let running = tokio::spawn(intake.run(pressed, unchanging()));
    for _ in 0..3 {
        sender.send(tap("counter")).await.unwrap();
    }
    sender.send(tap("left")).await.unwrap();
    let mut accepted = ledger.accepted();
    accepted.wait_for(|newest| newest.0 == 4).await.unwrap();
    assert_eq!(recorded(&ledger).await, ["counter", "counter", "counter", "left"]);
    for _ in 0..2 {
        sender.send(tap("counter")).await.unwrap();
    }
    sender.send(Message::Quit).await.unwrap();
    running.await.unwrap();
    assert_eq!(recorded(&ledger).await.len(), 6, "not after a minute");
}

#[tokio::test]
async fn what_shared_a_commit_is_not_said_while_a_press_is_being_saved() {
    let (mut intake, _fixture) = intake().await;
    assert!(intake.edge(&edge("counter", Motion::Tap, 0), None, &Waiting::new()).is_empty());
    intake.ledger.hurry();
    intake.ledger.accepted().wait_for(|newest| newest.0 == 1).await.unwrap();
    intake.sharing.spawn(std::future::pending());
    let press = intake.edge(&edge("left", Motion::Tap, 0), None, &Waiting::new());
    let press = press.into_iter().next().expect("a press");
    let (_sender, mut pressed) = mpsc::channel(1);
    intake.save(press, &mut pressed, &mut Waiting::new()).await;
    assert_eq!(intake.sharing.len(), 2, "they are told of later");
}

#[tokio::test]
async fn more_than_a_slow_card_can_take_is_refused() {
    let (mut intake, _fixture) = intake().await;
    for _ in 0..=SHARING {
        assert!(intake.edge(&edge("counter", Motion::Tap, 0), None, &Waiting::new()).is_empty());
    }
    assert_eq!(intake.sharing.len(), SHARING);
    let shown = intake.display.note(|panel, now_ms| punchcard_core::scene::plan_scene(panel, now_ms).scene);
    assert!(matches!(&shown, Scene::Problem(problem) if problem.headline == "NOT recorded"), "{shown:?}");
}

#[tokio::test]
async fn time_tells_which_press_it_was_and_what_was_let_go_is_recorded_at_the_end() {
    let (intake, _fixture) = intake().await;
    let (ledger, clock) = (intake.ledger.clone(), intake.clock.clone());
    let (sender, pressed) = mpsc::channel(64);
    let running = tokio::spawn(intake.run(pressed, unchanging()));
    let mut accepted = ledger.accepted();
    let door = |motion| Message::Edge(edge("door", motion, clock.monotonic_ms()));
    for (motions, number) in [(&[Motion::Down][..], 1), (&[Motion::Up, Motion::Down, Motion::Up], 2)] {
        for motion in motions {
            // Longer than a contact bounces.
            tokio::time::sleep(Duration::from_millis(50)).await;
            sender.send(door(*motion)).await.unwrap();
        }
        accepted.wait_for(|newest| newest.0 == number).await.unwrap();
    }
    for motion in [Motion::Down, Motion::Up] {
        tokio::time::sleep(Duration::from_millis(50)).await;
        sender.send(door(motion)).await.unwrap();
    }
    sender.send(Message::Quit).await.unwrap();
    running.await.unwrap();
    let events = ledger.events(None, 10).await.unwrap().events;
    let kinds: Vec<&str> = events.iter().map(|listed| listed.event.happened.kind.as_str()).collect();
    assert_eq!(kinds, ["out", "in", "in"]);
}

/// A device whose reader knows two people.
async fn door() -> (Intake, Fixture) {
    let (mut intake, fixture) = intake().await;
    let (configuration, diagnostics) = parse_what_is_valid(DOOR);
    assert_eq!(diagnostics, []);
    intake.adopt(&configuration).await;
    (intake, fixture)
}

const DOOR: &str = r#"
[device]
name = "door"

[inputs.reader]
driver = "reader"
device = "HID Reader"
press = { event = "punch", fields = { person = "$person", badge = "$badge" } }

[inputs.keypad]
driver = "reader"
device = "Keypad"
press = { event = "visit", fields = { code = "$badge" }, share-commit-ms = 60_000 }

[people]
0012345678 = "Anna Weber"
04a1b2c3 = "Ben"
"#;

fn badge(input: &str, number: &str, at_ms: u64) -> BadgeRead {
    let number = BadgeNumber::parse(number).map_err(|error| panic!("{error}"));
    BadgeRead { input: InputName::parse(input).unwrap(), number, at_ms }
}

fn shown(display: &Display) -> Scene {
    display.note(|panel, now_ms| punchcard_core::scene::plan_scene(panel, now_ms).scene)
}

/// Of each event in the ledger, its fields as `name=value`.
async fn fields(ledger: &Ledger) -> Vec<String> {
    let field = |field: &Field| format!("{}={:?}", field.name, field.value);
    let events = ledger.events(None, 100).await.unwrap().events;
    let fields = |fields: &[Field]| fields.iter().map(field).collect::<Vec<_>>().join(" ");
    events.iter().map(|listed| fields(&listed.event.happened.fields)).collect()
}

#[tokio::test]
async fn a_badge_is_an_event_with_its_number_and_the_name_of_its_owner() {
    let (intake, _fixture) = door().await;
    let (ledger, display) = (intake.ledger.clone(), intake.display.clone());
    let (sender, pressed) = mpsc::channel(64);
    let running = tokio::spawn(intake.run(pressed, watch_of(DOOR)));
    let mut accepted = ledger.accepted();
    let table = [
        ("0012345678", "Anna Weber", r#"person=Text("Anna Weber") badge=Text("0012345678")"#),
        ("04A1B2C3", "Ben", r#"person=Text("Ben") badge=Text("04A1B2C3")"#),
        ("12345678", "unknown badge 12345678", r#"person=Text("12345678") badge=Text("12345678")"#),
    ];
    for (place, (number, said, _)) in (1..).zip(table) {
        sender.send(Message::Badge(badge("reader", number, 0))).await.unwrap();
        accepted.wait_for(|newest| newest.0 == place).await.unwrap();
        let says = || matches!(shown(&display), Scene::Recorded { notice: Some(notice) } if notice == said);
        // Said once the ledger has returned, by another task than this one.
        for _ in 0..1_000 {
            if says() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(says(), "{:?} instead of {said}", shown(&display));
    }
    sender.send(Message::Quit).await.unwrap();
    running.await.unwrap();
    assert_eq!(fields(&ledger).await, table.map(|(_, _, fields)| fields.to_owned()));
}

#[tokio::test]
async fn a_badge_that_is_held_for_a_minute_is_one_event() {
    let (intake, _fixture) = door().await;
    let ledger = intake.ledger.clone();
    let (sender, pressed) = mpsc::channel(256);
    // Another person passes in between.
    for second in 0..60 {
        sender.send(Message::Badge(badge("reader", "0012345678", second * 1_000))).await.unwrap();
        if second == 30 {
            sender.send(Message::Badge(badge("reader", "04a1b2c3", second * 1_000))).await.unwrap();
        }
    }
    // It was taken away, and is shown again.
    sender.send(Message::Badge(badge("reader", "0012345678", 62_000))).await.unwrap();
    sender.send(Message::Quit).await.unwrap();
    intake.run(pressed, watch_of(DOOR)).await;
    let people: Vec<String> =
        fields(&ledger).await.iter().map(|fields| fields.split(" badge").next().unwrap().to_owned()).collect();
    assert_eq!(people, [r#"person=Text("Anna Weber")"#, r#"person=Text("Ben")"#, r#"person=Text("Anna Weber")"#]);
}

#[tokio::test]
async fn two_people_one_after_the_other_are_two_events_while_the_first_is_saved() {
    let (mut intake, _fixture) = door().await;
    let first = intake.badge(badge("reader", "0012345678", 0)).expect("a press");
    let (sender, mut reported) = mpsc::channel(4);
    for number in ["04a1b2c3", "0012345678"] {
        sender.send(Message::Badge(badge("reader", number, 100))).await.unwrap();
    }
    let mut waiting = Waiting::new();
    // What was reported is taken while the ledger has not returned, or is left for the next turn.
    intake.save(first, &mut reported, &mut waiting).await;
    while let Ok(Message::Badge(read)) = reported.try_recv() {
        waiting.extend(intake.badge(read));
    }
    let numbers: Vec<&str> = waiting.iter().filter_map(|pressed| Some(pressed.badge.as_ref()?.as_str())).collect();
    assert_eq!(numbers, ["04a1b2c3"], "the other one is the same badge, still");
}

#[tokio::test]
async fn a_badge_that_was_not_recorded_may_be_shown_again_at_once() {
    let (mut intake, _fixture) = door().await;
    let input = InputName::parse("reader").unwrap();
    let read = |intake: &mut Intake, at_ms| intake.badge(badge("reader", "0012345678", at_ms));
    let pressed = read(&mut intake, 0).expect("a press");
    assert!(read(&mut intake, 100).is_none(), "it is held");
    let result = Err(AcceptError::TooLarge { bytes: 1 });
    intake.tell(&Accepted { input, result, badge: pressed.badge });
    assert!(read(&mut intake, 200).is_some());
}

#[tokio::test]
async fn what_is_no_number_is_refused_on_the_panel() {
    let (mut intake, _fixture) = door().await;
    let input = InputName::parse("reader").unwrap();
    let unread = BadgeRead { input, number: Err(UnreadReason::NotEnded), at_ms: 0 };
    assert!(intake.badge(unread).is_none());
    let says = |scene: &Scene, advice: &str| {
        matches!(scene, Scene::Problem(problem)
            if problem.headline == "NOT recorded" && problem.advice.contains(advice))
    };
    assert!(says(&shown(&intake.display), "Enter did not follow within 10 s"), "{:?}", shown(&intake.display));
    // Of an input that is a button, or that is not there any more.
    assert!(intake.badge(badge("left", "7", 0)).is_none());
    assert!(says(&shown(&intake.display), "no longer has this input"), "{:?}", shown(&intake.display));
    // One that may wait for others goes with them.
    assert!(intake.badge(badge("keypad", "7", 0)).is_none());
    assert_eq!(intake.sharing.len(), 1);
}

/// A configuration in force that stays as it is.
fn watch_of(text: &str) -> watch::Receiver<Arc<Parts>> {
    watch::channel(Arc::new(Parts::none_yet(Arc::new(parse_what_is_valid(text).0)))).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_chosen_last_is_what_is_remembered_however_fast_a_knob_is_turned() {
    let items: Vec<String> = (0..40).map(|item| format!("item {item}")).collect();
    let device = "[device]\nname = \"bench\"\ntime-zone = \"UTC\"\n";
    let text = format!("{device}[choices.project]\nlabel = \"Project\"\nitems = {items:?}\n");
    let (configuration, _) = parse_what_is_valid(&text);
    let Fixture { clock, ledger, display, troubles, time, folder: _folder } = Fixture::new();
    let name = ChoiceName::parse("project").unwrap();
    for _ in 0..20 {
        let (clock, time) = (clock.clone(), time.clone());
        let (display, troubles) = (display.clone(), troubles.clone());
        let mut intake = Intake::new(&configuration, ledger.clone(), clock, time, display, troubles, no_lists()).await;
        let name = name.clone();
        // In a task, as a device has it: what a task spawns last is begun first.
        let turning = tokio::spawn(async move {
            (0..33).for_each(|_| intake.choose(&name, 1));
            intake.choices[&name].item().to_owned()
        });
        let last = turning.await.unwrap();
        let remembered = async {
            while ledger.recall("choice/project").await.unwrap().as_ref() != Some(&last) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), remembered).await.expect("it is not what was chosen last");
        // And it stays.
        ledger.come_round().await.unwrap();
        assert_eq!(ledger.recall("choice/project").await.unwrap(), Some(last));
    }
}
