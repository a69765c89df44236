//! Blanking echoes of known secrets.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, PatternID};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::view::{self, Unit};
use crate::http::Failure;
use crate::secret::Secret;

/// What stands in the place of a secret.
pub const BLANK: &str = "[secret]";

/// A secret of fewer bytes stands in too many words by chance.
const SHORT: usize = 6;

/// Finds secrets in texts, in any of the forms in which servers echo them, and blanks them.
///
/// The forms: as they are; percent-encoded, once or twice, with any choice of characters and case of digits, as in URLs
/// and in forms; escaped as in JSON strings; in base64 of either alphabet, alone or within a longer text, as in HTTP
/// Basic; base64 and percent-encoding within JSON. Not searched for: compressed, hashed, reversed, cut into pieces, or
/// in base64 with line breaks. A secret of fewer than 6 bytes is blanked where it stands as a word of its own, and not in
/// base64: it would be found by chance everywhere, and what is missing would tell it. An empty one is none.
///
/// A secret of the form `Scheme rest`, as plugins.toml holds it for `Authorization` (RFC 9110 §11.4), is what follows the
/// scheme as well, and with Basic the pair that was encoded, and its password: servers echo any of them.
///
/// It costs some kilobytes for each secret, and is made once for as long as the secrets are the same. It has no `Debug`.
pub struct Blanker {
    /// `None` when no search could be built: then everything is blanked.
    search: Option<Search>,
    /// Whether a form's `+` can stand for a space of a secret.
    spaces: bool,
}

struct Search {
    automaton: NFA,
    start: StateID,
    kinds: Vec<Kind>,
}

/// What a pattern is a form of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A secret.
    Plain,
    /// A secret that counts only as a word of its own.
    Word,
    /// The middle of a secret in base64. Whether the characters before and after it hold some of its bits.
    Base64 { before: bool, after: bool },
}

impl Blanker {
    /// For these secrets.
    #[must_use]
    pub fn new(secrets: &[&Secret]) -> Self {
        let mut patterns: BTreeMap<Vec<u8>, Kind> = BTreeMap::new();
        let inner: Vec<Secret> = secrets.iter().flat_map(|secret| inner_secrets(secret)).collect();
        let secrets: Vec<&Secret> = secrets.iter().copied().chain(&inner).collect();
        for secret in &secrets {
            let secret = secret.reveal();
            if secret.len() < SHORT {
                patterns.entry(secret.as_bytes().to_vec()).or_insert(Kind::Word);
                continue;
            }
            // HTTP Basic encodes what is form-encoded already (RFC 6749 §2.3.1).
            let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            for text in [secret, &form, &form.replace('+', "%20"), &percent] {
                patterns.extend(base64_patterns(text.as_bytes()));
            }
            patterns.insert(secret.as_bytes().to_vec(), Kind::Plain);
        }
        patterns.remove(&[][..]);
        let spaces = secrets.iter().any(|secret| secret.reveal().contains(' '));
        Self { search: Search::new(patterns), spaces }
    }

    /// The bytes with [`BLANK`] in the place of every secret. A JSON text in whose strings it was found is JSON still.
    #[must_use]
    pub fn blank(&self, text: Vec<u8>) -> Vec<u8> {
        let Some(search) = &self.search else { return BLANK.as_bytes().to_vec() };
        let found = self.find(search, &text);
        if found.is_empty() {
            return text;
        }
        let mut left = Vec::with_capacity(text.len());
        let mut from = 0;
        for range in found {
            left.extend_from_slice(text.get(from..range.start).unwrap_or_default());
            left.extend_from_slice(BLANK.as_bytes());
            from = range.end;
        }
        left.extend_from_slice(text.get(from..).unwrap_or_default());
        left
    }

    /// The text with [`BLANK`] in the place of every secret.
    #[must_use]
    pub fn blank_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.blank(text.as_bytes().to_vec())).into_owned()
    }

    /// The failure with [`BLANK`] in the place of every secret.
    #[must_use]
    pub fn blank_failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Denied(text) => Failure::Denied(self.blank_text(&text)),
            Failure::Invalid(text) => Failure::Invalid(self.blank_text(&text)),
            Failure::Missing(text) => Failure::Missing(self.blank_text(&text)),
            Failure::Unsent(text) => Failure::Unsent(self.blank_text(&text)),
            Failure::Interrupted(text) => Failure::Interrupted(self.blank_text(&text)),
            failure @ (Failure::TooLarge(_) | Failure::SignedOut) => failure,
        }
    }

    /// Where secrets are, in order and apart from one another.
    fn find(&self, search: &Search, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = search.find(view::plain(text));
        if text.contains(&b'%') {
            found.extend(search.find(view::percent(view::plain(text), false)));
            found.extend(search.find(view::percent(view::percent(view::plain(text), false), false)));
        }
        if self.spaces && text.contains(&b'+') {
            found.extend(search.find(view::percent(view::plain(text), true)));
        }
        if text.contains(&b'\\') {
            found.extend(search.find(view::json(view::plain(text))));
            found.extend(search.find(view::percent(view::json(view::plain(text)), false)));
            if self.spaces {
                found.extend(search.find(view::percent(view::json(view::plain(text)), true)));
            }
        }
        found.sort_by_key(|range| range.end);
        let mut apart = Vec::new();
        for range in found {
            // The `n` of a JSON string's `\n` may be taken for the beginning of a secret; half an escape is no JSON.
            let backslashes = text.iter().take(range.start).rev().take_while(|byte| **byte == b'\\').count();
            merge(&mut apart, range.start - backslashes % 2..range.end);
        }
        apart
    }
}

