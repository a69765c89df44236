//! The PN532, a reader of badges on an I2C bus. It is asked again and again which badge is before it, and each answer is sent.
//! Whether it is a press is decided by who hears it: one that is held there is read all the time, and is one.
//!
//! Badges of ISO 14443 A are read (MIFARE, NTAG and their kin), of which the number alone is taken. Frames and their check sums
//! are the crate's, [`pn532`]; numbers are those of the sections of NXP's user manual UM0701-02.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use embedded_hal::i2c::I2c;
use punchcard_core::badge::{BadgeNumber, BadgeRead};
use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::name::InputName;
use punchcard_i2c::BusPath;
use thiserror::Error;
use tokio::sync::mpsc;

use super::reading::Stop;
use super::{Driver, Message, NowMs, OpenI2c, Reading, StartError, Tell};

mod chip;

use self::chip::Chip;

/// The driver `pn532`.
pub struct Pn532;

/// The pause between two questions. A badge that is only moved past is there for twice as long.
const ASK_AFTER: Duration = Duration::from_millis(150);
/// The pause before a chip that does not answer is tried again, in milliseconds.
const AGAIN_AFTER_MS: u64 = 2_000;

/// Why a PN532 can't be read.
#[derive(Debug, Error)]
pub enum Pn532Error {
    /// The bus can't be used, or nothing answers.
    #[error("no PN532 can be read on {}; its switches have to select I2C", bus.display())]
    Bus {
        /// The bus.
        bus: PathBuf,
        /// What the bus says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It acknowledges, and then does nothing.
    #[error("the PN532 on {} does not answer in time; take its power away for a moment", bus.display())]
    Silent {
        /// The bus.
        bus: PathBuf,
    },
    /// What it answers has no sense.
    #[error("the PN532 on {} answers nonsense ({what}); look at its wires, and slow the bus down", bus.display())]
    Nonsense {
        /// The bus.
        bus: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Something else has its address.
    #[error("what answers on {} is no PN532 but says {found:#04x}", bus.display())]
    Another {
        /// The bus.
        bus: PathBuf,
        /// What it says of itself, in place of 0x32.
        found: u8,
    },
}

impl Driver for Pn532 {
    fn name(&self) -> &'static str {
        "pn532"
    }

    fn drives(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Pn532 { .. })
    }

    fn start(
        &self,
        inputs: &BTreeMap<InputName, Input>,
        open: &OpenI2c,
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
        tell: Tell,
    ) -> Result<Reading, StartError> {
        let mut antennas = antennas(inputs);
        let open = Arc::clone(open);
        Reading::start(self.name(), move |stop| {
            let open = |bus: &Path| open(&BusPath::new(bus)).map_err(Into::into);
            ask(stop, &mut antennas, open, &now_ms, &sender, &tell)
        })
    }
}

/// One reader, whether its chip answers or not.
struct Antenna<B: I2c> {
    input: InputName,
    bus: PathBuf,
    chip: Option<Chip<B>>,
    /// When it is tried again, where it is away.
    again_at_ms: u64,
    /// What was said of it.
    said: Option<String>,
}

fn antennas<B: I2c>(inputs: &BTreeMap<InputName, Input>) -> Vec<Antenna<B>> {
    let antenna = |(name, input): (&InputName, &Input)| match &input.trigger {
        Trigger::Pn532 { bus } => {
            Some(Antenna { input: name.clone(), bus: bus.clone(), chip: None, again_at_ms: 0, said: None })
        }
        _ => None,
    };
    inputs.iter().filter_map(antenna).collect()
}

/// What opening a bus comes to.
type Opened<B> = Result<B, Box<dyn Error + Send + Sync>>;

/// Asks all of them in turn until it is to stop, or nobody receives any more.
///
/// # Errors
/// When the system can't wait.
fn ask<B>(
    stop: &Stop,
    antennas: &mut [Antenna<B>],
    mut open: impl FnMut(&Path) -> Opened<B>,
    now_ms: &NowMs,
    sender: &mpsc::Sender<Message>,
    tell: &Tell,
) -> io::Result<()>
where
    B: I2c,
    B::Error: Send + Sync + Error + 'static,
{
    loop {
        for antenna in &mut *antennas {
            let at_ms = now_ms();
            if antenna.chip.is_none() && at_ms < antenna.again_at_ms {
                continue;
            }
            match antenna.look(stop, &mut open) {
                Ok(number) => {
                    if antenna.said.take().is_some() {
                        tell(&antenna.input, None);
                    }
                    let Some(number) = number else { continue };
                    let read = BadgeRead { input: antenna.input.clone(), number: Ok(number), at_ms };
                    if sender.blocking_send(Message::Badge(read)).is_err() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    antenna.chip = None;
                    antenna.again_at_ms = at_ms.saturating_add(AGAIN_AFTER_MS);
                    let words = error.to_string();
                    if antenna.said.as_ref() != Some(&words) {
                        tell(&antenna.input, Some(&error.into()));
                        antenna.said = Some(words);
                    }
                }
            }
        }
        if sender.is_closed() || stop.rest(ASK_AFTER)? {
            return Ok(());
        }
    }
}

impl<B> Antenna<B>
where
    B: I2c,
    B::Error: Send + Sync + Error + 'static,
{
    /// The badge that is before it, if any.
    fn look(
        &mut self,
        stop: &Stop,
        open: &mut impl FnMut(&Path) -> Opened<B>,
    ) -> Result<Option<BadgeNumber>, Pn532Error> {
        let chip = match &mut self.chip {
            Some(chip) => chip,
            None => {
                let bus = open(&self.bus).map_err(|source| Pn532Error::Bus { bus: self.bus.clone(), source })?;
                self.chip.insert(Chip::begin(bus, &self.bus, stop)?)
            }
        };
        chip.list()
    }
}

#[cfg(test)]
mod tests;
