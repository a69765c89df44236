//! Answers of a device whose sinks have no tasks behind them.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Mutex;

use punchcard_core::config::parse_what_is_valid;
use punchcard_core::event::NewEvent;
use punchcard_core::name::InputName;
use punchcard_core::time::{Instant, Monotonic, Now, TimeStatus as Clockwork};
use tokio::sync::{Notify, mpsc, watch};
use ulid::Ulid;

use super::*;
use crate::app::fixture::Fixture;
use crate::app::reconcile::Progress;
use crate::app::status::ConfigurationReport;
use crate::app::supervisor::declaration::declaration;
use punchcard_ledger::{BootTimes, FormattedCommit};

const CONFIGURATION: &str = r#"
[device]
name = "bench"
time-zone = "UTC"

[inputs.clock]
driver = "keyboard"
key = "c"
press = { event = "punch" }

[plugins]
timeclock = "timeclock.wasm"
webhook = "webhook.wasm"

[sinks.sheet]
events = ["punch"]
format = { plugin = "timeclock" }
deliver = { plugin = "webhook" }
reach = ["https://hook.example"]

[sinks.away]
events = ["punch"]
format = { plugin = "timeclock" }
deliver = { plugin = "webhook" }
reach = ["https://hook.example"]
"#;

/// A device with a sink `sheet` that is on and a sink `away` that is off.
struct Bench {
    device: Device,
    /// What is asked of the delivery of `sheet`.
    asks: mpsc::UnboundedReceiver<command::DeliveryCommand>,
    /// Its rows.
    rows: Arc<Notify>,
    /// How its delivery stands.
    delivery: watch::Sender<DeliveryStanding>,
    _fixture: Fixture,
}

impl Bench {
    async fn new() -> Self {
        let fixture = Fixture::new();
        let (configuration, _) = parse_what_is_valid(CONFIGURATION);
        assert_eq!(configuration.sinks.len(), 2);
        let declared = configuration.sinks.iter().map(|(name, sink)| (name.clone(), declaration(sink))).collect();
        fixture.ledger.declare_sinks(declared).await.unwrap();
        let rows = Arc::new(Notify::new());
        let (asks, asked) = mpsc::unbounded_channel();
        let (delivery, delivers) = watch::channel(DeliveryStanding::default());
        let handle = SinkHandle {
            notice: watch::channel(None).1,
            formatting: watch::channel(formatting::FormattingStatus::default()).1,
            delivery: delivers,
            delivery_off: None,
            asks,
            corrections: mpsc::unbounded_channel().0,
            rows: Arc::clone(&rows),
            reads_back: true,
            progress: Progress::after(0),
            flow: watch::channel(command::Flow::Deliver).0,
            grant: None,
            requests_per_minute: std::num::NonZeroU32::MIN,
        };
        let sinks = BTreeMap::from([
            (sink("away"), Err("its plugin is missing".to_owned())),
            (sink("sheet"), Ok(Arc::new(handle))),
        ]);
        let report = ConfigurationReport { path: "plugins.toml".to_owned(), fallback: None, errors: None };
        let parts = Parts { starting: false, sinks, ..Parts::none_yet(Arc::new(configuration.clone())) };
        let device = Device {
            configuration,
            report: Mutex::new(report),
            clock: fixture.clock.clone(),
            time: fixture.time.clone(),
            ledger: fixture.ledger.clone(),
            display: fixture.display.clone(),
            troubles: fixture.troubles.clone(),
            is_simulated: false,
            parts: watch::channel(Arc::new(parts)).0,
            supervisor: mpsc::unbounded_channel().0,
            http: Err("no network is here".to_owned()),
            updates: mpsc::unbounded_channel().0,
            repositories: watch::channel(Vec::new()).0,
            pausing: tokio::sync::Mutex::default(),
        };
        Self { device, asks: asked, rows, delivery, _fixture: fixture }
    }

    /// The sink that is on.
    fn handle(&self) -> Arc<SinkHandle> {
        self.device.sink("sheet").unwrap_or_else(|error| panic!("{error}"))
    }

