//! The BME280 of Bosch, by its data sheet (BST-BME280-DS001, revision 1.6). Section numbers are of that.
//!
//! It has no clock: a measurement takes until its status was read once.

use super::chip::Chip;

/// What it says of itself (section 5.4.1).
const ID: u8 = 0x60;
/// Written to the register of the same name, it resets the chip (section 5.4.2).
const RESET: u8 = 0xb6;

// Registers (table 18).
const REGISTER_CALIBRATION: u8 = 0x88;
const REGISTER_CALIBRATION_H1: u8 = 0xa1;
const REGISTER_ID: u8 = 0xd0;
const REGISTER_RESET: u8 = 0xe0;
const REGISTER_CALIBRATION_H: u8 = 0xe1;
const REGISTER_CTRL_HUM: u8 = 0xf2;
const REGISTER_STATUS: u8 = 0xf3;
const REGISTER_CTRL_MEAS: u8 = 0xf4;
const REGISTER_CONFIG: u8 = 0xf5;
const REGISTER_DATA: u8 = 0xf7;

/// The bit of the status that says that it measures.
const IS_MEASURING: u8 = 0x08;
/// What the data holds that was not measured, of 20 bits and of 16 (sections 5.4.7 and 5.4.9).
const SKIPPED: u32 = 0x8_0000;
const SKIPPED_HUMIDITY: u16 = 0x8000;

/// Of the temperature and the pressure, as in the example of Bosch's data sheet for the BMP280 (BST-BMP280-DS001, section
/// 3.12).
const T: (u16, i16, i16) = (27_504, 26_435, -1_000);
const P: (u16, [i16; 8]) = (36_477, [-10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000]);
/// Of the humidity, as chips have it.
const H1: u8 = 75;
const H2: i16 = 362;
const H3: u8 = 0;
const H4: i16 = 314;
const H5: i16 = 50;
const H6: i8 = 30;

/// A BME280.
pub struct Bme280 {
    registers: [u8; 256],
    pointer: u8,
    /// What `ctrl_hum` says counts once `ctrl_meas` is written (section 5.4.3).
    humidity_oversampling: u8,
    /// It measures until its status is read.
    is_measuring: bool,
    air: Air,
    id: u8,
    stuck: Option<u8>,
    complaints: Vec<String>,
}

/// What surrounds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Air {
    /// Degrees Celsius, -40 to 85.
    pub temperature: f64,
    /// Percent of relative humidity.
    pub humidity: f64,
    /// Hectopascal, 300 to 1,100.
    pub pressure: f64,
}

impl Default for Air {
    fn default() -> Self {
        Self { temperature: 25.08, humidity: 50.0, pressure: 1_006.5 }
    }
}

impl Bme280 {
    /// A chip without power.
    #[must_use]
    pub fn new(air: Air) -> Self {
        Self {
            registers: [0; 256],
            pointer: 0,
            humidity_oversampling: 0,
            is_measuring: false,
            air,
            id: ID,
            stuck: None,
            complaints: Vec::new(),
        }
    }

    /// Changes what surrounds it. The next measurement finds it.
    pub fn set_air(&mut self, air: Air) {
        self.air = air;
    }

    /// Makes it another chip that looks like one: 0x58 is a BMP280.
    pub fn set_id(&mut self, id: u8) {
        self.id = id;
        self.registers[usize::from(REGISTER_ID)] = id;
    }

    /// Has it answer every read with this byte, or no longer.
    pub fn set_stuck(&mut self, byte: Option<u8>) {
        self.stuck = byte;
    }

