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
