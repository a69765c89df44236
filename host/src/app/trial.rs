//! Parts at work while a person looks at them, for `punchcard init`: a picture on a panel, a press of a button.
//!
//! What is asked, and what follows from the answer, is for whoever asks. Nothing stays: a picture goes dark and a line is given
//! back when it is dropped.

use std::path::Path;
use std::time::Duration;

use punchcard_core::checkup::i2c::BusFacts;
use punchcard_core::config::input::{Chip, Contact, Pull};
use punchcard_core::config::panel::{Care, Oled};
use punchcard_core::setup::PanelAnswer;
use punchcard_i2c::BusPath;
use punchcard_panel::Painter;
use punchcard_panel::driver::Driver;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::checkup::hardware::{HEADER_BUS, look_at_bus, test_view};
use super::error_chain::chain;
use super::io::{frame_size, oled_driver};
use crate::gpio::{Chips, LineError};
use crate::hardware::Hardware;

/// How long a press is waited for.
const PRESS_WITHIN: Duration = Duration::from_secs(20);

/// What can be tried.
pub trait Trial {
    /// A picture that stands until it is dropped.
    type Picture;

    /// Shows a test picture.
    ///
    /// # Errors
    /// What keeps the panel from showing it, and what to do.
    fn show_picture(&self, panel: &PanelAnswer, name: &str) -> Result<Self::Picture, String>;

    /// Waits until a button between a line and ground is pressed. `false`: it was not.
    ///
    /// # Errors
    /// What keeps the line from being read, and what to do.
    fn wait_for_press(&self, line: u8) -> Result<bool, String>;
}

/// The board that this runs on.
pub struct Board {
    chips: Chips,
}

impl Board {
    /// Looks which lines there are.
    #[must_use]
    pub fn find() -> Self {
        Self { chips: Chips::find() }
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

    fn wait_for_press(&self, line: u8) -> Result<bool, String> {
        let contact = Contact { pull: Pull::Up, is_active_low: true };
        let (mut lines, _) = self.chips.read(&Chip::Header, &[line], contact).map_err(|error: LineError| {
            let in_use = matches!(error, LineError::InUse { .. });
            let hint = if in_use { "; a device that runs has it: `sudo systemctl stop punchcard`" } else { "" };
            format!("{}{hint}", chain(error))
        })?;
        let within = Timespec { tv_sec: i64::try_from(PRESS_WITHIN.as_secs()).unwrap_or(20), tv_nsec: 0 };
        poll(&mut [PollFd::new(&lines, PollFlags::IN)], Some(&within)).map_err(|error| error.to_string())?;
        Ok(lines.next().map_err(|error| error.to_string())?.is_some())
    }
}
