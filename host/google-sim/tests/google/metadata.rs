//! Developer metadata, and the method of delivering a batch exactly once with it.

use std::time::Duration;

use google_sim::{Effect, Fault};
use serde_json::{Value, json};

use crate::client::{Device, append};

fn create(id: i64, value: &str) -> Value {
    json!({ "createDeveloperMetadata": { "developerMetadata": {
        "metadataId": id,
        "metadataKey": "punchcard.batch",
        "metadataValue": value,
        "location": { "spreadsheet": true },
        "visibility": "PROJECT",
    } } })
}

fn delete(id: i64) -> Value {
    json!({ "deleteDeveloperMetadata": { "dataFilter": { "developerMetadataLookup": { "metadataId": id } } } })
}

async fn start() -> (Device, String) {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    (device, id)
}

#[tokio::test]
async fn metadata_is_created_read_changed_and_deleted() {
    let (device, id) = start().await;
    let reply = device.batch(&id, json!([create(7, "one")])).await.ok();
    let metadata = json!({
        "metadataId": 7,
        "metadataKey": "punchcard.batch",
        "metadataValue": "one",
        "location": { "locationType": "SPREADSHEET", "spreadsheet": true },
        "visibility": "PROJECT",
    });
    assert_eq!(reply["replies"], json!([{ "createDeveloperMetadata": { "developerMetadata": metadata } }]));
    let path = format!("/v4/spreadsheets/{id}/developerMetadata");
    assert_eq!(device.get(&format!("{path}/7")).await.ok(), metadata);
    assert_eq!(device.get(&format!("{path}/7?fields=metadataValue")).await.ok(), json!({ "metadataValue": "one" }));
    assert_eq!(device.get(&format!("{path}/8")).await.refused(404), "No developer metadata with ID 8");
    assert_eq!(
        device.get(&format!("/v4/spreadsheets/{id}?fields=developerMetadata")).await.ok(),
        json!({ "developerMetadata": [metadata] })
    );
    let update = json!([{ "updateDeveloperMetadata": {
        "dataFilters": [{ "developerMetadataLookup": { "metadataKey": "punchcard.batch" } }],
        "developerMetadata": { "metadataValue": "two" },
        "fields": "metadataValue",
    } }]);
    device.batch(&id, update).await.ok();
    let reply = device.batch(&id, json!([delete(7)])).await.ok();
    assert_eq!(reply["replies"][0]["deleteDeveloperMetadata"]["deletedDeveloperMetadata"][0]["metadataValue"], "two");
    assert_eq!(device.get(&format!("{path}/7")).await.status, 404);
}

#[tokio::test]
async fn a_repeated_batch_is_applied_once() {
    let (device, id) = start().await;
    device.batch(&id, json!([create(1, "first"), append(&[&["a"]])])).await.ok();
    let second = json!([delete(1), create(2, "second"), append(&[&["b"]])]);
    device.batch(&id, second.clone()).await.ok();
    let message = device.batch(&id, second).await.refused(400);
    assert_eq!(message, "Invalid requests[1].createDeveloperMetadata: Developer metadata with ID 2 already exists.");
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a"], ["b"]]));
    let found = device.get(&format!("/v4/spreadsheets/{id}/developerMetadata/2")).await.ok();
    assert_eq!(found["metadataValue"], "second");
}

#[tokio::test]
async fn a_request_that_is_applied_late_is_undone_by_its_own_metadata() {
    let (device, id) = start().await;
    let batch = json!({ "requests": [create(3, "late"), append(&[&["a"]])] });
    let path = format!("/v4/spreadsheets/{id}:batchUpdate");
    device.sim.arm(Fault::on("*:batchUpdate", Effect::ApplyLate { after_seconds: 180 }));
    assert!(device.send("POST", &path, Some(&batch)).await.is_err());
    assert_eq!(device.get(&format!("/v4/spreadsheets/{id}/developerMetadata/3")).await.status, 404);
    device.sim.advance(Duration::from_secs(60));
    device.post(&path, batch).await.ok();
    device.sim.advance(Duration::from_secs(120));
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a"]]));
    assert_eq!(device.sim.state()["held"], 0);
}

#[tokio::test]
async fn an_id_that_is_deleted_too_early_doubles_the_rows() {
    let (device, id) = start().await;
    let first = json!({ "requests": [create(3, "late"), append(&[&["a"]])] });
    let path = format!("/v4/spreadsheets/{id}:batchUpdate");
    device.sim.arm(Fault::on("*:batchUpdate", Effect::ApplyLate { after_seconds: 180 }));
    assert!(device.send("POST", &path, Some(&first)).await.is_err());
    device.post(&path, first).await.ok();
    device.batch(&id, json!([delete(3), create(4, "next"), append(&[&["b"]])])).await.ok();
    device.sim.advance(Duration::from_secs(180));
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a"], ["b"], ["a"]]));
}

