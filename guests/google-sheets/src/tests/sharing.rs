//! Several sinks and devices that write to one tab.

use proptest::collection::vec;
use proptest::prelude::*;
use punchcard_sdk::connector::{Batch, Directive, Signal};
use punchcard_sdk::{Column, ColumnKind};

use super::delivered;
use crate::rig::{Fault, Google, Host, Location, Metadata, Reply};

fn settled() -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    (google, host)
}

fn column(key: &str, kind: ColumnKind) -> Column {
    Column { key: key.into(), title: key.to_uppercase(), kind }
}

/// Another device that has written a row to the tab.
fn settled_too(google: &mut Google, seed: u64) -> Host {
    let mut host = Host::new(seed);
    let batch = host.batch(1);
    assert_eq!(host.run(google, &batch, Signal::Begin), delivered("file1"));
    google.log.clear();
    host
}

#[test]
fn two_devices_that_add_the_same_tab_share_it() {
    let (mut google, mut host, mut other) = (Google::default(), Host::new(1), Host::new(2));
    host.settings.tab = "First".into();
    host.settle(&mut google);
    host.settings.tab = "Shared".into();
    other.settings.tab = "Shared".into();
    let (batch, theirs) = (host.batch(1), other.batch(1));
    // Ours has looked and is about to add the tab when the other one does it.
    let signal = host.run_until(&mut google, &batch, Signal::Begin, "columns");
    assert_eq!(other.run(&mut google, &theirs, Signal::Begin), delivered("file1"));
    assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
    assert_eq!(google.file().tabs.len(), 2);
    assert_eq!(google.tab("Shared").rows.len(), 3);
}

#[test]
fn two_devices_that_add_columns_to_one_tab_leave_each_others_alone() {
    // The first try to add a column goes through, or leaves the device much later.
    for fault in [Fault::None, Fault::Unsent, Fault::Status(429)] {
        let (mut google, mut host) = settled();
        let mut other = Host::new(2);
        let theirs = other.batch(1);
        assert_eq!(other.run(&mut google, &theirs, Signal::Begin), delivered("file1"));
        host.columns.push(column("note", ColumnKind::Text));
        other.columns.push(column("room", ColumnKind::Text));
        let ours = host.batch(1);
        let mut signal = Signal::Begin;
        if fault != Fault::None {
            google.faults = [Fault::None, Fault::None, fault].into();
            signal = host.run_until(&mut google, &ours, signal, "extend");
        }
        let theirs = other.batch(1);
        assert_eq!(other.run(&mut google, &theirs, Signal::Begin), delivered("file1"));
        assert_eq!(host.run(&mut google, &ours, signal), delivered("file1"), "{fault:?}");
        let tab = google.tab("Punches");
        assert_eq!(tab.rows[0], ["ROW", "AT", "ROOM", "NOTE"], "{fault:?}");
        assert_eq!(tab.rows[4][2], "room-2/0");
        assert_eq!(tab.rows[5][3], "note-3/0");
        let expected = [("at", 1), ("note", 3), ("room", 2), ("row", 0)];
        assert_eq!(google.file().owned(), expected.map(|(key, at)| (key, Location::Column(tab.id, at))));
    }
}

/// A batch of a device whose formatter has one column more, up to the moment at which it would add that.
fn about_to_extend(google: &mut Google, host: &mut Host, key: &str) -> (Batch, Signal) {
    host.columns.push(column(key, ColumnKind::Text));
    let batch = host.batch(1);
    google.log.clear();
    let signal = host.run_until(google, &batch, Signal::Begin, "columns");
    (batch, signal)
}

#[test]
fn devices_that_saw_the_same_columns_add_theirs_one_after_the_other() {
    let (mut google, mut host) = settled();
    let mut others = [2, 3, 4].map(|seed| settled_too(&mut google, seed));
    let (batch, signal) = about_to_extend(&mut google, &mut host, "note");
    let mut waiting = vec![];
    for (other, key) in others.iter_mut().zip(["room", "shelf", "tool"]) {
        waiting.push(about_to_extend(&mut google, other, key));
    }
    google.log.clear();
    assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
    assert_eq!(google.log, ["extend", "append"]);
    for (other, (batch, signal)) in others.iter_mut().zip(waiting) {
        google.log.clear();
        assert_eq!(other.run(&mut google, &batch, signal), delivered("file1"));
        assert_eq!(google.log, ["extend", "tabs", "columns", "extend", "append"]);
    }
    let tab = google.tab("Punches");
    let rows = &tab.rows;
    assert_eq!(rows[0], ["ROW", "AT", "NOTE", "ROOM", "SHELF", "TOOL"]);
    let written = |row: &Vec<String>| row.iter().rfind(|cell| !cell.is_empty()).unwrap().clone();
    let last: Vec<_> = rows[rows.len() - 4..].iter().map(written).collect();
    assert_eq!(last, ["note-3/0", "room-2/0", "shelf-2/0", "tool-2/0"]);
    let expected = [("at", 1), ("note", 2), ("room", 3), ("row", 0), ("shelf", 4), ("tool", 5)];
    assert_eq!(google.file().owned(), expected.map(|(key, at)| (key, Location::Column(tab.id, at))));
}

