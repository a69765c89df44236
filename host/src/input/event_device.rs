//! Input devices of the kernel's: readers and keypads that type, and keyboards whose keys are buttons. A service has no
//! terminal; these it can read all the same.
//!
//! A device is grabbed: nothing else gets its keys, neither a console's login nor a desktop. One that is unplugged, and
//! plugged in again, is looked for every few seconds. What keys mean is decided by [`punchcard_core::badge`] and
//! [`punchcard_core::key::code`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use punchcard_core::config::input::{Input, InputDevice, Trigger};
use punchcard_core::name::InputName;
use tokio::sync::mpsc;

use super::watching::{Sources, watch};
use super::{Driver, Message, NowMs, OpenI2c, Reading, StartError, Tell};

mod kernel;
mod typist;

pub use self::kernel::{DeviceError, look_at_device, names_of_devices};
use self::typist::{Hands, Typist};

/// The driver `event-device`.
pub struct EventDevices;

/// The pause between two looks for a device that is away.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

impl Driver for EventDevices {
    fn name(&self) -> &'static str {
        "event-device"
    }

    fn drives(&self, trigger: &Trigger) -> bool {
        trigger.input_device().is_some()
    }

    fn start(
        &self,
        inputs: &BTreeMap<InputName, Input>,
        _: &OpenI2c,
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
        tell: Tell,
    ) -> Result<Reading, StartError> {
        let devices = Devices { hands: hands_by_device(inputs), open: kernel::open, tell };
        Reading::start(self.name(), move |stop| {
            let wanted = devices.hands.keys().cloned().collect();
            watch(stop, &wanted, devices, AGAIN_AFTER, &now_ms, &sender)
        })
    }
}

/// What is on each device.
fn hands_by_device(inputs: &BTreeMap<InputName, Input>) -> BTreeMap<InputDevice, Hands> {
    let mut devices: BTreeMap<InputDevice, Hands> = BTreeMap::new();
    for (name, input) in inputs {
        match &input.trigger {
            Trigger::Reader { device } => {
                devices.insert(device.clone(), Hands::Reader(name.clone()));
            }
            Trigger::DeviceKey { device, key } => {
                let hands = devices.entry(device.clone()).or_insert_with(|| Hands::Buttons(BTreeMap::new()));
                if let Hands::Buttons(buttons) = hands {
                    buttons.insert(*key, name.clone());
                }
            }
            Trigger::Key(_) | Trigger::Line { .. } | Trigger::Encoder { .. } | Trigger::Pn532 { .. } => {}
        }
    }
    devices
}

/// All devices of the configuration, and how they are opened.
struct Devices<O> {
    hands: BTreeMap<InputDevice, Hands>,
    open: O,
    tell: Tell,
}

impl<O, D> Sources<InputDevice> for Devices<O>
where
    O: FnMut(&InputDevice) -> Result<D, DeviceError>,
    D: typist::KeyDevice,
{
    type Source = Typist<D>;

    fn request(&mut self, missing: &BTreeSet<InputDevice>) -> Vec<(InputDevice, Result<Typist<D>, StartError>)> {
        let hands = self.hands.iter().filter(|(device, _)| missing.contains(device));
        hands
            .map(|(device, hands)| {
                let opened = (self.open)(device).map_err(StartError::from);
                (device.clone(), opened.map(|opened| Typist::new(opened, hands)))
            })
            .collect()
    }

    fn tell(&self, device: &InputDevice, error: Option<&StartError>) {
        for input in self.hands.get(device).into_iter().flat_map(Hands::inputs) {
            (self.tell)(input, error);
        }
    }
}

#[cfg(test)]
mod tests;
