//! Which version of a plugin runs: the file that plugins.toml names, or one that was kept.
//!
//! A name of `[plugins]` stands for one version at a time, by the digest of its component. A file that changes is a new version,
//! with three exceptions: a person pinned the one in force, the file's is known to be bad, or a person went back from it.

use std::collections::BTreeMap;

/// The SHA-256 of a component.
pub type Digest = [u8; 32];

/// Earlier versions of each name that are kept to go back to.
pub const KEPT: usize = 2;

/// The file that plugins.toml names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// It was read, and its component has this digest.
    Read(Digest),
    /// It can't be read, or nothing that is let in stands in it.
    Unusable,
}

/// What the device knows of a name's versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The version in force. None before the first.
    pub in_force: Option<Digest>,
    /// A person wants no other one.
    pub pinned: bool,
    /// The version that a person went back from, to that in force.
    pub rolled_back_from: Option<Digest>,
    /// Versions that proved bad, whatever their name, and why.
    pub bad: BTreeMap<Digest, String>,
}

/// Which version runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// That of the file.
    File {
        /// It comes into force with this.
        is_new: bool,
    },
    /// The one in force, from what was kept, and not that of the file.
    Kept(Digest, Reason),
    /// None: there is nothing to go back to.
    Nothing(Reason),
}

/// Why the file does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A person pinned the one in force.
    Pinned,
    /// A person went back from it.
    RolledBack,
    /// It proved bad, for this reason.
    Bad(String),
    /// It can't be read, or is not let in.
    Unusable,
    /// It needs what is not granted, or does not take the settings.
    Unfit,
}

/// Decides which version of a plugin runs.
#[must_use]
pub fn choose(file: File, known: &Known) -> Choice {
    let kept = |reason| match known.in_force {
        Some(digest) => Choice::Kept(digest, reason),
        None => Choice::Nothing(reason),
    };
    let digest = match file {
        File::Read(digest) => digest,
        File::Unusable if known.pinned => return kept(Reason::Pinned),
        File::Unusable => return kept(Reason::Unusable),
    };
    if known.in_force == Some(digest) {
        return Choice::File { is_new: false };
    }
    if known.pinned && known.in_force.is_some() {
        return kept(Reason::Pinned);
    }
    if let Some(reason) = known.bad.get(&digest) {
        return kept(Reason::Bad(reason.clone()));
    }
    if known.rolled_back_from == Some(digest) {
        return kept(Reason::RolledBack);
    }
    Choice::File { is_new: true }
}

/// What became of a version's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// Those of which something came: an event formatted, a batch delivered, a lease renewed, a chip read.
    pub work: u64,
    /// They broke off, or what they answered broke the contract.
    pub traps: u64,
    /// They took too long.
    pub deadlines: u64,
    /// They did not know the state that an earlier version left.
    pub unknown_states: u64,
    /// They said that they can't.
    pub errors: u64,
    /// They had a person waited for.
    pub holds: u64,
    /// They refused all that they were given, for good: each event, or each row of a batch.
    pub refusals: u64,
}

impl Calls {
    /// Those that brought no value.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.traps + self.deadlines + self.unknown_states + self.errors
    }
}

/// How a version came to be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Another one took its place.
    Replaced,
    /// A person went back from it.
    RolledBack,
    /// It proved bad, for this reason.
    Bad(String),
}

/// A time for which a version was in force, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The version.
    pub digest: Digest,
    /// How it ended. None: it is in force.
    pub left: Option<Left>,
    /// It was not seen to work for long enough, by its end or yet.
    pub on_trial: bool,
}

