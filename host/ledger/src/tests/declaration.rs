//! Sinks and grants as plugins.toml names them, with the plugins that it gives them.

use power_cut::{Effort, Recording};
use punchcard_core::name::GrantName;

use super::super::{Granted, RememberedGrant};
use super::*;

async fn read(ledger: &Ledger, name: &str) -> Unformatted {
    ledger.read_unformatted(&sink(name), 9).await.unwrap()
}

#[tokio::test]
async fn a_sink_that_comes_later_takes_what_happens_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=2).await;
    assert_eq!(declare(&ledger, &["sheet"]).await[0].new_after, Some(Sequence(0)));
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;

    // The same sink under another name would bring the same rows into the same sheet again.
    let declared = declare(&ledger, &["renamed"]).await;
    assert_eq!((declared[0].new_after, declared[0].missed), (Some(Sequence(2)), 0));
    assert!(read(&ledger, "renamed").await.events.is_empty());
    accept(&ledger, 3..=3).await;
    assert_eq!(sequences(&read(&ledger, "renamed").await), [3]);

    assert_eq!(declare(&ledger, &["renamed", "sheet"]).await[1].new_after, None);
    assert_eq!(sequences(&read(&ledger, "sheet").await), [3], "one that is known goes on where it was");
    assert_eq!(sequences(&read(&ledger, "renamed").await), [3]);
}

/// A reload declares all sinks again, and a press may come in the same moment.
#[tokio::test]
async fn a_declaration_without_news_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).close().await;
    let recording = Recording::start(folder.path()).unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["one", "two"]).await;
    accept(&ledger, 1..=1).await;
    let mut efforts = Vec::new();
    for names in [&["one", "two"][..], &["one"], &["one"], &["one", "two"]] {
        let before = recording.len();
        declare(&ledger, names).await;
        efforts.push(Effort::of(&recording.operations()[before..]).flushes);
    }
    assert_eq!(efforts, [0, 1, 0, 1]);
    ledger.close().await;
}

#[tokio::test]
async fn another_plugin_does_not_begin_with_the_state_of_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=1).await;
    format_all(&ledger, "sheet").await;
    ledger.store_connector_state(&sink("sheet"), b"spreadsheet".to_vec(), false).await.unwrap();
    assert!(declare(&ledger, &["sheet"]).await[0].begun_anew.is_empty());
    assert_eq!(ledger.connector_state(&sink("sheet")).await.unwrap(), b"spreadsheet");

    let with = |formatter: &str, connector: &str| {
        let declared = Declaration {
            formatter: Some(plugin(formatter)),
            connector: Some(plugin(connector)),
            ..declaration(&["punch"])
        };
        ledger.declare_sinks(BTreeMap::from([(sink("sheet"), declared)]))
    };
    // While neither runs, both states stay.
    let off = Declaration { formatter: None, connector: None, ..declaration(&["punch"]) };
    let declared = ledger.declare_sinks(BTreeMap::from([(sink("sheet"), off)])).await.unwrap();
    assert_eq!(declared[0].begun_anew, []);
    assert_eq!(with("formatter", "connector").await.unwrap()[0].begun_anew, []);
    assert_ne!(ledger.connector_state(&sink("sheet")).await.unwrap(), b"");
    assert_eq!(with("formatter", "webhook").await.unwrap()[0].begun_anew, [plugin("webhook")]);
    assert_eq!(ledger.connector_state(&sink("sheet")).await.unwrap(), b"");
    assert_eq!(read(&ledger, "sheet").await.state, b"through 1");
    assert_eq!(with("tally", "webhook").await.unwrap()[0].begun_anew, [plugin("tally")]);
    let read = read(&ledger, "sheet").await;
    assert_eq!((read.state.as_slice(), read.cursor), (b"".as_slice(), Sequence(1)));
}

#[tokio::test]
async fn another_policy_begins_empty_and_what_is_to_be_erased_still_is() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let google = GrantName::parse("google").unwrap();
    let of = |state: &[u8]| RememberedGrant { state: state.to_vec(), forget: vec!["access-token".to_owned()] };
    assert!(!ledger.declare_grant(&google, &plugin("device-flow")).await.unwrap());
    assert_eq!(ledger.grant(&google).await.unwrap(), RememberedGrant::default());
    ledger.store_grant(&google, of(b"signed in")).await.unwrap();
    assert!(!ledger.declare_grant(&google, &plugin("device-flow")).await.unwrap());
    assert_eq!(ledger.grant(&google).await.unwrap(), of(b"signed in"));
    assert_eq!(ledger.granted(&google).await.unwrap(), Granted::default());
    let granted = Granted { at: Some(7), account: Some("me@example.org".to_owned()) };
    ledger.note_granted(&google, granted.clone()).await.unwrap();
    assert_eq!(
        (ledger.granted(&google).await.unwrap(), ledger.grant(&google).await.unwrap()),
        (granted, of(b"signed in"))
    );
    assert!(ledger.declare_grant(&google, &plugin("other")).await.unwrap());
    assert_eq!(ledger.grant(&google).await.unwrap(), of(b""));
}
