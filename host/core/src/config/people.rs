//! `[people]`: whose badge is which.

use std::collections::BTreeMap;

use super::node::Node;
use crate::badge::BadgeNumber;

/// The most badges.
const MOST: usize = 5_000;
/// The longest name of a person, in characters.
const LONGEST_NAME: usize = 60;

/// Whose badge is which. Two badges may be of one person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    /// The names, by the numbers in lower case: readers write the letters of a number in either.
    names: BTreeMap<String, String>,
}

impl People {
    /// Whose badge this is. None: nobody's.
    #[must_use]
    pub fn name_of(&self, number: &BadgeNumber) -> Option<&str> {
        self.names.get(&fold(number)).map(String::as_str)
    }

    /// Whether nobody is known, so that no badge can be said to be unknown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The number without the difference of upper and lower case.
fn fold(number: &BadgeNumber) -> String {
    number.as_str().to_ascii_lowercase()
}

/// Reads the table. What is wrong is said with its line, and with neither number nor name: errors go into the log, and from
/// there to whoever helps.
pub(super) fn parse_people(node: &Node<'_, '_>) -> Option<People> {
    let mut names = BTreeMap::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_whole = true;
    for (key, node) in node.entries(MOST)? {
        let text: &str = key.get_ref();
        let number = BadgeNumber::parse(text);
        let number = match &number {
            Ok(number) if number.as_str() == text => Some(number),
            Ok(_) => node.refuse_key(key, "this number starts or ends with a space".to_owned(), None),
            Err(error) => node.refuse_key(key, format!("this is no number of a badge: {error}"), None),
        };
        let (Some(number), Some(name)) = (number, node.printable(LONGEST_NAME)) else {
            is_whole = false;
            continue;
        };
        if let Some(line) = lines.insert(fold(number), node.line()) {
            is_whole = false;
            let message = format!("this number is there already, in line {line}");
            node.refuse_key::<()>(key, message, Some("upper and lower case are the same".to_owned()));
        }
        names.insert(fold(number), name.to_owned());
    }
    is_whole.then_some(People { names })
}
