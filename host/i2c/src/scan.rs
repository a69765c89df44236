//! Which addresses of a bus answer, and which chips that may be.

use embedded_hal::i2c::{Error, ErrorKind, I2c};

/// Addresses that a chip may have; the others are reserved (I2C specification UM10204, section 3.1.12).
pub const ADDRESSES: std::ops::RangeInclusive<u8> = 0x08..=0x77;

/// Chips that people connect to a Pi, with the addresses that their data sheets give.
const CHIPS: [(&str, &[u8]); 26] = [
    ("VEML7700", &[0x10]),
    ("MCP23017", &[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27]),
    ("PN532", &[0x24]),
    ("PCF8574 (a character LCD)", &[0x27, 0x3f]),
    ("BH1750", &[0x23, 0x5c]),
    ("LIS3DH", &[0x18, 0x19]),
    ("MCP9808", &[0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f]),
    ("VL53L0X", &[0x29]),
    ("TSL2591", &[0x29]),
    ("SSD1306 or SH1106", &[0x3c, 0x3d]),
    ("AHT20", &[0x38]),
    ("APDS-9960", &[0x39]),
    ("INA219", &[0x40, 0x41, 0x44, 0x45]),
    ("HTU21D or Si7021", &[0x40]),
    ("SHT4x", &[0x44, 0x45, 0x46]),
    ("SHT3x", &[0x44, 0x45]),
    ("ADS1115", &[0x48, 0x49, 0x4a, 0x4b]),
    ("TMP117", &[0x48, 0x49, 0x4a, 0x4b]),
    ("AT24C32 (EEPROM of a clock module)", &[0x50, 0x57]),
    ("CCS811", &[0x5a, 0x5b]),
    ("SGP40", &[0x59]),
    ("LPS22", &[0x5c, 0x5d]),
    ("SCD4x", &[0x62]),
    ("DS3231 or DS1307 (clock)", &[0x68]),
    ("MPU-6050", &[0x68, 0x69]),
    ("BME280, BMP280 or BME680", &[0x76, 0x77]),
];

/// An address that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Of 7 bits.
    pub address: u8,
    /// What may answer there. None of it is certain; empty where nothing is known of the address.
    pub likely: Vec<&'static str>,
}

/// What usually has this address.
pub fn likely_chips(address: u8) -> Vec<&'static str> {
    CHIPS.iter().filter(|(_, addresses)| addresses.contains(&address)).map(|(name, _)| *name).collect()
}

/// How an address is asked whether anything is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// A byte is read.
    Read,
    /// The address is sent, with nothing after it.
    EmptyWrite,
}

/// As `i2cdetect` does it: a memory could take an empty write for the first half of a longer one, and other chips do not
/// answer a read for which they have nothing.
fn plan_probe(address: u8, can_write_nothing: bool) -> Probe {
    match address {
        0x30..=0x37 | 0x50..=0x5f => Probe::Read,
        _ if can_write_nothing => Probe::EmptyWrite,
        _ => Probe::Read,
    }
}

/// Asks every address. `can_write_nothing` says whether the adapter can send an address alone; where it can't, chips that
/// have nothing to be read stay unseen.
///
/// # Errors
/// When the bus itself fails: then no address would answer.
pub fn scan<B: I2c>(bus: &mut B, can_write_nothing: bool) -> Result<Vec<Found>, B::Error> {
    let mut found = Vec::new();
    for address in ADDRESSES {
        let answered = match plan_probe(address, can_write_nothing) {
            Probe::Read => bus.read(address, &mut [0]),
            Probe::EmptyWrite => bus.write(address, &[]),
        };
        match answered {
            Ok(()) => found.push(Found { address, likely: likely_chips(address) }),
            Err(error) if matches!(error.kind(), ErrorKind::NoAcknowledge(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::{ErrorType, NoAcknowledgeSource, Operation};

    use super::*;

    /// A bus on which some addresses answer, those of the second list only where something is written.
    struct Answering(&'static [u8], &'static [u8]);

    impl ErrorType for Answering {
        type Error = ErrorKind;
    }

    impl I2c for Answering {
        fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            let writes = matches!(operations, [Operation::Write(_)]);
            let answers = self.0.contains(&address) || (writes && self.1.contains(&address));
            if answers { Ok(()) } else { Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)) }
        }
    }

    #[test]
    fn what_answers_is_found_with_its_likely_names() {
        let found = scan(&mut Answering(&[0x3c, 0x50], &[0x45, 0x0a]), true).unwrap();
        let addresses: Vec<u8> = found.iter().map(|found| found.address).collect();
        assert_eq!(addresses, [0x0a, 0x3c, 0x45, 0x50]);
        assert_eq!(found[1].likely, ["SSD1306 or SH1106"]);
        assert_eq!(found[2].likely, ["INA219", "SHT4x", "SHT3x"]);
        assert!(found[0].likely.is_empty());
        let found = scan(&mut Answering(&[0x3c], &[0x44]), false).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn memories_are_never_written_to() {
        for address in ADDRESSES {
            let expected = if matches!(address, 0x30..=0x37 | 0x50..=0x5f) { Probe::Read } else { Probe::EmptyWrite };
            assert_eq!(plan_probe(address, true), expected);
            assert_eq!(plan_probe(address, false), Probe::Read);
        }
    }

    #[test]
    fn a_bus_that_fails_ends_the_scan() {
        struct Stuck;
        impl ErrorType for Stuck {
            type Error = ErrorKind;
        }
        impl I2c for Stuck {
            fn transaction(&mut self, _: u8, _: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
                Err(ErrorKind::Bus)
            }
        }
        assert_eq!(scan(&mut Stuck, true), Err(ErrorKind::Bus));
    }

    #[test]
    fn every_address_in_the_table_can_be_scanned() {
        assert!(CHIPS.iter().flat_map(|(_, addresses)| *addresses).all(|address| ADDRESSES.contains(address)));
    }
}
