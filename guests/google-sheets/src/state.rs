//! What is remembered from one step to the next. The host makes it durable before it does what a step asked for.

use std::time::Duration;

use punchcard_sdk::Context;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::stored::{Stored, set, stored_fields, stored_names, variant};

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

/// A spreadsheet that rows go into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spreadsheet {
    /// What it is found by: the title of the settings, with the year.
    pub(crate) name: String,
    /// Of several with one name, the one with the highest volume is in use.
    pub(crate) volume: u32,
    pub(crate) id: String,
    pub(crate) link: Option<String>,
    /// It was created by this sink just now, and nothing is known to be in it.
    pub(crate) fresh: bool,
    /// It was lost when it was last looked at.
    pub(crate) lost: Option<Loss>,
    /// It has no room for more cells.
    pub(crate) full: bool,
    /// Cells of all tabs, used or not, as far as known.
    pub(crate) cells: u64,
    pub(crate) look: Look,
    /// When its tabs and columns were looked at, in Unix seconds.
    pub(crate) looked_at: i64,
    /// When it was last seen not to be in the bin, in Unix seconds.
    pub(crate) shown_at: i64,
    /// The empty tab that Google puts into a new spreadsheet.
    pub(crate) blank: Option<Grid>,
    /// The id of the tab that is being added.
    pub(crate) adding: Option<i32>,
    pub(crate) tab: Option<Tab>,
}

/// How a spreadsheet can be lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loss {
    /// Google answers that there is none.
    Deleted,
    /// It is in the bin: rows could be written, and would be deleted with it.
    Binned,
}

/// How far looking at a spreadsheet has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Look {
    /// All is to be asked, beginning with whether it is in the bin.
    Due,
    /// Whether it is in the bin is to be asked, and nothing else.
    Bin,
    /// Its tabs are to be asked for.
    Tabs,
    /// Its columns are to be asked for.
    Columns(Vec<Grid>),
    /// Nothing is to be asked.
    Settled,
}

/// A tab as the service describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    pub(crate) id: i32,
    pub(crate) title: String,
    pub(crate) columns: u32,
    pub(crate) rows: u64,
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

/// The tab that rows go into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tab {
    /// The title of the settings. A person may have given it another one since.
    pub(crate) name: String,
    pub(crate) id: i32,
    /// Columns of the grid, whoever's they are.
    pub(crate) width: u32,
    pub(crate) columns: Vec<Placed>,
    /// The id of the guard for columns that are added to what was seen at the last look.
    pub(crate) guard: i32,
    /// The metadata id of the first of the columns that are being added: the request can't be carried out twice.
    pub(crate) extending: Option<i32>,
}

/// A column of the batch and where it is in the sheet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) key: String,
    /// What was written at its top, where known. A person may have changed it since.
    pub(crate) title: Option<String>,
    /// 0 is the leftmost.
    pub(crate) at: u32,
}

/// The search for a spreadsheet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// What it is found by.
    pub(crate) name: String,
    /// Only volumes above this one count.
    pub(crate) above: u32,
    /// What to do when there is none, or even when there is one.
    pub(crate) intent: Intent,
    /// The volume that is being created.
    pub(crate) volume: u32,
    /// Tells what this sink created from what others did.
    pub(crate) nonce: String,
    pub(crate) stage: Stage,
}

/// What a search may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Take one that exists, or else none.
    Find,
    /// Take one that exists, or else create one.
    FindOrCreate,
    /// Create one.
    Create,
}

/// How far a search has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stage {
    /// To look for one.
    Look,
    /// To create one.
    Create,
    /// This one was created then: to see whether another sink was faster.
    Settle { id: String, since: Stamp },
    /// One may have been created then, or may yet be: to look for it.
    Doubt { since: Stamp },
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

/// A moment on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    boot: String,
    at_ms: u64,
}

impl Stamp {
    pub(crate) fn now(context: &Context) -> Self {
        Self { boot: context.boot.clone(), at_ms: context.monotonic_ms }
    }

