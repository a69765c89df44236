//! A state that was lost while a batch was on its way: the connector was renamed in plugins.toml, or another one was tried.

use punchcard_sdk::connector::{Batch, Directive, Signal};
use punchcard_sdk::{Column, ColumnKind};

use super::{delivered, first_cells, held};
use crate::rig::{Fault, Google, Host, Reply};

/// A batch that was sent, with this fault, and that the state has forgotten.
fn forgotten(fault: Fault) -> (Google, Host, Batch) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    google.faults = [fault].into();
    let batch = host.batch(1);
    let Directive::Send(append) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    google.perform(&append);
    host.state.clear();
    google.log.clear();
    (google, host, batch)
}

const ONCE: [&str; 3] = ["row-2/0", "row-2/1", "row-3/0"];

#[test]
fn what_was_carried_out_is_found_by_the_batchs_id() {
    for prepares in [false, true] {
        let (mut google, mut host, batch) = forgotten(Fault::LostAfter);
        if prepares {
            let empty = host.batch(0);
            assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
        }
        assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
        assert_eq!(google.log, ["files", "tabs", "columns", "marks"]);
        assert!(host.waited_ms.len() < 2, "but for the creation: {:?}", host.waited_ms);
        assert_eq!(first_cells(&google.rows("Punches")), ONCE);
        // Again, it is known.
        assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
        google.log.clear();
        let next = host.batch(1);
        assert_eq!(host.run(&mut google, &next, Signal::Begin), delivered("file1"));
        assert_eq!(google.log, ["append"]);
        google.advance(700_000);
        let next = host.batch(1);
        assert_eq!(host.run(&mut google, &next, Signal::Begin), delivered("file1"));
        let kept: Vec<_> = google.file().marks().into_iter().map(|(_, batch)| batch).collect();
        assert!(!kept.contains(&batch.id), "its mark goes too: {kept:?}");
    }
}

#[test]
fn what_is_carried_out_late_is_waited_for() {
    for late_ms in [1_000, 60_000, 179_000] {
        for reboot in [false, true] {
            let (mut google, mut host, batch) = forgotten(Fault::Late(late_ms));
            if reboot {
                host.reboot(&google);
            }
            assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
            google.advance(200_000);
            assert_eq!(google.log, ["files", "tabs", "columns", "marks", "marks"], "{late_ms}");
            assert_eq!(host.problems[0].headline, "rows are in doubt");
            assert_eq!(first_cells(&google.rows("Punches")), ONCE);
        }
    }
}

#[test]
fn what_was_not_carried_out_is_sent_when_that_is_certain() {
    let (mut google, mut host, batch) = forgotten(Fault::LostBefore);
    // Both halves of a wait that a restart interrupts.
    let Signal::Elapsed = waiting(&mut google, &mut host, &batch) else { panic!() };
    google.advance(300_000);
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert!((299_000..300_000).contains(host.waited_ms.last().unwrap()), "{:?}", host.waited_ms);
    let expected = ["marks", "marks", "marks", "trashed", "tabs", "columns", "append"];
    assert_eq!(google.log, [&["files", "tabs", "columns"][..], &expected].concat());
    assert_eq!(first_cells(&google.rows("Punches")), ONCE);
}

