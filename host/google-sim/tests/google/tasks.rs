//! Lists of tasks, as a device reads them.

use google_sim::{GoogleSim, TaskAction};
use serde_json::Value;

use crate::client::{DRIVE_FILE, Reply, frozen, send};

const READ: &str = "https://www.googleapis.com/auth/tasks.readonly";

async fn get(sim: &GoogleSim, token: &str, rest: &str) -> Reply {
    send(sim, "GET", &format!("/tasks/v1/lists/{rest}"), Some(token), None).await.unwrap()
}

fn titles(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page_by_who_may() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let token = sim.issue_token(&[READ]);
    assert_eq!(get(&sim, &token, "L1/tasks").await.refused(404), "Task list not found.", "no list yet");
    for (id, title) in [("a", "Paint"), ("b", "Oil"), ("c", "Sweep")] {
        sim.edit_tasks("L1", TaskAction::Add { id: id.into(), title: title.into() });
    }
    let page = get(&sim, &token, "%40default/tasks?maxResults=2").await.ok();
    assert_eq!(titles(&page), ["Paint", "Oil"]);
    let next = page["nextPageToken"].as_str().unwrap();
    let page = get(&sim, &token, &format!("L1/tasks?maxResults=2&pageToken={next}")).await.ok();
    assert_eq!((titles(&page), page.get("nextPageToken")), (vec!["Sweep".to_owned()], None));

    sim.edit_tasks("L1", TaskAction::Complete { id: "a".into() });
    sim.edit_tasks("L1", TaskAction::Rename { id: "b".into(), title: "Oil it".into() });
    assert_eq!(titles(&get(&sim, &token, "L1/tasks").await.ok()), ["Oil it", "Sweep"]);
    assert_eq!(titles(&get(&sim, &token, "L1/tasks?showHidden=true").await.ok()), ["Paint", "Oil it", "Sweep"]);
    let masked = get(&sim, &token, "L1/tasks?fields=items(id)").await.ok();
    assert_eq!(masked["items"][0], serde_json::json!({ "id": "b" }));

    for (rest, expected) in [
        ("L2/tasks", 404),
        ("L1/tasks?maxResults=ten", 400),
        ("L1/tasks?maxResults=0", 400),
        ("L1/tasks?maxResult=10", 400),
        ("L1/tasks?fields=itms", 400),
        ("L1/tasks?pageToken=x", 400),
    ] {
        assert_eq!(get(&sim, &token, rest).await.status, expected, "{rest}");
    }
    let other = sim.issue_token(&[DRIVE_FILE]);
    get(&sim, &other, "L1/tasks").await.refused(403);
    get(&sim, "x", "L1/tasks").await.refused(401);
    sim.switch(|switches| switches.tasks_enabled = false);
    let refused = get(&sim, &token, "L1/tasks").await;
    refused.refused(403);
    assert_eq!(refused.json()["error"]["errors"][0]["reason"], "accessNotConfigured");
    sim.switch(|switches| (switches.tasks_enabled, switches.task_pages_in_a_circle) = (true, true));
    assert_eq!(get(&sim, &token, "L1/tasks").await.ok()["nextPageToken"], "page-0");
    sim.edit_tasks("L1", TaskAction::DeleteList);
    get(&sim, &token, "L1/tasks").await.refused(404);
}
