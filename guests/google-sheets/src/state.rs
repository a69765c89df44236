//! What is remembered from one step to the next. The host makes it durable before it does what a step asked for.

mod finding;
mod spreadsheet;
mod stamp;

pub(crate) use finding::{Finding, Intent, Stage};
pub(crate) use spreadsheet::{Grid, Look, Loss, Placed, Spreadsheet, Tab};
pub(crate) use stamp::Stamp;

use punchcard_sdk::Context;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::stored::{Stored, stored_fields, stored_names};

/// The state of one sink.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The request whose answer is awaited.
    pub(crate) asked: Asked,
    /// Requests in a row that brought nothing; for the back-off.
    pub(crate) failures: u32,
    /// Refused changes of the sheet in a row.
    pub(crate) refusals: u32,
    /// Where rows go.
    pub(crate) spreadsheet: Option<Spreadsheet>,
    /// A search for, or the creation of, the spreadsheet where rows will go. While there is one nothing is appended.
    pub(crate) finding: Option<Finding>,
    /// A batch was begun with this state, or the spreadsheet created. Before that, a batch may be under way that was begun
    /// with a state that is lost.
    pub(crate) begun: bool,
    /// The mark of the batch that may be under way.
    pub(crate) mark: Option<Mark>,
    /// Marks that have done their work and are to be deleted along with a later batch.
    pub(crate) spent: Vec<Spent>,
    /// Rows are being read back. Nothing is changed meanwhile.
    pub(crate) reading: Option<Reading>,
    /// The batch that was reported as delivered last: asked for again, it is there.
    pub(crate) delivered: Option<String>,
    /// The batch of the last `create-anew` that was carried out: asked for again, it is done.
    pub(crate) created_anew: Option<String>,
    /// Ids of spreadsheets that rows went into until Google did not show them any more. They may be another account's, with
    /// which the device may be signed in again one day.
    pub(crate) left: Vec<String>,
    /// Links of spreadsheets that have the name of the one in use, and that nothing is written to.
    pub(crate) strays: Vec<String>,
    /// What of them is due.
    pub(crate) stray_due: StrayDue,
}

/// What is to be done about spreadsheets that nothing is written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StrayDue {
    #[default]
    Nothing,
    /// To see whether they are still there.
    Look,
    /// To say which there are, or that there are none any more.
    Notice,
}

/// A request to the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// None, or one that has been answered.
    #[default]
    Nothing,
    /// Which spreadsheets there are.
    Files,
    /// To create a spreadsheet.
    File,
    /// Whether the spreadsheet is in the bin.
    Trashed,
    /// Which tabs there are, and how large.
    Tabs,
    /// Which of them, and which of their columns, are whose.
    Columns,
    /// What stands at the top of a tab that a person made.
    Header,
    /// To take such a tab over.
    Adoption,
    /// To add the tab.
    Setup,
    /// To add columns or change titles.
    Extension,
    /// Whether the mark is there.
    Mark,
    /// To append rows.
    Append,
    /// Which rows are there.
    Rows,
    /// Which spreadsheets there are that nothing is written to.
    Strays,
}

/// How far reading rows back has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The row that is next, from 1.
    pub(crate) first: u64,
    /// Rows that are read at once.
    pub(crate) count: u64,
    /// Rows of the tab when it was looked at.
    pub(crate) through: u64,
    /// The tab's title then: a person may have renamed it.
    pub(crate) title: String,
    /// A digest of where the columns were when reading began.
    pub(crate) layout: Option<u64>,
}

/// The developer metadata that says that a batch's rows are there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    /// None: only a state that is lost knew it.
    pub(crate) id: Option<i32>,
    pub(crate) batch: String,
    /// To be read before the batch is sent again.
    pub(crate) ask: bool,
    /// When a request with this id was last left without a certain answer.
    pub(crate) doubt: Option<Stamp>,
    /// Spent marks that are deleted along with the batch, the same in each repeat.
    pub(crate) deletes: Vec<i32>,
    /// What was said against the batch, not yet believed.
    pub(crate) refusal: Option<String>,
}

/// A mark that is to be deleted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spent {
    pub(crate) id: i32,
    /// When it was last in doubt.
    pub(crate) doubt: Option<Stamp>,
}

impl State {
    /// Begins to count anew what was stamped in another boot.
    pub(crate) fn restamp(&mut self, context: &Context) {
        let marks = self.mark.iter_mut().filter_map(|mark| mark.doubt.as_mut());
        let spent = self.spent.iter_mut().filter_map(|spent| spent.doubt.as_mut());
        let creation = self.finding.iter_mut().filter_map(|finding| match &mut finding.stage {
            Stage::Settle { since, .. } | Stage::Doubt { since } => Some(since),
            Stage::Look | Stage::Create => None,
        });
        for stamp in marks.chain(spent).chain(creation).filter(|stamp| !stamp.is_of(context)) {
            *stamp = Stamp::now(context);
        }
    }

    /// Has the spreadsheet looked at before anything is written.
    pub(crate) fn look_again(&mut self, look: Look) {
        if let Some(spreadsheet) = &mut self.spreadsheet {
            spreadsheet.look = look;
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.store().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let mut is_sound = true;
        let state = Self::load(&value, &mut is_sound);
        if is_sound { Ok(state) } else { Err(D::Error::custom("this is no state of this connector")) }
    }
}

stored_fields!(State {
    asked,
    failures,
    refusals,
    spreadsheet,
    finding,
    begun,
    mark,
    spent,
    reading,
    delivered,
    created_anew,
    left,
    strays,
    stray_due,
});
stored_names!(StrayDue { Nothing = "nothing", Look = "look", Notice = "notice" });
stored_names!(Asked {
    Nothing = "nothing",
    Files = "files",
    File = "file",
    Trashed = "trashed",
    Tabs = "tabs",
    Columns = "columns",
    Header = "header",
    Adoption = "adoption",
    Setup = "setup",
    Extension = "extension",
    Mark = "mark",
    Append = "append",
    Rows = "rows",
    Strays = "strays",
});
stored_fields!(Reading { first, count, through, title, layout });
stored_fields!(Mark { id, batch, ask, doubt, deletes, refusal });
stored_fields!(Spent { id, doubt });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    fn at(boot: &str, monotonic_ms: u64) -> Context {
        Context { boot: boot.into(), monotonic_ms, ..context() }
    }

    #[test]
    fn stamps_of_another_boot_begin_anew() {
        let old = Some(Stamp::now(&at("a", 5_000)));
        let mark =
            Mark { id: Some(1), batch: String::new(), ask: false, doubt: old.clone(), deletes: vec![], refusal: None };
        let mut state = State {
            mark: Some(mark),
            spent: vec![Spent { id: 2, doubt: old.clone() }, Spent { id: 3, doubt: None }],
            finding: Some(Finding {
                name: String::new(),
                above: 0,
                intent: Intent::Create,
                volume: 1,
                nonce: String::new(),
                stage: Stage::Doubt { since: Stamp::now(&at("a", 5_000)) },
            }),
            ..State::default()
        };
        let before = state.clone();
        state.restamp(&at("a", 9_000));
        assert_eq!(state, before);

        state.restamp(&at("b", 70));
        let since = Stamp::now(&at("b", 70));
        let new = Some(since.clone());
        assert_eq!(state.mark.unwrap().doubt, new);
        assert_eq!(state.spent, [Spent { id: 2, doubt: new }, Spent { id: 3, doubt: None }]);
        assert_eq!(state.finding.unwrap().stage, Stage::Doubt { since });
    }
}
