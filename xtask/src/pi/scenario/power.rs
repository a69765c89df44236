//! The power goes, in the middle of presses.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::check::Checks;
use super::super::device::{LIMIT_FOR, Pi};

/// After how many ms of pressing without a pause the power is cut, once for each.
const CUTS_AFTER_MS: [u64; 3] = [900, 2_300, 3_700];

pub(super) fn cut(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    for (number, after_ms) in (1..).zip(CUTS_AFTER_MS) {
        let known = pi.press_until_cut(Duration::from_millis(after_ms))?;
        let machine = pi.trial.setup.start()?;
        let booted_for = machine.booted_for;
        pi.machine = Some(machine);
        let well = pi.await_report("start again", LIMIT_FOR, |report| report.faults().is_empty().then_some(()));
        let kept = well.and_then(|()| {
            let events = pi.events()?;
            ensure!(events.starts_with(&known), "{known:?} was recorded before, and now {events:?} is");
            let (before, after) = (known.len(), events.len());
            Ok(format!(
                "{before} events were seen before, {after} are there; services after {:.1} s",
                booted_for.as_secs_f64()
            ))
        });
        checks.say_figure("after the kernel's start", find_lateness(pi));
        checks.note(&format!("after power cut {number} the device starts with all that it had"), kept);
        pi.connect()?;
        let signed_in = pi.await_report("be signed in", LIMIT_FOR, |report| report.is_authorized().then_some(""));
        checks.note("it is still signed in", signed_in);
        pi.press_and_wait()?;
        let compared = pi.compare();
        checks.note("nothing is lost and nothing doubled", compared);
    }
    let picture = pi.picture("after-power-cuts");
    checks.note("the panel shows what the program says", picture);
    Ok(())
}

/// When the service was ready, and when nothing was wrong with its inputs and its panel any more: looked at now, where that is
/// so.
fn find_lateness(pi: &mut Pi<'_>) -> Result<String> {
    let ready = pi.perform("systemctl show -P ActiveEnterTimestampMonotonic punchcard")?;
    let ready_us: u64 = ready.parse().with_context(|| format!("`{ready}` is no time"))?;
    let now = pi.perform("cut -d ' ' -f 1 /proc/uptime")?;
    Ok(format!("the service was ready after {:.1} s, and all of it worked {now} s at most", ready_us as f64 / 1e6))
}
