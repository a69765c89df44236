//! Where a secret comes from. Never the secret itself: plugins.toml is a file that people show one another.

use std::fmt;
use std::path::PathBuf;

use toml::de::DeValue;

use super::node::Node;
use super::plugin::parse_path;
use super::report::Report;
use super::syntax;
use crate::secret::Secret;

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

/// What a text names as secrets, in its valid parts and in others.
#[derive(Default)]
pub struct NamedSecrets {
    /// Where they are.
    pub sources: Vec<SecretSource>,
    /// Those that stand in the text itself: the URL of `[notify]`, and what was pasted in the place of a source.
    pub plain: Vec<Secret>,
    /// The text is TOML from its beginning to its end. Otherwise there may be more of them.
    pub is_whole: bool,
}

/// Finds what a text names as secrets, for whoever has to know all of them: a part with an error may be in use
/// nevertheless, as it was before.
#[must_use]
pub fn find_named_secrets(text: &str) -> NamedSecrets {
    let report = Report::new(text);
    let mut named = NamedSecrets::default();
    if let Some(readable) = syntax::readable(&report) {
        let root = DeValue::Table(syntax::parse_table(&readable, &report));
        let parts = |kind| entry(&root, kind).into_iter().flat_map(entries);
        let grants = parts("grants").filter_map(|grant| entry(grant, "secrets")).flat_map(entries);
        let sinks = parts("sinks").filter_map(|sink| entry(entry(sink, "authorize")?, "secret"));
        let notify = entry(&root, "notify").and_then(|notify| entry(notify, "url"));
        let vault = entry(&root, "vault").and_then(|vault| entry(vault, "key"));
        for value in grants.chain(sinks).chain(notify).chain(vault) {
            named.take(value);
        }
    }
    named.is_whole = report.into_diagnostics().0.is_empty();
    named
}

impl NamedSecrets {
    fn take(&mut self, value: &DeValue<'_>) {
        let text = |key| entry(value, key).and_then(DeValue::as_str);
        self.plain.extend(value.as_str().map(|pasted| Secret::new(pasted.to_owned())));
        self.sources.extend(text("credential").and_then(CredentialName::parse).map(SecretSource::Credential));
        self.sources.extend(text("file").map(|path| SecretSource::File(PathBuf::from(path))));
    }
}

fn entry<'v, 't>(value: &'v DeValue<'t>, key: &str) -> Option<&'v DeValue<'t>> {
    Some(value.as_table()?.get(key)?.get_ref())
}

fn entries<'v, 't>(value: &'v DeValue<'t>) -> impl Iterator<Item = &'v DeValue<'t>> {
    value.as_table().into_iter().flat_map(|table| table.values().map(toml::Spanned::get_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_that_a_text_names_is_found_also_in_parts_with_errors() {
        const GRANT: &str = "[grants.google]\nplugim = \"device-flow\"\n\
                             secrets = { a = { file = \"client-secret\" }, b = { credential = \"key\" } }\n";
        const SINK: &str = "[sinks.hook]\nauthorize = { header = \"X-Key\", secret = { file = \"/etc/key\" } }\n";
        for (text, sources, plain, is_whole) in [
            ("", "", "", true),
            (GRANT, "client-secret key", "", true),
            (SINK, "/etc/key", "", true),
            ("[sinks.hook]\nauthorize = { grant = \"google\" }\nreach = [\"file\"]\n", "", "", true),
            ("[grants.google.secrets]\nclient-secret = \"GOCSPX-1\"\n", "", "GOCSPX-1", true),
            ("[grants.google.secrets.client-secret]\nfile = \"x\"\nmode = 1\n", "x", "", true),
            ("[vault]\nkey = { credential = \"vault-key\" }\nsealed = 7\n", "vault-key", "", true),
            ("[notify]\nurl = \"https://ntfy.sh/topic\"\n", "", "https://ntfy.sh/topic", true),
            ("[notify]\nurl = { file = \"url\" }\n", "url", "", true),
            ("[grants.google.secrets]\na = { file = \"x\" }\nthis is no TOML\n", "x", "", false),
            ("grants = 7\n[notify]\nurl = 7\n", "", "", true),
            ("[grants.google.secrets]\na = { credential = \"../x\", file = 7 }\n", "", "", true),
        ] {
            let found = find_named_secrets(text);
            let name = |source: &SecretSource| match source {
                SecretSource::File(path) => path.display().to_string(),
                SecretSource::Credential(name) => name.to_string(),
            };
            assert_eq!(found.sources.iter().map(name).collect::<Vec<_>>().join(" "), sources, "{text}");
            assert_eq!(found.plain.iter().map(Secret::reveal).collect::<Vec<_>>().join(" "), plain, "{text}");
            assert_eq!(found.is_whole, is_whole, "{text}");
        }
    }

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