/// Up to the wait for what may yet be carried out.
fn waiting(google: &mut Google, host: &mut Host, batch: &Batch) -> Signal {
    let mut signal = Signal::Resumed;
    loop {
        signal = match host.step(google, batch, signal) {
            Directive::Send(request) => match google.perform(&request) {
                Reply::Response(response) => Signal::Responded(response),
                _ => unreachable!(),
            },
            Directive::Wait(pause) if pause.milliseconds == 600_000 => return Signal::Elapsed,
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn another_batch_of_the_same_spreadsheet_is_not_taken_for_it() {
    let (mut google, mut host, batch) = forgotten(Fault::LostBefore);
    let mut other = Host::new(9);
    for _ in 0..5 {
        let theirs = other.batch(1);
        assert_eq!(other.run(&mut google, &theirs, Signal::Begin), delivered("file1"));
    }
    let batch = Batch { id: "batch-of-ours".into(), ..batch };
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(first_cells(&google.rows("Punches")).last(), Some(&"row-3/0"));
}

#[test]
fn nothing_is_looked_for_where_the_state_knows_or_nothing_was_sent() {
    let more = Column { key: "more".into(), title: String::new(), kind: ColumnKind::Text };
    // A batch that was begun, and had not come to its mark when the host ended.
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    host.columns.push(more.clone());
    let batch = host.batch(1);
    host.run_until(&mut google, &batch, Signal::Begin, "tabs");
    google.log.clear();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(google.log, ["tabs", "columns", "extend", "append"]);

    // The first one of a new device: begun before there was a spreadsheet, or when the one that was made was ready.
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let batch = host.batch(1);
    host.run_until(&mut google, &batch, Signal::Begin, "files");
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert!(!google.log.contains(&"marks"), "{:?}", google.log);
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert!(!google.log.contains(&"marks"), "{:?}", google.log);

    // What was never there, or is gone, holds nothing.
    let (mut google, mut host, batch) = forgotten(Fault::LostAfter);
    google.delete_files();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file2"));
    assert_eq!(google.log, ["files", "create", "files", "tabs", "setup", "append"]);

    // Of a batch that was never tried, nothing can be there.
    let (mut google, mut host, batch) = forgotten(Fault::LostBefore);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["files", "tabs", "columns", "append"]);
    // From then on the state knows.
    google.log.clear();
    google.faults = [Fault::Status(429)].into();
    let batch = host.batch(1);
    let refused = host.run_until(&mut google, &batch, Signal::Begin, "append");
    assert!(matches!(host.step(&google, &batch, refused), Directive::Wait(_)));
    assert_eq!(host.state().mark, None);
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(google.log, ["append", "append"]);
}

#[test]
fn what_was_found_out_is_known_from_then_on() {
    // The next one comes as tried: its first step failed.
    let (mut google, mut host, batch) = forgotten(Fault::LostAfter);
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    google.log.clear();
    let next = host.batch(1);
    assert_eq!(host.run(&mut google, &next, Signal::Resumed), delivered("file1"));
    assert_eq!(google.log, ["append"]);

    // It is not there, and then there is no answer for long.
    let (mut google, mut host, batch) = forgotten(Fault::LostBefore);
    google.faults = [[Fault::None; 8].as_slice(), &[Fault::Status(429)]].concat().into();
    let signal = waiting(&mut google, &mut host, &batch);
    google.advance(600_000);
    let refused = host.run_until(&mut google, &batch, signal, "append");
    assert!(matches!(host.step(&google, &batch, refused), Directive::Wait(_)));
    google.log.clear();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(google.log, ["append"]);
}

#[test]
fn a_mark_without_an_id_is_one_and_is_not_deleted() {
    let (mut google, mut host, batch) = forgotten(Fault::LostAfter);
    let found = format!(r#"{{"metadataKey":"punchcard.batch","metadataValue":"{}"}}"#, batch.id);
    let body = format!(r#"{{"matchedDeveloperMetadata":[{{"developerMetadata":{found}}}]}}"#);
    google.scripted = [("marks", 200, body)].into();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(host.state().spent, []);
    assert_eq!(first_cells(&google.rows("Punches")), ONCE);
}

#[test]
fn a_batch_that_may_be_there_stays_where_it_began_whatever_the_year() {
    let (mut google, mut host, batch) = forgotten(Fault::Late(150_000));
    let signal = waiting(&mut google, &mut host, &batch);
    host.epoch_ms += 50 * 86_400_000;
    google.advance(600_000);
    assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
    let next = host.batch(1);
    assert_eq!(host.run(&mut google, &next, Signal::Begin), delivered("file2"));
    assert_eq!(first_cells(&google.tab("Punches").rows)[1..], ONCE);
}

#[test]
fn a_spreadsheet_that_goes_meanwhile_is_gone_and_a_new_one_is_made_where_that_is_wished() {
    let (mut google, mut host, batch) = forgotten(Fault::LostAfter);
    let signal = waiting_for_marks(&mut google, &mut host, &batch);
    google.direct.sign_in("another@example.com").unwrap();
    assert_eq!(host.run(&mut google, &batch, signal), held("sheet was deleted"));
    for signal in [Signal::Retry, Signal::Resumed] {
        assert_eq!(host.run(&mut google, &batch, signal), held("sheet was deleted"));
    }
    let state = host.state.clone();
    google.direct.sign_in(google_sim::ACCOUNT).unwrap();
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
    assert_eq!(first_cells(&google.rows("Punches")), ONCE);

    host.state = state;
    google.delete_files();
    let anew = host.batch(0);
    assert_eq!(host.run(&mut google, &anew, Signal::CreateAnew), delivered("file2"));
    google.log.clear();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file2"));
    assert_eq!(google.log, ["append"]);
}

/// Up to the moment at which the batch's mark is about to be looked for.
fn waiting_for_marks(google: &mut Google, host: &mut Host, batch: &Batch) -> Signal {
    host.run_until(google, batch, Signal::Resumed, "columns")
}

#[test]
fn an_answer_that_can_not_be_read_is_asked_for_again() {
    for (status, body) in [(200, "<html>"), (503, "{}"), (429, "{}")] {
        let (mut google, mut host, batch) = forgotten(Fault::LostAfter);
        google.scripted = [("marks", status, body.to_owned())].into();
        assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
        assert_eq!(google.log, ["files", "tabs", "columns", "marks", "marks"]);
        assert!(host.waited_ms.iter().sum::<u64>() < 60_000, "{:?}", host.waited_ms);
        assert_eq!(first_cells(&google.rows("Punches")), ONCE);
    }
}