    /// Milliseconds until it is `span` old. Zero: it is. A stamp of another boot counts as fresh: how much time went by
    /// in between is not known.
    pub(crate) fn remaining(&self, span: Duration, context: &Context) -> u64 {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if self.boot == context.boot {
            span.saturating_sub(context.monotonic_ms.saturating_sub(self.at_ms))
        } else {
            span
        }
    }
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
        for stamp in marks.chain(spent).chain(creation).filter(|stamp| stamp.boot != context.boot) {
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
    Setup = "setup",
    Extension = "extension",
    Mark = "mark",
    Append = "append",
    Rows = "rows",
    Strays = "strays",
});
stored_fields!(Spreadsheet {
    name,
    volume,
    id,
    link,
    fresh,
    lost,
    full,
    cells,
    look,
    looked_at,
    shown_at,
    blank,
    adding,
    tab,
});
stored_names!(Loss { Deleted = "deleted", Binned = "binned" });
stored_fields!(Grid { id, title, columns, rows });
stored_fields!(Reading { first, count, through, title, layout });
stored_fields!(Tab { name, id, width, columns, guard, extending });
stored_fields!(Placed { key, title, at });
stored_fields!(Finding { name, above, intent, volume, nonce, stage });
stored_names!(Intent { Find = "find", FindOrCreate = "find-or-create", Create = "create" });
stored_fields!(Mark { id, batch, ask, doubt, deletes, refusal });
stored_fields!(Spent { id, doubt });
stored_fields!(Stamp { boot, at_ms });

impl Stored for Look {
    fn store(&self) -> Value {
        match self {
            Self::Due => "due".into(),
            Self::Bin => "bin".into(),
            Self::Tabs => "tabs".into(),
            Self::Settled => "settled".into(),
            Self::Columns(grids) => variant("columns", grids.store()),
        }
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        match value.as_str() {
            Some("bin") => Self::Bin,
            Some("tabs") => Self::Tabs,
            Some("settled") => Self::Settled,
            None if value["columns"].is_array() => Self::Columns(Stored::load(&value["columns"], is_sound)),
            text => {
                *is_sound &= text == Some("due");
                Self::Due
            }
        }
    }
}

impl Stored for Stage {
    fn store(&self) -> Value {
        match self {
            Self::Look => "look".into(),
            Self::Create => "create".into(),
            Self::Settle { id, since } => {
                let mut settle = serde_json::Map::new();
                set(&mut settle, "id", id.store());
                set(&mut settle, "since", since.store());
                variant("settle", Value::Object(settle))
            }
            Self::Doubt { since } => variant("doubt", since.store()),
        }
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        let (settle, doubt) = (&value["settle"], &value["doubt"]);
        match value.as_str() {
            Some("create") => Self::Create,
            None if settle.is_object() => Self::Settle {
                id: Stored::load(&settle["id"], is_sound),
                since: Stored::load(&settle["since"], is_sound),
            },
            None if doubt.is_object() => Self::Doubt { since: Stored::load(doubt, is_sound) },
            text => {
                *is_sound &= text == Some("look");
                Self::Look
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    fn load<T: Stored>(value: &Value) -> Option<T> {
        let mut is_sound = true;
        let loaded = T::load(value, &mut is_sound);
        is_sound.then_some(loaded)
    }

    #[test]
    fn each_state_is_loaded_as_it_was_stored() {
        let grid = Grid { id: 7, title: "a".into(), columns: 3, rows: 9 };
        let since = Stamp::now(&at("a", 5_000));
        for look in [Look::Due, Look::Bin, Look::Tabs, Look::Settled, Look::Columns(vec![grid])] {
            assert_eq!(load(&look.store()), Some(look));
        }
        let settle = Stage::Settle { id: "file".into(), since: since.clone() };
        for stage in [Stage::Look, Stage::Create, settle, Stage::Doubt { since }] {
            assert_eq!(load(&stage.store()), Some(stage));
        }
        for value in ["columns", "settle", ""] {
            assert_eq!((load::<Look>(&value.into()), load::<Stage>(&value.into())), (None, None), "{value}");
        }
    }

    fn at(boot: &str, monotonic_ms: u64) -> Context {
        Context { boot: boot.into(), monotonic_ms, ..context() }
    }

    #[test]
    fn a_stamp_grows_old_on_its_own_boot_only() {
        let span = Duration::from_secs(600);
        let stamp = Stamp::now(&at("a", 5_000));
        for (boot, now, expected) in [
            ("a", 5_000, 600_000),
            ("a", 5_001, 599_999),
            ("a", 604_999, 1),
            ("a", 605_000, 0),
            ("a", u64::MAX, 0),
            ("a", 0, 600_000),
            ("b", 9_000_000, 600_000),
        ] {
            assert_eq!(stamp.remaining(span, &at(boot, now)), expected, "{boot} {now}");
        }
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
        let since = Stamp { boot: "b".into(), at_ms: 70 };
        let new = Some(since.clone());
        assert_eq!(state.mark.unwrap().doubt, new);
        assert_eq!(state.spent, [Spent { id: 2, doubt: new }, Spent { id: 3, doubt: None }]);
        assert_eq!(state.finding.unwrap().stage, Stage::Doubt { since });
    }
}
