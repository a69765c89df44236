//! The service as systemd sees it: what it says of itself, how it is reloaded and stopped, its log, and a secret that systemd
//! gives it.

use anyhow::{Context as _, Result, ensure};

use super::super::check::Checks;
use super::super::configuration::{Addition, CREDENTIAL};
use super::super::device::{LIMIT_FOR, Pi, SECRET};
use super::{DROP_INS, must_be};
use crate::report::Report;

/// Within so many ms it is stopped, also here.
const STOP_LIMIT_MS: u64 = 2_000;

pub(super) fn look(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let says = pi.perform("systemctl show -P StatusText punchcard").and_then(|says| {
        ensure!(says.contains("events"), "`{says}`");
        Ok(says)
    });
    checks.note("it tells systemd how it stands", says);
    let watchdog = must_be(pi.perform("systemctl show -P WatchdogUSec punchcard"), "3min").and_then(|every| {
        let fed = pi.perform("systemctl show -P WatchdogTimestampMonotonic punchcard")?;
        ensure!(fed != "0", "nobody feeds it");
        Ok(every)
    });
    checks.note("a watchdog is set, and fed", watchdog);
    let same = "systemctl show -P MainPID punchcard";
    let reloaded = pi.perform(same).and_then(|before| {
        pi.perform("systemctl reload punchcard")?;
        must_be(pi.perform(same), &before)
    });
    checks.note("`systemctl reload` reloads it", reloaded.map(|_| ""));
    checks.note("the journal finds what is of a part", find_part(pi));
    checks.note("it is stopped within 2 s", stop(pi));
    pi.await_use(LIMIT_FOR)?;

    sign_in_with_credential(pi, checks)?;
    pi.write_configuration(&[])?;
    pi.perform(&format!("rm -r {DROP_INS} && systemctl daemon-reload && systemctl restart punchcard"))?;
    pi.await_use(LIMIT_FOR).map(drop)
}

fn find_part(pi: &mut Pi<'_>) -> Result<String> {
    pi.press_and_wait()?;
    pi.await_delivery()?;
    let found = "journalctl --no-pager --unit punchcard --lines 1 --output json PART=sinks.timesheet PRIORITY=6";
    let entry: serde_json::Value =
        serde_json::from_str(&pi.perform(found)?).context("the journal says something else")?;
    let message = entry["MESSAGE"].as_str().context("an entry without a message")?;
    ensure!(message.contains("sink=timesheet"), "`{message}`");
    let logged = pi.perform("punchcard logs --part timesheet")?;
    ensure!(logged.contains(message), "`punchcard logs` does not have `{message}`: {logged}");
    let elsewhere = pi.perform("punchcard logs --part sinks.no-such-sink")?;
    ensure!(elsewhere.is_empty(), "{elsewhere}");
    Ok(message.to_owned())
}

fn stop(pi: &mut Pi<'_>) -> Result<String> {
    pi.perform("systemctl stop punchcard")?;
    must_be(pi.perform("systemctl show -P Result punchcard"), "success")?;
    // By systemd's own clock: starting `systemctl` takes an emulated processor longer than the stop.
    let moments = ["ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic"].map(|name| {
        let moment = pi.perform(&format!("systemctl show -P {name} punchcard"))?;
        moment.parse::<u64>().with_context(|| format!("`{moment}` is no moment"))
    });
    let [began, ended] = moments;
    let took = ended?.saturating_sub(began?) / 1_000;
    pi.perform("systemctl start punchcard")?;
    ensure!(took <= STOP_LIMIT_MS, "after {took} ms");
    Ok(format!("after {took} ms"))
}

/// The file of the secret is for root alone, who is systemd.
fn sign_in_with_credential(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.write_configuration(&[Addition::Credential])?;
    pi.perform(&format!("chown root:root {SECRET} && chmod 600 {SECRET}"))?;
    let drop_in = format!("[Service]\nLoadCredential={CREDENTIAL}:{SECRET}\n");
    pi.perform(&format!("mkdir -p {DROP_INS}"))?;
    pi.machine()?.agent.write(&format!("{DROP_INS}/credential.conf"), "0644", &drop_in)?;
    pi.perform("systemctl daemon-reload && systemctl restart punchcard")?;
    pi.await_use(LIMIT_FOR)?;
    pi.perform("punchcard sign-out google")?;
    pi.await_report("sign out", LIMIT_FOR, |report| (!report.is_authorized()).then_some(()))?;
    pi.perform("punchcard sign-in google --no-wait")?;
    let prompt = pi.await_report("show a code", LIMIT_FOR, Report::prompt)?;
    pi.trial.stand_in.allow(&prompt.user_code)?;
    let signed_in = pi.await_use(LIMIT_FOR).map(|_| "");
    checks.note("it signs in with a secret that systemd gives it, and that its user can't read", signed_in);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("a press after that is one row", compared);
    Ok(())
}
