//! Random faults: whatever happens to requests, host and machine, each row is in the sheet once, and in order.

use google_sim::DuplicateMetadata;
use proptest::collection::vec;
use proptest::prelude::*;
use punchcard_sdk::connector::{Batch, Directive, Signal};
use punchcard_sdk::{Column, ColumnKind};

use crate::rig::{End, Fault, Google, Host, Reply};

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Unsent),
        2 => Just(Fault::LostBefore),
        2 => Just(Fault::LostAfter),
        4 => (0..180_000_u64).prop_map(Fault::Late),
        2 => prop::sample::select(vec![429, 403, 500, 503, 409, 302]).prop_map(Fault::Status),
        2 => prop::sample::select(vec![200, 302, 400, 401, 403, 404, 407, 429, 502]).prop_map(Fault::HtmlAfter),
        1 => Just(Fault::Garbled),
        1 => Just(Fault::TooLarge),
        1 => any::<bool>().prop_map(|reboot| Fault::CrashBefore { reboot }),
        1 => any::<bool>().prop_map(|reboot| Fault::CrashAfter { reboot }),
        3 => (any::<bool>(), 0..180_000_u64).prop_map(|(reboot, after_ms)| Fault::CrashLate { reboot, after_ms }),
    ]
}

/// What happens before a batch.
#[derive(Debug, Clone, Copy)]
enum Event {
    Nothing,
    /// So many milliseconds pass.
    Time(u64),
    Reboot,
    Prepare,
    /// The formatter has one more column.
    Column,
    /// A person renames the tab.
    Rename,
    /// The connector gets another name when the batch was just sent, and an empty state with it.
    Forget,
    /// The last batch comes again: the host died before it wrote down that it is done.
    Again,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Nothing),
        2 => (0..4_000_000_u64).prop_map(Event::Time),
        1 => Just(Event::Reboot),
        1 => Just(Event::Prepare),
        1 => Just(Event::Column),
        1 => Just(Event::Rename),
        1 => Just(Event::Forget),
        1 => Just(Event::Again),
    ]
}

/// Goes on with a batch until it was sent once.
fn send(google: &mut Google, host: &mut Host, batch: &Batch) {
    let mut signal = Signal::Begin;
    google.log.clear();
    while google.log.last() != Some(&"append") {
        signal = match host.step(google, batch, signal) {
            Directive::Send(request) => match google.perform(&request) {
                Reply::Response(response) => Signal::Responded(response),
                Reply::Failure(failure) => Signal::Failed(failure),
                Reply::Crash { reboot } => {
                    if reboot {
                        host.reboot(google);
                    }
                    Signal::Resumed
                }
            },
            Directive::Wait(pause) => {
                google.advance(pause.milliseconds);
                Signal::Elapsed
            }
            other => panic!("{other:?} {:?}", google.log),
        };
        google.advance(50);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_row_is_in_the_sheet_once_and_in_order(
        seed in 1..u64::MAX,
        deleting_missing_fails in any::<bool>(),
        duplicate in prop::sample::select(vec![DuplicateMetadata::Named, DuplicateMetadata::Bare, DuplicateMetadata::Html]),
        listing_lag_s in prop::sample::select(vec![0, 1, 8, 30]),
        faults in vec(fault(), 0..60),
        batches in vec((event(), 1..4_usize), 1..12),
    ) {
        let mut google = Google::lagging(listing_lag_s, faults);
        google.refuse_missing_metadata(deleting_missing_fails);
        google.direct.switch(|switches| switches.duplicate_metadata = duplicate);
        let mut host = Host::new(seed);
        host.settings.event_ids = seed % 2 == 0;
        let mut expected = vec![];
        let mut last = None;
        for (event, rows) in batches {
            match event {
                Event::Nothing | Event::Forget => {}
                Event::Time(milliseconds) => google.advance(milliseconds),
                Event::Reboot => host.reboot(&google),
                Event::Prepare => {
                    let empty = host.batch(0);
                    let end = host.run(&mut google, &empty, Signal::Prepare);
                    prop_assert!(matches!(end, End::Delivered(_)), "{end:?} {:?}", google.log);
                }
                Event::Column => {
                    let key = format!("c{}", host.columns.len());
                    host.columns.push(Column { title: key.clone(), key, kind: ColumnKind::Text });
                }
                Event::Rename => {
                    let files = google.files();
                    if let Some(tab) = files.first().and_then(|file| file.tabs.iter().find(|tab| tab.id != 0)) {
                        google.rename_tab(&tab.title, &format!("{}x", tab.title));
                    }
                }
                Event::Again => {
                    if let Some(last) = &last {
                        let end = host.run(&mut google, last, Signal::Resumed);
                        prop_assert!(matches!(end, End::Delivered(_)), "{end:?} {:?}", google.log);
                    }
                }
            }
            let batch = host.batch(rows);
            expected.extend((0..rows).map(|row| batch.rows[row].key.clone()));
            let mut signal = Signal::Begin;
            if matches!(event, Event::Forget) {
                send(&mut google, &mut host, &batch);
                // Of two that were made in doubt, one of them late, only the state knows which is in use.
                if google.files().len() == 1 {
                    host.state.clear();
                }
                signal = Signal::Resumed;
                // By then every listing shows the spreadsheet: nobody edits plugins.toml as fast as that.
                google.advance(30_000);
            }
            let end = host.run(&mut google, &batch, signal);
            prop_assert!(matches!(end, End::Delivered(_)), "{end:?} {:?}", google.log);
            last = Some(batch);
        }
        google.advance(200_000);
        let files = google.files();
        let found: Vec<String> = files
            .iter()
            .flat_map(|file| &file.tabs)
            .flat_map(|tab| tab.rows.iter().skip(1))
            .map(|row| row[0].trim_start_matches("row-").to_owned())
            .collect();
        prop_assert_eq!(&found, &expected, "{:?}", google.log);
        if host.settings.event_ids {
            let tabs = files.iter().flat_map(|file| &file.tabs).filter(|tab| !tab.rows.is_empty());
            let ids = tabs.flat_map(|tab| {
                let at = tab.rows[0].iter().position(|title| title == "Event").unwrap();
                tab.rows.iter().skip(1).map(move |row| row[at].clone())
            });
            prop_assert_eq!(ids.collect::<Vec<_>>(), expected);
        }
        let used: Vec<_> = files.iter().filter(|file| file.tabs.iter().any(|tab| tab.rows.len() > 1)).collect();
        prop_assert_eq!(used.len(), 1);
        prop_assert_eq!(used[0].tabs.iter().filter(|tab| tab.rows.len() > 1).count(), 1);

        // The storm is over: a batch is one request again, and the marks go.
        google.faults.clear();
        google.advance(700_000);
        for _ in 0..4 {
            let batch = host.batch(1);
            host.run(&mut google, &batch, Signal::Begin);
        }
        google.log.clear();
        let batch = host.batch(1);
        host.run(&mut google, &batch, Signal::Begin);
        prop_assert_eq!(&google.log, &["append"]);
    }
}