#[tokio::test]
async fn metadata_must_be_whole_and_small() {
    let (device, id) = start().await;
    let whole = json!({ "metadataKey": "k", "location": { "spreadsheet": true }, "visibility": "DOCUMENT" });
    let with = |field: &str, value: Value| {
        let mut metadata = whole.clone();
        metadata[field] = value;
        json!([{ "createDeveloperMetadata": { "developerMetadata": metadata } }])
    };
    for (field, value) in [
        ("metadataKey", json!("")),
        ("metadataKey", json!(null)),
        ("location", json!(null)),
        ("location", json!({})),
        ("location", json!({ "sheetId": 5 })),
        (
            "location",
            json!({ "dimensionRange": { "sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 2 } }),
        ),
        ("visibility", json!(null)),
        ("visibility", json!("NOBODY")),
        ("metadataId", json!(-1)),
        ("metadataId", json!(2_147_483_648_i64)),
        ("metadataValue", json!("x".repeat(30_000))),
    ] {
        let reply = device.batch(&id, with(field, value.clone())).await;
        assert_eq!(reply.status, 400, "{field} {value}: {}", reply.text);
    }
    device.batch(&id, with("metadataValue", json!("x".repeat(29_999)))).await.ok();
    device.batch(&id, with("metadataValue", json!("x"))).await.refused(400);
    let reply = device.get(&format!("/v4/spreadsheets/{id}?fields=developerMetadata.metadataId")).await.ok();
    let number = reply["developerMetadata"][0]["metadataId"].as_i64().unwrap();
    assert!((1..=2_147_483_647).contains(&number), "{number}");
}

#[tokio::test]
async fn metadata_is_searched_and_moves_with_its_row() {
    let (device, id) = start().await;
    let row = |number: i64, key: &str| {
        json!({ "createDeveloperMetadata": { "developerMetadata": {
            "metadataKey": key,
            "location": { "dimensionRange": { "sheetId": 0, "dimension": "ROWS", "startIndex": number, "endIndex": number + 1 } },
            "visibility": "DOCUMENT",
        } } })
    };
    let sheet = json!({ "createDeveloperMetadata": { "developerMetadata": { "metadataId": 9, "metadataKey": "s", "location": { "sheetId": 0 }, "visibility": "DOCUMENT" } } });
    device.batch(&id, json!([row(2, "r"), row(5, "r"), sheet])).await.ok();
    let range = json!({ "sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 3 });
    device.sim.edit_as_person(&id, &json!([{ "deleteDimension": { "range": range } }])).unwrap();
    let search = async |lookup: Value| {
        let body = json!({ "dataFilters": [{ "developerMetadataLookup": lookup }] });
        device.post(&format!("/v4/spreadsheets/{id}/developerMetadata:search"), body).await
    };
    let found = search(json!({ "metadataKey": "r" })).await.ok();
    assert_eq!(found["matchedDeveloperMetadata"].as_array().unwrap().len(), 1);
    let range = &found["matchedDeveloperMetadata"][0]["developerMetadata"]["location"]["dimensionRange"];
    assert_eq!(*range, json!({ "sheetId": 0, "dimension": "ROWS", "startIndex": 3, "endIndex": 4 }));
    assert_eq!(
        found["matchedDeveloperMetadata"][0]["dataFilters"],
        json!([{ "developerMetadataLookup": { "metadataKey": "r" } }])
    );
    for (lookup, count) in [
        (json!({ "locationType": "SHEET" }), 1),
        (json!({ "metadataLocation": { "sheetId": 0 } }), 1),
        (json!({ "visibility": "DOCUMENT" }), 2),
        (json!({ "visibility": "PROJECT" }), 0),
        (json!({ "metadataId": 9, "metadataKey": "r" }), 0),
    ] {
        let found = search(lookup.clone()).await.ok();
        let matched = found["matchedDeveloperMetadata"].as_array().map_or(0, Vec::len);
        assert_eq!(matched, count, "{lookup}");
    }
    search(json!({})).await.refused(400);
    device.batch(&id, json!([{ "addSheet": {} }, { "deleteSheet": { "sheetId": 0 } }])).await.ok();
    assert_eq!(search(json!({ "visibility": "DOCUMENT" })).await.ok(), json!({}));
}
