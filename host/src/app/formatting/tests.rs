//! Formatting by a plugin that traps whatever it is asked: what is kept was made by the test.

use std::time::Duration;

use bare_component::{ALLOCATES, component, component_that_returns};
use punchcard_core::event::NewEvent;
use punchcard_core::name::{InputName, PluginName};
use punchcard_core::time::{Instant, Now, TimeStatus as Known};
use tokio::sync::oneshot;
use ulid::Ulid;

use super::super::fixture::Fixture;
use super::super::replay::ReplayError;
use super::correction::CorrectionError;
use super::*;
use punchcard_ledger::{NewVersion, Whence};
use punchcard_sandbox::Plugin;

/// A sink with so many events to format, and what it stands on.
async fn formatting_of(events: u32) -> (Formatting, Fixture) {
    formatting_by(&component("formatter", "unreachable").unwrap(), events).await
}

async fn formatting_by(component: &[u8], events: u32) -> (Formatting, Fixture) {
    let (fixture, sink, plugin) = Fixture::with_sink(component).await;
    let Plugin::Formatter(formatter) = plugin else { panic!("no formatter") };
    for number in 0..events {
        let event = NewEvent {
            id: Ulid::from_parts(1, number.into()),
            at: Some(fixture.clock.wall()),
            monotonic: fixture.clock.monotonic(),
            source: InputName::parse("clock").unwrap(),
            kind: "punch".to_owned(),
            fields: Vec::new(),
        };
        fixture.ledger.accept(event).await.unwrap();
    }
    let by = Replayer {
        formatter,
        plugin: PluginName::parse("bare").unwrap(),
        settings: "{}".to_owned(),
        columns: Vec::new(),
        kinds: vec!["punch".to_owned()],
    };
    let formatting = Formatting {
        learnt: fixture.time.learnt(),
        sink,
        by,
        ledger: fixture.ledger.clone(),
        clock: fixture.clock.clone(),
        time: fixture.time.clone(),
        accepted: fixture.ledger.accepted(),
        rows: Arc::default(),
        standing: watch::channel(FormattingStatus::default()).0,
        said: mpsc::unbounded_channel().0,
        asks: mpsc::unbounded_channel().1,
    };
    (formatting, fixture)
}

/// As a formatter takes all of them, and makes no rows.
async fn keep(formatting: &mut Formatting, work: Unformatted) {
    keep_as(formatting, work, b"new", &Verdict::Accepted { rows: Vec::new(), notice: None }).await;
}

async fn keep_as(formatting: &mut Formatting, work: Unformatted, state: &[u8], verdict: &Verdict) {
    let verdicts = work.events.iter().map(|_| verdict.clone()).collect();
    let formatted = Formatted { state: state.to_vec(), standing: None, verdicts };
    let context = formatting.clock.context();
    formatting.keep(work, formatted, context).await;
}

#[tokio::test]
async fn what_was_made_while_the_sink_moved_on_is_no_failure() {
    let (mut formatting, _fixture) = formatting_of(1).await;
    let work = formatting.ledger.read_unformatted(&formatting.sink, 9).await.unwrap();
    // As if the sink moved on while the formatter worked.
    keep(&mut formatting, work.clone()).await;
    keep(&mut formatting, work).await;
    assert_eq!(*formatting.standing.borrow(), FormattingStatus::Working);
}

#[tokio::test]
async fn a_replay_that_nobody_waits_for_does_not_go_on() {
    let (mut formatting, _fixture) = formatting_of(20).await;
    let work = formatting.ledger.read_unformatted(&formatting.sink, 99).await.unwrap();
    keep(&mut formatting, work).await;
    let (reply, answer) = oneshot::channel();
    let tried = formatting.try_to_correct(Sequence(1), true, &reply).await;
    assert!(matches!(tried, Err(CorrectionError::Replay(ReplayError::Fails { .. }))), "{tried:?}");
    drop(answer);
    let tried = formatting.try_to_correct(Sequence(1), true, &reply).await;
    assert!(matches!(tried, Err(CorrectionError::Unwanted)), "{tried:?}");
}

#[tokio::test]
async fn that_times_were_wrong_is_no_longer_said_where_nothing_is_to_be_corrected() {
    let (mut formatting, _fixture) = formatting_of(1).await;
    let work = formatting.ledger.read_unformatted(&formatting.sink, 9).await.unwrap();
    // An event that was set aside is passed over.
    keep_as(&mut formatting, work, &[], &Verdict::Reject("not this one".to_owned())).await;
    let now = Now { standing: Known::Synchronised, ..formatting.clock.now(0) };
    let wall = Instant { unix_micros: now.wall.unix_micros - 3_600_000_000, ..now.wall };
    formatting.ledger.learn_time(&Now { wall, ..now }).await.unwrap();
    let corrections = async |formatting: &Formatting| formatting.ledger.clock_corrections().await.unwrap().len();
    assert_eq!(corrections(&formatting).await, 1);
    let (reply, _answer) = oneshot::channel();
    let corrected = formatting.try_to_correct(Sequence(1), false, &reply).await.unwrap();
    assert_eq!((corrected.rows, corrections(&formatting).await), (0, 0));
}

