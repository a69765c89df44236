//! Drive's files.

use google_sim::{FileAction, OauthClient};
use serde_json::json;

use crate::client::{Device, send, sign_in, sign_in_for};

const SPREADSHEET: &str = "application/vnd.google-apps.spreadsheet";

#[tokio::test]
async fn a_file_is_created_and_found_by_its_property() {
    let device = Device::start().await;
    let body = json!({ "name": "Clock", "mimeType": SPREADSHEET, "appProperties": { "nonce": "it's", "other": "x" } });
    let created = device.post("/drive/v3/files?fields=id,appProperties", body).await.ok();
    assert_eq!(created["appProperties"], json!({ "nonce": "it's", "other": "x" }));
    device.create("Another").await;
    let query = |value: &str, trashed: bool| {
        let q = format!(
            "appProperties has {{ key='nonce' and value='{value}' }} and trashed={trashed} and mimeType='{SPREADSHEET}'"
        );
        let q: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
        format!("/drive/v3/files?q={q}&orderBy=createdTime&fields=files(id,name)&pageSize=10")
    };
    let found = device.get(&query(r"it\'s", false)).await.ok();
    assert_eq!(found, json!({ "files": [{ "id": created["id"], "name": "Clock" }] }));
    assert_eq!(device.get(&query("its", false)).await.ok(), json!({ "files": [] }));
    assert_eq!(device.get(&query(r"it\'s", true)).await.ok(), json!({ "files": [] }));
}

#[tokio::test]
async fn a_file_of_another_project_is_not_there() {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    let tokens = sign_in(&device.sim, OauthClient::OTHER_ID, OauthClient::OTHER_SECRET).await;
    let other = tokens["access_token"].as_str();
    let call = async |method: &str, path: &str, body: Option<&str>| {
        let body = body.map(|body| ("application/json", body.to_owned()));
        send(&device.sim, method, path, other, body).await.unwrap()
    };
    let file = format!("/drive/v3/files/{id}");
    for (method, body) in [("GET", None), ("PATCH", Some("{}")), ("DELETE", None)] {
        let reply = call(method, &file, body).await;
        assert_eq!(reply.refused(404), format!("File not found: {id}."), "{method}");
        assert_eq!(reply.json()["error"]["errors"][0]["reason"], "notFound");
    }
    let sheet = format!("/v4/spreadsheets/{id}");
    assert_eq!(call("GET", &sheet, None).await.refused(404), "Requested entity was not found.");
    let batch = r#"{"requests":[{"deleteSheet":{"sheetId":0}}]}"#;
    let reply = call("POST", &format!("{sheet}:batchUpdate"), Some(batch)).await;
    assert_eq!(reply.refused(404), "Requested entity was not found.");
    assert_eq!(call("GET", "/drive/v3/files?fields=files", None).await.ok(), json!({ "files": [] }));
}

#[tokio::test]
async fn a_file_goes_into_the_bin_and_is_deleted() {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    let file = format!("/drive/v3/files/{id}");
    let trashed = format!("{file}?fields=trashed");
    assert_eq!(device.get(&trashed).await.ok(), json!({ "trashed": false }));
    let body = json!({ "trashed": true, "name": "Old clock", "appProperties": { "a": "b" } });
    assert_eq!(device.send("PATCH", &file, Some(&body)).await.unwrap().ok()["name"], "Old clock");
    assert_eq!(device.get(&trashed).await.ok(), json!({ "trashed": true }));
    assert_eq!(
        device.get(&format!("/v4/spreadsheets/{id}?fields=properties.title")).await.ok()["properties"]["title"],
        "Old clock"
    );
    let body = json!({ "trashed": false, "appProperties": { "a": null } });
    device.send("PATCH", &file, Some(&body)).await.unwrap().ok();
    assert_eq!(
        device.get(&format!("{file}?fields=trashed,appProperties,trashedTime")).await.ok(),
        json!({ "trashed": false })
    );
    let deleted = device.send("DELETE", &file, None).await.unwrap();
    assert_eq!((deleted.status, deleted.text.as_str(), deleted.content_type()), (204, "", "text/html"));
    assert_eq!(device.get(&file).await.status, 404);
    assert_eq!(device.get(&format!("/v4/spreadsheets/{id}")).await.status, 404);
}

