//! One request that goes wrong, on the way there or back, while rows are being delivered.

use std::time::Duration;

use anyhow::Result;
use google_sim::{Action, Config, Effect, Fault};
use tokio::time::Instant;

use crate::Outcome;
use crate::device::{Device, Surroundings};

/// What happens to it.
pub(crate) enum Mishap {
    /// To so many requests that bring rows, one after the other.
    Rows(Effect, u32),
    /// To so many requests of any kind.
    Any(Effect, u32),
    /// It is carried out when the next ones have long been answered.
    Late,
    /// Before it.
    Action(Action),
}

/// What Google may take for a request whose connection broke.
const LATE_BY: Duration = Duration::from_mins(3);
/// Once is luck.
const RUNS: u32 = 3;

/// The mishaps by name.
pub(crate) fn all() -> Vec<(&'static str, Mishap)> {
    let page = |status| Effect::Answer {
        status,
        content_type: "text/html".to_owned(),
        body: "<html><body>Not what was asked for.</body></html>".to_owned(),
    };
    let error = |status, applied| Effect::ServerError { status, applied };
    vec![
        ("reset-before", Mishap::Rows(Effect::DropRequest, 1)),
        ("reset-after", Mishap::Rows(Effect::DropAnswer, 1)),
        ("reset-after-five-times", Mishap::Any(Effect::DropAnswer, 5)),
        ("applied-late", Mishap::Late),
        ("half-an-answer", Mishap::Rows(Effect::HalfAnswer, 1)),
        ("html-for-json", Mishap::Rows(page(200), 1)),
        ("html-not-found", Mishap::Rows(page(404), 1)),
        ("captive-portal", Mishap::Any(Effect::CaptivePortal, 4)),
        ("too-many-requests", Mishap::Rows(Effect::TooManyRequests, 3)),
        ("error-500-before", Mishap::Rows(error(500, false), 1)),
        ("error-500-after", Mishap::Rows(error(500, true), 1)),
        ("error-503", Mishap::Rows(error(503, false), 3)),
        ("answer-over-the-limit", Mishap::Rows(Effect::Oversized { bytes: 9 << 20 }, 1)),
        ("endless-answer", Mishap::Rows(Effect::Endless, 1)),
        ("redirect-elsewhere", Mishap::Rows(Effect::Redirect { to: "http://login.invalid/".to_owned() }, 1)),
        ("closed-connection", Mishap::Action(Action::CloseIdleConnections)),
        ("token-expired", Mishap::Action(Action::ExpireAccessTokens)),
        ("token-expired-in-a-batch", Mishap::Rows(Effect::ExpireAccessTokens, 1)),
    ]
}

/// Lets it happen to a delivery, some times. The time to recover is the longest from the press to the last row.
pub(crate) async fn try_out(surroundings: &Surroundings, fault: &'static str, mishap: &Mishap) -> Result<Outcome> {
    let mut device = Device::signed_in(surroundings, Config::default()).await?;
    device.press_and_wait().await?;
    device.settle().await?;
    let mut slowest = 0;
    let mut trouble = None;
    for run in 1..=RUNS {
        match mishap {
            Mishap::Rows(effect, times) => device.arm(Fault::on("*:batchUpdate", effect.clone()).times(*times)),
            Mishap::Any(effect, times) => device.arm(Fault::on("*", effect.clone()).times(*times)),
            Mishap::Late => {
                device.arm(Fault::on("*:batchUpdate", Effect::ApplyLate { after_seconds: LATE_BY.as_secs() }));
            }
            Mishap::Action(action) => device.google.act(*action),
        }
        let began = Instant::now();
        device.press_and_wait().await?;
        device.press_and_wait().await?;
        device.settle().await?;
        slowest = slowest.max(began.elapsed().as_millis());
        if matches!(mishap, Mishap::Late) {
            device.google.advance(LATE_BY);
        }
        if device.waiting() > 0 {
            trouble = Some(format!("in run {run}, fewer requests were disturbed than had to be"));
        }
        device.disarm();
    }
    Ok(Outcome { trouble, ..device.compare(fault, RUNS, slowest, None)? })
}
