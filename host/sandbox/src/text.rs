//! Texts that plugins say: how long they may be, and what may stand in them.
//!
//! They are kept in the ledger, sent over the socket, and shown on panels and terminals. What a person only reads is cut,
//! visibly. What has to be used exactly, a code or an address, is refused instead.

use punchcard_core::plugin::{Needs, Problem};
use punchcard_core::printable::{is_hidden, steers};

use super::call::CallError;

/// A reason, an advice, a purpose, in bytes.
const SENTENCE_BYTES: usize = 1024;
/// The name of an import or export, in bytes.
const NAME_BYTES: usize = 200;
/// How many of a list are named.
const NAMED: usize = 10;
/// What is meant for a panel's line, in bytes.
const HEADLINE_BYTES: usize = 100;
/// An address.
const ADDRESS_BYTES: usize = 2048;
/// A code that a person has to type.
const CODE_BYTES: usize = 64;
/// Of a found row's key and of a fingerprint.
const KEY_CHARACTERS: usize = 100;
/// Scopes of a lease, and the bytes of each.
const SCOPES: usize = 64;
const SCOPE_BYTES: usize = 256;
/// Slots that are forgotten at once: those that the host fills and those that plugins.toml fills are twenty.
const SLOTS: usize = 20;
/// The longest name of a slot.
const SLOT_BYTES: usize = 63;
/// Fields that an event can have, and the longest name of one that is shown: settings may hold what no input could send.
const FIELDS: usize = 32;
const FIELD_BYTES: usize = 200;

/// A found row's key, or a fingerprint. One that is longer than any of ours is somebody else's, whatever its end; of a
/// fingerprint, what is beyond that does not count.
pub(super) fn clip_key(text: &str) -> String {
    text.chars().take(KEY_CHARACTERS).collect()
}

/// Cuts a text at a character, with a mark where it was cut. What a terminal would obey could forge lines of the log, and
/// becomes a space.
pub(super) fn clip(text: String, bytes: usize) -> String {
    let mut text: String = if text.contains(steers) { text.replace(steers, " ") } else { text };
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
    text
}

/// A sentence for a person.
pub(super) fn clip_sentence(text: String) -> String {
    clip(text, SENTENCE_BYTES)
}

/// The name of an import or export.
pub(super) fn clip_name(name: &str) -> String {
    // A little more than is shown, so that what is cut bears the mark.
    clip(name[..name.floor_char_boundary(NAME_BYTES + 4)].to_owned(), NAME_BYTES)
}

