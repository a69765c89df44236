//! The requests of a batch, typed.
//!
//! They are read from a body that was compared with the discovery document before. Every field of the cut document
//! stands here and no other: a test compares the two, so that nothing which is accepted is silently ignored. Formats
//! are the exception: their JSON is kept as text and stored whole.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::cell::CellValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct RawBatch<'a> {
    #[serde(borrow)]
    pub(crate) requests: Option<Vec<RawRequest<'a>>>,
}

/// One request. A batch of many rows is one big request, so that its variants' sizes do not matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum RawRequest<'a> {
    AddSheet(RawAddSheet),
    AppendCells(#[serde(borrow)] RawAppendCells<'a>),
    AppendDimension(RawAppendDimension),
    CreateDeveloperMetadata(RawCreateMetadata),
    DeleteDeveloperMetadata(RawDeleteMetadata),
    DeleteDimension(RawDeleteDimension),
    DeleteSheet(RawDeleteSheet),
    InsertDimension(RawInsertDimension),
    MoveDimension(RawMoveDimension),
    RepeatCell(#[serde(borrow)] RawRepeatCell<'a>),
    SortRange(RawSortRange),
    UpdateCells(#[serde(borrow)] RawUpdateCells<'a>),
    UpdateDeveloperMetadata(RawUpdateMetadata),
    UpdateDimensionProperties(RawUpdateDimensionProperties),
    UpdateSheetProperties(RawUpdateSheetProperties),
}

impl RawRequest<'_> {
    /// The request's name, as messages quote it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::AddSheet(_) => "addSheet",
            Self::AppendCells(_) => "appendCells",
            Self::AppendDimension(_) => "appendDimension",
            Self::CreateDeveloperMetadata(_) => "createDeveloperMetadata",
            Self::DeleteDeveloperMetadata(_) => "deleteDeveloperMetadata",
            Self::DeleteDimension(_) => "deleteDimension",
            Self::DeleteSheet(_) => "deleteSheet",
            Self::InsertDimension(_) => "insertDimension",
            Self::MoveDimension(_) => "moveDimension",
            Self::RepeatCell(_) => "repeatCell",
            Self::SortRange(_) => "sortRange",
            Self::UpdateCells(_) => "updateCells",
            Self::UpdateDeveloperMetadata(_) => "updateDeveloperMetadata",
            Self::UpdateDimensionProperties(_) => "updateDimensionProperties",
            Self::UpdateSheetProperties(_) => "updateSheetProperties",
        }
    }
}

/// Declares messages whose fields may all be left out or null.
macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Default, Deserialize)]
            #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
            pub(crate) struct $name { $($(#[$field_meta])* pub(crate) $field: Option<$kind>,)* }
        )*
    };
}

