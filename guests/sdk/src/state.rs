//! State: an author's type, kept by the host as bytes between two calls.
//!
//! Written as JSON, so that a person can read what a ledger holds, with the author's version in front: `[1,{…}]`. No
//! bytes are the default state. Whole numbers of more than 64 bits don't survive.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::reader::{self, UnknownKey};

/// Reads a state that a version `version` wrote, or asks `migrate` to convert what an older version wrote.
///
/// # Errors
/// [`Error::UnknownState`] for any other bytes.
pub fn parse_state<T: DeserializeOwned + Default>(
    bytes: &[u8],
    version: u32,
    migrate: impl FnOnce(u32, Value) -> Option<T>,
) -> Result<T, Error> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    let (found, state) = parse_written(bytes).ok_or(Error::UnknownState)?;
    if found == version {
        return reader::read(&state, UnknownKey::Ignored).map_err(|_| Error::UnknownState);
    }
    migrate(found, state).ok_or(Error::UnknownState)
}

/// The version, and the state that it wrote.
fn parse_written(bytes: &[u8]) -> Option<(u32, Value)> {
    let Value::Array(written) = serde_json::from_slice(bytes).ok()? else { return None };
    let [version, state] = <[Value; 2]>::try_from(written).ok()?;
    Some((u32::try_from(version.as_u64()?).ok()?, state))
}

/// Writes a state.
///
/// # Errors
/// [`Error::Other`] when the type can't be written as JSON, such as a map with keys that are no strings.
pub fn render_state<T: Serialize>(state: &T, version: u32) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&(version, state)).map_err(|error| Error::Other(format!("the state can't be written: {error}")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Count {
        count: u64,
    }

    fn none(_: u32, _: Value) -> Option<Count> {
        None
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = render_state(&Count { count: 7 }, 3).unwrap();
        assert_eq!(bytes, br#"[3,{"count":7}]"#);
        assert_eq!(parse_state(&bytes, 3, none).unwrap(), Count { count: 7 });
    }

    #[test]
    fn no_bytes_are_the_default() {
        assert_eq!(parse_state(b"", 1, none).unwrap(), Count::default());
    }

    #[test]
    fn other_bytes_are_unknown() {
        for bytes in [&b"x"[..], b"{}", br#"[1,{"total":7}]"#, br#"[1,{"count":7}]x"#, b"[1]", br#"[1,{"count":7},0]"#]
        {
            assert!(matches!(parse_state(bytes, 1, none), Err(Error::UnknownState)), "{bytes:?}");
        }
        for version in ["2", "-1", "1.0", "4294967297", "\"1\""] {
            let bytes = format!(r#"[{version},{{"count":7}}]"#);
            assert!(matches!(parse_state(bytes.as_bytes(), 1, none), Err(Error::UnknownState)), "{version}");
        }
        assert!(matches!(parse_state(br#"[2,{"count":7}]"#, 1, none), Err(Error::UnknownState)));
    }

    #[test]
    fn a_key_that_a_newer_plugin_wrote_is_ignored() {
        assert_eq!(parse_state(br#"[1,{"count":7,"since":1}]"#, 1, none).unwrap(), Count { count: 7 });
    }

    #[test]
    fn an_older_version_is_converted_where_the_author_says_how() {
        let migrated = parse_state(br#"[1,7]"#, 2, |version, state| {
            assert_eq!(version, 1);
            Some(Count { count: state.as_u64()? })
        });
        assert_eq!(migrated.unwrap(), Count { count: 7 });
    }
}
