//! What a failure says about whether the request was carried out.

use std::error::Error;

use punchcard_core::http::Failure;

use super::departure::Witness;

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Broken {
    /// What the plugin is told.
    pub(super) failure: Failure,
    /// Whether its connection broke before an answer began, which a connection does that was stale.
    pub(super) stale: bool,
}

impl Broken {
    /// The request can't be sent by anybody.
    pub(super) fn before_sending(reason: String) -> Self {
        Self { failure: Failure::Invalid(reason), stale: false }
    }

    /// The library gave up before an answer began.
    pub(super) fn before_answer(error: reqwest::Error, witness: &Witness) -> Self {
        let unconnected = error.is_connect();
        if error.is_builder() {
            Self::before_sending(describe(error))
        } else if unconnected || witness.withhold() {
            Self { failure: Failure::Unsent(describe(error)), stale: !unconnected }
        } else {
            Self { failure: Failure::Interrupted(describe(error)), stale: true }
        }
    }

    /// Time was up before an answer began.
    pub(super) fn by_timeout(timeout_ms: u32, witness: &Witness) -> Self {
        let failure = if witness.withhold() {
            Failure::Unsent(format!("no connection within {timeout_ms} ms"))
        } else {
            Failure::Interrupted(format!("no answer within {timeout_ms} ms"))
        };
        Self { failure, stale: false }
    }

    /// An answer had begun: the request was carried out, or was understood at least.
    pub(super) fn during_answer(failure: Failure) -> Self {
        Self { failure, stale: false }
    }
}

/// The whole chain of causes, without the URL: its query may hold what nobody should see.
pub(super) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some of the layers repeat what is below them.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
