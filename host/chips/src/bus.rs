//! A bus that holds chips, and that breaks when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use thiserror::Error;

use super::chip::Chip;
use super::traffic::Traffic;

/// A simulated bus. Clones are the same bus.
#[derive(Clone, Default)]
pub struct Bus {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    chips: BTreeMap<u8, Arc<Mutex<dyn Chip>>>,
    unplugged: BTreeSet<u8>,
    fault: Option<Fault>,
    /// So many bytes still arrive, then none is acknowledged.
    arriving: Option<usize>,
    traffic: Traffic,
}

/// What is wrong with the whole bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No chip acknowledges.
    NoAnswer,
    /// A chip stretches the clock for longer than the adapter waits.
    TimesOut,
    /// A line is stuck low.
    StuckLow,
    /// The adapter was unplugged.
    Gone,
}

/// Why a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BusError {
    /// Nothing has this address.
    #[error("no answer from address {0:#04x}")]
    NoAnswer(u8),
    /// The chip stopped acknowledging.
    #[error("address {0:#04x} no longer acknowledges")]
    DataRefused(u8),
    /// See [`Fault::TimesOut`].
    #[error("timed out")]
    TimedOut,
    /// See [`Fault::StuckLow`].
    #[error("a line is stuck low")]
    StuckLow,
    /// See [`Fault::Gone`].
    #[error("the bus is gone")]
    Gone,
}

impl embedded_hal::i2c::Error for BusError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAnswer(_) => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address),
            Self::DataRefused(_) => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data),
            Self::TimedOut => ErrorKind::Bus,
            Self::StuckLow => ErrorKind::ArbitrationLoss,
            Self::Gone => ErrorKind::Other,
        }
    }
}

impl Bus {
    /// A bus without chips.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects a chip, which gets power. What is given back is the chip, to look at.
    pub fn attach<C: Chip + 'static>(&self, address: u8, mut chip: C) -> Arc<Mutex<C>> {
        chip.power_on();
        let chip = Arc::new(Mutex::new(chip));
        self.lock().chips.insert(address, chip.clone());
        chip
    }

    /// Takes the chip at this address off the bus, and its power away.
    pub fn unplug(&self, address: u8) {
        self.lock().unplugged.insert(address);
    }

    /// Connects it again.
    pub fn plug_in(&self, address: u8) {
        let mut state = self.lock();
        if state.unplugged.remove(&address)
            && let Some(chip) = state.chips.get(&address)
        {
            chip.lock().unwrap_or_else(PoisonError::into_inner).power_on();
        }
    }

    /// Breaks the bus, or mends it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    /// After so many more bytes, addresses aside, one is not acknowledged. Those before it have their effect. Then the bus
    /// works again.
    pub fn fail_after(&self, bytes: usize) {
        self.lock().arriving = Some(bytes);
    }

    /// What went over it since this was last asked.
    pub fn take_traffic(&self) -> Traffic {
        std::mem::take(&mut self.lock().traffic)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ErrorType for Bus {
    type Error = BusError;
}

impl I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        self.lock().transfer(address, operations)
    }
}

impl State {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        match self.fault {
            Some(Fault::NoAnswer) => return Err(BusError::NoAnswer(address)),
            Some(Fault::TimesOut) => return Err(BusError::TimedOut),
            Some(Fault::StuckLow) => return Err(BusError::StuckLow),
            Some(Fault::Gone) => return Err(BusError::Gone),
            None => {}
        }
        let present = self.chips.get(&address).filter(|_| !self.unplugged.contains(&address));
        let chip = present.cloned().ok_or(BusError::NoAnswer(address))?;
        let mut chip = chip.lock().unwrap_or_else(PoisonError::into_inner);
        // Neighbouring operations of one kind are one write or read.
        for group in operations.chunk_by_mut(|one, next| is_read(one) == is_read(next)) {
            self.traffic.conditions += 1;
            self.traffic.bytes += 1;
            if is_read(&group[0]) {
                let rooms = group.iter_mut().filter_map(|operation| match operation {
                    Operation::Read(room) => Some(room),
                    Operation::Write(_) => None,
                });
                let mut rooms: Vec<&mut &mut [u8]> = rooms.collect();
                let mut read = vec![0; rooms.iter().map(|room| room.len()).sum()];
                self.traffic.bytes += count(read.len());
                chip.read(&mut read);
                let mut read = read.into_iter();
                for (place, byte) in rooms.iter_mut().flat_map(|room| room.iter_mut()).zip(&mut read) {
                    *place = byte;
                }
                continue;
            }
            let mut bytes = Vec::new();
            for operation in group {
                if let Operation::Write(piece) = operation {
                    bytes.extend_from_slice(piece);
                }
            }
            let arriving = self.arriving.map_or(bytes.len(), |arriving| arriving.min(bytes.len()));
            self.traffic.bytes += count(arriving);
            let arrived = bytes.get(..arriving).unwrap_or_default();
            if !chip.acknowledges(arrived) {
                return Err(BusError::DataRefused(address));
            }
            chip.write(arrived);
            if arriving < bytes.len() {
                self.arriving = None;
                return Err(BusError::DataRefused(address));
            }
            self.arriving = self.arriving.map(|before| before - arriving);
        }
        self.traffic.conditions += 1;
        Ok(())
    }
}