#[test]
fn devices_that_add_the_same_column_share_it() {
    let (mut google, mut host) = settled();
    let mut other = settled_too(&mut google, 2);
    let (ours, our_signal) = about_to_extend(&mut google, &mut host, "note");
    let (theirs, their_signal) = about_to_extend(&mut google, &mut other, "note");
    assert_eq!(other.run(&mut google, &theirs, their_signal), delivered("file1"));
    google.log.clear();
    assert_eq!(host.run(&mut google, &ours, our_signal), delivered("file1"));
    assert_eq!(google.log, ["extend", "tabs", "columns", "append"]);
    assert_eq!(google.tab("Punches").rows[0], ["ROW", "AT", "NOTE"]);
    assert_eq!(google.rows("Punches").last().unwrap()[2], "note-3/0");
}

#[test]
fn devices_that_are_refused_again_and_again_while_others_are_faster_go_on() {
    let (mut google, mut host) = settled();
    let (batch, mut signal) = about_to_extend(&mut google, &mut host, "note");
    for seed in 2..8 {
        // Whenever ours has looked, another one has added a column before ours is sent.
        let mut other = Host::new(seed);
        other.columns.push(column(&format!("c{seed}"), ColumnKind::Text));
        let theirs = other.batch(1);
        assert_eq!(other.run(&mut google, &theirs, Signal::Begin), delivered("file1"));
        google.log.clear();
        signal = host.run_until(&mut google, &batch, signal, "columns");
        assert_eq!(google.log, ["extend", "tabs", "columns"]);
    }
    assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
    assert_eq!(google.tab("Punches").column_count, 9);
}

#[test]
fn columns_that_come_between_the_two_halves_of_a_look_are_seen() {
    let (mut google, mut host) = settled();
    let mut other = settled_too(&mut google, 2);
    host.columns.push(column("note", ColumnKind::Text));
    other.columns.push(column("room", ColumnKind::Text));
    let (ours, theirs) = (host.batch(1), other.batch(1));
    // The width is known, the columns are about to be asked for.
    let signal = host.run_until(&mut google, &ours, Signal::Begin, "tabs");
    assert_eq!(other.run(&mut google, &theirs, Signal::Begin), delivered("file1"));
    google.log.clear();
    assert_eq!(host.run(&mut google, &ours, signal), delivered("file1"));
    assert_eq!(google.log, ["columns", "tabs", "columns", "extend", "append"]);
    assert_eq!(google.tab("Punches").rows[0], ["ROW", "AT", "ROOM", "NOTE"]);
}

#[test]
fn a_column_that_a_person_deleted_is_added_again_to_a_sheet_that_looks_as_it_did_before() {
    let (mut google, mut host) = settled();
    for _ in 0..3 {
        host.columns.truncate(2);
        host.columns.push(column("note", ColumnKind::Text));
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
        assert_eq!(google.tab("Punches").rows[0], ["ROW", "AT", "NOTE"]);
        google.delete_column("Punches", 2);
        google.advance(3_600_000);
        google.log.clear();
    }
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["trashed", "tabs", "columns", "tabs", "columns", "extend", "append"]);
}

#[test]
fn a_late_request_for_columns_does_nothing_after_a_person_changed_the_sheet() {
    for fault in [Fault::Late(20_000), Fault::CrashLate { reboot: true, after_ms: 20_000 }] {
        let (mut google, mut host) = settled();
        host.columns.push(column("note", ColumnKind::Text));
        google.faults = [Fault::None, Fault::None, fault].into();
        let batch = host.batch(1);
        let signal = host.run_until(&mut google, &batch, Signal::Begin, "extend");
        google.insert_column("Punches", 0);
        assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
        google.advance(200_000);
        let tab = google.tab("Punches");
        assert_eq!((tab.rows[0].clone(), tab.column_count), (["", "ROW", "AT", "NOTE"].map(Into::into).into(), 4));
    }
}

