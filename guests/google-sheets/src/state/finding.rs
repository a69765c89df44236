//! The search for a spreadsheet, and how far it has come. What is done in it stands in [`crate::finding`].

use serde_json::Value;

use super::Stamp;
use crate::stored::{Stored, set, stored_fields, stored_names, variant};

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

stored_fields!(Finding { name, above, intent, volume, nonce, stage });
stored_names!(Intent { Find = "find", FindOrCreate = "find-or-create", Create = "create" });

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

    fn load(value: &Value) -> Option<Stage> {
        let mut is_sound = true;
        let loaded = Stage::load(value, &mut is_sound);
        is_sound.then_some(loaded)
    }

    #[test]
    fn each_stage_is_loaded_as_it_was_stored() {
        let since = Stamp::now(&context());
        let settle = Stage::Settle { id: "file".into(), since: since.clone() };
        for stage in [Stage::Look, Stage::Create, settle, Stage::Doubt { since }] {
            assert_eq!(load(&stage.store()), Some(stage));
        }
        for value in ["columns", "settle", ""] {
            assert_eq!(load(&value.into()), None, "{value}");
        }
    }
}
