//! What is lent to a sensor's plugin: chips and 1-Wire devices, by the names that plugins.toml gives them.
//!
//! Each bus of the device has one owner, whoever is lent its chips. What went wrong last is kept in the host's own words: a
//! driver in the sandbox hears only what kind of an error it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{self, ErrorKind, I2c as _, NoAcknowledgeSource};
use punchcard_core::config::sensor::{I2cLoan, OneWireId, Sensor};
use punchcard_core::name::LoanName;
use punchcard_i2c::{BusError, BusPath, Failure, Step};
use punchcard_sandbox::lender::{self, Lender, Lending, NoAcknowledge, Operation};

use super::owner::Owner;
use crate::hardware::{Hardware, I2cBus};

/// The owners of the device's buses, each made when something of it is lent first.
pub(in crate::app) struct Buses {
    hardware: Hardware,
    i2c: Mutex<BTreeMap<BusPath, Arc<Owner<Option<I2cBus>>>>>,
    one_wire: Arc<Owner<()>>,
}

impl Buses {
    pub(in crate::app) fn new(hardware: Hardware) -> Self {
        Self { hardware, i2c: Mutex::default(), one_wire: Arc::new(Owner::new("one-wire")) }
    }

    fn owner(&self, path: &BusPath) -> Arc<Owner<Option<I2cBus>>> {
        let mut owners = self.i2c.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(owners.entry(path.clone()).or_insert_with(|| Arc::new(Owner::new("i2c"))))
    }
}

/// Lends to one sensor.
pub(in crate::app) struct SensorLender {
    buses: Arc<Buses>,
    chips: BTreeMap<LoanName, (BusPath, u8)>,
    one_wire: BTreeMap<LoanName, OneWireId>,
    /// Of what was asked last: what went wrong, or that no answer has come yet.
    failure: Arc<Mutex<Option<String>>>,
}

impl SensorLender {
    /// Lends what plugins.toml says.
    pub(in crate::app) fn new(buses: Arc<Buses>, sensor: &Sensor) -> Self {
        let chip =
            |(name, I2cLoan { bus, address }): (&LoanName, &I2cLoan)| (name.clone(), (BusPath::new(bus), *address));
        let chips = sensor.i2c.iter().map(chip).collect();
        Self { buses, chips, one_wire: sensor.one_wire.clone(), failure: Arc::default() }
    }

    /// Why the last that was asked of the hardware brought nothing, with what to do, where that is so.
    pub(in crate::app) fn failure(&self) -> Option<String> {
        self.note().clone()
    }

    /// Another poll begins.
    pub(in crate::app) fn begin(&self) {
        *self.note() = None;
    }

    fn note(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chip(&self, name: &str) -> Option<(BusPath, u8)> {
        self.chips.get(&LoanName::parse(name).ok()?).cloned()
    }

    /// Has the owner of a chip's bus do something with it, which is opened where it is not.
    async fn on_bus<R: Send + 'static>(
        &self,
        name: &str,
        job: impl FnOnce(&mut I2cBus, u8) -> Result<R, BusError> + Send + 'static,
    ) -> Result<R, lender::BusError> {
        let (path, address) = self.chip(name).ok_or(lender::BusError::Denied)?;
        let owner = self.buses.owner(&path);
        let hardware = self.buses.hardware.clone();
        let waiting = BusError { bus: path.clone(), step: Step::Transfer { address }, failure: Failure::TimedOut };
        *self.note() = Some(format!("no answer has come yet; {waiting}"));
        let done = owner.run(move |open: &mut Option<I2cBus>| {
            let bus = match open {
                Some(bus) => bus,
                None => open.insert(hardware.open_i2c(&path)?),
            };
            let done = job(bus, address);
            // A bus that is gone is another one when it comes back. A chip that does not answer is no fault of its bus.
            if done.as_ref().is_err_and(|error| !matches!(error.failure, Failure::NoAnswer)) {
                *open = None;
            }
            done
        });
        let error = match done.await {
            Ok(Ok(done)) => {
                *self.note() = None;
                return Ok(done);
            }
            Ok(Err(error)) => error,
            Err(error) => BusError { failure: Failure::Other(error), ..waiting },
        };
        *self.note() = Some(error.to_string());
        Err(kind_of(&error))
    }
}

/// What a plugin hears of an error.
fn kind_of(error: &BusError) -> lender::BusError {
    match i2c::Error::kind(error) {
        ErrorKind::NoAcknowledge(source) => lender::BusError::NoAcknowledge(match source {
            NoAcknowledgeSource::Address => NoAcknowledge::Address,
            NoAcknowledgeSource::Data => NoAcknowledge::Data,
            NoAcknowledgeSource::Unknown => NoAcknowledge::Unknown,
        }),
        ErrorKind::ArbitrationLoss => lender::BusError::ArbitrationLoss,
        _ => lender::BusError::Other(error.failure.to_string()),
    }
}

impl Lender for SensorLender {
    fn open_i2c(&self, name: &str) -> Lending<'_, ()> {
        let name = name.to_owned();
        Box::pin(async move { self.on_bus(&name, |_, _| Ok(())).await })
    }

    fn transact(&self, name: &str, operations: Vec<Operation>) -> Lending<'_, Vec<Vec<u8>>> {
        let name = name.to_owned();
        Box::pin(async move { self.on_bus(&name, move |bus, address| transact(bus, address, &operations)).await })
    }

    fn read_one_wire(&self, name: &str) -> Lending<'_, String> {
        let id = LoanName::parse(name).ok().and_then(|name| self.one_wire.get(&name)).cloned();
        Box::pin(async move {
            let id = id.ok_or(lender::BusError::Denied)?;
            *self.note() = Some(format!("1-Wire device {} has not answered yet; look at its wires", id.as_str()));
            let hardware = self.buses.hardware.clone();
            let read = self.buses.one_wire.run(move |()| hardware.read_one_wire(&id)).await;
            let failure = match read {
                Ok(Ok(text)) => {
                    *self.note() = None;
                    return Ok(text);
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            *self.note() = Some(failure.clone());
            Err(lender::BusError::Other(failure))
        })
    }
}

fn transact(bus: &mut I2cBus, address: u8, operations: &[Operation]) -> Result<Vec<Vec<u8>>, BusError> {
    let mut rooms: Vec<Vec<u8>> = operations
        .iter()
        .map(|operation| match operation {
            Operation::Read(bytes) => vec![0; *bytes],
            Operation::Write(_) => Vec::new(),
        })
        .collect();
    let mut asked: Vec<i2c::Operation<'_>> = operations
        .iter()
        .zip(&mut rooms)
        .map(|(operation, room)| match operation {
            Operation::Read(_) => i2c::Operation::Read(room),
            Operation::Write(bytes) => i2c::Operation::Write(bytes),
        })
        .collect();
    bus.transaction(address, &mut asked)?;
    let is_read = |operation: &Operation| matches!(operation, Operation::Read(_));
    Ok(rooms.into_iter().zip(operations).filter(|(_, operation)| is_read(operation)).map(|(room, _)| room).collect())
}
