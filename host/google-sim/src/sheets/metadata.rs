//! Developer metadata: small named values on a spreadsheet, a tab, a row or a column.
//!
//! Its ids are unique in the spreadsheet, and creating one that is in use fails: that is what makes an append
//! repeatable. What a spreadsheet holds of it is limited.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

use super::batch_update::Problem;
use super::request::{
    Dimension, RawCreateMetadata, RawDataFilter, RawDeleteMetadata, RawLocation, RawLookup, RawMetadata,
    RawUpdateMetadata,
};
use super::{Spreadsheet, Tab};
use crate::schema::Mask;
use crate::switch::{DuplicateMetadata, MissingMetadata, Switches};

/// Characters of all keys and values of a spreadsheet's metadata.
pub(crate) const MOST_CHARACTERS: usize = 30_000;

/// One piece of metadata; its id is the key that it is kept under.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metadata {
    key: String,
    value: Option<String>,
    pub(crate) location: Location,
    visibility: Visibility,
}

/// Where metadata is attached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Location {
    Spreadsheet,
    Sheet(i32),
    /// One row or column.
    Line {
        sheet_id: i32,
        dimension: Dimension,
        index: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visibility {
    Document,
    Project,
}

impl Metadata {
    /// A `DeveloperMetadata`.
    pub(crate) fn to_json(&self, id: i32) -> Value {
        let mut value = json!({
            "metadataId": id,
            "metadataKey": self.key,
            "location": self.location.to_json(),
            "visibility": self.visibility.name(),
        });
        if let Some(text) = &self.value {
            value["metadataValue"] = json!(text);
        }
        value
    }

    fn characters(&self) -> usize {
        self.key.chars().count() + self.value.as_deref().map_or(0, |value| value.chars().count())
    }
}

impl Visibility {
    fn parse(name: Option<&str>) -> Result<Self, String> {
        match name {
            Some("DOCUMENT") => Ok(Self::Document),
            Some("PROJECT") => Ok(Self::Project),
            _ => Err("Developer metadata visibility must be specified.".to_owned()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Document => "DOCUMENT",
            Self::Project => "PROJECT",
        }
    }
}

impl Location {
    fn parse(raw: Option<&RawLocation>, tabs: &[Tab]) -> Result<Self, String> {
        let raw = raw.ok_or("Developer metadata location must be specified.")?;
        if raw.spreadsheet == Some(true) {
            return Ok(Self::Spreadsheet);
        }
        if let Some(id) = raw.sheet_id {
            Spreadsheet::find_tab(tabs, id)?;
            return Ok(Self::Sheet(id));
        }
        let range = raw.dimension_range.as_ref().ok_or("Developer metadata location must be specified.")?;
        let sheet_id = range.sheet_id.unwrap_or(0);
        let tab = Spreadsheet::find_tab(tabs, sheet_id)?;
        let dimension = Dimension::parse(range.dimension.as_deref())?;
        let one_line = "A dimension range of developer metadata must represent a single row or column.";
        let (Some(start), Some(end)) = (range.start_index, range.end_index) else { return Err(one_line.to_owned()) };
        let index = usize::try_from(start).ok().filter(|index| *index < tab.length(dimension));
        match index {
            Some(index) if i64::from(end) - i64::from(start) == 1 => Ok(Self::Line { sheet_id, dimension, index }),
            _ => Err(one_line.to_owned()),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Spreadsheet => "SPREADSHEET",
            Self::Sheet(_) => "SHEET",
            Self::Line { dimension: Dimension::Rows, .. } => "ROW",
            Self::Line { dimension: Dimension::Columns, .. } => "COLUMN",
        }
    }

    fn to_json(&self) -> Value {
        let mut value = json!({ "locationType": self.type_name() });
        match self {
            Self::Spreadsheet => value["spreadsheet"] = json!(true),
            Self::Sheet(id) => value["sheetId"] = json!(id),
            Self::Line { sheet_id, dimension, index } => {
                value["dimensionRange"] = json!({
                    "sheetId": sheet_id,
                    "dimension": dimension.name(),
                    "startIndex": index,
                    "endIndex": index + 1,
                });
            }
        }
        value
    }

    fn sheet_id(&self) -> Option<i32> {
        match self {
            Self::Spreadsheet => None,
            Self::Sheet(id) | Self::Line { sheet_id: id, .. } => Some(*id),
        }
    }
}

/// All metadata of a spreadsheet, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataStore {
    entries: BTreeMap<i32, Metadata>,
    /// How many ids were given by the service.
    made: u32,
}

impl MetadataStore {
    pub(crate) fn get(&self, id: i32) -> Option<&Metadata> {
        self.entries.get(&id)
    }

    /// In the order of the ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, &Metadata)> {
        self.entries.iter().map(|(id, metadata)| (*id, metadata))
    }

    /// The JSON of those at places that are asked for.
    pub(crate) fn list(&self, is_wanted: impl Fn(&Location) -> bool) -> Vec<Value> {
        self.iter().filter(|(_, entry)| is_wanted(&entry.location)).map(|(id, entry)| entry.to_json(id)).collect()
    }

    pub(super) fn perform_create(
        &mut self,
        raw: &RawCreateMetadata,
        tabs: &[Tab],
        switches: &Switches,
    ) -> Result<Value, Problem> {
        let raw = raw.developer_metadata.as_ref().ok_or("No developer metadata specified.".to_owned())?;
        let id = match raw.metadata_id {
            None | Some(0) => self.free_id(),
            Some(id) if id < 0 => return Err(format!("Developer metadata ID must be positive: {id}").into()),
            Some(id) => id,
        };
        if self.entries.contains_key(&id) {
            return Err(match switches.duplicate_metadata {
                DuplicateMetadata::Named => {
                    Problem::Message(format!("Developer metadata with ID {id} already exists."))
                }
                DuplicateMetadata::Bare => Problem::Bare,
                DuplicateMetadata::Html => Problem::Page,
            });
        }
        let key = raw.metadata_key.clone().filter(|key| !key.is_empty());
        let metadata = Metadata {
            key: key.ok_or("Developer metadata key must be specified.".to_owned())?,
            value: raw.metadata_value.clone(),
            location: Location::parse(raw.location.as_ref(), tabs)?,
            visibility: Visibility::parse(raw.visibility.as_deref())?,
        };
        let reply = json!({ "createDeveloperMetadata": { "developerMetadata": metadata.to_json(id) } });
        self.entries.insert(id, metadata);
        self.check_size()?;
        Ok(reply)
    }

    pub(super) fn perform_delete(&mut self, raw: &RawDeleteMetadata, switches: &Switches) -> Result<Value, Problem> {
        let filter = raw.data_filter.as_ref().ok_or("No data filter specified.".to_owned())?;
        let ids = self.find(filter)?;
        if ids.is_empty() {
            return match switches.missing_metadata {
                MissingMetadata::Ignored => Ok(json!({ "deleteDeveloperMetadata": {} })),
                MissingMetadata::Refused => Err("No developer metadata matches the data filter.".to_owned().into()),
            };
        }
        let deleted: Vec<Value> = ids.iter().filter_map(|id| Some(self.entries.remove(id)?.to_json(*id))).collect();
        Ok(json!({ "deleteDeveloperMetadata": { "deletedDeveloperMetadata": deleted } }))
    }

    pub(super) fn perform_update(
        &mut self,
        raw: &RawUpdateMetadata,
        mask: &Mask,
        tabs: &[Tab],
    ) -> Result<Value, Problem> {
        let new = raw.developer_metadata.as_ref().ok_or("No developer metadata specified.".to_owned())?;
        if mask.field("metadataId").is_some() && new.metadata_id.is_some() {
            return Err("Developer metadata ID cannot be updated.".to_owned().into());
        }
        let mut ids: Vec<i32> = Vec::new();
        for filter in raw.data_filters.as_deref().unwrap_or_default() {
            ids.extend(self.find(filter)?);
        }
        ids.sort_unstable();
        ids.dedup();
        let mut updated = Vec::new();
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.update(new, mask, tabs)?;
                updated.push(entry.to_json(id));
            }
        }
        self.check_size()?;
        Ok(json!({ "updateDeveloperMetadata": { "developerMetadata": updated } }))
    }

    /// The ids of what a filter finds.
    pub(crate) fn find(&self, filter: &RawDataFilter) -> Result<Vec<i32>, String> {
        let lookup = filter.developer_metadata_lookup.as_ref().ok_or("No data filter specified.")?;
        if lookup.is_empty() {
            return Err("A developer metadata lookup needs at least one criterion.".to_owned());
        }
        Ok(self.iter().filter(|(id, entry)| lookup.matches(*id, entry)).map(|(id, _)| id).collect())
    }

    /// Forgets what was attached to a tab.
    pub(super) fn forget_sheet(&mut self, id: i32) {
        self.entries.retain(|_, entry| entry.location.sheet_id() != Some(id));
    }

    /// Moves what is attached to lines behind inserted ones.
    pub(super) fn insert_lines(&mut self, of: i32, along: Dimension, at: usize, count: usize) {
        self.move_lines(of, along, |index| if index >= at { index + count } else { index });
    }

    /// Moves what is attached to lines to where they are `moved`.
    pub(super) fn move_lines(&mut self, of: i32, along: Dimension, moved: impl Fn(usize) -> usize) {
        for entry in self.entries.values_mut() {
            if let Location::Line { sheet_id, dimension, index } = &mut entry.location
                && (*sheet_id, *dimension) == (of, along)
            {
                *index = moved(*index);
            }
        }
    }

    /// Forgets what is attached to deleted lines, and moves what is behind them.
    pub(super) fn delete_lines(&mut self, of: i32, along: Dimension, range: &Range<usize>) {
        self.entries.retain(|_, entry| match &mut entry.location {
            Location::Line { sheet_id, dimension, index } if (*sheet_id, *dimension) == (of, along) => {
                let is_kept = !range.contains(index);
                if *index >= range.end {
                    *index -= range.len();
                }
                is_kept
            }
            _ => true,
        });
    }

    /// An id that looks like any other and is the same in each run, so that what a test found is found again.
    fn free_id(&mut self) -> i32 {
        loop {
            self.made = self.made.wrapping_add(1);
            let scattered = self.made.wrapping_mul(0x9e37_79b1) >> 1;
            if let Ok(id) = i32::try_from(scattered)
                && id > 0
                && !self.entries.contains_key(&id)
            {
                return id;
            }
        }
    }

    fn check_size(&self) -> Result<(), Problem> {
        let characters: usize = self.entries.values().map(Metadata::characters).sum();
        if characters > MOST_CHARACTERS {
            let message = format!(
                "The developer metadata of a spreadsheet is limited to {MOST_CHARACTERS} characters; this would make \
                 it {characters}."
            );
            return Err(message.into());
        }
        Ok(())
    }
}

