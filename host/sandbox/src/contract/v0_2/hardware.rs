//! `hardware`, which is that of 0.1 under another name: what is asked and how it is answered stands there.

use wasmtime::component::Resource;

use super::wit_hardware as wit;
use super::wit_hardware::{Host, HostI2cDevice, HostLine, Line};
use crate::confinement::Confinement;
use crate::contract::v0_1::hardware::OpenI2c;
use crate::contract::v0_1::wit_hardware as before;

impl Host for Confinement {
    async fn open_i2c(&mut self, name: String) -> Result<Resource<OpenI2c>, wit::BusError> {
        Ok(before::Host::open_i2c(self, name).await?)
    }

    fn open_line(&mut self, _name: String) -> Result<Resource<Line>, wit::BusError> {
        Err(wit::BusError::Denied)
    }

    async fn read_one_wire(&mut self, name: String) -> Result<String, wit::BusError> {
        Ok(before::Host::read_one_wire(self, name).await?)
    }

    async fn delay_us(&mut self, microseconds: u32) {
        before::Host::delay_us(self, microseconds).await;
    }
}

impl HostI2cDevice for Confinement {
    async fn transaction(
        &mut self,
        device: Resource<OpenI2c>,
        operations: Vec<wit::Operation>,
    ) -> Result<Vec<Vec<u8>>, wit::BusError> {
        let operations = operations.into_iter().map(|operation| match operation {
            wit::Operation::Read(bytes) => before::Operation::Read(bytes),
            wit::Operation::Write(bytes) => before::Operation::Write(bytes),
        });
        Ok(before::HostI2cDevice::transaction(self, device, operations.collect()).await?)
    }

    fn drop(&mut self, device: Resource<OpenI2c>) -> wasmtime::Result<()> {
        before::HostI2cDevice::drop(self, device)
    }
}

// Nobody has a line of which these could be asked.
impl HostLine for Confinement {
    fn is_high(&mut self, _line: Resource<Line>) -> Result<bool, wit::BusError> {
        Err(wit::BusError::Denied)
    }

    fn set(&mut self, _line: Resource<Line>, _high: bool) -> Result<(), wit::BusError> {
        Err(wit::BusError::Denied)
    }

    fn drop(&mut self, _line: Resource<Line>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl From<before::BusError> for wit::BusError {
    fn from(from: before::BusError) -> Self {
        match from {
            before::BusError::NoAcknowledge(before::NoAcknowledge::Address) => {
                Self::NoAcknowledge(wit::NoAcknowledge::Address)
            }
            before::BusError::NoAcknowledge(before::NoAcknowledge::Data) => {
                Self::NoAcknowledge(wit::NoAcknowledge::Data)
            }
            before::BusError::NoAcknowledge(before::NoAcknowledge::Unknown) => {
                Self::NoAcknowledge(wit::NoAcknowledge::Unknown)
            }
            before::BusError::ArbitrationLoss => Self::ArbitrationLoss,
            before::BusError::Overrun => Self::Overrun,
            before::BusError::Denied => Self::Denied,
            before::BusError::Other(reason) => Self::Other(reason),
        }
    }
}
