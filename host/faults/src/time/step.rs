//! Clocks that are set while the device runs, hours that come twice, and hours that it sleeps through.

use anyhow::Result;
use jiff::{SignedDuration, ToSpan as _};
use rustix::process::Signal;

use super::{BRISBANE, Timed};
use crate::trial::{Surroundings, Trial};

/// By mistake: no row shows it, also after the program was started anew.
pub(super) async fn try_set(surroundings: &Surroundings, hours: i64) -> Result<Trial> {
    let mut timed = Timed::begin_now(surroundings).await?;
    timed.clock.wrong_by = SignedDuration::from_hours(hours);
    timed.clock.is_synchronised = false;
    timed.clock.apply()?;
    timed.trial.heal();
    timed.press().await?;
    timed.trial.device.rig.stop().await?;
    timed.trial.device.rig.start_and_wait().await?;
    timed.press().await?;
    timed.clock.wrong_by = SignedDuration::ZERO;
    timed.clock.is_synchronised = true;
    timed.clock.apply()?;
    timed.press().await?;
    timed.trial.count_runs(1);
    timed.finish().await
}

/// By the kernel: what it says is followed, there and back, and the order stays.
pub(super) async fn try_synchronised(surroundings: &Surroundings, hours: i64) -> Result<Trial> {
    let mut timed = Timed::begin_now(surroundings).await?;
    timed.clock.wrong_by = SignedDuration::from_hours(hours);
    timed.clock.apply()?;
    timed.trial.heal();
    timed.press_while_wrong(hours.hours()).await?;
    timed.clock.pass(24.hours())?;
    timed.press_while_wrong(hours.hours()).await?;
    timed.clock.wrong_by = SignedDuration::ZERO;
    timed.clock.apply()?;
    timed.press().await?;
    timed.reboot(|clock| clock.is_synchronised = true).await?;
    timed.press().await?;
    timed.trial.count_runs(1);
    timed.finish().await
}

/// A press each quarter of an hour, from shortly before the change to after it.
pub(super) async fn try_summer_time(surroundings: &Surroundings, begins: &str) -> Result<Trial> {
    let mut timed = Timed::begin(surroundings, "Europe/Paris", begins.parse()?).await?;
    timed.trial.heal();
    for _ in 0..6 {
        timed.clock.pass(15.minutes())?;
        timed.press().await?;
    }
    timed.trial.count_runs(1);
    timed.finish().await
}

/// Timers stood still meanwhile, and the access token has ended.
pub(super) async fn suspended(surroundings: Surroundings) -> Result<Trial> {
    let mut timed = Timed::begin(&surroundings, BRISBANE, jiff::Timestamp::now()).await?;
    for _ in 0..2 {
        timed.press().await?;
        timed.trial.device.rig.process()?.signal(Signal::STOP)?;
        timed.clock.pass(8.hours())?;
        timed.trial.google.advance(std::time::Duration::from_secs(8 * 3_600));
        timed.trial.device.rig.process()?.signal(Signal::CONT)?;
        timed.trial.heal();
        timed.press().await?;
        timed.trial.recover().await?;
        timed.trial.count_runs(1);
    }
    timed.finish().await
}
