//! The control interface and the pages, over HTTP.

use serde_json::{Value, json};

use crate::client::{Device, Reply, append, send};

async fn call(device: &Device, method: &str, path: &str, body: Value) -> Reply {
    let body = (!body.is_null()).then(|| ("application/json", body.to_string()));
    send(&device.sim, method, path, None, body).await.unwrap()
}

async fn start() -> (Device, String) {
    let device = Device::start().await;
    let id = device.create("Clock <1>").await;
    device.batch(&id, json!([append(&[&["when", "what"], &["now", "<b>"]])])).await.ok();
    (device, id)
}

#[tokio::test]
async fn faults_are_armed_and_disarmed() {
    let (device, _) = start().await;
    let fault = json!({ "method": "GET", "path": "/drive/*", "skip": 1, "times": 2, "effect": { "kind": "server-error", "status": 500 } });
    let armed = call(&device, "POST", "/sim/faults", fault).await.ok();
    assert_eq!(armed["faults"].as_array().unwrap().len(), 1);
    for status in [200, 500, 500, 200] {
        assert_eq!(device.get("/drive/v3/files").await.status, status);
    }
    let both =
        json!([{ "effect": { "kind": "captive-portal" } }, { "effect": { "kind": "apply-late", "after_seconds": 5 } }]);
    assert_eq!(call(&device, "POST", "/sim/faults", both).await.ok()["faults"].as_array().unwrap().len(), 2);
    call(&device, "DELETE", "/sim/faults", Value::Null).await.ok();
    assert_eq!(device.get("/drive/v3/files").await.status, 200);
    let wrong = call(&device, "POST", "/sim/faults", json!({ "effect": { "kind": "nope" } })).await;
    assert!(
        wrong.status == 400 && wrong.json()["error"].as_str().unwrap().contains("unknown variant"),
        "{}",
        wrong.text
    );
}

#[tokio::test]
async fn the_clock_is_advanced() {
    let (device, _) = start().await;
    let before = device.sim.now();
    let now = call(&device, "POST", "/sim/clock", json!({ "advance_seconds": 180 })).await.ok();
    assert_eq!(now["now"], device.sim.now().to_string());
    assert_eq!(device.sim.now().duration_since(before).as_secs(), 180);
    assert_eq!(call(&device, "POST", "/sim/clock", json!({ "advance_seconds": -1 })).await.status, 400);
}

#[tokio::test]
async fn switches_are_set_by_name() {
    let (device, _) = start().await;
    let all = call(&device, "POST", "/sim/switches", json!({ "missing_metadata": "refused" })).await.ok();
    assert_eq!((&all["missing_metadata"], &all["sheets_enabled"]), (&json!("refused"), &json!(true)));
    assert_eq!(device.sim.state()["switches"], all);
    for wrong in [json!({ "nope": 1 }), json!({ "missing_metadata": "maybe" })] {
        assert_eq!(call(&device, "POST", "/sim/switches", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn actions_files_and_people_are_reached() {
    let (device, id) = start().await;
    call(&device, "POST", "/sim/actions", json!({ "action": "expire-access-tokens" })).await.ok();
    assert_eq!(device.get("/drive/v3/files").await.status, 401);
    let file = format!("/sim/files/{id}");
    call(&device, "POST", &file, json!({ "action": "trash" })).await.ok();
    call(&device, "POST", &file, json!({ "action": "rename", "name": "Other" })).await.ok();
    let edit = json!({ "spreadsheetId": id, "requests": [append(&[&["by hand"]])] });
    assert_eq!(call(&device, "POST", "/sim/people", edit).await.ok()["replies"], json!([{}]));
    let table = call(&device, "GET", &format!("/sim/sheets/{id}?format=json"), Value::Null).await.ok();
    assert_eq!((&table["title"], &table["trashed"]), (&json!("Other"), &json!(true)));
    assert_eq!(table["tabs"][0]["rows"], json!([["when", "what"], ["now", "<b>"], ["by hand", ""]]));
    assert_eq!(
        call(&device, "GET", "/sim/sheets", Value::Null).await.ok(),
        json!([{ "id": id, "title": "Other", "trashed": true }])
    );
    call(&device, "POST", &file, json!({ "action": "delete" })).await.ok();
    assert_eq!(call(&device, "POST", &file, json!({ "action": "trash" })).await.status, 404);
    assert_eq!(call(&device, "GET", "/sim/nope", Value::Null).await.status, 404);
    assert_eq!(call(&device, "POST", "/sim/actions", json!({ "action": "nope" })).await.status, 400);
}

#[tokio::test]
async fn the_state_tells_files_sheets_and_calls() {
    let (device, id) = start().await;
    let state = call(&device, "GET", "/sim/state", Value::Null).await.ok();
    assert_eq!(state["files"][0]["id"], id.as_str());
    assert_eq!(
        state["files"][0]["sheets"],
        json!([{ "sheetId": 0, "title": "Sheet1", "rowCount": 1000, "columnCount": 26, "rowsWithData": 2 }])
    );
    assert_eq!(state["requests"]["counts"]["sheets.spreadsheets.batchUpdate"], 1);
    assert_eq!(device.sim.count("drive.files.create"), 1);
    let last = state["requests"]["log"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["method"], &last["status"]), (&json!("POST"), &json!(200)));
}

#[tokio::test]
async fn the_pages_show_sheets_and_escape_them() {
    let (device, id) = start().await;
    let list = call(&device, "GET", "/", Value::Null).await;
    assert!(
        list.status == 200 && list.text.contains("Clock &lt;1&gt;") && list.text.contains(&format!("/sheets/{id}"))
    );
    let page = call(&device, "GET", &format!("/sheets/{id}"), Value::Null).await;
    assert!(page.text.contains("<td>&lt;b&gt;</td>") && page.text.contains("<script>"), "{}", page.text);
    assert!(!page.text.contains("://"), "a page loads nothing from elsewhere");
    let content = call(&device, "GET", &format!("/sheets/{id}?part=content"), Value::Null).await;
    assert!(content.text.contains("<td>when</td>") && !content.text.contains("<script>"));
    assert_eq!(call(&device, "GET", "/sheets/nope", Value::Null).await.status, 404);
}