fn is_read(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::Read(_))
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what was written to it, and answers with the last byte.
    #[derive(Default)]
    struct Notebook {
        written: Vec<Vec<u8>>,
        powered: usize,
    }

    impl Chip for Notebook {
        fn power_on(&mut self) {
            self.written.clear();
            self.powered += 1;
        }

        fn write(&mut self, bytes: &[u8]) {
            self.written.push(bytes.to_vec());
        }

        fn read(&mut self, room: &mut [u8]) {
            room.fill(self.written.last().and_then(|bytes| bytes.last()).copied().unwrap_or(0xff));
        }
    }

    #[test]
    fn neighbouring_writes_reach_a_chip_as_one() {
        let mut bus = Bus::new();
        let chip = bus.attach(0x20, Notebook::default());
        let mut answer = [0; 2];
        bus.transaction(
            0x20,
            &mut [
                Operation::Write(&[1]),
                Operation::Write(&[2, 3]),
                Operation::Read(&mut answer),
                Operation::Write(&[4]),
            ],
        )
        .unwrap();
        assert_eq!(chip.lock().unwrap().written, [vec![1, 2, 3], vec![4]]);
        assert_eq!(answer, [3, 3]);
        assert_eq!(bus.take_traffic(), Traffic { conditions: 4, bytes: 3 + 3 + 2 + 1 });
        assert_eq!(bus.take_traffic(), Traffic::default());
    }

    #[test]
    fn neighbouring_reads_are_one_read_of_a_chip() {
        /// Answers with the number of each byte within its read.
        struct Counter;

        impl Chip for Counter {
            fn power_on(&mut self) {}

            fn write(&mut self, _: &[u8]) {}

            fn read(&mut self, room: &mut [u8]) {
                (0..).zip(room).for_each(|(number, place)| *place = number);
            }
        }

        let mut bus = Bus::new();
        bus.attach(0x20, Counter);
        let (mut one, mut two) = ([9], [9; 2]);
        bus.transaction(0x20, &mut [Operation::Read(&mut one), Operation::Read(&mut two)]).unwrap();
        assert_eq!((one, two), ([0], [1, 2]));
    }

    #[test]
    fn a_bus_breaks_in_the_ways_in_which_buses_break() {
        let mut bus = Bus::new();
        let chip = bus.attach(0x20, Notebook::default());
        assert_eq!(bus.write(0x21, &[1]), Err(BusError::NoAnswer(0x21)));
        let table = [
            (Fault::NoAnswer, BusError::NoAnswer(0x20)),
            (Fault::TimesOut, BusError::TimedOut),
            (Fault::StuckLow, BusError::StuckLow),
            (Fault::Gone, BusError::Gone),
        ];
        for (fault, error) in table {
            bus.set_fault(Some(fault));
            assert_eq!(bus.write(0x20, &[1]), Err(error));
        }
        bus.set_fault(None);
        bus.write(0x20, &[1]).unwrap();

        bus.fail_after(3);
        bus.write(0x20, &[2, 3]).unwrap();
        assert_eq!(bus.write(0x20, &[4, 5]), Err(BusError::DataRefused(0x20)));
        bus.write(0x20, &[6]).unwrap();
        assert_eq!(chip.lock().unwrap().written, [vec![1], vec![2, 3], vec![4], vec![6]]);

        bus.unplug(0x20);
        assert_eq!(bus.read(0x20, &mut [0]), Err(BusError::NoAnswer(0x20)));
        bus.plug_in(0x20);
        bus.plug_in(0x20);
        let mut answer = [0];
        bus.read(0x20, &mut answer).unwrap();
        assert_eq!((answer, chip.lock().unwrap().powered), ([0xff], 2));
    }
}
