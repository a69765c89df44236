//! Times that are given out, against what time it truly was: random boots of a device whose wall clock is wrong, vouched for
//! or not, synchronised or not, and set meanwhile.

use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use punchcard_core::clock_trust::{ClockTrust, Reading};

use super::super::{CommitError, Moment, Unformatted};
use super::*;

const SECOND: i64 = 1_000_000;
const NOON: i64 = 1_795_168_800 * SECOND;

#[derive(Debug, Clone)]
enum Step {
    /// So many seconds pass.
    Pass(i64),
    Press,
    /// The wall clock is set, and is so many hours wrong from then on.
    Set(i64),
    /// The kernel hears from a server: its clock is right.
    Synchronise,
    /// It has not heard for long.
    Lapse,
    /// The sink takes what it can get.
    Format,
    /// It takes that, and is not done with it yet.
    Read,
    /// What was made of that is to be kept.
    Keep,
    /// The program is started anew.
    Restart,
    /// The machine is, with a clock that is so many hours wrong and may be battery-backed.
    Boot {
        off: i64,
        battery_backed: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hours = || prop_oneof![-5_i64..6, -600_000_i64..600_000];
    let step = prop_oneof![
        3 => (1_i64..100_000).prop_map(Step::Pass),
        8 => any::<bool>().prop_map(|_| Step::Press),
        1 => hours().prop_map(Step::Set),
        2 => any::<bool>().prop_map(|_| Step::Synchronise),
        1 => any::<bool>().prop_map(|_| Step::Lapse),
        3 => any::<bool>().prop_map(|_| Step::Format),
        2 => any::<bool>().prop_map(|_| Step::Read),
        2 => any::<bool>().prop_map(|_| Step::Keep),
        1 => any::<bool>().prop_map(|_| Step::Restart),
        2 => (hours(), any::<bool>()).prop_map(|(off, battery_backed)| Step::Boot { off, battery_backed }),
    ];
    prop::collection::vec(step, 1..40)
}

/// A boot, as it truly was.
#[derive(Default)]
struct Boot {
    /// When the kernel was synchronised first.
    synchronised_at: Option<i64>,
    /// The time became known.
    knew: bool,
    /// The wall clock was wrong once while it was believed.
    was_wrong: bool,
}

/// A press, as it truly was.
struct Press {
    at: i64,
    boot: usize,
    /// Given out to the sink.
    formatted: Option<(i64, Certainty)>,
}

struct World {
    folder: tempfile::TempDir,
    ledger: Ledger,
    trust: ClockTrust,
    last_seen: i64,
    told: Option<TimeStatus>,
    /// The true time.
    now: i64,
    booted_at: i64,
    boot: usize,
    off: i64,
    synchronised: bool,
    boots: Vec<Boot>,
    presses: Vec<Press>,
    read: Option<Unformatted>,
    /// The first press that was formatted with a time that is known to be wrong.
    mistimed: Option<usize>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), setup("boot-0")).unwrap().0;
        declare(&ledger, &["sheet"]).await;
        Self {
            folder,
            ledger,
            trust: ClockTrust::new(false, false),
            last_seen: i64::MIN,
            told: None,
            now: NOON,
            booted_at: NOON,
            boot: 0,
            off: -20 * 365 * 24,
            synchronised: false,
            boots: vec![Boot::default()],
            presses: Vec::new(),
            read: None,
            mistimed: None,
        }
    }

    fn name(&self) -> String {
        format!("boot-{}", self.boot)
    }

    /// As `app::known_time` and the clock do it.
    async fn look(&mut self) -> Now {
        let off = self.off * 3_600 * SECOND;
        let reading =
            Reading { wall: self.now + off, monotonic: self.now - self.booted_at, synchronised: self.synchronised };
        let standing = self.trust.judge(&reading, self.last_seen);
        let wall = self.trust.wall(&reading);
        let now = Now { standing, ..now(&self.name(), wall, reading.monotonic) };
        if standing != TimeStatus::Unknown {
            self.boots[self.boot].knew = true;
            self.boots[self.boot].was_wrong |= wall != self.now;
            let is_news = self.told.is_none_or(|told| told != standing);
            if is_news && standing == TimeStatus::Synchronised {
                self.last_seen = wall;
            }
            self.last_seen = self.last_seen.max(wall);
            if is_news {
                self.ledger.learn_time(&now).await.unwrap();
                let first = standing == TimeStatus::Synchronised && self.boots[self.boot].synchronised_at.is_none();
                let is_wrong =
                    |press: &&Press| press.boot == self.boot && press.formatted.is_some_and(|(at, _)| at != press.at);
                let wrong = self.presses.iter().position(|press| is_wrong(&press)).filter(|_| first);
                self.mistimed = self.mistimed.into_iter().chain(wrong).min();
                let said = self.ledger.clock_corrections().await.unwrap();
                let said: Vec<_> = said.into_iter().map(|mistimed| mistimed.from.0 as usize - 1).collect();
                assert_eq!(said, Vec::from_iter(self.mistimed), "whatever was formatted with a wrong time is said");
                self.told = Some(standing);
            }
        }
        if standing == TimeStatus::Synchronised {
            self.boots[self.boot].synchronised_at.get_or_insert(self.now);
        }
        now
    }

    async fn perform(&mut self, step: &Step) {
        match *step {
            Step::Pass(seconds) => self.now += seconds * SECOND,
            Step::Press => {
                let now = self.look().await;
                let number = self.presses.len() as u64 + 1;
                let at = now.is_known().then_some(now.wall);
                self.ledger.accept(NewEvent { at, monotonic: now.monotonic, ..punch(number) }).await.unwrap();
                self.presses.push(Press { at: self.now, boot: self.boot, formatted: None });
            }
            Step::Set(off) => (self.off, self.synchronised) = (off, false),
            Step::Synchronise => {
                (self.off, self.synchronised) = (0, true);
                self.look().await;
            }
            Step::Lapse => self.synchronised = false,
            Step::Format => self.format().await,
            Step::Read => {
                self.look().await;
                self.read = Some(self.ledger.read_unformatted(&sink("sheet"), 1_000).await.unwrap());
            }
            Step::Keep => {
                if let Some(read) = self.read.take() {
                    self.keep(read).await;
                }
            }
            Step::Restart => self.start_anew(false).await,
            Step::Boot { off, battery_backed } => {
                self.now += 60 * SECOND;
                self.boot += 1;
                (self.booted_at, self.off, self.synchronised) = (self.now, off, false);
                self.boots.push(Boot::default());
                self.trust = ClockTrust::new(false, battery_backed);
                self.start_anew(true).await;
            }
        }
    }

    async fn start_anew(&mut self, booted: bool) {
        self.ledger.clone().close().await;
        let (ledger, opened) = Ledger::open(self.folder.path(), setup(&self.name())).unwrap();
        self.ledger = ledger;
        self.told = None;
        self.read = None;
        self.last_seen = opened.last_time_seen.map_or(i64::MIN, |seen| seen.unix_micros);
        if !booted {
            self.trust = ClockTrust::default();
        }
        if let Some(known) = opened.known_time {
            self.trust.resume(known.synchronised);
        }
    }

    async fn format(&mut self) {
        self.look().await;
        let read = self.ledger.read_unformatted(&sink("sheet"), 1_000).await.unwrap();
        self.keep(read).await;
        let waits = self.presses.iter().filter(|press| press.formatted.is_none());
        let known = self.told.is_some();
        assert!(!known || waits.count() == 0, "a device that knows the time has nothing to wait for");
    }

    /// Unless it was made with times that are known better by now, or twice.
    async fn keep(&mut self, read: Unformatted) {
        match self.ledger.commit_formatted(&sink("sheet"), one_row_each(&read)).await {
            Ok(()) => {}
            Err(CommitError::CursorMoved { .. } | CommitError::TimesLearnt) => return,
            Err(error) => panic!("{error}"),
        }
        for event in &read.events {
            let press = &mut self.presses[event.event.sequence.0 as usize - 1];
            assert!(press.formatted.is_none(), "once");
            press.formatted = Some((event.at.unix_micros, event.certainty));
            let since = self.boots[press.boot].synchronised_at;
            let none_was_wrong = self.boots.iter().all(|boot| !boot.was_wrong);
            match event.certainty {
                // Whatever the clock said before, and whatever it was set to since.
                Certainty::Known if since.is_some() || none_was_wrong => assert_eq!(event.at.unix_micros, press.at),
                Certainty::Known => {}
                Certainty::Estimated => assert_ne!(press.boot, self.boot, "it may still become known"),
            }
        }
    }

    /// What is listed in the end: what is known is true, and guesses stand in their place and as far apart as they were.
    async fn check(&self) {
        let listed: Vec<_> =
            self.ledger.events(None, 1_000).await.unwrap().events.into_iter().map(|listed| listed.at).collect();
        let none_was_wrong = self.boots.iter().all(|boot| !boot.was_wrong);
        for (press, at) in self.presses.iter().zip(&listed) {
            if self.boots[press.boot].synchronised_at.is_some() {
                assert_eq!(*at, Moment::Known(super::at(press.at)));
            }
            assert_eq!(matches!(at, Moment::Known(_)), self.boots[press.boot].knew);
        }
        for ((press, at), (next, then)) in
            self.presses.iter().zip(&listed).zip(self.presses.iter().zip(&listed).skip(1))
        {
            let (at, then) = (at.instant().unwrap().unix_micros, then.instant().unwrap().unix_micros);
            // A wrong clock may go back, and takes no guess with it.
            let guesses = self.boots[press.boot..next.boot].iter().all(|boot| !boot.knew);
            let guesses = guesses && !self.boots[next.boot].was_wrong && !self.boots[press.boot].knew;
            if none_was_wrong || guesses {
                assert!(at <= then, "{at} {then}");
            }
            if press.boot == next.boot && !self.boots[press.boot].knew {
                assert_eq!(then - at, next.at - press.at);
            }
        }
    }
}

fn play(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        for step in steps {
            world.perform(step).await;
        }
        // In the end a device is synchronised, and everything is said.
        for step in [Step::Boot { off: 7, battery_backed: true }, Step::Press, Step::Synchronise, Step::Format] {
            world.perform(&step).await;
        }
        assert!(world.presses.iter().all(|press| press.formatted.is_some()), "in order, and none forgotten");
        assert_eq!(world.ledger.last_time_seen().await.unwrap(), Some(at(world.now)));
        world.check().await;
    });
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn no_time_is_given_out_that_is_known_to_be_wrong(steps in steps()) {
        play(&steps);
    }
}

/// What chance once found, in so few steps as it took.
#[test]
fn no_time_is_given_out_that_is_known_to_be_wrong_where_one_once_was() {
    play(&[Step::Pass(1)]);
}
