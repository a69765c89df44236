//! `spreadsheets.batchUpdate`: all of its requests, or none.
//!
//! The requests are applied to a copy, which takes the original's place at the end. A copy shares what is not changed.

use serde_json::{Value, json};

use super::request::{RawBatch, RawRequest};
use super::{Spreadsheet, tab, write};
use crate::refusal::Refusal;
use crate::schema::{DISCOVERY, Mask};
use crate::switch::Switches;

/// Why one request fails, and with it the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A 400 that names the request.
    Message(String),
    /// A 400 that says nothing.
    Bare,
    /// A 400 that is a page.
    Page,
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

/// Why a batch is refused.
#[derive(Debug)]
pub(crate) enum BatchRefusal {
    Api(Refusal),
    /// With status 400.
    Page,
}

impl BatchRefusal {
    /// What is said about it.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Api(refusal) => refusal.message,
            Self::Page => "400. That’s an error.".to_owned(),
        }
    }
}

impl From<Refusal> for BatchRefusal {
    fn from(refusal: Refusal) -> Self {
        Self::Api(refusal)
    }
}

impl Spreadsheet {
    /// Performs a batch; the replies are in the order of the requests.
    pub(crate) fn perform_batch(&mut self, body: &[u8], switches: &Switches) -> Result<Vec<Value>, BatchRefusal> {
        let batch: RawBatch<'_> =
            serde_json::from_slice(body).map_err(|error| Refusal::invalid(format!("Invalid value: {error}")))?;
        let requests = batch.requests.unwrap_or_default();
        if requests.is_empty() {
            return Err(Refusal::invalid("Must specify at least one request.").into());
        }
        let mut draft = self.clone();
        let mut replies = Vec::with_capacity(requests.len());
        for (index, request) in requests.into_iter().enumerate() {
            let name = request.name();
            match draft.perform_request(request, switches) {
                Ok(reply) => replies.push(reply),
                Err(Problem::Message(message)) => {
                    return Err(Refusal::invalid(format!("Invalid requests[{index}].{name}: {message}")).into());
                }
                Err(Problem::Bare) => {
                    return Err(Refusal::invalid("Request contains an invalid argument.").into());
                }
                Err(Problem::Page) => return Err(BatchRefusal::Page),
            }
        }
        *self = draft;
        Ok(replies)
    }

    fn perform_request(&mut self, request: RawRequest<'_>, switches: &Switches) -> Result<Value, Problem> {
        match request {
            RawRequest::AddSheet(raw) => return Ok(tab::perform_add(self, raw)?),
            RawRequest::DeleteSheet(raw) => tab::perform_delete(self, &raw)?,
            RawRequest::UpdateSheetProperties(raw) => {
                let mask = parse_fields(raw.fields.as_deref(), "SheetProperties")?;
                tab::perform_update(self, raw.properties.unwrap_or_default(), &mask)?;
            }
            RawRequest::AppendCells(raw) => {
                let mask = parse_fields(raw.fields.as_deref(), "CellData")?;
                write::perform_append(self, raw, &mask, switches)?;
            }
            RawRequest::UpdateCells(raw) => {
                let mask = parse_fields(raw.fields.as_deref(), "CellData")?;
                write::perform_update(self, raw, &mask)?;
            }
            RawRequest::RepeatCell(raw) => {
                let mask = parse_fields(raw.fields.as_deref(), "CellData")?;
                write::perform_repeat(self, raw, &mask)?;
            }
            RawRequest::AppendDimension(raw) => self.perform_append_dimension(&raw)?,
            RawRequest::InsertDimension(raw) => self.perform_insert_dimension(&raw)?,
            RawRequest::MoveDimension(raw) => self.perform_move_dimension(&raw)?,
            RawRequest::DeleteDimension(raw) => self.perform_delete_dimension(&raw)?,
            RawRequest::UpdateDimensionProperties(raw) => {
                let mask = parse_fields(raw.fields.as_deref(), "DimensionProperties")?;
                self.perform_update_dimension(&raw, &mask)?;
            }
            RawRequest::SortRange(raw) => self.perform_sort(&raw)?,
            RawRequest::CreateDeveloperMetadata(raw) => {
                return self.metadata.perform_create(&raw, &self.tabs, switches);
            }
            RawRequest::DeleteDeveloperMetadata(raw) => return self.metadata.perform_delete(&raw, switches),
            RawRequest::UpdateDeveloperMetadata(raw) => {
                let mask = parse_fields(raw.fields.as_deref(), "DeveloperMetadata")?;
                return self.metadata.perform_update(&raw, &mask, &self.tabs);
            }
        }
        Ok(json!({}))
    }
}

