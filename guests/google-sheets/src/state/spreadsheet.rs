//! The spreadsheet that rows go into, and its tab, as far as they are known.

use serde_json::Value;

use crate::stored::{Stored, stored_fields, stored_names, variant};

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
    /// While it has no columns, one that a person made and that is being taken over.
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
    /// What stands at the top of the tab is to be asked for.
    Header,
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
stored_fields!(Tab { name, id, width, columns, guard, extending });
stored_fields!(Placed { key, title, at });

impl Stored for Look {
    fn store(&self) -> Value {
        match self {
            Self::Due => "due".into(),
            Self::Bin => "bin".into(),
            Self::Tabs => "tabs".into(),
            Self::Header => "header".into(),
            Self::Settled => "settled".into(),
            Self::Columns(grids) => variant("columns", grids.store()),
        }
    }

    fn load(value: &Value, is_sound: &mut bool) -> Self {
        match value.as_str() {
            Some("bin") => Self::Bin,
            Some("tabs") => Self::Tabs,
            Some("header") => Self::Header,
            Some("settled") => Self::Settled,
            None if value["columns"].is_array() => Self::Columns(Stored::load(&value["columns"], is_sound)),
            text => {
                *is_sound &= text == Some("due");
                Self::Due
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(value: &Value) -> Option<Look> {
        let mut is_sound = true;
        let loaded = Look::load(value, &mut is_sound);
        is_sound.then_some(loaded)
    }

    #[test]
    fn each_look_is_loaded_as_it_was_stored() {
        let grid = Grid { id: 7, title: "a".into(), columns: 3, rows: 9 };
        for look in [Look::Due, Look::Bin, Look::Tabs, Look::Header, Look::Settled, Look::Columns(vec![grid])] {
            assert_eq!(load(&look.store()), Some(look));
        }
        for value in ["columns", "settle", ""] {
            assert_eq!(load(&value.into()), None, "{value}");
        }
    }
}
