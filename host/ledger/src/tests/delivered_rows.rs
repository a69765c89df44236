//! What was delivered, compared and delivered again.

use std::sync::Arc;

use punchcard_core::plugin::delivery::CorrectionKind;

use super::super::{BootTimes, CorrectedRow, CorrectionCommit, DeliveredRow, Delivery, Ordinal, RowOwner, Stage};
use super::*;

fn key(number: u64) -> String {
    format!("{}/0", punch(number).id)
}

async fn rows(ledger: &Ledger) -> Vec<(u64, Delivery)> {
    rows_by(ledger, "settings").await
}

async fn rows_by(ledger: &Ledger, by: &str) -> Vec<(u64, Delivery)> {
    let mut all = Vec::new();
    let mut after = None;
    // In pages of two.
    loop {
        let page = ledger.delivered_rows(&sink("sheet"), by, after, 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.ordinal);
        all.extend(page.into_iter().map(|DeliveredRow { event, delivery, .. }| (event.0, delivery)));
    }
}

/// Redelivers rows, by the ordinals at which they went first.
async fn redeliver(ledger: &Ledger, ordinals: &[u64]) -> u64 {
    ledger.redeliver(&sink("sheet"), ordinals.iter().copied().map(Ordinal).collect()).await.unwrap()
}

fn delivered(identified: bool) -> Delivery {
    Delivery::Delivered { identified, link: Some("there".to_owned()) }
}

async fn complete(ledger: &Ledger, id: u128) {
    let open = open_batch(ledger, "sheet", 9, id).await.unwrap();
    let receipt = Receipt { link: Some("there".to_owned()), ..arrived() };
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), receipt, None).await.unwrap();
}

/// Three events, whose rows were delivered with their keys.
async fn three_delivered(folder: &Path) -> Ledger {
    let ledger = open(folder);
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=3).await;
    format_all(&ledger, "sheet").await;
    open_batch(&ledger, "sheet", 9, 1).await.unwrap();
    ledger.note_identified(&sink("sheet"), Some("settings".to_owned())).await.unwrap();
    complete(&ledger, 1).await;
    ledger
}

#[tokio::test]
async fn rows_carry_keys_from_the_first_batch_on_that_was_formed_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    let note = async |by: Option<&str>| {
        ledger.note_identified(&sink("sheet"), by.map(ToOwned::to_owned)).await.unwrap();
    };
    let mut flags = Vec::new();
    for (number, by) in (1..).zip([None, Some("a"), Some("a"), Some("b"), Some("b"), None, Some("b")]) {
        accept(&ledger, [number]).await;
        format_all(&ledger, "sheet").await;
        open_batch(&ledger, "sheet", 9, u128::from(number)).await.unwrap();
        note(by).await;
        assert_eq!(rows(&ledger).await.last(), Some(&(number, Delivery::Pending)));
        complete(&ledger, u128::from(number)).await;
        let identified = rows_by(&ledger, by.unwrap_or("none"))
            .await
            .into_iter()
            .filter(|(_, delivery)| *delivery == delivered(true));
        flags.push(identified.map(|(event, _)| event).collect::<Vec<_>>());
    }
    assert_eq!(flags, [vec![], vec![2], vec![2, 3], vec![4], vec![4, 5], vec![], vec![7]]);
    assert_eq!(rows(&ledger).await.len(), 7);
    // Other settings are in force, and nothing was delivered with them yet.
    assert!(rows_by(&ledger, "c").await.iter().all(|(_, delivery)| *delivery == delivered(false)));
}

