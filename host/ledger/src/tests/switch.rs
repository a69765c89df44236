//! Random histories of presses, switches of a formatter's version, returns and power cuts, with a backlog: no event is lost or
//! doubled, in the rows and in what the formatter remembers, and of a version that was gone back from nothing is remembered.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use punchcard_core::plugin_version::Digest;
use tempfile::TempDir;

use super::super::{NewVersion, ReckonedState, Stretch, Tried, Whence};
use super::*;

#[derive(Debug, Clone)]
enum Act {
    Press,
    /// At most so many events.
    Format(usize),
    /// A batch of at most so many rows is formed, where none is on its way.
    Open(u32),
    /// Its request leaves. Whether it arrives.
    Send(bool),
    /// The answer comes.
    Complete,
    /// A new version is taken on trial.
    Switch,
    /// The file that the device would go back to is put in the place of the one on trial.
    PutOldBack,
    /// What is in force is what runs.
    Apply,
    /// The version on trial proves bad.
    Return,
    RollBack,
    /// The version on trial stays.
    Stay,
    PowerCut,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => prop::strategy::Just(Act::Press),
        4 => (1_usize..4).prop_map(Act::Format),
        2 => (1_u32..4).prop_map(Act::Open),
        2 => any::<bool>().prop_map(Act::Send),
        2 => prop::strategy::Just(Act::Complete),
        2 => prop::strategy::Just(Act::Switch),
        1 => prop::strategy::Just(Act::PutOldBack),
        3 => prop::strategy::Just(Act::Apply),
        2 => prop::strategy::Just(Act::Return),
        1 => prop::strategy::Just(Act::RollBack),
        1 => prop::strategy::Just(Act::Stay),
        1 => prop::strategy::Just(Act::PowerCut),
    ]
}

/// A device whose sink has a backlog, and the service to which its rows go.
struct Device {
    folder: TempDir,
    ledger: Ledger,
    pressed: u64,
    /// By their numbers: each has the number of times before it that a new one was taken.
    newest: u8,
    running: u8,
    /// Versions that were gone back from while they were on trial.
    left: BTreeSet<u8>,
    /// The rows of each batch that arrived.
    service: BTreeMap<String, Vec<String>>,
}

