//! Scripts of what happens at a device, and what its panel shows when.

use proptest::prelude::*;

use super::{Choosing, Chosen, PanelState, RECORDED_FOR_MS, Scene, plan_scene, reading_for_ms};
use crate::event::Sequence;
use crate::name::{GrantName, SinkName};
use crate::plugin::Problem;
use crate::plugin::auth::Prompt;
use crate::time::Instant;

fn ready() -> PanelState {
    let mut state = PanelState::new("front-door", 0);
    state.note_ready(0);
    state
}

fn grant(name: &str) -> GrantName {
    GrantName::parse(name).unwrap()
}

fn sink(name: &str) -> SinkName {
    SinkName::parse(name).unwrap()
}

fn prompt(code: &str, seconds: u32) -> Prompt {
    Prompt {
        user_code: code.to_owned(),
        url: "https://www.google.com/device".to_owned(),
        complete_url: None,
        purpose: "keep its own files in your Drive".to_owned(),
        expires_in_seconds: seconds,
    }
}

fn problem(headline: &str) -> Problem {
    Problem { headline: headline.to_owned(), advice: "mend it".to_owned() }
}

fn choosing(item: &str) -> Choosing {
    Choosing { label: "Project".to_owned(), item: item.to_owned(), index: 1, count: 3 }
}

/// The scene in a word and what tells it from others of its kind.
fn word(scene: &Scene) -> String {
    match scene {
        Scene::Starting { device } => format!("starting {device}"),
        Scene::SignIn(sign_in) => format!("sign-in {} {}", sign_in.user_code, sign_in.seconds_left),
        Scene::Idle(idle) => idle.clock.as_ref().map_or("idle".to_owned(), |clock| format!("idle {clock}")),
        Scene::Choosing(choosing) => format!("choosing {}", choosing.item),
        Scene::Saving => "saving".to_owned(),
        Scene::Recorded { notice } => format!("recorded {}", notice.as_deref().unwrap_or("-")),
        Scene::Delivered { undelivered } => format!("delivered {undelivered}"),
        Scene::Problem(problem) => format!("problem {}", problem.headline),
    }
}

/// Every change of the scene from `from`, as many as asked for, found by following `next_change`.
fn changes(state: &PanelState, from: u64, count: usize) -> Vec<(u64, String)> {
    let mut found: Vec<(u64, String)> = Vec::new();
    let mut now = Some(from);
    while let Some(at) = now
        && found.len() < count
    {
        let shown = word(&plan_scene(state, at).scene);
        if found.last().is_none_or(|(_, last)| *last != shown) {
            found.push((at, shown));
        }
        now = state.next_change(at);
    }
    found
}

#[track_caller]
fn assert_changes(state: &PanelState, from: u64, expected: &[(u64, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, shown)| (*at, (*shown).to_owned())).collect();
    assert_eq!(changes(state, from, expected.len() + 1), expected);
}

/// For scenes that go on changing.
#[track_caller]
fn assert_first_changes(state: &PanelState, from: u64, expected: &[(u64, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, shown)| (*at, (*shown).to_owned())).collect();
    assert_eq!(changes(state, from, expected.len()), expected);
}

#[test]
fn a_device_starts_and_is_idle() {
    let mut state = PanelState::new("front-door", 100);
    assert_changes(&state, 100, &[(100, "starting front-door")]);
    state.note_ready(400);
    assert_changes(&state, 400, &[(400, "idle")]);
    assert_eq!(plan_scene(&state, 500).shown_for_ms, 100);
    state.note_ready(900);
    assert_eq!(plan_scene(&state, 1_000).shown_for_ms, 600);
}

#[test]
fn what_keeps_a_device_from_starting_is_said_until_it_is_mended() {
    let mut state = PanelState::new("front-door", 100);
    state.set_problem("ledger", Some(&problem("ledger is damaged")), 200);
    assert_changes(&state, 100, &[(100, "problem ledger is damaged")]);
    state.note_refused(&problem("NOT recorded"), 1_000);
    let over = 1_000 + reading_for_ms("mend it");
    assert_changes(&state, 1_000, &[(1_000, "problem NOT recorded"), (over, "problem ledger is damaged")]);
    state.set_problem("ledger", None, over + 1);
    assert_changes(&state, over + 1, &[(over + 1, "starting front-door")]);
    state.note_ready(over + 2);
    assert_changes(&state, over + 2, &[(over + 2, "idle")]);
}

