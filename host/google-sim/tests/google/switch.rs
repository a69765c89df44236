//! Every switch, both ways.

use std::time::Duration;

use google_sim::{
    DuplicateMetadata, ExpiredCode, FileAction, FormattedCells, MissingMetadata, OauthClient, TrashedWrites,
    UnknownParameters,
};
use serde_json::{Value, json};

use crate::client::{DRIVE_FILE, Device, append, poll, post_form};

async fn start() -> (Device, String) {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    (device, id)
}

fn create(id: i64) -> Value {
    json!({ "createDeveloperMetadata": { "developerMetadata": {
        "metadataId": id, "metadataKey": "k", "location": { "spreadsheet": true }, "visibility": "PROJECT",
    } } })
}

#[tokio::test]
async fn a_duplicate_metadata_id_has_three_bodies() {
    let (device, id) = start().await;
    device.batch(&id, json!([create(1)])).await.ok();
    for (switch, text) in [
        (
            DuplicateMetadata::Named,
            "Invalid requests[1].createDeveloperMetadata: Developer metadata with ID 1 already exists.",
        ),
        (DuplicateMetadata::Bare, "Request contains an invalid argument."),
        (DuplicateMetadata::Html, "<html>"),
    ] {
        device.sim.switch(|switches| switches.duplicate_metadata = switch);
        let reply = device.batch(&id, json!([append(&[&["a"]]), create(1)])).await;
        assert!(reply.status == 400 && reply.text.contains(text), "{switch:?}: {}", reply.text);
        assert_eq!(device.values(&id, "Sheet1").await, Value::Null);
    }
}

#[tokio::test]
async fn deleting_missing_metadata_is_ignored_or_fails_the_batch() {
    let (device, id) = start().await;
    let delete =
        json!({ "deleteDeveloperMetadata": { "dataFilter": { "developerMetadataLookup": { "metadataId": 1 } } } });
    let requests = json!([delete, append(&[&["a"]])]);
    let reply = device.batch(&id, requests.clone()).await.ok();
    assert_eq!(reply["replies"], json!([{ "deleteDeveloperMetadata": {} }, {}]));
    device.sim.switch(|switches| switches.missing_metadata = MissingMetadata::Refused);
    device.batch(&id, requests).await.refused(400);
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a"]]));
}

#[tokio::test]
async fn a_listing_lags_behind_or_not() {
    let (device, id) = start().await;
    let list = "/drive/v3/files?fields=files.id";
    assert_eq!(device.get(list).await.ok(), json!({ "files": [{ "id": id }] }));
    device.sim.switch(|switches| switches.listing_lag_seconds = 30);
    assert_eq!(device.get(list).await.ok(), json!({ "files": [] }));
    device.get(&format!("/drive/v3/files/{id}")).await.ok();
    device.sim.advance(Duration::from_secs(30));
    assert_eq!(device.get(list).await.ok(), json!({ "files": [{ "id": id }] }));
}

#[tokio::test]
async fn a_spreadsheet_in_the_bin_takes_writes_or_not() {
    let (device, id) = start().await;
    device.sim.edit_file(&id, &FileAction::Trash).unwrap();
    device.batch(&id, json!([append(&[&["a"]])])).await.ok();
    device.sim.switch(|switches| switches.trashed_writes = TrashedWrites::Refused);
    assert_eq!(device.batch(&id, json!([append(&[&["b"]])])).await.refused(404), "Requested entity was not found.");
    assert_eq!(device.values(&id, "Sheet1").await, json!([["a"]]));
    device.sim.edit_file(&id, &FileAction::Untrash).unwrap();
    device.batch(&id, json!([append(&[&["b"]])])).await.ok();
}

#[tokio::test]
async fn formatted_cells_push_rows_down_or_not() {
    for (switch, expected) in
        [(FormattedCells::Skipped, json!([["a"]])), (FormattedCells::Counted, json!([[], [], [], [], [], ["a"]]))]
    {
        let (device, id) = start().await;
        let paint = json!({ "repeatCell": {
            "range": { "sheetId": 0, "endRowIndex": 5, "endColumnIndex": 1 },
            "cell": { "userEnteredFormat": { "horizontalAlignment": "CENTER" } },
            "fields": "userEnteredFormat.horizontalAlignment",
        } });
        device.sim.edit_as_person(&id, &json!([paint])).unwrap();
        device.sim.switch(|switches| switches.formatted_cells = switch);
        device.batch(&id, json!([append(&[&["a"]])])).await.ok();
        assert_eq!(device.values(&id, "Sheet1").await, expected, "{switch:?}");
    }
}

#[tokio::test]
async fn an_expired_code_has_two_errors() {
    for (switch, error) in [(ExpiredCode::InvalidGrant, "invalid_grant"), (ExpiredCode::ExpiredToken, "expired_token")]
    {
        let (device, _) = start().await;
        device.sim.switch(|switches| switches.expired_code = switch);
        let form = [("client_id", OauthClient::DEMO_ID), ("scope", DRIVE_FILE)];
        let code = post_form(&device.sim, "/device/code", &form).await.ok();
        device.sim.advance(Duration::from_secs(1800));
        let device_code = code["device_code"].as_str().unwrap();
        let reply = poll(&device.sim, OauthClient::DEMO_ID, OauthClient::DEMO_SECRET, device_code).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!(error)));
    }
}

#[tokio::test]
async fn unknown_parameters_of_drive_are_refused_or_ignored() {
    let (device, _) = start().await;
    device.get("/drive/v3/files?nope=1").await.refused(400);
    device.sim.switch(|switches| switches.unknown_drive_parameters = UnknownParameters::Ignored);
    device.get("/drive/v3/files?nope=1").await.ok();
}

#[tokio::test]
async fn apis_are_enabled_or_not() {
    let (device, id) = start().await;
    device.sim.switch(|switches| switches.sheets_enabled = false);
    assert!(
        device
            .batch(&id, json!([append(&[&["a"]])]))
            .await
            .refused(403)
            .starts_with("Google Sheets API has not been used")
    );
    device.get("/drive/v3/files").await.ok();
    device.sim.switch(|switches| (switches.sheets_enabled, switches.drive_enabled) = (true, false));
    let reply = device.get("/drive/v3/files").await;
    assert!(reply.refused(403).starts_with("Google Drive API has not been used"));
    assert_eq!(reply.json()["error"]["errors"][0]["reason"], "accessNotConfigured");
    device.batch(&id, json!([append(&[&["a"]])])).await.ok();
}