messages! {
    RawAddSheet { properties: RawSheetProperties, }
    RawDeleteSheet { sheet_id: i32, }
    RawUpdateSheetProperties { properties: RawSheetProperties, fields: String, }
    RawSheetProperties {
        sheet_id: i32,
        title: String,
        index: i32,
        sheet_type: String,
        grid_properties: RawGridProperties,
        hidden: bool,
    }
    RawGridProperties {
        row_count: i32,
        column_count: i32,
        frozen_row_count: i32,
        frozen_column_count: i32,
        hide_gridlines: bool,
    }
    RawGridRange {
        sheet_id: i32,
        start_row_index: i32,
        end_row_index: i32,
        start_column_index: i32,
        end_column_index: i32,
    }
    RawGridCoordinate { sheet_id: i32, row_index: i32, column_index: i32, }
    #[derive(Clone)]
    RawDimensionRange { sheet_id: i32, dimension: String, start_index: i32, end_index: i32, }
    RawAppendDimension { sheet_id: i32, dimension: String, length: i32, }
    RawInsertDimension { range: RawDimensionRange, inherit_from_before: bool, }
    RawMoveDimension { source: RawDimensionRange, destination_index: i32, }
    RawDeleteDimension { range: RawDimensionRange, }
    RawUpdateDimensionProperties { range: RawDimensionRange, properties: RawDimensionProperties, fields: String, }
    RawDimensionProperties {
        pixel_size: i32,
        hidden_by_user: bool,
        /// Only the server writes it.
        developer_metadata: IgnoredAny,
    }
    RawSortRange { range: RawGridRange, sort_specs: Vec<RawSortSpec>, }
    RawSortSpec { dimension_index: i32, sort_order: String, }
    RawCreateMetadata { developer_metadata: RawMetadata, }
    RawDeleteMetadata { data_filter: RawDataFilter, }
    RawUpdateMetadata { data_filters: Vec<RawDataFilter>, developer_metadata: RawMetadata, fields: String, }
    RawSearchMetadata { data_filters: Vec<RawDataFilter>, }
    RawMetadata {
        metadata_id: i32,
        metadata_key: String,
        metadata_value: String,
        location: RawLocation,
        visibility: String,
    }
    RawLocation { location_type: String, spreadsheet: bool, sheet_id: i32, dimension_range: RawDimensionRange, }
    RawDataFilter { developer_metadata_lookup: RawLookup, }
    RawLookup {
        location_type: String,
        metadata_location: RawLocation,
        metadata_id: i32,
        metadata_key: String,
        metadata_value: String,
        visibility: String,
    }
    RawExtendedValue { number_value: f64, string_value: Box<str>, bool_value: bool, }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RawAppendCells<'a> {
    pub(crate) sheet_id: Option<i32>,
    #[serde(borrow)]
    pub(crate) rows: Option<Vec<RawRow<'a>>>,
    pub(crate) fields: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RawUpdateCells<'a> {
    pub(crate) start: Option<RawGridCoordinate>,
    pub(crate) range: Option<RawGridRange>,
    #[serde(borrow)]
    pub(crate) rows: Option<Vec<RawRow<'a>>>,
    pub(crate) fields: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RawRepeatCell<'a> {
    pub(crate) range: Option<RawGridRange>,
    #[serde(borrow)]
    pub(crate) cell: Option<RawCell<'a>>,
    pub(crate) fields: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RawRow<'a> {
    #[serde(borrow)]
    pub(crate) values: Option<Vec<RawCell<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RawCell<'a> {
    pub(crate) user_entered_value: Option<RawExtendedValue>,
    /// Its JSON.
    #[serde(borrow)]
    pub(crate) user_entered_format: Option<&'a RawValue>,
    pub(crate) note: Option<Box<str>>,
    // What only the server writes is accepted and changes nothing.
    #[serde(rename = "effectiveValue")]
    pub(crate) _effective_value: Option<IgnoredAny>,
    #[serde(rename = "effectiveFormat")]
    pub(crate) _effective_format: Option<IgnoredAny>,
    #[serde(rename = "formattedValue")]
    pub(crate) _formatted_value: Option<IgnoredAny>,
}

impl RawExtendedValue {
    /// The value; at most one is set.
    pub(crate) fn into_value(self) -> CellValue {
        match (self.number_value, self.string_value, self.bool_value) {
            (Some(number), ..) => CellValue::Number(number),
            (None, Some(text), _) if text.is_empty() => CellValue::Empty,
            (None, Some(text), _) => CellValue::Text(text),
            (None, None, Some(value)) => CellValue::Bool(value),
            (None, None, None) => CellValue::Empty,
        }
    }
}

/// A dimension of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dimension {
    Rows,
    Columns,
}

impl Dimension {
    pub(crate) fn parse(name: Option<&str>) -> Result<Self, String> {
        match name {
            Some("ROWS") => Ok(Self::Rows),
            Some("COLUMNS") => Ok(Self::Columns),
            _ => Err("No dimension specified.".to_owned()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "ROWS",
            Self::Columns => "COLUMNS",
        }
    }
}

/// Properties of rows or columns, by index; only those that were changed.
pub(crate) type DimensionSizes = BTreeMap<usize, DimensionProperties>;

/// How a row or column is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DimensionProperties {
    pub(crate) pixel_size: Option<i32>,
    pub(crate) hidden_by_user: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::forward_to_deserialize_any;

