//! Stored: how parts of the state become JSON and are read again.
//!
//! This does what derived code of serde would, in a fifth of its size, which was a sixth of this component: a value is built
//! and taken apart by its members' names. A member that is missing, as in a state of an earlier version, has its default.

use serde_json::{Map, Value};

/// A part of the state.
pub(crate) trait Stored: Sized {
    /// As JSON.
    fn store(&self) -> Value;

    /// From JSON. `is_sound` becomes false where this was not written by [`Self::store`]; without a way out in the midst, the
    /// code need not know how to take apart what is half built.
    fn load(value: &Value, is_sound: &mut bool) -> Self;
}

/// What was read, or the default of what is missing; anything else is not sound.
fn sound<T: Default>(read: Option<T>, value: &Value, is_sound: &mut bool) -> T {
    *is_sound &= read.is_some() || value.is_null();
    read.unwrap_or_default()
}

impl Stored for bool {
    fn store(&self) -> Value {
        Value::Bool(*self)
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        sound(value.as_bool(), value, is_sound)
    }
}

impl Stored for String {
    fn store(&self) -> Value {
        Value::String(self.clone())
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        sound(value.as_str().map(ToOwned::to_owned), value, is_sound)
    }
}

impl Stored for i64 {
    fn store(&self) -> Value {
        (*self).into()
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        sound(value.as_i64(), value, is_sound)
    }
}

impl Stored for u64 {
    fn store(&self) -> Value {
        (*self).into()
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        sound(value.as_u64(), value, is_sound)
    }
}

impl Stored for i32 {
    fn store(&self) -> Value {
        (*self).into()
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        sound(value.as_i64().and_then(|number| number.try_into().ok()), value, is_sound)
    }
}

impl Stored for u32 {
    fn store(&self) -> Value {
        (*self).into()
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        sound(value.as_u64().and_then(|number| number.try_into().ok()), value, is_sound)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn store(&self) -> Value {
        self.as_ref().map_or(Value::Null, Stored::store)
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        if value.is_null() { None } else { Some(T::load(value, is_sound)) }
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn store(&self) -> Value {
        Value::Array(self.iter().map(Stored::store).collect())
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        let values = sound(value.as_array().map(Vec::as_slice), value, is_sound);
        values.iter().map(|value| T::load(value, is_sound)).collect()
    }
}

/// Sets a member of an object that is being built.
pub(crate) fn set(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.insert(name.to_owned(), value);
}

/// An object with one member, as a variant that holds something is written.
pub(crate) fn variant(name: &str, content: Value) -> Value {
    let mut object = Map::new();
    set(&mut object, name, content);
    Value::Object(object)
}

/// A struct as an object with a member for each field.
macro_rules! stored_fields {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl crate::stored::Stored for $type {
            fn store(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $(crate::stored::set(&mut object, stringify!($field), self.$field.store());)*
                serde_json::Value::Object(object)
            }

            fn load(value: &serde_json::Value, is_sound: &mut bool) -> Self {
                *is_sound &= value.is_object();
                Self { $($field: crate::stored::Stored::load(&value[stringify!($field)], is_sound),)* }
            }
        }
    };
}

/// Variants that hold nothing as texts; the first is the default.
macro_rules! stored_names {
    ($type:ident { $first:ident = $first_name:literal $(, $variant:ident = $name:literal)* $(,)? }) => {
        impl crate::stored::Stored for $type {
            fn store(&self) -> serde_json::Value {
                match self {
                    Self::$first => $first_name,
                    $(Self::$variant => $name,)*
                }
                .into()
            }

            fn load(value: &serde_json::Value, is_sound: &mut bool) -> Self {
                match value.as_str() {
                    $(Some($name) => Self::$variant,)*
                    text => {
                        *is_sound &= value.is_null() || text == Some($first_name);
                        Self::$first
                    }
                }
            }
        }
    };
}

pub(crate) use {stored_fields, stored_names};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Part {
        flag: bool,
        text: String,
        count: u32,
        id: Option<i32>,
        at: i64,
        list: Vec<u64>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq)]
    enum Kind {
        One,
        Two,
    }

    stored_fields!(Part { flag, text, count, id, at, list, kind });
    stored_names!(Kind { One = "one", Two = "two" });

    fn load<T: Stored>(value: &Value) -> Option<T> {
        let mut is_sound = true;
        let loaded = T::load(value, &mut is_sound);
        is_sound.then_some(loaded)
    }

    #[test]
    fn what_was_stored_is_loaded_as_it_was() {
        let full = Part {
            flag: true,
            text: "ä\"".into(),
            count: u32::MAX,
            id: Some(-1),
            at: i64::MIN,
            list: vec![u64::MAX, 0],
            kind: Kind::Two,
        };
        assert_eq!(load(&full.store()), Some(full));
        let empty = Part { flag: false, text: String::new(), count: 0, id: None, at: 0, list: vec![], kind: Kind::One };
        assert_eq!(load::<Part>(&json!({})).as_ref(), Some(&empty), "an earlier version had none of this");
        assert_eq!(load(&empty.store()), Some(empty));
    }

    #[test]
    fn what_nobody_stored_is_not_loaded() {
        for value in [
            json!(null),
            json!([]),
            json!({"flag": 1}),
            json!({"text": 1}),
            json!({"count": -1}),
            json!({"count": 1_u64 << 32}),
            json!({"id": 1_i64 << 31}),
            json!({"at": "1"}),
            json!({"list": 1}),
            json!({"list": [-1]}),
            json!({"kind": "three"}),
        ] {
            assert_eq!(load::<Part>(&value), None, "{value}");
        }
    }
}
