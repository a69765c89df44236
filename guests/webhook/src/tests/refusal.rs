//! Rows that a receiver refuses: found, set aside, and passed by.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[test]
fn a_row_that_the_receiver_refuses_is_set_aside_with_its_words_and_the_others_go_on() {
    for status in [400, 422] {
        let mut script = Script::new(8);
        let words = "no such\nproject\u{1b}[2J";
        let (asked, done) = script.run(|rows| match rows.contains(&5) {
            true => (status, words.to_owned()),
            false => (200, String::new()),
        });
        assert_eq!(asked, [0..8, 0..4, 4..8, 4..6, 4..5, 5..7, 5..6, 6..7, 7..8]);
        let reason = format!("the server answers {status}; it says: no such project [2J");
        assert_eq!(rejected(done), [Rejection { row: 5, reason }]);
        assert_eq!(script.state.failures, 0);
    }
}

#[test]
fn a_batch_of_one_row_that_is_refused_does_not_stop_the_next() {
    let mut script = Script::new(1);
    let (asked, done) = script.run(|_| (422, String::new()));
    assert_eq!(asked.len(), 1);
    assert_eq!(rejected(done), [Rejection { row: 0, reason: "the server answers 422".into() }]);
    script.batch.id = "77aa".into();
    sent(script.step(Signal::Begin));
    assert_eq!(rejected(script.answer(200, "")), []);
    assert_eq!(script.state.refusals, 0);
}

#[test]
fn rows_that_may_have_arrived_are_refused_only_by_their_own_key() {
    let doubts = [
        Signal::Resumed,
        Signal::Failed(Failure::Interrupted("reset".into())),
        Signal::Failed(Failure::TooLarge(8)),
        answered(200, &[], r#"{"rejected":7}"#),
        answered(200, &[], "<html>"),
        answered(409, &[], ""),
        answered(500, &[], ""),
    ];
    for doubt in doubts {
        let mut script = Script::new(4);
        let first = sent(script.step(Signal::Begin));
        let again = match script.step(doubt) {
            Directive::Send(request) => request,
            Directive::Wait(_) => sent(script.step(Signal::Elapsed)),
            _ => sent(script.step(Signal::Retry)),
        };
        assert_eq!(again, first);
        // It was asked with the key of the rows, and has none of them.
        assert_eq!(range(&sent(script.answer(422, ""))), 0..2);
    }
}

#[test]
fn a_receiver_that_has_come_to_refuse_everything_does_not_have_everything_set_aside() {
    let mut script = Script::new(30);
    let (_, directive) = script.run(|_| (400, "unknown version".to_owned()));
    let (milliseconds, problem) = held(directive);
    assert_eq!((milliseconds, problem.headline.as_str()), (900_000, "webhook refuses rows"));
    assert_eq!(
        problem.advice,
        "the server refused 10 rows in a row, the last with 400; look whether it still takes what this device sends. They \
         are set aside, and `punchcard rejects` has them; the next row is tried in 15 minutes, or with `punchcard sinks \
         retry SINK`; it says: unknown version"
    );
    // One more for each pause.
    assert_eq!(range(&sent(script.step(Signal::Retry))), 10..11);
    let (_, problem) = held(script.answer(400, ""));
    assert!(problem.advice.starts_with("the server refused 11 rows in a row"), "{}", problem.advice);
    // Mended, the others go.
    assert_eq!(range(&sent(script.step(Signal::Retry))), 11..12);
    assert_eq!(range(&sent(script.answer(200, ""))), 12..14);
    assert_eq!(script.state.refusals, 0);
}

#[test]
fn rows_that_are_refused_one_batch_after_the_other_count_together() {
    let mut script = Script::new(1);
    for batch in 0..9 {
        script.batch.id = format!("{batch}");
        script.step(Signal::Begin);
        assert_eq!(rejected(script.answer(400, "")).len(), 1);
    }
    script.batch.id = "9".into();
    script.step(Signal::Begin);
    held(script.answer(400, ""));
    // The row is set aside all the same.
    assert_eq!(rejected(script.step(Signal::Retry)).len(), 1);
}

#[test]
fn a_receivers_words_are_quoted_from_their_beginning() {
    for character in ["x", "é", "€", "🦀"] {
        let (_, done) = Script::new(1).run(|_| (400, character.repeat(2_000)));
        let reason = rejected(done).remove(0).reason;
        let (_, said) = reason.split_once("; it says: ").unwrap();
        assert_eq!(said, format!("{}…", character.repeat(300)));
    }
}

/// What happens to one request, or to the step behind its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The device ends before the request has left.
    CrashBefore,
    /// The device ends after the receiver has acted, and before its answer has come.
    CrashAfter,
    /// The device ends with the answer taken in, and before the new state is durable.
    CrashUnkept,
    /// The request does not arrive.
    Unsent,
    /// The answer does not arrive.
    Interrupted,
    /// A proxy answers in place of the receiver, with this status; it had passed the request on, or not.
    Page(u16, bool),
    /// The receiver has acted, and answers with this status.
    Odd(u16),
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let status = prop::sample::select(vec![200, 400, 403, 404, 422, 502]);
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::CrashBefore),
        1 => Just(Fault::CrashAfter),
        1 => Just(Fault::CrashUnkept),
        1 => Just(Fault::Unsent),
        1 => Just(Fault::Interrupted),
        2 => (status, any::<bool>()).prop_map(|(status, passed)| Fault::Page(status, passed)),
        1 => prop::sample::select(vec![302, 307, 405, 409, 500, 503]).prop_map(Fault::Odd),
    ]
}

