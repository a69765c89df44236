//! The open items of a list of Google Tasks, for a choice: projects that are edited on a phone.
//!
//! A task is known again by its id, so that one that is renamed stays chosen. What is completed, deleted or hidden is not in
//! the list. Tasks stand in the order in which the phone shows them: each with its subtasks behind it.

mod settings;
mod task;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use punchcard_sdk::listing::service::{Service, Tries, get};
use punchcard_sdk::listing::{Directive, Item, Listing, Signal};
use punchcard_sdk::{Context, Error, Needs, export_listing};
use serde::{Deserialize, Serialize};

pub use settings::Settings;
use task::{Task, parse_page, sort};

/// The listing.
#[derive(Debug)]
pub struct GoogleTasks;

/// Tasks that are remembered: a few more than the host turns through, so that it can tell that there are more.
const MOST_TASKS: usize = 1_100;

const GOOGLE: Service = Service {
    name: "Google",
    not_found: "the list is not there, or not this account's; check `list`",
    forbidden: "Google does not let this account's token read tasks; sign in with the scope \
                https://www.googleapis.com/auth/tasks.readonly, and enable the Google Tasks API in the project of the client",
};

/// What is remembered from page to page.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    tasks: Vec<Task>,
    /// Of the page that is asked for. None: the first.
    page: Option<String>,
    tries: Tries,
}

impl Listing for GoogleTasks {
    type Settings = Settings;
    type State = State;

    fn check(settings: &Settings) -> Result<(), Error> {
        settings.check()
    }

    fn needs(settings: &Settings) -> Needs {
        Needs { urls: vec![settings.tasks_url.clone()], slots: Vec::new(), authorization: true }
    }

    fn step(settings: &Settings, state: &mut State, signal: Signal, context: &Context) -> Directive {
        match signal {
            Signal::Started | Signal::Elapsed => ask(settings, state),
            Signal::Failed(failure) => GOOGLE.fail(&failure, &mut state.tries, context),
            Signal::Responded(response) => {
                let body = match GOOGLE.read(&response, &mut state.tries, context) {
                    Ok(body) => body,
                    Err(next) => return next,
                };
                let Some(page) = parse_page(body) else { return GOOGLE.unreadable(&response) };
                state.tasks.extend(page.tasks);
                state.page = page.next;
                if state.page.is_some() && state.tasks.len() < MOST_TASKS {
                    return ask(settings, state);
                }
                let mut tasks = std::mem::take(&mut state.tasks);
                sort(&mut tasks);
                Directive::Done(tasks.into_iter().map(|task| Item { id: Some(task.id), text: task.title }).collect())
            }
        }
    }
}

/// Asks for a page (`tasks.tasks.list`).
fn ask(settings: &Settings, state: &State) -> Directive {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let fields = "nextPageToken,items(id,title,status,parent,position,deleted,hidden)";
    let page = state.page.as_deref().map_or_else(String::new, |token| format!("&pageToken={}", encode(token)));
    Directive::Send(get(format!(
        "{}/tasks/v1/lists/{}/tasks?maxResults=100&showCompleted=false&fields={}{page}",
        settings.tasks_url,
        encode(&settings.list),
        encode(fields)
    )))
}

export_listing!(GoogleTasks);

#[cfg(test)]
mod tests;
