//! The real driver against a chip of the data sheet.

use punchcard_chips::{Air, Bme280, Bus, BusError, Fault};
use punchcard_sdk::settings::parse_settings;

use super::*;

const ADDRESS: u8 = 0x76;

/// A bus whose errors are the plugin's, as those of the host's are.
struct Lent(Bus);

#[derive(Debug)]
struct Broken(BusError);

impl embedded_hal::i2c::Error for Broken {
    fn kind(&self) -> embedded_hal::i2c::ErrorKind {
        embedded_hal::i2c::Error::kind(&self.0)
    }
}

impl From<Broken> for Error {
    fn from(error: Broken) -> Self {
        Self::Other(error.0.to_string())
    }
}

impl embedded_hal::i2c::ErrorType for Lent {
    type Error = Broken;
}

impl I2c for Lent {
    fn transaction(&mut self, address: u8, operations: &mut [embedded_hal::i2c::Operation<'_>]) -> Result<(), Broken> {
        self.0.transaction(address, operations).map_err(Broken)
    }
}

struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

fn read(bus: &Bus) -> Result<Measured, Error> {
    measure(Lent(bus.clone()), NoDelay)
}

fn said(bus: &Bus) -> String {
    match read(bus) {
        Err(Error::Other(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_surrounds_the_chip_is_read_with_its_resolution() {
    for air in [
        Air::default(),
        Air { temperature: -20.0, humidity: 12.5, pressure: 870.0 },
        Air { temperature: 60.0, humidity: 88.0, pressure: 1_080.0 },
    ] {
        let bus = Bus::new();
        let chip = bus.attach(ADDRESS, Bme280::new(air));
        let Measured { temperature, humidity, pressure } = read(&bus).unwrap();
        assert!((temperature - air.temperature).abs() <= 0.011, "{temperature} for {air:?}");
        assert!((humidity - air.humidity).abs() <= 0.05, "{humidity} for {air:?}");
        assert!((pressure - air.pressure).abs() <= 0.02, "{pressure} for {air:?}");
        assert_eq!(chip.lock().unwrap().complaints(), [] as [String; 0]);
        // Another air, and another chip.
        chip.lock().unwrap().set_air(Air { temperature: 21.0, ..air });
        assert!((read(&bus).unwrap().temperature - 21.0).abs() <= 0.011);
        bus.unplug(ADDRESS);
        bus.plug_in(ADDRESS);
        assert!((read(&bus).unwrap().temperature - 21.0).abs() <= 0.011);
    }
}

#[test]
fn what_is_no_bme280_is_said_and_left_alone() {
    let bus = Bus::new();
    let chip = bus.attach(ADDRESS, Bme280::new(Air::default()));
    for (id, says) in [(0x58, "BMP280"), (0x61, "BME680"), (0x00, "no chip at all"), (0x42, "another chip")] {
        chip.lock().unwrap().set_id(id);
        let said = said(&bus);
        assert!(said.contains(says) && said.contains(&format!("{id:#04x}")), "{said}");
    }
    let traffic = {
        bus.take_traffic();
        said(&bus);
        bus.take_traffic()
    };
    // A write of the register and a read of its value: nothing was set.
    assert_eq!((traffic.conditions, traffic.bytes), (3, 4));
}

#[test]
fn nonsense_is_no_reading() {
    let bus = Bus::new();
    let chip = bus.attach(ADDRESS, Bme280::new(Air::default()));
    chip.lock().unwrap().set_stuck(Some(0xff));
    assert!(said(&bus).contains("no chip at all"));
    chip.lock().unwrap().set_stuck(None);
    chip.lock().unwrap().set_air(Air { temperature: 2_000.0, ..Air::default() });
    assert!(said(&bus).contains("nonsense"));
    bus.set_fault(Some(Fault::StuckLow));
    assert!(said(&bus).contains("stuck low"));
    bus.set_fault(None);
    bus.unplug(ADDRESS);
    assert!(said(&bus).contains("no answer"));
}

#[test]
fn its_settings_are_one_number_within_bounds() {
    let check = |json: &str| Climate::check(&parse_settings(json)?);
    assert_eq!(check("{}"), Ok(()));
    assert_eq!(check(r#"{"temperature-offset":-1.5}"#), Ok(()));
    for bad in [r#"{"temperature-offset":25}"#, r#"{"temperatur-offset":1}"#, r#"{"temperature-offset":"1"}"#] {
        assert!(matches!(check(bad), Err(Error::InvalidSettings(_))), "{bad}");
    }
}
