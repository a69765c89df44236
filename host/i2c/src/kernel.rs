//! The two calls of `linux/i2c-dev.h` that the adapter makes. The only unsafe code of this crate.
#![expect(unsafe_code, reason = "the kernel's interface to an I2C bus is ioctl(2) with pointers in it")]

use std::fs::File;

use rustix::io;
use rustix::ioctl::{Opcode, Updater, ioctl};

use super::message::{Direction, Message};

/// What an adapter can do, into an `unsigned long`.
const I2C_FUNCS: Opcode = 0x0705;
/// Messages, with a repeated start between each two.
const I2C_RDWR: Opcode = 0x0707;
/// `struct i2c_msg`: the bytes are read.
const I2C_M_RD: u16 = 0x0001;

/// `struct i2c_msg` of `linux/i2c.h`.
#[repr(C)]
struct RawMessage {
    address: u16,
    flags: u16,
    length: u16,
    bytes: *mut u8,
}

/// `struct i2c_rdwr_ioctl_data` of `linux/i2c-dev.h`.
#[repr(C)]
struct RawTransfer {
    messages: *mut RawMessage,
    count: u32,
}

/// The `I2C_FUNC_…` bits of a bus.
pub(super) fn read_functions(bus: &File) -> io::Result<usize> {
    let mut functions: usize = 0;
    // SAFETY: i2c-dev writes one unsigned long, which on Linux is as wide as an address; another driver has another meaning
    // for 0x0705 at worst, and a bus is what the configuration names.
    unsafe { ioctl(bus, Updater::<I2C_FUNCS, usize>::new(&mut functions)) }?;
    Ok(functions)
}

/// Sends the messages to an address as one transfer, and fills those that are read. Each has at most 8192 bytes.
pub(super) fn perform_transfer(bus: &File, address: u8, messages: &mut [Message]) -> io::Result<()> {
    let raw = |message: &mut Message| {
        Ok(RawMessage {
            address: address.into(),
            flags: if message.direction == Direction::Read { I2C_M_RD } else { 0 },
            length: u16::try_from(message.bytes.len()).map_err(|_| io::Errno::INVAL)?,
            bytes: message.bytes.as_mut_ptr(),
        })
    };
    let mut raw_messages = messages.iter_mut().map(raw).collect::<io::Result<Vec<_>>>()?;
    let count = u32::try_from(raw_messages.len()).map_err(|_| io::Errno::INVAL)?;
    let mut transfer = RawTransfer { messages: raw_messages.as_mut_ptr(), count };
    // SAFETY: each pointer leads to as many bytes as stand beside it, which `messages` owns and which live until the call
    // returns; the kernel keeps none of them.
    unsafe { ioctl(bus, Updater::<I2C_RDWR, RawTransfer>::new(&mut transfer)) }
}
