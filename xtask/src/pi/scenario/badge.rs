//! A reader of badges: a keyboard on the USB bus that types numbers.

use anyhow::{Result, bail, ensure};

use super::super::check::Checks;
use super::super::configuration::{Addition, BADGES, KNOWN_BADGE, READER};
use super::super::device::{LIMIT_FOR, Pi};
use super::super::image::INSIDE;
use super::must_be;
use crate::patience;
use crate::stopwatch::Stopwatch;

/// The badge of nobody.
const UNKNOWN_BADGE: &str = "0099";

pub(super) fn read(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.machine()?.monitor.plug_keyboard_in()?;
    await_grab(pi, false)?;
    pi.configure(&[Addition::Reader])?;
    let grabbed = await_grab(pi, true).map(|()| "");
    checks.note("a reader is found by its name, and what it types reaches nobody else", grabbed);

    let (number, name) = KNOWN_BADGE;
    for (what, number, notice) in
        [("known", number, name.to_owned()), ("unknown", UNKNOWN_BADGE, format!("unknown badge {UNKNOWN_BADGE}"))]
    {
        let picture = format!("{what}-badge");
        pi.machine()?.monitor.type_number(number)?;
        let said = pi.perform(&format!("{INSIDE}/virtual-pi await-recorded '{notice}' --png /tmp/shown.png"));
        let said = said.and_then(|_| pi.keep_picture(&picture)).map(|file| format!("`{notice}`, {}", file.display()));
        checks.note(&format!("the panel says whose a badge is that is {what}"), said);
    }
    let rows = pi.await_rows(BADGES, 2).and_then(|rows| {
        let rows = rows.into_iter().map(parse_row).collect::<Result<Vec<_>>>()?;
        let expected =
            [(name, number), (UNKNOWN_BADGE, UNKNOWN_BADGE)].map(|(who, badge)| [who, badge].map(str::to_owned));
        ensure!(rows == expected, "{rows:?}, where {expected:?} was expected");
        Ok(format!("{rows:?}"))
    });
    checks.note("each badge is one row, with the name of a person or the number", rows);

    pi.machine()?.monitor.unplug_keyboard()?;
    let said = pi.await_report("miss its reader", LIMIT_FOR, |report| {
        report.faults().into_iter().find(|fault| fault.starts_with("door: "))
    });
    checks.note("a reader that is unplugged is said", said);
    pi.machine()?.monitor.plug_keyboard_in()?;
    let watch = Stopwatch::start();
    let back = await_grab(pi, true).map(|()| format!("after {:.1} s", watch.elapsed().as_secs_f64()));
    checks.note("plugged in again, it is read without a restart", back);
    pi.machine()?.monitor.type_number(number)?;
    let row = pi.await_rows(BADGES, 3).map(|_| "");
    checks.note("a badge after that is a row", row);

    pi.configure(&[])?;
    let free = await_grab(pi, false).map(|()| "");
    checks.note("a reader that plugins.toml no longer names is given back", free);
    pi.machine()?.monitor.unplug_keyboard()
}

/// Waits until somebody has the reader's keyboard for itself, or nobody.
fn await_grab(pi: &mut Pi<'_>, is_grabbed: bool) -> Result<()> {
    let mut last = String::new();
    let awaited = patience::until("the keyboard", "be there and in use as expected", LIMIT_FOR, || {
        let answer = pi.machine()?.agent.run(&format!("{INSIDE}/virtual-pi is-grabbed '{READER}'"))?;
        last = format!("{}{}", answer.stdout, answer.stderr);
        Ok(must_be(Ok(answer.stdout.trim().to_owned()), &is_grabbed.to_string()).ok())
    });
    awaited.map(drop).map_err(|error| error.context(last))
}

/// Of the layout of `readings`: time, person, badge, and the row's key.
fn parse_row(row: Vec<String>) -> Result<[String; 2]> {
    match <[String; 4]>::try_from(row) {
        Ok([_, person, badge, _]) => Ok([person, badge]),
        Err(row) => bail!("a row of another form: {row:?}"),
    }
}
