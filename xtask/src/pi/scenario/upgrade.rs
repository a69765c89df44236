//! A later version, removing, installing again, purging.

use anyhow::{Result, ensure};

use super::super::check::Checks;
use super::super::device::{LIMIT_FOR, Pi};
use super::{file_name, install_script, must_be};

pub(super) fn upgrade(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let before = pi.events()?;
    pi.perform(&install_script(&file_name(pi.trial.next_package)?))?;
    let version = pi.perform("dpkg-query --show --showformat '${Version}' punchcard");
    checks.note("apt upgrades it", version);
    let kept = pi.await_use(LIMIT_FOR).and_then(|_| {
        let events = pi.events()?;
        ensure!(events == before, "before {before:?}, and now {events:?}");
        Ok(format!("{} events, signed in", events.len()))
    });
    checks.note("configuration, ledger and tokens are kept", kept);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("it goes on with the same sheet", compared);

    pi.perform("DEBIAN_FRONTEND=noninteractive apt-get -y remove punchcard 2>&1")?;
    let kept = pi.perform("test -s /var/lib/punchcard/ledger.sqlite && test -s /etc/punchcard/plugins.toml");
    checks.note("removed, it leaves configuration and ledger", kept.map(|_| ""));
    pi.perform(&install_script(&file_name(pi.trial.next_package)?))?;
    let again = pi.await_use(LIMIT_FOR).map(|_| "");
    checks.note("installed again, it goes on", again);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("it goes on with the same sheet", compared);

    pi.perform("DEBIAN_FRONTEND=noninteractive apt-get -y purge punchcard 2>&1")?;
    let left = pi.perform(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /opt -o -path /var/log -o -path /tmp \\) -prune -o \
         -name '*punchcard*' -print",
    );
    checks.note("purged, it leaves no file", must_be(left, ""));
    let failed = pi.perform("systemctl list-units --failed --no-legend --plain");
    checks.note("no unit of the machine has failed", must_be(failed, ""));
    Ok(())
}
