//! Tasks: lists of an account, and their tasks a page at a time.
//!
//! A device only reads them; a person edits them with [`TaskAction`]. Subtasks, moves and due dates are not simulated.

use std::collections::BTreeMap;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::oauth::Caller;
use crate::refusal::Refusal;
use crate::schema::{DISCOVERY, Found, Mask};
use crate::switch::Switches;

/// The most tasks of one page, whatever is asked for.
const MOST_ON_A_PAGE: usize = 100;
/// Tasks of a page where nothing is asked for.
const USUALLY_ON_A_PAGE: usize = 20;
/// By which an account calls its first list.
const DEFAULT_LIST: &str = "@default";

/// What a person does to a list of their account, on a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskAction {
    /// Adds a task at the end. It gets this id.
    Add {
        /// By which it is known.
        id: String,
        /// What it is called.
        title: String,
    },
    /// Calls a task otherwise.
    Rename {
        /// Which.
        id: String,
        /// How.
        title: String,
    },
    /// Ticks a task off, as a phone does: it is hidden then.
    Complete {
        /// Which.
        id: String,
    },
    /// Deletes the list.
    DeleteList,
}

/// All lists of all accounts.
#[derive(Default)]
pub(crate) struct Tasks {
    /// By account and id of the list.
    lists: BTreeMap<(String, String), Vec<Task>>,
}

struct Task {
    id: String,
    title: String,
    completed_at: Option<Timestamp>,
    updated_at: Timestamp,
}

impl Tasks {
    /// Does what a person does. A list comes into being with its first task.
    pub(crate) fn act(&mut self, account: &str, list: &str, action: TaskAction, now: Timestamp) {
        let key = (account.to_owned(), list.to_owned());
        if action == TaskAction::DeleteList {
            self.lists.remove(&key);
            return;
        }
        let tasks = self.lists.entry(key).or_default();
        match action {
            TaskAction::Add { id, title } => tasks.push(Task { id, title, completed_at: None, updated_at: now }),
            TaskAction::Rename { id, title } => {
                for task in tasks.iter_mut().filter(|task| task.id == id) {
                    (task.title, task.updated_at) = (title.clone(), now);
                }
            }
            TaskAction::Complete { id } => {
                for task in tasks.iter_mut().filter(|task| task.id == id) {
                    (task.completed_at, task.updated_at) = (Some(now), now);
                }
            }
            TaskAction::DeleteList => {}
        }
    }

    /// Answers one of the methods. The call was compared with the discovery document before.
    pub(crate) fn perform(
        &self,
        found: &Found<'_>,
        call: &Call,
        caller: &Caller,
        switches: &Switches,
    ) -> Result<Answer, Refusal> {
        let mask = parse_mask(call)?;
        let list = match found.path_value("tasklist") {
            DEFAULT_LIST => self.lists.iter().find(|((account, _), _)| *account == caller.account),
            list => self.lists.get_key_value(&(caller.account.clone(), list.to_owned())),
        };
        let (_, tasks) = list.ok_or_else(Refusal::task_list_not_found)?;
        // A task that was completed in an app of Google's is hidden: it needs both.
        let shows_completed = call.query("showCompleted").is_none_or(|_| call.flag("showCompleted"));
        let shows_hidden = call.flag("showHidden");
        let is_shown = |task: &&(usize, &Task)| task.1.completed_at.is_none() || (shows_completed && shows_hidden);
        let all: Vec<(usize, &Task)> = tasks.iter().enumerate().collect();
        let shown: Vec<&(usize, &Task)> = all.iter().filter(is_shown).collect();
        let asked = match call.query("maxResults").map(str::parse::<usize>) {
            None => USUALLY_ON_A_PAGE,
            Some(Ok(asked)) if asked > 0 => asked.min(MOST_ON_A_PAGE),
            Some(_) => return Err(Refusal::invalid("Invalid value for maxResults")),
        };
        let size = switches.most_tasks_on_a_page.clamp(1, asked);
        let start = match call.query("pageToken").filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => token
                .strip_prefix("page-")
                .and_then(|start| start.parse().ok())
                .ok_or_else(|| Refusal::invalid("Invalid page token"))?,
        };
        let rest = shown.get(start..).unwrap_or_default();
        let page = rest.get(..size).unwrap_or(rest);
        let mut body = json!({ "kind": "tasks#tasks", "etag": "\"sim\"" });
        // An empty list has no `items`.
        if !page.is_empty() {
            body["items"] = page.iter().map(|(position, task)| task.to_json(*position)).collect();
        }
        if switches.task_pages_in_a_circle {
            body["nextPageToken"] = json!("page-0");
        } else if page.len() < rest.len() {
            body["nextPageToken"] = json!(format!("page-{}", start + page.len()));
        }
        let body = match &mask {
            Some(mask) => mask.apply(body),
            None => body,
        };
        Ok(Answer::json(StatusCode::OK, &body))
    }
}

impl Task {
    fn to_json(&self, position: usize) -> Value {
        let mut task = json!({
            "kind": "tasks#task",
            "id": self.id,
            "etag": "\"sim\"",
            "title": self.title,
            "updated": self.updated_at.to_string(),
            "selfLink": format!("https://www.googleapis.com/tasks/v1/lists/sim/tasks/{}", self.id),
            "position": format!("{position:020}"),
            "status": if self.completed_at.is_some() { "completed" } else { "needsAction" },
        });
        if let Some(completed_at) = self.completed_at {
            task["completed"] = json!(completed_at.to_string());
            task["hidden"] = json!(true);
        }
        task
    }
}

fn parse_mask(call: &Call) -> Result<Option<Mask>, Refusal> {
    let Some(text) = call.query("fields") else { return Ok(None) };
    let selection = |text: &str| Refusal::invalid(format!("Invalid field selection {text}"));
    let mask = Mask::parse(text).ok_or_else(|| selection(text))?;
    match mask.unknown_field(&DISCOVERY.tasks, "Tasks") {
        Some(unknown) => Err(selection(unknown.rsplit('.').next().unwrap_or(&unknown))),
        None => Ok(Some(mask)),
    }
}