    /// Records a press. Its wall clock is so many hours off.
    async fn press(&self, off: i64) {
        let monotonic = Monotonic { milliseconds: 1_000, boot: self.device.clock.monotonic().boot };
        let event = NewEvent {
            id: Ulid::from_parts(1, 1),
            at: Some(Instant { unix_micros: NOON + off * 3_600_000_000, utc_offset_minutes: 0 }),
            monotonic,
            source: InputName::parse("clock").unwrap(),
            kind: "punch".to_owned(),
            fields: Vec::new(),
        };
        self.device.ledger.accept(event).await.unwrap();
    }
}

/// A second after the start of the boot, in µs since 1970.
const NOON: i64 = 1_795_168_800_000_000;

fn sink(name: &str) -> SinkName {
    SinkName::parse(name).unwrap()
}

/// Lets something begin, and does not wait for it. What it came to, where it was as fast as that.
async fn begin<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = std::future::ready(()) => None,
    }
}

/// Waits for what has begun.
async fn finish<F: Future>(done: Option<F::Output>, future: Pin<&mut F>) -> F::Output {
    match done {
        Some(done) => done,
        None => future.await,
    }
}

#[tokio::test]
async fn that_times_were_wrong_is_said_until_a_person_accepts_them_whatever_else_is_tried_again() {
    let bench = Bench::new().await;
    let device = &bench.device;
    bench.press(-3).await;
    for name in ["away", "sheet"] {
        let read = device.ledger.read_unformatted(&sink(name), 9).await.unwrap();
        let made = FormattedCommit {
            from: read.cursor,
            through: read.through,
            boots: read.boots,
            state: Vec::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            set_aside: Vec::new(),
            standing: None,
            checkpoint: None,
        };
        device.ledger.commit_formatted(&sink(name), made).await.unwrap();
    }
    let synchronised = Now {
        wall: Instant { unix_micros: NOON + 1_000_000, utc_offset_minutes: 0 },
        standing: Clockwork::Synchronised,
        monotonic: Monotonic { milliseconds: 2_000, boot: device.clock.monotonic().boot },
    };
    device.ledger.learn_time(&synchronised).await.unwrap();
    // Not from the first that was wrong: it is still said.
    device.time.note_corrected(&device.ledger, &sink("sheet"), Sequence(2), BootTimes::default()).await.unwrap();
    let said = || device.troubles.report().into_iter().map(|trouble| trouble.part).collect::<Vec<_>>();
    let both = ["sinks.away.times", "sinks.sheet.times"];
    assert_eq!(said(), both);
    let retry = |name: &str| device.answer(Question::Retry { sink: name.to_owned() });
    assert_eq!((retry("sheet").await, retry("away").await.is_err()), (Ok(Answer::NothingToDo), true));
    assert_eq!(said(), both, "it may be asked for another reason");
    assert_eq!(device.ledger.clock_corrections().await.unwrap().len(), 2);

    for (name, left) in [("sheet", &both[..1]), ("away", &[])] {
        let accepted = device.answer(Question::AcceptTimes { sink: name.to_owned() }).await;
        assert_eq!(accepted, Ok(Answer::Accepted));
        assert_eq!(said(), left, "also where the sink is off");
    }
    assert_eq!(device.ledger.clock_corrections().await.unwrap(), []);
}

#[tokio::test]
async fn of_a_pause_and_a_resume_at_once_what_the_ledger_has_last_is_what_holds() {
    let bench = Bench::new().await;
    let (device, handle) = (&bench.device, bench.handle());
    let wanted = |paused: bool| async move {
        let sink = "sheet".to_owned();
        device.answer(if paused { Question::Pause { sink } } else { Question::Resume { sink } }).await
    };
    for paused_first in [true, false] {
        let (mut first, mut second) = (pin!(wanted(paused_first)), pin!(wanted(!paused_first)));
        let first_done = begin(first.as_mut()).await;
        let second_done = begin(second.as_mut()).await;
        // What both have asked of the ledger by now is done before this is. Then the second goes on first.
        device.ledger.remember("after-both", "").await.unwrap();
        let (second, first) = tokio::join!(finish(second_done, second), finish(first_done, first));
        let done = |answer| matches!(answer, Ok(Answer::Accepted | Answer::NothingToDo));
        assert!(done(first) && done(second));
        let kept = device.ledger.is_paused(&sink("sheet")).await.unwrap();
        assert_eq!((handle.is_paused(), kept), (!paused_first, !paused_first));
    }
}