#[test]
fn a_press_is_recorded_for_three_seconds() {
    let mut state = ready();
    state.note_accepting(1_000);
    assert_eq!(word(&plan_scene(&state, 1_000).scene), "idle");
    state.note_recorded(Sequence(1), Some("Garden: started"), 1_010);
    assert_changes(&state, 1_010, &[(1_010, "recorded Garden: started"), (4_010, "idle")]);
    assert_eq!(plan_scene(&state, 1_030).shown_for_ms, 20);
    assert_eq!(plan_scene(&state, 4_110).shown_for_ms, 100);
}

#[test]
fn a_press_that_is_not_durable_is_never_shown_as_recorded() {
    let mut state = ready();
    state.note_accepting(1_000);
    assert_changes(&state, 1_000, &[(1_000, "idle"), (1_150, "saving")]);
    state.note_accepting(1_100);
    assert_changes(&state, 1_100, &[(1_100, "idle"), (1_150, "saving")]);
    assert_eq!(plan_scene(&state, 1_400).shown_for_ms, 250);
    state.note_recorded(Sequence(1), None, 9_000);
    assert_changes(&state, 9_000, &[(9_000, "recorded -"), (12_000, "idle")]);
}

#[test]
fn a_second_press_that_waits_hides_the_first_ones_result() {
    let mut state = ready();
    state.note_recorded(Sequence(1), None, 1_000);
    state.note_accepting(2_000);
    assert_changes(&state, 2_000, &[(2_000, "recorded -"), (2_150, "saving")]);
}

#[test]
fn a_press_that_could_not_be_recorded_says_so_until_it_can_be_read() {
    let mut state = ready();
    state.note_accepting(1_000);
    state.note_refused(&problem("card is full"), 5_000);
    let until = 5_000 + reading_for_ms("mend it");
    assert_changes(&state, 5_000, &[(5_000, "problem card is full"), (until, "idle")]);
}

#[test]
fn a_long_notice_stands_longer() {
    let mut state = ready();
    state.note_recorded(Sequence(1), Some("Accounts: 7 h 45 min"), 0);
    assert_changes(&state, 0, &[(0, "recorded Accounts: 7 h 45 min"), (3_720, "idle")]);
}

#[test]
fn a_notice_belongs_to_the_event_that_is_shown() {
    let mut state = ready();
    state.note_recorded(Sequence(1), None, 0);
    state.note_recorded(Sequence(2), None, 1_000);
    state.note_notice(Sequence(1), "Garden: started", 1_100);
    assert_eq!(word(&plan_scene(&state, 1_100).scene), "recorded -");
    state.note_notice(Sequence(2), "Garden:\nfinished", 1_100);
    assert_eq!(word(&plan_scene(&state, 1_100).scene), "recorded Garden: finished");
    assert_eq!(plan_scene(&state, 1_100).shown_for_ms, 100);
}

#[test]
fn whose_badge_it_was_stands_beside_what_the_formatter_says() {
    let mut state = ready();
    state.note_recorded(Sequence(1), None, 0);
    state.note_whose(Sequence(1), "unknown badge 0012345678");
    state.note_whose(Sequence(2), "Ben");
    assert_changes(&state, 0, &[(0, "recorded unknown badge 0012345678"), (4_440, "idle")]);
    state.note_notice(Sequence(1), "Garden: started", 10);
    assert_eq!(word(&plan_scene(&state, 10).scene), "recorded unknown badge 0012345678, Garden: started");
    state.note_recorded(Sequence(2), None, 20);
    assert_eq!(word(&plan_scene(&state, 20).scene), "recorded -", "it was somebody else's");
}

#[test]
fn a_notice_that_comes_too_late_brings_nothing_back() {
    let mut state = ready();
    state.note_recorded(Sequence(1), None, 0);
    state.note_notice(Sequence(1), "a notice that is long enough to stand longer", 3_000);
    assert_eq!(word(&plan_scene(&state, 3_000).scene), "idle");
    state.note_recorded(Sequence(2), None, 5_000);
    state.note_notice(Sequence(2), " \n", 7_999);
    assert_eq!(word(&plan_scene(&state, 7_999).scene), "recorded -");
}

