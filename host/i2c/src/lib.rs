//! The kernel's I2C buses (`/dev/i2c-N`) as `embedded-hal` 1.0 has them.
//!
//! [`Bus`] is the adapter: a transaction becomes messages (`message`, pure), and the messages one call of the kernel
//! (`kernel`, the only place with unsafe code). [`BusError`] says on which bus, at which address and in which step
//! something failed, and what to do. `scan` and `speed` are for whoever looks for a fault.
//!
//! What it deliberately does not know: any chip's protocol, configuration, and time. It waits as long as the kernel does.
//! What always holds: neighbouring operations of one kind are one message, without a start between them, as
//! `embedded_hal::i2c::I2c::transaction` demands and drivers rely on.

mod bus;
mod error;
mod kernel;
mod message;

pub mod scan;
pub mod speed;

pub use self::bus::{Bus, BusPath};
pub use self::error::{BusError, Failure, Step};
