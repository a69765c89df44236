//! Plugins that misbehave, and such as are replaced while rows wait.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use google_sim::{Config, Effect, Fault};
use punchcard_rig::{Configuration, Key, Programs};
use tokio::time::sleep;

use crate::headline::{FAILING, NO_ANSWER, NOT_REACHED, OFF, PLUGIN_FILE_BAD, PLUGIN_OFF, SERVER_IN_TROUBLE};
use crate::press::KEYS;
use crate::request::UPDATE;
use crate::row::{Group, Row};
use crate::time_clock::FORMATTER;
use crate::trial::{Surroundings, Trial};

/// The last keys make the formatter do these.
const MISDEEDS: [&str; 6] = ["trap", "loop", "hoard", "count", "width", "reject"];
/// How often.
const RUNS: u32 = 2;

/// What plugins do. `seed`: what chance begins with where it decides.
pub(crate) fn rows(seed: u64) -> Vec<Row> {
    use Group::Guests;
    let misdeed = |name, what, deed| {
        Row::new(Guests, name, what, async move |surroundings| try_misdeed(&surroundings, deed).await)
    };
    vec![
        misdeed("trap", "the formatter traps on an event", "trap").says(&[FAILING]),
        misdeed("loop", "the formatter does not come to an end with an event", "loop").says(&[FAILING]),
        misdeed("memory", "the formatter wants more memory than it may have", "hoard").says(&[FAILING]),
        misdeed("wrong-count", "the formatter returns fewer verdicts than it got events", "count").says(&[FAILING]),
        misdeed("wrong-width", "the formatter returns a row with a cell too many", "width").says(&[FAILING]),
        misdeed("rejected-event", "the formatter rejects an event", "reject"),
        Row::new(
            Guests,
            "replaced-under-backlog",
            "the formatter's file is broken, so that the version before goes on, and then replaced, while rows wait",
            replaced,
        )
        .says(&[PLUGIN_FILE_BAD])
        .may_say(&[NO_ANSWER]),
        Row::new(
            Guests,
            "replaced-while-running",
            "the same, and the version before has seen the start of a pair",
            replaced_while_running,
        )
        .says(&[PLUGIN_FILE_BAD])
        .may_say(&[NO_ANSWER]),
        Row::new(
            Guests,
            "kill-while-switching",
            "versions of formatter and connector come and are gone back from, with rows that wait, and the host is killed at any \
             moment of it",
            async move |surroundings| killed_while_switching(&surroundings, seed).await,
        )
        .may_say(&[NO_ANSWER, SERVER_IN_TROUBLE, NOT_REACHED, FAILING, OFF, PLUGIN_OFF])
        .with_seed(seed),
    ]
}