#[test]
fn a_turn_shows_the_choice_for_four_seconds_after_the_last() {
    let mut state = ready();
    state.note_turned(choosing("Garden"), 1_000);
    state.note_turned(choosing("Accounts"), 3_000);
    assert_changes(&state, 3_000, &[(3_000, "choosing Accounts"), (7_000, "idle")]);
    let Scene::Idle(idle) = plan_scene(&state, 7_000).scene else { panic!("not idle") };
    assert_eq!(idle.chosen, Some(Chosen { label: "Project".to_owned(), item: "Accounts".to_owned() }));
}

#[test]
fn a_press_ends_choosing_and_a_turn_ends_recorded_when_it_was_seen() {
    let mut state = ready();
    state.note_turned(choosing("Garden"), 0);
    state.note_accepting(1_000);
    state.note_recorded(Sequence(1), None, 1_010);
    assert_changes(&state, 1_010, &[(1_010, "recorded -"), (4_010, "idle")]);
    state.note_turned(choosing("Accounts"), 1_100);
    assert_changes(&state, 1_100, &[(1_100, "recorded -"), (1_810, "choosing Accounts"), (5_810, "idle")]);
    state.note_turned(choosing("Workshop"), 2_500);
    assert_changes(&state, 2_500, &[(2_500, "choosing Workshop"), (6_500, "idle")]);
}

#[test]
fn a_turn_while_the_press_was_being_saved_is_shown_after_it() {
    let mut state = ready();
    state.note_accepting(0);
    state.note_turned(choosing("Garden"), 50);
    state.note_recorded(Sequence(1), None, 100);
    assert_changes(&state, 100, &[(100, "recorded -"), (900, "choosing Garden"), (4_900, "idle")]);
}

#[test]
fn rows_that_arrive_are_said_to_one_who_still_stands_there() {
    let mut state = ready();
    state.note_delivered(0);
    assert_changes(&state, 0, &[(0, "idle")]);
    state.note_recorded(Sequence(1), None, 1_000);
    state.set_undelivered(2);
    state.note_delivered(1_500);
    state.note_delivered(1_600);
    assert_changes(&state, 1_500, &[(1_500, "recorded -"), (4_000, "delivered 2"), (6_000, "idle")]);
    assert_eq!(plan_scene(&state, 4_500).shown_for_ms, 500);

    state.note_recorded(Sequence(2), None, 10_000);
    state.note_delivered(39_999);
    assert_changes(&state, 39_999, &[(39_999, "delivered 2"), (41_999, "idle")]);

    state.note_recorded(Sequence(3), None, 50_000);
    state.note_delivered(80_000);
    assert_changes(&state, 80_000, &[(80_000, "idle")]);
}

#[test]
fn delivered_waits_for_no_other_press_or_turn() {
    let delivered = || {
        let mut state = ready();
        state.note_recorded(Sequence(1), None, 0);
        state.note_delivered(100);
        state
    };
    let mut turned = delivered();
    turned.note_turned(choosing("Garden"), 3_500);
    assert_changes(&turned, 3_500, &[(3_500, "choosing Garden"), (7_500, "idle")]);
    turned.note_delivered(4_000);
    assert_changes(&turned, 4_000, &[(4_000, "choosing Garden"), (7_500, "delivered 0"), (9_500, "idle")]);

    let mut pressed = delivered();
    pressed.note_accepting(3_500);
    assert_changes(&pressed, 3_500, &[(3_500, "idle"), (3_650, "saving")]);
    pressed.note_delivered(3_600);
    pressed.note_recorded(Sequence(2), None, 3_700);
    assert_changes(&pressed, 3_700, &[(3_700, "recorded -"), (6_700, "idle")]);

    let mut refused = delivered();
    refused.note_refused(&problem("card is full"), 4_000);
    refused.note_delivered(4_100);
    assert_changes(&refused, 4_100, &[(4_100, "problem card is full"), (9_260, "idle")]);
}

