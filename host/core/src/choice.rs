//! A choice (`[choices.…]` of plugins.toml): which of its items stands on the panel and goes into the next event.
//!
//! What it deliberately does not know: what turns it, and where its item is kept over a restart. There is always a
//! current item.

/// A list of items, one of which is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    label: String,
    items: Vec<String>,
    index: usize,
}

impl Choice {
    /// Starts at the first item. None without an item.
    #[must_use]
    pub fn new(label: String, items: Vec<String>) -> Option<Self> {
        if items.is_empty() { None } else { Some(Self { label, items, index: 0 }) }
    }

    /// What is chosen, in a person's word: `Project`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The chosen item.
    #[must_use]
    pub fn item(&self) -> &str {
        // The index always points at an item.
        self.items.get(self.index).map_or("", String::as_str)
    }

    /// The place of the chosen item, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many items there are. At least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// Goes on by so many items, back by as many when negative. After the last comes the first.
    pub fn turn(&mut self, steps: i32) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let place = (number(self.index) + i64::from(steps)).rem_euclid(number(self.items.len()));
        self.index = usize::try_from(place).unwrap_or(0);
    }

    /// Chooses the item of this text again, after a restart. Where it is no longer one of the items nothing changes and
    /// the answer is false.
    pub fn restore(&mut self, item: &str) -> bool {
        let found = self.items.iter().position(|candidate| candidate == item);
        self.index = found.unwrap_or(self.index);
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(count: usize) -> Choice {
        Choice::new("Project".to_owned(), (0..count).map(|index| format!("item {index}")).collect()).unwrap()
    }

    #[test]
    fn a_choice_has_an_item() {
        assert_eq!(Choice::new("Project".to_owned(), Vec::new()), None);
        let one = choice(1);
        assert_eq!((one.label(), one.item(), one.index(), one.count()), ("Project", "item 0", 0, 1));
        assert_eq!(choice(3).count(), 3);
    }

    #[test]
    fn turning_wraps_around_both_ends() {
        let table: [(usize, &[i32], &str); 9] = [
            (3, &[1], "item 1"),
            (3, &[1, 1], "item 2"),
            (3, &[1, 1, 1], "item 0"),
            (3, &[-1], "item 2"),
            (3, &[-4], "item 2"),
            (3, &[0], "item 0"),
            (3, &[7, -5], "item 2"),
            (1, &[5, -3], "item 0"),
            (3, &[i32::MIN], "item 1"),
        ];
        for (count, turns, expected) in table {
            let mut choice = choice(count);
            for steps in turns {
                choice.turn(*steps);
            }
            assert_eq!(choice.item(), expected, "{count} items, {turns:?}");
        }
    }

    #[test]
    fn an_item_is_restored_by_its_text_while_it_is_there() {
        let mut choice = choice(3);
        assert!(choice.restore("item 2"));
        assert_eq!((choice.item(), choice.index()), ("item 2", 2));
        assert!(!choice.restore("gone"));
        assert_eq!(choice.item(), "item 2");
    }
}
