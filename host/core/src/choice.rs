//! A choice (`[choices.…]` of plugins.toml): which of its items stands on the panel and goes into the next event.
//!
//! What it deliberately does not know: what turns it, where its items come from, and where its item is kept over a restart.
//! There is always a current item. Always, too: another list under a person's hand never makes the current item another one;
//! only turning does.

use serde::{Deserialize, Serialize};

/// An item of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// By which it is known again under another text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the panel shows, and what goes into the event.
    pub text: String,
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self { id: None, text }
    }
}

/// What became of the current item when the list was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is in the new list under the same text.
    Stays,
    /// It is in the new list under another text.
    Renamed,
    /// It is not in the new list. It stays chosen, where it stood, until it is turned past.
    Gone,
}

/// A list of items, one of which is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    label: String,
    items: Vec<Item>,
    index: usize,
    /// The current item is no longer in the list, and leaves it when it is turned past.
    is_gone: bool,
}

impl Choice {
    /// Starts at the first item. None without an item.
    #[must_use]
    pub fn new(label: String, items: Vec<Item>) -> Option<Self> {
        if items.is_empty() { None } else { Some(Self { label, items, index: 0, is_gone: false }) }
    }

    /// What is chosen, in a person's word: `Project`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The chosen item's text.
    #[must_use]
    pub fn item(&self) -> &str {
        // The index always points at an item.
        self.items.get(self.index).map_or("", |item| item.text.as_str())
    }

    /// The chosen item.
    #[must_use]
    pub fn chosen(&self) -> Option<&Item> {
        self.items.get(self.index)
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
        let place = usize::try_from(place).unwrap_or(0);
        if self.is_gone && place != self.index {
            self.items.remove(self.index);
            self.is_gone = false;
            self.index = place - usize::from(place > self.index);
        } else {
            self.index = place;
        }
    }

    /// Chooses the item of this text again, after a restart. Where it is no longer one of the items nothing changes and
    /// the answer is false.
    pub fn restore(&mut self, item: &str) -> bool {
        let found = self.items.iter().position(|candidate| candidate.text == item);
        self.index = found.unwrap_or(self.index);
        found.is_some()
    }

    /// Goes on with an item that is not in the list, in front of the others, until it is turned past.
    pub fn keep(&mut self, item: String) {
        self.items.insert(0, item.into());
        self.index = 0;
        self.is_gone = true;
    }

    /// Takes another list in the place of this one. The chosen item is known again by its id, and without one by its text;
    /// one that is not in the new list stays chosen, where it stood. An empty list changes nothing.
    pub fn replace(&mut self, items: Vec<Item>) -> Replaced {
        let chosen = self.chosen().cloned();
        let (Some(chosen), false) = (chosen, items.is_empty()) else { return Replaced::Stays };
        let by_id = |item: &Item| chosen.id.is_some() && item.id == chosen.id;
        let found = items.iter().position(by_id).or_else(|| items.iter().position(|item| item.text == chosen.text));
        self.items = items;
        self.is_gone = found.is_none();
        match found {
            Some(index) => {
                self.index = index;
                if self.item() == chosen.text { Replaced::Stays } else { Replaced::Renamed }
            }
            None => {
                self.index = self.index.min(self.items.len());
                self.items.insert(self.index, chosen);
                Replaced::Gone
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(count: usize) -> Choice {
        Choice::new("Project".to_owned(), (0..count).map(|index| format!("item {index}").into()).collect()).unwrap()
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

    fn item(id: &str, text: &str) -> Item {
        Item { id: Some(id.to_owned()).filter(|id| !id.is_empty()), text: text.to_owned() }
    }

    #[test]
    fn another_list_never_makes_the_chosen_item_another_one() {
        let before = [item("a", "Paint"), item("b", "Oil"), item("", "Rest")];
        // The item that is chosen, the new list, what becomes of it, what is chosen then, and after one more step forth and back.
        let table: [(usize, &[Item], Replaced, &str, &str, &str); 8] = [
            (1, &[item("b", "Oil"), item("a", "Paint")], Replaced::Stays, "Oil", "Paint", "Paint"),
            (1, &[item("a", "Paint"), item("b", "Oil it")], Replaced::Renamed, "Oil it", "Paint", "Paint"),
            (1, &[item("a", "Oil"), item("b", "Paint")], Replaced::Renamed, "Paint", "Oil", "Oil"),
            (1, &[item("c", "Oil"), item("d", "New")], Replaced::Stays, "Oil", "New", "New"),
            (2, &[item("x", "New"), item("y", "Rest")], Replaced::Stays, "Rest", "New", "New"),
            (1, &[item("a", "Paint"), item("c", "New")], Replaced::Gone, "Oil", "New", "Paint"),
            (2, &[item("c", "New")], Replaced::Gone, "Rest", "New", "New"),
            (1, &[], Replaced::Stays, "Oil", "Rest", "Paint"),
        ];
        for (index, after, became, chosen, next, previous) in table {
            let mut choice = Choice::new("Task".to_owned(), before.to_vec()).unwrap();
            choice.turn(i32::try_from(index).unwrap());
            assert_eq!(choice.replace(after.to_vec()), became, "{after:?}");
            assert_eq!(choice.item(), chosen, "{after:?}");
            for (step, expected) in [(1, next), (-1, previous)] {
                let mut choice = choice.clone();
                choice.turn(step);
                assert_eq!(choice.item(), expected, "{after:?}, {step}");
            }
        }
    }

    #[test]
    fn an_item_that_is_gone_leaves_when_it_is_turned_past() {
        let mut choice = choice(3);
        choice.turn(1);
        choice.replace(vec![item("", "item 0"), item("", "item 2")]);
        assert_eq!((choice.item(), choice.index(), choice.count()), ("item 1", 1, 3));
        choice.turn(3);
        assert_eq!((choice.item(), choice.count()), ("item 1", 3), "once around is not past it");
        choice.turn(1);
        assert_eq!((choice.item(), choice.index(), choice.count()), ("item 2", 1, 2));
        choice.turn(-1);
        assert_eq!(choice.item(), "item 0");
    }
}