#[test]
fn two_keys_that_came_to_one_column_are_parted() {
    let (mut google, mut host) = settled();
    let tab = google.tab("Punches").id;
    host.columns.push(column("note", ColumnKind::Text));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    let stray = Metadata { key: "punchcard.column".into(), value: "room".into(), location: Location::Column(tab, 2) };
    google.attach(Some(i64::from(i32::MAX)), &stray);
    google.advance(3_600_000);
    host.columns.push(column("room", ColumnKind::Text));
    for expected in [&["trashed", "tabs", "columns", "tabs", "columns", "extend", "append"][..], &["append"]] {
        google.log.clear();
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
        assert_eq!(google.log, expected);
    }
    let rows = &google.tab("Punches").rows;
    assert_eq!(rows[0], ["ROW", "AT", "NOTE", "ROOM"]);
    assert_eq!(rows[4][2..], ["note-4/0", "room-4/0"]);
    // It stays so, and for others too.
    let mut other = Host::new(2);
    other.columns.clone_from(&host.columns);
    let batch = other.batch(1);
    google.log.clear();
    assert_eq!(other.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["files", "tabs", "columns", "append"]);
    assert_eq!(google.rows("Punches").last().unwrap()[2..], ["note-1/0", "room-1/0"]);
}

/// One step of a batch, or the next batch, which has one column more.
fn go_on(google: &mut Google, host: &mut Host, name: &str, under_way: &mut Option<(Batch, Signal)>) {
    let (batch, signal) = under_way.take().unwrap_or_else(|| {
        host.columns.push(column(&format!("{name}{}", host.columns.len()), ColumnKind::Text));
        (host.batch(1), Signal::Begin)
    });
    let next = match host.step(google, &batch, signal) {
        Directive::Send(request) => match google.perform(&request) {
            Reply::Response(response) => Signal::Responded(response),
            Reply::Failure(failure) => Signal::Failed(failure),
            Reply::Crash { .. } => Signal::Resumed,
        },
        Directive::Wait(pause) => {
            google.advance(pause.milliseconds);
            Signal::Elapsed
        }
        Directive::Delivered(_) => return,
        other => panic!("{other:?} {:?}", google.log),
    };
    google.advance(50);
    *under_way = Some((batch, next));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_faster_each_column_has_a_place_of_its_own(
        seed in 1..u64::MAX / 2,
        turns in vec(0..3_usize, 20..120),
        faults in vec(prop_oneof![
            6 => Just(Fault::None),
            1 => Just(Fault::LostBefore),
            1 => Just(Fault::LostAfter),
            1 => (0..20_000_u64).prop_map(Fault::Late),
            1 => Just(Fault::CrashAfter { reboot: false }),
        ], 0..60),
    ) {
        let (mut google, _) = settled();
        let mut hosts = [(0, "a"), (1, "b"), (2, "c")].map(|(nth, name)| (Host::new(seed + nth), name, None));
        google.faults = faults.into();
        for turn in turns {
            let (host, name, under_way) = &mut hosts[turn];
            go_on(&mut google, host, name, under_way);
        }
        google.faults.clear();
        for (host, name, under_way) in &mut hosts {
            for _ in 0..1_000 {
                if under_way.is_some() {
                    go_on(&mut google, host, name, under_way);
                }
            }
            prop_assert!(under_way.is_none(), "no end");
        }
        google.advance(200_000);
        let file = google.file();
        let (owned, tab) = (file.owned(), file.tab("Punches"));
        let expected = 2 + hosts.iter().map(|(host, ..)| host.columns.len() - 2).sum::<usize>();
        prop_assert_eq!((owned.len(), tab.column_count), (expected, expected as u64));
        for (key, location) in owned {
            let Location::Column(_, at) = location else { panic!("{location:?}") };
            let at = usize::try_from(at).unwrap();
            let mut cells = tab.rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty());
            let header = cells.next().unwrap();
            prop_assert_eq!(header, &key.to_uppercase());
            let own = format!("{key}-");
            prop_assert!(key == "at" || cells.all(|cell| cell.starts_with(&own)), "{}: {:?}", key, tab.rows);
        }
    }
}