#[tokio::test]
async fn a_wish_for_another_destination_is_refused_or_kept_and_passed_on_whatever_happens_meanwhile() {
    let mut bench = Bench::new().await;
    let handle = bench.handle();
    let mut wished = pin!(bench.device.answer(Question::CreateAnew { sink: "sheet".to_owned() }));
    let done = begin(wished.as_mut()).await;
    handle.set_paused(true);
    let accepted = finish(done, wished).await.is_ok();
    let kept = bench.device.ledger.recall("create-anew/sheet").await.unwrap().is_some();
    let passed_on = bench.asks.try_recv() == Ok(command::DeliveryCommand::CreateAnew);
    assert_eq!((kept, passed_on), (accepted, accepted));

    let refused = bench.device.answer(Question::CreateAnew { sink: "sheet".to_owned() }).await;
    assert!(refused.is_err_and(|reason| reason.contains("`punchcard sinks resume sheet` first")));
}

#[tokio::test]
async fn a_sink_looks_for_rows_that_were_requeued_also_where_nobody_waits_for_the_answer_any_more() {
    let bench = Bench::new().await;
    bench.press(0).await;
    let aside = bench.device.ledger.set_aside_event(&sink("sheet"), Sequence(0), Sequence(1), "it trapped").await;
    aside.unwrap();
    let woken = async || begin(pin!(bench.rows.notified())).await.is_some();
    assert!(!woken().await);
    {
        let mut requeue = pin!(bench.device.answer(Question::Requeue { sink: "sheet".to_owned(), events: vec![1] }));
        begin(requeue.as_mut()).await;
    }
    assert!(woken().await);
}

#[tokio::test]
async fn what_is_so_already_is_not_called_done() {
    let mut bench = Bench::new().await;
    let sink = || "sheet".to_owned();
    let table = [
        (Question::Resume { sink: sink() }, Answer::NothingToDo),
        (Question::Pause { sink: sink() }, Answer::Accepted),
        (Question::Pause { sink: sink() }, Answer::NothingToDo),
        (Question::Resume { sink: sink() }, Answer::Accepted),
        (Question::Resume { sink: sink() }, Answer::NothingToDo),
        (Question::AcceptTimes { sink: sink() }, Answer::NothingToDo),
        (Question::Retry { sink: sink() }, Answer::NothingToDo),
    ];
    for (question, expected) in table {
        assert_eq!(bench.device.answer(question.clone()).await, Ok(expected), "{question:?}");
    }
    // What it waited for may have been mended while it was paused.
    assert_eq!(bench.asks.try_recv(), Ok(command::DeliveryCommand::Retry));
    assert!(bench.asks.try_recv().is_err());
}

#[tokio::test]
async fn a_sink_that_could_not_look_for_its_rows_looks_when_a_person_asks() {
    let mut bench = Bench::new().await;
    let retry = || Question::Retry { sink: "sheet".to_owned() };
    let waits = |headline: &str| {
        let problem = punchcard_core::plugin::Problem { headline: headline.to_owned(), advice: String::new() };
        DeliveryStanding::Waiting { problem: Some(problem) }
    };
    bench.delivery.send_replace(waits("Google is not ready"));
    assert_eq!(bench.device.answer(retry()).await, Ok(Answer::NothingToDo), "it goes on by itself");
    bench.delivery.send_replace(waits("can't compare yet"));
    assert_eq!(bench.device.answer(retry()).await, Ok(Answer::Accepted));
    assert_eq!(bench.asks.try_recv(), Ok(command::DeliveryCommand::Retry));
}
