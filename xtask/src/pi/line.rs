//! Lines of the machine's GPIO controller, moved from outside as hands move contacts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::patience;
use crate::stopwatch::Stopwatch;

/// The label of the controller's chip in the machine.
pub(super) const CHIP: &str = "9030000.pl061";
/// Its lines but for 3, which is the machine's button for turning it off.
pub(super) const KNOB: [u8; 2] = [0, 1];
pub(super) const BUTTONS: [(&str, u8); 5] = [("one", 2), ("two", 4), ("three", 5), ("four", 6), ("five", 7)];

/// For the machine to be told.
const LIMIT_FOR: Duration = Duration::from_secs(20);
/// Between two edges of a contact that bounces.
const BOUNCE_FOR: Duration = Duration::from_millis(1);
/// How long a finger stays down, and up at least.
const HOLD_FOR: Duration = Duration::from_millis(120);
/// Between two edges of a knob.
const STEP_FOR: Duration = Duration::from_millis(10);

/// Where the machine has the controller's register of edges that it has not taken notice of yet, by line (`GPIORIS` in the
/// manual of the PL061, section 3.3.8).
const UNNOTICED: u64 = 0x0903_0000 + 0x414;
/// An emulated processor may stand still for longer than a finger is down, and would see neither. Nothing on a real one does.
const NOTICE_LIMIT_FOR: Duration = Duration::from_secs(10);

/// The lines. A contact that is closed connects its line with ground.
pub(super) struct Lines {
    writer: UnixStream,
    reader: BufReader<UnixStream>,
    controller: String,
}

impl Lines {
    /// Takes the lines over, and pulls all of them up. `controller`: its path in QEMU.
    pub(super) fn take(stream: UnixStream, controller: &str) -> Result<Self> {
        stream.set_read_timeout(Some(LIMIT_FOR)).context("cannot wait for QEMU")?;
        let writer = stream.try_clone().context("cannot share the way to the lines")?;
        let mut lines = Self { writer, reader: BufReader::new(stream), controller: controller.to_owned() };
        for line in KNOB.into_iter().chain(BUTTONS.map(|(_, line)| line)) {
            lines.set(line, true)?;
        }
        Ok(lines)
    }

    /// Presses a button, whose contact bounces at both ends, and lets it go.
    pub(super) fn press(&mut self, line: u8) -> Result<()> {
        for is_closed in [true, false] {
            for level in [!is_closed, is_closed, !is_closed] {
                self.set(line, level)?;
                patience::rest(BOUNCE_FOR);
            }
            self.await_notice(line)?;
            patience::rest(HOLD_FOR);
        }
        Ok(())
    }

    /// Turns the knob by so many detents, of four edges each; backwards where there are fewer than none.
    pub(super) fn turn(&mut self, detents: i32) -> Result<()> {
        let [first, second] = if detents < 0 { [KNOB[1], KNOB[0]] } else { KNOB };
        for _ in 0..detents.unsigned_abs() {
            for (line, level) in [(first, false), (second, false), (first, true), (second, true)] {
                self.set(line, level)?;
                self.await_notice(line)?;
                patience::rest(STEP_FOR);
            }
        }
        Ok(())
    }

    /// Waits until the machine has taken notice of the last edge of a line.
    fn await_notice(&mut self, line: u8) -> Result<()> {
        let watch = Stopwatch::start();
        loop {
            let answer = self.order(&format!("readl {UNNOTICED:#x}"))?;
            let lines = parse_register(&answer).with_context(|| format!("QEMU says `{answer}` of a register"))?;
            if lines >> line & 1 == 0 {
                return Ok(());
            }
            if watch.elapsed() > NOTICE_LIMIT_FOR {
                bail!("the machine takes no notice of line {line}");
            }
            patience::rest(BOUNCE_FOR);
        }
    }

    fn set(&mut self, line: u8, level: bool) -> Result<()> {
        let order = format!("set_irq_in {} unnamed-gpio-in {line} {}", self.controller, u8::from(level));
        match self.order(&order)?.as_str() {
            "OK" => Ok(()),
            answer => bail!("QEMU does not move line {line}: {answer}"),
        }
    }

    /// QEMU's protocol for tests of devices (docs/devel/qtest).
    fn order(&mut self, order: &str) -> Result<String> {
        self.writer.write_all(format!("{order}\n").as_bytes()).context("QEMU takes no orders for lines")?;
        let mut answer = String::new();
        self.reader.read_line(&mut answer).context("QEMU does not answer an order for lines")?;
        Ok(answer.trim().to_owned())
    }
}

/// What `readl` answers: `OK 0x0000000000000020`.
fn parse_register(answer: &str) -> Option<u64> {
    u64::from_str_radix(answer.strip_prefix("OK 0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_read_as_qemu_writes_it() {
        assert_eq!(parse_register("OK 0x0000000000000020"), Some(0x20));
        assert_eq!(parse_register("ERR"), None);
    }
}