async fn try_misdeed(surroundings: &Surroundings, deed: &str) -> Result<Trial> {
    let mut trial = Trial::new(surroundings, Config::default()).await?;
    // The saboteur's column is called by its key, and its cells begin with that.
    trial.title = "key";
    let deeds: Vec<_> = KEYS.iter().enumerate().map(|(number, key)| misdeed(number).unwrap_or(key)).collect();
    let fields: Vec<_> = deeds.iter().map(|deed| [("project", *deed)]).collect();
    let keys: Vec<_> = KEYS.iter().zip(&fields).map(|(key, fields)| Key { key, fields }).collect();
    let settings = format!(r#"{{ columns = ["{}"] }}"#, trial.title);
    let configuration =
        Configuration { device: "faults", keys: &keys, more: "", formatter: "for-tests/saboteur", settings: &settings };
    trial.device.rig.folder.configure(&configuration.render(&surroundings.programs, &trial.google.base_url()))?;
    trial.begin().await?;
    let key = deeds.iter().position(|known| *known == deed).context("no key does that")?;
    for run in 1..=RUNS {
        trial.run(async |trial| trial.device.press_stray(KEYS[key]).await).await?;
        let set_aside = |report: &serde_json::Value| (report["sinks"][0]["set-aside"] == run).then_some(());
        trial.device.wait("the event is set aside", set_aside).await?;
    }
    let listed = trial.device.command(&["events", "--json"]).await?;
    let reasons = listed.matches(r#""stage":"set-aside""#).count();
    ensure!(reasons == RUNS as usize, "{reasons} events have a reason why they are no rows:\n{listed}");
    Ok(trial)
}

/// What the key of this number does wrong.
fn misdeed(number: usize) -> Option<&'static str> {
    MISDEEDS.get(number.checked_sub(KEYS.len() - MISDEEDS.len())?).copied()
}

/// A component in a file of the device's own, which a person replaces.
struct Replaceable {
    file: PathBuf,
    good: Vec<u8>,
}

impl Replaceable {
    /// That of a device which is off, in its first version.
    fn new(trial: &Trial, programs: &Programs, name: &str) -> Result<Self> {
        let folder = &trial.device.rig.folder;
        let component = programs.guest(name);
        let good = fs::read(&component).with_context(|| format!("there is no {name}"))?;
        let theirs = serde_json::Value::from(component.to_string_lossy()).to_string();
        let configuration = folder.configuration()?;
        ensure!(configuration.contains(&theirs), "the configuration names no {name}");
        folder.configure(&configuration.replace(&theirs, &format!("\"{name}.wasm\"")))?;
        let component = Self { file: folder.path().join(format!("{name}.wasm")), good };
        component.put(0)?;
        Ok(component)
    }

    /// Puts a version in its place, which understands the state of the one before.
    fn put(&self, version: u8) -> Result<()> {
        // A section of its own makes it another component (WebAssembly core specification §5.5.3).
        let another = [self.good.as_slice(), &[0, 3, 1, b'v', version]].concat();
        // Whole: a running device looks at it as soon as it is there.
        let draft = self.file.with_extension("draft");
        fs::write(&draft, another).context("cannot write a component")?;
        fs::rename(draft, &self.file).context("cannot replace a component")
    }

    /// Half of a new version is there.
    fn put_half(&self) -> Result<()> {
        fs::write(&self.file, &self.good[..self.good.len() / 2]).context("cannot replace a component")
    }
}

impl Trial {
    /// No row gets through, until it is disarmed.
    fn hold_rows(&mut self) {
        let unavailable = Effect::ServerError { status: 503, applied: false };
        self.arm(Fault::on(UPDATE, unavailable).times(u32::from(u16::MAX)));
    }
}

async fn replaced(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let formatter = Replaceable::new(&trial, &surroundings.programs, "readings")?;
    for version in 1..=2 {
        // A row that waits, made by the version before.
        trial.hold_rows();
        trial.device.rig.start()?;
        trial.device.wait_until_ready().await?;
        trial.device.press_and_wait().await?;
        trial.device.wait_for_formatted(1).await?;
        trial.device.rig.stop().await?;
        // The version before goes on.
        formatter.put_half()?;
        trial.device.rig.start()?;
        trial.device.wait_until_ready().await?;
        trial.device.press_and_wait().await?;
        trial.device.press_and_wait().await?;
        trial.device.rig.stop().await?;
        formatter.put(version)?;
        trial.disarm();
        trial.device.rig.start()?;
        trial.heal();
        trial.device.wait_until_ready().await?;
        trial.run(async |_| Ok(())).await?;
        trial.device.rig.stop().await?;
    }
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await?;
    Ok(trial)
}

/// What a version remembers of a start outlives a broken file and the next version.
async fn replaced_while_running(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::time_clock(&surroundings).await?;
    let formatter = Replaceable::new(&trial, &surroundings.programs, FORMATTER)?;
    trial.device.rig.start_and_wait().await?;
    trial.sign_in(None).await?;
    trial.device.said.clear();
    trial.punch().await?;
    trial.device.settle().await?;
    for version in 1..=2 {
        // A row that waits, and a start without its row.
        trial.hold_rows();
        trial.punch().await?;
        trial.device.wait_for_formatted(1).await?;
        trial.device.rig.stop().await?;
        // The version before finishes it.
        formatter.put_half()?;
        trial.device.rig.start()?;
        trial.device.wait_until_ready().await?;
        trial.punch().await?;
        trial.device.rig.stop().await?;
        formatter.put(version)?;
        trial.disarm();
        trial.device.rig.start()?;
        trial.heal();
        trial.device.wait_until_ready().await?;
        trial.recover().await?;
        trial.count_runs(1);
    }
    trial.heal();
    trial.finish().await?;
    Ok(trial)
}

/// How often a version is replaced and the host killed.
const SWITCHES: u8 = 20;

async fn killed_while_switching(surroundings: &Surroundings, seed: u64) -> Result<Trial> {
    let mut chance = fastrand::Rng::with_seed(seed);
    // The quota of a minute would be most of the time that this takes.
    let google = Config { quota: false, ..Config::default() };
    let mut trial = Trial::signed_in_with(surroundings, google).await?;
    trial.device.rig.stop().await?;
    let names = ["readings", "google-sheets"];
    let plugins = [
        Replaceable::new(&trial, &surroundings.programs, names[0])?,
        Replaceable::new(&trial, &surroundings.programs, names[1])?,
    ];
    trial.device.rig.start()?;
    for version in 1..=SWITCHES {
        trial.device.wait_until_ready().await?;
        trial.hold_rows();
        for _ in 0..chance.u8(1..4) {
            trial.device.press_and_wait().await?;
        }
        let which = chance.usize(..names.len());
        plugins[which].put(version)?;
        if chance.bool() {
            sleep(pause(&mut chance)).await;
            // There may be nothing to go back to: then this is refused.
            drop(trial.device.command(&["plugin", "rollback", names[which]]).await);
        }
        trial.disarm();
        if chance.bool() {
            trial.arm(Fault::on(UPDATE, Effect::DropAnswer));
        }
        sleep(pause(&mut chance)).await;
        trial.device.rig.kill().await?;
        trial.disarm();
        trial.heal();
        trial.device.rig.start()?;
    }
    trial.count_runs(u32::from(SWITCHES));
    trial.device.wait_until_ready().await?;
    trial.device.press_and_wait().await?;
    trial.recover().await?;
    Ok(trial)
}

/// From a millisecond to two seconds, short ones as often as long ones: looking at a version, and taking it, takes some of that.
fn pause(chance: &mut fastrand::Rng) -> Duration {
    Duration::from_micros(1 << chance.u32(10..22))
}
