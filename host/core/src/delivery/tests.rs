//! Scripts of what happens to a sink's deliveries, and the connector's next signal.

use super::*;
use crate::http::{Failure, Method};

fn request() -> Request {
    Request {
        method: Method::Get,
        url: "https://example.com".into(),
        headers: Vec::new(),
        body: None,
        authorized: false,
        idempotent: true,
        timeout_ms: None,
    }
}

fn pause(milliseconds: u64) -> Pause {
    Pause { milliseconds, problem: Some(problem()) }
}

fn problem() -> Problem {
    Problem { headline: "sheet was deleted".into(), advice: "create anew".into() }
}

fn step(work: Work, signal: Signal) -> Plan {
    Plan::Step { work, signal }
}

fn receipt() -> Receipt {
    Receipt { rejected: Vec::new(), link: None }
}

/// A carrier that was given work.
fn begun(work: Work, tried: bool) -> Carrier {
    let mut carrier = Carrier::default();
    assert_eq!(carrier.plan(0), Plan::Idle);
    carrier.begin(work, tried);
    carrier
}

#[test]
fn work_begins_with_its_signal() {
    for (work, tried, signal) in [
        (Work::Prepare, false, Signal::Prepare),
        (Work::Prepare, true, Signal::Prepare),
        (Work::CreateAnew, false, Signal::CreateAnew),
        (Work::Batch, false, Signal::Begin),
        (Work::Batch, true, Signal::Resumed),
    ] {
        let mut carrier = begun(work, tried);
        assert_eq!(carrier.plan(0), step(work, signal), "{work:?} {tried}");
        assert_eq!(carrier.standing(), &DeliveryStatus::Working);
    }
}

#[test]
fn a_request_is_sent_and_its_answer_is_the_next_signal() {
    let mut carrier = begun(Work::Batch, false);
    carrier.plan(0);
    assert_eq!(carrier.stepped(Work::Batch, Directive::Send(request()), 0), Next::Send(request()));
    let failed = Signal::Failed(Failure::Interrupted("reset".into()));
    carrier.answered(Work::Batch, failed.clone());
    assert_eq!(carrier.plan(0), step(Work::Batch, failed));
    let next = carrier.stepped(Work::Batch, Directive::Delivered(receipt()), 0);
    assert_eq!(next, Next::Done(Work::Batch, receipt()));
    assert_eq!((carrier.plan(0), carrier.standing()), (Plan::Idle, &DeliveryStatus::Idle));
}

#[test]
fn what_is_cut_off_while_a_request_is_under_way_is_resumed() {
    let mut carrier = begun(Work::Batch, false);
    carrier.plan(0);
    carrier.stepped(Work::Batch, Directive::Send(request()), 0);
    assert_eq!(carrier.plan(0), step(Work::Batch, Signal::Resumed));
}

#[test]
fn a_wait_ends_with_elapsed_and_a_person_does_not_shorten_it() {
    let mut carrier = begun(Work::Prepare, false);
    carrier.plan(0);
    assert_eq!(carrier.stepped(Work::Prepare, Directive::Wait(pause(500)), 1_000), Next::Later);
    assert_eq!(carrier.standing(), &DeliveryStatus::Waiting { problem: Some(problem()) });
    carrier.ask_retry();
    assert_eq!(carrier.plan(1_499), Plan::WaitUntil(1_500));
    assert_eq!(carrier.plan(1_500), step(Work::Prepare, Signal::Elapsed));
}

#[test]
fn what_is_held_is_tried_again_when_a_person_says_so_or_its_recheck_is_due() {
    for asked in [true, false] {
        let mut carrier = begun(Work::Batch, false);
        carrier.plan(0);
        assert_eq!(carrier.stepped(Work::Batch, Directive::Hold(pause(500)), 0), Next::Later);
        assert_eq!(carrier.standing(), &DeliveryStatus::Held { problem: Some(problem()) });
        assert_eq!(carrier.plan(499), Plan::WaitUntil(500));
        if asked {
            carrier.ask_retry();
        }
        let now_ms = if asked { 499 } else { 500 };
        assert_eq!(carrier.plan(now_ms), step(Work::Batch, Signal::Retry));
        assert_eq!(
            carrier.standing(),
            &DeliveryStatus::Held { problem: Some(problem()) },
            "said until a step shows better"
        );
    }
}

