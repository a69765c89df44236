//! The part of USB/IP that the kernel speaks with a device (Documentation/usb/usbip_protocol.rst): requests with a header of
//! 48 bytes, and answers with one. All numbers are big-endian, but those of USB itself.

use std::io::{self, Read, Write};

/// Bytes of every header.
const HEADER: usize = 48;
/// `USBIP_CMD_SUBMIT` and what answers it.
const SUBMIT: u32 = 1;
const SUBMITTED: u32 = 3;
/// `USBIP_CMD_UNLINK` and what answers it.
const UNLINK: u32 = 2;
const UNLINKED: u32 = 4;
/// `USBIP_DIR_IN`: the device sends.
const TO_HOST: u32 = 1;
/// `-EPIPE`: a device stalls on what it does not know (USB 2.0, section 9.2.7).
const STALL: i32 = -32;
/// No control transfer of i2c-tiny-usb is longer: its length has 16 bits.
const MOST_BYTES: usize = 65_535;

/// The eight bytes that begin a control transfer (USB 2.0, section 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup {
    /// `bmRequestType`.
    pub(crate) kind: u8,
    /// `bRequest`.
    pub(crate) request: u8,
    /// `wValue`.
    pub(crate) value: u16,
    /// `wIndex`.
    pub(crate) index: u16,
    /// `wLength`.
    pub(crate) length: u16,
}

impl Setup {
    fn parse(bytes: [u8; 8]) -> Self {
        let [kind, request, value_low, value_high, index_low, index_high, length_low, length_high] = bytes;
        let word = |low, high| u16::from_le_bytes([low, high]);
        Self {
            kind,
            request,
            value: word(value_low, value_high),
            index: word(index_low, index_high),
            length: word(length_low, length_high),
        }
    }
}

/// What the kernel wants of the device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A control transfer, with what the host sends.
    Control { number: u32, is_to_host: bool, length: usize, setup: Setup, sent: Vec<u8> },
    /// It waits no more for an earlier one, which was answered by then: one is answered after the other.
    Unlink { number: u32 },
}

/// The next request. None: the kernel has let go of the device.
pub(crate) fn read_request(kernel: &mut impl Read) -> io::Result<Option<Request>> {
    let mut header = [0; HEADER];
    match kernel.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let word = |index: usize| {
        header.chunks_exact(4).nth(index).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let number = word(1);
    match word(0) {
        SUBMIT => {
            let is_to_host = word(3) == TO_HOST;
            let length = usize::try_from(word(6)).unwrap_or(usize::MAX);
            if length > MOST_BYTES {
                return Err(io::Error::other(format!("a transfer of {length} bytes")));
            }
            let mut sent = vec![0; if is_to_host { 0 } else { length }];
            kernel.read_exact(&mut sent)?;
            let [.., a, b, c, d, e, f, g, h] = header;
            Ok(Some(Request::Control {
                number,
                is_to_host,
                length,
                setup: Setup::parse([a, b, c, d, e, f, g, h]),
                sent,
            }))
        }
        UNLINK => Ok(Some(Request::Unlink { number })),
        other => Err(io::Error::other(format!("a request of kind {other}"))),
    }
}

/// Answers a control transfer: with what the device sends, or with nothing; `None` is a stall.
pub(crate) fn answer_control(
    kernel: &mut impl Write,
    number: u32,
    received: usize,
    answer: Option<&[u8]>,
) -> io::Result<()> {
    let sent = answer.unwrap_or_default();
    let status = if answer.is_some() { 0 } else { STALL };
    let mut message = header(SUBMITTED, number, status, sent.len().max(received));
    message.extend_from_slice(sent);
    kernel.write_all(&message)
}

/// Answers an unlinking: what was to be unlinked is done.
pub(crate) fn answer_unlink(kernel: &mut impl Write, number: u32) -> io::Result<()> {
    kernel.write_all(&header(UNLINKED, number, 0, 0))
}

fn header(command: u32, number: u32, status: i32, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(0);
    let mut header = Vec::with_capacity(HEADER);
    for word in [command, number, 0, 0, 0, status.cast_unsigned(), length, 0, 0, 0, 0, 0] {
        header.extend_from_slice(&word.to_be_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(command: u32, direction: u32, length: u32, setup: [u8; 8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [command, 7, 0x0001_0002, direction, 0, 0, length, 0, 0, 0] {
            bytes.extend_from_slice(&u32::to_be_bytes(word));
        }
        bytes.extend_from_slice(&setup);
        bytes
    }

    #[test]
    fn a_transfer_to_the_device_comes_with_its_bytes() {
        let mut bytes = request(SUBMIT, 0, 2, [0x41, 7, 0, 0, 0x3c, 0, 2, 0]);
        bytes.extend_from_slice(&[0x00, 0xaf]);
        let setup = Setup { kind: 0x41, request: 7, value: 0, index: 0x3c, length: 2 };
        let expected = Request::Control { number: 7, is_to_host: false, length: 2, setup, sent: vec![0x00, 0xaf] };
        assert_eq!(read_request(&mut bytes.as_slice()).unwrap(), Some(expected));
    }

    #[test]
    fn a_transfer_to_the_host_comes_without_and_is_answered_with_bytes() {
        let bytes = request(SUBMIT, TO_HOST, 4, [0xc1, 1, 0, 0, 0, 0, 4, 0]);
        let Some(Request::Control { is_to_host, length, sent, .. }) = read_request(&mut bytes.as_slice()).unwrap()
        else {
            panic!("no control transfer")
        };
        assert!(is_to_host && length == 4 && sent.is_empty());
        let mut answer = Vec::new();
        answer_control(&mut answer, 7, 0, Some(&[1, 2, 3, 4])).unwrap();
        assert_eq!(answer.len(), HEADER + 4);
        assert_eq!((&answer[..8], &answer[20..28]), (&[0, 0, 0, 3, 0, 0, 0, 7][..], &[0, 0, 0, 0, 0, 0, 0, 4][..]));
    }

    #[test]
    fn a_stall_and_an_unlinking_are_answered_with_a_header_alone() {
        let (mut stall, mut unlinked) = (Vec::new(), Vec::new());
        answer_control(&mut stall, 1, 0, None).unwrap();
        answer_unlink(&mut unlinked, 1).unwrap();
        assert_eq!((stall.len(), &stall[20..24]), (HEADER, &(-32_i32).to_be_bytes()[..]));
        assert_eq!((unlinked.len(), unlinked[3]), (HEADER, 4));
    }

    #[test]
    fn a_kernel_that_lets_go_is_told_from_one_that_speaks_otherwise() {
        assert_eq!(read_request(&mut [].as_slice()).unwrap(), None);
        assert!(read_request(&mut request(9, 0, 0, [0; 8]).as_slice()).is_err());
        assert!(read_request(&mut request(SUBMIT, 0, u32::MAX, [0; 8]).as_slice()).is_err());
    }
}
