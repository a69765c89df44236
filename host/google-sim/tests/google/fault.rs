//! Every fault, as a client meets it.

use std::time::Duration;

use google_sim::{Action, Effect, Fault};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Device, append, refresh};

/// A signed-in device and an empty spreadsheet.
async fn start() -> (Device, String) {
    let device = Device::start().await;
    let id = device.create("Clock").await;
    (device, id)
}

/// Appends one row under a fault. Returns what came and how many rows there are.
async fn append_under(effect: Effect) -> (Result<crate::client::Reply, String>, usize) {
    let (device, id) = start().await;
    device.sim.arm(Fault::on("*:batchUpdate", effect));
    let body = json!({ "requests": [append(&[&["a"]])] });
    let reply = device.send("POST", &format!("/v4/spreadsheets/{id}:batchUpdate"), Some(&body)).await;
    let rows = device.values(&id, "Sheet1").await.as_array().map_or(0, Vec::len);
    (reply, rows)
}

#[tokio::test]
async fn an_answer_is_dropped_after_or_before_the_request_is_carried_out() {
    for (effect, rows) in [(Effect::DropAnswer, 1), (Effect::DropRequest, 0)] {
        let (reply, found) = append_under(effect.clone()).await;
        let problem = reply.unwrap_err();
        assert!(!problem.starts_with("in the body"), "{effect:?}: {problem}");
        assert_eq!(found, rows, "{effect:?}");
    }
}

#[tokio::test]
async fn an_answer_ends_in_the_middle() {
    let (reply, rows) = append_under(Effect::HalfAnswer).await;
    let problem = reply.unwrap_err();
    assert!(problem.starts_with("in the body"), "{problem}");
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_server_error_is_a_page_and_may_have_been_carried_out() {
    for (applied, rows) in [(false, 0), (true, 1)] {
        let (reply, found) = append_under(Effect::ServerError { status: 502, applied }).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.content_type(), found), (502, "text/html; charset=UTF-8", rows));
        assert!(reply.text.starts_with("<!DOCTYPE html>"));
    }
}

#[tokio::test]
async fn something_in_the_network_answers_in_place_of_google_before_or_after() {
    for (applied, rows) in [(false, 0), (true, 1)] {
        let (reply, found) = append_under(Effect::Intercepted { status: 403, applied }).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.content_type(), found), (403, "text/html; charset=UTF-8", rows));
    }
}

#[tokio::test]
async fn a_service_says_how_long_it_wishes_to_be_left_alone() {
    for (status, after) in [(429, "30"), (503, "Sat, 21 Nov 2026 08:02:00 GMT")] {
        let (reply, rows) = append_under(Effect::RetryLater { status, after: after.into() }).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, rows), (status, 0));
        assert_eq!(reply.headers.get("retry-after").unwrap(), after);
        assert_eq!(reply.json()["error"]["code"], status);
    }
}

#[tokio::test]
async fn too_many_requests_are_told_in_each_apis_way() {
    let (reply, rows) = append_under(Effect::TooManyRequests).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, rows), (429, 0));
    assert_eq!(reply.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    let (device, _) = start().await;
    device.sim.arm(Fault::on("/drive/*", Effect::TooManyRequests));
    let reply = device.get("/drive/v3/files").await;
    assert_eq!((reply.status, &reply.json()["error"]["errors"][0]["reason"]), (403, &json!("userRateLimitExceeded")));
}

#[tokio::test]
async fn an_api_that_is_not_enabled_says_where_to_enable_it() {
    let (reply, rows) = append_under(Effect::ServiceDisabled).await;
    let reply = reply.unwrap();
    assert!(reply.refused(403).contains("overview?project="), "{}", reply.text);
    assert_eq!((&reply.json()["error"]["details"][0]["reason"], rows), (&json!("SERVICE_DISABLED"), 0));
}

#[tokio::test]
async fn answers_come_late_slowly_or_long_and_are_whole() {
    for effect in [Effect::Slow { millis: 1 }, Effect::Drip { millis: 0 }, Effect::Oversized { bytes: 100_000 }] {
        let (reply, rows) = append_under(effect.clone()).await;
        let reply = reply.unwrap();
        assert_eq!(reply.ok()["replies"], json!([{}]), "{effect:?}");
        assert_eq!(rows, 1);
        assert_eq!(reply.text.len() == 100_000, matches!(effect, Effect::Oversized { .. }));
    }
}

