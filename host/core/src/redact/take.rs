//! Taking what an authorization server grants out of its answer.

use serde_json::Value;

use super::blank::BLANK;
use crate::name::SlotName;
use crate::secret::Secret;

/// The members of an answer that are secrets, and their slots (`auth-flow` of the contract; RFC 6749 §5.1, RFC 8628
/// §3.2, OpenID Connect Core §3.1.3.3).
const MEMBERS: [(&str, &str); 4] = [
    ("access_token", "access-token"),
    ("refresh_token", "refresh-token"),
    ("id_token", "id-token"),
    ("device_code", "device-code"),
];

/// What [`take_secrets`] found.
pub struct Taken {
    /// The answer without them.
    pub body: Vec<u8>,
    /// All that belong together: they are stored at once.
    pub secrets: Vec<(SlotName, Secret)>,
}

/// Takes `access_token`, `refresh_token`, `id_token` and `device_code` out of the JSON object that a body is, whatever
/// its content type says, and puts the slot's name in the place of each.
///
/// Such a member that is no text is no secret that could be used, and may be one that could leak: it becomes `null`. An
/// empty text stays. Where a member stands twice, the last one counts, as for most readers, and the others vanish.
/// Members that are spelt differently (`accessToken`) or stand deeper are blanked and fill no slot. A body that is no
/// JSON but speaks of one of the members, such as a form, is blanked as a whole: nobody can say what else in it is a
/// secret. A body in which nothing was found stays as it is, byte for byte.
#[must_use]
pub fn take_secrets(body: &[u8]) -> Taken {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        let body = if speaks_of_a_secret(body) { BLANK.as_bytes().to_vec() } else { body.to_vec() };
        return Taken { body, secrets: Vec::new() };
    };
    let mut secrets = Vec::new();
    let mut changed = false;
    if let Value::Object(members) = &mut value {
        for (member, slot) in MEMBERS {
            if let Some(value) = members.get_mut(member) {
                changed |= take(value, slot, &mut secrets);
            }
        }
    }
    changed |= blank_deeper(&mut value, true);
    let body = if changed { value.to_string().into_bytes() } else { body.to_vec() };
    Taken { body, secrets }
}

/// Whether it changed the value.
fn take(value: &mut Value, slot: &str, secrets: &mut Vec<(SlotName, Secret)>) -> bool {
    let replacement = match (&*value, SlotName::parse(slot)) {
        (Value::Null, _) => return false,
        (Value::String(text), _) if text.is_empty() => return false,
        (Value::String(text), Ok(name)) => {
            secrets.push((name, Secret::new(text.clone())));
            Value::String(slot.to_owned())
        }
        _ => Value::Null,
    };
    *value = replacement;
    true
}

/// Blanks members that are called like a secret, below the top level or spelt differently. Whether it changed anything.
fn blank_deeper(value: &mut Value, top: bool) -> bool {
    match value {
        Value::Object(members) => {
            let mut changed = false;
            for (name, value) in members {
                if top && MEMBERS.iter().any(|(member, _)| member == name) {
                    continue;
                }
                let empty = value.is_null() || value.as_str() == Some("");
                if !empty && is_called_like_a_secret(name) {
                    *value = Value::String(BLANK.to_owned());
                    changed = true;
                } else {
                    changed |= blank_deeper(value, false);
                }
            }
            changed
        }
        Value::Array(values) => {
            let mut changed = false;
            for value in values {
                changed |= blank_deeper(value, false);
            }
            changed
        }
        _ => false,
    }
}

fn is_called_like_a_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    MEMBERS.iter().any(|(member, _)| member.replace('_', "").eq_ignore_ascii_case(&plain))
}

