//! The log of the device: each line carries the plugin's name, and the host limits their rate.

#[cfg(target_arch = "wasm32")]
use std::cell::Cell;

/// How much a line matters.
pub use crate::bindings::shared::punchcard::plugin::logging::Level;

// The import that takes the lines. A component imports the log of the version of the contract that it was made for and no
// other, so its exports say which that is.
#[cfg(target_arch = "wasm32")]
thread_local! {
    static IMPORT: Cell<Option<fn(Level, &str)>> = const { Cell::new(None) };
}

/// Has lines taken by the log of version 0.1.
pub(crate) fn import_0_1() {
    #[cfg(target_arch = "wasm32")]
    IMPORT.set(Some(crate::bindings::shared::punchcard::plugin::logging::log));
}

/// Has lines taken by the log of version 0.2.
pub(crate) fn import_0_2() {
    #[cfg(target_arch = "wasm32")]
    IMPORT.set(Some(|level, message| {
        use crate::bindings::auth_policy_0_2::punchcard::plugin::logging;
        let level = match level {
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
        };
        logging::log(level, message);
    }));
}

/// Writes a line. In native tests it goes to the standard error.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    if let Some(import) = IMPORT.get() {
        import(level, message);
    }
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
