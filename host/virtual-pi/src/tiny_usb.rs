//! An i2c-tiny-usb, as the kernel's driver wants it (drivers/i2c/busses/i2c-tiny-usb.c): an adapter with plain I2C whose
//! every message is a control transfer, followed by the question whether the chip answered.

use embedded_hal::i2c::{I2c, Operation};

use crate::usb_ip::Setup;

/// `bmRequestType`: the direction, and the kinds of requests that it is asked.
const TO_HOST: u8 = 0x80;
const KIND: u8 = 0x60;
const STANDARD: u8 = 0x00;
const VENDOR: u8 = 0x40;

/// Standard requests (USB 2.0, table 9-4).
const GET_STATUS: u8 = 0;
const SET_ADDRESS: u8 = 5;
const GET_DESCRIPTOR: u8 = 6;
const SET_CONFIGURATION: u8 = 9;
const SET_INTERFACE: u8 = 11;

/// The driver's own. The last two bits of a transfer say whether it begins and whether it ends a transaction.
const GET_FUNCTIONS: u8 = 1;
const SET_DELAY: u8 = 2;
const GET_TRANSFER_STATUS: u8 = 3;
const TRANSFER: std::ops::RangeInclusive<u8> = 4..=7;

/// `I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL`.
const FUNCTIONS: u32 = 0x0eff_0009;

/// Whether the address of the last transfer was acknowledged.
const ACKNOWLEDGED: u8 = 1;
const NOT_ACKNOWLEDGED: u8 = 2;

/// A device of USB 2.0 whose vendor and product the driver knows (USB 2.0, section 9.6.1).
const DEVICE: [u8; 18] = [18, 1, 0x00, 0x02, 0xff, 0, 0, 64, 0x03, 0x04, 0x31, 0xc6, 0x05, 0x01, 0, 0, 0, 1];
/// One configuration of one interface without endpoints of its own (sections 9.6.3 and 9.6.5).
const CONFIGURATION: [u8; 18] = [9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 0xff, 0, 0, 0];

/// The adapter, with a bus.
pub(crate) struct TinyUsb<B> {
    bus: B,
    status: u8,
}

impl<B: I2c> TinyUsb<B> {
    pub(crate) fn new(bus: B) -> Self {
        Self { bus, status: 0 }
    }

    /// Answers a control transfer. `sent`: what the host sends with it. `None`: it stalls.
    pub(crate) fn answer(&mut self, setup: Setup, sent: &[u8]) -> Option<Vec<u8>> {
        match setup.kind & KIND {
            STANDARD => answer_standard(setup),
            VENDOR => self.answer_vendor(setup, sent),
            _ => None,
        }
    }

    fn answer_vendor(&mut self, setup: Setup, sent: &[u8]) -> Option<Vec<u8>> {
        match setup.request {
            GET_FUNCTIONS => Some(FUNCTIONS.to_le_bytes().to_vec()),
            SET_DELAY => Some(Vec::new()),
            GET_TRANSFER_STATUS => Some(vec![self.status]),
            request if TRANSFER.contains(&request) => Some(self.transfer(setup, sent)),
            _ => None,
        }
    }

    /// What a chip says otherwise than by not answering (a line that is stuck) this adapter cannot tell the kernel.
    fn transfer(&mut self, setup: Setup, sent: &[u8]) -> Vec<u8> {
        let is_read = setup.kind & TO_HOST != 0;
        let mut answer = vec![0; if is_read { setup.length.into() } else { 0 }];
        let outcome = match u8::try_from(setup.index) {
            Ok(address) if is_read => self.bus.transaction(address, &mut [Operation::Read(&mut answer)]).is_ok(),
            Ok(address) => self.bus.transaction(address, &mut [Operation::Write(sent)]).is_ok(),
            // An address of ten bits, which none of our chips has.
            Err(_) => false,
        };
        self.status = if outcome { ACKNOWLEDGED } else { NOT_ACKNOWLEDGED };
        answer
    }
}

fn answer_standard(setup: Setup) -> Option<Vec<u8>> {
    let mut answer = match (setup.request, setup.value >> 8) {
        (GET_DESCRIPTOR, 1) => DEVICE.to_vec(),
        (GET_DESCRIPTOR, 2) => CONFIGURATION.to_vec(),
        (GET_STATUS, _) => vec![0, 0],
        (SET_ADDRESS | SET_CONFIGURATION | SET_INTERFACE, _) => Vec::new(),
        _ => return None,
    };
    answer.truncate(setup.length.into());
    Some(answer)
}

#[cfg(test)]
mod tests {
    use punchcard_chips::{Bus, Glass, Ssd1306};

    use super::*;

    fn setup(kind: u8, request: u8, value: u16, index: u16, length: u16) -> Setup {
        Setup { kind, request, value, index, length }
    }

    #[test]
    fn the_kernel_finds_a_device_that_its_driver_knows() {
        let mut adapter = TinyUsb::new(Bus::new());
        let device = adapter.answer(setup(0x80, GET_DESCRIPTOR, 0x0100, 0, 64), &[]).unwrap();
        assert_eq!(device, DEVICE);
        // First the kernel asks for nine bytes, to learn how long all is.
        let head = adapter.answer(setup(0x80, GET_DESCRIPTOR, 0x0200, 0, 9), &[]).unwrap();
        assert_eq!((head.len(), head[2]), (9, 18));
        assert_eq!(adapter.answer(setup(0x80, GET_DESCRIPTOR, 0x0300, 0, 255), &[]), None, "it has no texts");
        assert_eq!(adapter.answer(setup(0xc1, GET_FUNCTIONS, 0, 0, 4), &[]), Some(vec![0x09, 0x00, 0xff, 0x0e]));
    }

    #[test]
    fn messages_reach_the_chip_and_its_silence_reaches_the_kernel() {
        let bus = Bus::new();
        let chip = bus.attach(0x3c, Ssd1306::new(Glass::HIGH));
        let mut adapter = TinyUsb::new(bus);
        let status = |adapter: &mut TinyUsb<Bus>| adapter.answer(setup(0xc1, GET_TRANSFER_STATUS, 0, 0, 1), &[]);

        assert_eq!(adapter.answer(setup(0x41, 7, 0, 0x3c, 2), &[0x00, 0xaf]), Some(vec![]));
        assert_eq!(status(&mut adapter), Some(vec![ACKNOWLEDGED]));
        assert!(chip.lock().unwrap().is_on());
        // Bit 6 says whether it is off (SSD1306 data sheet, table 8-2).
        let read = adapter.answer(setup(0xc1, 7, 1, 0x3c, 1), &[]).unwrap();
        assert_eq!(read[0] & 0x40, 0);

        adapter.answer(setup(0x41, 7, 0, 0x3d, 2), &[0x00, 0xaf]);
        assert_eq!(status(&mut adapter), Some(vec![NOT_ACKNOWLEDGED]));
    }
}
