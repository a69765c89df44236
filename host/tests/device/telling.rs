//! What a device tells those who do not look: `[notify]` and `[metrics]`.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::bench::Bench;

/// A place to which messages are posted.
async fn receiver() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, messages) = mpsc::unbounded_channel();
    let answer = move |body: String| {
        let sender = sender.clone();
        async move {
            sender.send(body).unwrap();
            axum::http::StatusCode::OK
        }
    };
    let app = axum::Router::new().route("/secret-topic", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, messages)
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_lasts_is_told_once_and_the_secret_url_nowhere() {
    let (url, mut messages) = receiver().await;
    let mut bench = Bench::new().await;
    let topic = bench.folder().join("topic");
    std::fs::write(&topic, format!("{url}/secret-topic\n")).unwrap();
    std::fs::set_permissions(&topic, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    let notify = |after: &str| {
        let reach = format!("reach = [{{ url = \"{url}\", private = true }}]");
        format!("{text}\n[notify]\nurl = {{ file = \"topic\" }}\n{reach}\nafter = \"{after}\"\njson = \"text\"\n")
    };
    // A socket where there is a file: nobody could ask for figures.
    std::fs::write(bench.folder().join("taken"), "precious").unwrap();
    let taken = bench.folder().join("taken");
    bench.configure(&format!("{}[metrics]\nlisten = \"{}\"\n", notify("10s"), taken.display()));
    bench.start().await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let message = timeout(Duration::from_secs(60), messages.recv()).await;
        let message = message.unwrap_or_else(|_| panic!("nothing is told:\n{}", bench.log())).unwrap();
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        told.push(message["text"].as_str().unwrap().to_owned());
    }
    // Nobody has signed in yet.
    let says = |part: &str, what: &str| told.iter().any(|told| told.contains(part) && told.contains(what));
    assert!(says(": metrics has had a problem for 1", "no metrics: "), "{told:?}");
    assert!(says(": grants.google has had a problem for 1", "sign-in is needed: "), "{told:?}");
    sleep(Duration::from_secs(2)).await;
    assert!(messages.try_recv().is_err(), "told once");
    bench.stop().await;
    // Paths are for those alone who look for an error.
    let log = bench.log();
    let mut usual = log.lines().filter(|line| !line.contains(" DEBUG ") && !line.contains(" TRACE "));
    assert!(usual.all(|line| !line.contains("secret-topic")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_read_from_a_socket_that_a_reload_opens_and_closes() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    let path = bench.folder().join("metrics.sock");
    let text = std::fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    bench.configure(&format!("{text}\n[metrics]\nlisten = \"{}\"\n", path.display()));
    bench.printed(&["reload"]).await;
    let read = async |request: &str| {
        let mut stream = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => break stream,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        };
        stream.write_all(format!("{request}\r\nHost: device\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(Duration::from_secs(60), read("GET /metrics HTTP/1.1")).await.unwrap();
    for line in [
        "HTTP/1.1 200 OK\r",
        "punchcard_events_total 1",
        "punchcard_rows_delivered_total{sink=\"timesheet\"} 1",
        "punchcard_waiting{sink=\"timesheet\",what=\"rows\"} 0",
        "punchcard_part_works{part=\"grants.google\"} 1",
    ] {
        assert!(answer.split('\n').any(|found| found == line), "{line} in\n{answer}");
    }
    assert!(read("GET /state HTTP/1.1").await.starts_with("HTTP/1.1 404 "));
    assert!(read("POST /metrics HTTP/1.1").await.starts_with("HTTP/1.1 405 "));
    bench.configure(&text);
    bench.printed(&["reload"]).await;
    bench.until("the socket is gone", |_| !path.exists()).await;
}