impl Metadata {
    fn update(&mut self, new: &RawMetadata, mask: &Mask, tabs: &[Tab]) -> Result<(), String> {
        if mask.field("metadataKey").is_some() {
            let key = new.metadata_key.clone().filter(|key| !key.is_empty());
            self.key = key.ok_or("Developer metadata key must be specified.")?;
        }
        if mask.field("metadataValue").is_some() {
            self.value.clone_from(&new.metadata_value);
        }
        if mask.field("location").is_some() && (!mask.is_all() || new.location.is_some()) {
            self.location = Location::parse(new.location.as_ref(), tabs)?;
        }
        if mask.field("visibility").is_some() && (!mask.is_all() || new.visibility.is_some()) {
            self.visibility = Visibility::parse(new.visibility.as_deref())?;
        }
        Ok(())
    }
}

impl RawLookup {
    fn is_empty(&self) -> bool {
        self.location_type.is_none()
            && self.metadata_location.is_none()
            && self.metadata_id.is_none()
            && self.metadata_key.is_none()
            && self.metadata_value.is_none()
            && self.visibility.is_none()
    }

    fn matches(&self, id: i32, entry: &Metadata) -> bool {
        self.metadata_id.is_none_or(|wanted| wanted == id)
            && self.metadata_key.as_ref().is_none_or(|wanted| *wanted == entry.key)
            && self.metadata_value.as_ref().is_none_or(|wanted| Some(wanted) == entry.value.as_ref())
            && self.visibility.as_deref().is_none_or(|wanted| wanted == entry.visibility.name())
            && self.location_type.as_deref().is_none_or(|wanted| wanted == entry.location.type_name())
            && self.metadata_location.as_ref().is_none_or(|wanted| wanted.matches(&entry.location))
    }
}

impl RawLocation {
    /// Whether it is exactly that place.
    fn matches(&self, location: &Location) -> bool {
        match location {
            Location::Spreadsheet => self.spreadsheet == Some(true),
            Location::Sheet(id) => self.sheet_id == Some(*id),
            Location::Line { sheet_id, dimension, index } => self.dimension_range.as_ref().is_some_and(|range| {
                range.sheet_id.unwrap_or(0) == *sheet_id
                    && range.dimension.as_deref() == Some(dimension.name())
                    && range.start_index.and_then(|start| usize::try_from(start).ok()) == Some(*index)
            }),
        }
    }
}
