//! The content of a grant's file.

use std::collections::BTreeMap;

use punchcard_core::account::Account;
use punchcard_core::name::SlotName;
use punchcard_core::plugin::auth::Slot;
use punchcard_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The form in which this version writes. It increases when an older version could not read what a newer one wrote.
const FORMAT: u32 = 1;

/// The slots of a grant. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots {
    last_version: u64,
    contents: BTreeMap<SlotName, Content>,
    accounts: Accounts,
}

/// Whose account a grant is. It outlives a sign-out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Accounts {
    /// The account that a person has let the device use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Account>,
    /// The one that was signed in with last, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Account>,
}

#[derive(Clone, PartialEq, Eq)]
struct Content {
    version: u64,
    secret: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawSlots {
    format: u32,
    last_version: u64,
    slots: BTreeMap<SlotName, RawContent>,
    #[serde(default, skip_serializing_if = "is_default")]
    accounts: Accounts,
}

fn is_default(accounts: &Accounts) -> bool {
    *accounts == Accounts::default()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawContent {
    version: u64,
    secret: Zeroizing<String>,
}

#[derive(Deserialize)]
struct RawFormat {
    format: u32,
}

impl Slots {
    /// No slot is filled. `lives` is how many files were lost before this one: versions go on far above theirs.
    pub(super) fn empty(lives: u32) -> Self {
        Self { last_version: u64::from(lives) << 32, contents: BTreeMap::new(), accounts: Accounts::default() }
    }

    /// The content of a slot.
    #[must_use]
    pub fn get(&self, slot: &SlotName) -> Option<&Secret> {
        self.contents.get(slot).map(|content| &content.secret)
    }

    /// Which slots are filled, by name.
    #[must_use]
    pub fn filled(&self) -> Vec<Slot> {
        let slot =
            |(name, content): (&SlotName, &Content)| Slot { name: name.as_str().to_owned(), version: content.version };
        self.contents.iter().map(slot).collect()
    }

    /// All contents, for blanking.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.contents.values().map(|content| &content.secret)
    }

    /// Whose account it is.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whether they are other ones.
    pub(super) fn set_accounts(&mut self, accounts: Accounts) -> bool {
        let before = std::mem::replace(&mut self.accounts, accounts);
        before != self.accounts
    }

    /// Whether anything is new.
    pub(super) fn fill(&mut self, secrets: Vec<(SlotName, Secret)>) -> bool {
        let mut new = false;
        for (slot, secret) in secrets {
            if self.get(&slot) == Some(&secret) {
                continue;
            }
            self.last_version += 1;
            self.contents.insert(slot, Content { version: self.last_version, secret });
            new = true;
        }
        new
    }

    /// Has these in the place of all that is there.
    pub(super) fn replace(&mut self, secrets: Vec<(SlotName, Secret)>) {
        self.contents.clear();
        self.fill(secrets);
    }

    /// Whether anything is gone.
    pub(super) fn forget(&mut self, slots: &[SlotName]) -> bool {
        let before = self.contents.len();
        self.contents.retain(|slot, _| !slots.contains(slot));
        self.contents.len() < before
    }

    /// Takes what a file holds.
    ///
    /// # Errors
    /// When it is not what [`Self::render`] makes: why, without a word of the content.
    pub(super) fn parse(file: &[u8]) -> Result<Self, String> {
        // The parser's own messages quote what they found, and so say no more than where.
        let place = |error: serde_json::Error| {
            format!("what stands in line {}, column {} was not written by this program", error.line(), error.column())
        };
        if file.is_empty() {
            return Err("it is empty".to_owned());
        }
        let RawFormat { format } = serde_json::from_slice(file).map_err(place)?;
        if format != FORMAT {
            return Err(format!("its format is number {format}, and this version reads {FORMAT}"));
        }
        let raw: RawSlots = serde_json::from_slice(file).map_err(place)?;
        let contents: BTreeMap<_, _> = raw
            .slots
            .into_iter()
            .map(|(slot, RawContent { version, mut secret })| {
                (slot, Content { version, secret: Secret::new(std::mem::take(&mut secret)) })
            })
            .collect();
        if contents.values().any(|content| content.version > raw.last_version) {
            return Err("a slot is newer than the last version that it names".to_owned());
        }
        Ok(Self { last_version: raw.last_version, contents, accounts: raw.accounts })
    }

    /// The file's content.
    pub(super) fn render(&self) -> Zeroizing<Vec<u8>> {
        let raw = |content: &Content| RawContent {
            version: content.version,
            secret: Zeroizing::new(content.secret.reveal().to_owned()),
        };
        let slots = self.contents.iter().map(|(slot, content)| (slot.clone(), raw(content))).collect();
        let raw = RawSlots { format: FORMAT, last_version: self.last_version, slots, accounts: self.accounts.clone() };
        Zeroizing::new(serde_json::json!(raw).to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_json_with_a_format() {
        let mut slots = Slots::empty(0);
        let secret = |text: &str| Secret::new(text.to_owned());
        let slot = |name| SlotName::parse(name).unwrap();
        assert!(slots.fill(vec![(slot("refresh-token"), secret("R")), (slot("access-token"), secret("A\"\n"))]));
        assert!(slots.fill(vec![(slot("access-token"), secret("B"))]));
        assert!(slots.forget(&[slot("refresh-token")]));
        let file = slots.render();
        assert_eq!(
            std::str::from_utf8(&file).unwrap(),
            r#"{"format":1,"last-version":3,"slots":{"access-token":{"secret":"B","version":3}}}"#
        );
        assert!(Slots::parse(&file).is_ok_and(|parsed| parsed == slots));
    }

    #[test]
    fn what_takes_the_place_of_everything_is_newer_than_all_that_was_there() {
        let mut slots = Slots::empty(0);
        let secret = |text: &str| Secret::new(text.to_owned());
        let slot = |name| SlotName::parse(name).unwrap();
        slots.fill(vec![(slot("refresh-token"), secret("R")), (slot("access-token"), secret("A"))]);
        slots.replace(vec![(slot("refresh-token"), secret("R"))]);
        assert_eq!(slots.filled(), [Slot { name: "refresh-token".to_owned(), version: 3 }]);
    }

    #[test]
    fn what_was_not_written_here_is_refused_without_a_word_of_it() {
        let unknown =
            |line, column| format!("what stands in line {line}, column {column} was not written by this program");
        let table = [
            ("", "it is empty".to_owned()),
            ("ya29.secret", unknown(1, 1)),
            (r#"{"format":1,"last-ver"#, unknown(1, 21)),
            (r#"{"format":"ya29.secret"}"#, unknown(1, 23)),
            (r#"{"format":2,"anything":1}"#, "its format is number 2, and this version reads 1".to_owned()),
            (r#"{"format":1,"last-version":0,"slots":{},"more":1}"#, unknown(1, 46)),
            (r#"{"format":1,"last-version":0,"slots":{"Bad Name":{"version":1,"secret":"x"}}}"#, unknown(1, 48)),
            (r#"{"format":1,"last-version":9,"slots":{"a":{"version":"ya29.secret","secret":"x"}}}"#, unknown(1, 66)),
            (
                r#"{"format":1,"last-version":1,"slots":{"a":{"version":2,"secret":"x"}}}"#,
                "a slot is newer than the last version that it names".to_owned(),
            ),
        ];
        for (file, reason) in table {
            assert_eq!(Slots::parse(file.as_bytes()).err(), Some(reason), "{file}");
        }
    }
}
