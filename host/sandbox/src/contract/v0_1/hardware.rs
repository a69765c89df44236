//! `hardware`: what a plugin asks for by name is asked of who lends to it.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Resource;

use super::wit_hardware as wit;
use super::wit_hardware::{Host, HostI2cDevice, HostLine};
use crate::confinement::Confinement;
use crate::lender::{BusError, NoAcknowledge, Operation};

/// The longest wait, in microseconds. The call's own limit ends it earlier where that is shorter.
const LONGEST_DELAY_US: u32 = 1_000_000;
/// Devices that a call may have open at once.
const MOST_OPEN: usize = 64;
/// Operations of a transaction, and the bytes that they read together: more than any bus takes at once.
const MOST_OPERATIONS: usize = 1_024;
const MOST_BYTES: usize = 64 << 10;

/// A chip that a plugin has opened.
#[expect(unreachable_pub, reason = "what wasmtime generates exports it by another name")]
pub struct OpenI2c {
    name: String,
}

/// A line that a plugin has opened.
#[expect(unreachable_pub, reason = "what wasmtime generates exports it by another name")]
pub struct OpenLine {
    name: String,
}

impl Host for Confinement {
    async fn open_i2c(&mut self, name: String) -> Result<Resource<OpenI2c>, wit::BusError> {
        keep_room(self)?;
        self.lender.open_i2c(&name).await?;
        let opened = self.table().push(OpenI2c { name }).map_err(|error| wit::BusError::Other(error.to_string()))?;
        self.opened += 1;
        Ok(opened)
    }

    async fn open_line(&mut self, name: String) -> Result<Resource<OpenLine>, wit::BusError> {
        keep_room(self)?;
        self.lender.open_line(&name).await?;
        let opened = self.table().push(OpenLine { name }).map_err(|error| wit::BusError::Other(error.to_string()))?;
        self.opened += 1;
        Ok(opened)
    }

    async fn read_one_wire(&mut self, name: String) -> Result<String, wit::BusError> {
        Ok(self.lender.read_one_wire(&name).await?)
    }

    async fn delay_us(&mut self, microseconds: u32) {
        tokio::time::sleep(Duration::from_micros(microseconds.min(LONGEST_DELAY_US).into())).await;
    }
}

impl HostI2cDevice for Confinement {
    async fn transaction(
        &mut self,
        device: Resource<OpenI2c>,
        operations: Vec<wit::Operation>,
    ) -> Result<Vec<Vec<u8>>, wit::BusError> {
        let operations = admit(operations)?;
        let device = self.table().get(&device).map_err(|error| wit::BusError::Other(error.to_string()))?;
        let name = device.name.clone();
        Ok(Arc::clone(&self.lender).transact(&name, operations).await?)
    }

    fn drop(&mut self, device: Resource<OpenI2c>) -> wasmtime::Result<()> {
        self.table().delete(device)?;
        self.opened -= 1;
        Ok(())
    }
}

impl HostLine for Confinement {
    async fn is_high(&mut self, line: Resource<OpenLine>) -> Result<bool, wit::BusError> {
        let name = line_name(self, &line)?;
        Ok(Arc::clone(&self.lender).is_high(&name).await?)
    }

    async fn set(&mut self, line: Resource<OpenLine>, high: bool) -> Result<(), wit::BusError> {
        let name = line_name(self, &line)?;
        Ok(Arc::clone(&self.lender).set_line(&name, high).await?)
    }

    fn drop(&mut self, line: Resource<OpenLine>) -> wasmtime::Result<()> {
        self.table().delete(line)?;
        self.opened -= 1;
        Ok(())
    }
}

fn keep_room(confinement: &Confinement) -> Result<(), wit::BusError> {
    if confinement.opened >= MOST_OPEN {
        return Err(wit::BusError::Other(format!("more than {MOST_OPEN} devices are open")));
    }
    Ok(())
}

fn line_name(confinement: &mut Confinement, line: &Resource<OpenLine>) -> Result<String, wit::BusError> {
    let line = confinement.table().get(line).map_err(|error| wit::BusError::Other(error.to_string()))?;
    Ok(line.name.clone())
}

/// What of a transaction may be asked of a bus: the host makes room for what is read, and copies what is written.
fn admit(operations: Vec<wit::Operation>) -> Result<Vec<Operation>, wit::BusError> {
    let bytes = operations.iter().fold(0_usize, |sum, operation| match operation {
        wit::Operation::Read(bytes) => sum.saturating_add(usize::try_from(*bytes).unwrap_or(usize::MAX)),
        wit::Operation::Write(bytes) => sum.saturating_add(bytes.len()),
    });
    if operations.len() > MOST_OPERATIONS || bytes > MOST_BYTES {
        let count = operations.len();
        return Err(wit::BusError::Other(format!("{count} operations of {bytes} bytes are too many at once")));
    }
    let admitted = operations.into_iter().map(|operation| match operation {
        wit::Operation::Read(bytes) => Operation::Read(usize::try_from(bytes).unwrap_or(MOST_BYTES)),
        wit::Operation::Write(bytes) => Operation::Write(bytes),
    });
    Ok(admitted.collect())
}

impl From<BusError> for wit::BusError {
    fn from(from: BusError) -> Self {
        match from {
            BusError::NoAcknowledge(NoAcknowledge::Address) => Self::NoAcknowledge(wit::NoAcknowledge::Address),
            BusError::NoAcknowledge(NoAcknowledge::Data) => Self::NoAcknowledge(wit::NoAcknowledge::Data),
            BusError::NoAcknowledge(NoAcknowledge::Unknown) => Self::NoAcknowledge(wit::NoAcknowledge::Unknown),
            BusError::ArbitrationLoss => Self::ArbitrationLoss,
            BusError::Denied => Self::Denied,
            BusError::Other(reason) => Self::Other(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_written_at_once_has_a_bound() {
        let read = |bytes: usize| wit::Operation::Read(u32::try_from(bytes).unwrap());
        let write = |bytes: usize| wit::Operation::Write(vec![0; bytes]);
        for (operations, is_admitted) in [
            (vec![read(MOST_BYTES)], true),
            (vec![write(MOST_BYTES)], true),
            (vec![read(MOST_BYTES / 2), write(MOST_BYTES / 2)], true),
            (vec![read(MOST_BYTES), write(1)], false),
            (vec![write(MOST_BYTES), write(1)], false),
            (vec![write(0); MOST_OPERATIONS], true),
            (vec![write(0); MOST_OPERATIONS + 1], false),
        ] {
            assert_eq!(admit(operations).is_ok(), is_admitted);
        }
    }
}
