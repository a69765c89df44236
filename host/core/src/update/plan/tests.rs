use super::*;
use crate::name::PluginName;
use crate::plugin::World;
use crate::update::Rollout;

fn release(version: &str) -> Release {
    Release {
        plugin: PluginName::parse("timeclock").unwrap(),
        version: version.parse().unwrap(),
        contract: ContractVersion { major: 0, minor: 1 },
        world: World::Formatter,
        needs: ReleaseNeeds::default(),
        channel: Channel::stable(),
        rollout: Rollout::ALL,
        minimum_host: None,
    }
}

/// A device at work: 1.0.0 runs, everything is granted, it is noon.
struct Case {
    offered: Vec<Release>,
    installed: Installed,
    updates: Updates,
    channel: Channel,
    window: Option<Window>,
    minute: Option<u16>,
    is_fresh: bool,
    wish: Wish,
    bad: Option<usize>,
}

impl Case {
    fn new(offered: &[&str]) -> Self {
        Self {
            offered: offered.iter().map(|version| release(version)).collect(),
            installed: Installed { sha256: Some("old".into()), version: Some(Version::new(1, 0, 0)), pinned: false },
            updates: Updates::Automatic,
            channel: Channel::stable(),
            window: None,
            minute: Some(12 * 60),
            is_fresh: true,
            wish: Wish::Schedule,
            bad: None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn plan(&self) -> (Plan, Vec<PassedOver>) {
        let digests: Vec<String> = (0..self.offered.len()).map(|place| format!("digest-{place}")).collect();
        let offered: Vec<Offered<'_>> = self
            .offered
            .iter()
            .zip(&digests)
            .map(|(release, sha256)| Offered { file: "it.wasm", sha256, release })
            .collect();
        let contracts = [ContractVersion { major: 0, minor: 1 }, ContractVersion { major: 0, minor: 2 }];
        let host = Host { device: "front-door", version: &Version::new(0, 5, 0), contracts: &contracts };
        let policy = Policy {
            channel: &self.channel,
            updates: self.updates,
            window: self.window,
            minute: self.minute,
            is_fresh: self.is_fresh,
        };
        let bad = self.bad.map(|place| digests[place].clone());
        let unmet = |needs: &ReleaseNeeds| needs.urls.clone();
        plan_update(&offered, &self.installed, &host, &policy, &self.wish, unmet, |digest| {
            bad.as_deref() == Some(digest)
        })
    }
}

fn version(text: &str) -> Wish {
    Wish::Version(text.parse().unwrap())
}

#[test]
fn the_newest_that_fits_is_taken() {
    let contract = |minor| move |release: &mut Release| release.contract.minor = minor;
    let night = Window { from_minute: 2 * 60, to_minute: 5 * 60 };
    let over_midnight = Window { from_minute: 22 * 60, to_minute: 13 * 60 };
    let change = |place: usize, change: fn(&mut Release)| move |case: &mut Case| change(&mut case.offered[place]);
    let needing = |release: &mut Release| release.needs.urls = vec!["https://new.example".into()];
    let trial = |release: &mut Release| release.channel = Channel::parse("trial").unwrap();
    let nobody = |release: &mut Release| release.rollout = Rollout::parse(0).unwrap();
    let later_host = |release: &mut Release| release.minimum_host = Some(Version::new(0, 6, 0));
    let two = || Case::new(&["1.1.0", "1.2.0"]);
    let table = [
        ("nothing is offered", Case::new(&[]), Plan::Keep),
        ("the newer of two", two(), Plan::Install(1)),
        ("by number, not by letter", Case::new(&["1.10.0", "1.9.0"]), Plan::Install(0)),
        ("what runs", Case::new(&["1.0.0"]), Plan::Keep),
        ("an older one", Case::new(&["0.9.0"]), Plan::Keep),
        ("a trial before the release", Case::new(&["1.0.0-beta.1"]), Plan::Keep),
        ("another contract", two().with(|case| contract(3)(&mut case.offered[1])), Plan::Install(0)),
        ("a newer contract that is spoken", two().with(|case| contract(2)(&mut case.offered[1])), Plan::Install(1)),
        ("a newer host", two().with(change(1, later_host)), Plan::Install(0)),
        ("another channel", two().with(change(1, trial)), Plan::Install(0)),
        (
            "its own channel, and the stable one",
            two().with(change(0, trial)).with(|case| case.channel = Channel::parse("trial").unwrap()),
            Plan::Install(1),
        ),
        ("what is not granted", two().with(change(1, needing)), Plan::Install(0)),
        ("another share", two().with(change(1, nobody)), Plan::Install(0)),
        ("found bad", two().with(|case| case.bad = Some(1)), Plan::Install(0)),
        ("all found wanting", Case::new(&["1.1.0"]).with(|case| case.bad = Some(0)), Plan::Keep),
        ("pinned", two().with(|case| case.installed.pinned = true), Plan::Pinned),
        ("pinned with nothing newer", Case::new(&["1.0.0"]).with(|case| case.installed.pinned = true), Plan::Keep),
        ("ask", two().with(|case| case.updates = Updates::Ask), Plan::Wait(1, Waiting::Person)),
        ("an unknown time", two().with(|case| case.is_fresh = false), Plan::Wait(1, Waiting::Freshness)),
        ("the wrong hour", two().with(|case| case.window = Some(night)), Plan::Wait(1, Waiting::Window)),
        ("the right hour", two().with(|case| case.window = Some(over_midnight)), Plan::Install(1)),
        (
            "an unknown hour",
            two().with(|case| (case.window, case.minute) = (Some(over_midnight), None)),
            Plan::Wait(1, Waiting::Window),
        ),
        (
            "a file of a person's, of no known version",
            two().with(|case| case.installed.version = None),
            Plan::Wait(1, Waiting::UnknownVersion),
        ),
        (
            "a file of a person's that was signed",
            two().with(|case| {
                case.installed = Installed { sha256: Some("digest-0".into()), version: None, pinned: false };
            }),
            Plan::Install(1),
        ),
        ("nothing runs", two().with(|case| case.installed = Installed::default()), Plan::Install(1)),
    ];
    for (what, case, expected) in table {
        assert_eq!(case.plan().0, expected, "{what}");
    }
}

#[test]
fn a_person_overrides_hours_and_shares_and_not_what_can_not_run() {
    let night = Window { from_minute: 2 * 60, to_minute: 5 * 60 };
    let everything_waits = || {
        Case::new(&["1.1.0", "0.9.0"]).with(|case| {
            case.updates = Updates::Ask;
            case.is_fresh = false;
            case.window = Some(night);
            case.offered[0].rollout = Rollout::parse(0).unwrap();
        })
    };
    let table = [
        ("the newest", everything_waits().with(|case| case.wish = Wish::Newest), Plan::Install(0)),
        ("this one", everything_waits().with(|case| case.wish = version("1.1.0")), Plan::Install(0)),
        ("an older one", everything_waits().with(|case| case.wish = version("0.9.0")), Plan::Install(1)),
        ("one that is not there", everything_waits().with(|case| case.wish = version("3.0.0")), Plan::NotOffered),
        (
            "one that is for another host",
            everything_waits().with(|case| {
                case.wish = version("1.1.0");
                case.offered[0].minimum_host = Some(Version::new(9, 0, 0));
            }),
            Plan::Refuse(Objection::Host(Version::new(9, 0, 0))),
        ),
        (
            "one that was found bad",
            everything_waits().with(|case| (case.wish, case.bad) = (version("1.1.0"), Some(0))),
            Plan::Refuse(Objection::Bad),
        ),
        (
            "of another channel, by its number",
            everything_waits().with(|case| {
                case.wish = version("1.1.0");
                case.offered[0].channel = Channel::parse("trial").unwrap();
            }),
            Plan::Install(0),
        ),
        (
            "of another channel, as the newest",
            everything_waits().with(|case| {
                case.wish = Wish::Newest;
                case.offered[0].channel = Channel::parse("trial").unwrap();
            }),
            Plan::Keep,
        ),
        (
            "while another is pinned",
            everything_waits().with(|case| (case.wish, case.installed.pinned) = (version("1.1.0"), true)),
            Plan::Pinned,
        ),
    ];
    for (what, case, expected) in table {
        assert_eq!(case.plan().0, expected, "{what}");
    }
}

#[test]
fn what_is_passed_over_is_said_with_its_reason() {
    let case = Case::new(&["1.1.0", "1.2.0", "1.3.0", "0.9.0"]).with(|case| {
        case.offered[2].needs.urls = vec!["https://new.example".into()];
        case.offered[1].rollout = Rollout::parse(0).unwrap();
    });
    let (plan, passed) = case.plan();
    assert_eq!(plan, Plan::Install(0));
    let said: Vec<String> = passed.iter().map(|passed| format!("{}: {}", passed.version, passed.objection)).collect();
    assert_eq!(
        said,
        [
            "1.3.0: it needs https://new.example, which plugins.toml does not grant",
            "1.2.0: it is given to 0 % of the devices so far, and this one is not among them",
        ]
    );
}