#[tokio::test]
async fn what_is_missing_goes_once_more_at_the_end_under_its_key_and_is_told_at_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    assert_eq!(redeliver(&ledger, &[2, 2]).await, 1);
    let stands = rows(&ledger).await;
    assert_eq!(stands, [(1, delivered(true)), (2, Delivery::Pending), (3, delivered(true))]);
    assert_eq!(redeliver(&ledger, &[2]).await, 0, "it is on its way");

    // A cut of the power finds it as it was.
    let cut = tempfile::tempdir().unwrap();
    power_cut(folder.path(), cut.path());
    for ledger in [open(cut.path()), ledger] {
        accept(&ledger, [4]).await;
        format_all(&ledger, "sheet").await;
        let open = open_batch(&ledger, "sheet", 9, 2).await.unwrap();
        assert_eq!(keys(&open), [key(2), key(4)]);
        complete(&ledger, 2).await;
        assert_eq!(rows(&ledger).await.iter().filter(|(_, delivery)| *delivery == delivered(true)).count(), 4);
        let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
        assert_eq!((counts.rows_delivered, counts.rows_waiting, counts.rows_set_aside), (5, 0, 0));
        let events = ledger.events(None, 9).await.unwrap().events;
        let status = &events[1].statuses[0];
        assert_eq!((events.len(), &status.stage, status.rows, status.again), (4, &Stage::Delivered(None), 1, 1));

        assert_eq!(redeliver(&ledger, &[2]).await, 1, "it can go missing again");
        complete(&ledger, 3).await;
        assert_eq!(rows(&ledger).await.iter().filter(|(_, delivery)| *delivery == delivered(true)).count(), 4);
    }
}

#[tokio::test]
async fn what_goes_again_waits_for_no_formatter() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    accept(&ledger, [4]).await;
    assert_eq!(redeliver(&ledger, &[1, 4]).await, 1, "not what was not delivered");
    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 2).await.unwrap();
    assert_eq!(keys(&open), [key(1), key(4)]);
}

#[tokio::test]
async fn keys_are_told_from_those_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    redeliver(&ledger, &[2]).await;
    let owners = async |keys: &[String]| {
        let index = Arc::new(ledger.event_index().await.unwrap());
        ledger.row_owners(&sink("sheet"), &index, keys.to_vec()).await.unwrap()
    };
    let others = ["".to_owned(), "x".to_owned(), key(9), format!("{}/1", punch(1).id), format!("{}/x", punch(1).id)];
    assert!(owners(&others).await.iter().all(|owner| *owner == RowOwner::Foreign));
    let [RowOwner::Known { ordinal, columns: of, row }] = &owners(&[key(2)]).await[..] else { panic!() };
    assert_eq!((*ordinal, of, &row.key, &row.cells), (Ordinal(2), &columns(1), &key(2), &super::row("row 2").cells));

    declare(&ledger, &["sheet", "other"]).await;
    let index = Arc::new(ledger.event_index().await.unwrap());
    assert_eq!(ledger.row_owners(&sink("other"), &index, vec![key(1)]).await.unwrap(), [RowOwner::Foreign]);
    declare(&ledger, &["sheet"]).await;
    complete(&ledger, 2).await;
    let keep = super::super::Keep { keep_for: std::time::Duration::from_secs(1), bytes: u64::MAX };
    let pruned = ledger.prune(keep, at(1_002_500_000 + 1_000_000)).await.unwrap();
    assert_eq!(pruned.events, 2);
    assert_eq!(owners(&[key(1), key(2), key(9)]).await, [RowOwner::Older, RowOwner::Older, RowOwner::Foreign]);
}

/// Has the first event's row replaced, and the second's withdrawn.
async fn correct(ledger: &Ledger, at: u64) {
    let row =
        |event, kind, cell| CorrectedRow { event: Sequence(event), position: 0, revision: 0, kind, cells: vec![cell] };
    let made = CorrectionCommit {
        at: Sequence(at),
        boots: BootTimes::default(),
        state: b"mended".to_vec(),
        states: Vec::new(),
        plugin_sha256: [2; 32],
        settings: "{}".to_owned(),
        standing: None,
        columns: columns(1),
        rows: vec![
            row(1, CorrectionKind::Changed, Cell::Text("mended".to_owned())),
            row(2, CorrectionKind::Withdrawn, Cell::Empty),
        ],
        set_aside: Vec::new(),
    };
    ledger.correct(&sink("sheet"), made).await.unwrap();
}

