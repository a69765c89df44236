//! Plugins that misbehave, and one that is replaced while events wait for it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use google_sim::{Config, Effect, Fault};
use punchcard_rig::{Configuration, Key};

use crate::headline::{FAILING, NO_ANSWER, OFF, PLUGIN_OFF};
use crate::press::KEYS;
use crate::request::UPDATE;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// The last keys make the formatter do these.
const MISDEEDS: [&str; 6] = ["trap", "loop", "hoard", "count", "width", "reject"];
/// How often.
const RUNS: u32 = 2;

/// What plugins do.
pub(crate) fn rows() -> Vec<Row> {
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
            "the formatter is broken, then replaced, while events wait for it",
            replaced,
        )
        .says(&[PLUGIN_OFF, OFF])
        .may_say(&[NO_ANSWER]),
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

async fn replaced(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.device.rig.stop().await?;
    let good = fs::read(surroundings.programs.guest("readings")).context("there is no formatter")?;
    let ours = trial.device.rig.folder.path().join("formatter.wasm");
    let configuration = trial.device.rig.folder.configuration()?;
    let theirs = serde_json::Value::from(surroundings.programs.guest("readings").to_string_lossy()).to_string();
    trial.device.rig.folder.configure(&configuration.replace(&theirs, r#""formatter.wasm""#))?;
    for version in 1..=2_u8 {
        // Rows that wait, made by the version before.
        trial.arm(Fault::on(UPDATE, Effect::ServerError { status: 503, applied: false }).times(u32::from(u16::MAX)));
        fs::write(&ours, &good)?;
        trial.device.rig.start()?;
        trial.device.wait_until_ready().await?;
        trial.device.press_and_wait().await?;
        trial.device.rig.stop().await?;
        // Events that wait, while half of a new version is there.
        fs::write(&ours, &good[..good.len() / 2])?;
        trial.device.rig.start()?;
        trial.device.wait_until_ready().await?;
        trial.device.press_and_wait().await?;
        trial.device.press_and_wait().await?;
        trial.device.rig.stop().await?;
        // A section of its own makes it another component (WebAssembly core specification §5.5.3).
        let another = [good.as_slice(), &[0, 3, 1, b'v', version]].concat();
        fs::write(&ours, another)?;
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