#[test]
fn a_code_counts_down_and_goes_when_it_has_expired() {
    let mut state = ready();
    state.set_prompt(&grant("google"), Some(&prompt("GQVQ-JKEC", 3)), 500);
    assert_changes(
        &state,
        500,
        &[
            (500, "sign-in GQVQ-JKEC 3"),
            (1_500, "sign-in GQVQ-JKEC 2"),
            (2_500, "sign-in GQVQ-JKEC 1"),
            (3_500, "idle"),
        ],
    );
    assert_eq!(plan_scene(&state, 3_600).shown_for_ms, 100);
    // Who does not see the panel is told, and not the code.
    let told = &state.problems()["grants.google"];
    assert!(told.headline == "sign-in is needed" && !told.advice.contains("GQVQ"), "{told:?}");
    state.set_prompt(&grant("google"), None, 3_000);
    assert_changes(&state, 3_000, &[(3_000, "idle")]);
    assert!(state.problems().is_empty());
}

#[test]
fn a_code_is_shown_as_it_came() {
    let mut state = ready();
    let given = Prompt {
        user_code: " aB-c\u{a0}".to_owned(),
        complete_url: Some("https://x/?code=1".to_owned()),
        purpose: "a\nb".to_owned(),
        ..prompt("", 60)
    };
    state.set_prompt(&grant("google"), Some(&given), 0);
    let Scene::SignIn(sign_in) = plan_scene(&state, 0).scene else { panic!("not sign-in") };
    assert_eq!(sign_in.user_code, given.user_code);
    assert_eq!(sign_in.url, given.url);
    assert_eq!(sign_in.complete_url, given.complete_url);
    assert_eq!(sign_in.purpose, "a b");
}

#[test]
fn the_same_code_said_again_goes_on_and_another_begins_anew() {
    let mut state = ready();
    state.set_prompt(&grant("google"), Some(&prompt("A", 600)), 1_000);
    state.set_prompt(&grant("google"), Some(&prompt("A", 590)), 11_000);
    let view = plan_scene(&state, 11_000);
    assert_eq!((word(&view.scene).as_str(), view.shown_for_ms), ("sign-in A 590", 10_000));
    state.set_prompt(&grant("google"), Some(&prompt("B", 600)), 12_000);
    let view = plan_scene(&state, 12_000);
    assert_eq!((word(&view.scene).as_str(), view.shown_for_ms), ("sign-in B 600", 0));
}

#[test]
fn a_person_can_punch_while_a_code_waits_and_the_code_comes_back() {
    let mut state = ready();
    state.set_prompt(&grant("google"), Some(&prompt("A", 600)), 0);
    state.note_turned(choosing("Garden"), 5_000);
    state.note_accepting(6_000);
    state.note_recorded(Sequence(1), None, 6_000);
    assert_first_changes(&state, 6_000, &[(6_000, "recorded -"), (9_000, "sign-in A 591"), (10_000, "sign-in A 590")]);
    assert_eq!(plan_scene(&state, 9_500).shown_for_ms, 500);
}

#[test]
fn two_codes_take_turns() {
    let mut state = ready();
    state.set_prompt(&grant("a"), Some(&prompt("A", 600)), 0);
    state.set_prompt(&grant("b"), Some(&prompt("B", 25)), 0);
    let shown = |at| {
        let view = plan_scene(&state, at);
        (word(&view.scene), view.shown_for_ms)
    };
    assert_eq!(shown(19_999), ("sign-in A 581".to_owned(), 19_999));
    assert_eq!(shown(20_000), ("sign-in B 5".to_owned(), 0));
    assert_eq!(shown(24_999), ("sign-in B 1".to_owned(), 4_999));
    assert_eq!(shown(25_000), ("sign-in A 575".to_owned(), 0));
    assert_eq!(shown(50_000), ("sign-in A 550".to_owned(), 25_000));
}

#[test]
fn a_code_with_a_long_address_has_a_longer_turn() {
    let mut state = ready();
    let long = Prompt { url: "x".repeat(100), ..prompt("A", 600) };
    state.set_prompt(&grant("a"), Some(&long), 0);
    state.set_problem("sink timesheet", Some(&problem("sheet was deleted")), 0);
    assert_eq!(word(&plan_scene(&state, 21_999).scene), "sign-in A 579");
    assert_eq!(word(&plan_scene(&state, 22_000).scene), "problem sheet was deleted");
}

