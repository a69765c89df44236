//! What is lent to a sensor's plugin: chips, lines and 1-Wire devices, by the names that plugins.toml gives them.
//!
//! Each bus of the device has one owner, whoever is lent its chips. What went wrong last is kept in the host's own words: a
//! driver in the sandbox hears only what kind of an error it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{self, ErrorKind, I2c as _, NoAcknowledgeSource};
use punchcard_core::config::sensor::{I2cLoan, LineLoan, OneWireId, Sensor};
use punchcard_core::name::LoanName;
use punchcard_i2c::{BusError, BusPath, Failure, Step};
use punchcard_sandbox::lender::{self, Lender, Lending, NoAcknowledge, Operation};

use super::line::OpenLine;
use super::owner::Owner;
use crate::hardware::{Hardware, I2cBus};

/// The owners of the device's buses, each made when something of it is lent first.
pub(in crate::app) struct Buses {
    hardware: Hardware,
    i2c: Mutex<BTreeMap<BusPath, Arc<Owner<Option<I2cBus>>>>>,
    lines: Arc<Owner<()>>,
    one_wire: Arc<Owner<()>>,
}

impl Buses {
    pub(in crate::app) fn new(hardware: Hardware) -> Self {
        let [lines, one_wire] = ["lines", "one-wire"].map(|name| Arc::new(Owner::new(name)));
        Self { hardware, i2c: Mutex::default(), lines, one_wire }
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
    lines: BTreeMap<LoanName, Lent>,
    one_wire: BTreeMap<LoanName, OneWireId>,
    /// Of what was asked last: what went wrong, or that no answer has come yet.
    failure: Arc<Mutex<Option<String>>>,
}

/// A line that is lent. It is asked for when it is opened first, and given back with the last of these.
#[derive(Clone)]
struct Lent {
    loan: LineLoan,
    line: Arc<Mutex<Option<OpenLine>>>,
}

impl SensorLender {
    /// Lends what plugins.toml says.
    pub(in crate::app) fn new(buses: Arc<Buses>, sensor: &Sensor) -> Self {
        let chip =
            |(name, I2cLoan { bus, address }): (&LoanName, &I2cLoan)| (name.clone(), (BusPath::new(bus), *address));
        let chips = sensor.i2c.iter().map(chip).collect();
        let lend =
            |(name, loan): (&LoanName, &LineLoan)| (name.clone(), Lent { loan: loan.clone(), line: Arc::default() });
        let lines = sensor.lines.iter().map(lend).collect();
        Self { buses, chips, lines, one_wire: sensor.one_wire.clone(), failure: Arc::default() }
    }

    /// Why the last that was asked of the hardware brought nothing, with what to do, where that is so.
    pub(in crate::app) fn failure(&self) -> Option<String> {
        self.note().clone()
    }

    /// Another poll begins.
    pub(in crate::app) fn begin(&self) {
        *self.note() = None;
    }

    /// A poll is over. The buses are closed: the kernel lets an adapter that was unplugged go, and the next one come, when
    /// nobody has it open any more.
    pub(in crate::app) fn end(&self) {
        for (path, _) in self.chips.values() {
            self.buses.owner(path).post(|open| *open = None);
        }
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

impl SensorLender {
    /// Does something with a line, which is asked for where it is not open.
    async fn on_line<R: Send + 'static>(
        &self,
        name: &str,
        job: impl FnOnce(&mut OpenLine) -> Result<R, String> + Send + 'static,
    ) -> Result<R, lender::BusError> {
        let lent = LoanName::parse(name).ok().and_then(|name| self.lines.get(&name)).cloned();
        let Lent { loan, line } = lent.ok_or(lender::BusError::Denied)?;
        let number = loan.line;
        *self.note() = Some(format!("line {number} has not answered yet"));
        let hardware = self.buses.hardware.clone();
        let done = self.buses.lines.run(move |()| {
            let mut open = line.lock().unwrap_or_else(PoisonError::into_inner);
            let found = match open.as_mut() {
                Some(found) => found,
                None => open.insert(OpenLine::open(&hardware, &loan)?),
            };
            let done = job(found);
            // A line that is gone is another one when it comes back.
            if done.is_err() {
                *open = None;
            }
            done
        });
        match done.await.map_err(|error| error.to_string()).flatten() {
            Ok(done) => {
                *self.note() = None;
                Ok(done)
            }
            Err(failure) => {
                *self.note() = Some(failure.clone());
                Err(lender::BusError::Other(failure))
            }
        }
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

    fn open_line(&self, name: &str) -> Lending<'_, ()> {
        let name = name.to_owned();
        Box::pin(async move { self.on_line(&name, |_| Ok(())).await })
    }

    fn is_high(&self, name: &str) -> Lending<'_, bool> {
        let name = name.to_owned();
        Box::pin(async move { self.on_line(&name, OpenLine::is_high).await })
    }

