//! Fetching a list of items for a choice: what a plugin may ask for in one fetch, and what its list becomes.
//!
//! It knows neither requests at work nor a clock. Always: a fetch ends; its addresses do not go round in a circle; it only reads;
//! what a person chooses from is short, printable and without two items that look the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::choice::Item;
use crate::http::{Method, Request};
use crate::plugin::item_list::RawItem;
use crate::printable::{is_hidden, steers};

/// The most items that are turned through.
pub const MOST_ITEMS: usize = 1_000;
/// Characters of an item.
pub const LONGEST_ITEM: usize = 100;
/// Characters of an item's id that are kept.
const LONGEST_ID: usize = 100;
/// Requests of one fetch. With a hundred items on each page it is ten times as many as are turned through.
pub const MOST_REQUESTS: u32 = 100;
/// Steps of one fetch: each request may be waited for, and fail.
const MOST_STEPS: u32 = 4 * MOST_REQUESTS;
/// The longest wait in a fetch, in milliseconds.
pub const LONGEST_WAIT_MS: u64 = 5 * 60_000;

/// A list as it is kept over a restart, with what it was fetched for: another list is not shown in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptList {
    /// The plugin that fetched it.
    pub plugin: String,
    /// Under which settings, as JSON.
    pub settings: String,
    /// When, in Unix microseconds, where the time was known.
    pub at: Option<i64>,
    /// Items that were left out, because there were too many.
    pub left_out: usize,
    /// What there is to choose from.
    pub items: Vec<Item>,
}

impl KeptList {
    /// Reads a list that was kept for this plugin under these settings. None: there is none, or it was another's.
    #[must_use]
    pub fn parse(text: &str, plugin: &str, settings: &str) -> Option<Self> {
        let kept: Self = serde_json::from_str(text).ok()?;
        (kept.plugin == plugin && kept.settings == settings).then_some(kept)
    }
}

/// What a plugin's list becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// In their order.
    pub items: Vec<Item>,
    /// How many more there were than are turned through.
    pub left_out: usize,
}

/// Makes a list fit for a panel and a row: each text on one line, printable and not too long; none empty; of those that look
/// the same the first alone; not too many.
#[must_use]
pub fn clean_items(raw: Vec<RawItem>) -> Cleaned {
    let mut seen = BTreeSet::new();
    let mut cleaned = Cleaned { items: Vec::new(), left_out: 0 };
    for RawItem { id, text } in raw {
        let text = clean_text(&text);
        if text.is_empty() || seen.contains(&text) {
            continue;
        }
        if cleaned.items.len() == MOST_ITEMS {
            // Counted without being remembered: a list has no bound but the memory of its plugin.
            cleaned.left_out += 1;
            continue;
        }
        seen.insert(text.clone());
        let id = id.map(|id| id.chars().take(LONGEST_ID).collect());
        cleaned.items.push(Item { id, text });
    }
    cleaned
}