#[test]
fn the_idle_panel_and_problems_take_turns() {
    let mut state = ready();
    state.set_problem("sink timesheet", Some(&problem("sheet was deleted")), 1_000);
    state.set_problem("sink hook", Some(&problem("no answer")), 1_000);
    let reading = reading_for_ms("mend it");
    assert_first_changes(
        &state,
        1_000,
        &[
            (1_000, "idle"),
            (7_000, "problem no answer"),
            (7_000 + reading, "problem sheet was deleted"),
            (7_000 + 2 * reading, "idle"),
            (13_000 + 2 * reading, "problem no answer"),
        ],
    );
    assert_eq!(plan_scene(&state, 7_100).shown_for_ms, 100);
    // The same problem said again does not begin anew; another does.
    state.set_problem("sink hook", Some(&problem("no answer")), 8_000);
    assert_eq!(plan_scene(&state, 8_000).shown_for_ms, 1_000);
    state.set_problem("sink hook", Some(&problem("another")), 9_000);
    let view = plan_scene(&state, 9_000);
    assert_eq!((word(&view.scene).as_str(), view.shown_for_ms), ("idle", 0));
    state.set_problem("sink hook", None, 20_000);
    state.set_problem("sink timesheet", None, 20_000);
    assert_changes(&state, 20_000, &[(20_000, "idle")]);
}

#[test]
fn a_person_who_signs_in_is_not_interrupted_by_the_idle_panel() {
    let mut state = ready();
    state.set_prompt(&grant("google"), Some(&prompt("A", 1_800)), 0);
    for now in (0..1_800_000).step_by(1_000) {
        assert!(matches!(plan_scene(&state, now).scene, Scene::SignIn(_)));
    }
}

#[test]
fn the_clock_goes_on_by_itself_in_the_devices_time_zone() {
    let mut state = ready();
    // 1970-01-01T23:58:30.5Z, ten hours east.
    let wall = Instant { unix_micros: ((24 * 60 - 2) * 60 + 30) * 1_000_000 + 500_000, utc_offset_minutes: 600 };
    state.set_wall(Some(wall), 1_000);
    assert_first_changes(&state, 1_000, &[(1_000, "idle 09:58"), (30_500, "idle 09:59"), (90_500, "idle 10:00")]);
    state.set_wall(Some(Instant { utc_offset_minutes: -210, ..wall }), 1_000);
    assert_first_changes(&state, 1_000, &[(1_000, "idle 20:28"), (30_500, "idle 20:29")]);
    state.set_wall(Some(Instant { unix_micros: -1, utc_offset_minutes: 0 }), 1_000);
    assert_first_changes(&state, 1_000, &[(1_000, "idle 23:59"), (1_001, "idle 00:00")]);
    state.set_wall(None, 2_000);
    assert_changes(&state, 2_000, &[(2_000, "idle")]);
}

#[test]
fn it_is_quiet_once_nobody_has_anything_to_see() {
    let mut state = PanelState::new("front-door", 0);
    let quiet_since = |state: &PanelState, now_ms| state.surroundings(now_ms).quiet_since;
    assert_eq!(quiet_since(&state, 500), None, "it starts");
    state.note_ready(1_000);
    assert_eq!(quiet_since(&state, 1_000), Some(1_000));
    state.note_accepting(5_000);
    assert_eq!(quiet_since(&state, 5_000), None);
    state.note_recorded(Sequence(1), None, 5_100);
    assert_eq!(quiet_since(&state, 5_100 + RECORDED_FOR_MS - 1), None);
    assert_eq!(quiet_since(&state, 5_100 + RECORDED_FOR_MS), Some(5_100 + RECORDED_FOR_MS));
    state.set_prompt(&grant("google"), Some(&prompt("A", 60)), 20_000);
    assert_eq!(quiet_since(&state, 79_999), None);
    assert_eq!(quiet_since(&state, 80_000), Some(80_000), "the code has expired");
    state.set_prompt(&grant("google"), None, 90_000);
    let problem = Problem { headline: "no network".to_owned(), advice: String::new() };
    state.set_problem("network", Some(&problem), 100_000);
    let surroundings = state.surroundings(110_000);
    assert_eq!((surroundings.quiet_since, surroundings.is_needed), (Some(100_000), true));
}

