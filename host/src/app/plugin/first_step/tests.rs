//! First steps of connectors and policies of which nothing is known but how they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use bare_component::{ALLOCATES, component_that_returns};
use punchcard_core::config::grant::SignIn;
use punchcard_core::config::limit::Limits;
use punchcard_core::config::settings::Settings;
use punchcard_sandbox::{Compiler, Plugin, Sandbox};

use super::super::super::fixture::Fixture;
use super::*;
use crate::vault::Vault;

/// How a first step ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    Well,
    Trapped,
    Late,
    WithUnknownState,
    WithAnError,
}

impl Ends {
    /// A body for the step, and the words of what it returns. `well`: of an outcome.
    fn step(self, well: &[u32]) -> (&'static str, Vec<u32>) {
        let error = |kind| [&[1, 0, kind], [0; 6].as_slice()].concat();
        match self {
            Self::Well => ("i32.const 256", well.to_vec()),
            Self::Trapped => ("unreachable", Vec::new()),
            Self::Late => ("(loop br 0) unreachable", Vec::new()),
            Self::WithUnknownState => ("i32.const 256", error(1)),
            Self::WithAnError => ("i32.const 256", error(2)),
        }
    }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn connector(ends: Ends) -> Vec<u8> {
    // In the canonical ABI: limits that are none of zero; and no state, then `hold` for a minute, without a problem.
    let limits = [0, 0, 9, 0, 1_000, 0, 100, 60, 0, 0];
    let (step, outcome) = ends.step(&[0, 0, 0, 0, 3, 0, 60_000, 0, 0]);
    let bodies = ["i32.const 128", "unreachable", step, "unreachable", ALLOCATES];
    component_that_returns("connector", &bodies, &[(128, bytes(&limits)), (256, bytes(&outcome))]).unwrap()
}

fn policy(ends: Ends) -> Vec<u8> {
    // No state, `signed-out`, nothing to forget, then `rest`: status and directive are larger, and all zero but for that.
    let (step, outcome) = ends.step(&[0; 64]);
    component_that_returns("auth-policy", &["unreachable", step, "unreachable", ALLOCATES], &[(256, bytes(&outcome))])
        .unwrap()
}

/// A folder with a ledger and a token storage, and what loads components there.
struct Bench {
    fixture: Fixture,
    sandbox: Arc<Sandbox>,
    examiner: Examiner,
    sink: SinkName,
}

impl Bench {
    async fn new() -> Self {
        let (fixture, sink, _) = Fixture::with_sink(&connector(Ends::Well)).await;
        let sandbox = Sandbox::start(&fixture.folder.path().join("more"), Compiler::unconfined()).unwrap();
        let vault = Vault::open(&fixture.folder.path().join("vault")).unwrap();
        let examiner =
            Examiner { ledger: fixture.ledger.clone(), vault: Some(Arc::new(vault)), clock: fixture.clock.clone() };
        Self { fixture, sandbox, examiner, sink }
    }

    fn load(&self, component: &[u8]) -> Plugin {
        let name = PluginName::parse("bare").unwrap();
        self.sandbox.load(&name, component, Limits::default()).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn try_connector(&self, new: Ends, old: Ends) -> Result<(), Objection> {
        let (new, old) = (self.load(&connector(new)), self.load(&connector(old)));
        let (Plugin::Connector(new), Plugin::Connector(old)) = (new, old) else { panic!("no connectors") };
        self.examiner.try_for_sink(&self.sink, "{}", &new, &old).await
    }

    async fn try_policy(&self, new: Ends, old: Ends) -> Result<(), Objection> {
        let (new, old) = (self.load(&policy(new)), self.load(&policy(old)));
        let (Plugin::AuthPolicy(new), Plugin::AuthPolicy(old)) = (new, old) else { panic!("no policies") };
        let grant = Grant {
            plugin: PluginName::parse("bare").unwrap(),
            reach: Vec::new(),
            audience: Vec::new(),
            settings: Settings::default(),
            ca: None,
            browser: None,
            sign_in: SignIn::AtStart,
            secrets: BTreeMap::new(),
        };
        self.examiner.try_for_grant(&GrantName::parse("service").unwrap(), &grant, &new, &old).await
    }
}

/// New, old, and words of the objection; none: it is taken.
const TABLE: [(Ends, Ends, Option<&str>); 7] = [
    (Ends::Well, Ends::Well, None),
    (Ends::WithAnError, Ends::Well, None),
    (Ends::Trapped, Ends::Well, Some("trapped")),
    (Ends::Late, Ends::Well, Some("took longer")),
    (Ends::WithUnknownState, Ends::Well, Some("written by another version")),
    (Ends::WithUnknownState, Ends::Trapped, None),
    (Ends::Trapped, Ends::WithUnknownState, None),
];

fn assert_judged(judged: Result<(), Objection>, words: Option<&str>, of: &str) {
    match (judged, words) {
        (Ok(()), None) => {}
        (Err(Objection::Bad(reason)), Some(words)) => assert!(reason.contains(words), "{of}: {reason}"),
        (judged, _) => panic!("{of}: {judged:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_fails_on_its_first_step_where_the_old_one_does_not_is_not_taken() {
    let bench = Bench::new().await;
    for (new, old, words) in TABLE {
        assert_judged(bench.try_connector(new, old).await, words, &format!("{new:?} {old:?}"));
    }
    assert!(bench.fixture.ledger.connector_state(&bench.sink).await.unwrap().is_empty(), "nothing is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_fails_on_its_first_step_where_the_old_one_does_not_is_not_taken() {
    let bench = Bench::new().await;
    for (new, old, words) in TABLE {
        assert_judged(bench.try_policy(new, old).await, words, &format!("{new:?} {old:?}"));
    }
}

#[test]
fn a_connector_is_tried_with_the_batch_that_it_would_get() {
    let batch = || Batch { id: "7".into(), columns: any_columns().to_vec(), rows: Vec::new(), corrections: Vec::new() };
    let next = |tried| Some(OpenBatch { batch: batch(), tried });
    let signals = |next| first_signals(next).into_iter().map(|(signal, batch)| (signal, batch.id)).collect::<Vec<_>>();
    let prepare = || (delivery::Signal::Prepare, String::new());
    assert_eq!(signals(None), [prepare()]);
    assert_eq!(signals(next(Tried::Never)), [prepare(), (delivery::Signal::Begin, "7".to_owned())]);
    assert_eq!(signals(next(Tried::Before)), [prepare(), (delivery::Signal::Resumed, "7".to_owned())]);
}