/// The first of a list, and how many more there are.
pub(super) fn list_some(names: &[String]) -> String {
    let named = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

pub(super) fn clip_problem(problem: Problem) -> Problem {
    Problem { headline: clip(problem.headline, HEADLINE_BYTES), advice: clip_sentence(problem.advice) }
}

/// What a lease allows, for a person.
pub(super) fn clip_scopes(mut scopes: Vec<String>) -> Vec<String> {
    scopes.truncate(SCOPES);
    scopes.into_iter().map(|scope| clip(scope, SCOPE_BYTES)).collect()
}

/// Refuses a code that can't be shown as it is.
pub(super) fn check_code(code: &str) -> Result<(), CallError> {
    check("the code for the person", code, CODE_BYTES)
}

/// Refuses an address that can't be shown as it is.
pub(super) fn check_address(address: &str) -> Result<(), CallError> {
    check("the address for the person", address, ADDRESS_BYTES)
}

/// Whether an address can be shown as it is.
pub(super) fn is_address(address: &str) -> bool {
    check_address(address).is_ok()
}

/// Refuses a list of slots to forget that is longer than all slots, or names what no slot can be called.
pub(super) fn check_forgotten(slots: &[String]) -> Result<(), CallError> {
    if slots.len() > SLOTS || slots.iter().any(|slot| slot.len() > SLOT_BYTES) {
        return Err(CallError::refused(format!(
            "a list of {} slots to forget; at most {SLOTS} names of {SLOT_BYTES} bytes are possible",
            slots.len()
        )));
    }
    Ok(())
}

/// Refuses needs that no configuration could grant, or that can't be shown as they are.
pub(super) fn check_needs(needs: &Needs) -> Result<(), CallError> {
    if needs.urls.len() > SLOTS || needs.slots.len() > SLOTS {
        let (urls, slots) = (needs.urls.len(), needs.slots.len());
        return Err(CallError::refused(format!(
            "a need of {urls} addresses and {slots} slots; at most {SLOTS} of each"
        )));
    }
    needs.urls.iter().try_for_each(|url| check("an address that it needs", url, ADDRESS_BYTES))?;
    needs.slots.iter().try_for_each(|slot| check("a slot that it needs", slot, SLOT_BYTES))
}

/// Refuses more fields than an event has, and those that can't be shown as they are.
pub(super) fn check_fields(fields: &[String]) -> Result<(), CallError> {
    if fields.len() > FIELDS {
        return Err(CallError::refused(format!("a need of {} fields; an event has at most {FIELDS}", fields.len())));
    }
    fields.iter().try_for_each(|field| check("a field that it needs", field, FIELD_BYTES))
}

fn check(what: &str, text: &str, most: usize) -> Result<(), CallError> {
    if text.len() > most {
        return Err(CallError::refused(format!("{what} has {} bytes; at most {most} are shown", text.len())));
    }
    if text.contains(|character| steers(character) || is_hidden(character)) {
        return Err(CallError::refused(format!("{what} has characters that can't be seen")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character_and_forges_nothing() {
        assert_eq!(clip("aé".into(), 3), "aé");
        assert_eq!(clip("aéb".into(), 2), "a…");
        assert_eq!(clip("a\nb\x1b[2J\u{202e}c".into(), 99), "a b [2J c");
        assert_eq!(clip_sentence("x".repeat(2_000)).len(), 1024 + "…".len());
        let problem = clip_problem(Problem { headline: "h".repeat(2_000), advice: "a".repeat(2_000) });
        assert_eq!((problem.headline.len(), problem.advice.len()), (103, 1027));
        let name = clip_name(&"ü".repeat(50_000));
        assert_eq!((name.len(), name.capacity() < 1_000), (203, true), "{name}");
        assert_eq!(clip_name("punchcard:plugin/delivery@0.1.0"), "punchcard:plugin/delivery@0.1.0");
        let scopes = clip_scopes(vec!["s".repeat(300); 100]);
        assert_eq!((scopes.len(), scopes[0].len()), (64, 259));
    }

    #[test]
    fn ten_of_a_list_are_named() {
        let names: Vec<String> = (1..=12).map(|number| number.to_string()).collect();
        assert_eq!(list_some(&names[..2]), "1, 2");
        assert_eq!(list_some(&names[..10]), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
        assert_eq!(list_some(&names), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }

    #[test]
    fn what_has_to_be_used_exactly_is_refused_where_it_can_not_be() {
        let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
        for good in ["GQVQ-JKEC", "äöü", "", longest.as_str()] {
            assert_eq!(check_code(good), Ok(()), "{good}");
        }
        for bad in ["a\nb", "\x1b[2J", "a\u{202e}b", "a\u{200b}b", too_long.as_str()] {
            assert!(matches!(check_code(bad), Err(CallError::Refused { .. })), "{bad:?}");
        }
        assert!(is_address("https://h.example/device?x=1"));
        assert!(!is_address("https://h.example/\u{7}"));
        assert!(!is_address(&"x".repeat(2049)));
    }

    #[test]
    fn no_more_is_needed_than_can_be_granted() {
        let needs = |url: &str, urls: usize, slots: usize| Needs {
            urls: vec![url.to_owned(); urls],
            slots: vec!["client-secret".to_owned(); slots],
            authorization: false,
        };
        assert_eq!(check_needs(&needs("https://h.example", 20, 20)), Ok(()));
        for bad in [needs("https://h.example", 21, 0), needs("x", 0, 21), needs("https://h.example/\u{7}", 1, 0)] {
            assert!(check_needs(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fields_are_as_many_as_an_event_has_and_can_be_seen() {
        assert_eq!(check_fields(&vec!["project".to_owned(); 32]), Ok(()));
        for bad in [vec!["project".to_owned(); 33], vec!["x".repeat(201)], vec!["pro\u{1b}ject".to_owned()]] {
            assert!(check_fields(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_more_is_forgotten_than_there_is() {
        assert_eq!(check_forgotten(&vec!["access-token".to_owned(); 20]), Ok(()));
        assert!(check_forgotten(&vec!["access-token".to_owned(); 21]).is_err());
        assert!(check_forgotten(&["x".repeat(64)]).is_err());
    }
}
