//! Reader: from JSON to an author's type, with the key of what does not fit.
//!
//! Settings and states are both read from a [`Value`] by the one [`Reader`]. What `derive(Deserialize)` makes of a type is
//! compiled anew for each reader that it is used with, and is the largest part of a small component: so there is one.

mod misfit;
mod part;

use serde::Deserialize;
use serde::de::{self, Deserializer, Expected, Unexpected, Visitor};
use serde_json::Value;

use misfit::Misfit;
use part::{Elements, Members, Variant};

/// What becomes of a key that the type does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownKey {
    Refused,
    Ignored,
}

/// Reads a type.
///
/// # Errors
/// The first misfit.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: &'de Value, unknown: UnknownKey) -> Result<T, Misfit> {
    T::deserialize(Reader { value, unknown })
}

#[derive(Clone, Copy)]
struct Reader<'de> {
    value: &'de Value,
    unknown: UnknownKey,
}

impl<'de> Reader<'de> {
    fn of(self, value: &'de Value) -> Self {
        Self { value, ..self }
    }

    /// The value is of a kind that the type can't be read from.
    #[cold]
    fn misfit(self, expected: &dyn Expected) -> Misfit {
        let found = match self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(flag) => Unexpected::Bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Unexpected::Unsigned(number),
                (None, Some(number)) => Unexpected::Signed(number),
                (None, None) => Unexpected::Float(f64::NAN),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        de::Error::invalid_type(found, expected)
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn flag<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Bool(flag) => visitor.visit_bool(*flag),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match (self.value.as_u64(), self.value.as_i64()) {
            (Some(number), _) => visitor.visit_u64(number),
            (None, Some(number)) => visitor.visit_i64(number),
            (None, None) => Err(self.misfit(&visitor)),
        }
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.misfit(&visitor)),
        }
    }

    fn nothing<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Array(elements) => visitor.visit_seq(Elements::new(self, elements)),
            _ => Err(self.misfit(&visitor)),
        }
    }

    /// A list of a given length: what is too much in it is no part of the type.
    fn tuple<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Value::Array(elements) = self.value else { return Err(self.misfit(&visitor)) };
        let mut read = Elements::new(self, elements);
        let value = visitor.visit_seq(&mut read)?;
        match read.left() {
            0 => Ok(value),
            left => Err(de::Error::custom(format_args!("{left} more than are accepted"))),
        }
    }

    fn table<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Object(members) => visitor.visit_map(Members::new(self, members)),
            _ => Err(self.misfit(&visitor)),
        }
    }
}

/// A type that says what it is read from gets nothing else: then the rest of its visitor is not compiled.
macro_rules! read_as {
    ($($deserialize:ident($($hint:ty),*) => $kind:ident,)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, $(_: $hint,)* visitor: V) -> Result<V::Value, Misfit> {
            self.$kind(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => self.nothing(visitor),
            Value::Bool(_) => self.flag(visitor),
            Value::Number(number) if number.is_f64() => self.number(visitor),
            Value::Number(_) => self.integer(visitor),
            Value::String(_) => self.text(visitor),
            Value::Array(_) => self.list(visitor),
            Value::Object(_) => self.table(visitor),
        }
    }

    read_as! {
        deserialize_bool() => flag,
        deserialize_i8() => integer,
        deserialize_i16() => integer,
        deserialize_i32() => integer,
        deserialize_i64() => integer,
        deserialize_i128() => integer,
        deserialize_u8() => integer,
        deserialize_u16() => integer,
        deserialize_u32() => integer,
        deserialize_u64() => integer,
        deserialize_u128() => integer,
        deserialize_f32() => number,
        deserialize_f64() => number,
        deserialize_char() => text,
        deserialize_str() => text,
        deserialize_string() => text,
        deserialize_bytes() => list,
        deserialize_byte_buf() => list,
        deserialize_unit() => nothing,
        deserialize_unit_struct(&'static str) => nothing,
        deserialize_seq() => list,
        deserialize_tuple(usize) => tuple,
        deserialize_tuple_struct(&'static str, usize) => tuple,
        deserialize_map() => table,
        deserialize_struct(&'static str, &'static [&'static str]) => table,
        deserialize_identifier() => text,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    /// `"variant"` or `{"variant": content}`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.value {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(members) if members.len() == 1 => match members.iter().next() {
                Some((name, content)) => visitor.visit_enum(Variant { name, content: Some(self.of(content)) }),
                None => Err(self.misfit(&visitor)),
            },
            _ => Err(self.misfit(&visitor)),
        }
    }

    /// Asked for by a type that has no use for the value: its key is unknown.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.unknown {
            UnknownKey::Refused => Err(de::Error::custom("unknown key; remove it")),
            UnknownKey::Ignored => visitor.visit_unit(),
        }
    }
}

#[cfg(test)]
mod tests;
