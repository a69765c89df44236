//! What of plugins.toml may be shown beside an error.
//!
//! Whose badge is which may not: an error goes into the log, and no number of a badge is logged.
//!
//! People paste secrets into it, although none belongs there: in place of a table, under a key that nobody knows, without
//! quotation marks. An error then has to say where, and must not repeat what stands there: its text goes into logs, into
//! `status`, and from there into questions that people ask in public. In doubt a line is not shown; where it is, is said
//! all the same.

/// Words by which a line gives away that a secret stands in it.
const TELLING: [&str; 9] =
    ["secret", "token", "passw", "passphrase", "credential", "bearer", "api-key", "api_key", "apikey"];

/// How much of its line an error may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it.
    Line,
    /// Not what follows the key that is meant: of a key that nobody knows, nobody knows whether its value is a secret.
    Key,
    /// Nothing.
    Nothing,
}

/// The table of badges.
pub(super) const PEOPLE: &str = "people";

/// Whether what stands at this path may be a secret: `grants.NAME.secrets` and what is below it, of a sink's `authorize` all
/// but the name of a grant, and whose badge is which, for a number opens what it is shown to.
pub(super) fn is_secret(path: &str) -> bool {
    let mut parts = path.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("grants"), Some(_), Some("secrets"), _) => true,
        (Some("sinks"), Some(_), Some("authorize"), below) => below != Some("grant"),
        (Some(PEOPLE), _, _, _) => true,
        _ => false,
    }
}

/// Whether a line gives away that a secret stands in it.
pub(super) fn tells_of_a_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    TELLING.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_path() {
        for (path, secret) in [
            ("grants.google.secrets", true),
            ("grants.google.secrets.client-secret", true),
            ("grants.google.secrets.client-secret.file", true),
            ("grants.google.settings.secrets", false),
            ("grants.google", false),
            ("sinks.a.authorize", true),
            ("sinks.a.authorize.secret.file", true),
            ("sinks.a.authorize.header", true),
            ("sinks.a.authorize.grant", false),
            ("people.0012345678", true),
            ("people", true),
            ("inputs.people", false),
            ("inputs.secrets", false),
            ("", false),
        ] {
            assert_eq!(is_secret(path), secret, "{path}");
        }
    }

    #[test]
    fn a_secret_is_known_by_its_line() {
        for (line, secret) in [
            ("client_SECRET = \"x\"", true),
            ("settings = { password = \"x\" }", true),
            ("headers = [\"X-Api-Key: x\"]", true),
            ("key = \"space\"", false),
            ("reach = [\"https://h.example\"]", false),
        ] {
            assert_eq!(tells_of_a_secret(line), secret, "{line}");
        }
    }
}
