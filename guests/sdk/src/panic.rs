//! A panic ends the call as a trap; its message would be lost in a sandbox without a standard error.

/// Sends the message of a panic to the log.
pub fn log_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
}
