//! A version of a plugin takes another one's place, or is gone back from, while there is work: what is under way is finished by
//! the version that began it, what waits goes to the next one, and a formatter goes on as if the one on trial had never been.

use std::fs;
use std::time::Duration;

use bare_component::{ALLOCATES, component_that_returns};
use google_sim::{Effect, Fault};

use crate::bench::{Bench, guest};

const UPDATE: &str = "*:batchUpdate";

/// A device whose plugin `name`, which is `component`, is a file beside plugins.toml; signed in.
async fn signed_in(mut bench: Bench, name: &str, component: &[u8]) -> Bench {
    put(&bench, name, component);
    let text = bench.configuration_text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap().to_owned();
    bench.reconfigure(&line, &format!("{name} = \"{name}.wasm\""));
    bench.start().await;
    bench.sign_in().await;
    bench.until("the sheet is linked", |report| report["sinks"][0]["link"].is_string()).await;
    bench
}

/// Puts a component in a plugin's place, whole.
fn put(bench: &Bench, name: &str, component: &[u8]) {
    let draft = bench.folder().join("draft");
    fs::write(&draft, component).unwrap();
    fs::rename(draft, bench.folder().join(format!("{name}.wasm"))).unwrap();
}

/// The same component with other bytes: a custom section more.
fn another(component: &[u8]) -> Vec<u8> {
    [component, &[0, 3, 1, b'v', 2]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_to_the_version_that_sent_it_and_what_waits_goes_to_the_next() {
    let connector = fs::read(guest("google-sheets")).unwrap();
    let mut bench = signed_in(Bench::new().await, "google-sheets", &connector).await;
    put(&bench, "google-sheets", &another(&connector));
    bench.printed(&["reload"]).await;
    bench.until("it is on trial", |report| plugin(report, "google-sheets")["on-trial"] == true).await;
    bench.press("one").await;
    bench.settle().await;
    let before = bench.sim.count("sheets.spreadsheets.batchUpdate");
    bench.sim.arm(Fault::on(UPDATE, Effect::Slow { millis: 5_000 }));
    bench.press("two").await;
    while bench.sim.count("sheets.spreadsheets.batchUpdate") == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // They wait for the batch that is under way.
    for deed in ["three", "one"] {
        bench.press(deed).await;
    }
    let already = bench.log().len();
    // The version that is put back is at hand: nothing has to be compiled meanwhile.
    bench.printed(&["plugin", "rollback", "google-sheets"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one"]);
    let log = bench.log();
    let log = &log[already..];
    let (Some(stopped), Some(started)) = (log.find("a part is stopped"), log.find("a part is started")) else {
        panic!("no switch: {log}");
    };
    assert_eq!(log[stopped..started].matches(" delivered").count(), 1, "by the version that sent it: {log}");
    assert_eq!(log[started..].matches(" delivered").count(), 1, "by the next: {log}");
}

/// A connector that takes any settings, needs nothing, and breaks off in its first step.
fn breaks_off() -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    // In the canonical ABI: limits that are none of zero; and no needs.
    let data = [(128, words(&[0, 0, 9, 0, 1_000, 0, 100, 60, 1, 0])), (384, words(&[0; 6]))];
    let bodies = ["i32.const 128", "unreachable", "unreachable", "i32.const 384", ALLOCATES];
    component_that_returns("connector", &bodies, &data).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_breaks_off_in_its_first_step_does_not_take_the_place_of_one_that_works() {
    let connector = fs::read(guest("google-sheets")).unwrap();
    let mut bench = signed_in(Bench::new().await, "google-sheets", &connector).await;
    bench.press("one").await;
    bench.settle().await;
    put(&bench, "google-sheets", &breaks_off());
    let said = bench.printed(&["reload"]).await;
    assert!(said.contains("proved bad") && said.contains("tried with the state of sink `timesheet`"), "{said}");
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formatter_that_is_put_back_knows_what_it_would_have_known() {
    let clock = fs::read(guest("timeclock")).unwrap();
    let bench = Bench::new().await;
    bench.reconfigure(r#"{ columns = ["Deed"] }"#, r#"{ layout = "pairs" }"#);
    let mut bench = signed_in(bench, "saboteur", &clock).await;
    // A stretch of work that is begun and finished is a row.
    for deed in ["one", "one"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);

    // Whatever this version remembers, the one before can't read.
    let near = b"projectstarted_at";
    let places: Vec<usize> = (0..clock.len() - near.len()).filter(|at| clock[*at..].starts_with(near)).collect();
    let [place] = places[..] else { panic!("it stands at {places:?}") };
    let mut stranger = clock.clone();
    stranger[place + near.len() - "started_at".len()..place + near.len()].copy_from_slice(b"stortod_at");
    put(&bench, "saboteur", &stranger);
    bench.until("it is on trial", |report| plugin(report, "saboteur")["on-trial"] == true).await;
    bench.press("two").await;
    bench.until("it is formatted", |report| report["sinks"][0]["events-waiting"] == 0).await;

    bench.command(&["plugin", "rollback", "saboteur"]).await;
    bench.until("the one before is back", |report| plugin(report, "saboteur")["on-trial"] == false).await;
    bench.logged("goes on with the state that it would have").await;
    bench.kill().await;
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
}

fn plugin<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    report["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == name).unwrap()
}
