//! `hardware`: nothing is lent to any plugin yet, so whatever one asks for is denied.

use std::time::Duration;

use wasmtime::component::Resource;

use super::wit_hardware::{BusError, Host, HostI2cDevice, HostLine, I2cDevice, Line, Operation};
use crate::confinement::Confinement;

/// The longest wait, in microseconds. The call's own limit ends it earlier where that is shorter.
const LONGEST_DELAY_US: u32 = 1_000_000;

impl Host for Confinement {
    fn open_i2c(&mut self, _name: String) -> Result<Resource<I2cDevice>, BusError> {
        Err(BusError::Denied)
    }

    fn open_line(&mut self, _name: String) -> Result<Resource<Line>, BusError> {
        Err(BusError::Denied)
    }

    async fn delay_us(&mut self, microseconds: u32) {
        tokio::time::sleep(Duration::from_micros(microseconds.min(LONGEST_DELAY_US).into())).await;
    }
}

// Nobody has a device or a line of which these could be asked.

impl HostI2cDevice for Confinement {
    fn transaction(
        &mut self,
        _device: Resource<I2cDevice>,
        _operations: Vec<Operation>,
    ) -> Result<Vec<Vec<u8>>, BusError> {
        Err(BusError::Denied)
    }

    fn drop(&mut self, _device: Resource<I2cDevice>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostLine for Confinement {
    fn is_high(&mut self, _line: Resource<Line>) -> Result<bool, BusError> {
        Err(BusError::Denied)
    }

    fn set(&mut self, _line: Resource<Line>, _high: bool) -> Result<(), BusError> {
        Err(BusError::Denied)
    }

    fn drop(&mut self, _line: Resource<Line>) -> wasmtime::Result<()> {
        Ok(())
    }
}
