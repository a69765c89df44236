//! How fast a bus runs, as the device tree tells the kernel. The kernel itself does not say.

use std::io;
use std::path::Path;

/// What adapters run at where the device tree says nothing, in Hertz: standard mode.
pub const STANDARD_HZ: u32 = 100_000;

/// Where the kernel shows its buses.
pub const CLASS: &str = "/sys/class/i2c-adapter";

/// The clock of bus `number` in Hertz, from below `class`, which is [`CLASS`]. None where the device tree says nothing of
/// it, as for an adapter on USB.
///
/// # Errors
/// When what is there can't be read or is not a number of 32 bits.
pub fn read_clock_hz(class: &Path, number: u8) -> io::Result<Option<u32>> {
    let path = class.join(format!("i2c-{number}/of_node/clock-frequency"));
    match std::fs::read(path) {
        // Devicetree Specification 0.4, section 2.2.4: a cell is big-endian.
        Ok(bytes) => match <[u8; 4]>::try_from(bytes.as_slice()) {
            Ok(cell) => Ok(Some(u32::from_be_bytes(cell))),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "clock-frequency is not one cell of 32 bits")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_one_cell_of_the_device_tree() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("i2c-1/of_node");
        std::fs::create_dir_all(&node).unwrap();
        assert_eq!(read_clock_hz(folder.path(), 1).unwrap(), None);
        assert_eq!(read_clock_hz(folder.path(), 2).unwrap(), None);
        for (bytes, hz) in [(&[0x00, 0x01, 0x86, 0xa0], STANDARD_HZ), (&[0x00, 0x06, 0x1a, 0x80], 400_000)] {
            std::fs::write(node.join("clock-frequency"), bytes).unwrap();
            assert_eq!(read_clock_hz(folder.path(), 1).unwrap(), Some(hz));
        }
        std::fs::write(node.join("clock-frequency"), [0, 1]).unwrap();
        assert!(read_clock_hz(folder.path(), 1).is_err());
    }
}
