//! A press that comes while the writer is at something long.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::compare_first::{Found, settle};
use super::super::{BatchError, Compared, Ordinal, StorageError};
use super::*;

/// Keeps the writer until a press waits, so many times, and says each time that it does. Returns how many events there were
/// whenever it was begun.
async fn hold_up(ledger: &Ledger, times: usize, begun: mpsc::UnboundedSender<()>) -> Vec<u64> {
    let held = ledger.write(move |store| {
        let (queue, found) = (Arc::clone(&store.queue), RefCell::new(Vec::new()));
        store.transact_giving_way(|transaction, way| {
            let count = transaction.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
            found.borrow_mut().push(count);
            // It would be there already, had it not been undone.
            transaction.execute("INSERT INTO memory (key, value) VALUES ('held', 'up')", [])?;
            if found.borrow().len() <= times {
                begun.send(()).unwrap();
                while !queue.has_press() {
                    std::thread::yield_now();
                }
            }
            way.ask()
        })?;
        Ok::<_, StorageError>(found.into_inner())
    });
    held.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_is_undone_for_a_press_and_done_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let (begun, mut begins) = mpsc::unbounded_channel();
    let press = async {
        begins.recv().await.unwrap();
        accept(&ledger, 1..=1).await
    };
    let (found, pressed) = tokio::join!(hold_up(&ledger, 1, begun), press);
    assert_eq!((found, pressed[0].sequence), (vec![0, 1], FIRST));
    assert_eq!(ledger.recall("held").await.unwrap().as_deref(), Some("up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn presses_that_never_pause_hold_nothing_up_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let (begun, mut begins) = mpsc::unbounded_channel();
    let presses = async {
        let mut number = 0;
        while begins.recv().await.is_some() {
            number += 1;
            accept(&ledger, [number]).await;
        }
        number
    };
    let (found, pressed) = tokio::join!(hold_up(&ledger, 99, begun), presses);
    // The last press waited until it was through.
    assert_eq!((found, pressed), (vec![0, 1, 2, 3, 4], 5));
    assert_eq!(ledger.events(None, 10).await.unwrap().events.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_goes_before_rows_that_are_found_after_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=3).await;
    format_all(&ledger, "sheet").await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let settled = ledger.write(move |store| {
        let (queue, runs, there) = (Arc::clone(&store.queue), Cell::new(0), [1, 2, 3].map(Ordinal));
        let compared = store.transact_giving_way(|transaction, way| {
            runs.set(runs.get() + 1);
            if runs.get() == 1 {
                begun.send(()).unwrap();
                while !queue.has_press() {
                    std::thread::yield_now();
                }
            }
            settle(transaction, way, &sink("sheet"), &Found { by: "settings", there: &there, now: None, link: None })
        })?;
        Ok::<_, BatchError>((runs.get(), compared))
    });
    let press = async {
        begins.recv().await.unwrap();
        accept(&ledger, [4]).await
    };
    let (settled, pressed) = tokio::join!(settled, press);
    assert_eq!(settled.unwrap(), (2, Compared { there: 3, waiting: 0 }));
    assert_eq!(pressed[0].sequence, Sequence(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_formatter_made_is_there_once_however_often_presses_went_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=100).await;
    let presses = tokio::spawn({
        let ledger = ledger.clone();
        async move { accept(&ledger, 101..=400).await }
    });
    let name = sink("sheet");
    loop {
        let read = ledger.read_unformatted(&name, 50).await.unwrap();
        match read.events.last() {
            Some(_) => ledger.commit_formatted(&name, one_row_each(&read)).await.unwrap(),
            None if read.cursor == Sequence(400) => break,
            None => tokio::task::yield_now().await,
        }
    }
    presses.await.unwrap();
    let open = open_batch(&ledger, "sheet", 1000, 1).await.unwrap();
    let rows: Vec<_> = open.batch.rows.into_iter().map(|row| row.cells).collect();
    let expected: Vec<_> = (1..=400).map(|number| row(&format!("row {number}")).cells).collect();
    assert_eq!(rows, expected);
}
