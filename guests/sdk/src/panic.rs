//! A panic ends the call as a trap; its message would be lost in a sandbox without a standard error.

/// Sends the message of a panic to the log.
pub fn log_panics() {
    #[cfg(target_arch = "wasm32")]
    log_panics_with(crate::log::error);
}

/// The same to the log of another version of the contract: a component may have one version's imports alone.
#[cfg(target_arch = "wasm32")]
pub fn log_panics_with(error: fn(&str)) {
    std::panic::set_hook(Box::new(move |panic| error(&panic.to_string())));
}
