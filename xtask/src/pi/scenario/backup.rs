//! A backup that is made while rows wait, and a device that goes on with it after they arrived.

use anyhow::{Result, ensure};

use super::super::check::Checks;
use super::super::device::{LIMIT_FOR, Pi};

pub(super) fn restore(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.await_delivery()?;
    let arrived = pi.rows()?.len();
    pi.perform("ip link set eth0 down")?;
    for _ in 0..2 {
        pi.press_and_wait()?;
    }
    let saved = pi.events()?;
    let backup = pi.perform("rm -f /srv/backup && punchcard backup /srv/backup").and_then(|said| {
        let mode = pi.perform("stat --format '%U %a' /srv/backup")?;
        ensure!(mode == "root 600", "the file is of {mode}");
        ensure!(pi.rows()?.len() == arrived, "rows arrived without a network");
        Ok(said.lines().next().unwrap_or_default().to_owned())
    });
    checks.note("a backup is made while the device runs and two rows wait", backup);

    pi.connect()?;
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("they arrive, and so does a press after that", compared);
    let rows = pi.rows()?;

    pi.perform("punchcard restore /srv/backup --yes && systemctl restart punchcard")?;
    let restored = pi.await_use(LIMIT_FOR).and_then(|_| {
        let events = pi.events()?;
        ensure!(events == saved, "the backup has {saved:?}, and the device {events:?}");
        Ok(format!("{} events", events.len()))
    });
    checks.note("restored, it goes on with what the backup has", restored);
    let doubled = pi.await_delivery().and_then(|()| {
        let now = pi.rows()?;
        ensure!(now == rows, "the sheet had {rows:?}, and has {now:?}");
        Ok(format!("{} rows", now.len()))
    });
    checks.note("rows that waited in the backup and had arrived do not come twice", doubled);
    pi.press_and_wait()?;
    let one_more = pi.await_delivery().and_then(|()| {
        let now = pi.rows()?;
        ensure!(now.len() == rows.len() + 1 && now.starts_with(&rows), "the sheet had {rows:?}, and has {now:?}");
        Ok("")
    });
    checks.note("a press after that is one row more", one_more);

    pi.perform("punchcard restore --undo --yes && systemctl restart punchcard")?;
    pi.await_use(LIMIT_FOR)?;
    pi.disown_last_press()?;
    let compared = pi.compare();
    checks.note("the restore is undone, and it goes on with all that it had", compared);
    Ok(())
}
