//! Buttons and the knob, before the time is known and after.

use anyhow::{Result, anyhow};

use super::super::check::Checks;
use super::super::device::{LIMIT_FOR, Pi};

pub(super) fn press(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let unknown = pi.report()?.is_some_and(|report| !report.clock_known);
    pi.press_and_wait()?;
    let before = pi.rows()?.len();
    let outcome = if unknown && before == 0 { Ok("") } else { Err(anyhow!("it believes a clock that nobody set")) };
    checks.note("a press is recorded before the time is known, and its row waits", outcome);
    pi.connect()?;
    let known = pi.await_report("learn the time", LIMIT_FOR, |report| report.clock_known.then_some(""));
    checks.note("it asks the kernel and learns that the time is right", known);

    for detents in [1, 1, -1, 3, 2] {
        pi.turn(detents)?;
        pi.press_and_wait()?;
    }
    let compared = pi.compare();
    checks.note("each press is one row, with what the knob stood at, however the contacts bounce", compared);
    let picture = pi.picture("recorded");
    checks.note("the panel shows what the program says", picture);
    Ok(())
}
