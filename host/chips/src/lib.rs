//! Simulated chips on a simulated I2C bus: the real drivers run against them.
//!
//! A [`Bus`] is an `embedded_hal::i2c::I2c` that holds chips by their addresses, and that can be broken in the ways in which
//! buses break. A chip does what its data sheet says. What a data sheet does not allow is a complaint, which the chip keeps
//! for a test to see: a real one would acknowledge it and show nonsense. Each chip has a file of its own.
//!
//! What it deliberately does not know: our drivers, configuration and time. What always holds: a chip that was without power
//! begins as its data sheet says, and its memory with what nobody wrote.

mod bus;
mod chip;
mod traffic;

mod oled;

mod bme280;
mod pn532;
mod scd4x;
mod sh1106;
mod ssd1306;

pub use self::bme280::{Air, Bme280};
pub use self::bus::{Bus, BusError, Fault};
pub use self::chip::Chip;
pub use self::oled::Glass;
pub use self::pn532::Pn532;
pub use self::scd4x::Scd4x;
pub use self::sh1106::Sh1106;
pub use self::ssd1306::Ssd1306;
pub use self::traffic::Traffic;
