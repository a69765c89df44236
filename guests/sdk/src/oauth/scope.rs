//! Scopes: what may be asked for, how it is said in words, and whether enough of it was granted.

/// Google's scope for the files that an app made itself.
pub const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";

/// Scopes that say who a person is, or how long a grant lasts. Servers drop or rename them in answers (OpenID Connect
/// Core 1.0 §5.4 and §11), so that their absence means nothing.
const IDENTITY_SCOPES: [&str; 6] = ["openid", "email", "profile", "address", "phone", "offline_access"];

/// Whether a text is one scope token: RFC 6749 §3.3.
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Whether nothing can be concluded from the absence of this scope in an answer.
pub fn is_identity_scope(scope: &str) -> bool {
    IDENTITY_SCOPES.contains(&scope)
}

/// The required scopes that were not granted.
pub fn missing_scopes(required: &[String], granted: &[String]) -> Vec<String> {
    required.iter().filter(|scope| !granted.iter().any(|given| is_same_scope(scope, given))).cloned().collect()
}

/// Google answers `email` and `profile` with longer names of the same.
fn is_same_scope(asked: &str, given: &str) -> bool {
    asked == given
        || matches!(asked, "email" | "profile")
            && given.strip_prefix("https://www.googleapis.com/auth/userinfo.") == Some(asked)
}

/// What these scopes allow, in words that fit after "asks to".
pub fn describe_scopes(scopes: &[String]) -> String {
    let mut words: Vec<String> = Vec::new();
    for scope in scopes {
        let said = match scope.as_str() {
            DRIVE_FILE => "keep its own files in your Drive".to_owned(),
            "https://www.googleapis.com/auth/drive.appdata" => "keep hidden data of its own in your Drive".to_owned(),
            "https://www.googleapis.com/auth/youtube" => "manage your YouTube account".to_owned(),
            "https://www.googleapis.com/auth/youtube.readonly" => "see your YouTube account".to_owned(),
            "offline_access" => "stay signed in".to_owned(),
            other if is_identity_scope(other) => "know who you are".to_owned(),
            other => format!("use {other}"),
        };
        if !words.contains(&said) {
            words.push(said);
        }
    }
    if words.is_empty() { "use your account".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_scope_is_one_token() {
        for scope in ["a", "https://www.googleapis.com/auth/drive.file", "urn:x:y", "!#[]~"] {
            assert!(is_scope(scope), "{scope}");
        }
        for text in ["", "a b", "a\"", "a\\", "a\n", "\u{e9}"] {
            assert!(!is_scope(text), "{text:?}");
        }
    }

    #[test]
    fn missing_scopes_are_those_required_and_not_granted() {
        let required = list(&["a", "b", "email", "profile"]);
        assert_eq!(missing_scopes(&required, &list(&["b", "c"])), list(&["a", "email", "profile"]));
        let renamed = list(&[
            "a",
            "b",
            "https://www.googleapis.com/auth/userinfo.email",
            "https://www.googleapis.com/auth/userinfo.profile",
        ]);
        assert_eq!(missing_scopes(&required, &renamed), list(&[]));
        assert_eq!(missing_scopes(&list(&["a"]), &list(&["https://www.googleapis.com/auth/userinfo.a"])), list(&["a"]));
    }

    #[test]
    fn point_19_scopes_are_said_in_words() {
        for (scopes, words) in [
            (&["https://www.googleapis.com/auth/drive.file"][..], "keep its own files in your Drive"),
            (&["https://www.googleapis.com/auth/drive.appdata"], "keep hidden data of its own in your Drive"),
            (&["openid", "email", "profile", "address", "phone"], "know who you are"),
            (
                &["https://www.googleapis.com/auth/youtube", "https://www.googleapis.com/auth/youtube.readonly"],
                "manage your YouTube account, see your YouTube account",
            ),
            (&["openid", "sheets.write", "offline_access"], "know who you are, use sheets.write, stay signed in"),
            (&[], "use your account"),
        ] {
            assert_eq!(describe_scopes(&list(scopes)), words);
        }
    }
}