impl Search {
    fn new(patterns: BTreeMap<Vec<u8>, Kind>) -> Option<Self> {
        let automaton = NFA::new(patterns.keys()).ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        Some(Self { automaton, start, kinds: patterns.into_values().collect() })
    }

    /// Where in the original the patterns are, in order and apart from one another.
    fn find(&self, units: impl Iterator<Item = Unit>) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut units = units.peekable();
        // The units that a pattern can be made of, and the one before them.
        let mut past: VecDeque<Unit> = VecDeque::new();
        let mut state = self.start;
        while let Some(unit) = units.next() {
            if past.len() > self.automaton.max_pattern_len() {
                past.pop_front();
            }
            past.push_back(unit);
            state = self.automaton.next_state(Anchored::No, state, unit.byte);
            if !self.automaton.is_match(state) {
                continue;
            }
            for index in 0..self.automaton.match_len(state) {
                let pattern = self.automaton.match_pattern(state, index);
                let first = past.len() - self.automaton.pattern_len(pattern);
                let before = first.checked_sub(1).and_then(|place| past.get(place));
                let start = past.get(first).map_or(unit.start, |first| first.start);
                if let Some(range) = self.plan_range(pattern, start..unit.end, before, units.peek()) {
                    merge(&mut found, range);
                }
            }
        }
        found
    }

    /// What to blank where this pattern was found between these neighbours.
    fn plan_range(
        &self,
        pattern: PatternID,
        range: Range<usize>,
        before: Option<&Unit>,
        after: Option<&Unit>,
    ) -> Option<Range<usize>> {
        match self.kinds.get(pattern.as_usize())? {
            Kind::Plain => Some(range),
            Kind::Word => {
                let in_word = |unit: Option<&Unit>| unit.is_some_and(|unit| unit.byte.is_ascii_alphanumeric());
                (!in_word(before) && !in_word(after)).then_some(range)
            }
            Kind::Base64 { before: more_before, after: more_after } => {
                let start =
                    before.filter(|unit| *more_before && is_base64(unit.byte)).map_or(range.start, |unit| unit.start);
                let end = after.filter(|unit| *more_after && is_base64(unit.byte)).map_or(range.end, |unit| unit.end);
                Some(start..end)
            }
        }
    }
}

/// The secrets that stand inside one of the form `Scheme rest`.
fn inner_secrets(secret: &Secret) -> Vec<Secret> {
    let Some((scheme, rest)) = secret.reveal().split_once(' ') else { return Vec::new() };
    let rest = rest.trim();
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let common = ["basic", "bearer", "token"].iter().any(|common| scheme.eq_ignore_ascii_case(common));
    // What is short and follows a word that is no scheme would be blanked everywhere, and is not the secret.
    if !is_scheme || rest.is_empty() || (rest.len() < SHORT && !common) {
        return Vec::new();
    }
    let mut inner = vec![Secret::new(rest.to_owned())];
    if scheme.eq_ignore_ascii_case("basic")
        && let Ok(pair) = STANDARD_NO_PAD.decode(rest.trim_end_matches('='))
        && let Ok(pair) = String::from_utf8(pair)
    {
        let pair = Secret::new(pair);
        if let Some((_, password)) = pair.reveal().split_once(':') {
            inner.push(Secret::new(password.to_owned()));
        }
        inner.push(pair);
    }
    inner
}

/// Adds a range that ends no earlier than the others do.
fn merge(ranges: &mut Vec<Range<usize>>, mut range: Range<usize>) {
    while let Some(last) = ranges.pop_if(|last| last.end >= range.start) {
        range.start = range.start.min(last.start);
        range.end = range.end.max(last.end);
    }
    ranges.push(range);
}

/// What is certain of a text in base64, wherever in the encoded text it begins: three bytes are four characters, so it
/// begins in one of three places, and the characters that it shares with its neighbours depend on them.
fn base64_patterns(text: &[u8]) -> Vec<(Vec<u8>, Kind)> {
    let mut patterns = Vec::new();
    for offset in 0..3 {
        let mut shifted = vec![0; offset];
        shifted.extend_from_slice(text);
        let bits = shifted.len() * 8;
        let certain = (offset * 8).div_ceil(6)..bits / 6;
        let kind = Kind::Base64 { before: offset > 0, after: bits % 6 > 0 };
        for engine in [STANDARD, URL_SAFE] {
            let encoded = engine.encode(&shifted).into_bytes();
            patterns.push((encoded.get(certain.clone()).unwrap_or_default().to_vec(), kind));
        }
    }
    patterns
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests;
