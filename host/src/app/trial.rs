//! Parts at work while a person looks at them, for `punchcard init`: a picture on a panel, a press of a button.
//!
//! What is asked, and what follows from the answer, is for whoever asks. Nothing stays: a picture goes dark and a line is given
//! back when it is dropped.

use std::io;
use std::path::Path;

use punchcard_core::checkup::i2c::BusFacts;
use punchcard_core::config::input::{Chip, Contact, Pull};
use punchcard_core::config::panel::{Care, Oled};
use punchcard_core::setup::PanelAnswer;
use punchcard_i2c::BusPath;
use punchcard_panel::Painter;
use punchcard_panel::driver::Driver;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use super::checkup::hardware::{HEADER_BUS, look_at_bus, test_view};
use super::error_chain::chain;
use super::io::{frame_size, oled_driver};
use crate::gpio::{Chips, LineError, Lines};
use crate::hardware::Hardware;
use crate::input::event_device::names_of_devices;

/// How long a press is waited for, in seconds.
const PRESS_WITHIN_SECONDS: i64 = 20;

/// What became of waiting for a press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    /// The contact closed.
    Pressed,
    /// It did not.
    NotPressed,
    /// It was closed from the beginning on, when nobody had been asked to press.
    ClosedBefore,
}

/// What can be tried.
pub trait Trial {
    /// A picture that stands until it is dropped.
    type Picture;

    /// Whether a device runs that may have the panel. Then nothing else draws on it.
    fn is_device_running(&self) -> bool;

    /// Shows a test picture.
    ///
    /// # Errors
    /// What keeps the panel from showing it, and what to do.
    fn show_picture(&self, panel: &PanelAnswer, name: &str) -> Result<Self::Picture, String>;

    /// Waits until a button between a line and ground is pressed.
    ///
    /// # Errors
    /// What keeps the line from being read, and what to do.
    fn wait_for_press(&self, line: u8) -> Result<Pressed, String>;
}

/// The board that this runs on.
pub struct Board {
    chips: Chips,
    is_device_running: bool,
}

impl Board {
    /// Looks which lines there are. `is_device_running`: a device may have the panel.
    #[must_use]
    pub fn find(is_device_running: bool) -> Self {
        Self { chips: Chips::find(), is_device_running }
    }

    /// The names of what is plugged in and may type, each once.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn input_devices(&self) -> Result<Vec<String>, String> {
        names_of_devices().map_err(chain)
    }

    /// Whether it has the lines of a Raspberry Pi's header, and they may be used.
    #[must_use]
    pub fn has_header(&self) -> bool {
        // Line 17 is on every header, and nobody is asked for it.
        self.chips.users(&Chip::Header, &[17]).is_ok()
    }

    /// The header's bus, and what answers on it. None: there is none.
    #[must_use]
    pub fn header_bus(&self) -> Option<BusFacts> {
        let bus = BusPath::of_number(HEADER_BUS);
        bus.as_path().exists().then(|| look_at_bus(bus.as_path(), Vec::new()))
    }
}

impl Trial for Board {
    type Picture = Box<dyn Driver>;

    fn is_device_running(&self) -> bool {
        self.is_device_running
    }

    fn show_picture(&self, panel: &PanelAnswer, name: &str) -> Result<Box<dyn Driver>, String> {
        let PanelAnswer::Oled { chip, size, bus, address } = panel else {
            return Err("only a panel on a bus can be tried".to_owned());
        };
        let oled = Oled {
            chip: *chip,
            bus: Path::new(bus).to_owned(),
            address: *address,
            is_turned: false,
            care: Care::default(),
        };
        let mut driver = oled_driver(&oled, *size, &Hardware::of_kernel());
        let frame = Painter::new(frame_size(*size)).paint(&test_view(name)).frame;
        driver.show(&frame).map_err(chain)?;
        Ok(Box::new(driver))
    }

    fn wait_for_press(&self, line: u8) -> Result<Pressed, String> {
        let contact = Contact { pull: Pull::Up, is_active_low: true };
        let (lines, are_closed) = self.chips.read(&Chip::Header, &[line], contact).map_err(|error: LineError| {
            let in_use = matches!(error, LineError::InUse { .. });
            let hint = if in_use { "; a device that runs has it: `sudo systemctl stop punchcard`" } else { "" };
            format!("{}{hint}", chain(error))
        })?;
        if are_closed.contains(&true) {
            return Ok(Pressed::ClosedBefore);
        }
        let within = Timespec { tv_sec: PRESS_WITHIN_SECONDS, tv_nsec: 0 };
        let is_pressed = await_closing(lines, within).map_err(|error| error.to_string())?;
        Ok(if is_pressed { Pressed::Pressed } else { Pressed::NotPressed })
    }
}

/// Waits until a contact closes. One that opens, as it does when a person lets a button go, is no press.
fn await_closing(mut lines: impl Lines, within: Timespec) -> io::Result<bool> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: within };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    loop {
        let mut polled = [PollFd::new(&lines, PollFlags::IN), PollFd::new(&timer, PollFlags::IN)];
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        let [edges, is_over] = polled.map(|polled| !polled.revents().is_empty());
        if edges {
            while let Some(edge) = lines.next()? {
                if edge.is_closed {
                    return Ok(true);
                }
            }
        }
        if is_over {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{PipeReader, PipeWriter, Write as _};
    use std::os::fd::{AsFd, BorrowedFd};

    use super::*;
    use crate::gpio::LineEdge;

    /// A line whose edges come one by one, each when the descriptor is read for it.
    struct Wired {
        edges: VecDeque<bool>,
        readable: PipeReader,
        /// Held, or the pipe would have ended.
        _silent: PipeWriter,
    }

    impl Wired {
        fn new(edges: &[bool]) -> Self {
            let (readable, mut silent) = io::pipe().unwrap();
            if !edges.is_empty() {
                silent.write_all(b"edges").unwrap();
            }
            Self { edges: edges.iter().copied().collect(), readable, _silent: silent }
        }
    }

    impl AsFd for Wired {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.readable.as_fd()
        }
    }

    impl Lines for Wired {
        fn next(&mut self) -> io::Result<Option<LineEdge>> {
            Ok(self.edges.pop_front().map(|is_closed| LineEdge { line: 0, is_closed, number: 1, ago_ms: 0 }))
        }

        fn are_closed(&self) -> io::Result<Vec<bool>> {
            Ok(vec![false])
        }
    }

    #[test]
    fn only_a_contact_that_closes_is_a_press() {
        let soon = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        for (edges, is_press) in [
            (&[true][..], true),
            (&[false], false),
            (&[false, true, false], true),
            (&[false, false], false),
            (&[], false),
        ] {
            assert_eq!(await_closing(Wired::new(edges), soon).unwrap(), is_press, "{edges:?}");
        }
    }
}
