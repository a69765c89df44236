//! Scripts of presses, and the rows and words that they lead to.

use punchcard_sdk::settings::parse_settings;
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Accepted, Cell, Certainty, ColumnKind, Field, Instant};

use super::*;

const MINUTE: i64 = 60_000_000;

fn settings(json: &str) -> Settings {
    parse_settings(json).unwrap()
}

fn at(minutes: i64) -> Instant {
    Instant { unix_micros: minutes * MINUTE, utc_offset_minutes: 600 }
}

fn punch(project: Option<Value>, minutes: i64) -> Event {
    Event {
        id: "01J".into(),
        at: at(minutes),
        certainty: Certainty::Known,
        source: "clock".into(),
        kind: "punch".into(),
        fields: project.into_iter().map(|value| Field { name: "project".into(), value }).collect(),
    }
}

fn context() -> Context {
    Context { now: at(0), monotonic_ms: 0, boot: String::new(), entropy: vec![0; 32], device: "door".into() }
}

/// Presses one after the other: the rows, the notice and the standing line after each.
fn script(settings: &Settings, presses: &[(&str, i64)]) -> Vec<(Vec<Vec<Cell>>, String, Option<String>)> {
    let mut running = AtWork::default();
    presses
        .iter()
        .map(|(project, minutes)| {
            let event = punch(Some(Value::Text((*project).into())), *minutes);
            let Verdict::Accepted(Accepted { rows, notice }) =
                Timeclock::format(settings, &mut running, &event, &context()).unwrap()
            else {
                panic!("rejected")
            };
            let cells = rows.into_iter().map(|row| row.cells).collect();
            (cells, notice.unwrap(), Timeclock::standing(settings, &running))
        })
        .collect()
}

fn stretch(project: &str, from: i64, to: i64, seconds: f64) -> Vec<Cell> {
    vec![Cell::Text(project.into()), Cell::Moment(at(from)), Cell::Moment(at(to)), Cell::Seconds(seconds)]
}

