//! Starts without a time server: the time comes later, or never, or is a clock's with a battery.

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::Timed;
use super::clock::SimulatedClock;
use crate::gate::Passage;
use crate::headline::TIMES_WRONG;
use crate::trial::{Surroundings, Trial};

/// The wall clock shows 1970, and nothing vouches for it.
fn at_the_epoch(clock: &mut SimulatedClock) {
    clock.wrong_by = clock.now().duration_until(Timestamp::UNIX_EPOCH);
}

fn synchronise(clock: &mut SimulatedClock) {
    (clock.wrong_by, clock.is_synchronised) = (SignedDuration::ZERO, true);
}

/// Presses wait, and get their true times.
pub(super) async fn at_1970(surroundings: Surroundings) -> Result<Trial> {
    let (mut timed, gate) = Timed::begin_behind_a_gate(&surroundings).await?;
    gate.set(Passage::Closed).await?;
    timed.reboot(at_the_epoch).await?;
    timed.wait_for_time(false).await?;
    for _ in 0..2 {
        timed.press().await?;
        timed.clock.pass(90.minutes())?;
    }
    timed.trial.device.rig.stop().await?;
    // The program alone is started anew.
    timed.trial.device.rig.start_and_wait().await?;
    timed.press().await?;
    timed.wait_for_time(false).await?;
    let refused = timed.trial.device.rig.command(&["reconcile", "timesheet"]).await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        !refused.status.success() && said.contains("the time is not known yet"),
        "a comparison is not refused: {said}"
    );
    let rows = timed.trial.rows()?.len();
    ensure!(rows == 1, "{rows} rows are in the sheet before the time is known");
    gate.set(Passage::Open).await?;
    synchronise(&mut timed.clock);
    timed.clock.apply()?;
    timed.trial.heal();
    timed.wait_for_time(true).await?;
    timed.press().await?;
    timed.trial.count_runs(1);
    timed.finish().await
}

/// Presses are guesses between their neighbours, as far apart as they were.
pub(super) async fn never_known(surroundings: Surroundings) -> Result<Trial> {
    let mut timed = Timed::begin_now(&surroundings).await?;
    let last_known = timed.clock.now();
    timed.press().await?;
    timed.reboot(at_the_epoch).await?;
    // As long after the last press of which the time is known as this start has lasted.
    timed.press_for_a_guess(last_known).await?;
    timed.clock.pass(90.minutes())?;
    timed.press_for_a_guess(last_known).await?;
    timed.reboot(synchronise).await?;
    timed.trial.heal();
    timed.wait_for_time(true).await?;
    timed.press().await?;
    timed.trial.count_runs(1);
    timed.finish().await
}

/// It is believed, until the kernel knows better, and what came of that is corrected.
pub(super) async fn battery_ahead(surroundings: Surroundings) -> Result<Trial> {
    let ahead = 3.hours();
    let mut timed = Timed::begin_now(&surroundings).await?;
    timed
        .reboot(|clock| {
            clock.is_battery_backed = true;
            clock.wrong_by = SignedDuration::from_hours(3);
        })
        .await?;
    timed.wait_for_time(true).await?;
    let true_time = timed.press_while_wrong(ahead).await?;
    let wrong = timed.trial.device.told()?.last;
    timed.wait_for_rows(2).await?;
    synchronise(&mut timed.clock);
    timed.clock.apply()?;
    timed.trial.device.wait_for(TIMES_WRONG).await?;
    timed.press().await?;
    timed.wait_for_rows(3).await?;
    timed.trial.heal();
    let command = timed.trial.device.follow_advice(TIMES_WRONG).await?;
    ensure!(command.contains(&format!(" --from {wrong} ")), "not from event {wrong} on: {command}");
    timed.expect_correction(true_time);
    timed.trial.recover().await?;
    timed.trial.device.wait_for_nothing_but(&[]).await?;
    timed.reboot(synchronise).await?;
    // It is no longer as late as it was.
    timed.trial.heal();
    timed.press().await?;
    timed.trial.count_runs(1);
    timed.finish().await
}
