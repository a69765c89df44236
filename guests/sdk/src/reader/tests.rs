use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::*;

/// Everything that an author can reasonably put into a settings or state type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    small: i8,
    large: u64,
    negative: i64,
    fraction: f32,
    letter: char,
    text: String,
    nothing: (),
    unit: Unit,
    maybe: Option<u8>,
    maybe_not: Option<u8>,
    pair: (u8, String),
    list: Vec<Kind>,
    wrapped: Wrapped,
    by_name: BTreeMap<String, Wrapped>,
    by_number: BTreeMap<i16, Kind>,
    by_flag: BTreeMap<bool, u8>,
    by_kind: BTreeMap<Plain, u8>,
    by_wrapped: BTreeMap<Wrapped, u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Wrapped(u16);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Plain {
    One,
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    One(u8),
    Two(u8, bool),
    Named { key: String },
}

fn everything() -> Everything {
    Everything {
        flag: true,
        small: -7,
        large: u64::MAX,
        negative: i64::MIN,
        fraction: 0.5,
        letter: 'ä',
        text: "\"text\"\n".into(),
        nothing: (),
        unit: Unit,
        maybe: Some(7),
        maybe_not: None,
        pair: (1, "two".into()),
        list: vec![Kind::Plain, Kind::One(1), Kind::Two(2, false), Kind::Named { key: "k".into() }],
        wrapped: Wrapped(9),
        by_name: [("a".to_owned(), Wrapped(1))].into(),
        by_number: [(-3, Kind::Plain), (4, Kind::One(4))].into(),
        by_flag: [(false, 0), (true, 1)].into(),
        by_kind: [(Plain::One, 1), (Plain::Other, 2)].into(),
        by_wrapped: [(Wrapped(5), 5)].into(),
    }
}

#[test]
fn what_serde_json_writes_is_read() {
    let value = serde_json::to_value(everything()).unwrap();
    for unknown in [UnknownKey::Refused, UnknownKey::Ignored] {
        assert_eq!(read::<Everything>(&value, unknown).unwrap(), everything());
    }
}

fn misfit<T: fmt::Debug + for<'de> Deserialize<'de>>(value: &Value) -> String {
    read::<T>(value, UnknownKey::Refused).unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_named_by_its_place() {
    #[derive(Debug, Deserialize)]
    struct Settings {
        #[serde(rename = "inner")]
        _inner: Option<Inner>,
        #[serde(rename = "limits", default)]
        _limits: BTreeMap<u8, u8>,
    }
    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "list")]
        _list: Vec<Vec<u8>>,
    }
    for (value, said) in [
        (json!({"inner": {"list": [[1], [2, "x"]]}}), "`inner.list[1][1]`: found the string `x`, expected u8"),
        (json!({"inner": {"list": [[300]]}}), "`inner.list[0][0]`: found the integer 300, expected u8"),
        (json!({"inner": {"list": [[-1]]}}), "`inner.list[0][0]`: found the integer -1, expected u8"),
        (json!({"inner": {"list": [[1.5]]}}), "`inner.list[0][0]`: found a fraction, expected u8"),
        (json!({"inner": {"list": null}}), "`inner.list`: found nothing, expected a sequence"),
        (json!({"inner": {}}), "`inner`: missing field `list`"),
        (json!({"inner": {"list": [], "lost": 1}}), "`inner.lost`: unknown key; remove it"),
        (json!({"limits": {"7": true}}), "`limits.7`: found a boolean, expected u8"),
        (json!({"limits": {"x": 1}}), "`limits`: found the string `x`, expected u8"),
        (json!([]), "found an array, expected struct Settings"),
    ] {
        assert_eq!(misfit::<Settings>(&value), said, "{value}");
    }
}

#[test]
fn variants_that_do_not_fit_are_refused() {
    for (value, said) in [
        (json!("Odd"), "unknown variant `Odd`, expected one of `Plain`, `One`, `Two`, `Named`"),
        (json!("One"), "the variant is nothing without what it holds"),
        (json!({"One": "x"}), "found the string `x`, expected u8"),
        (json!({"Plain": 1}), "found the integer 1, expected unit"),
        (json!({"One": 1, "Two": 2}), "found a table, expected enum Kind"),
        (json!({}), "found a table, expected enum Kind"),
        (json!(7), "found the integer 7, expected enum Kind"),
    ] {
        assert_eq!(misfit::<Kind>(&value), said, "{value}");
    }
    assert_eq!(read::<Kind>(&json!({"Plain": null}), UnknownKey::Refused).unwrap(), Kind::Plain);
}

#[test]
fn an_unknown_key_is_ignored_where_that_is_wished() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Known {
        known: u8,
    }
    let value = json!({"known": 1, "unknown": {"a": [1, 2]}});
    assert_eq!(read::<Known>(&value, UnknownKey::Ignored).unwrap(), Known { known: 1 });
}

#[test]
fn a_type_that_takes_anything_gets_it_as_it_is() {
    let value = json!({"a": [null, true, 7, -7, 0.5, 7.0, "text", {"b": []}]});
    assert_eq!(read::<Value>(&value, UnknownKey::Refused).unwrap(), value);
}
