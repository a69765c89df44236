//! Answers that never came.

use punchcard_sdk::connector::{Directive, Signal};
use serde_json::json;

use super::{delivered, first_cells};
use crate::rig::{Fault, Google, Host, Reply};

fn settled() -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    (google, host)
}

fn run(google: &mut Google, host: &mut Host) {
    let batch = host.batch(1);
    assert_eq!(host.run(google, &batch, Signal::Begin), delivered("file1"));
}

#[test]
fn in_the_steady_state_a_batch_is_one_request_and_marks_do_not_pile_up() {
    let (mut google, mut host) = settled();
    for _ in 0..20 {
        run(&mut google, &mut host);
        assert_eq!(google.file().marks().len(), 1);
    }
    assert_eq!(google.log, ["append"; 20]);
    assert_eq!(google.rows("Punches").len(), 22);
}

#[test]
fn the_mark_is_durable_before_the_request_leaves_and_new_for_each_batch() {
    let (mut google, mut host) = settled();
    let mut ids = vec![];
    for _ in 0..3 {
        let batch = host.batch(1);
        let Directive::Send(request) = host.step(&google, &batch, Signal::Begin) else { panic!() };
        let mark = host.state().mark.unwrap();
        assert_eq!(mark.batch, batch.id);
        let id = mark.id.unwrap();
        let body = String::from_utf8(request.body.as_ref().unwrap().bytes.clone()).unwrap();
        assert!(body.contains(&format!("\"metadataId\":{id},\"metadataKey\":\"punchcard.batch\"")), "{body}");
        ids.push(id);
        let Reply::Response(response) = google.perform(&request) else { panic!() };
        assert!(matches!(host.step(&google, &batch, Signal::Responded(response)), Directive::Delivered(_)));
        assert_eq!(host.state().mark, None);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_was_carried_out_is_found_by_its_mark() {
    for fault in [
        Fault::LostAfter,
        Fault::HtmlAfter(502),
        Fault::Garbled,
        Fault::TooLarge,
        Fault::CrashAfter { reboot: false },
        Fault::CrashAfter { reboot: true },
    ] {
        let (mut google, mut host) = settled();
        google.faults = [fault].into();
        run(&mut google, &mut host);
        assert_eq!(google.log, ["append", "mark"], "{fault:?}");
        assert_eq!(first_cells(&google.rows("Punches")), ["row-2/0", "row-2/1", "row-3/0"]);
    }
}

#[test]
fn what_something_in_the_network_says_of_a_request_that_was_carried_out_is_not_believed() {
    for status in [200, 201, 302, 400, 401, 403, 404, 405, 407, 413, 429, 451, 500, 511] {
        let (mut google, mut host) = settled();
        google.faults = [Fault::HtmlAfter(status)].into();
        run(&mut google, &mut host);
        assert_eq!(google.log, ["append", "mark"], "{status}");
        assert_eq!(first_cells(&google.rows("Punches")), ["row-2/0", "row-2/1", "row-3/0"]);
    }
}

#[test]
fn whatever_is_asked_for_an_answer_of_something_else_is_waited_out_and_believed_by_nobody() {
    let bodies = ["<html>blocked</html>", "", r#"{"ok":true}"#, r#"{"error":"blocked"}"#, r#"{"error":{"code":1}}"#];
    for kind in ["files", "create", "trashed", "tabs", "columns", "setup", "extend", "mark", "append"] {
        for status in [200, 400, 403, 404, 407] {
            for body in bodies {
                let (mut google, mut host) = (Google::default(), Host::new(1));
                if !matches!(kind, "files" | "create" | "setup") {
                    host.settle(&mut google);
                    google.advance(3_600_000);
                    host.columns.push(crate::tests::column("note"));
                }
                if kind == "mark" {
                    google.faults = vec![Fault::None; 6].into();
                    google.faults.push_back(Fault::LostAfter);
                }
                google.scripted = vec![(kind, status, body.to_owned()); 5].into();
                run(&mut google, &mut host);
                let case = format!("{kind} {status} {body}");
                assert_eq!((google.scripted.len(), google.files().len()), (0, 1), "{case}");
                let rows = google.rows("Punches");
                let mut keys = first_cells(&rows);
                keys.dedup();
                assert_eq!((keys.len(), google.file().tabs.len()), (rows.len(), 1), "{case}");
                let is_said = |problem: &punchcard_sdk::Problem| {
                    problem.advice.contains("omething in the network answers in place of Google")
                };
                assert!(kind == "create" || host.problems.iter().any(is_said), "{case}: {:?}", host.problems);
            }
        }
    }
}

#[test]
fn what_was_not_carried_out_is_repeated_as_it_was() {
    for fault in [
        Fault::LostBefore,
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(409),
        Fault::CrashBefore { reboot: false },
        Fault::CrashBefore { reboot: true },
    ] {
        let (mut google, mut host) = settled();
        google.faults = [fault].into();
        run(&mut google, &mut host);
        assert_eq!(google.log, ["append", "mark", "tabs", "columns", "append"], "{fault:?}");
        assert_eq!(google.requests[0], google.requests[4]);
        assert_eq!(google.rows("Punches").len(), 3);
    }
}

#[test]
fn what_was_refused_for_the_moment_is_sent_again_after_a_pause() {
    for fault in [Fault::Status(429), Fault::Status(403), Fault::Unsent] {
        let (mut google, mut host) = settled();
        google.faults = [fault; 8].into();
        run(&mut google, &mut host);
        assert_eq!(google.log, ["append"; 9], "{fault:?}");
        let waited = host.waited_ms.split_off(1);
        for (waited, least) in waited.iter().zip([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000]) {
            assert!((least..=least * 5 / 4).contains(waited), "{waited}");
        }
        assert_eq!(host.problems.len(), 5);
        let headline = if fault == Fault::Unsent { "no answer from Google" } else { "Google is not ready" };
        assert_eq!(host.problems[0].headline, headline);
        assert_eq!(host.state().failures, 0);
        assert_eq!(host.state().spent[0].doubt, None, "nothing was in doubt");
    }
}

#[test]
fn a_request_that_wakes_up_late_doubles_nothing() {
    for late_ms in [100, 1_500, 30_000, 179_000] {
        for crash in [false, true] {
            for deleting_missing_fails in [false, true] {
                let (mut google, mut host) = settled();
                google.refuse_missing_metadata(deleting_missing_fails);
                let late = Fault::Late(late_ms);
                let crashed = Fault::CrashLate { reboot: true, after_ms: late_ms };
                google.faults = [if crash { crashed } else { late }].into();
                for _ in 0..30 {
                    run(&mut google, &mut host);
                    google.advance(10_000);
                }
                assert_eq!(google.rows("Punches").len(), 32, "{late_ms} {crash}");
            }
        }
    }
}

#[test]
fn a_refusal_of_the_repeat_is_not_believed_before_the_mark_was_read() {
    let (mut google, mut host) = settled();
    // Carried out between the reading of the mark and the repeat.
    google.faults = [Fault::Late(1_150)].into();
    host.waited_ms.clear();
    let batch = host.batch(1);
    let mut signal = Signal::Begin;
    loop {
        signal = match host.step(&google, &batch, signal) {
            Directive::Send(request) => {
                if google.log.len() == 4 {
                    google.advance(5_000);
                }
                match google.perform(&request) {
                    Reply::Response(response) => Signal::Responded(response),
                    Reply::Failure(failure) => Signal::Failed(failure),
                    Reply::Crash { .. } => unreachable!(),
                }
            }
            Directive::Wait(_) => Signal::Elapsed,
            Directive::Delivered(_) => break,
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(google.log, ["append", "mark", "tabs", "columns", "append", "mark"]);
    assert_eq!(google.rows("Punches").len(), 3);
}

#[test]
fn a_mark_that_was_in_doubt_is_kept_for_ten_minutes_of_this_boot() {
    let (mut google, mut host) = settled();
    google.faults = [Fault::LostAfter].into();
    run(&mut google, &mut host);
    let kept = google.file().marks()[0].0;
    let has = |google: &Google| google.file().marks().iter().any(|(id, _)| *id == kept);
    google.advance(500_000);
    run(&mut google, &mut host);
    assert!(has(&google));
    host.reboot(&google);
    google.advance(599_000);
    run(&mut google, &mut host);
    assert!(has(&google), "how long it was off is not known");
    run(&mut google, &mut host);
    google.advance(600_000);
    run(&mut google, &mut host);
    assert!(!has(&google));
    run(&mut google, &mut host);
    assert_eq!(google.file().marks().len(), 1);
}

#[test]
fn marks_in_doubt_are_deleted_25_at_a_time() {
    let (mut google, mut host) = settled();
    for _ in 0..40 {
        google.faults = [Fault::LostAfter].into();
        run(&mut google, &mut host);
    }
    assert_eq!(google.file().marks().len(), 40);
    google.advance(700_000);
    run(&mut google, &mut host);
    assert_eq!(google.file().marks().len(), 16);
    run(&mut google, &mut host);
    assert_eq!(google.file().marks().len(), 1);
}

#[test]
fn an_id_that_somebody_else_uses_is_exchanged() {
    let (mut google, mut host) = settled();
    let batch = host.batch(1);
    let Directive::Send(_) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    let id = i64::from(host.state().mark.unwrap().id.unwrap());
    let theirs = crate::rig::Metadata {
        key: "punchcard.batch".into(),
        value: "theirs".into(),
        location: crate::rig::Location::Spreadsheet,
    };
    google.attach(Some(id), &theirs);
    // Found after a crash: the id is exchanged when nothing with it can happen any more.
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(google.log, ["mark", "mark", "append"]);
    assert!(host.waited_ms.contains(&599_950), "{:?}", host.waited_ms);
    assert!(google.file().metadata.contains_key(&id), "and is not deleted");
}

#[test]
fn what_rows_in_doubt_wait_for_is_said() {
    let (mut google, mut host) = settled();
    let batch = host.batch(1);
    let Directive::Send(_) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    let theirs = crate::rig::Metadata {
        key: "punchcard.batch".into(),
        value: "theirs".into(),
        location: crate::rig::Location::Spreadsheet,
    };
    google.attach(host.state().mark.unwrap().id.map(i64::from), &theirs);
    let Directive::Send(request) = host.step(&google, &batch, Signal::Resumed) else { panic!() };
    let Reply::Response(response) = google.perform(&request) else { panic!() };
    let Directive::Wait(pause) = host.step(&google, &batch, Signal::Responded(response)) else { panic!() };
    assert_eq!(pause.problem.unwrap().headline, "rows are in doubt");
}

#[test]
fn an_id_that_was_taken_before_it_was_used_is_exchanged_at_once() {
    let (mut google, mut host) = settled();
    let batch = host.batch(1);
    let Directive::Send(request) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    let id = i64::from(host.state().mark.unwrap().id.unwrap());
    let theirs = crate::rig::Metadata {
        key: "somebody.elses".into(),
        value: batch.id.clone(),
        location: crate::rig::Location::Spreadsheet,
    };
    google.attach(Some(id), &theirs);
    let Reply::Response(response) = google.perform(&request) else { panic!() };
    assert_eq!(host.run(&mut google, &batch, Signal::Responded(response)), delivered("file1"));
    assert_eq!(google.log, ["append", "mark", "append"]);
    assert_eq!(host.waited_ms, [2_000], "the one after the creation");
}

#[test]
fn a_batch_that_was_reported_and_comes_again_is_reported_again() {
    let (mut google, mut host) = settled();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    for signal in [Signal::Resumed, Signal::Begin, Signal::Retry] {
        assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
    }
    assert_eq!(google.log, ["append"]);
}

#[test]
fn a_batch_that_the_host_gave_up_while_in_doubt_leaves_its_mark_for_later() {
    let (mut google, mut host) = settled();
    let batch = host.batch(1);
    let Directive::Send(_) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    let id = host.state().mark.unwrap().id.unwrap();
    run(&mut google, &mut host);
    assert!(host.state().spent.iter().any(|spent| spent.id == id && spent.doubt.is_some()));
}

#[test]
fn marks_that_are_gone_already_do_not_stop_a_batch() {
    for deleting_missing_fails in [false, true] {
        let (mut google, mut host) = settled();
        google.refuse_missing_metadata(deleting_missing_fails);
        google.detach(&json!({ "locationType": "SPREADSHEET" }));
        run(&mut google, &mut host);
        let expected: &[&str] =
            if deleting_missing_fails { &["append", "mark", "tabs", "columns", "append"] } else { &["append"] };
        assert_eq!(google.log, expected);
        google.log.clear();
        run(&mut google, &mut host);
        assert_eq!(google.log, ["append"]);
        assert_eq!(google.rows("Punches").len(), 4);
    }
}

#[test]
fn a_mark_that_can_not_be_read_is_asked_for_again_and_not_replaced() {
    for garbage in ["{}", r#"{"metadataKey":7}"#, "<html>"] {
        let (mut google, mut host) = settled();
        google.faults = [Fault::LostAfter].into();
        google.scripted = [("mark", 200, garbage.to_owned())].into();
        run(&mut google, &mut host);
        assert_eq!(google.log, ["append", "mark", "mark"], "{garbage}");
        // Another's mark would be waited for until nothing is in doubt.
        assert!(host.waited_ms.iter().sum::<u64>() < 60_000, "{:?}", host.waited_ms);
        assert_eq!(google.rows("Punches").len(), 3);
    }
}

#[test]
fn the_mark_of_a_batch_that_was_given_up_is_deleted_later() {
    let (google, mut host) = settled();
    let given_up = host.batch(1);
    host.step(&google, &given_up, Signal::Begin);
    let mark = host.state().mark.unwrap().id.unwrap();
    let next = host.batch(1);
    host.step(&google, &next, Signal::Begin);
    let state = host.state();
    assert_eq!(state.mark.unwrap().batch, next.id);
    assert!(state.spent.iter().any(|spent| spent.id == mark && spent.doubt.is_some()));
}
