//! Settings: from the JSON object that the host passes to an author's type.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::reader::{self, UnknownKey};

/// Reads a plugin's settings.
///
/// A key that the type does not know is refused, whether or not the author wrote `deny_unknown_fields`: with it the
/// message lists what is accepted.
///
/// # Errors
/// [`Error::InvalidSettings`], naming the key.
pub fn parse_settings<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    // The JSON is the host's making: where in it something is wrong would send a person looking in the wrong place.
    let value: Value =
        serde_json::from_slice(json.as_bytes()).map_err(|_| Error::InvalidSettings("they are no JSON".to_owned()))?;
    reader::read(&value, UnknownKey::Refused).map_err(|misfit| Error::InvalidSettings(misfit.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Lax {
        layout: Option<String>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        layout: String,
    }

    fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        match result {
            Err(Error::InvalidSettings(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn known_keys_are_read() {
        assert_eq!(parse_settings::<Lax>(r#"{"layout":"pairs"}"#).unwrap(), Lax { layout: Some("pairs".into()) });
        assert_eq!(parse_settings::<Lax>("{}").unwrap(), Lax { layout: None });
    }

    #[test]
    fn an_unknown_key_is_refused_even_where_the_author_did_not_ask_for_it() {
        assert_eq!(refusal(parse_settings::<Lax>(r#"{"layuot":"pairs"}"#)), "`layuot`: unknown key; remove it");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_by_its_key() {
        assert_eq!(
            refusal(parse_settings::<Lax>(r#"{"layout":7}"#)),
            "`layout`: found the integer 7, expected a string"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(refusal(parse_settings::<Strict>("7")), "found the integer 7, expected struct Strict");
        assert_eq!(refusal(parse_settings::<Strict>("{")), "they are no JSON");
    }

    #[test]
    fn the_message_names_what_is_accepted_and_no_place_in_the_json() {
        assert_eq!(
            refusal(parse_settings::<Strict>(r#"{"layuot":"pairs"}"#)),
            "unknown field `layuot`, expected `layout`"
        );
        assert_eq!(refusal(parse_settings::<Strict>("{}")), "missing field `layout`");
    }

    #[test]
    fn a_list_of_a_given_length_takes_no_more_and_no_less() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Range {
            range: (u8, u8),
        }
        assert_eq!(parse_settings::<Range>(r#"{"range":[1,2]}"#).unwrap(), Range { range: (1, 2) });
        assert_eq!(refusal(parse_settings::<Range>(r#"{"range":[1,2,3]}"#)), "`range`: 1 more than are accepted");
        assert!(refusal(parse_settings::<Range>(r#"{"range":[1]}"#)).contains("invalid length 1"));
    }
}
