//! `hardware`, which is that of 0.1 under another name: what is asked and how it is answered stands there.

use wasmtime::component::Resource;

use super::wit_hardware as wit;
use super::wit_hardware::{Host, HostI2cDevice, HostLine};
use crate::confinement::Confinement;
use crate::contract::v0_1::hardware::{OpenI2c, OpenLine};
use crate::contract::v0_1::wit_hardware as before;

impl Host for Confinement {
    async fn open_i2c(&mut self, name: String) -> Result<Resource<OpenI2c>, wit::BusError> {
        Ok(before::Host::open_i2c(self, name).await?)
    }

    async fn open_line(&mut self, name: String) -> Result<Resource<OpenLine>, wit::BusError> {
        Ok(before::Host::open_line(self, name).await?)
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

impl HostLine for Confinement {
    async fn is_high(&mut self, line: Resource<OpenLine>) -> Result<bool, wit::BusError> {
        Ok(before::HostLine::is_high(self, line).await?)
    }

    async fn set(&mut self, line: Resource<OpenLine>, high: bool) -> Result<(), wit::BusError> {
        Ok(before::HostLine::set(self, line, high).await?)
    }

    fn drop(&mut self, line: Resource<OpenLine>) -> wasmtime::Result<()> {
        before::HostLine::drop(self, line)
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
