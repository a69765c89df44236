//! A panic ends the call as a trap; its message would be lost in a sandbox without a standard error.

/// Sends the message of a panic to the log. Every export of a plugin of version 0.1 begins with it.
pub fn log_panics() {
    crate::log::import_0_1();
    hook();
}

/// The same for version 0.2.
pub fn log_panics_0_2() {
    crate::log::import_0_2();
    hook();
}

fn hook() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
}