#[test]
fn failed_work_begins_again_after_pauses_that_grow_or_when_a_person_says_so() {
    let mut carrier = begun(Work::Batch, false);
    carrier.plan(0);
    for (now_ms, until_ms) in [(0, 1_000), (1_000, 3_000)] {
        carrier.failed(Work::Batch, "trap".into(), now_ms);
        assert_eq!(carrier.standing(), &DeliveryStatus::Failing { reason: "trap".into() });
        assert_eq!(carrier.plan(until_ms - 1), Plan::WaitUntil(until_ms));
        assert_eq!(carrier.plan(until_ms), step(Work::Batch, Signal::Resumed));
    }
    carrier.failed(Work::Prepare, "trap".into(), 3_000);
    carrier.ask_retry();
    assert_eq!(carrier.plan(3_000), step(Work::Prepare, Signal::Prepare));
    carrier.stepped(Work::Prepare, Directive::Wait(pause(0)), 3_000);
    carrier.kept();
    carrier.failed(Work::CreateAnew, "trap".into(), 4_000);
    assert_eq!(carrier.plan(4_999), Plan::WaitUntil(5_000), "a success begins the count anew");
    assert_eq!(carrier.plan(5_000), step(Work::CreateAnew, Signal::CreateAnew));
}

#[test]
fn a_new_destination_comes_between_steps_before_everything_else_and_once() {
    let mut carrier = begun(Work::Batch, false);
    carrier.plan(0);
    carrier.ask_create_anew();
    assert_eq!(carrier.plan(0), step(Work::Batch, Signal::Begin), "a signal that is due comes first");
    carrier.stepped(Work::Batch, Directive::Hold(pause(500)), 0);
    assert_eq!(carrier.plan(0), step(Work::CreateAnew, Signal::CreateAnew));
    let next = carrier.stepped(Work::CreateAnew, Directive::Delivered(receipt()), 0);
    assert_eq!(next, Next::Done(Work::CreateAnew, receipt()));
    assert_eq!(carrier.plan(0), Plan::Idle);
}

#[test]
fn a_retry_that_nothing_waits_for_is_forgotten() {
    let mut carrier = Carrier::default();
    carrier.ask_retry();
    assert_eq!(carrier.plan(0), Plan::Idle);
    carrier.begin(Work::Batch, false);
    carrier.plan(0);
    carrier.stepped(Work::Batch, Directive::Hold(pause(500)), 0);
    assert_eq!(carrier.plan(1), Plan::WaitUntil(500));
}

#[test]
fn a_connector_that_runs_in_circles_is_slowed_down() {
    let mut carrier = begun(Work::Batch, true);
    for _ in 0..IDLE_STEPS.get() {
        assert!(matches!(carrier.plan(5), Plan::Step { .. }));
        carrier.stepped(Work::Batch, Directive::Wait(pause(0)), 5);
    }
    assert_eq!(carrier.plan(6), Plan::WaitUntil(60_005));
    let answer = Signal::Responded(crate::http::Response { status: 200, headers: Vec::new(), body: Vec::new() });
    carrier.answered(Work::Batch, answer.clone());
    assert_eq!(carrier.plan(6), step(Work::Batch, answer));
}

#[test]
fn rows_are_never_made_to_wait_for_a_connector_that_needs_no_server() {
    let mut carrier = Carrier::default();
    for _ in 0..10 * IDLE_STEPS.get() {
        assert_eq!(carrier.plan(0), Plan::Idle);
        carrier.begin(Work::Batch, false);
        assert_eq!(carrier.plan(0), step(Work::Batch, Signal::Begin));
        carrier.stepped(Work::Batch, Directive::Delivered(receipt()), 0);
    }
}

