//! Misfit: what in the JSON does not fit the author's type.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// What does not fit the type. In a box, because it is handed through every level of every type.
#[derive(Debug)]
pub(crate) struct Misfit(Box<Found>);

#[derive(Debug)]
struct Found {
    /// Where: `endpoints.token`, `columns[2]`. Empty where it is the whole, or a key of it that is missing.
    at: String,
    why: String,
}

impl Misfit {
    #[cold]
    pub(super) fn new(why: String) -> Self {
        Self(Box::new(Found { at: String::new(), why }))
    }

    /// The same, seen from one level further out.
    #[cold]
    pub(super) fn within(mut self, outer: &str) -> Self {
        let at = &mut self.0.at;
        if !at.is_empty() && !at.starts_with('[') {
            at.insert(0, '.');
        }
        at.insert_str(0, outer);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { at, why } = &*self.0;
        if !at.is_empty() {
            write!(formatter, "`{at}`: ")?;
        }
        formatter.write_str(why)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(why.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("found {}, expected {expected}", describe(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// In the words of TOML, in which people write settings. Fractions are not spelt out: a component that can has 15 KB more.
fn describe(found: Unexpected<'_>) -> String {
    let kind = match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(number) => return format!("the integer {number}"),
        Unexpected::Signed(number) => return format!("the integer {number}"),
        Unexpected::Float(_) => "a fraction",
        Unexpected::Str(text) => return format!("the string `{text}`"),
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a table",
        _ => "something else",
    };
    kind.to_owned()
}
