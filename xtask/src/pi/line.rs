//! Lines of the machine's GPIO controller, moved from outside as hands move contacts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::patience;

/// The label of the controller's chip in the machine.
pub(super) const CHIP: &str = "9030000.pl061";
/// Its lines but for 3, which is the machine's button for turning it off.
pub(super) const KNOB: [u8; 2] = [0, 1];
pub(super) const BUTTONS: [(&str, u8); 5] = [("one", 2), ("two", 4), ("three", 5), ("four", 6), ("five", 7)];

/// For the machine to be told.
const LIMIT_FOR: Duration = Duration::from_secs(20);
/// Between two edges of a contact that bounces.
const BOUNCE_FOR: Duration = Duration::from_millis(1);
/// How long a finger that is in a hurry stays down, and up at least. An emulated processor may stand still for longer, and
/// would see neither; nothing on a real one does.
const HOLD_FOR: Duration = Duration::from_millis(300);

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

    /// Presses a button and lets it go.
    pub(super) fn press(&mut self, line: u8) -> Result<()> {
        for is_closed in [true, false] {
            self.move_contact(line, is_closed)?;
            patience::rest(HOLD_FOR);
        }
        Ok(())
    }

    /// Closes a contact or opens it. It bounces.
    pub(super) fn move_contact(&mut self, line: u8, is_closed: bool) -> Result<()> {
        for level in [!is_closed, is_closed, !is_closed] {
            self.set(line, level)?;
            patience::rest(BOUNCE_FOR);
        }
        Ok(())
    }

    /// Makes a line high or low.
    pub(super) fn set(&mut self, line: u8, level: bool) -> Result<()> {
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

/// The lines that a knob moves, one after the other, when it is turned by so many detents, of four edges each; backwards where
/// there are fewer than none. At each of them both lines are high.
pub(super) fn plan_turn(detents: i32) -> Vec<(u8, bool)> {
    let [first, second] = if detents < 0 { [KNOB[1], KNOB[0]] } else { KNOB };
    let detent = [(first, false), (second, false), (first, true), (second, true)];
    (0..detents.unsigned_abs()).flat_map(|_| detent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_is_turned_back_the_way_that_it_came() {
        let [a, b] = KNOB;
        assert_eq!(plan_turn(1), [(a, false), (b, false), (a, true), (b, true)]);
        assert_eq!(plan_turn(-1), [(b, false), (a, false), (b, true), (a, true)]);
        assert_eq!(plan_turn(2).len(), 8);
        assert!(plan_turn(0).is_empty());
    }
}
