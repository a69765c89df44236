//! Members of JSON objects, as Google writes them: what is empty or zero is left out.

use serde_json::Value;

/// A text of an object; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

/// A list of an object; empty where there is none.
pub(crate) fn list<'a>(object: &'a Value, member: &str) -> &'a [Value] {
    object[member].as_array().map_or(&[], Vec::as_slice)
}

/// An id, a position or a count of an object; zero where there is none.
pub(crate) fn number<T: TryFrom<u64> + Default>(object: &Value, member: &str) -> T {
    object[member].as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_google_leaves_out_is_empty() {
        let object = json!({"text": "a", "list": [1], "id": 7, "odd": {"text": 1, "list": "a", "id": -1}});
        assert_eq!((text(&object, "text"), list(&object, "list"), number(&object, "id")), ("a", &[json!(1)][..], 7));
        for absent in [&json!({}), &json!(null), &object["odd"]] {
            assert_eq!((text(absent, "text"), list(absent, "list"), number(absent, "id")), ("", &[][..], 0));
        }
        assert_eq!(number::<i32>(&json!({"id": 1_u64 << 31}), "id"), 0);
    }
}
