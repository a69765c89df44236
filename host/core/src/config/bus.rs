//! An I2C bus of the kernel, and the address of a chip on it.

use std::path::{Component, Path, PathBuf};

use super::node::{Node, quote};

/// Addresses that a chip may have; the others are reserved (I2C specification UM10204, section 3.1.12).
const ADDRESSES: std::ops::RangeInclusive<u8> = 0x08..=0x77;

/// `/dev/i2c-N`.
pub(super) fn bus_of_number(number: i64) -> PathBuf {
    format!("/dev/i2c-{number}").into()
}

/// The N of `/dev/i2c-N`, or the path of a device file, which may be a link that a rule of udev made.
pub(super) fn parse_bus(node: &Node<'_, '_>) -> Option<PathBuf> {
    const ACCEPTED: &str = "accepted is a number from 0 to 255, or a path in /dev such as `/dev/i2c-1`";
    if let Some(number) = node.whole_number() {
        let bus = (0..=255).contains(&number).then(|| bus_of_number(number));
        return bus.or_else(|| node.refuse(format!("found {number}; {ACCEPTED}")));
    }
    let text = node.printable(100)?;
    let path = Path::new(text);
    let inside = path.strip_prefix("/dev").ok().filter(|rest| {
        rest.file_name().is_some() && rest.components().all(|part| matches!(part, Component::Normal(_)))
    });
    if inside.is_none() {
        return node.refuse(format!("found {}; {ACCEPTED}", quote(text)));
    }
    Some(path.to_owned())
}

/// The address of any chip, of 7 bits.
pub(super) fn parse_any_address(node: &Node<'_, '_>) -> Option<u8> {
    let found = node.integer()?;
    let address = u8::try_from(found).ok().filter(|address| ADDRESSES.contains(address));
    address.or_else(|| {
        let (first, last) = (ADDRESSES.start(), ADDRESSES.end());
        node.refuse(format!("found {found:#x}; accepted is {first:#04x} to {last:#04x}, as `i2cdetect` shows it"))
    })
}
