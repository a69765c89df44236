//! What every chip has.

/// A chip on a bus.
pub trait Chip: Send {
    /// It gets power, after it had none.
    fn power_on(&mut self);

    /// Whether it acknowledges this. What it does not acknowledge it does not take either.
    fn acknowledges(&self, _bytes: &[u8]) -> bool {
        true
    }

    /// What is written to it between a start and the next one, or the stop.
    fn write(&mut self, bytes: &[u8]);

    /// What it answers when it is read.
    fn read(&mut self, room: &mut [u8]);
}
