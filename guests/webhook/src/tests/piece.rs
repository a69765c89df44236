//! Batches that are too large for their receiver, in pieces.

use super::*;

#[test]
fn a_batch_that_is_too_large_goes_in_halves() {
    let mut script = Script::new(10);
    let (asked, done) = script.run(|rows| (if rows.len() > 3 { 413 } else { 200 }, String::new()));
    assert_eq!(rejected(done), []);
    assert_eq!(asked, [0..10, 0..5, 0..2, 2..5, 5..9, 5..7, 7..10]);
    // The next batch begins with what passed last, and a quarter more.
    script.batch.id = "77aa".into();
    assert_eq!(sent(script.step(Signal::Begin)).headers[0].value, "77aa/0-4");
}

#[test]
fn a_row_that_is_too_large_alone_is_refused_and_holds_up_no_other() {
    let mut script = Script::new(1_000);
    script.batch.rows[700].cells = vec![Cell::Text("x".repeat(70_000))];
    let (asked, done) = script.run(|rows| (if rows.contains(&700) { 413 } else { 200 }, String::new()));
    let reason = "the server answers 413: 70143 bytes with this row alone are too many".to_owned();
    assert_eq!(rejected(done), [Rejection { row: 700, reason }]);
    assert!(asked.len() < 60, "{}", asked.len());
    // Every other row arrived once, in order.
    let arrived: Vec<u32> = asked.into_iter().filter(|rows| !rows.contains(&700)).flatten().collect();
    assert_eq!(arrived, (0..1_000).filter(|row| *row != 700).collect::<Vec<_>>());
}

#[test]
fn every_row_too_large_is_a_batch_without_a_row_that_arrives() {
    let (asked, done) = Script::of_bytes(4, 70_000).run(|_| (413, String::new()));
    assert_eq!(rejected(done).iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(asked, [0..4, 0..2, 0..1, 1..2, 2..3, 3..4]);
}

#[test]
fn a_receiver_to_which_everything_is_too_large_loses_no_row() {
    let mut script = Script::new(4);
    let (asked, held_up) = script.run(|_| (413, String::new()));
    assert_eq!(asked, [0..4, 0..2, 0..1]);
    let (milliseconds, problem) = held(held_up);
    assert_eq!((milliseconds, problem.headline.as_str()), (900_000, "webhook refuses rows"));
    let bytes = sent(script.step(Signal::Retry)).body.unwrap().bytes.len();
    assert_eq!(problem.advice, format!("the server answers 413 to {bytes} bytes with a single row; let it take more"));
    // At the border.
    for (more, refused) in [(0, false), (1, true)] {
        let mut script = Script::of_bytes(1, (64 << 10) - bytes + "/0-1".len() + more);
        let request = sent(script.step(Signal::Begin));
        assert_eq!(request.body.unwrap().bytes.len(), (64 << 10) + more);
        assert_eq!(matches!(script.answer(413, ""), Directive::Delivered(_)), refused);
    }
    // Mended, it goes on where it was.
    assert_eq!(range(&sent(script.answer(200, ""))), 1..3);
}

#[test]
fn what_is_too_large_for_a_while_is_waited_for() {
    let mut script = Script::new(4);
    let first = sent(script.step(Signal::Begin));
    assert_eq!(pause(&script.step(answered(413, &[("Retry-After", "9")], ""))), (9_000, false));
    assert_eq!(sent(script.step(Signal::Elapsed)), first);
    assert_eq!(range(&sent(script.answer(413, ""))), 0..2);
}

#[test]
fn after_one_row_that_is_too_large_later_batches_go_whole_again() {
    let mut script = Script::new(8);
    script.run(|rows| (if rows.contains(&0) { 413 } else { 200 }, String::new()));
    for _ in 0..9 {
        script.run(|_| (200, String::new()));
    }
    assert_eq!(script.run(|_| (200, String::new())).0.first(), Some(&(0..8)));
}

#[test]
fn fewer_rows_in_the_settings_count_for_the_batch_on_its_way_once_it_is_in_no_doubt() {
    let mut script = Script::new(10);
    assert_eq!(range(&sent(script.step(Signal::Begin))), 0..10);
    script.settings.rows_per_request = 4;
    // The first may have arrived, and is known by its key only.
    assert_eq!(range(&sent(script.step(Signal::Resumed))), 0..10);
    assert_eq!(range(&sent(script.answer(413, ""))), 0..4);
    assert_eq!(range(&sent(script.answer(200, ""))), 4..8);
    assert_eq!(range(&sent(script.answer(200, ""))), 8..10);
    assert_eq!(rejected(script.answer(200, "")), []);
}

#[test]
fn a_piece_is_repeated_as_it_was_after_a_restart() {
    let mut script = Script::new(4);
    assert_eq!(range(&sent(script.step(Signal::Begin))), 0..4);
    let first = sent(script.answer(413, ""));
    assert_eq!(sent(script.step(Signal::Resumed)), first);
    let second = sent(script.answer(200, ""));
    assert_eq!((range(&first), range(&second)), (0..2, 2..4));
    assert!(matches!(script.step(Signal::Failed(Failure::Interrupted("reset".into()))), Directive::Wait(_)));
    assert_eq!(sent(script.step(Signal::Elapsed)), second);
    assert_eq!(rejected(script.answer(200, "")), []);
    assert_eq!(script.state.failures, 0);
}

#[test]
fn rows_that_are_refused_in_a_piece_are_counted_from_its_first() {
    let mut script = Script::new(4);
    let (_, done) = script.run(|rows| match rows.len() {
        4 => (413, String::new()),
        _ => (200, r#"{"rejected":[{"row":1,"reason":"old"}]}"#.to_owned()),
    });
    assert_eq!(rejected(done).iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [1, 3]);
    let mut script = Script::new(4);
    script.step(Signal::Begin);
    script.answer(413, "");
    let (_, problem) = held(script.answer(200, r#"{"rejected":[{"row":2}]}"#));
    assert!(problem.advice.contains("no row 2 among 2"), "{}", problem.advice);
}

#[test]
fn the_reasons_of_a_batch_in_pieces_fit_into_a_state() {
    let mut script = Script::new(10_000);
    script.settings.rows_per_request = 10_000;
    let quotes = "\\\"".repeat(400);
    let (_, done) = script.run(|rows| {
        let refusals: Vec<_> = (0..rows.len()).map(|row| format!(r#"{{"row":{row},"reason":"{quotes}"}}"#)).collect();
        let small = rows.len() <= 5_000;
        if small { (200, format!(r#"{{"rejected":[{}]}}"#, refusals.join(","))) } else { (413, String::new()) }
    });
    let rows = rejected(done);
    assert_eq!((rows.len(), rows[0].reason.len()), (10_000, 303));
    assert_eq!(rows[4_999].reason, "no room for the reason");
    assert_eq!(script.state.failures, 0);
}
