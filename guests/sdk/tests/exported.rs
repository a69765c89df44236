//! Plugins as the host calls them: settings and state as text and bytes.

use punchcard_sdk::auth_policy::{AuthPolicy, Directive as Next, Signal as Happened, Slot, Status, Step};
use punchcard_sdk::bindings::auth_policy::exports::punchcard::plugin::auth_flow::Guest as ExportedPolicy;
use punchcard_sdk::bindings::connector::exports::punchcard::plugin::delivery::Guest as ExportedConnector;
use punchcard_sdk::bindings::formatter::exports::punchcard::plugin::row_format::Guest as ExportedFormatter;
use punchcard_sdk::bindings::sensor::exports::punchcard::plugin::source::Guest as ExportedSensor;
use punchcard_sdk::connector::{Batch, Connector, Directive, Limits, Receipt, Signal};
use punchcard_sdk::{
    Cell, Certainty, Column, ColumnKind, Context, Error, Event, Field, Formatter, Instant, Sensor, Value, Verdict,
    auth_policy, connector, formatter, sensor,
};
use serde::Deserialize;

/// Counts what it is asked.
struct Tally;

#[derive(Deserialize)]
struct Settings {
    title: String,
}

fn check(settings: &Settings) -> Result<(), Error> {
    if settings.title.is_empty() { Err(Error::InvalidSettings("`title` is empty".into())) } else { Ok(()) }
}

impl Formatter for Tally {
    type Settings = Settings;
    type State = u64;

    fn columns(settings: &Settings) -> Result<Vec<Column>, Error> {
        check(settings)?;
        Ok(vec![Column { key: "count".into(), title: settings.title.clone(), kind: ColumnKind::Number }])
    }

    fn format(_: &Settings, count: &mut u64, event: &Event, _: &Context) -> Result<Verdict, Error> {
        *count += 1;
        match event.kind.as_str() {
            "odd" => Err(Error::Other("odd".into())),
            _ => Ok(formatter::row(vec![Cell::Text(count.to_string())])),
        }
    }
}

impl Connector for Tally {
    type Settings = Settings;
    type State = u64;

    fn check(settings: &Settings, columns: &[Column]) -> Result<Limits, Error> {
        check(settings)?;
        let rows_per_batch = u32::try_from(columns.len()).map_err(|_| Error::Other("too many".into()))?;
        Ok(Limits {
            rows_per_batch,
            bytes_per_batch: 1,
            characters_per_cell: 1,
            requests_per_minute: 1,
            reads_back: false,
        })
    }

    fn step(_: &Settings, count: &mut u64, batch: &Batch, _: Signal, _: &Context) -> Result<Directive, Error> {
        *count += 1;
        Ok(Directive::Delivered(Receipt { rejected: vec![], link: Some(batch.id.clone()) }))
    }
}

impl AuthPolicy for Tally {
    type Settings = Settings;
    type State = u64;

    fn check(settings: &Settings) -> Result<(), Error> {
        check(settings)
    }

    fn step(_: &Settings, count: &mut u64, _: Happened, slots: &[Slot], _: &Context) -> Result<Step, Error> {
        *count += 1;
        let forget = slots.iter().map(|slot| slot.name.clone()).collect();
        Ok(Step { status: Status::SignedOut, forget, next: Next::Wait(*count) })
    }
}

impl Sensor for Tally {
    type Settings = Settings;
    type State = u64;

    fn check(settings: &Settings) -> Result<(), Error> {
        check(settings)
    }

    fn loans(settings: &Settings) -> sensor::Loans {
        sensor::Loans { i2c: vec![settings.title.to_lowercase()], lines: vec![], one_wire: vec![] }
    }

    fn poll(settings: &Settings, count: &mut u64, context: &Context) -> Result<Vec<sensor::Reading>, Error> {
        if context.boot.is_empty() {
            return Err(Error::Other("no boot".into()));
        }
        *count += 1;
        let field = Field { name: settings.title.clone(), value: Value::Text(count.to_string()) };
        Ok(vec![sensor::Reading { kind: "reading".into(), fields: vec![field] }])
    }
}

type Sheet = formatter::Export<Tally>;
type Service = connector::Export<Tally>;
type Account = auth_policy::Export<Tally>;
type Thermometer = sensor::Export<Tally>;

