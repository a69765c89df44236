//! The host is killed at random moments, again and again, while requests and answers get lost.

use std::time::Duration;

use anyhow::Result;
use google_sim::{Config, Effect, Fault};
use tokio::time::sleep;

use crate::headline::{
    CREATION_IN_DOUBT, GOOGLE_NOT_READY, NETWORK_IN_THE_WAY, NO_ANSWER, NOT_GOOGLE, NOT_REACHED, SERVER_IN_TROUBLE,
};
use crate::request::UPDATE;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// The kills.
pub(crate) fn rows(kills: u32, seed: u64) -> Vec<Row> {
    let what = "the host is killed at random moments, also while it starts, while requests and answers get lost";
    let script = async move |surroundings| try_out(&surroundings, kills, seed).await;
    // Requests that get lost at each of some starts in a row are said.
    vec![
        Row::new(Group::Power, "kill", what, script)
            .may_say(&[
                NO_ANSWER,
                GOOGLE_NOT_READY,
                NOT_GOOGLE,
                CREATION_IN_DOUBT,
                NOT_REACHED,
                SERVER_IN_TROUBLE,
                NETWORK_IN_THE_WAY,
            ])
            .within(Duration::from_mins(15) + Duration::from_secs(10) * kills)
            .with_seed(seed),
    ]
}

/// How long a token is valid: it ends several times meanwhile, so that the host is killed while it renews it, too.
const TOKEN_LIVES_FOR: Duration = Duration::from_secs(15);

/// What becomes of a request.
fn effect(chance: &mut fastrand::Rng) -> Effect {
    match chance.u8(..8) {
        0..=2 => Effect::DropAnswer,
        3 => Effect::HalfAnswer,
        4 => Effect::ServerError { status: 500, applied: true },
        5 => Effect::ServerError { status: 503, applied: false },
        6 => Effect::DropRequest,
        _ => Effect::Slow { millis: 300 },
    }
}

/// Kills it so often. The time to recover is that from the last start to the last row.
async fn try_out(surroundings: &Surroundings, kills: u32, seed: u64) -> Result<Trial> {
    let mut chance = fastrand::Rng::with_seed(seed);
    // The quota of a minute would be most of the time that this takes.
    let google = Config { quota: false, access_tokens_live_for: TOKEN_LIVES_FOR, ..Config::default() };
    let mut trial = Trial::signed_in_with(surroundings, google).await?;
    for number in 1..=kills {
        if number % 25 == 0 {
            eprintln!("  killed {number} times of {kills}");
        }
        // Some before it is ready; most while it works on what the last one left, or on new presses.
        if chance.u8(..4) > 0 {
            trial.device.wait_until_ready().await?;
            for _ in 0..chance.u8(..4) {
                trial.device.press_and_wait().await?;
            }
            if chance.u8(..3) > 0 {
                // Nobody waits for this one: it may be recorded or not.
                trial.device.press().await?;
            }
        }
        // From 16 µs to 131 ms, short ones as often as long ones.
        sleep(Duration::from_micros(1 << chance.u32(4..18))).await;
        trial.device.rig.kill().await?;
        trial.disarm();
        if chance.bool() {
            let path = if chance.bool() { UPDATE } else { "*" };
            trial.arm(Fault::on(path, effect(&mut chance)).after(chance.u32(..2)));
        }
        trial.heal();
        trial.device.rig.start()?;
    }
    trial.count_runs(kills);
    trial.device.wait_until_ready().await?;
    // One more, that goes the whole way: the tokens work.
    trial.device.press_and_wait().await?;
    trial.recover().await?;
    if kills >= 100 && trial.disturbed() == 0 {
        trial.note("no request was ever disturbed".to_owned());
    }
    Ok(trial)
}
