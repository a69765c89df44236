//! A reader of badges: a keyboard on the USB bus that types numbers.

use anyhow::{Context as _, Result, bail, ensure};

use super::super::check::Checks;
use super::super::configuration::{Addition, BADGES, KNOWN_BADGE, READER};
use super::super::device::{LIMIT_FOR, Pi};
use super::super::image::INSIDE;
use super::must_be;
use crate::patience;
use crate::stopwatch::Stopwatch;

/// The badge of nobody.
const UNKNOWN_BADGE: &str = "0099";
/// Keys are lost for so many badges at most.
const MOST_ASKED: usize = 4;

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
        show_badge(pi, number)?;
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
    show_badge(pi, number)?;
    let row = pi.await_rows(BADGES, 3).map(|_| "");
    checks.note("a badge after that is a row", row);

    pi.configure(&[])?;
    let free = await_grab(pi, false).map(|()| "");
    checks.note("a reader that plugins.toml no longer names is given back", free);
    pi.machine()?.monitor.unplug_keyboard()
}

/// Shows a badge until it is recorded. An emulator that is short of time loses keys: then the device asks for the badge again, and
/// gets it.
fn show_badge(pi: &mut Pi<'_>, number: &str) -> Result<()> {
    let mut asked = count_asked(pi)?;
    let before = pi.report()?.context("the device does not answer")?.events;
    loop {
        pi.machine()?.monitor.type_number(number)?;
        let answered = patience::until("the device", "record a badge, or ask for it again", LIMIT_FOR, || {
            let is_recorded = pi.report()?.is_some_and(|report| report.events > before);
            let asks = !is_recorded && count_asked(pi)? > asked;
            Ok((is_recorded || asks).then_some(is_recorded))
        });
        if answered.inspect_err(|_| pi.keep_journal())? {
            return Ok(());
        }
        asked += 1;
        ensure!(asked < MOST_ASKED, "it was asked for again {asked} times");
    }
}

/// How often the device has asked for a badge again.
fn count_asked(pi: &mut Pi<'_>) -> Result<usize> {
    Ok(pi.perform("punchcard logs --part door")?.matches("show the badge again").count())
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
