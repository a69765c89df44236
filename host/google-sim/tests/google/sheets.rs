//! Cells, tabs, rows and columns.

use google_sim::Config;
use serde_json::{Value, json};

use crate::client::{Device, append, frozen};

async fn start() -> (Device, String) {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    (device, id)
}

#[tokio::test]
async fn values_keep_their_type_and_a_text_is_never_parsed() {
    let (device, id) = start().await;
    let number = |value: f64, kind: &str, pattern: &str| {
        json!({
            "userEnteredValue": { "numberValue": value },
            "userEnteredFormat": { "numberFormat": { "type": kind, "pattern": pattern } },
        })
    };
    let values = json!([
        { "userEnteredValue": { "stringValue": "=1+1" } },
        { "userEnteredValue": { "stringValue": "42" } },
        { "userEnteredValue": { "numberValue": 42 } },
        { "userEnteredValue": { "boolValue": true } },
        {},
        number(46347.5, "DATE_TIME", "yyyy-mm-dd hh:mm"),
        number(1.25, "TIME", "[h]:mm:ss"),
    ]);
    let request = json!({ "appendCells": { "sheetId": 0, "rows": [{ "values": values }], "fields": "userEnteredValue,userEnteredFormat.numberFormat" } });
    let reply = device.batch(&id, json!([request])).await.ok();
    assert_eq!(reply, json!({ "spreadsheetId": id, "replies": [{}], "commentUpdateState": "NO_UPDATES_REQUESTED" }));
    let get = async |query: &str| {
        device.get(&format!("/v4/spreadsheets/{id}/values/Sheet1{query}")).await.ok()["values"][0].clone()
    };
    assert_eq!(get("?valueRenderOption=UNFORMATTED_VALUE").await, json!(["=1+1", "42", 42, true, "", 46347.5, 1.25]));
    assert_eq!(get("").await, json!(["=1+1", "42", "42", "TRUE", "", "2026-11-21 12:00", "30:00:00"]));
    assert_eq!(
        get("?valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=FORMATTED_STRING").await,
        json!(["=1+1", "42", 42, true, "", "2026-11-21 12:00", "30:00:00"])
    );
    let table = device.sim.table(&id).unwrap();
    assert_eq!(table.tabs[0].rows, [["=1+1", "42", "42", "TRUE", "", "2026-11-21 12:00", "30:00:00"]]);
    let data = device
        .get(&format!(
            "/v4/spreadsheets/{id}?fields=sheets.data.rowData.values(userEnteredValue,formattedValue)&ranges=F1:G1"
        ))
        .await
        .ok();
    assert_eq!(
        data["sheets"][0]["data"][0]["rowData"][0]["values"],
        json!([
            { "userEnteredValue": { "numberValue": 46347.5 }, "formattedValue": "2026-11-21 12:00" },
            { "userEnteredValue": { "numberValue": 1.25 }, "formattedValue": "30:00:00" },
        ])
    );
}

#[tokio::test]
async fn rows_go_after_the_last_row_with_data_and_the_grid_grows() {
    let (device, id) = start().await;
    let small = json!({ "updateSheetProperties": {
        "properties": { "sheetId": 0, "gridProperties": { "rowCount": 2, "columnCount": 2 } },
        "fields": "gridProperties(rowCount,columnCount)",
    } });
    device.batch(&id, json!([small, append(&[&["a"], &[""], &["", "b"]]), append(&[&["c"]])])).await.ok();
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a"], [], ["", "b"], ["c"]]));
    let grid = device.get(&format!("/v4/spreadsheets/{id}?fields=sheets.properties.gridProperties")).await.ok();
    assert_eq!(grid["sheets"][0]["properties"]["gridProperties"], json!({ "rowCount": 4, "columnCount": 2 }));
    // A person moves a cell further down: rows go below it.
    let cell = json!({ "updateCells": {
        "start": { "sheetId": 0, "rowIndex": 9, "columnIndex": 1 },
        "rows": [{ "values": [{ "userEnteredValue": { "boolValue": false } }] }],
        "fields": "userEnteredValue",
    } });
    let grow = json!({ "appendDimension": { "sheetId": 0, "dimension": "ROWS", "length": 100 } });
    device.sim.edit_as_person(&id, &json!([grow, cell])).unwrap();
    device.batch(&id, json!([append(&[&["d"]])])).await.ok();
    assert_eq!(device.values(&id, "A10:B12").await, json!([["", false], ["d"]]));
}

