//! Answers agree in shape with recorded ones: status, content type, and the keys and types of the body.
//!
//! Each recorded call is replayed as far as it can be, or listed here with why it cannot.

use google_sim::{FileAction, UnknownParameters};
use serde_json::{Value, json};
use url::Url;

use crate::client::{Device, append, frozen};

/// What becomes of a recorded call.
enum Replay {
    /// Sent as it was recorded, to a spreadsheet of ours.
    Same,
    /// Sent to an id that is not there.
    Missing,
    /// Sent with this body, which the recording lacks.
    With(Value),
    /// The method is none that a device uses: it is refused as unknown with 404.
    Unknown,
    /// A request of the batch is none that a device uses: it is refused as unknown with 400.
    UnknownField,
    /// Another test shows it.
    Elsewhere,
}

/// In the order of the recordings.
fn replays() -> Vec<Replay> {
    vec![
        Replay::Same,
        // A file of another account answers 404 under drive.file, as recorded further down.
        Replay::Elsewhere,
        Replay::Missing,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Unknown,
        Replay::UnknownField,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Same,
        Replay::Unknown,
        Replay::Unknown,
        Replay::Same,
        Replay::With(json!({ "requests": [{ "addSheet": { "properties": {
            "sheetId": 7001, "title": "Scratch", "gridProperties": { "rowCount": 100, "columnCount": 30 },
        } } }] })),
        Replay::With(json!({ "requests": [
            append(&[&["a"]]),
            { "addSheet": { "properties": { "title": "Never" } } },
            { "updateCells": { "range": { "sheetId": 999_999 }, "rows": [], "fields": "userEnteredValue" } },
        ] })),
        Replay::With(json!({ "dataFilters": [{ "developerMetadataLookup": { "metadataKey": "harvester.row-key" } }] })),
        // The quota has to be used up first.
        Replay::Elsewhere,
        Replay::Missing,
        Replay::Missing,
        Replay::Unknown,
        Replay::Same,
    ]
}

/// The stand-in with everything that the recorded calls find.
async fn prepare(has_cells: bool) -> (Device, String) {
    let device = Device::start_with(google_sim::Config { quota: false, ..frozen() }).await;
    // One of the recorded calls has a parameter that its method does not know.
    device.sim.switch(|switches| switches.unknown_drive_parameters = UnknownParameters::Ignored);
    let id = device.create("Original").await;
    let rows = append(&[&["A1", "B1"], &[], &[], &["B4", "", "D4"]]);
    let shift = json!({ "updateCells": {
        "start": { "sheetId": 0, "rowIndex": 3, "columnIndex": 0 },
        "rows": [{ "values": [{}, { "userEnteredValue": { "stringValue": "B4" } }, {}, { "userEnteredValue": { "stringValue": "D4" } }] }],
        "fields": "userEnteredValue",
    } });
    let row = json!({ "createDeveloperMetadata": { "developerMetadata": {
        "metadataKey": "harvester.row-key",
        "metadataValue": "k-004",
        "location": { "dimensionRange": { "sheetId": 0, "dimension": "ROWS", "startIndex": 4, "endIndex": 5 } },
        "visibility": "DOCUMENT",
    } } });
    let requests = if has_cells { json!([rows, shift, row]) } else { json!([row]) };
    device.batch(&id, requests).await.ok();
    (device, id)
}

