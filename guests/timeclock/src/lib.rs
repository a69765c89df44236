//! Working hours: punches become rows.
//!
//! Two layouts. `pairs` is the time clock: the first press starts the project that is chosen, the next one finishes it and
//! completes a row; a press with another project chosen finishes the running one and starts the other. `punches` writes a
//! row for each press. What is running is all that is remembered.
//!
//! A moment that is a guess is marked, and no hours are made of it: nobody should be paid by them.

mod pairs;
mod punches;
mod wording;

use pairs::Running;
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
}

impl Settings {
    fn project_field(&self) -> &str {
        self.project_field.as_deref().unwrap_or("project")
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
    type State = Option<Running>;

    fn columns(settings: &Settings) -> Result<Vec<Column>, Error> {
        Ok(match settings.layout {
            Layout::Pairs => pairs::columns(),
            Layout::Punches => punches::columns(),
        })
    }

    fn format(
        settings: &Settings,
        running: &mut Option<Running>,
        event: &Event,
        _: &Context,
    ) -> Result<Verdict, Error> {
        let project = project_of(event, settings.project_field());
        Ok(Verdict::Accepted(match settings.layout {
            Layout::Pairs => pairs::press(running, project, event),
            Layout::Punches => punches::press(project, event),
        }))
    }

    /// A time clock without projects is one too, but not where a field is named for them.
    fn fields(settings: &Settings) -> Vec<String> {
        settings.project_field.iter().cloned().collect()
    }

    fn standing(settings: &Settings, running: &Option<Running>) -> Option<String> {
        match settings.layout {
            Layout::Pairs => running.as_ref().map(Running::standing),
            Layout::Punches => None,
        }
    }
}

/// The project that was chosen. A time clock without projects has one without a name.
fn project_of(event: &Event, field: &str) -> String {
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
