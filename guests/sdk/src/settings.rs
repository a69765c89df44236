//! Settings: from the JSON object that the host passes to an author's type.

use serde::de::DeserializeOwned;

use crate::Error;

/// Reads a plugin's settings.
///
/// A key that the type does not know is refused, whether or not the author wrote `deny_unknown_fields`: with it the
/// message lists what is accepted.
///
/// # Errors
/// [`Error::InvalidSettings`], naming the key.
pub fn parse_settings<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    let mut unknown = None;
    let mut reader = serde_json::Deserializer::from_str(json);
    let settings = serde_ignored::deserialize(&mut reader, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    })
    .map_err(|error| Error::InvalidSettings(without_place(&error.to_string())))?;
    match unknown {
        None => Ok(settings),
        Some(key) => Err(Error::InvalidSettings(format!("unknown key `{key}`; remove it"))),
    }
}

/// The JSON is the host's making: "at line 1 column 17" would send a person looking in the wrong place.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
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
        assert_eq!(refusal(parse_settings::<Lax>(r#"{"layuot":"pairs"}"#)), "unknown key `layuot`; remove it");
    }

    #[test]
    fn the_message_names_what_is_accepted_and_no_place_in_the_json() {
        assert_eq!(
            refusal(parse_settings::<Strict>(r#"{"layuot":"pairs"}"#)),
            "unknown field `layuot`, expected `layout`"
        );
        assert_eq!(refusal(parse_settings::<Strict>("{}")), "missing field `layout`");
    }
}
