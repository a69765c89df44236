//! The host is killed at random moments, again and again, while requests and answers get lost.

use std::time::Duration;

use anyhow::Result;
use google_sim::{Config, Effect, Fault};
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::device::{Device, Surroundings};

/// What it is called.
pub(crate) const NAME: &str = "kill";

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
pub(crate) async fn try_out(surroundings: &Surroundings, kills: u32, seed: u64) -> Result<Outcome> {
    let mut chance = fastrand::Rng::with_seed(seed);
    // The quota of a minute would be most of the time that this takes.
    let google = Config { quota: false, access_tokens_live_for: TOKEN_LIVES_FOR, ..Config::default() };
    let mut device = Device::signed_in(surroundings, google).await?;
    for number in 1..=kills {
        if number % 25 == 0 {
            eprintln!("  killed {number} times of {kills}");
        }
        // Some before it is ready; most while it works on what the last one left, or on new presses.
        if chance.u8(..4) > 0 {
            device.wait_until_ready().await?;
            for _ in 0..chance.u8(..4) {
                device.press_and_wait().await?;
            }
            if chance.u8(..3) > 0 {
                // Nobody waits for this one: it may be recorded or not.
                device.press().await?;
            }
        }
        // From 16 µs to 131 ms, short ones as often as long ones.
        sleep(Duration::from_micros(1 << chance.u32(4..18))).await;
        device.kill().await?;
        device.disarm();
        if chance.bool() {
            let path = if chance.bool() { "*:batchUpdate" } else { "*" };
            device.arm(Fault::on(path, effect(&mut chance)).after(chance.u32(..2)));
        }
        device.start()?;
    }
    let started = Instant::now();
    device.wait_until_ready().await?;
    // One more, that goes the whole way: the tokens work.
    device.press_and_wait().await?;
    device.settle().await?;
    let recovered_ms = started.elapsed().as_millis();
    let mut outcome = device.compare(NAME, kills, recovered_ms, Some(seed))?;
    if kills >= 100 && outcome.disturbed == 0 {
        outcome.trouble = Some("no request was ever disturbed".to_owned());
    }
    Ok(outcome)
}