/// A receiver that remembers keys: what it answered to one stays its answer.
#[derive(Default)]
struct Receiver {
    poison: BTreeSet<String>,
    answers: BTreeMap<String, (u16, Vec<String>)>,
    /// How often it took each row.
    taken: BTreeMap<String, u32>,
}

impl Receiver {
    fn post(&mut self, request: &Request) -> u16 {
        let key = request.headers[0].value.clone();
        let body = body(request);
        let rows: Vec<String> =
            body["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect();
        if let Some((status, before)) = self.answers.get(&key) {
            assert_eq!(*before, rows, "other rows under the key {key}");
            return *status;
        }
        let status = if rows.iter().any(|row| self.poison.contains(row)) { 422 } else { 200 };
        if status == 200 {
            rows.iter().for_each(|row| *self.taken.entry(row.clone()).or_default() += 1);
        }
        self.answers.insert(key, (status, rows));
        status
    }
}

/// Carries a batch as the host does: a state is durable before what it came with is done. Returns what was rejected.
fn carry(
    batch: &Batch,
    kept: &mut Vec<u8>,
    receiver: &mut Receiver,
    faults: &mut impl Iterator<Item = Fault>,
) -> Vec<Rejection> {
    let settings = settings("");
    let mut signal = Signal::Begin;
    for _ in 0..10_000 {
        let mut state: State = parse_state(kept, Webhook::STATE_VERSION, Webhook::migrate).unwrap();
        let directive = Webhook::step(&settings, &mut state, batch, signal, &context(0)).unwrap();
        *kept = render_state(&state, Webhook::STATE_VERSION).unwrap();
        signal = match directive {
            Directive::Send(request) => {
                let page = |status| answered(status, &[("content-type", "text/html")], "<html>");
                match faults.next().unwrap_or(Fault::None) {
                    Fault::None => answered(receiver.post(&request), &[], ""),
                    Fault::CrashBefore => Signal::Resumed,
                    Fault::CrashAfter => {
                        receiver.post(&request);
                        Signal::Resumed
                    }
                    Fault::CrashUnkept => {
                        let mut lost = state.clone();
                        let answer = answered(receiver.post(&request), &[], "");
                        Webhook::step(&settings, &mut lost, batch, answer, &context(0)).unwrap();
                        Signal::Resumed
                    }
                    Fault::Unsent => Signal::Failed(Failure::Unsent("no route".into())),
                    Fault::Interrupted => {
                        receiver.post(&request);
                        Signal::Failed(Failure::Interrupted("reset".into()))
                    }
                    Fault::Page(status, passed) => {
                        if passed {
                            receiver.post(&request);
                        }
                        page(status)
                    }
                    Fault::Odd(status) => {
                        receiver.post(&request);
                        answered(status, &[], "{}")
                    }
                }
            }
            Directive::Wait(_) => Signal::Elapsed,
            Directive::Hold(_) => Signal::Retry,
            Directive::Delivered(receipt) => return receipt.rejected,
            other => panic!("{other:?}"),
        };
    }
    panic!("it never ends");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_good_row_arrives_once_and_each_other_one_is_rejected_once(
        batches in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.3), 1..24), 1..4),
        faults in prop::collection::vec(any_fault(), 0..60),
    ) {
        let key = |batch: usize, row: usize| format!("01J{batch}/{row}");
        let mut receiver = Receiver::default();
        for (batch, rows) in batches.iter().enumerate() {
            receiver.poison.extend((0..rows.len()).filter(|row| rows[*row]).map(|row| key(batch, row)));
        }
        let (mut kept, mut faults) = (Vec::new(), faults.into_iter());
        for (batch, rows) in batches.iter().enumerate() {
            let posted = Batch {
                id: format!("batch-{batch}"),
                columns: vec![],
                rows: (0..rows.len()).map(|row| Row { key: key(batch, row), cells: vec![] }).collect(),
                corrections: vec![],
            };
            let rejected = carry(&posted, &mut kept, &mut receiver, &mut faults);
            let rows_rejected: Vec<usize> = rejected.iter().map(|rejection| rejection.row as usize).collect();
            let poison: Vec<usize> = (0..rows.len()).filter(|row| rows[*row]).collect();
            prop_assert_eq!(rows_rejected, poison);
        }
        for (batch, rows) in batches.iter().enumerate() {
            for (row, poison) in rows.iter().enumerate() {
                prop_assert_eq!(receiver.taken.get(&key(batch, row)).copied(), (!poison).then_some(1));
            }
        }
    }
}
