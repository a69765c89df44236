//! What is lent to a sensor while it is polled.
//!
//! The sandbox knows names alone: which bus, address or file is behind one, and whether any is, knows who lends.

use std::pin::Pin;

/// What a lender is going to answer.
pub type Lending<'a, T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send + 'a>>;

/// A piece of a transaction (`hardware.operation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Read so many bytes.
    Read(usize),
    /// Write these.
    Write(Vec<u8>),
}

/// What was not acknowledged (`hardware.no-acknowledge`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAcknowledge {
    /// The address.
    Address,
    /// A byte after it.
    Data,
    /// The bus does not tell.
    Unknown,
}

/// Why hardware did not answer (`hardware.bus-error`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusError {
    /// Nothing acknowledged.
    NoAcknowledge(NoAcknowledge),
    /// Something else drove the bus.
    ArbitrationLoss,
    /// Nothing is lent under this name.
    Denied,
    /// Anything else, in words.
    Other(String),
}

/// Lends hardware to one sensor, by the names that plugins.toml gives it. May be called again before an answer has come,
/// where the call that waited for it was given up.
pub trait Lender: Send + Sync {
    /// Makes the chip of this name ready.
    fn open_i2c(&self, name: &str) -> Lending<'_, ()>;

    /// Does the operations as one transaction with the chip of this name, and returns the bytes of each read.
    fn transact(&self, name: &str, operations: Vec<Operation>) -> Lending<'_, Vec<Vec<u8>>>;

    /// Makes the line of this name ready.
    fn open_line(&self, name: &str) -> Lending<'_, ()>;

    /// Whether the line of this name is high.
    fn is_high(&self, name: &str) -> Lending<'_, bool>;

    /// Makes the line of this name high or low.
    fn set_line(&self, name: &str, is_high: bool) -> Lending<'_, ()>;

    /// What the kernel's driver of the 1-Wire device of this name answers.
    fn read_one_wire(&self, name: &str) -> Lending<'_, String>;
}

/// Lends nothing.
pub struct Nothing;

impl Lender for Nothing {
    fn open_i2c(&self, _name: &str) -> Lending<'_, ()> {
        denied()
    }

    fn transact(&self, _name: &str, _operations: Vec<Operation>) -> Lending<'_, Vec<Vec<u8>>> {
        denied()
    }

    fn open_line(&self, _name: &str) -> Lending<'_, ()> {
        denied()
    }

    fn is_high(&self, _name: &str) -> Lending<'_, bool> {
        denied()
    }

    fn set_line(&self, _name: &str, _is_high: bool) -> Lending<'_, ()> {
        denied()
    }

    fn read_one_wire(&self, _name: &str) -> Lending<'_, String> {
        denied()
    }
}

fn denied<T: Send + 'static>() -> Lending<'static, T> {
    Box::pin(std::future::ready(Err(BusError::Denied)))
}
