//! Working hours: punches become rows.
//!
//! Two layouts. `pairs` is the time clock: the first press starts the project that is chosen, the next one finishes it and
//! completes a row; a press with another project chosen finishes the running one and starts the other. `punches` writes a
//! row for each press. What is running is all that is remembered.
//!
//! With `person-field` each person has a stretch of their own, and rows say whose they are. Without it, whoever presses
//! finishes what is running.
//!
//! A moment that is a guess is marked, and no hours are made of it: nobody should be paid by them.

mod at_work;
mod pairs;
mod punches;
mod wording;

use at_work::AtWork;
use punchcard_sdk::{Column, Context, Error, Event, Formatter, Value, Verdict, export_formatter};
use serde::Deserialize;

/// `format.settings` of the sink.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Which rows.
    layout: Layout,
    /// The field of the event that holds the project; `project` where it is left out.
    project_field: Option<String>,
    /// The field of the event that holds the person; where it is left out, all presses are of one.
    person_field: Option<String>,
}

impl Settings {
    fn project_field(&self) -> &str {
        self.project_field.as_deref().unwrap_or("project")
    }
}

/// What a press says: of whom it is, and which project was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    /// `None` where nobody asks whose press it is.
    person: Option<String>,
    /// A time clock without projects has one without a name.
    project: String,
}

impl Choice {
    fn of(event: &Event, settings: &Settings) -> Self {
        Self {
            person: settings.person_field.as_ref().map(|field| text_of(event, field)),
            project: text_of(event, settings.project_field()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Layout {
    Pairs,
    Punches,
}

/// The formatter.
#[derive(Debug)]
pub struct Timeclock;

impl Formatter for Timeclock {
    type Settings = Settings;
    type State = AtWork;

    /// 1 had a stretch of work or none, whoever it was of.
    const STATE_VERSION: u32 = 2;

    fn columns(settings: &Settings) -> Result<Vec<Column>, Error> {
        let has_person = settings.person_field.is_some();
        Ok(match settings.layout {
            Layout::Pairs => pairs::columns(has_person),
            Layout::Punches => punches::columns(has_person),
        })
    }

    fn format(settings: &Settings, at_work: &mut AtWork, event: &Event, _: &Context) -> Result<Verdict, Error> {
        let choice = Choice::of(event, settings);
        Ok(match settings.layout {
            Layout::Pairs => pairs::press(at_work, choice, event),
            Layout::Punches => Verdict::Accepted(punches::press(choice, event)),
        })
    }

    /// A time clock without projects is one too, but not where a field is named for them.
    fn fields(settings: &Settings) -> Vec<String> {
        settings.person_field.iter().chain(&settings.project_field).cloned().collect()
    }

    fn standing(settings: &Settings, at_work: &AtWork) -> Option<String> {
        match settings.layout {
            Layout::Pairs => at_work.standing(),
            Layout::Punches => None,
        }
    }

    fn migrate(version: u32, state: serde_json::Value) -> Option<AtWork> {
        (version == 1).then(|| AtWork::from_version_1(&state))?
    }
}

/// The text of a field; empty where the event has none of this name.
fn text_of(event: &Event, field: &str) -> String {
    let value = event.fields.iter().find(|candidate| candidate.name == field).map(|field| &field.value);
    match value {
        None => String::new(),
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Integer(integer)) => integer.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Flag(flag)) => flag.to_string(),
        Some(Value::Moment(moment)) => wording::clock(*moment),
    }
}

export_formatter!(Timeclock);

#[cfg(test)]
mod tests;
