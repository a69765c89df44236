//! Settings and readings, and what becomes of them.

use punchcard_sdk::settings::parse_settings;
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Accepted, Certainty, Field, Instant};

use super::*;

const AT: Instant = Instant { unix_micros: 1, utc_offset_minutes: 60 };

fn settings(json: &str) -> Settings {
    parse_settings(json).unwrap()
}

fn refusal(json: &str) -> String {
    match parse_settings(json).and_then(|settings| Readings::columns(&settings)) {
        Err(Error::InvalidSettings(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn reading(fields: &[(&str, Value)]) -> Event {
    let fields = fields.iter().map(|(name, value)| Field { name: (*name).into(), value: value.clone() }).collect();
    Event {
        id: "01J".into(),
        at: AT,
        certainty: Certainty::Known,
        source: "bench".into(),
        kind: "reading".into(),
        fields,
    }
}

fn format(settings: &Settings, missing: &mut Missing, fields: &[(&str, Value)]) -> Verdict {
    let context = Context { now: AT, monotonic_ms: 0, boot: String::new(), entropy: vec![], device: "x".into() };
    Readings::format(settings, missing, &reading(fields), &context).unwrap()
}

fn verdict(settings: &Settings, fields: &[(&str, Value)]) -> Verdict {
    format(settings, &mut Missing::default(), fields)
}

fn cells(verdict: Verdict) -> Vec<Cell> {
    match verdict {
        Verdict::Accepted(Accepted { rows, notice: None }) if rows.len() == 1 => rows[0].cells.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_settings_name_the_columns() {
    let settings =
        settings(r#"{"columns":["temperature",{"field":"note","title":"Remark","kind":"text"}],"time-title":"When"}"#);
    let column = |key: &str, title: &str, kind| Column { key: key.into(), title: title.into(), kind };
    assert_eq!(
        Readings::columns(&settings).unwrap(),
        [
            column(TIME, "When", ColumnKind::DateTime),
            column("temperature", "Temperature", ColumnKind::Number),
            column("note", "Remark", ColumnKind::Text),
        ]
    );
}

#[test]
fn every_kind_has_its_column() {
    for (name, kind) in [
        ("number", ColumnKind::Number),
        ("text", ColumnKind::Text),
        ("flag", ColumnKind::Flag),
        ("date-time", ColumnKind::DateTime),
        ("duration", ColumnKind::Duration),
    ] {
        let settings = settings(&format!(r#"{{"columns":[{{"field":"f","kind":"{name}"}}]}}"#));
        let columns = Readings::columns(&settings).unwrap();
        assert_eq!((columns[0].title.as_str(), columns[1].kind), ("Time", kind));
    }
}

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_eq!(refusal(r#"{"columns":[]}"#), "`columns` is empty; name at least one field");
    assert_eq!(refusal(r#"{"columns":["a","b","a"]}"#), "`columns` names the field `a` twice");
    assert_eq!(refusal(r#"{"columns":["the time"]}"#), "`columns` names `the time`, which is no field's name");
    assert_eq!(refusal(r#"{"columns":[""]}"#), "`columns` names ``, which is no field's name");
    assert_eq!(refusal("{}"), "missing field `columns`");
    let second = refusal(r#"{"columns":["a",{"field":"b","knd":"text"}]}"#);
    assert!(second.starts_with("`columns[1]`: a column is the name of a field, or {"), "{second}");
}

#[test]
fn values_fill_the_cells_of_their_columns() {
    let settings = settings(
        r#"{"columns":["a","b",{"field":"t","kind":"text"},{"field":"f","kind":"flag"},
            {"field":"m","kind":"date-time"},{"field":"d","kind":"duration"}]}"#,
    );
    let made = cells(verdict(
        &settings,
        &[
            ("d", Value::Integer(90)),
            ("m", Value::Moment(AT)),
            ("f", Value::Flag(false)),
            ("t", Value::Text("=1+1".into())),
            ("b", Value::Integer(-3)),
            ("a", Value::Number(21.5)),
        ],
    ));
    assert_eq!(
        made,
        [
            Cell::Moment(AT),
            Cell::Number(21.5),
            Cell::Number(-3.0),
            Cell::Text("=1+1".into()),
            Cell::Flag(false),
            Cell::Moment(AT),
            Cell::Seconds(90.0)
        ]
    );
}

#[test]
fn a_moment_that_is_a_guess_is_marked() {
    let settings = settings(r#"{"columns":["a"]}"#);
    let context = Context { now: AT, monotonic_ms: 0, boot: String::new(), entropy: vec![], device: "x".into() };
    let event = Event { certainty: Certainty::Estimated, ..reading(&[("a", Value::Number(1.0))]) };
    let made = cells(Readings::format(&settings, &mut Missing::default(), &event, &context).unwrap());
    assert_eq!(made, [Cell::Estimated(AT), Cell::Number(1.0)]);
}

#[test]
fn numbers_can_be_texts_and_durations_have_fractions() {
    let settings = settings(
        r#"{"columns":[{"field":"i","kind":"text"},{"field":"n","kind":"text"},{"field":"d","kind":"duration"}]}"#,
    );
    let made =
        cells(verdict(&settings, &[("i", Value::Integer(7)), ("n", Value::Number(0.5)), ("d", Value::Number(1.5))]));
    assert_eq!(made[1..], [Cell::Text("7".into()), Cell::Text("0.5".into()), Cell::Seconds(1.5)]);
}

#[test]
fn a_missing_field_leaves_its_cell_empty() {
    let settings = settings(r#"{"columns":["a","b"]}"#);
    assert_eq!(cells(verdict(&settings, &[("b", Value::Number(1.0))]))[1..], [Cell::Empty, Cell::Number(1.0)]);
}

#[test]
fn a_reading_without_any_of_the_fields_is_rejected_with_those_it_has() {
    let settings = settings(r#"{"columns":["temprature"]}"#);
    let found = verdict(&settings, &[("temperature", Value::Number(21.5)), ("humidity", Value::Number(40.0))]);
    let Verdict::Reject(reason) = found else { panic!("{found:?}") };
    assert_eq!(reason, "it has none of the fields that `columns` names, but `temperature`, `humidity`");
    let Verdict::Reject(reason) = verdict(&settings, &[]) else { panic!("accepted") };
    assert_eq!(reason, "it has none of the fields that `columns` names, but none at all");
}

#[test]
fn a_column_that_no_reading_fills_is_said_ever_more_rarely() {
    let mut missing = Missing::default();
    let said: Vec<_> = (1..=1_000).filter_map(|count| Some((count, missing.note("humidty", false)?))).collect();
    let text = |count: u64| format!("`columns` names `humidty`, which none of {count} readings had");
    assert_eq!(said, [(10, text(10)), (100, text(100)), (1_000, text(1_000))]);
    assert_eq!(missing.note("humidty", true), None);
    assert!((0..20).all(|_| missing.note("humidty", false).is_none()), "it had a value once");
}

#[test]
fn what_columns_have_is_remembered() {
    let settings = settings(r#"{"columns":["a","b"]}"#);
    let mut missing = Missing::default();
    for fields in [[("a", Value::Number(1.0))], [("a", Value::Number(2.0))]] {
        cells(format(&settings, &mut missing, &fields));
    }
    // What is rejected counts for nothing.
    format(&settings, &mut missing, &[("a", Value::Flag(true)), ("b", Value::Number(1.0))]);
    format(&settings, &mut missing, &[("c", Value::Number(1.0))]);
    let kept = render_state(&missing, Readings::STATE_VERSION).unwrap();
    assert_eq!(String::from_utf8(kept.clone()).unwrap(), r#"[1,{"a":null,"b":2}]"#);
    assert_eq!(parse_state(&kept, Readings::STATE_VERSION, Readings::migrate).unwrap(), missing);
    let older = parse_state(b"[1,null]", Readings::STATE_VERSION, Readings::migrate).unwrap();
    assert_eq!(older, Missing::default());
}

#[test]
fn a_value_of_another_kind_rejects_the_reading() {
    for (kind, value, found, wanted) in [
        ("number", Value::Text("21.5\n".into()), "the text \"21.5\"", "a number"),
        ("number", Value::Flag(false), "the flag false", "a number"),
        ("text", Value::Flag(true), "the flag true", "a text or a number"),
        ("flag", Value::Integer(1), "the integer 1", "a flag, true or false"),
        ("date-time", Value::Number(1.5), "the number 1.5", "a moment"),
        ("duration", Value::Moment(AT), "the moment 1970-01-01T01:00:00.000001+01:00", "a number of seconds"),
    ] {
        let settings = settings(&format!(r#"{{"columns":[{{"field":"f","kind":"{kind}"}}]}}"#));
        let Verdict::Reject(reason) = verdict(&settings, &[("f", value)]) else { panic!("{kind} accepted") };
        assert_eq!(reason, format!("the field `f` is {found}; its column \"F\" wants {wanted}"));
    }
    let settings = settings(r#"{"columns":["f"]}"#);
    let Verdict::Reject(reason) = verdict(&settings, &[("f", Value::Text("x".repeat(1 << 20)))]) else { panic!() };
    assert_eq!(reason, format!("the field `f` is the text \"{}…\"; its column \"F\" wants a number", "x".repeat(100)));
}

#[test]
fn the_field_of_the_only_column_is_needed() {
    for (json, needed) in [
        (r#"{"columns":["a"]}"#, &["a"][..]),
        (r#"{"columns":[{"field":"b","title":"B"}]}"#, &["b"]),
        (r#"{"columns":["a","b"]}"#, &[]),
    ] {
        assert_eq!(Readings::fields(&settings(json)), needed, "{json}");
    }
}
