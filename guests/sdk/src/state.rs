//! State: an author's type, kept by the host as bytes between two calls.
//!
//! Written as JSON, so that a person can read what a ledger holds, with the author's version in front: `[1,{…}]`. No
//! bytes are the default state.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

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
    #[derive(Deserialize)]
    struct Written<T>(u32, T);
    if let Ok(Written(found, state)) = serde_json::from_slice::<Written<T>>(bytes)
        && found == version
    {
        return Ok(state);
    }
    match serde_json::from_slice::<Written<Value>>(bytes) {
        Ok(Written(found, state)) if found != version => migrate(found, state).ok_or(Error::UnknownState),
        _ => Err(Error::UnknownState),
    }
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
        for bytes in [&b"x"[..], b"{}", br#"[1,{"total":7}]"#, br#"[1,{"count":7}]x"#] {
            assert!(matches!(parse_state(bytes, 1, none), Err(Error::UnknownState)), "{bytes:?}");
        }
        assert!(matches!(parse_state(br#"[2,{"count":7}]"#, 1, none), Err(Error::UnknownState)));
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