impl Device {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        declare(&ledger, &["sheet"]).await;
        let left = BTreeSet::new();
        let mut device = Self { folder, ledger, pressed: 0, newest: 0, running: 0, left, service: BTreeMap::new() };
        device.switch().await;
        device.apply().await;
        device
    }

    async fn perform(&mut self, act: &Act) {
        match act {
            Act::Press => {
                self.pressed += 1;
                accept(&self.ledger, [self.pressed]).await;
            }
            Act::Format(most) => self.format(*most).await,
            Act::Open(rows) => drop(open_batch(&self.ledger, "sheet", *rows, self.id()).await),
            Act::Send(arrives) => self.send(*arrives).await,
            Act::Complete => self.complete().await,
            Act::Switch => self.switch().await,
            Act::PutOldBack => {
                let (from, on_trial) = self.in_force().await;
                let to = self.ledger.plugin_histories().await.unwrap().earlier(&plugin("formatter"));
                if let Some(to) = to.filter(|_| on_trial) {
                    self.take(to).await;
                    self.left.insert(from);
                }
            }
            Act::Apply => self.apply().await,
            Act::Return => {
                let (bad, on_trial) = self.in_force().await;
                let returned = self.ledger.return_plugin(&plugin("formatter"), [bad; 32], "it traps", None).await;
                if returned.unwrap().is_some() && on_trial {
                    self.left.insert(bad);
                }
            }
            Act::RollBack => {
                let (from, on_trial) = self.in_force().await;
                let back = self.ledger.roll_back_plugin(&plugin("formatter"), None).await;
                if back.is_ok() && on_trial {
                    self.left.insert(from);
                }
            }
            Act::Stay => {
                let (version, _) = self.in_force().await;
                if version == self.running {
                    self.ledger.end_plugin_trial(&plugin("formatter"), [version; 32]).await.unwrap();
                }
            }
            Act::PowerCut => {
                let left = tempfile::tempdir().unwrap();
                power_cut(self.folder.path(), left.path());
                self.ledger = open(left.path());
                self.folder = left;
                self.apply().await;
            }
        }
    }

    async fn in_force(&self) -> (u8, bool) {
        let histories = self.ledger.plugin_histories().await.unwrap();
        let version = histories.plugins[&plugin("formatter")].in_force().unwrap();
        (version.sha256[0], version.on_trial)
    }

    async fn switch(&mut self) {
        self.newest += 1;
        self.take([self.newest; 32]).await;
    }

    async fn take(&self, sha256: Digest) {
        let whence = Whence::File("formatter.wasm".to_owned());
        let version = NewVersion { plugin: plugin("formatter"), sha256, whence, on_trial: true };
        self.ledger.take_plugin_versions(vec![version], None).await.unwrap();
    }

    async fn apply(&mut self) {
        self.running = self.in_force().await.0;
    }

    /// What the version that runs remembers of these events: itself, and their numbers.
    fn remember(&self, state: &mut Vec<u8>, events: impl Iterator<Item = u64>) {
        state.extend(events.flat_map(|event| [self.running, event as u8]));
    }

    async fn settle(&self) {
        let component = [self.running; 32];
        let Some(owed) = self.ledger.owed_state(&sink("sheet"), component).await.unwrap() else { return };
        let ground = self.ledger.replay_ground(&sink("sheet")).await.unwrap();
        let stretch = Stretch {
            kinds: vec!["punch".to_owned()],
            after: owed.after,
            through: ground.cursor,
            most: 1000,
            rows_from: Sequence(ground.cursor.0 + 1),
        };
        let page = self.ledger.replay_page(&sink("sheet"), stretch).await.unwrap();
        let mut state = owed.state;
        self.remember(&mut state, page.events.iter().map(|event| event.timed.event.sequence.0));
        let reckoned = ReckonedState {
            boots: page.boots,
            state,
            states: Vec::new(),
            plugin_sha256: component,
            settings: "{}".to_owned(),
            standing: None,
        };
        self.ledger.settle_owed_state(&sink("sheet"), ground.cursor, Some(reckoned)).await.unwrap();
    }

    async fn format(&self, most: usize) {
        self.settle().await;
        let read = self.ledger.read_unformatted(&sink("sheet"), most).await.unwrap();
        if read.events.is_empty() {
            return;
        }
        let mut state = read.state.clone();
        self.remember(&mut state, read.events.iter().map(|event| event.event.sequence.0));
        let checkpoint = Some(call(self.running));
        let made = FormattedCommit { state, checkpoint, ..one_row_each(&read) };
        self.ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    }

    /// An id that no batch has yet.
    fn id(&self) -> u128 {
        u128::from(self.pressed) << 32 | self.service.len() as u128
    }

    async fn send(&mut self, arrives: bool) {
        let Some(open) = open_batch(&self.ledger, "sheet", 1, self.id()).await else { return };
        self.ledger.store_connector_state(&sink("sheet"), Vec::new(), true).await.unwrap();
        if arrives {
            let rows: Vec<String> = open.batch.rows.iter().map(|row| row.key.clone()).collect();
            // The service takes the id of a batch once. Whoever brings it again, after a crash, brings the same rows.
            let before = self.service.insert(open.batch.id, rows.clone());
            assert!(before.is_none_or(|before| before == rows));
        }
    }

    async fn complete(&mut self) {
        let Some(open) = open_batch(&self.ledger, "sheet", 1, self.id()).await else { return };
        if open.tried == Tried::Before && self.service.contains_key(&open.batch.id) {
            let id = &open.batch.id;
            self.ledger.complete_batch(&sink("sheet"), id, Vec::new(), arrived(), None).await.unwrap();
        }
    }

    async fn check(&self) {
        let read = self.ledger.read_unformatted(&sink("sheet"), 1).await.unwrap();
        // The one that was gone back from may still run, and goes on with what is there.
        let (in_force, _) = self.in_force().await;
        let owed = self.ledger.owed_state(&sink("sheet"), [in_force; 32]).await.unwrap();
        let remembered: Vec<(u8, u64)> =
            read.state.chunks(2).map(|remembered| (remembered[0], u64::from(remembered[1]))).collect();
        let events: Vec<u64> = remembered.iter().map(|(_, event)| *event).collect();
        assert_eq!(events, (1..=read.cursor.0).collect::<Vec<_>>(), "each event is remembered once");
        if owed.is_none() && self.running == in_force {
            let of_left = remembered.iter().filter(|(by, _)| *by != self.running && self.left.contains(by)).count();
            assert_eq!(of_left, 0, "{remembered:?} of {:?}, while {} runs", self.left, self.running);
        }
    }

    /// Formats and delivers all that waits.
    async fn drain(&mut self) {
        for _ in 0..=self.pressed {
            self.format(1000).await;
            self.send(true).await;
            self.complete().await;
        }
    }
}

fn play(acts: &[Act]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut device = Device::new().await;
        for act in acts {
            device.perform(act).await;
            device.check().await;
        }
        device.drain().await;
        device.check().await;
        let mut delivered: Vec<&String> = device.service.values().flatten().collect();
        delivered.sort();
        let mut expected: Vec<String> = (1..=device.pressed).map(|number| format!("{}/0", punch(number).id)).collect();
        expected.sort();
        assert_eq!(delivered, expected.iter().collect::<Vec<_>>(), "each event is one row");
    });
}

proptest! {
    #![proptest_config(cases(16))]
    #[test]
    fn switches_and_returns_with_a_backlog_lose_and_double_nothing(acts in prop::collection::vec(act(), 1..50)) {
        play(&acts);
    }
}
