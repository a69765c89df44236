//! What only the stand-in's own faults and switches show of the connector.

use google_sim::{Effect, Fault, FileAction};
use punchcard_sdk::connector::Signal;

use super::{delivered, first_cells};
use crate::rig::{Google, Host};

fn deliver(google: &mut Google, host: &mut Host) {
    let batch = host.batch(1);
    assert_eq!(host.run(google, &batch, Signal::Begin), delivered("file1"));
}

fn settled() -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    deliver(&mut google, &mut host);
    (google, host)
}

#[test]
fn rows_are_delivered_once_whatever_something_in_the_network_says_after_it() {
    for status in [200, 302, 400, 401, 403, 404, 407, 429, 451, 502] {
        let (mut google, mut host) = settled();
        for applied in [true, false] {
            google.direct.arm(Fault::on("*:batchUpdate", Effect::Intercepted { status, applied }));
            deliver(&mut google, &mut host);
        }
        assert_eq!(first_cells(&google.rows("Punches")), ["row-1/0", "row-2/0", "row-3/0"], "{status}");
    }
}

#[test]
fn a_service_that_wishes_to_be_left_alone_is() {
    for (after, least) in [("300", 300_000), ("Fri, 20 Nov 2026 10:20:00 GMT", 1_100_000)] {
        for status in [429, 503] {
            let (mut google, mut host) = settled();
            host.waited_ms.clear();
            google.direct.arm(Fault::on("*:batchUpdate", Effect::RetryLater { status, after: after.into() }));
            deliver(&mut google, &mut host);
            assert!((least..=least * 3 / 2).contains(&host.waited_ms[0]), "{status} {after}: {:?}", host.waited_ms);
            let said: Vec<_> = host.problems.iter().map(|problem| problem.headline.as_str()).collect();
            assert_eq!(said, ["Google is not ready"]);
            assert_eq!(first_cells(&google.rows("Punches")), ["row-1/0", "row-2/0"]);
        }
    }
}

#[test]
fn a_spreadsheet_that_was_moved_to_a_shared_drive_is_gone_on_in_also_with_a_new_card() {
    let (mut google, mut host) = settled();
    google.act("file1", &FileAction::Share);
    google.advance(3_600_000);
    deliver(&mut google, &mut host);
    host.state.clear();
    deliver(&mut google, &mut host);
    assert_eq!(google.files().len(), 1);
    assert_eq!(first_cells(&google.rows("Punches")), ["row-1/0", "row-2/0", "row-3/0"]);
}
