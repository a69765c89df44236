//! What lies between the device and its servers: connections, names and certificates that fail for a while.

mod certificate;
mod name;
mod portal;

use std::time::Duration;

use anyhow::{Result, ensure};
use google_sim::{Config, Effect, Fault};
use punchcard_rig::stand_in;
use tokio::time::{Instant, sleep};

use crate::gate::{Gate, Passage};
use crate::headline::{NO_ANSWER, TOKEN_REFUSED};
use crate::request::UPDATE;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// Longer than the host waits for a connection.
const UNANSWERED_FOR: Duration = Duration::from_secs(12);
/// Between two looks at what is not answered.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const DAY: Duration = Duration::from_secs(86_400);

/// What networks do.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Network;
    let silence = |name, what, applied| {
        Row::new(Network, name, what, async move |surroundings| try_silence(&surroundings, applied).await).slow()
    };
    let ours = vec![
        Row::new(Network, "refused", "nothing listens at the server's port", refused).says(&[NO_ANSWER]),
        Row::new(Network, "unanswered", "what should open a connection is not answered for 12 s", unanswered),
        Row::new(Network, "dripping-answer", "the answer comes a byte at a time, for some seconds", dripping),
        Row::new(
            Network,
            "dripping-past-the-deadline",
            "the answer comes a byte at a time, and is not whole within the time-out",
            dripping_for_long,
        )
        .slow(),
        Row::new(
            Network,
            "closed-after-a-day",
            "the server closed the kept connection after a day of silence",
            after_a_day,
        )
        .says(&[TOKEN_REFUSED]),
        Row::new(Network, "no-name", "the server's name has no address", name::try_out).says(&[NO_ANSWER]),
        certificate::row("certificate-unknown", "a certificate that nobody vouches for", certificate::Flaw::Unknown),
        certificate::row("certificate-expired", "a certificate that has expired", certificate::Flaw::Expired),
        certificate::row("certificate-of-another", "a certificate for another name", certificate::Flaw::AnotherName),
        silence("timeout-before", "no answer within the time-out, and the rows were not taken", false),
        silence("timeout-after", "no answer within the time-out, and the rows were taken", true),
    ];
    ours.into_iter().chain(portal::rows()).collect()
}

async fn refused(surroundings: Surroundings) -> Result<Trial> {
    let (mut trial, gate) = behind_a_gate(&surroundings).await?;
    trial
        .run(async |trial| {
            gate.set(Passage::Closed).await?;
            trial.device.press_and_wait().await?;
            trial.device.wait_for(NO_ANSWER).await?;
            gate.set(Passage::Open).await?;
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn unanswered(surroundings: Surroundings) -> Result<Trial> {
    let (mut trial, gate) = behind_a_gate(&surroundings).await?;
    trial
        .run(async |trial| {
            gate.set(Passage::Unanswered).await?;
            trial.device.press_and_wait().await?;
            let until = Instant::now() + UNANSWERED_FOR;
            let mut most = 0;
            while Instant::now() < until {
                most = most.max(gate.unanswered()?);
                sleep(LOOK_AGAIN).await;
            }
            ensure!(most > 0, "it tried to open no connection in {UNANSWERED_FOR:?}");
            gate.set(Passage::Open).await?;
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}

/// A device, as [`Trial::signed_in`] has it, whose connections go through a gate.
async fn behind_a_gate(surroundings: &Surroundings) -> Result<(Trial, Gate)> {
    let (mut trial, gate) = new_behind_a_gate(surroundings).await?;
    trial.begin().await?;
    Ok((trial, gate))
}

/// A device that was never on, whose connections will go through a gate.
pub(crate) async fn new_behind_a_gate(surroundings: &Surroundings) -> Result<(Trial, Gate)> {
    let google = stand_in(Config::default()).await?;
    let gate = Gate::new(google.port(), Passage::Open).await?;
    let trial = Trial::at(surroundings, google, &format!("http://{}", gate.address))?;
    Ok((trial, gate))
}

async fn dripping(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for _ in 0..3 {
        trial
            .run(async |trial| {
                trial.arm(Fault::on(UPDATE, Effect::Drip { millis: 20 }));
                Ok(())
            })
            .await?;
    }
    Ok(trial)
}

/// Of some hundred bytes, a second or two apart, the last one comes after the 200 s that such a request has.
async fn dripping_for_long(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.arm(Fault::on(UPDATE, Effect::Drip { millis: 2_000 }));
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn after_a_day(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for _ in 0..2 {
        trial
            .run(async |trial| {
                // The device keeps a connection for some seconds: for the server those were a day, and its tokens' end.
                trial.google.advance(DAY);
                trial.close_kept_connections().await
            })
            .await?;
    }
    Ok(trial)
}

/// The connector gives a request that writes 200 s.
async fn try_silence(surroundings: &Surroundings, applied: bool) -> Result<Trial> {
    let mut trial = Trial::signed_in(surroundings).await?;
    trial
        .run(async |trial| {
            trial.arm(Fault::on(UPDATE, Effect::Silence { applied }));
            Ok(())
        })
        .await?;
    Ok(trial)
}