const SETTINGS: &str = r#"{"title":"Count"}"#;
/// Settings that are refused, with what is said.
const REFUSED: [(&str, &str); 3] = [
    (r#"{"title":""}"#, "`title` is empty"),
    (r#"{"title":7}"#, "`title`: found the integer 7, expected a string"),
    (r#"{"title":"a","titel":"b"}"#, "`titel`: unknown key; remove it"),
];

const AT: Instant = Instant { unix_micros: 0, utc_offset_minutes: 0 };

fn context() -> Context {
    Context { now: AT, monotonic_ms: 0, boot: "b".into(), entropy: vec![], device: "door".into() }
}

fn event(kind: &str) -> Event {
    Event {
        id: "01J".into(),
        at: AT,
        certainty: Certainty::Known,
        source: "clock".into(),
        kind: kind.into(),
        fields: vec![],
    }
}

fn batch() -> Batch {
    Batch { id: "5f0c".into(), columns: vec![], rows: vec![], corrections: vec![] }
}

#[test]
fn settings_are_checked_by_every_kind_of_plugin() {
    let columns = <Sheet as ExportedFormatter>::columns(SETTINGS.into()).unwrap();
    assert_eq!((columns.len(), columns[0].title.as_str()), (1, "Count"));
    let limits = <Service as ExportedConnector>::check(SETTINGS.into(), columns.clone()).unwrap();
    assert_eq!(limits.rows_per_batch, 1);
    assert_eq!(<Sheet as ExportedFormatter>::list_fields(SETTINGS.into()), Ok(vec![]), "what the author does not say");
    assert_eq!(<Account as ExportedPolicy>::check(SETTINGS.into()), Ok(()));
    assert_eq!(<Thermometer as ExportedSensor>::check(SETTINGS.into()), Ok(()));
    let loans = <Thermometer as ExportedSensor>::list_loans(SETTINGS.into()).map(|loans| loans.i2c);
    assert_eq!(loans, Ok(vec!["count".to_owned()]));
    for (settings, said) in REFUSED {
        let refusal = Error::InvalidSettings(said.into());
        assert_eq!(<Sheet as ExportedFormatter>::columns(settings.into()), Err(refusal.clone()));
        assert_eq!(<Service as ExportedConnector>::check(settings.into(), columns.clone()), Err(refusal.clone()));
        assert_eq!(<Thermometer as ExportedSensor>::check(settings.into()), Err(refusal.clone()));
        assert_eq!(<Account as ExportedPolicy>::check(settings.into()), Err(refusal));
    }
}

#[test]
fn the_state_goes_from_one_call_to_the_next() {
    let events = vec![event("press"), event("press")];
    let formatted = Sheet::format(SETTINGS.into(), b"[1,40]".to_vec(), events, context()).unwrap();
    assert_eq!(formatted.state, b"[1,42]");
    let rows = ["41", "42"].map(|count| formatter::row(vec![Cell::Text(count.into())]));
    assert_eq!(formatted.verdicts, rows);
    assert_eq!(formatted.standing, None, "what the author does not say");

    let step = |state: &[u8]| {
        <Service as ExportedConnector>::step(SETTINGS.into(), state.to_vec(), batch(), Signal::Begin, context())
    };
    let outcome = step(&step(b"").unwrap().state).unwrap();
    assert_eq!(outcome.state, b"[1,2]");
    assert_eq!(outcome.next, Directive::Delivered(Receipt { rejected: vec![], link: Some("5f0c".into()) }));

    let step = |state: &[u8]| {
        let slots = vec![Slot { name: "access-token".into(), version: 1 }];
        <Account as ExportedPolicy>::step(SETTINGS.into(), state.to_vec(), Happened::Started, slots, context())
    };
    let outcome = step(&step(b"").unwrap().state).unwrap();
    assert_eq!((outcome.state.as_slice(), outcome.next), (&b"[1,2]"[..], Next::Wait(2)));
    assert_eq!((outcome.status, outcome.forget), (Status::SignedOut, vec!["access-token".to_owned()]));
}

#[test]
fn a_sensor_reads_and_remembers() {
    let poll = |state: &[u8]| <Thermometer as ExportedSensor>::poll(SETTINGS.into(), state.to_vec(), context());
    let polled = poll(&poll(b"").unwrap().state).unwrap();
    let field = Field { name: "Count".into(), value: Value::Text("2".into()) };
    assert_eq!(polled.readings, [sensor::Reading { kind: "reading".into(), fields: vec![field] }]);
    assert_eq!(polled.state, b"[1,2]");
    assert_eq!(poll(b"[0,7]").map(|_| ()), Err(Error::UnknownState));
    let unknown = Context { boot: String::new(), ..context() };
    let failed = <Thermometer as ExportedSensor>::poll(SETTINGS.into(), vec![], unknown);
    assert_eq!(failed.map(|_| ()), Err(Error::Other("no boot".into())));
}

#[test]
fn an_event_that_fails_fails_the_call() {
    let events = vec![event("press"), event("odd")];
    let failed = Sheet::format(SETTINGS.into(), vec![], events, context());
    assert_eq!(failed, Err(Error::Other("odd".into())));
}

#[test]
fn a_state_of_another_version_is_unknown_where_the_author_does_not_convert_it() {
    let old = b"[0,7]".to_vec();
    let settings = || SETTINGS.to_owned();
    assert_eq!(Sheet::format(settings(), old.clone(), vec![], context()), Err(Error::UnknownState));
    let stepped = <Service as ExportedConnector>::step(settings(), old.clone(), batch(), Signal::Begin, context());
    assert_eq!(stepped, Err(Error::UnknownState));
    let stepped = <Account as ExportedPolicy>::step(settings(), old, Happened::Started, vec![], context());
    assert_eq!(stepped, Err(Error::UnknownState));
}
