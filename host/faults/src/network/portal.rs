//! A network that wants a login first: a page answers everything, until somebody has signed in to it.

use std::time::Duration;

use anyhow::Result;
use google_sim::{Config, Effect, Entry, Fault, GoogleSim};

use crate::headline::{CODE, NETWORK_IN_THE_WAY, NOT_GOOGLE, SIGNED_OUT};
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// Its page answers each path of each server, the one that gives tokens among them.
pub(super) fn rows() -> [Row; 2] {
    use Group::Network;
    [
        Row::new(
            Network,
            "captive-portal",
            "a login page with status 200 answers everything, and the access token ends meanwhile",
            while_it_works,
        )
        .says(&[NOT_GOOGLE, NETWORK_IN_THE_WAY]),
        Row::new(
            Network,
            "captive-portal-at-sign-in",
            "the same, when the device starts for the first time",
            at_sign_in,
        )
        .says(&[NETWORK_IN_THE_WAY, CODE])
        // Until the server has given it one.
        .may_say(&[SIGNED_OUT]),
    ]
}

const RUNS: u32 = 2;
/// It ends while the device is waiting for the network.
const TOKEN_LIVES_FOR: Duration = Duration::from_secs(15);
/// As the stand-in calls requests for one.
const TOKENS: &str = "oauth.token";
const CODES: &str = "oauth.deviceCode";
/// Requests for one that are answered by the page.
const TRIES: usize = 4;

fn lay(trial: &mut Trial) {
    trial.arm(Fault::on("*", Effect::CaptivePortal).times(u32::from(u16::MAX)));
}

/// How many requests for this it has answered.
fn answered(google: &GoogleSim, operation: &str) -> usize {
    let log = google.log();
    let is_so = |entry: &&Entry| entry.operation == operation && entry.fault.as_deref() == Some("captive-portal");
    log.iter().filter(is_so).count()
}

async fn while_it_works(surroundings: Surroundings) -> Result<Trial> {
    let google = Config { access_tokens_live_for: TOKEN_LIVES_FOR, ..Config::default() };
    let mut trial = Trial::signed_in_with(&surroundings, google).await?;
    for _ in 0..RUNS {
        trial
            .run(async |trial| {
                let before = answered(&trial.google, TOKENS);
                lay(trial);
                trial.device.press_and_wait().await?;
                trial.device.wait_for(NOT_GOOGLE).await?;
                let Trial { google, device, .. } = trial;
                let renews = |_: &serde_json::Value| (answered(google, TOKENS) >= before + TRIES).then_some(());
                device.wait("it is asked for a token again and again", renews).await?;
                device.wait_for(NETWORK_IN_THE_WAY).await?;
                trial.disarm();
                trial.heal();
                Ok(())
            })
            .await?;
    }
    Ok(trial)
}

async fn at_sign_in(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::new(&surroundings, Config::default()).await?;
    lay(&mut trial);
    trial.device.rig.start_and_wait().await?;
    trial
        .run(async |trial| {
            trial.device.press_and_wait().await?;
            trial.device.wait_for(NETWORK_IN_THE_WAY).await?;
            let Trial { google, device, .. } = trial;
            let again = |_: &serde_json::Value| (answered(google, CODES) >= TRIES).then_some(());
            device.wait("it is asked for a code again and again", again).await?;
            trial.disarm();
            trial.sign_in(None).await
        })
        .await?;
    Ok(trial)
}