#[tokio::test]
async fn a_correction_is_a_row_of_its_own_that_can_go_missing_too() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    correct(&ledger, 3).await;
    let rows = async || ledger.delivered_rows(&sink("sheet"), "settings", None, 99).await.unwrap();
    let corrections = async || rows().await.split_off(3);
    let [first, second] = &corrections().await[..] else { panic!() };
    assert_eq!((first.event, &first.key, &first.delivery), (Sequence(1), &format!("{}/1", key(1)), &Delivery::Pending));
    assert_eq!((second.event, &second.key), (Sequence(2), &format!("{}/1", key(2))));
    complete(&ledger, 2).await;

    // As often as it goes missing; and another correction made meanwhile does not get in its way.
    for round in 3..6 {
        let [first, second] = &corrections().await[..] else { panic!() };
        assert_eq!([&first.delivery, &second.delivery], [&delivered(true); 2]);
        assert_eq!(redeliver(&ledger, &[first.ordinal.0]).await, 1);
        assert_eq!(redeliver(&ledger, &[first.ordinal.0]).await, 0, "it is on its way");
        let open = open_batch(&ledger, "sheet", 9, round).await.unwrap();
        assert_eq!(keys(&open), [format!("{}/1", key(1))]);
        assert_eq!(open.batch.corrections.len(), 1);
        complete(&ledger, round).await;
        let events = ledger.events(None, 99).await.unwrap().events;
        assert!(
            events.iter().take(3).all(|event| matches!(event.statuses[0].stage, Stage::Delivered(_))),
            "{events:?}"
        );
    }

    let index = Arc::new(ledger.event_index().await.unwrap());
    let asked =
        vec![format!("{}/1", key(1)), format!("{}/1", key(2)), format!("{}/2", key(1)), format!("{}/1", key(3))];
    let owners = ledger.row_owners(&sink("sheet"), &index, asked).await.unwrap();
    let [
        RowOwner::Known { row: mended, .. },
        RowOwner::Known { row: withdrawn, .. },
        RowOwner::Foreign,
        RowOwner::Foreign,
    ] = &owners[..]
    else {
        panic!("{owners:?}")
    };
    assert_eq!((&mended.cells[..], &withdrawn.cells[..]), (&[Cell::Text("mended".to_owned())][..], &[Cell::Empty][..]));
}

#[tokio::test]
async fn a_correction_whose_event_is_no_longer_known_is_neither_missing_nor_known() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    correct(&ledger, 3).await;
    complete(&ledger, 2).await;
    accept(&ledger, [4]).await;
    let keep = super::super::Keep { keep_for: std::time::Duration::from_secs(1), bytes: u64::MAX };
    assert_eq!(ledger.prune(keep, at(1_002_500_000 + 1_000_000)).await.unwrap().events, 2);
    let left: Vec<u64> = rows(&ledger).await.iter().map(|(event, _)| *event).collect();
    assert_eq!(left, [3]);
    let index = Arc::new(ledger.event_index().await.unwrap());
    let asked = vec![format!("{}/1", key(1)), key(3)];
    let owners = ledger.row_owners(&sink("sheet"), &index, asked).await.unwrap();
    assert!(matches!(&owners[..], [RowOwner::Older, RowOwner::Known { .. }]), "{owners:?}");
}

#[tokio::test]
async fn what_was_pruned_meanwhile_does_not_go_again_and_nothing_behind_it_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    let keep = super::super::Keep { keep_for: std::time::Duration::from_secs(1), bytes: u64::MAX };
    // The three went in one batch, which stays while one of them does.
    assert_eq!(ledger.prune(keep, at(1_002_500_000 + 1_000_000)).await.unwrap().events, 2);
    assert_eq!(redeliver(&ledger, &[1, 2]).await, 0);
    assert_eq!(redeliver(&ledger, &[1, 3]).await, 1);
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!(counts.rows_waiting, 1);
    accept(&ledger, [4]).await;
    assert_eq!(sequences(&ledger.read_unformatted(&sink("sheet"), 9).await.unwrap()), [4]);
}

#[tokio::test]
async fn more_rows_than_one_transaction_takes_all_go_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=450).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    let all: Vec<u64> = (1..=450).collect();
    assert_eq!(redeliver(&ledger, &all).await, 450);
    assert_eq!(redeliver(&ledger, &all).await, 0);
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.rows_waiting, counts.rows_delivered), (450, 450));
}

#[tokio::test]
async fn a_row_that_is_corrected_since_it_was_found_missing_does_not_go_behind_its_correction() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = three_delivered(folder.path()).await;
    correct(&ledger, 3).await;
    assert_eq!(redeliver(&ledger, &[1, 2, 3]).await, 1, "only the third has none");
}
