//! What went over a bus, and how long that takes on a real one.

/// Bits that were clocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Starts, repeated ones too, and stops.
    pub conditions: u64,
    /// Bytes, addresses too. Each has eight bits and an acknowledge.
    pub bytes: u64,
}

impl Traffic {
    /// Microseconds at this clock, in Hertz. A start or a stop is taken for one bit, and no pause between transfers for any:
    /// adapters differ in it.
    #[must_use]
    pub fn micros_at(self, hz: u32) -> u64 {
        let bits = self.conditions + 9 * self.bytes;
        (bits * 1_000_000).div_ceil(u64::from(hz.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_takes_nine_bits_and_a_condition_one() {
        let table = [(2, 2, 400_000, 50), (2, 1026, 400_000, 23_090), (2, 1026, 100_000, 92_360), (0, 0, 400_000, 0)];
        for (conditions, bytes, hz, micros) in table {
            assert_eq!(Traffic { conditions, bytes }.micros_at(hz), micros);
        }
    }
}
