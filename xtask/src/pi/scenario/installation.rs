//! The package is installed, asked for a configuration, given one, and signed in.

use anyhow::{Result, bail, ensure};

use super::super::check::Checks;
use super::super::configuration;
use super::super::device::{LIMIT_FOR, Pi};
use super::super::machine::{ADDRESS, STAND_IN_ADDRESS};
use super::{file_name, install_script, must_be};
use crate::report::Report;
use crate::stopwatch::Stopwatch;

pub(super) fn install(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let bytes = std::fs::metadata(pi.trial.package)?.len();
    let size = format!("{:.1} MB", bytes as f64 / 1e6);
    let is_small = bytes <= crate::dist::SIZE_LIMIT;
    checks.note("the package is small", if is_small { Ok(size) } else { bail_with(size) });

    let watch = Stopwatch::start();
    let name = file_name(pi.trial.package)?;
    pi.perform(&install_script(&name))?;
    checks.note("apt installs it", Ok(format!("in {:.1} s", watch.elapsed().as_secs_f64())));
    let active = pi.perform("systemctl is-active punchcard").and_then(|_| pi.perform("punchcard status"));
    checks.note("the service runs and answers", active.map(|_| ""));
    let modes = pi.perform("stat --format '%n %U:%G %a' /dev/gpiochip0 /dev/i2c-0");
    let modes = must_be(modes, "/dev/gpiochip0 root:gpio 660\n/dev/i2c-0 root:i2c 660");
    checks.note("lines and buses belong to their groups", modes.map(|modes| modes.replace('\n', ", ")));
    let quiet = pi.perform("punchcard check").map(|_| "");
    checks.note("what it comes with is a valid configuration", quiet);
    checks.note("`init` writes one that is valid, and keeps what the package brought", write_defaults(pi));

    let name = configuration::STAND_IN;
    pi.perform(&format!("echo '{STAND_IN_ADDRESS} {name}' >> /etc/hosts"))?;
    pi.write_configuration(&[])?;
    let checked = pi.perform("punchcard check").map(|_| "");
    checks.note("a configuration for this machine is valid", checked);
    let devices = pi.await_report("take up another configuration", LIMIT_FOR, |report| {
        (report.is_in_use() && report.faults().is_empty()).then_some("")
    });
    checks.note("panel, buttons and knob are taken up without a restart", devices);
    Ok(())
}

/// The service goes on with what was written, and its user may read it.
fn write_defaults(pi: &mut Pi<'_>) -> Result<String> {
    pi.perform("cp --archive /etc/punchcard/plugins.toml /tmp/brought.toml")?;
    pi.perform("punchcard init --defaults")?;
    pi.perform("cmp /tmp/brought.toml /etc/punchcard/plugins.toml.package")?;
    let owners = pi.perform("stat --format '%U:%G %a' /etc/punchcard/plugins.toml");
    must_be(owners, "root:punchcard 640")?;
    let valid = pi.perform("punchcard check")?;
    let reloaded = pi.perform("punchcard reload --json")?;
    let reloaded: serde_json::Value = serde_json::from_str(&reloaded)?;
    ensure!(reloaded["errors"].is_null(), "the running device finds errors: {}", reloaded["errors"]);
    Ok(valid)
}

fn bail_with(found: String) -> Result<String> {
    bail!(found)
}

pub(super) fn sign_in(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.perform(&format!("ip address add {ADDRESS} dev eth0; ip link set eth0 up"))?;
    let prompt = pi.await_report("show a code", LIMIT_FOR, Report::prompt)?;
    let picture = pi.picture("sign-in");
    checks.note("the panel shows a code to a person", picture);
    pi.trial.stand_in.allow(&prompt.user_code)?;
    let signed_in =
        pi.await_report("find that it is signed in", LIMIT_FOR, |report| report.is_authorized().then_some(""));
    checks.note("it is signed in", signed_in);
    Ok(())
}