#[test]
fn the_idle_panel_says_what_stands() {
    let mut state = ready();
    state.set_standing(&sink("timesheet"), Some("Garden since 09:02"));
    state.set_standing(&sink("hours"), Some("3.5 h\ntoday"));
    state.set_chosen(Some(Chosen { label: "Project".to_owned(), item: "Garden".to_owned() }));
    state.set_undelivered(7);
    let Scene::Idle(idle) = plan_scene(&state, 0).scene else { panic!("not idle") };
    assert_eq!(idle.standing.as_deref(), Some("3.5 h today · Garden since 09:02"));
    assert_eq!((idle.device.as_str(), idle.undelivered), ("front-door", 7));
    assert_eq!(idle.chosen.map(|chosen| chosen.item).as_deref(), Some("Garden"));
    state.set_standing(&sink("hours"), None);
    state.set_standing(&sink("timesheet"), Some("  "));
    let Scene::Idle(idle) = plan_scene(&state, 0).scene else { panic!("not idle") };
    assert_eq!(idle.standing, None);
}

#[test]
fn texts_of_plugins_are_bounded() {
    let mut state = ready();
    let megabyte = "x".repeat(1 << 20);
    let long = Problem { headline: megabyte.clone(), advice: megabyte.clone() };
    state.note_refused(&long, 0);
    let Scene::Problem(problem) = plan_scene(&state, 0).scene else { panic!("no problem") };
    assert_eq!((problem.headline.chars().count(), problem.advice.chars().count()), (21, 300));
    assert_eq!(reading_for_ms(&megabyte), 60_000);
}

/// What can happen.
#[derive(Debug, Clone)]
enum Note {
    Accepting,
    Recorded,
    Refused,
    Notice,
    Turned,
    Delivered,
    Prompt(Option<u32>),
    Problem(bool),
    Wall,
}

fn note() -> impl Strategy<Value = Note> {
    prop_oneof![
        Just(Note::Accepting),
        Just(Note::Recorded),
        Just(Note::Refused),
        Just(Note::Notice),
        Just(Note::Turned),
        Just(Note::Delivered),
        prop::option::of(0_u32..40).prop_map(Note::Prompt),
        any::<bool>().prop_map(Note::Problem),
        Just(Note::Wall),
    ]
}

fn apply(state: &mut PanelState, note: &Note, now: u64) {
    match note {
        Note::Accepting => state.note_accepting(now),
        Note::Recorded => state.note_recorded(Sequence(now), None, now),
        Note::Refused => state.note_refused(&problem("card is full"), now),
        Note::Notice => state.note_notice(Sequence(now), "a notice that stands for longer than others", now),
        Note::Turned => state.note_turned(choosing("Garden"), now),
        Note::Delivered => state.note_delivered(now),
        Note::Prompt(seconds) => {
            state.set_prompt(&grant("a"), seconds.map(|seconds| prompt("A", seconds)).as_ref(), now);
        }
        Note::Problem(there) => state.set_problem("sink", there.then(|| problem("no answer")).as_ref(), now),
        Note::Wall => state.set_wall(Some(Instant { unix_micros: 1, utc_offset_minutes: 0 }), now),
    }
}

proptest! {
    /// Who sleeps until the next change misses nothing, and what is shown as recorded was recorded.
    #[test]
    fn between_two_changes_the_scene_stays(
        notes in prop::collection::vec((0_u64..5_000, note()), 0..12),
        probes in prop::collection::vec(0_u64..=1_000, 8),
    ) {
        let mut state = ready();
        let (mut now, mut recorded) = (0, false);
        for (gap, note) in notes {
            now += gap;
            apply(&mut state, &note, now);
            recorded |= matches!(note, Note::Recorded);
            let shows_recorded = matches!(plan_scene(&state, now).scene, Scene::Recorded { .. });
            prop_assert!(recorded || !shows_recorded);
        }
        for probe in probes {
            let view = plan_scene(&state, now);
            prop_assert!(view.shown_for_ms <= now);
            let next = state.next_change(now);
            prop_assert!(next.is_none_or(|next| next > now));
            let room = next.unwrap_or(now + 100_000) - now;
            let later = now + (room - 1) * probe / 1_000;
            let seen = plan_scene(&state, later);
            prop_assert_eq!(&seen.scene, &view.scene);
            prop_assert_eq!(seen.shown_for_ms, view.shown_for_ms + later - now);
            now = next.unwrap_or(later);
        }
    }
}
