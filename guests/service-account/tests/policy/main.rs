//! The policy at work: what a host tells it, and what it wants then.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod script;

mod refusal;
mod renewal;
mod start;