fn clean_text(text: &str) -> String {
    let mut cleaned = String::new();
    let mut count = 0;
    let visible = text.chars().filter(|character| !is_hidden(*character));
    for character in visible.map(|character| if steers(character) { ' ' } else { character }) {
        if character.is_whitespace() && (cleaned.is_empty() || cleaned.ends_with(' ')) {
            continue;
        }
        if count == LONGEST_ITEM {
            if !character.is_whitespace() {
                cleaned.pop();
                cleaned.push('…');
            }
            break;
        }
        cleaned.push(if character.is_whitespace() { ' ' } else { character });
        count += 1;
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// What stands against a request or a step of a fetch. A fragment for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The pages of the list lead back to one that was read.
    #[error("its pages go round in a circle: an address that was answered is asked for again")]
    Cycle,
    /// Too many pages.
    #[error("it has more than {MOST_REQUESTS} pages; make the list shorter")]
    TooManyRequests,
    /// It goes on and on.
    #[error("its plugin comes to no end")]
    TooManySteps,
    /// It would change something.
    #[error("its plugin asks for something else than to read")]
    Writes,
}

/// One fetch: what was asked so far.
#[derive(Debug, Default)]
pub struct Fetch {
    steps: u32,
    requests: u32,
    answered: BTreeSet<String>,
}

impl Fetch {
    /// One more step of the plugin.
    ///
    /// # Errors
    /// Where it comes to no end.
    pub fn step(&mut self) -> Result<(), FetchError> {
        self.steps += 1;
        if self.steps > MOST_STEPS { Err(FetchError::TooManySteps) } else { Ok(()) }
    }

    /// Whether a request may be sent in this fetch.
    ///
    /// # Errors
    /// Where it may not; the fetch is over.
    pub fn admit(&mut self, request: &Request) -> Result<(), FetchError> {
        if !matches!(request.method, Method::Get | Method::Head) || request.body.is_some() {
            return Err(FetchError::Writes);
        }
        if self.answered.contains(&request.url) {
            return Err(FetchError::Cycle);
        }
        self.requests += 1;
        if self.requests > MOST_REQUESTS { Err(FetchError::TooManyRequests) } else { Ok(()) }
    }

    /// A request to this address was answered. What failed may be asked for again.
    pub fn answered(&mut self, url: &str, status: u16) {
        if (200..300).contains(&status) {
            self.answered.insert(url.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawItem {
        RawItem { id: None, text: text.to_owned() }
    }

    fn get(url: &str) -> Request {
        Request {
            method: Method::Get,
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            authorized: true,
            idempotent: true,
            timeout_ms: None,
        }
    }

    #[test]
    fn an_item_is_printable_on_one_line_and_bounded() {
        let longest = "ä".repeat(LONGEST_ITEM);
        let cut = format!("{}…", "ä".repeat(LONGEST_ITEM - 1));
        let table = [
            ("Paint", Some("Paint")),
            ("  Paint\r\n\tthe  door \u{2028}", Some("Paint the door")),
            ("\u{1b}[2JPaint\u{9b}", Some("[2JPaint")),
            ("\u{202e}tniaP\u{2066}", Some("tniaP")),
            ("Pa\u{200b}i\u{ad}nt", Some("Paint")),
            ("", None),
            (" \u{200b}\n\u{feff}", None),
            (longest.as_str(), Some(longest.as_str())),
        ];
        for (text, expected) in table {
            let items = clean_items(vec![raw(text)]).items;
            assert_eq!(items.first().map(|item| item.text.as_str()), expected, "{text:?}");
        }
        let long = clean_items(vec![raw(&"ä".repeat(10_000))]).items;
        assert_eq!(long[0].text, cut);
        let spaced = clean_items(vec![raw(&format!("{longest}   "))]).items;
        assert_eq!(spaced[0].text, longest, "nothing was cut");
    }

    #[test]
    fn items_that_look_the_same_are_one_and_those_beyond_the_bound_are_counted() {
        let items = clean_items(vec![raw("a"), raw("b"), raw("a\n"), raw("\u{200b}b"), raw("c")]).items;
        assert_eq!(items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        let many = clean_items((0..10_000).map(|number| raw(&number.to_string())).collect());
        assert_eq!((many.items.len(), many.left_out), (MOST_ITEMS, 9_000));
        let id = clean_items(vec![RawItem { id: Some("x".repeat(10_000)), text: "a".to_owned() }]).items;
        assert_eq!(id[0].id.as_deref().map(str::len), Some(LONGEST_ID));
    }

    #[test]
    fn a_fetch_reads_each_page_once_and_ends() {
        let mut fetch = Fetch::default();
        assert_eq!(fetch.admit(&get("https://a/1")), Ok(()));
        fetch.answered("https://a/1", 503);
        assert_eq!(fetch.admit(&get("https://a/1")), Ok(()), "it failed");
        fetch.answered("https://a/1", 200);
        assert_eq!(fetch.admit(&get("https://a/2")), Ok(()));
        assert_eq!(fetch.admit(&get("https://a/1")), Err(FetchError::Cycle));
        for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
            assert_eq!(fetch.admit(&Request { method, ..get("https://a/3") }), Err(FetchError::Writes));
        }
        let mut fetch = Fetch::default();
        let admitted = (0..).take_while(|page| fetch.admit(&get(&format!("https://a/{page}"))).is_ok()).count();
        assert_eq!(admitted, 100);
        let mut fetch = Fetch::default();
        assert_eq!((0..).take_while(|_| fetch.step().is_ok()).count(), 400);
    }

    #[test]
    fn a_kept_list_is_that_of_its_plugin_and_settings() {
        let items = vec![Item { id: Some("x".into()), text: "Paint".into() }];
        let kept = KeptList { plugin: "p".into(), settings: "{}".into(), at: Some(1), left_out: 0, items };
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(KeptList::parse(&text, "p", "{}"), Some(kept));
        assert_eq!(KeptList::parse(&text, "q", "{}"), None);
        assert_eq!(KeptList::parse(&text, "p", r#"{"list":"x"}"#), None);
        assert_eq!(KeptList::parse("x", "p", "{}"), None);
    }
}
