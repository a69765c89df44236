//! The ids of events in the sheet.

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn each_row_carries_the_id_of_its_event_out_of_sight() {
    let mut bench = Bench::new().await;
    bench.reconfigure("tab = \"Punches\"", "tab = \"Punches\"\nevent-ids = false");
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    // As an update of the connector would.
    bench.reconfigure("event-ids = false", "");
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;

    let lines = bench.printed(&["events", "--json"]).await;
    let ids: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let table = &bench.spreadsheets()[0];
    let tab = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap();
    let expected = [["Deed", "Event"], ["Deed one", ""], ["Deed two", &format!("{}/0", ids[1])]];
    assert_eq!(tab.rows, expected);
    assert_eq!(tab.hidden, [1]);
}