#[test]
fn a_ledger_that_keeps_nothing_is_tried_less_and_less_often() {
    let mut carrier = begun(Work::Batch, true);
    carrier.plan(0);
    let mut until = Vec::new();
    for _ in 0..3 {
        carrier.stepped(Work::Batch, Directive::Wait(pause(0)), 0);
        carrier.failed(Work::Batch, "the card is full".into(), 0);
        until.push(carrier.plan(0));
    }
    assert_eq!(until, [Plan::WaitUntil(1_000), Plan::WaitUntil(2_000), Plan::WaitUntil(4_000)]);
    carrier.kept();
    carrier.failed(Work::Batch, "a trap".into(), 0);
    assert_eq!(carrier.plan(0), Plan::WaitUntil(1_000));
}

#[test]
fn a_paused_sink_plans_nothing_whatever_it_was_about() {
    let mut due = begun(Work::Batch, false);
    let mut waiting = begun(Work::Batch, false);
    waiting.plan(0);
    waiting.stepped(Work::Batch, Directive::Wait(pause(500)), 0);
    let mut held = begun(Work::Batch, false);
    held.plan(0);
    held.stepped(Work::Batch, Directive::Hold(pause(500)), 0);
    let mut failed = begun(Work::Batch, false);
    failed.plan(0);
    failed.failed(Work::Batch, "trap".into(), 0);
    let mut asked = Carrier::default();
    asked.ask_create_anew();
    for (carrier, then) in [
        (&mut Carrier::default(), Plan::Idle),
        (&mut due, step(Work::Batch, Signal::Begin)),
        (&mut waiting, step(Work::Batch, Signal::Elapsed)),
        (&mut held, step(Work::Batch, Signal::Retry)),
        (&mut failed, step(Work::Batch, Signal::Resumed)),
        (&mut asked, step(Work::CreateAnew, Signal::CreateAnew)),
    ] {
        carrier.set_paused(true);
        for now_ms in [0, 500, 1_000_000] {
            assert_eq!((carrier.plan(now_ms), carrier.standing()), (Plan::Rest, &DeliveryStatus::Paused), "{then:?}");
        }
        carrier.set_paused(false);
        assert_eq!(carrier.plan(1_000_000), then);
        assert_ne!(carrier.standing(), &DeliveryStatus::Paused);
    }
}

#[test]
fn what_was_wrong_before_a_pause_is_said_again_after_it() {
    let mut carrier = begun(Work::Batch, false);
    carrier.plan(0);
    carrier.stepped(Work::Batch, Directive::Hold(pause(500)), 0);
    carrier.set_paused(true);
    assert_eq!(carrier.plan(10), Plan::Rest);
    carrier.set_paused(false);
    assert_eq!(carrier.plan(20), Plan::WaitUntil(500));
    assert_eq!(carrier.standing(), &DeliveryStatus::Held { problem: Some(problem()) });
}

#[test]
fn an_answer_that_comes_after_a_pause_is_taken_in_and_no_request_follows() {
    let answer = Signal::Responded(crate::http::Response { status: 200, headers: Vec::new(), body: Vec::new() });
    for signal in [answer, Signal::Failed(Failure::Unsent("paused".into()))] {
        for (next, then) in [
            (Directive::Delivered(receipt()), Plan::Idle),
            (Directive::Send(request()), step(Work::Batch, Signal::Resumed)),
            (Directive::Wait(pause(5)), step(Work::Batch, Signal::Elapsed)),
        ] {
            let mut carrier = begun(Work::Batch, false);
            carrier.plan(0);
            carrier.stepped(Work::Batch, Directive::Send(request()), 0);
            carrier.set_paused(true);
            carrier.answered(Work::Batch, signal.clone());
            assert_ne!(carrier.standing(), &DeliveryStatus::Paused, "something is still being done");
            assert_eq!(carrier.plan(0), step(Work::Batch, signal.clone()));
            let done = carrier.stepped(Work::Batch, next, 0);
            assert!(!matches!(done, Next::Send(_)), "{done:?}");
            assert_eq!((carrier.plan(0), carrier.standing()), (Plan::Rest, &DeliveryStatus::Paused));
            carrier.set_paused(false);
            assert_eq!(carrier.plan(9), then);
        }
    }
}

fn page(next: Option<&str>) -> Page {
    Page { rows: Vec::new(), next: next.map(str::to_owned), link: None }
}