    fn set_line(&self, name: &str, is_high: bool) -> Lending<'_, ()> {
        let name = name.to_owned();
        Box::pin(async move { self.on_line(&name, move |line| line.set(is_high)).await })
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use punchcard_core::config::parse_configuration;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;

    const CONFIGURATION: &str = r#"
        device.name = "x"
        plugins.p = "p"
        [sensors.climate]
        plugin = "p"
        every = "1s"
        i2c.sensor.address = 0x76
        lines.door.line = 22
        lines.power = { line = 23, direction = "out" }
        one-wire.boiler = "28-0316a2795cff"
    "#;

    fn connect(file: &Path, hardware: &Value) {
        let new = file.with_extension("new");
        fs::write(&new, hardware.to_string()).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// A lender, and the file that says what is connected.
    fn lender(folder: &TempDir) -> (SensorLender, std::path::PathBuf) {
        let file = folder.path().join("hardware.json");
        connect(&file, &json!({}));
        let configuration = parse_configuration(CONFIGURATION).unwrap_or_else(|errors| panic!("{errors:?}"));
        let (_, sensor) = configuration.sensors.first_key_value().unwrap();
        let buses = Arc::new(Buses::new(Hardware::simulated(Some(file.clone()))));
        (SensorLender::new(buses, sensor), file)
    }

    fn bus(bus: &Value) -> Value {
        json!({ "i2c": { "/dev/i2c-1": bus } })
    }

    async fn id(lender: &SensorLender) -> Result<Vec<Vec<u8>>, lender::BusError> {
        lender.transact("sensor", vec![Operation::Write(vec![0xd0]), Operation::Read(1), Operation::Read(0)]).await
    }

    #[tokio::test]
    async fn nothing_is_lent_under_another_name_and_a_chip_is_not_a_device_on_a_wire() {
        let folder = tempfile::tempdir().unwrap();
        let (lender, file) = lender(&folder);
        connect(&file, &json!({ "i2c": { "/dev/i2c-1": {} }, "one-wire": { "28-0316a2795cff": 20.0 } }));
        for name in ["boiler", "other", "", "0x76", "/dev/i2c-1"] {
            assert_eq!(lender.open_i2c(name).await, Err(lender::BusError::Denied), "{name}");
            assert_eq!(lender.transact(name, Vec::new()).await, Err(lender::BusError::Denied), "{name}");
        }
        assert_eq!(lender.read_one_wire("sensor").await, Err(lender::BusError::Denied));
        assert_eq!(lender.failure(), None);
        assert!(lender.read_one_wire("boiler").await.unwrap().ends_with("t=20000\n"));
    }

    #[tokio::test]
    async fn the_reads_of_a_transaction_come_back_in_their_order_and_what_fails_is_said_until_it_works() {
        let folder = tempfile::tempdir().unwrap();
        let (lender, file) = lender(&folder);
        let unknown = lender::BusError::NoAcknowledge(NoAcknowledge::Unknown);
        assert!(matches!(lender.open_i2c("sensor").await, Err(lender::BusError::Other(_))));
        assert!(lender.failure().unwrap().contains("no such bus"));
        connect(&file, &bus(&json!({})));
        assert_eq!(lender.open_i2c("sensor").await, Ok(()));
        assert_eq!((id(&lender).await, lender.failure().is_some()), (Err(unknown), true));
        let failure = lender.failure().unwrap();
        assert!(failure.contains("/dev/i2c-1") && failure.contains("0x76"), "{failure}");
        connect(&file, &bus(&json!({ "chips": { "0x76": { "chip": "bme280" } } })));
        assert_eq!((id(&lender).await, lender.failure()), (Ok(vec![vec![0x60], vec![]]), None));
        // The adapter was unplugged and plugged in again.
        connect(&file, &json!({}));
        assert!(id(&lender).await.is_err());
        connect(&file, &bus(&json!({ "chips": { "0x76": { "chip": "bme280" } } })));
        assert_eq!(id(&lender).await, Ok(vec![vec![0x60], vec![]]));
        assert!(lender.read_one_wire("boiler").await.is_err());
        assert!(lender.failure().unwrap().contains("28-0316a2795cff is not there"));
        lender.begin();
        assert_eq!(lender.failure(), None);
    }

    #[tokio::test]
    async fn a_line_is_read_or_set_as_it_is_lent_and_under_no_other_name() {
        let folder = tempfile::tempdir().unwrap();
        let (lender, file) = lender(&folder);
        connect(&file, &json!({ "lines": { "22": "high", "23": "low" } }));
        for name in ["sensor", "boiler", "22", "", "/dev/gpiochip0"] {
            assert_eq!(lender.open_line(name).await, Err(lender::BusError::Denied), "{name}");
            assert_eq!(lender.is_high(name).await, Err(lender::BusError::Denied), "{name}");
            assert_eq!(lender.set_line(name, true).await, Err(lender::BusError::Denied), "{name}");
        }
        assert_eq!(lender.open_i2c("door").await, Err(lender::BusError::Denied));
        assert_eq!((lender.open_line("door").await, lender.is_high("door").await), (Ok(()), Ok(true)));
        assert!(lender.set_line("door", true).await.is_err());
        assert!(lender.failure().unwrap().contains("lent to be read"));
        assert_eq!(lender.is_high("power").await, Ok(false), "low until the plugin says so");
        assert_eq!(lender.set_line("power", true).await, Ok(()));
        assert_eq!((lender.is_high("power").await, lender.failure()), (Ok(true), None));
        connect(&file, &json!({ "lines": { "22": "low" } }));
        assert_eq!(lender.is_high("door").await, Ok(false));
        assert!(lender.set_line("power", false).await.is_err());
        assert!(lender.failure().unwrap().contains("line 23 is not there"));
    }

    #[tokio::test]
    async fn a_bus_is_open_while_it_is_read_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let (lender, file) = lender(&folder);
        connect(&file, &bus(&json!({ "chips": { "0x76": { "chip": "bme280" } } })));
        let is_open = async || {
            let owner = lender.buses.owner(&BusPath::new(Path::new("/dev/i2c-1")));
            owner.run(|open| open.is_some()).await.unwrap()
        };
        assert!(!is_open().await);
        assert!(id(&lender).await.is_ok() && is_open().await);
        lender.end();
        assert!(!is_open().await);
        assert!(id(&lender).await.is_ok(), "it is opened again");
    }

    #[tokio::test]
    async fn of_a_bus_that_hangs_is_said_that_it_has_not_answered_and_it_goes_on_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let (lender, file) = lender(&folder);
        connect(&file, &bus(&json!({ "fault": "hangs" })));
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_millis(20), id(&lender)).await.is_err());
            assert!(lender.failure().unwrap().starts_with("no answer has come yet; I2C bus /dev/i2c-1"));
        }
        connect(&file, &bus(&json!({ "chips": { "0x76": { "chip": "bme280" } } })));
        assert_eq!((id(&lender).await, lender.failure()), (Ok(vec![vec![0x60], vec![]]), None));
    }
}
