//! From the operations of a transaction to the messages of the kernel, and what was read back into the operations.
//!
//! The kernel sends a start, or a repeated start, with the address before each message. So operations of one kind that
//! follow one another have to be one message (`embedded_hal::i2c::I2c::transaction`).

use embedded_hal::i2c::Operation;

use super::error::Failure;

/// The most messages of one transfer: `I2C_RDWR_IOCTL_MAX_MSGS` of `linux/i2c-dev.h`.
pub(super) const MOST_MESSAGES: usize = 42;
/// The most bytes of one message: `i2cdev_ioctl_rdwr` of the kernel's `i2c-dev.c`.
pub(super) const MOST_BYTES: usize = 8192;

/// Which way the bytes of a message go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// What goes one way between two starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) direction: Direction,
    /// What is written, or the room for what is read.
    pub(super) bytes: Vec<u8>,
}

/// The messages that do these operations.
///
/// # Errors
/// What the kernel or the bus can't do.
pub(super) fn plan_messages(operations: &[Operation<'_>]) -> Result<Vec<Message>, Failure> {
    let mut messages: Vec<Message> = Vec::new();
    for operation in operations {
        let direction = match operation {
            Operation::Read(_) => Direction::Read,
            Operation::Write(_) => Direction::Write,
        };
        if messages.last().is_none_or(|last| last.direction != direction) {
            messages.push(Message { direction, bytes: Vec::new() });
        }
        if let Some(last) = messages.last_mut() {
            match operation {
                Operation::Read(room) => last.bytes.resize(last.bytes.len() + room.len(), 0),
                Operation::Write(bytes) => last.bytes.extend_from_slice(bytes),
            }
        }
    }
    if messages.len() > MOST_MESSAGES {
        return Err(Failure::TooManyMessages { found: messages.len() });
    }
    for message in &messages {
        // A chip that acknowledges a read sends at least one byte (I2C specification UM10204, section 3.1.10).
        if message.bytes.is_empty() && message.direction == Direction::Read {
            return Err(Failure::EmptyRead);
        }
        if message.bytes.len() > MOST_BYTES {
            return Err(Failure::TooLong { found: message.bytes.len() });
        }
    }
    Ok(messages)
}

/// Puts what was read where it is awaited. The messages are those of the same operations.
pub(super) fn distribute_reads(messages: &[Message], operations: &mut [Operation<'_>]) {
    let mut read = messages.iter().filter(|message| message.direction == Direction::Read).flat_map(|read| &read.bytes);
    for operation in operations {
        if let Operation::Read(room) = operation {
            for (place, byte) in room.iter_mut().zip(&mut read) {
                *place = *byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(length: usize) -> Message {
        Message { direction: Direction::Read, bytes: vec![0; length] }
    }

    fn write(bytes: &[u8]) -> Message {
        Message { direction: Direction::Write, bytes: bytes.to_vec() }
    }

    #[test]
    fn neighbours_of_one_kind_are_one_message() {
        use Operation::{Read, Write};
        let (a, b, c) = (&mut [0; 1], &mut [0; 2], &mut [0; 3]);
        let table: [(&[Operation<'_>], &[Message]); 8] = [
            (&[], &[]),
            (&[Write(&[1])], &[write(&[1])]),
            (&[Write(&[])], &[write(&[])]),
            (&[Write(&[1]), Write(&[2, 3])], &[write(&[1, 2, 3])]),
            (&[Write(&[1]), Read(a)], &[write(&[1]), read(1)]),
            (&[Write(&[1]), Write(&[2]), Read(b), Read(c)], &[write(&[1, 2]), read(5)]),
            (&[Read(&mut [0; 2]), Write(&[]), Write(&[9]), Read(&mut [0; 1])], &[read(2), write(&[9]), read(1)]),
            (&[Read(&mut []), Read(&mut [0; 4])], &[read(4)]),
        ];
        for (operations, expected) in table {
            assert_eq!(plan_messages(operations).unwrap(), expected, "{operations:?}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_is_refused() {
        let alternating = |count: usize| {
            let operation = |place| if place % 2 == 0 { Operation::Write(&[1]) } else { Operation::Read(leaked()) };
            (0..count).map(operation).collect::<Vec<_>>()
        };
        assert_eq!(plan_messages(&alternating(42)).unwrap().len(), 42);
        let too_many = plan_messages(&alternating(43)).unwrap_err();
        assert!(matches!(too_many, Failure::TooManyMessages { found: 43 }));

        let half = [0; 4096];
        assert!(plan_messages(&[Operation::Write(&half), Operation::Write(&half)]).is_ok());
        let too_long = plan_messages(&[Operation::Write(&half), Operation::Write(&half), Operation::Write(&[1])]);
        assert!(matches!(too_long.unwrap_err(), Failure::TooLong { found: 8193 }));

        let empty = plan_messages(&[Operation::Write(&[1]), Operation::Read(&mut [])]);
        assert!(matches!(empty.unwrap_err(), Failure::EmptyRead));
    }

    fn leaked() -> &'static mut [u8] {
        Box::leak(Box::new([0]))
    }

    /// An operation without its buffer.
    #[derive(Debug, Clone)]
    enum Sketch {
        Read(usize),
        Write(Vec<u8>),
    }

    fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
        let one = prop_oneof![
            (1_usize..5).prop_map(Sketch::Read),
            proptest::collection::vec(any::<u8>(), 0..5).prop_map(Sketch::Write),
        ];
        proptest::collection::vec(one, 0..20)
    }

    proptest! {
        #[test]
        fn messages_alternate_and_no_byte_is_lost_or_moved(sketches in sketches()) {
            let mut rooms: Vec<Vec<u8>> = sketches.iter().map(|sketch| match sketch {
                Sketch::Read(length) => vec![0; *length],
                Sketch::Write(_) => Vec::new(),
            }).collect();
            let mut operations: Vec<Operation<'_>> = sketches.iter().zip(&mut rooms).map(|(sketch, room)| match sketch {
                Sketch::Read(_) => Operation::Read(room),
                Sketch::Write(bytes) => Operation::Write(bytes),
            }).collect();

            let mut messages = plan_messages(&operations).unwrap();
            prop_assert!(messages.windows(2).all(|pair| pair[0].direction != pair[1].direction));
            let written: Vec<u8> = messages.iter().filter(|message| message.direction == Direction::Write)
                .flat_map(|message| message.bytes.clone()).collect();
            let meant: Vec<u8> = sketches.iter().flat_map(|sketch| match sketch {
                Sketch::Write(bytes) => bytes.clone(),
                Sketch::Read(_) => Vec::new(),
            }).collect();
            prop_assert_eq!(written, meant);

            // The chip counts what it sends.
            let mut next = 0_u8;
            for message in messages.iter_mut().filter(|message| message.direction == Direction::Read) {
                for byte in &mut message.bytes {
                    next = next.wrapping_add(1);
                    *byte = next;
                }
            }
            distribute_reads(&messages, &mut operations);
            drop(operations);
            let came: Vec<u8> = rooms.concat();
            let sent: Vec<u8> = (1..=next).collect();
            prop_assert_eq!(came, sent);
        }
    }
}
