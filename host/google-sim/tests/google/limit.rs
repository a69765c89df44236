//! The quotas, over HTTP.

use std::time::Duration;

use google_sim::Action;
use serde_json::json;

use crate::client::{Device, append, frozen};

#[tokio::test]
async fn the_sixty_first_write_of_a_minute_is_refused_and_does_nothing() {
    let device = Device::start_with(frozen()).await;
    let id = device.create("Clock").await;
    for _ in 0..60 {
        device.batch(&id, json!([append(&[&["a"]])])).await.ok();
    }
    let reply = device.batch(&id, json!([append(&[&["b"]])])).await;
    assert_eq!(reply.status, 429);
    assert!(reply.headers.get("retry-after").is_none());
    let error = &reply.json()["error"];
    assert_eq!(error["status"], "RESOURCE_EXHAUSTED");
    assert!(error.get("errors").is_none());
    assert_eq!(error["details"][0]["metadata"]["quota_limit"], "WriteRequestsPerMinutePerUser");
    assert_eq!(device.values(&id, "Sheet1").await.as_array().unwrap().len(), 60);
    device.sim.advance(Duration::from_secs(60));
    device.batch(&id, json!([append(&[&["b"]])])).await.ok();
}

#[tokio::test]
async fn reads_have_a_quota_of_their_own_and_both_can_be_switched_off() {
    let device = Device::start_with(frozen()).await;
    let id = device.create("Clock").await;
    for _ in 0..60 {
        device.get(&format!("/v4/spreadsheets/{id}?fields=spreadsheetId")).await.ok();
    }
    let reply = device.post(&format!("/v4/spreadsheets/{id}/developerMetadata:search"), json!({})).await;
    assert!(reply.refused(429).contains("'Read requests'"));
    device.batch(&id, json!([append(&[&["a"]])])).await.ok();
    device.sim.act(Action::QuotaOff);
    device.get(&format!("/v4/spreadsheets/{id}")).await.ok();
    device.sim.act(Action::QuotaOn);
    device.get(&format!("/v4/spreadsheets/{id}")).await.refused(429);
}
