//! The names that a person gives to parts in plugins.toml.
//!
//! A name that exists is valid: 1 to 63 characters of `a-z`, `0-9`, `-`, starting with a letter. It is therefore safe in
//! a file name, a log line, a URL and on a one-line panel.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{found}` is not a name: 1 to 63 of a-z, 0-9 and `-`, starting with a letter")]
pub struct NameError {
    /// What stood there.
    pub found: String,
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

macro_rules! name {
    ($(#[$documentation:meta])* $type:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Takes a text that has the form of a name.
            ///
            /// # Errors
            /// When it has not.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if is_name(text) { Ok(Self(text.to_owned())) } else { Err(NameError { found: text.to_owned() }) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}

name! {
    /// A plugin: a key of `[plugins]`.
    PluginName
}
name! {
    /// A repository of plugins: a key of `[repositories]`.
    RepositoryName
}
name! {
    /// A grant: a key of `[grants]`.
    GrantName
}
name! {
    /// A sink: a key of `[sinks]`.
    SinkName
}
name! {
    /// An input or sensor: a key of `[inputs]` or `[sensors]`.
    InputName
}
name! {
    /// An output: a key of `[outputs]`.
    OutputName
}
name! {
    /// A choice: a key of `[choices]`.
    ChoiceName
}
name! {
    /// What happened, as an input or sensor says it: `punch`, `reading`.
    EventKind
}
name! {
    /// A field of an event, such as `project`.
    FieldName
}
name! {
    /// What a sensor's plugin opens: a key of a sensor's `i2c` or `one-wire`.
    LoanName
}
name! {
    /// A slot of the token storage, such as `access-token`.
    SlotName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_digits_and_hyphens_after_a_letter() {
        let longest = "a".repeat(63);
        for good in ["a", "front-door", "x9", "a-", longest.as_str()] {
            assert_eq!(SinkName::parse(good).map(String::from), Ok(good.to_owned()));
        }
        let too_long = "a".repeat(64);
        for bad in ["", "9a", "-a", "A", "a_b", "a b", "ä", "a/b", "..", too_long.as_str()] {
            assert_eq!(SinkName::parse(bad), Err(NameError { found: bad.to_owned() }), "{bad}");
        }
    }

    #[test]
    fn a_name_is_checked_when_it_is_read_too() {
        assert!(serde_json::from_str::<PluginName>("\"../x\"").is_err());
        assert_eq!(serde_json::from_str::<PluginName>("\"x\"").unwrap().as_str(), "x");
    }
}
