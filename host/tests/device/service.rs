//! What systemd hears of a device that runs as its service.

use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::bench::Bench;

/// The next message that has this in it; those before it are passed over.
async fn hear(socket: &UnixDatagram, words: &str) -> String {
    let heard = async {
        let mut message = [0; 4_096];
        loop {
            let length = socket.recv(&mut message).await.unwrap();
            let message = String::from_utf8(message[..length].to_vec()).unwrap();
            if message.contains(words) {
                return message;
            }
        }
    };
    timeout(Duration::from_secs(60), heard).await.unwrap_or_else(|_| panic!("systemd never hears `{words}`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_keys_nobody_can_press_says_so() {
    let mut bench = Bench::new().await;
    bench.start_without_keys().await;
    let report = bench.status().await;
    let problems = report["problems"].as_array().unwrap();
    let found = problems.iter().find(|found| found["part"] == "keyboard").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(found["problem"]["headline"], "no keyboard");
    assert!(found["problem"]["advice"].as_str().unwrap().contains("`device`"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_a_device_is_ready_and_alive_in_an_outage_too_and_that_it_stops() {
    let mut bench = Bench::new().await;
    let path = bench.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    bench.set_variable("NOTIFY_SOCKET", path.as_os_str());
    bench.set_variable("WATCHDOG_USEC", "200000");
    bench.start().await;
    assert_eq!(hear(&socket, "READY").await, "READY=1\n");
    hear(&socket, "WATCHDOG=1").await;
    assert_eq!(hear(&socket, "STATUS").await, "STATUS=0 events\n");
    // It is not signed in: nothing is delivered.
    bench.press("one").await;
    assert!(hear(&socket, "STATUS=1 event").await.contains("timesheet: "));
    for _ in 0..3 {
        hear(&socket, "WATCHDOG=1").await;
    }
    bench.stop().await;
    hear(&socket, "STOPPING=1").await;
}
