//! The machine's input devices, as another program than the one that is tried sees them.

use std::io::ErrorKind;

use anyhow::{Context as _, Result};

/// Whether a program has the device of this name for itself.
pub(crate) fn is_grabbed(name: &str) -> Result<bool> {
    let found = evdev::raw_stream::enumerate().find(|(_, device)| device.name() == Some(name));
    let (path, mut device) = found.with_context(|| format!("there is no input device `{name}`"))?;
    // Given back with the value.
    match device.grab() {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(true),
        Err(error) => Err(error).with_context(|| format!("cannot try to grab {}", path.display())),
    }
}
