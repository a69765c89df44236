//! A card that takes nothing more.

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_press_that_does_not_fit_on_the_card_is_not_shown_as_recorded() {
    let mut bench = Bench::new().await;
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    bench.start_with_files_of_at_most(400).await;
    let mut recorded = 1;
    let refused = loop {
        assert!(recorded < 400, "the card is never full");
        bench.press_only("two").await;
        if bench.log().contains("NOT recorded") {
            break bench.printed(&["panel"]).await;
        }
        let report = bench.until("it answers", |_| true).await;
        recorded = report["events"].as_u64().unwrap();
    };
    let report = bench.until("it still answers", |_| true).await;
    let recorded = report["events"].as_u64().unwrap();
    bench.stop().await;
    bench.start().await;
    assert_ne!(bench.printed(&["panel"]).await, refused, "the panel said it");
    let report = bench.until("what was recorded is there", |report| report["events"] == recorded).await;
    assert_eq!(report["events"], recorded);
    bench.settle().await;
    assert_eq!(bench.delivered().len() as u64, recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_its_ledger_says_so_refuses_presses_and_goes_on_once_it_is_mended() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    let ledger = bench.state().join("ledger.sqlite");
    let good = std::fs::read(&ledger).unwrap();
    let mut bad = good.clone();
    bad[..200].fill(0x55);
    std::fs::write(&ledger, &bad).unwrap();
    bench.start_only();
    let said = bench.refused(&["status"]).await;
    assert!(said.contains("nothing is recorded") && said.contains(".recover"), "{said}");
    bench.press_only("two").await;
    bench.logged("a press is NOT recorded").await;
    let panel = bench.printed(&["panel"]).await;
    assert_eq!(std::fs::read(&ledger).unwrap(), bad, "it is left as it is");

    std::fs::write(&ledger, &good).unwrap();
    bench.until("it is back", |report| report["events"] == 1).await;
    bench.press("three").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "three"], "what was refused is not made up for later");
    assert_ne!(bench.printed(&["panel"]).await, panel);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_waits_for_its_ledger_can_be_stopped() {
    let mut bench = Bench::new().await;
    std::fs::create_dir(bench.state()).unwrap();
    std::fs::write(bench.state().join("ledger.sqlite"), "not a ledger").unwrap();
    bench.start_only();
    bench.refused(&["status"]).await;
    bench.stop().await;
}