/// The version to which a plugin goes back: the last one that another took the place of. One whose trial another version cut short
/// was never seen to work: it counts only where there is no other. `history`: oldest first.
#[must_use]
pub fn find_earlier(history: &[Term], bad: &BTreeMap<Digest, String>) -> Option<Digest> {
    let in_force = history.iter().find(|term| term.left.is_none())?.digest;
    let may_run = |digest: &Digest| *digest != in_force && !bad.contains_key(digest);
    // One that a person went back from, or that proved bad, is no version to go back to, whatever it was before.
    let last_term = |digest: &Digest| history.iter().rev().find(|term| term.digest == *digest);
    let candidates = || {
        let last_terms = history.iter().rev().filter_map(|term| last_term(&term.digest));
        last_terms.filter(|term| term.left == Some(Left::Replaced) && may_run(&term.digest))
    };
    candidates().find(|term| !term.on_trial).or_else(|| candidates().next()).map(|term| term.digest)
}

/// The versions of a name that are kept: the one in force, the one that it would go back to, and others before it. `history`:
/// oldest first.
#[must_use]
pub fn kept(history: &[Term], bad: &BTreeMap<Digest, String>) -> Vec<Digest> {
    let in_force = history.iter().find(|term| term.left.is_none()).map(|term| term.digest);
    let mut kept: Vec<Digest> = in_force.into_iter().collect();
    let most = kept.len() + KEPT;
    kept.extend(find_earlier(history, bad));
    // What proved bad is kept as well, while it is among the last: a person may allow it again.
    for term in history.iter().rev() {
        if kept.len() < most && !kept.contains(&term.digest) {
            kept.push(term.digest);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = [1; 32];
    const B: Digest = [2; 32];
    const C: Digest = [3; 32];
    const D: Digest = [4; 32];

    #[test]
    fn the_file_wins_unless_it_is_pinned_away_bad_rolled_back_from_or_unusable() {
        let known = || Known { in_force: Some(A), ..Known::default() };
        let pinned = || Known { pinned: true, ..known() };
        let rolled_back = || Known { rolled_back_from: Some(B), ..known() };
        let bad = || Known { bad: BTreeMap::from([(B, "it trapped".to_owned())]), ..known() };
        let nothing_yet = |of: Known| Known { in_force: None, ..of };
        let (old, new) = (Choice::File { is_new: false }, Choice::File { is_new: true });
        let is_bad = || Reason::Bad("it trapped".to_owned());
        let table = [
            (File::Read(A), Known::default(), new.clone()),
            (File::Read(A), known(), old.clone()),
            (File::Read(B), known(), new.clone()),
            (File::Unusable, known(), Choice::Kept(A, Reason::Unusable)),
            (File::Unusable, Known::default(), Choice::Nothing(Reason::Unusable)),
            (File::Read(A), pinned(), old.clone()),
            (File::Read(B), pinned(), Choice::Kept(A, Reason::Pinned)),
            (File::Unusable, pinned(), Choice::Kept(A, Reason::Pinned)),
            (File::Read(B), nothing_yet(pinned()), new.clone()),
            (File::Read(B), rolled_back(), Choice::Kept(A, Reason::RolledBack)),
            (File::Read(A), rolled_back(), old.clone()),
            (File::Read(C), rolled_back(), new.clone()),
            (File::Read(B), bad(), Choice::Kept(A, is_bad())),
            (File::Read(C), bad(), new),
            (File::Read(B), nothing_yet(bad()), Choice::Nothing(is_bad())),
            // What runs is not stopped for what is said of it elsewhere: a version is left by going back from it.
            (File::Read(A), Known { bad: BTreeMap::from([(A, String::new())]), ..known() }, old),
        ];
        for (file, known, expected) in table {
            assert_eq!(choose(file, &known), expected, "{file:?} {known:?}");
        }
    }

    fn history(terms: &[(Digest, Option<Left>)]) -> Vec<Term> {
        let term =
            |(digest, left): &(Digest, Option<Left>)| Term { digest: *digest, left: left.clone(), on_trial: false };
        terms.iter().map(term).collect()
    }

    /// The same, where these terms ended on trial, or are on trial.
    fn with_trials(terms: &[(Digest, Option<Left>)], on_trial: &[usize]) -> Vec<Term> {
        let mut history = history(terms);
        for index in on_trial {
            history[*index].on_trial = true;
        }
        history
    }

    #[test]
    fn a_person_goes_back_to_the_last_version_that_was_replaced_and_is_not_bad() {
        let (replaced, rolled_back) = (Some(Left::Replaced), Some(Left::RolledBack));
        let proved_bad = || Some(Left::Bad("it trapped".to_owned()));
        let bad = |digest| BTreeMap::from([(digest, String::new())]);
        let table = [
            (history(&[]), BTreeMap::new(), None),
            (history(&[(A, None)]), BTreeMap::new(), None),
            (history(&[(A, replaced.clone()), (B, None)]), BTreeMap::new(), Some(A)),
            (history(&[(A, replaced.clone()), (B, None)]), bad(A), None),
            (history(&[(A, replaced.clone()), (B, replaced.clone()), (C, None)]), BTreeMap::new(), Some(B)),
            (history(&[(A, replaced.clone()), (B, replaced.clone()), (C, None)]), bad(B), Some(A)),
            // Back once, and once more.
            (history(&[(A, replaced.clone()), (B, rolled_back.clone()), (A, None)]), BTreeMap::new(), None),
            (
                history(&[(A, replaced.clone()), (B, replaced.clone()), (C, rolled_back.clone()), (B, None)]),
                BTreeMap::new(),
                Some(A),
            ),
            (
                history(&[(A, replaced.clone()), (B, proved_bad()), (A, replaced.clone()), (C, None)]),
                BTreeMap::new(),
                Some(A),
            ),
            // One that came again counts by how it was left then.
            (
                history(&[(A, replaced.clone()), (B, rolled_back), (A, replaced.clone()), (B, replaced), (C, None)]),
                BTreeMap::new(),
                Some(B),
            ),
        ];
        for (history, bad, expected) in table {
            assert_eq!(find_earlier(&history, &bad), expected, "{history:?} {bad:?}");
        }
    }

    #[test]
    fn a_version_whose_trial_was_cut_short_is_gone_back_past_and_what_is_gone_back_to_is_kept() {
        let replaced = || Some(Left::Replaced);
        let three = [(A, replaced()), (B, replaced()), (C, None)];
        let four = [(A, replaced()), (B, replaced()), (C, replaced()), (D, None)];
        let bad = |digest| BTreeMap::from([(digest, String::new())]);
        // What is gone back to, and what is kept.
        let table = [
            (with_trials(&three, &[1, 2]), BTreeMap::new(), A, vec![C, A, B]),
            (with_trials(&three, &[2]), BTreeMap::new(), B, vec![C, B, A]),
            (with_trials(&four, &[1, 2, 3]), BTreeMap::new(), A, vec![D, A, C]),
            // Another one is better than none.
            (with_trials(&three, &[1, 2]), bad(A), B, vec![C, B, A]),
        ];
        for (history, bad, earlier, expected) in table {
            assert_eq!(find_earlier(&history, &bad), Some(earlier), "{history:?} {bad:?}");
            assert_eq!(kept(&history, &bad), expected, "{history:?} {bad:?}");
        }
    }

    #[test]
    fn the_version_in_force_and_the_two_before_it_are_kept() {
        let kept = |history: &[Term]| kept(history, &BTreeMap::new());
        let replaced = || Some(Left::Replaced);
        let four = history(&[(A, replaced()), (B, replaced()), (C, replaced()), (D, None)]);
        assert_eq!(kept(&four), [D, C, B]);
        let back = history(&[(A, replaced()), (B, replaced()), (C, Some(Left::RolledBack)), (B, None)]);
        assert_eq!(kept(&back), [B, A, C]);
        assert_eq!(kept(&[]), Vec::<Digest>::new());
    }
}