#[test]
fn a_press_starts_and_the_next_finishes() {
    let said = script(&settings(r#"{"layout":"pairs"}"#), &[("Garden", 0), ("Garden", 90), ("Garden", 100)]);
    assert_eq!(said[0], (vec![], "Garden: started".into(), Some("Garden since 10:00".into())));
    assert_eq!(said[1], (vec![stretch("Garden", 0, 90, 5_400.0)], "Garden: 1:30 h".into(), None));
    assert_eq!(said[2], (vec![], "Garden: started".into(), Some("Garden since 11:40".into())));
}

#[test]
fn a_press_with_another_project_finishes_one_and_starts_the_other() {
    let said = script(&settings(r#"{"layout":"pairs"}"#), &[("Garden", 0), ("Workshop", 30), ("Workshop", 60)]);
    let row = stretch("Garden", 0, 30, 1_800.0);
    assert_eq!(said[1], (vec![row], "Workshop: started".into(), Some("Workshop since 10:30".into())));
    assert_eq!(said[2], (vec![stretch("Workshop", 30, 60, 1_800.0)], "Workshop: 0:30 h".into(), None));
}

#[test]
fn a_clock_that_was_set_back_gives_no_negative_hours() {
    let said = script(&settings(r#"{"layout":"pairs"}"#), &[("Garden", 60), ("Garden", 0)]);
    assert_eq!(said[1].0, vec![stretch("Garden", 60, 0, 0.0)]);
}

#[test]
fn summer_time_gives_and_takes_nothing() {
    let settings = settings(r#"{"layout":"pairs"}"#);
    let mut running = AtWork::default();
    let mut event = punch(None, 0);
    Timeclock::format(&settings, &mut running, &event, &context()).unwrap();
    event.at = Instant { unix_micros: 60 * MINUTE, utc_offset_minutes: 660 };
    let Verdict::Accepted(accepted) = Timeclock::format(&settings, &mut running, &event, &context()).unwrap() else {
        panic!("rejected")
    };
    assert_eq!(accepted.rows[0].cells[3], Cell::Seconds(3_600.0));
    assert_eq!(accepted.notice.unwrap(), "Work: 1:00 h");
}

/// What a start and a finish come to, of which each may be a guess: cells, the notice, and what stood there meanwhile.
fn pair(start: Certainty, finish: Certainty) -> (Vec<Cell>, String, String) {
    let settings = settings(r#"{"layout":"pairs"}"#);
    let mut running = AtWork::default();
    let mut press = |certainty, minutes| {
        let event = Event { certainty, ..punch(None, minutes) };
        let verdict = Timeclock::format(&settings, &mut running, &event, &context()).unwrap();
        let Verdict::Accepted(accepted) = verdict else { panic!("rejected") };
        // As from one call to the next.
        let kept = render_state(&running, Timeclock::STATE_VERSION).unwrap();
        running = parse_state(&kept, Timeclock::STATE_VERSION, Timeclock::migrate).unwrap();
        (accepted, Timeclock::standing(&settings, &running))
    };
    let standing = press(start, 0).1.unwrap();
    let finished = press(finish, 90).0;
    (finished.rows[0].cells[1..].to_vec(), finished.notice.unwrap(), standing)
}

#[test]
fn a_guess_is_marked_and_makes_no_hours() {
    use Certainty::{Estimated, Known};
    let (from, to) = (at(0), at(90));
    let hours = Cell::Seconds(5_400.0);
    let table = [
        (Known, Known, [Cell::Moment(from), Cell::Moment(to), hours], "Work: 1:30 h", "Work since 10:00"),
        (
            Estimated,
            Known,
            [Cell::Estimated(from), Cell::Moment(to), Cell::Empty],
            "Work: finished",
            "Work since ~10:00",
        ),
        (
            Known,
            Estimated,
            [Cell::Moment(from), Cell::Estimated(to), Cell::Empty],
            "Work: finished",
            "Work since 10:00",
        ),
        (
            Estimated,
            Estimated,
            [Cell::Estimated(from), Cell::Estimated(to), Cell::Empty],
            "Work: finished",
            "Work since ~10:00",
        ),
    ];
    for (start, finish, cells, notice, standing) in table {
        let expected = (cells.to_vec(), notice.to_owned(), standing.to_owned());
        assert_eq!(pair(start, finish), expected, "{start:?} {finish:?}");
    }
}

#[test]
fn what_an_older_version_has_running_goes_on() {
    let pairs = settings(r#"{"layout":"pairs"}"#);
    for (older, standing) in [
        (&br#"[1,null]"#[..], None),
        (br#"[1,{"project":"Garden","started_at":0,"utc_offset_minutes":600}]"#, Some("Garden since 10:00")),
        (br#"[1,{"project":"","started_at":0,"utc_offset_minutes":600,"estimated":true}]"#, Some("Work since ~10:00")),
    ] {
        let running = parse_state(older, Timeclock::STATE_VERSION, Timeclock::migrate).unwrap();
        assert_eq!(Timeclock::standing(&pairs, &running).as_deref(), standing);
    }
    for unknown in [&b"[3,{}]"[..], b"[1,{\"project\":7}]", b"[2,null]"] {
        let refused = parse_state::<AtWork>(unknown, Timeclock::STATE_VERSION, Timeclock::migrate);
        assert!(matches!(refused, Err(Error::UnknownState)), "{refused:?}");
    }
}

#[test]
fn a_press_at_a_guessed_time_is_a_marked_row() {
    let event = Event { certainty: Certainty::Estimated, ..punch(None, 1) };
    let accepted = punches::press(Choice { person: None, project: "Garden".into() }, &event);
    let cells = vec![Cell::Estimated(at(1)), Cell::Text("Garden".into()), Cell::Text("clock".into())];
    assert_eq!((accepted.rows[0].cells.clone(), accepted.notice.unwrap()), (cells, "Garden: ~10:01".to_owned()));
}

#[test]
fn punches_are_a_row_each_and_nothing_is_running() {
    let said = script(&settings(r#"{"layout":"punches"}"#), &[("Garden", 0), ("Garden", 1)]);
    let row = |minutes| vec![Cell::Moment(at(minutes)), Cell::Text("Garden".into()), Cell::Text("clock".into())];
    assert_eq!(said[0], (vec![row(0)], "Garden: 10:00".into(), None));
    assert_eq!(said[1], (vec![row(1)], "Garden: 10:01".into(), None));
}

#[test]
fn the_project_can_be_any_value_of_any_field() {
    let table = [
        (None, ""),
        (Some(Value::Integer(7)), "7"),
        (Some(Value::Number(1.5)), "1.5"),
        (Some(Value::Flag(true)), "true"),
        (Some(Value::Moment(at(0))), "10:00"),
    ];
    for (value, project) in table {
        assert_eq!(text_of(&punch(value, 0), "project"), project);
    }
    assert_eq!(text_of(&punch(Some(Value::Text("Garden".into())), 0), "site"), "");
    assert_eq!(settings(r#"{"layout":"pairs","project-field":"site"}"#).project_field(), "site");
    assert_eq!(settings(r#"{"layout":"pairs"}"#).project_field(), "project");
}

#[test]
fn rows_fit_the_columns_of_their_layout() {
    for (layout, titles) in
        [("pairs", &["Project", "Start", "Finish", "Hours"][..]), ("punches", &["Time", "Project", "Input"])]
    {
        for person in [false, true] {
            let field = if person { r#","person-field":"person""# } else { "" };
            let settings = settings(&format!(r#"{{"layout":"{layout}"{field}}}"#));
            let columns = Timeclock::columns(&settings).unwrap();
            let found: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
            let place = usize::from(layout == "punches");
            let mut expected = titles.to_vec();
            if person {
                expected.insert(place, "Person");
            }
            assert_eq!(found, expected);
            let mut at_work = AtWork::default();
            let rows = (0..2).flat_map(|minutes| match press(&settings, &mut at_work, "Anna", "Garden", minutes) {
                Verdict::Accepted(accepted) => accepted.rows,
                Verdict::Reject(reason) => panic!("{reason}"),
            });
            for row in rows {
                let kinds: Vec<ColumnKind> = row.cells.iter().map(kind_of).collect();
                assert_eq!(kinds, columns.iter().map(|column| column.kind).collect::<Vec<_>>());
            }
        }
    }
}

fn kind_of(cell: &Cell) -> ColumnKind {
    match cell {
        Cell::Text(_) => ColumnKind::Text,
        Cell::Moment(_) | Cell::Estimated(_) => ColumnKind::DateTime,
        Cell::Seconds(_) => ColumnKind::Duration,
        other => panic!("no row of a time clock has {other:?}"),
    }
}

fn press(settings: &Settings, at_work: &mut AtWork, person: &str, project: &str, minutes: i64) -> Verdict {
    let mut event = punch(Some(Value::Text(project.into())), minutes);
    event.fields.push(Field { name: "person".into(), value: Value::Text(person.into()) });
    Timeclock::format(settings, at_work, &event, &context()).unwrap()
}

#[test]
fn people_at_one_reader_work_each_for_themselves() {
    let settings = settings(r#"{"layout":"pairs","person-field":"person"}"#);
    let mut at_work = AtWork::default();
    let mut said = |person: &str, project: &str, minutes| {
        let Verdict::Accepted(accepted) = press(&settings, &mut at_work, person, project, minutes) else {
            panic!("rejected")
        };
        // As from one call to the next.
        let kept = render_state(&at_work, Timeclock::STATE_VERSION).unwrap();
        at_work = parse_state(&kept, Timeclock::STATE_VERSION, Timeclock::migrate).unwrap();
        let rows: Vec<Vec<Cell>> = accepted.rows.into_iter().map(|row| row.cells).collect();
        (rows, accepted.notice.unwrap(), Timeclock::standing(&settings, &at_work))
    };
    let row = |person: &str, project: &str, from, to, seconds| {
        let mut cells = stretch(project, from, to, seconds);
        cells.insert(0, Cell::Text(person.into()));
        vec![cells]
    };
    assert_eq!(
        said("Anna", "Garden", 0),
        (vec![], "Anna: Garden: started".into(), Some("Anna: Garden since 10:00".into()))
    );
    assert_eq!(said("Ben", "Garden", 10), (vec![], "Ben: Garden: started".into(), Some("2 at work".into())));
    assert_eq!(
        said("Anna", "Garden", 90),
        (row("Anna", "Garden", 0, 90, 5_400.0), "Anna: Garden: 1:30 h".into(), Some("Ben: Garden since 10:10".into()))
    );
    assert_eq!(
        said("Ben", "Workshop", 100),
        (
            row("Ben", "Garden", 10, 100, 5_400.0),
            "Ben: Workshop: started".into(),
            Some("Ben: Workshop since 11:40".into())
        )
    );
}

#[test]
fn what_is_remembered_has_a_bound_and_whoever_is_at_work_can_finish() {
    let settings = settings(r#"{"layout":"pairs","person-field":"person"}"#);
    let mut at_work = AtWork::default();
    for number in 0..at_work::MOST_AT_WORK {
        assert!(matches!(press(&settings, &mut at_work, &number.to_string(), "", 0), Verdict::Accepted(_)));
    }
    let before = at_work.clone();
    let Verdict::Reject(reason) = press(&settings, &mut at_work, "one more", "", 1) else { panic!("accepted") };
    assert_eq!(reason, "500 people are at work already, and nobody else can start");
    assert_eq!(at_work, before);
    assert!(matches!(press(&settings, &mut at_work, "7", "Garden", 2), Verdict::Accepted(_)), "changes what they do");
    assert!(matches!(press(&settings, &mut at_work, "8", "", 2), Verdict::Accepted(_)), "goes home");
    assert!(matches!(press(&settings, &mut at_work, "one more", "", 3), Verdict::Accepted(_)));
}

#[test]
fn wrong_settings_are_refused_with_what_is_accepted() {
    let refused = parse_settings::<Settings>(r#"{"layout":"pears"}"#).unwrap_err();
    let Error::InvalidSettings(text) = refused else { panic!("{refused:?}") };
    assert_eq!(text, "`layout`: unknown variant `pears`, expected `pairs` or `punches`");
}

#[test]
fn a_field_is_needed_where_it_is_named() {
    for (json, needed) in [
        (r#"{"layout":"pairs"}"#, &[][..]),
        (r#"{"layout":"punches","project-field":"job"}"#, &["job"]),
        (r#"{"layout":"pairs","project-field":"project"}"#, &["project"]),
        (r#"{"layout":"pairs","person-field":"person"}"#, &["person"]),
    ] {
        assert_eq!(Timeclock::fields(&settings(json)), needed, "{json}");
    }
}
