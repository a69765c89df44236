//! A sink that is not in plugins.toml any more is forgotten, and nothing else.

use super::super::{CommitError, ForgetError};
use super::*;

async fn format_one_row(ledger: &Ledger, name: &str) -> Result<(), CommitError> {
    let read = ledger.read_unformatted(&sink(name), 9).await.unwrap();
    let through = read.through;
    ledger.commit_formatted(&sink(name), commit(&read, through)).await
}

fn commit(read: &Unformatted, through: Sequence) -> FormattedCommit {
    FormattedCommit {
        from: read.cursor,
        through,
        boots: read.boots.clone(),
        state: b"state".to_vec(),
        columns: Vec::new(),
        rows: Vec::new(),
        set_aside: Vec::new(),
        standing: None,
        checkpoint: None,
    }
}

async fn known(ledger: &Ledger) -> Vec<String> {
    ledger.sinks().await.unwrap().into_iter().map(|counts| counts.sink.to_string()).collect()
}

#[tokio::test]
async fn only_a_sink_that_is_not_declared_any_more_is_forgotten_with_all_that_refers_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["old", "sheet"]).await;
    accept(&ledger, 1..4).await;
    for name in ["old", "sheet"] {
        format_one_row(&ledger, name).await.unwrap();
        ledger.set_paused(&sink(name), true).await.unwrap();
    }
    let refused = ledger.forget_sink(&sink("old")).await;
    assert!(matches!(refused, Err(ForgetError::Declared(_))), "{refused:?}");
    declare(&ledger, &["sheet"]).await;
    let unknown = ledger.forget_sink(&sink("never")).await;
    assert!(matches!(unknown, Err(ForgetError::UnknownSink(_))), "{unknown:?}");
    assert_eq!(known(&ledger).await, ["old", "sheet"]);

    ledger.forget_sink(&sink("old")).await.unwrap();
    assert_eq!(known(&ledger).await, ["sheet"]);
    assert!(ledger.is_paused(&sink("sheet")).await.unwrap());
    assert_eq!(ledger.events(None, 9).await.unwrap().events.len(), 3, "events stay");
    // Under the same name, another sink.
    let declared = declare(&ledger, &["old", "sheet"]).await;
    assert_eq!(declared[0].new_after, Some(Sequence(3)));
    assert!(!ledger.is_paused(&sink("old")).await.unwrap());
    assert_eq!(ledger.read_unformatted(&sink("old"), 9).await.unwrap().state, b"");
}

#[tokio::test]
async fn the_newest_place_in_the_order_is_never_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["old", "sheet"]).await;
    accept(&ledger, 1..3).await;
    ledger.set_aside_event(&sink("old"), Sequence(0), Sequence(1), "it trapped").await.unwrap();
    ledger.requeue(&sink("old"), &[Sequence(1)]).await.unwrap();
    declare(&ledger, &["sheet"]).await;
    let newest = ledger.forget_sink(&sink("old")).await;
    assert!(matches!(newest, Err(ForgetError::Newest(_))), "{newest:?}");
    assert_eq!(known(&ledger).await, ["old", "sheet"], "nothing of it was done");
    let next = accept(&ledger, [4]).await;
    ledger.forget_sink(&sink("old")).await.unwrap();
    let after = accept(&ledger, [5]).await;
    assert_eq!((next[0].sequence, after[0].sequence), (Sequence(4), Sequence(5)));
}