#[tokio::test]
async fn an_answer_does_not_end() {
    let (device, _) = start().await;
    device.sim.arm(Fault::on("/drive/*", Effect::Endless));
    let stream = TcpStream::connect(("127.0.0.1", device.sim.port())).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/drive/v3/files").body(Empty::<Bytes>::new()).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut length = 0;
    while length < 1_000_000 {
        length += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
}

#[tokio::test]
async fn an_answer_never_comes() {
    for (applied, rows) in [(false, 0), (true, 1)] {
        let (device, id) = start().await;
        device.sim.arm(Fault::on("*:batchUpdate", Effect::Silence { applied }));
        let body = json!({ "requests": [append(&[&["a"]])] });
        let path = format!("/v4/spreadsheets/{id}:batchUpdate");
        let later = async {
            while device.sim.count("sheets.spreadsheets.batchUpdate") == 0 {
                tokio::task::yield_now().await;
            }
            // Meanwhile others are answered.
            device.values(&id, "Sheet1").await.as_array().map_or(0, Vec::len)
        };
        tokio::select! {
            reply = device.send("POST", &path, Some(&body)) => panic!("{reply:?}"),
            found = later => assert_eq!(found, rows),
        }
    }
}

#[tokio::test]
async fn a_portal_or_a_redirect_answers_in_googles_place() {
    let (reply, rows) = append_under(Effect::CaptivePortal).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.content_type(), rows), (200, "text/html; charset=UTF-8", 0));
    let (reply, rows) = append_under(Effect::Redirect { to: "http://login.invalid/x".into() }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap(), rows), (302, "http://login.invalid/x", 0));
    let answer = Effect::Answer { status: 418, content_type: "text/plain".into(), body: "teapot".into() };
    let (reply, rows) = append_under(answer).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.content_type(), reply.text.as_str(), rows), (418, "text/plain", "teapot", 0));
}

#[tokio::test]
async fn an_error_may_come_with_status_200() {
    let (device, _) = start().await;
    device.sim.arm(Fault::on("/token", Effect::StatusOk));
    let reply = refresh(&device.sim, "nope").await;
    assert_eq!((reply.status, &reply.json()["error"]), (200, &json!("invalid_grant")));
}

#[tokio::test]
async fn tokens_expire_and_are_revoked_between_two_calls() {
    let (device, _) = start().await;
    device.sim.arm(Fault::on("/drive/*", Effect::ExpireAccessTokens).after(1));
    assert_eq!(device.get("/drive/v3/files").await.status, 200);
    assert_eq!(device.get("/drive/v3/files").await.status, 401);
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, 200);
    device.sim.arm(Fault::on("/token", Effect::RevokeRefreshTokens));
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, 400);
    assert_eq!(device.sim.state()["refreshTokens"], 0);
}

#[tokio::test]
async fn a_late_request_that_would_be_refused_is_not_carried_out_later() {
    let (device, id) = start().await;
    device.sim.arm(Fault::on("*:batchUpdate", Effect::ApplyLate { after_seconds: 10 }).times(2));
    let path = format!("/v4/spreadsheets/{id}:batchUpdate");
    assert!(device.send("POST", &path, Some(&json!({ "nope": 1 }))).await.is_err());
    assert_eq!(device.sim.state()["held"], 0);
    let body = json!({ "requests": [append(&[&["a"]])] });
    assert!(device.send("POST", &path, Some(&body)).await.is_err());
    // Its token expires before it is carried out: that was looked at when it was sent.
    device.sim.act(Action::ExpireAccessTokens);
    assert_eq!(device.sim.state()["held"], 1);
    device.sim.advance(Duration::from_secs(10));
    assert_eq!(device.sim.table(&id).unwrap().tabs[0].rows, [["a"]]);
}

#[tokio::test]
async fn idle_connections_close_when_asked() {
    let (device, _) = start().await;
    for by_fault in [false, true] {
        let stream = TcpStream::connect(("127.0.0.1", device.sim.port())).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let get = || Request::get("/sim/sheets").body(Empty::<Bytes>::new()).unwrap();
        let unused = TcpStream::connect(("127.0.0.1", device.sim.port())).await.unwrap();
        let closed = device.sim.count_closed();
        // Two calls on one connection, then it is closed by the server.
        for _ in 0..2 {
            sender.ready().await.unwrap();
            sender.send_request(get()).await.unwrap().into_body().collect().await.unwrap();
        }
        if by_fault {
            device.sim.arm(Fault::on("/token", Effect::CloseConnections));
            refresh(&device.sim, &device.refresh_token).await.ok();
        } else {
            device.sim.act(Action::CloseIdleConnections);
        }
        connection.await.unwrap().unwrap();
        assert!(sender.send_request(get()).await.is_err());
        // The server takes note of it when it is closed, and of none that carried nothing.
        while device.sim.count_closed() == closed {
            tokio::task::yield_now().await;
        }
        if !by_fault {
            assert_eq!(device.sim.count_closed(), closed + 1);
        }
        drop(unused);
    }
}

#[tokio::test]
async fn the_log_names_faults_and_holds_no_secret() {
    let (device, id) = start().await;
    device.sim.arm(Fault::on("*:batchUpdate", Effect::DropAnswer));
    let body = json!({ "requests": [append(&[&["a"]])] });
    assert!(device.send("POST", &format!("/v4/spreadsheets/{id}:batchUpdate"), Some(&body)).await.is_err());
    device.get(&format!("/drive/v3/files?access_token={}", device.token)).await.refused(400);
    refresh(&device.sim, &device.refresh_token).await.ok();
    let entry = device.sim.log().into_iter().find(|entry| entry.fault.is_some()).unwrap();
    assert_eq!(
        (entry.operation.as_str(), entry.status, entry.fault.as_deref()),
        ("sheets.spreadsheets.batchUpdate", Some(200), Some("drop-answer"))
    );
    let state: Value = device.sim.state();
    assert_eq!(state["requests"]["counts"]["oauth.token"], 2);
    let text = state.to_string();
    for secret in [device.token.as_str(), &device.refresh_token, google_sim::OauthClient::DEMO_SECRET] {
        assert!(!text.contains(secret));
    }
}