#[tokio::test]
async fn what_waits_for_the_time_is_looked_at_again_when_there_is_news_of_it_alone() {
    let (mut formatting, _fixture) = formatting_of(1).await;
    let mut waits = formatting.ledger.read_unformatted(&formatting.sink, 9).await.unwrap();
    waits.blocked_by_unknown_time = true;
    let (accepted, newest) = watch::channel(Sequence(0));
    let (learnt, news) = watch::channel(0);
    (formatting.accepted, formatting.learnt) = (newest, news);
    accepted.send_replace(Sequence(2));
    // Longer than anything would wait that looks now and then.
    let looked = tokio::time::timeout(Duration::from_millis(1_500), formatting.rest(&waits)).await;
    assert!(looked.is_err(), "it looks again without news");
    learnt.send_replace(1);
    formatting.rest(&waits).await;
}

#[tokio::test]
async fn a_call_that_refuses_every_event_counts_against_its_formatter() {
    let (mut formatting, _fixture) = formatting_of(3).await;
    let refuse = Verdict::Reject("not this one".to_owned());
    let take = Verdict::Accepted { rows: Vec::new(), notice: None };
    for verdicts in [[&refuse, &take], [&refuse, &refuse]] {
        let mut work = formatting.ledger.read_unformatted(&formatting.sink, 9).await.unwrap();
        leave(&mut work, 2);
        let verdicts = work.events.iter().zip(verdicts).map(|(_, verdict)| verdict.clone()).collect();
        let context = formatting.clock.context();
        formatting.keep(work, Formatted { state: Vec::new(), standing: None, verdicts }, context).await;
    }
    let counted = formatting.by.formatter.tally().read();
    assert_eq!((counted.outcomes.work, counted.outcomes.refusals), (1, 1));
    assert_eq!(counted.last_error.as_deref(), Some("not this one"));
}

/// A formatter that takes one event at a time, makes no row of it, and remembers `old`.
fn forgetful() -> Vec<u8> {
    // In the canonical ABI: the places of the state and of one verdict, and no standing; and a verdict without rows.
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let data = [(256, words(&[0, 512, 3, 640, 1, 0, 0, 0])), (512, b"old".to_vec()), (640, words(&[0; 6]))];
    let bodies = ["unreachable", "i32.const 256", "unreachable", ALLOCATES];
    component_that_returns("formatter", &bodies, &data).unwrap()
}

/// Two events are formatted by a version on trial, which remembers `new`; then it is gone back from.
async fn put_back(component: &[u8]) -> (Formatting, Fixture) {
    let (mut formatting, fixture) = formatting_by(component, 2).await;
    let plugin = &formatting.by.plugin;
    for sha256 in [*formatting.by.formatter.sha256(), [2; 32]] {
        let version = NewVersion { plugin: plugin.clone(), sha256, whence: Whence::Rollback, on_trial: true };
        formatting.ledger.take_plugin_versions(vec![version], None).await.unwrap();
    }
    let work = formatting.ledger.read_unformatted(&formatting.sink, 9).await.unwrap();
    keep(&mut formatting, work).await;
    let plugin = &formatting.by.plugin;
    formatting.ledger.return_plugin(plugin, [2; 32], "it traps", None).await.unwrap().unwrap();
    (formatting, fixture)
}

async fn state(formatting: &Formatting) -> Vec<u8> {
    formatting.ledger.read_unformatted(&formatting.sink, 9).await.unwrap().state
}

#[tokio::test]
async fn a_version_that_is_put_back_goes_on_with_the_state_that_it_would_have() {
    let (formatting, _fixture) = put_back(&forgetful()).await;
    assert_eq!(state(&formatting).await, b"new");
    let (said, mut says) = mpsc::unbounded_channel();
    let formatting = Formatting { said, ..formatting };
    formatting.settle_owed_state().await;
    assert_eq!(state(&formatting).await, b"old");
    assert_eq!(says.try_recv().ok(), Some(Said::Standing(formatting.sink.clone(), None)));
    let component = *formatting.by.formatter.sha256();
    assert_eq!(formatting.ledger.owed_state(&formatting.sink, component).await.unwrap(), None);
}

#[tokio::test]
async fn a_version_that_is_put_back_and_fails_on_the_events_since_goes_on_with_what_was_left() {
    let (formatting, _fixture) = put_back(&component("formatter", "unreachable").unwrap()).await;
    formatting.settle_owed_state().await;
    assert_eq!(state(&formatting).await, b"new");
    let component = *formatting.by.formatter.sha256();
    assert_eq!(formatting.ledger.owed_state(&formatting.sink, component).await.unwrap(), None);
}
