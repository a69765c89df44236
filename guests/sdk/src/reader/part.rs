//! Parts: what an array, an object and an enum's variant consist of.

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::{Misfit, Reader};

/// The elements of an array.
pub(super) struct Elements<'de> {
    reader: Reader<'de>,
    elements: std::slice::Iter<'de, Value>,
    position: usize,
}

impl<'de> Elements<'de> {
    pub(super) fn new(reader: Reader<'de>, elements: &'de [Value]) -> Self {
        Self { reader, elements: elements.iter(), position: 0 }
    }

    /// How many were not read.
    pub(super) fn left(&self) -> usize {
        self.elements.len()
    }
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        let position = self.position;
        self.position += 1;
        let read = seed.deserialize(self.reader.of(element));
        read.map(Some).map_err(|misfit| misfit.within(&format!("[{position}]")))
    }
}

/// The members of an object.
pub(super) struct Members<'de> {
    reader: Reader<'de>,
    members: serde_json::map::Iter<'de>,
    /// The one whose key was read.
    member: Option<(&'de String, &'de Value)>,
}

impl<'de> Members<'de> {
    pub(super) fn new(reader: Reader<'de>, members: &'de Map<String, Value>) -> Self {
        Self { reader, members: members.iter(), member: None }
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.member = self.members.next();
        self.member.map(|(key, _)| seed.deserialize(Key(key))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((key, value)) = self.member.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(self.reader.of(value)).map_err(|misfit| misfit.within(key))
    }
}

/// A key, which in JSON is a text also where the type has a number or a flag.
struct Key<'de>(&'de str);

/// Reads the key as this type, where it can be; as a text otherwise, which the type will refuse by name.
macro_rules! parse_key {
    ($($deserialize:ident => $visit:ident,)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.0.parse() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.0)
    }

    parse_key! {
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_i128 => visit_i128,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128,
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant of an enum, and what it holds.
pub(super) struct Variant<'de> {
    pub(super) name: &'de str,
    pub(super) content: Option<Reader<'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Misfit;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

/// What a variant holds.
pub(super) struct Content<'de>(Option<Reader<'de>>);

impl<'de> Content<'de> {
    fn reader(self) -> Result<Reader<'de>, Misfit> {
        self.0.ok_or_else(|| de::Error::custom("the variant is nothing without what it holds"))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        self.0.map_or(Ok(()), Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.reader()?.list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Misfit> {
        self.reader()?.table(visitor)
    }
}