/// The path and query of a recorded call, to our spreadsheet.
fn path_of(recorded: &Value, id: &str) -> String {
    let text = recorded["url"].as_str().unwrap().replace("{id}", "recorded-id");
    let url = Url::parse(&text).unwrap();
    let mut segments: Vec<String> = url.path_segments().unwrap().map(str::to_owned).collect();
    if let Some(at) = segments.iter().position(|segment| segment == "spreadsheets" || segment == "files")
        && let Some(segment) = segments.get_mut(at + 1)
    {
        let verb = segment.split_once(':').map(|(_, verb)| format!(":{verb}"));
        *segment = format!("{id}{}", verb.unwrap_or_default());
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{query}", segments.join("/"))
}

/// Where the shapes of two values differ.
fn differences(recorded: &Value, ours: &Value, at: &str, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            for key in recorded.keys().filter(|key| !ours.contains_key(*key)) {
                found.push(format!("{at}.{key} is missing"));
            }
            for (key, value) in ours {
                match recorded.get(key) {
                    Some(recorded) => differences(recorded, value, &format!("{at}.{key}"), found),
                    // Google has sent it since 2026 only; some of the recordings are older.
                    None if key == "commentUpdateState" => {}
                    None => found.push(format!("{at}.{key} is new")),
                }
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => {
            if recorded.len() != ours.len() {
                found.push(format!("{at} has {} items, recorded are {}", ours.len(), recorded.len()));
            }
            for (index, (recorded, ours)) in recorded.iter().zip(ours).enumerate() {
                differences(recorded, ours, &format!("{at}[{index}]"), found);
            }
        }
        // Numbers were taken out of some recordings.
        (Value::String(text), Value::Number(_)) if text == "{number}" => {}
        (recorded, ours) if std::mem::discriminant(recorded) == std::mem::discriminant(ours) => {}
        (recorded, ours) => found.push(format!("{at} is {ours}, recorded is {recorded}")),
    }
}

#[tokio::test]
async fn answers_have_the_shape_of_recorded_ones() {
    let recordings: Vec<Value> = serde_json::from_str(include_str!("../data/recorded.json")).unwrap();
    let replays = replays();
    assert_eq!(recordings.len(), replays.len(), "every recording needs a word here");
    for (index, (recorded, replay)) in recordings.iter().zip(replays).enumerate() {
        let has_cells = recorded["url"].as_str().unwrap().contains("values:batchGet");
        let (device, id) = prepare(has_cells).await;
        if recorded["request"].to_string().contains("755875121") {
            let tab = json!([{ "addSheet": { "properties": { "sheetId": 755_875_121 } } }]);
            device.sim.edit_as_person(&id, &tab).unwrap();
        }
        let name = format!("recording {index}: {} {}", recorded["method"], recorded["url"]);
        let method = recorded["method"].as_str().unwrap();
        let body = Some(&recorded["request"]).filter(|body| !body.is_null());
        let path = path_of(recorded, &id);
        let reply = match replay {
            Replay::Elsewhere => continue,
            Replay::Same => device.send(method, &path, body).await,
            Replay::With(body) => device.send(method, &path, Some(&body)).await,
            Replay::Missing => {
                device.sim.edit_file(&id, &FileAction::Delete).unwrap();
                device.send(method, &path, body).await
            }
            Replay::Unknown => {
                let reply = device.send(method, &path, body).await.unwrap();
                assert_eq!((reply.status, reply.content_type()), (404, "text/html; charset=UTF-8"), "{name}");
                continue;
            }
            Replay::UnknownField => {
                let message = device.send(method, &path, body).await.unwrap().refused(400);
                assert!(message.contains("Cannot find field."), "{name}: {message}");
                continue;
            }
        }
        .unwrap();
        assert_eq!(reply.status, recorded["status"], "{name}: {}", reply.text);
        if let Some(content_type) = recorded["headers"]["Content-Type"].as_str() {
            assert_eq!(reply.content_type(), content_type, "{name}");
        }
        if recorded["body"].is_null() {
            assert_eq!(reply.text, "", "{name}");
            continue;
        }
        let ours = reply.json();
        let mut found = Vec::new();
        differences(&recorded["body"], &ours, "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{name}: {}", reply.text);
        // What is said is the same too, but for the id.
        if let Some(message) = recorded["body"]["error"]["message"].as_str() {
            assert_eq!(ours["error"]["message"], message.replace("{id}", &id), "{name}");
        }
    }
}
