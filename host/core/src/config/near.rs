//! Which accepted word a misspelt one was meant to be.

/// The accepted word that is nearest to what was found: of three letters one may be wrong; case does not count.
pub(crate) fn near<'c>(found: &str, accepted: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Distances take time with the product of the lengths, and no accepted word is longer than this.
    if found.len() > 80 {
        return None;
    }
    let found = found.to_lowercase();
    accepted
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&found, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= found.chars().count().max(word.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How it is said.
pub(crate) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_three_letters_one_may_be_wrong() {
        let keys = ["reach", "audience", "plugin", "time-zone", "key"];
        for (found, expected) in [
            ("reech", Some("reach")),
            ("raech", Some("reach")),
            ("REACH", Some("reach")),
            ("time_zone", Some("time-zone")),
            ("timezone", Some("time-zone")),
            ("plugins", Some("plugin")),
            ("kay", Some("key")),
            ("kab", None),
            ("ke", Some("key")),
            ("xy", None),
            ("", None),
            ("elephant", None),
        ] {
            assert_eq!(near(found, keys), expected, "{found}");
        }
        assert_eq!(did_you_mean("reach"), "did you mean `reach`?");
    }

    #[test]
    fn the_nearest_wins_and_of_equals_the_first() {
        assert_eq!(near("sinkss", ["sonks", "sinks"]), Some("sinks"));
        assert_eq!(near("bat", ["cat", "hat"]), Some("cat"));
    }

    #[test]
    fn what_is_too_long_to_be_a_word_is_not_compared() {
        let word = "a".repeat(80);
        let longer = "a".repeat(81);
        assert_eq!(near(&word, [word.as_str()]), Some(word.as_str()));
        assert_eq!(near(&longer, [longer.as_str()]), None);
    }
}