    /// What was written to it that its data sheet does not allow.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    fn write_register(&mut self, register: u8, value: u8) {
        match register {
            REGISTER_RESET if value == RESET => self.reset(),
            REGISTER_CTRL_HUM | REGISTER_CONFIG => self.registers[usize::from(register)] = value,
            REGISTER_CTRL_MEAS => {
                self.registers[usize::from(register)] = value;
                self.humidity_oversampling = self.registers[usize::from(REGISTER_CTRL_HUM)] & 0x07;
                // Sleep is 00 (table 25).
                self.is_measuring = value & 0x03 != 0;
            }
            _ => self.complaints.push(format!("{value:#04x} was written to register {register:#04x}")),
        }
    }

    /// As after power (section 5.4.2), with what it was made with.
    fn reset(&mut self) {
        self.registers = [0; 256];
        let mut put = |register: u8, bytes: &[u8]| {
            let at = usize::from(register);
            self.registers[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let mut calibration = [T.0.to_le_bytes(), T.1.to_le_bytes(), T.2.to_le_bytes(), P.0.to_le_bytes()].concat();
        calibration.extend(P.1.iter().flat_map(|number| number.to_le_bytes()));
        put(REGISTER_CALIBRATION, &calibration);
        put(REGISTER_CALIBRATION_H1, &[H1]);
        // Of H4 and H5, four bits share a byte (table 16).
        let [h4, h5] = [H4, H5].map(i16::to_be_bytes);
        let shared = (h5[1] & 0x0f) << 4 | h4[1] & 0x0f;
        let upper = |bytes: [u8; 2]| bytes[0] << 4 | bytes[1] >> 4;
        let [h2_low, h2_high] = H2.to_le_bytes();
        put(REGISTER_CALIBRATION_H, &[h2_low, h2_high, H3, upper(h4), shared, upper(h5), H6.to_le_bytes()[0]]);
        put(REGISTER_ID, &[self.id]);
        put(REGISTER_DATA, &[0x80, 0, 0, 0x80, 0, 0, 0x80, 0]);
        (self.humidity_oversampling, self.is_measuring) = (0, false);
    }

    /// Ends a measurement: its results are there, and a forced one puts the chip to sleep (section 3.3.3).
    fn measure(&mut self) {
        let control = self.registers[usize::from(REGISTER_CTRL_MEAS)];
        let is_measured = |oversampling: u8| oversampling & 0x07 != 0;
        let temperature = search(20, |adc| t_fine(adc) / 5_120.0 < self.air.temperature);
        let fine = t_fine(f64::from(temperature));
        // Temperature is needed for the others (section 4.2.3); where it is skipped, so they can't be told.
        let pressure = search(20, |adc| hectopascal(adc, fine) > self.air.pressure);
        let humidity = search(16, |adc| percent(adc, fine) < self.air.humidity);
        let chosen = |is_measured: bool, value: u32| if is_measured { value } else { SKIPPED };
        let [_, p2, p1, p0] = (chosen(is_measured(control >> 2), pressure) << 4).to_be_bytes();
        let [_, t2, t1, t0] = (chosen(is_measured(control >> 5), temperature) << 4).to_be_bytes();
        let humidity = u16::try_from(humidity).unwrap_or(u16::MAX);
        let humidity = if is_measured(self.humidity_oversampling) { humidity } else { SKIPPED_HUMIDITY };
        let [h1, h0] = humidity.to_be_bytes();
        let at = usize::from(REGISTER_DATA);
        self.registers[at..at + 8].copy_from_slice(&[p2, p1, p0, t2, t1, t0, h1, h0]);
        let is_normal = control & 0x03 == 0x03;
        self.is_measuring = is_normal;
        if !is_normal {
            self.registers[usize::from(REGISTER_CTRL_MEAS)] = control & !0x03;
        }
    }
}

impl Chip for Bme280 {
    fn power_on(&mut self) {
        self.reset();
        self.pointer = 0;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Pairs of a register and a value; a register alone is where reading begins (section 6.2).
        for pair in bytes.chunks(2) {
            match *pair {
                [register, value] => self.write_register(register, value),
                [register] => self.pointer = register,
                _ => {}
            }
        }
    }

    fn read(&mut self, room: &mut [u8]) {
        if let Some(byte) = self.stuck {
            return room.fill(byte);
        }
        for byte in room {
            if self.pointer == REGISTER_STATUS && self.is_measuring {
                *byte = IS_MEASURING;
                self.measure();
            } else {
                *byte = self.registers[usize::from(self.pointer)];
            }
            self.pointer = self.pointer.wrapping_add(1);
        }
    }
}

/// The smallest number of so many bits of which `is_below` does not hold any more. It holds for all before that.
fn search(bits: u32, is_below: impl Fn(f64) -> bool) -> u32 {
    let (mut low, mut high) = (0, (1_u32 << bits) - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_below(f64::from(middle)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

// How a driver makes numbers of what the chip says, in floating point (section 8.1).

fn t_fine(adc: f64) -> f64 {
    let (t1, t2, t3) = (f64::from(T.0), f64::from(T.1), f64::from(T.2));
    let square = (adc / 131_072.0 - t1 / 8_192.0).powi(2);
    (adc / 16_384.0 - t1 / 1_024.0) * t2 + square * t3
}

fn hectopascal(adc: f64, t_fine: f64) -> f64 {
    let p1 = f64::from(P.0);
    let [p2, p3, p4, p5, p6, p7, p8, p9] = P.1.map(f64::from);
    let fine = t_fine / 2.0 - 64_000.0;
    let offset = (fine * fine * p6 / 32_768.0 + fine * p5 * 2.0) / 4.0 + p4 * 65_536.0;
    let slope = (p3 * fine * fine / 524_288.0 + p2 * fine) / 524_288.0;
    let slope = (1.0 + slope / 32_768.0) * p1;
    let p = (1_048_576.0 - adc - offset / 4_096.0) * 6_250.0 / slope;
    (p + (p9 * p * p / 2_147_483_648.0 + p * p8 / 32_768.0 + p7) / 16.0) / 100.0
}

fn percent(adc: f64, t_fine: f64) -> f64 {
    let [h1, h2, h3, h4, h5, h6] =
        [f64::from(H1), f64::from(H2), f64::from(H3), f64::from(H4), f64::from(H5), f64::from(H6)];
    let fine = t_fine - 76_800.0;
    let gain = 1.0 + h6 / 67_108_864.0 * fine * (1.0 + h3 / 67_108_864.0 * fine);
    let h = (adc - (h4 * 64.0 + h5 / 16_384.0 * fine)) * (h2 / 65_536.0 * gain);
    (h * (1.0 - h1 * h / 524_288.0)).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::I2c;

    use super::super::Bus;
    use super::*;

    const ADDRESS: u8 = 0x76;

    fn registers(bus: &mut Bus, from: u8, count: usize) -> Vec<u8> {
        let mut room = vec![0; count];
        bus.write_read(ADDRESS, &[from], &mut room).unwrap();
        room
    }

    #[test]
    fn the_compensation_is_that_of_the_data_sheets_example() {
        // BST-BMP280-DS001, section 3.12.
        let fine = t_fine(519_888.0);
        assert!((fine / 5_120.0 - 25.08).abs() < 0.005, "{fine}");
        let pressure = hectopascal(415_148.0, fine);
        assert!((pressure - 1_006.532_7).abs() < 0.001, "{pressure}");
    }

    #[test]
    fn it_measures_what_it_is_told_to_and_sleeps_after_a_forced_measurement() {
        let mut bus = Bus::new();
        let chip = bus.attach(ADDRESS, Bme280::new(Air::default()));
        assert_eq!(registers(&mut bus, 0xd0, 1), [0x60]);
        assert_eq!(registers(&mut bus, 0xf7, 8), [0x80, 0, 0, 0x80, 0, 0, 0x80, 0]);
        // Temperature and pressure once, forced; humidity is not asked for.
        bus.write(ADDRESS, &[0xf4, 0b0010_0101]).unwrap();
        assert_eq!(registers(&mut bus, 0xf3, 1), [0x08]);
        assert_eq!(registers(&mut bus, 0xf3, 2), [0, 0b0010_0100]);
        let data = registers(&mut bus, 0xf7, 8);
        // The example's 0x7eed0 is 25.0825 degrees.
        assert_eq!(data[3..5], [0x7e, 0xec]);
        assert_eq!(data[6..], [0x80, 0]);
        // What is written for humidity counts with the next `ctrl_meas`.
        bus.write(ADDRESS, &[0xf2, 1]).unwrap();
        bus.write(ADDRESS, &[0xf4, 0b0010_0001]).unwrap();
        registers(&mut bus, 0xf3, 1);
        let data = registers(&mut bus, 0xf7, 8);
        assert_eq!(data[..3], [0x80, 0, 0]);
        assert_ne!(data[6..], [0x80, 0]);
        assert_eq!(chip.lock().unwrap().complaints(), [] as [String; 0]);
        bus.write(ADDRESS, &[0xd0, 1, 0xe0, 0xb6]).unwrap();
        assert_eq!(chip.lock().unwrap().complaints().len(), 1);
        assert_eq!(registers(&mut bus, 0xf7, 3), [0x80, 0, 0], "it was reset");
    }
}