#[tokio::test]
async fn lists_have_pages_and_an_order() {
    let device = Device::start().await;
    for name in ["b", "c", "a"] {
        device.create(name).await;
        device.sim.advance(std::time::Duration::from_secs(1));
    }
    let names = async |query: &str| {
        let list = device.get(&format!("/drive/v3/files?{query}")).await.ok();
        let names: Vec<_> =
            list["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect();
        (names.join(""), list["nextPageToken"].as_str().map(str::to_owned))
    };
    assert_eq!(names("").await, ("acb".into(), None));
    assert_eq!(names("orderBy=name%20desc").await, ("cba".into(), None));
    let (first, token) = names("orderBy=createdTime&pageSize=2").await;
    assert_eq!(first, "bc");
    let token: String = url::form_urlencoded::byte_serialize(token.unwrap().as_bytes()).collect();
    assert_eq!(names(&format!("orderBy=createdTime&pageSize=2&pageToken={token}")).await, ("a".into(), None));
}

#[tokio::test]
async fn what_drive_does_not_take_is_refused() {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    for (query, location) in [
        ("q=size%3E1", "q"),
        ("orderBy=size", "orderBy"),
        ("fields=files(nope)", "fields"),
        ("fields=(", "fields"),
        ("pageToken=x", "pageToken"),
        ("spaces=appDataFolder", "spaces"),
    ] {
        let reply = device.get(&format!("/drive/v3/files?{query}")).await;
        reply.refused(400);
        assert_eq!(reply.json()["error"]["errors"][0]["location"], location, "{query}");
    }
    for query in ["pageSize=0", "pageSize=many", "nope=1", "access_token=secret"] {
        device.get(&format!("/drive/v3/files?{query}")).await.refused(400);
    }
    let create = async |body| device.post("/drive/v3/files", body).await;
    let message = create(json!({ "nme": "x" })).await.refused(400);
    assert_eq!(message, "Invalid JSON payload received. Unknown name \"nme\": Cannot find field.");
    create(json!({ "name": 5 })).await.refused(400);
    create(json!({ "appProperties": { "k": "v".repeat(124) } })).await.refused(400);
    create(json!({ "appProperties": { "k": "v".repeat(123) } })).await.ok();
    let many: serde_json::Map<_, _> = (0..31).map(|number| (number.to_string(), json!("x"))).collect();
    create(json!({ "appProperties": many })).await.refused(400);
    for body in [json!({ "version": "1" }), json!({ "id": "mine" }), json!({ "trashed": true })] {
        let reply = create(body.clone()).await;
        reply.refused(403);
        assert_eq!(reply.json()["error"]["errors"][0]["reason"], "fieldNotWritable", "{body}");
    }
    let update = json!({ "mimeType": "text/plain" });
    device.send("PATCH", &format!("/drive/v3/files/{id}"), Some(&update)).await.unwrap().refused(403);
    device.send("DELETE", &format!("/drive/v3/files/{id}"), Some(&json!({}))).await.unwrap().refused(400);
}

#[tokio::test]
async fn credentials_are_looked_at_first() {
    let device = Device::start().await;
    let get = async |token| send(&device.sim, "GET", "/drive/v3/files", token, None).await.unwrap();
    get(None).await.refused(403);
    get(Some("ya29.nope")).await.refused(401);
    let tokens = sign_in_for(&device.sim, OauthClient::DEMO_ID, OauthClient::DEMO_SECRET, "email").await;
    let reply = get(tokens["access_token"].as_str()).await;
    assert_eq!(reply.refused(403), "Request had insufficient authentication scopes.");
    assert_eq!(reply.json()["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
}

#[tokio::test]
async fn a_persons_copy_is_not_the_apps_and_carries_metadata() {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    let metadata =
        json!({ "metadataId": 7, "metadataKey": "k", "location": { "spreadsheet": true }, "visibility": "PROJECT" });
    device.batch(&id, json!([{ "createDeveloperMetadata": { "developerMetadata": metadata } }])).await.ok();
    let copy = device.sim.edit_file(&id, &FileAction::Copy).unwrap();
    assert_eq!(device.get(&format!("/drive/v3/files/{copy}")).await.status, 404);
    let state = device.sim.state();
    let files = state["files"].as_array().unwrap();
    let copied = files.iter().find(|file| file["id"] == copy.as_str()).unwrap();
    assert_eq!(copied["developerMetadata"][0]["metadataId"], 7);
    assert_eq!(copied["name"], "Copy of Clock");
}

#[tokio::test]
async fn what_is_in_a_shared_drive_is_shown_to_who_can_cope() {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    device.sim.edit_file(&id, &FileAction::Share).unwrap();
    let file = format!("/drive/v3/files/{id}?fields=id");
    assert_eq!(device.get(&file).await.status, 404);
    assert_eq!(device.get(&format!("{file}&supportsAllDrives=true")).await.ok(), json!({ "id": id }));
    assert_eq!(device.get(&format!("/v4/spreadsheets/{id}?fields=spreadsheetId")).await.status, 200);
    let list = "/drive/v3/files?fields=files(id)";
    let all = "supportsAllDrives=true&includeItemsFromAllDrives=true";
    for (options, is_listed) in [("", false), ("&supportsAllDrives=true", false), ("&corpora=allDrives", true)] {
        let options = if is_listed { format!("{options}&{all}") } else { options.to_owned() };
        let expected = if is_listed { json!([{ "id": id }]) } else { json!([]) };
        assert_eq!(device.get(&format!("{list}{options}")).await.ok()["files"], expected, "{options}");
    }
    for options in ["includeItemsFromAllDrives=true", "corpora=allDrives&supportsAllDrives=true", "corpora=domain"] {
        assert_eq!(device.get(&format!("{list}&{options}")).await.status, 400, "{options}");
    }
}