fn parse_fields(text: Option<&str>, message: &str) -> Result<Mask, String> {
    let text = text
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| "At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)".to_owned())?;
    let mask = Mask::parse(text).ok_or_else(|| format!("Invalid field mask: {text}"))?;
    match mask.unknown_field(&DISCOVERY.sheets, message) {
        Some(field) => Err(format!("Invalid field: {}", crate::schema::snake(&field))),
        None => Ok(mask),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// A request of a random batch.
    #[derive(Clone, Debug)]
    enum Step {
        Append { tab: i32, rows: usize },
        AppendTooWide { tab: i32 },
        AddTab { tab: i32 },
        DeleteTab { tab: i32 },
        CreateMetadata { id: i32 },
        DeleteMetadata { id: i32 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..4, 0_usize..4).prop_map(|(tab, rows)| Step::Append { tab, rows }),
            1 => (0..4).prop_map(|tab| Step::AppendTooWide { tab }),
            3 => (0..4).prop_map(|tab| Step::AddTab { tab }),
            1 => (0..4).prop_map(|tab| Step::DeleteTab { tab }),
            3 => (1..4).prop_map(|id| Step::CreateMetadata { id }),
            2 => (1..4).prop_map(|id| Step::DeleteMetadata { id }),
        ]
    }

    impl Step {
        fn to_json(&self) -> Value {
            let cell = json!({ "userEnteredValue": { "stringValue": "x" } });
            let append = |tab: i32, row: Value, count: usize| {
                let rows = vec![json!({ "values": row }); count];
                json!({ "appendCells": { "sheetId": tab, "rows": rows, "fields": "userEnteredValue" } })
            };
            match self {
                Self::Append { tab, rows } => append(*tab, json!([cell]), *rows),
                Self::AppendTooWide { tab } => append(*tab, json!(vec![cell; 27]), 1),
                Self::AddTab { tab } => {
                    json!({ "addSheet": { "properties": { "sheetId": tab, "title": format!("tab {tab}") } } })
                }
                Self::DeleteTab { tab } => json!({ "deleteSheet": { "sheetId": tab } }),
                Self::CreateMetadata { id } => json!({ "createDeveloperMetadata": { "developerMetadata": {
                    "metadataId": id, "metadataKey": "k", "location": { "spreadsheet": true }, "visibility": "PROJECT",
                } } }),
                Self::DeleteMetadata { id } => json!({ "deleteDeveloperMetadata": { "dataFilter": {
                    "developerMetadataLookup": { "metadataId": id },
                } } }),
            }
        }
    }

    /// What a spreadsheet should hold: rows of each tab, and metadata ids.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Model {
        tabs: BTreeMap<i32, usize>,
        metadata: BTreeSet<i32>,
    }

    impl Model {
        /// `None` if the request must be refused.
        fn apply(&mut self, step: &Step) -> Option<()> {
            match step {
                Step::Append { tab, rows } => *self.tabs.get_mut(tab)? += rows,
                Step::AppendTooWide { .. } => return None,
                Step::AddTab { tab } => self.tabs.insert(*tab, 0).is_none().then_some(())?,
                Step::DeleteTab { tab } => {
                    self.tabs.remove(tab)?;
                    (!self.tabs.is_empty()).then_some(())?;
                }
                Step::CreateMetadata { id } => self.metadata.insert(*id).then_some(())?,
                Step::DeleteMetadata { id } => {
                    self.metadata.remove(id);
                }
            }
            Some(())
        }

        fn of(spreadsheet: &Spreadsheet) -> Self {
            Self {
                tabs: spreadsheet.sizes().map(|(id, _, _, _, rows)| (id, rows)).collect(),
                metadata: spreadsheet.metadata.iter().map(|(id, _)| id).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_batch_is_applied_whole_or_not_at_all(
            batches in prop::collection::vec(prop::collection::vec(step(), 1..5), 1..20),
        ) {
            let mut spreadsheet = Spreadsheet::new();
            let mut model = Model::of(&spreadsheet);
            for batch in batches {
                let body = json!({ "requests": batch.iter().map(Step::to_json).collect::<Vec<_>>() }).to_string();
                prop_assert_eq!(DISCOVERY.sheets.check("BatchUpdateSpreadsheetRequest", body.as_bytes()), Ok(()));
                let mut draft = model.clone();
                let expected = batch.iter().try_for_each(|step| draft.apply(step));
                let result = spreadsheet.perform_batch(body.as_bytes(), &Switches::default());
                prop_assert_eq!(result.is_ok(), expected.is_some(), "{:?}", batch);
                if expected.is_some() {
                    model = draft;
                }
                prop_assert_eq!(Model::of(&spreadsheet), model.clone());
            }
        }
    }
}