fn speaks_of_a_secret(body: &[u8]) -> bool {
    let plain: String = body
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    MEMBERS.iter().any(|(member, _)| plain.contains(&member.replace('_', "")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(body: &str) -> (String, Vec<(String, String)>) {
        let Taken { body, secrets } = take_secrets(body.as_bytes());
        let secrets = secrets.into_iter().map(|(slot, secret)| (slot.into(), secret.reveal().to_owned())).collect();
        (String::from_utf8(body).unwrap(), secrets)
    }

    fn pairs(secrets: &[(&str, &str)]) -> Vec<(String, String)> {
        secrets.iter().map(|(slot, secret)| ((*slot).to_owned(), (*secret).to_owned())).collect()
    }

    #[test]
    fn every_member_goes_into_its_slot() {
        let body = r#"{"access_token":"A","expires_in":3599,"refresh_token":"R","id_token":"I","device_code":"D"}"#;
        let left = concat!(
            r#"{"access_token":"access-token","device_code":"device-code","expires_in":3599,"#,
            r#""id_token":"id-token","refresh_token":"refresh-token"}"#
        );
        let slots = [("access-token", "A"), ("refresh-token", "R"), ("id-token", "I"), ("device-code", "D")];
        assert_eq!(taken(body), (left.to_owned(), pairs(&slots)));
    }

    /// A body, what is left of it, and what was taken.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    #[test]
    fn what_is_left_of_an_answer() {
        let table: [Case<'_>; 21] = [
            // Nothing to take: not a byte is changed.
            ("", "", &[]),
            (
                r#"{ "error" : "slow_down", "big": 12345678901234567890123 }"#,
                r#"{ "error" : "slow_down", "big": 12345678901234567890123 }"#,
                &[],
            ),
            (r#"{"access_token": ""}"#, r#"{"access_token": ""}"#, &[]),
            (r#"{"access_token": null}"#, r#"{"access_token": null}"#, &[]),
            (r#"["access_token"]"#, r#"["access_token"]"#, &[]),
            (r#""access_token""#, r#""access_token""#, &[]),
            ("<html>502</html>", "<html>502</html>", &[]),
            // Disguised names are names.
            (r#"{"access\u005ftoken":"A"}"#, r#"{"access_token":"access-token"}"#, &[("access-token", "A")]),
            (r#"{"access_token":"\u0041\/\""}"#, r#"{"access_token":"access-token"}"#, &[("access-token", "A/\"")]),
            // What is no text is not used and not shown.
            (r#"{"access_token":12345}"#, r#"{"access_token":null}"#, &[]),
            (r#"{"access_token":{"value":"A"}}"#, r#"{"access_token":null}"#, &[]),
            (r#"{"access_token":["A"],"refresh_token":true}"#, r#"{"access_token":null,"refresh_token":null}"#, &[]),
            // Twice.
            (
                r#"{"access_token":"A","access_token":"B"}"#,
                r#"{"access_token":"access-token"}"#,
                &[("access-token", "B")],
            ),
            (r#"{"access_token":"A","access_token":1}"#, r#"{"access_token":null}"#, &[]),
            // Elsewhere.
            (r#"{"data":{"access_token":"A"}}"#, r#"{"data":{"access_token":"[secret]"}}"#, &[]),
            (r#"[{"x":[{"refresh_token":"A"}]},{"y":1}]"#, r#"[{"x":[{"refresh_token":"[secret]"}]},{"y":1}]"#, &[]),
            (
                r#"{"accessToken":"A","IDToken":1,"x":""}"#,
                r#"{"IDToken":"[secret]","accessToken":"[secret]","x":""}"#,
                &[],
            ),
            (r#"{"data":{"access_token":null,"id_token":""}}"#, r#"{"data":{"access_token":null,"id_token":""}}"#, &[]),
            // No JSON.
            ("access_token=A&scope=b", "[secret]", &[]),
            ("<error>Refresh-Token A</error>", "[secret]", &[]),
            (r#"{"device_code":"D""#, "[secret]", &[]),
        ];
        for (body, left, secrets) in table {
            assert_eq!(taken(body), (left.to_owned(), pairs(secrets)), "{body}");
        }
    }

    #[test]
    fn json_that_is_too_deep_to_read_is_not_shown() {
        let deep = format!("{}{}{}", "{\"x\":".repeat(500), "{\"access_token\":\"A\"}", "}".repeat(500));
        assert_eq!(taken(&deep), (BLANK.to_owned(), vec![]));
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_too() {
        let taken = take_secrets(b"\xff\xfeaccess_token=A");
        assert_eq!(taken.body, BLANK.as_bytes());
        assert_eq!(take_secrets(b"\xff\xfe").body, b"\xff\xfe");
    }

    fn json(secret: &'static str) -> impl Strategy<Value = Value> {
        let name = prop::sample::select(vec!["access_token", "refreshToken", "id_token", "device_code", "a", "b"]);
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        let tree = leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..4).prop_map(move |members| {
                    let hide = |(name, value): (&str, Value)| {
                        let value =
                            if is_called_like_a_secret(name) { Value::from(vec![value, secret.into()]) } else { value };
                        (name.to_owned(), value)
                    };
                    Value::Object(members.into_iter().map(hide).collect())
                }),
            ]
        });
        (tree.clone(), tree, any::<bool>()).prop_map(move |(inner, outer, text)| {
            let token = if text { secret.into() } else { outer };
            serde_json::json!({"access_token": token, "data": inner})
        })
    }

    proptest! {
        #[test]
        fn nothing_below_a_secret_name_is_left(value in json("s3cret")) {
            let Taken { body, secrets } = take_secrets(value.to_string().as_bytes());
            let body = String::from_utf8(body).unwrap();
            prop_assert!(!body.contains("s3cret"), "{}", body);
            prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
            prop_assert_eq!(!secrets.is_empty(), value["access_token"] == "s3cret");
        }

        #[test]
        fn any_bytes_are_survived(body: Vec<u8>) {
            prop_assert!(take_secrets(&body).secrets.is_empty());
        }
    }
}