#[tokio::test]
async fn columns_beyond_the_grid_are_refused_until_it_is_widened() {
    let (device, id) = start().await;
    let narrow = json!({ "updateSheetProperties": {
        "properties": { "sheetId": 0, "gridProperties": { "columnCount": 2 } }, "fields": "gridProperties.columnCount",
    } });
    device.batch(&id, json!([narrow])).await.ok();
    let wide = append(&[&["a", "b", "c"]]);
    let message = device.batch(&id, json!([wide.clone()])).await.refused(400);
    assert_eq!(
        message,
        "Invalid requests[0].appendCells: Attempting to write column: 2, beyond the last requested column of: 1"
    );
    let widen = json!({ "appendDimension": { "sheetId": 0, "dimension": "COLUMNS", "length": 1 } });
    device.batch(&id, json!([widen, wide])).await.ok();
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a", "b", "c"]]));
}

#[tokio::test]
async fn ten_million_cells_are_the_limit() {
    let (device, id) = start().await;
    let size = |rows: i64, columns: i64| {
        json!({ "updateSheetProperties": {
            "properties": { "sheetId": 0, "gridProperties": { "rowCount": rows, "columnCount": columns } },
            "fields": "gridProperties(rowCount,columnCount)",
        } })
    };
    let full = json!({ "updateCells": {
        "start": { "sheetId": 0, "rowIndex": 9_999, "columnIndex": 0 },
        "rows": [{ "values": [{ "userEnteredValue": { "stringValue": "last" } }] }],
        "fields": "*",
    } });
    device.batch(&id, json!([size(10_000, 1_000), full])).await.ok();
    for request in [
        append(&[&["one more"]]),
        size(10_001, 1_000),
        json!({ "addSheet": { "properties": { "gridProperties": { "rowCount": 1, "columnCount": 1 } } } }),
        json!({ "appendDimension": { "sheetId": 0, "dimension": "COLUMNS", "length": 1 } }),
        json!({ "insertDimension": { "range": { "sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 1 } } }),
    ] {
        let message = device.batch(&id, json!([request.clone()])).await.refused(400);
        assert!(message.contains("increase the number of cells"), "{request}: {message}");
    }
}

#[tokio::test]
async fn a_batch_with_one_bad_request_changes_nothing() {
    let (device, id) = start().await;
    device.batch(&id, json!([append(&[&["before"]])])).await.ok();
    let metadata =
        json!({ "metadataId": 5, "metadataKey": "k", "location": { "spreadsheet": true }, "visibility": "DOCUMENT" });
    let bad = json!({ "updateCells": { "range": { "sheetId": 999_999 }, "rows": [], "fields": "*" } });
    let requests = json!([
        append(&[&["after"]]),
        { "createDeveloperMetadata": { "developerMetadata": metadata } },
        bad,
        { "addSheet": { "properties": { "title": "New" } } },
    ]);
    let before = device.get(&format!("/v4/spreadsheets/{id}?includeGridData=true")).await.ok();
    let message = device.batch(&id, requests).await.refused(400);
    assert_eq!(message, "Invalid requests[2].updateCells: No grid with id: 999999");
    assert_eq!(device.get(&format!("/v4/spreadsheets/{id}?includeGridData=true")).await.ok(), before);
}

#[tokio::test]
async fn tabs_are_added_changed_and_removed() {
    let (device, id) = start().await;
    let add = json!({ "addSheet": { "properties": { "sheetId": 7, "title": "Punches", "gridProperties": { "rowCount": 10, "columnCount": 3, "frozenRowCount": 1 } } } });
    let reply = device.batch(&id, json!([add.clone()])).await.ok();
    let properties = json!({
        "sheetId": 7,
        "title": "Punches",
        "index": 1,
        "sheetType": "GRID",
        "gridProperties": { "rowCount": 10, "columnCount": 3, "frozenRowCount": 1 },
    });
    assert_eq!(reply["replies"], json!([{ "addSheet": { "properties": properties } }]));
    let add_titled =
        |id: Value, title: &str| json!([{ "addSheet": { "properties": { "sheetId": id, "title": title } } }]);
    let message = device.batch(&id, add_titled(json!(8), "PUNCHES")).await.refused(400);
    assert!(message.contains("A sheet with the name \"Punches\" already exists"), "{message}");
    device.batch(&id, add_titled(json!(7), "Other")).await.refused(400);
    device.batch(&id, add_titled(json!(-1), "Other")).await.refused(400);
    device.batch(&id, add_titled(json!(null), "Other")).await.ok();
    let update = |properties: Value, fields: &str| json!([{ "updateSheetProperties": { "properties": properties, "fields": fields } }]);
    device.batch(&id, update(json!({ "sheetId": 7, "index": 0, "title": "First" }), "index,title")).await.ok();
    device.batch(&id, update(json!({ "sheetId": 0, "hidden": true }), "hidden")).await.ok();
    let sheets = device.get(&format!("/v4/spreadsheets/{id}?fields=sheets.properties(title,hidden)")).await.ok();
    assert_eq!(
        sheets["sheets"],
        json!([
            { "properties": { "title": "First" } },
            { "properties": { "title": "Sheet1", "hidden": true } },
            { "properties": { "title": "Other" } },
        ])
    );
    let nothing = device.batch(&id, update(json!({ "sheetId": 7 }), "")).await.refused(400);
    assert!(nothing.contains("At least one field must be listed in 'fields'"), "{nothing}");
    device.batch(&id, update(json!({ "sheetId": 7, "title": "Sheet1" }), "title")).await.refused(400);
    device.batch(&id, update(json!({ "sheetId": 7 }), "nope")).await.refused(400);
    let delete = |sheet: i64| json!({ "deleteSheet": { "sheetId": sheet } });
    device.batch(&id, json!([delete(7)])).await.ok();
    device.batch(&id, json!([delete(7)])).await.refused(400);
    let last = sheets["sheets"].as_array().unwrap().len();
    assert_eq!(last, 3);
    let tabs = device.sim.table(&id).unwrap().tabs;
    let other = tabs.iter().find(|tab| tab.title == "Other").unwrap().id;
    device.batch(&id, json!([delete(i64::from(other))])).await.refused(400);
}

#[tokio::test]
async fn people_insert_delete_sort_and_clear() {
    let (device, id) = start().await;
    device.batch(&id, json!([append(&[&["name", "n"], &["c", "3"], &["a", "1"], &["b", "2"]])])).await.ok();
    let range = |start: i64, end: i64, dimension: &str| json!({ "sheetId": 0, "dimension": dimension, "startIndex": start, "endIndex": end });
    let sort = json!({ "sortRange": {
        "range": { "sheetId": 0, "startRowIndex": 1, "startColumnIndex": 0, "endColumnIndex": 2 },
        "sortSpecs": [{ "dimensionIndex": 0, "sortOrder": "DESCENDING" }],
    } });
    device.sim.edit_as_person(&id, &json!([sort])).unwrap();
    assert_eq!(device.values(&id, "Sheet1").await, json!([["name", "n"], ["c", "3"], ["b", "2"], ["a", "1"]]));
    let edits = json!([
        { "insertDimension": { "range": range(1, 2, "ROWS"), "inheritFromBefore": true } },
        { "insertDimension": { "range": range(0, 1, "COLUMNS") } },
        { "deleteDimension": { "range": range(3, 4, "ROWS") } },
    ]);
    device.sim.edit_as_person(&id, &edits).unwrap();
    assert_eq!(device.values(&id, "Sheet1").await, json!([["", "name", "n"], [], ["", "c", "3"], ["", "a", "1"]]));
    let clear = json!([{ "updateCells": { "range": { "sheetId": 0, "startRowIndex": 2 }, "fields": "*" } }]);
    device.sim.edit_as_person(&id, &clear).unwrap();
    assert_eq!(device.values(&id, "Sheet1").await, json!([["", "name", "n"]]));
    assert!(
        device.sim.edit_as_person(&id, &json!([{ "deleteDimension": { "range": range(0, 9999, "ROWS") } }])).is_err()
    );
    assert!(device.sim.edit_as_person(&id, &json!([{ "nope": {} }])).is_err());
    assert!(device.sim.edit_as_person("nope", &json!([])).is_err());
}

#[tokio::test]
async fn people_move_rows_and_columns_and_what_is_attached_goes_with_them() {
    // As the discovery document says it: 1 and 2 go to between 3 and 4. To the left, and to where they are.
    for (source, to, expected) in [
        ((1, 3), 4, ["0", "3", "1", "2", "4"]),
        ((3, 5), 1, ["0", "3", "4", "1", "2"]),
        ((1, 3), 2, ["0", "1", "2", "3", "4"]),
        ((0, 1), 5, ["1", "2", "3", "4", "0"]),
    ] {
        for (dimension, other) in [("ROWS", "COLUMNS"), ("COLUMNS", "ROWS")] {
            let (device, id) = start().await;
            let down: &[&[&str]] = &[&["0"], &["1"], &["2"], &["3"], &["4"]];
            let across: &[&[&str]] = &[&["0", "1", "2", "3", "4"]];
            let cells = if dimension == "ROWS" { down } else { across };
            device.batch(&id, json!([append(cells)])).await.ok();
            let place = json!({ "sheetId": 0, "dimension": dimension, "startIndex": 3, "endIndex": 4 });
            let attached =
                json!({ "metadataKey": "three", "location": { "dimensionRange": place }, "visibility": "DOCUMENT" });
            let aside = json!({ "sheetId": 0, "dimension": other, "startIndex": 3, "endIndex": 4 });
            let elsewhere =
                json!({ "metadataKey": "aside", "location": { "dimensionRange": aside }, "visibility": "DOCUMENT" });
            let source = json!({ "sheetId": 0, "dimension": dimension, "startIndex": source.0, "endIndex": source.1 });
            let edits = json!([
                { "createDeveloperMetadata": { "developerMetadata": attached } },
                { "createDeveloperMetadata": { "developerMetadata": elsewhere } },
                { "moveDimension": { "source": source, "destinationIndex": to } },
            ]);
            device.sim.edit_as_person(&id, &edits).unwrap();
            let values = device.values(&id, "Sheet1").await;
            let cell = |at: usize| if dimension == "ROWS" { &values[at][0] } else { &values[0][at] };
            assert_eq!([0, 1, 2, 3, 4].map(cell), expected, "{dimension} {to}");
            let search = json!({ "dataFilters": [
                { "developerMetadataLookup": { "metadataKey": "three" } },
                { "developerMetadataLookup": { "metadataKey": "aside" } },
            ] });
            let found = device.post(&format!("/v4/spreadsheets/{id}/developerMetadata:search"), search).await.ok();
            for matched in found["matchedDeveloperMetadata"].as_array().unwrap() {
                let attached = &matched["developerMetadata"];
                let at = expected.iter().position(|cell| *cell == "3").unwrap();
                let expected = if attached["metadataKey"] == "three" { at } else { 3 };
                assert_eq!(attached["location"]["dimensionRange"]["startIndex"], expected, "{attached}");
            }
        }
    }
    let (device, id) = start().await;
    let source = json!({ "sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 1 });
    let outside = json!([{ "moveDimension": { "source": source, "destinationIndex": 1_001 } }]);
    assert!(device.sim.edit_as_person(&id, &outside).is_err());
}

#[tokio::test]
async fn formats_and_notes_are_written_as_the_mask_says() {
    let (device, id) = start().await;
    let repeat = |cell: Value, fields: &str| json!([{ "repeatCell": { "range": { "sheetId": 0, "endRowIndex": 1, "endColumnIndex": 2 }, "cell": cell, "fields": fields } }]);
    let bold = json!({ "userEnteredFormat": { "textFormat": { "bold": true }, "horizontalAlignment": "CENTER" }, "note": "hello" });
    device.batch(&id, repeat(bold, "userEnteredFormat.textFormat.bold,note")).await.ok();
    let number = json!({ "userEnteredFormat": { "numberFormat": { "type": "PERCENT" } }, "userEnteredValue": { "numberValue": 0.5 } });
    device.batch(&id, repeat(number, "userEnteredFormat.numberFormat,userEnteredValue")).await.ok();
    let data = device.get(&format!("/v4/spreadsheets/{id}?includeGridData=true&ranges=A1:A1")).await.ok();
    assert_eq!(
        data["sheets"][0]["data"][0]["rowData"][0]["values"][0],
        json!({
            "userEnteredValue": { "numberValue": 0.5 },
            "effectiveValue": { "numberValue": 0.5 },
            "formattedValue": "50.00%",
            "userEnteredFormat": { "textFormat": { "bold": true }, "numberFormat": { "type": "PERCENT" } },
            "effectiveFormat": { "textFormat": { "bold": true }, "numberFormat": { "type": "PERCENT" } },
            "note": "hello",
        })
    );
    let hide = json!([{ "updateDimensionProperties": { "range": { "sheetId": 0, "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2 }, "properties": { "hiddenByUser": true }, "fields": "hiddenByUser" } }]);
    device.batch(&id, hide).await.ok();
    let columns =
        device.get(&format!("/v4/spreadsheets/{id}?fields=sheets.data.columnMetadata&ranges=A1:B1")).await.ok();
    assert_eq!(
        columns["sheets"][0]["data"][0]["columnMetadata"],
        json!([{ "pixelSize": 100 }, { "pixelSize": 100, "hiddenByUser": true }])
    );
}

#[tokio::test]
async fn ranges_are_read_by_row_and_by_column() {
    let (device, id) = start().await;
    device.batch(&id, json!([append(&[&["a", "b"], &["", "d"]])])).await.ok();
    let columns = device.get(&format!("/v4/spreadsheets/{id}/values/A1:B5?majorDimension=COLUMNS")).await.ok();
    assert_eq!(columns, json!({ "range": "Sheet1!A1:B5", "majorDimension": "COLUMNS", "values": [["a"], ["b", "d"]] }));
    let batch =
        device.get(&format!("/v4/spreadsheets/{id}/values:batchGet?ranges=A1:B1&ranges=%27Sheet1%27!A2:B2")).await.ok();
    assert_eq!(
        batch["valueRanges"],
        json!([
            { "range": "Sheet1!A1:B1", "majorDimension": "ROWS", "values": [["a", "b"]] },
            { "range": "Sheet1!A2:B2", "majorDimension": "ROWS", "values": [["", "d"]] },
        ])
    );
    let message = device.get(&format!("/v4/spreadsheets/{id}/values/Nope!A1")).await.refused(400);
    assert_eq!(message, "Unable to parse range: Nope!A1");
    let message = device.get(&format!("/v4/spreadsheets/{id}/values/AB1")).await.refused(400);
    assert_eq!(message, "Range (Sheet1!AB1) exceeds grid limits. Max rows: 1000, max columns: 26");
}

#[tokio::test]
async fn requests_are_compared_with_the_discovery_document() {
    let (device, id) = start().await;
    let reply = device.batch(&id, json!([{ "appendCells": { "x": 1 } }])).await;
    let description =
        "Invalid JSON payload received. Unknown name \"x\" at 'requests[0].append_cells': Cannot find field.";
    assert_eq!(
        (reply.status, reply.json()),
        (
            400,
            json!({ "error": {
                "code": 400,
                "message": description,
                "status": "INVALID_ARGUMENT",
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{ "field": "requests[0].append_cells", "description": description }],
                }],
            } })
        )
    );
    let path = format!("/v4/spreadsheets/{id}");
    assert_eq!(device.batch(&id, json!([])).await.refused(400), "Must specify at least one request.");
    device.get(&format!("{path}?fields=nope")).await.refused(400);
    device.get(&format!("{path}?fields=sheets(")).await.refused(400);
    device.get(&format!("{path}?nope=1")).await.refused(400);
    device.get(&format!("{path}?includeGridData=maybe")).await.refused(400);
    device.get(&format!("{path}/developerMetadata/abc")).await.refused(400);
    device.get(&format!("{path}/values/A1?valueRenderOption=NOPE")).await.refused(400);
    for (method, path) in [
        ("PUT", format!("{path}/values/A1")),
        ("POST", format!("{path}/values/A1:append")),
        ("GET", format!("{path}:batchUpdate")),
        ("GET", "/v4/nope".to_owned()),
        ("GET", "/gmail/v1/users/me/profile".to_owned()),
    ] {
        let reply = device.send(method, &path, None).await.unwrap();
        assert_eq!((reply.status, reply.content_type()), (404, "text/html; charset=UTF-8"), "{method} {path}");
    }
    let text = "A very long text ".repeat(3000);
    device.batch(&id, json!([append(&[&[&text]])])).await.refused(400);
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_the_limit() {
    let device = Device::start_with(Config { quota: false, ..frozen() }).await;
    let id = device.create("Clock").await;
    let row = "x".repeat(40_000);
    let rows = vec![[row.as_str()]; 250];
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 1]>::as_slice).collect();
    device.batch(&id, json!([append(&rows)])).await.ok();
    let message = device.batch(&id, json!([append(&rows), append(&rows)])).await.refused(400);
    assert_eq!(message, "Request payload size exceeds the limit: 10485760 bytes.");
}
