//! Tasks as Google answers them, a page at a time.

use std::collections::BTreeMap;

use punchcard_sdk::quote::quote;
use serde::{Deserialize, Serialize};

/// Characters of a title that are remembered: one more than the host shows, so that it can mark what is cut.
const TITLE_CHARACTERS: usize = 101;
/// Characters of ids, positions and page tokens that are remembered; Google's are shorter.
const ID_CHARACTERS: usize = 100;
const TOKEN_CHARACTERS: usize = 4_000;

/// An open task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Of the task that it is a part of.
    parent: Option<String>,
    /// Among those of the same parent, in the order of its characters.
    position: String,
}

#[cfg(test)]
impl Task {
    /// One that takes as much room as any that Google answers.
    pub(crate) fn widest() -> Self {
        let id = "x".repeat(ID_CHARACTERS);
        Self { id: id.clone(), title: "🦀".repeat(TITLE_CHARACTERS), parent: Some(id.clone()), position: id }
    }
}

/// A page.
pub(crate) struct Page {
    pub(crate) tasks: Vec<Task>,
    /// The token of the next one.
    pub(crate) next: Option<String>,
}

/// What of the message `Tasks` is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage {
    #[serde(default)]
    items: Vec<RawTask>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct RawTask {
    #[serde(default)]
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    status: String,
    parent: Option<String>,
    #[serde(default)]
    position: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    hidden: bool,
}

/// Reads a page. None: it is of another form.
pub(crate) fn parse_page(body: &[u8]) -> Option<Page> {
    // Straight into its type: as a tree of values, an answer of 8 MiB can take more than all the memory there is.
    let page: RawPage = serde_json::from_slice(body).ok()?;
    let next = page.next_page_token.filter(|token| !token.is_empty());
    if next.as_ref().is_some_and(|token| token.len() > TOKEN_CHARACTERS) {
        return None;
    }
    let is_open = |task: &RawTask| !task.deleted && !task.hidden && task.status != "completed";
    let tasks = page.items.into_iter().filter(is_open).map(|task| Task {
        id: quote(&task.id, ID_CHARACTERS),
        title: quote(&task.title, TITLE_CHARACTERS),
        parent: task.parent.map(|parent| quote(&parent, ID_CHARACTERS)),
        position: quote(&task.position, ID_CHARACTERS),
    });
    // Tasks that are empty are drafts.
    Some(Page { tasks: tasks.filter(|task| !task.title.is_empty()).collect(), next })
}

/// Brings tasks into the order of the phone: by position, each with its subtasks behind it. One whose parent is not in the
/// list stands as one without.
pub(crate) fn sort(tasks: &mut [Task]) {
    let tops = tasks.iter().filter(|task| task.parent.is_none());
    let places: BTreeMap<String, String> = tops.map(|task| (task.id.clone(), task.position.clone())).collect();
    tasks.sort_by_cached_key(|task| {
        match task.parent.as_ref().and_then(|parent| Some((parent, places.get(parent)?))) {
            Some((parent, place)) => (place.clone(), parent.clone(), true, task.position.clone()),
            None => (task.position.clone(), task.id.clone(), false, String::new()),
        }
    });
}
