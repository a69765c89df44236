//! QEMU's monitor: of what the machine is made, what is plugged into it, and what is typed on its keyboard.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// For one answer.
pub(super) const LIMIT_FOR: Duration = Duration::from_secs(20);
/// What stands behind every answer.
const PROMPT: &str = "(qemu) ";
/// How long each key is held, and rested after, in milliseconds. A reader is faster than that; an emulated machine is not.
const KEY_MS: u32 = 100;

/// The monitor.
pub(super) struct Monitor(UnixStream);

impl Monitor {
    /// Takes it over.
    pub(super) fn take(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(LIMIT_FOR)).context("cannot wait for QEMU's monitor")?;
        let mut monitor = Self(stream);
        monitor.read_answer()?;
        Ok(monitor)
    }

    /// Where the machine's lines are, as a path in QEMU.
    pub(super) fn find_controller(&mut self) -> Result<String> {
        let tree = self.ask("info qom-tree")?;
        parse_controller(&tree).context("QEMU's monitor knows of no PL061")
    }

    /// Plugs a keyboard into the USB bus.
    pub(super) fn plug_keyboard_in(&mut self) -> Result<()> {
        self.order("device_add usb-kbd,id=keyboard,bus=usb.0")
    }

    /// Unplugs it.
    pub(super) fn unplug_keyboard(&mut self) -> Result<()> {
        self.order("device_del keyboard")
    }

    /// Types digits, and Enter. Returns when QEMU has them, and not when the machine has.
    pub(super) fn type_number(&mut self, digits: &str) -> Result<()> {
        for digit in digits.chars() {
            self.order(&format!("sendkey {digit} {KEY_MS}"))?;
        }
        self.order(&format!("sendkey ret {KEY_MS}"))
    }

    /// Does what is answered only where it could not be done.
    fn order(&mut self, order: &str) -> Result<()> {
        match self.ask(order)?.as_str() {
            "" => Ok(()),
            answer => bail!("QEMU answers `{answer}` to `{order}`"),
        }
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        self.0.write_all(format!("{question}\n").as_bytes()).context("cannot ask QEMU's monitor")?;
        let answer = self.read_answer()?;
        // The question comes first, as it was typed.
        Ok(answer.split_once('\n').map_or(String::new(), |(_, answer)| answer.trim().to_owned()))
    }

    /// What comes until the next prompt.
    fn read_answer(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while !bytes.ends_with(PROMPT.as_bytes()) {
            let length = self.0.read(&mut piece).context("QEMU's monitor does not answer")?;
            if length == 0 {
                bail!("QEMU's monitor has gone");
            }
            bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        }
        bytes.truncate(bytes.len() - PROMPT.len());
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The path of the PL061 in a tree of devices in which each level is indented by two more spaces.
fn parse_controller(tree: &str) -> Option<String> {
    let mut above: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let Some((before, after)) = line.split_once('/') else { continue };
        let Some((name, kind)) = after.split_once(" (") else { continue };
        above.truncate(before.len() / 2);
        above.push(name);
        if kind.trim_end() == "pl061)" {
            let path: PathBuf = std::iter::once("/").chain(above.iter().copied()).collect();
            return path.to_str().map(str::to_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_found_in_the_tree_of_devices() {
        let tree = "/machine (virt-7.2-machine)\r\n  /fw_cfg (fw_cfg_mem)\r\n  /unattached (container)\r\n    \
                    /device[6] (pl031)\r\n    /device[7] (pl061)\r\n      /pl061[0] (memory-region)\r\n";
        assert_eq!(parse_controller(tree).as_deref(), Some("/machine/unattached/device[7]"));
        assert_eq!(parse_controller("/machine (virt-7.2-machine)\r\n  /fw_cfg (fw_cfg_mem)\r\n"), None);
    }

    #[test]
    fn what_stands_between_an_order_and_the_next_prompt_is_its_answer() {
        let (here, mut there) = UnixStream::pair().expect("a connection");
        there.write_all(b"QEMU 7.2 monitor\r\n(qemu) ").expect("written");
        let mut monitor = Monitor::take(here).expect("a prompt");
        there.write_all(b"sendkey x 20\r\nunknown key: 'x'\r\n(qemu) ").expect("written");
        let error = monitor.order("sendkey x 20").expect_err("refused");
        assert_eq!(error.to_string(), "QEMU answers `unknown key: 'x'` to `sendkey x 20`");
        there.write_all(b"sendkey 1 20\r\n(qemu) ").expect("written");
        monitor.order("sendkey 1 20").expect("done");
    }
}