/// A carrier that reads rows back, and was asked for its first step.
fn reading() -> Carrier {
    let mut carrier = begun(Work::ReadBack, false);
    assert_eq!(carrier.plan(0), step(Work::ReadBack, Signal::ReadBack(None)));
    carrier
}

#[test]
fn rows_are_read_back_page_by_page() {
    let mut carrier = reading();
    assert_eq!(carrier.stepped(Work::ReadBack, Directive::Send(request()), 0), Next::Send(request()));
    assert_eq!(
        carrier.stepped(Work::ReadBack, Directive::Wait(Pause { milliseconds: 5, problem: None }), 0),
        Next::Later
    );
    assert_eq!(carrier.plan(5), step(Work::ReadBack, Signal::Elapsed));
    let first = page(Some("b"));
    assert_eq!(carrier.stepped(Work::ReadBack, Directive::Found(first.clone()), 5), Next::Found(first));
    assert_eq!(carrier.plan(5), step(Work::ReadBack, Signal::ReadBack(Some("b".into()))));
    assert_eq!(carrier.stepped(Work::ReadBack, Directive::Found(page(None)), 5), Next::Found(page(None)));
    assert_eq!((carrier.plan(5), carrier.standing()), (Plan::Idle, &DeliveryStatus::Idle));
}

#[test]
fn whatever_is_in_the_way_of_reading_back_ends_it_and_holds_nothing_up() {
    let said = "sheet was deleted: create anew";
    for (directive, why, needs_person) in [
        (Directive::Hold(pause(500)), said, true),
        (Directive::Wait(pause(500)), said, false),
        (Directive::Hold(Pause { milliseconds: 5, problem: None }), "the connector waits for a person", true),
        (Directive::Delivered(receipt()), "the connector does not say which rows are there", false),
    ] {
        let mut carrier = reading();
        let gave_up = Next::GaveUp { reason: why.into(), needs_person };
        assert_eq!(carrier.stepped(Work::ReadBack, directive, 0), gave_up);
        assert_eq!((carrier.plan(0), carrier.standing()), (Plan::Idle, &DeliveryStatus::Idle));
    }
    let mut carrier = reading();
    carrier.failed(Work::ReadBack, "trap".into(), 0);
    assert_eq!((carrier.plan(0), carrier.standing()), (Plan::Idle, &DeliveryStatus::Idle));
    for waits in [false, true] {
        let mut carrier = reading();
        if waits {
            carrier.stepped(Work::ReadBack, Directive::Wait(Pause { milliseconds: 5, problem: None }), 0);
        }
        carrier.set_paused(true);
        assert_eq!(carrier.plan(0), Plan::Rest);
        carrier.set_paused(false);
        assert_eq!(carrier.plan(9), Plan::Idle, "what was paused is not read on");
    }
}

#[test]
fn rows_that_nobody_asked_for_are_a_failure() {
    let mut carrier = begun(Work::Batch, false);
    carrier.plan(0);
    assert_eq!(carrier.stepped(Work::Batch, Directive::Found(page(None)), 0), Next::Later);
    assert!(matches!(carrier.standing(), DeliveryStatus::Failing { .. }));
    assert_eq!(carrier.plan(1_000), step(Work::Batch, Signal::Resumed));
}

#[test]
fn a_notice_stops_nothing_and_is_said_until_another_takes_its_place() {
    let mut carrier = begun(Work::Prepare, false);
    carrier.plan(0);
    assert_eq!(carrier.stepped(Work::Prepare, Directive::Notice(Some(problem())), 0), Next::Later);
    assert_eq!(carrier.plan(0), step(Work::Prepare, Signal::Elapsed));
    assert_eq!(
        carrier.stepped(Work::Prepare, Directive::Delivered(receipt()), 0),
        Next::Done(Work::Prepare, receipt())
    );
    assert_eq!(
        (carrier.plan(0), carrier.standing(), carrier.notice()),
        (Plan::Idle, &DeliveryStatus::Idle, Some(&problem()))
    );
    carrier.begin(Work::Batch, false);
    carrier.plan(0);
    carrier.stepped(Work::Batch, Directive::Notice(None), 0);
    assert_eq!((carrier.plan(0), carrier.notice()), (step(Work::Batch, Signal::Elapsed), None));
}
