//! The log of the device: each line carries the plugin's name, and the host limits their rate.

/// How much a line matters.
pub use crate::bindings::shared::punchcard::plugin::logging::Level;

/// Writes a line. In native tests it goes to the standard error.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::shared::punchcard::plugin::logging::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// For those who develop the plugin.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}

/// Worth knowing.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// Not as it should be.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Something failed.
pub fn error(message: &str) {
    log(Level::Error, message);
}