    use super::*;
    use crate::schema::DISCOVERY;

    /// Tells which fields a type asks for, and reads nothing.
    struct Fields<'f>(&'f mut Vec<&'static str>);

    #[derive(Debug)]
    struct Stop;

    impl fmt::Display for Stop {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("stopped")
        }
    }

    impl std::error::Error for Stop {}

    impl Error for Stop {
        fn custom<T: fmt::Display>(_: T) -> Self {
            Self
        }
    }

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Stop;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
            Err(Stop)
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Stop> {
            self.0.extend(fields);
            Err(Stop)
        }

        fn deserialize_enum<V: Visitor<'de>>(
            self,
            _: &'static str,
            variants: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Stop> {
            self.0.extend(variants);
            Err(Stop)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map identifier ignored_any
        }
    }

    fn fields_of<'de, T: Deserialize<'de>>() -> BTreeSet<&'static str> {
        let mut fields = Vec::new();
        assert!(T::deserialize(Fields(&mut fields)).is_err());
        fields.into_iter().collect()
    }

    #[test]
    fn the_types_have_exactly_the_fields_of_the_discovery_document() {
        let table = [
            ("BatchUpdateSpreadsheetRequest", fields_of::<RawBatch<'_>>()),
            ("Request", fields_of::<RawRequest<'_>>()),
            ("AddSheetRequest", fields_of::<RawAddSheet>()),
            ("AppendCellsRequest", fields_of::<RawAppendCells<'_>>()),
            ("AppendDimensionRequest", fields_of::<RawAppendDimension>()),
            ("CreateDeveloperMetadataRequest", fields_of::<RawCreateMetadata>()),
            ("DeleteDeveloperMetadataRequest", fields_of::<RawDeleteMetadata>()),
            ("DeleteDimensionRequest", fields_of::<RawDeleteDimension>()),
            ("DeleteSheetRequest", fields_of::<RawDeleteSheet>()),
            ("InsertDimensionRequest", fields_of::<RawInsertDimension>()),
            ("MoveDimensionRequest", fields_of::<RawMoveDimension>()),
            ("RepeatCellRequest", fields_of::<RawRepeatCell<'_>>()),
            ("SortRangeRequest", fields_of::<RawSortRange>()),
            ("UpdateCellsRequest", fields_of::<RawUpdateCells<'_>>()),
            ("UpdateDeveloperMetadataRequest", fields_of::<RawUpdateMetadata>()),
            ("UpdateDimensionPropertiesRequest", fields_of::<RawUpdateDimensionProperties>()),
            ("UpdateSheetPropertiesRequest", fields_of::<RawUpdateSheetProperties>()),
            ("SearchDeveloperMetadataRequest", fields_of::<RawSearchMetadata>()),
            ("SheetProperties", fields_of::<RawSheetProperties>()),
            ("GridProperties", fields_of::<RawGridProperties>()),
            ("GridRange", fields_of::<RawGridRange>()),
            ("GridCoordinate", fields_of::<RawGridCoordinate>()),
            ("DimensionRange", fields_of::<RawDimensionRange>()),
            ("DimensionProperties", fields_of::<RawDimensionProperties>()),
            ("SortSpec", fields_of::<RawSortSpec>()),
            ("DeveloperMetadata", fields_of::<RawMetadata>()),
            ("DeveloperMetadataLocation", fields_of::<RawLocation>()),
            ("DataFilter", fields_of::<RawDataFilter>()),
            ("DeveloperMetadataLookup", fields_of::<RawLookup>()),
            ("RowData", fields_of::<RawRow<'_>>()),
            ("CellData", fields_of::<RawCell<'_>>()),
            ("ExtendedValue", fields_of::<RawExtendedValue>()),
        ];
        for (message, fields) in table {
            let documented: BTreeSet<&str> =
                DISCOVERY.sheets.schemas[message].properties.keys().map(String::as_str).collect();
            assert_eq!(fields, documented, "{message}");
        }
    }
}
