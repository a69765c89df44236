//! The I2C bus with its panel and its sensor, which goes and comes.

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::super::check::Checks;
use super::super::configuration::{Addition, READINGS, SENSOR};
use super::super::device::{LIMIT_FOR, Pi};
use crate::stopwatch::Stopwatch;

/// What surrounds the simulated chip unless it is told otherwise, and how near to it a reading must be: degrees Celsius,
/// percent, and hectopascal.
const AIR: [(f64, f64); 3] = [(25.08, 0.02), (50.0, 0.5), (1_006.5, 0.5)];

pub(super) fn unplug(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.perform("systemctl stop virtual-pi-bus")?;
    let said = pi.await_report("miss its panel", LIMIT_FOR, |report| {
        report.faults().into_iter().find(|fault| fault.starts_with("panel"))
    });
    checks.note("a bus that is unplugged is said", said);
    pi.press_and_wait()?;
    checks.note("presses are recorded meanwhile", Ok(""));
    pi.perform("systemctl start virtual-pi-bus")?;
    let watch = Stopwatch::start();
    let back = pi.picture("plugged-in-again");
    let back = back.map(|_| format!("after {:.1} s", watch.elapsed().as_secs_f64()));
    checks.note("plugged in again, the panel shows its picture without a restart", back);
    let well = pi.await_health().map(|()| "");
    checks.note("nothing is wrong any more", well);
    Ok(())
}

pub(super) fn read_sensor(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.write_configuration(&[Addition::Sensor])?;
    pi.perform("punchcard reload")?;
    let watch = Stopwatch::start();
    let row = pi.await_rows(READINGS, 1).and_then(|rows| parse_reading(rows.first()));
    let row = row.map(|row| format!("{row:?} after {:.1} s", watch.elapsed().as_secs_f64()));
    checks.note("a plugin that is lent a chip on the bus reads it, and the reading is a row", row);

    pi.perform("systemctl stop virtual-pi-bus")?;
    let said = pi.await_report("miss its sensor", LIMIT_FOR, |report| {
        report.faults().into_iter().find(|fault| fault.starts_with(&format!("{SENSOR}: ")))
    });
    checks.note("a sensor that is unplugged is said", said);
    pi.press_and_wait()?;
    checks.note("presses are recorded meanwhile", Ok(""));
    let before = pi.sheet(READINGS)?.len();
    pi.perform("systemctl start virtual-pi-bus")?;
    let watch = Stopwatch::start();
    let back = pi.await_rows(READINGS, before + 1);
    let back = back.and_then(|rows| parse_reading(rows.last()));
    let back = back.map(|_| format!("its row is there after {:.1} s", watch.elapsed().as_secs_f64()));
    checks.note("plugged in again, it is read without a restart", back);
    let well = pi.await_health().map(|()| "");
    checks.note("nothing is wrong any more", well);

    // Nothing is read any more when its sink goes, for a row of it that waited would wait for ever.
    pi.perform("systemctl stop virtual-pi-bus")?;
    pi.await_report("miss its sensor", LIMIT_FOR, |report| (!report.faults().is_empty()).then_some(()))?;
    pi.await_delivery()?;
    pi.write_configuration(&[])?;
    pi.perform("punchcard reload && systemctl start virtual-pi-bus")?;
    pi.await_use(LIMIT_FOR)?;
    let compared = pi.compare();
    checks.note("a press among readings is one row", compared);
    Ok(())
}

/// Of the layout of `readings`: time, what was read, and the row's key.
fn parse_reading(row: Option<&Vec<String>>) -> Result<[f64; 3]> {
    let row = row.context("there is no row")?;
    let [_, cells @ .., _] = row.as_slice() else { bail!("a row of another form: {row:?}") };
    let read: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
    let read: [f64; 3] = read.try_into().map_err(|_| anyhow!("a row of another form: {row:?}"))?;
    let is_near = |(read, (real, tolerance)): (&f64, &(f64, f64))| (read - real).abs() <= *tolerance;
    ensure!(read.iter().zip(&AIR).all(is_near), "{read:?} was read of a chip in {AIR:?}");
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_near_to_what_surrounds_the_chip() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let read = parse_reading(Some(&row(&["2026-11-29 13:00:00", "25.08", "50.1", "1006.4", "01J/0"])));
        assert_eq!(read.expect("a reading"), [25.08, 50.1, 1_006.4]);
        assert!(parse_reading(Some(&row(&["2026-11-29 13:00:00", "25.2", "50.1", "1006.4", "01J/0"]))).is_err());
        assert!(parse_reading(Some(&row(&["2026-11-29 13:00:00", "25.08", "", "1006.4", "01J/0"]))).is_err());
        assert!(parse_reading(None).is_err());
    }
}
