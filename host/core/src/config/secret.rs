//! Where a secret comes from. Never the secret itself: plugins.toml is a file that people show one another.

use std::fmt;
use std::path::PathBuf;

use super::node::Node;
use super::plugin::parse_path;

/// Where the host reads a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `{ credential = "…" }`: a file in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(CredentialName),
    /// `{ file = "…" }`: a file, absolute or relative to the folder of plugins.toml.
    File(PathBuf),
}

/// The name of a systemd credential: 1 to 255 of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`, and neither `.` nor `..`. It is
/// therefore the name of a file, and of none in another folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialName(String);

impl CredentialName {
    fn parse(text: &str) -> Option<Self> {
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let valid = (1..=255).contains(&text.len()) && text.bytes().all(accepted) && !matches!(text, "." | "..");
        valid.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

pub(super) fn parse_secret_source(node: &Node<'_, '_>) -> Option<SecretSource> {
    if !node.value().get_ref().is_table() {
        // What was found may be the secret: it is not repeated.
        return node.refuse("accepted is `{ credential = \"…\" }` or `{ file = \"…\" }`; a secret never stands here");
    }
    let mut table = node.table()?;
    let source = match table.exactly_one(&["credential", "file"]) {
        Some(("credential", node)) => parse_credential(&node).map(SecretSource::Credential),
        Some((_, node)) => parse_path(&node).map(SecretSource::File),
        None => None,
    };
    table.finish()?;
    source
}

fn parse_credential(node: &Node<'_, '_>) -> Option<CredentialName> {
    let text = node.text()?;
    match CredentialName::parse(text) {
        Some(name) => Some(name),
        None => node.refuse(format!(
            "{} is not the name of a credential; accepted is 1 to 255 of A-Z, a-z, 0-9, `.`, `_` and `-`",
            node.quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_in_its_folder() {
        let longest = "a".repeat(255);
        for good in ["a", "Google.client_secret-2", "...", longest.as_str()] {
            assert_eq!(CredentialName::parse(good).unwrap().to_string(), good);
        }
        let too_long = "a".repeat(256);
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", too_long.as_str()] {
            assert_eq!(CredentialName::parse(bad), None, "{bad}");
        }
    }
}
