//! The policy at work: what a host tells it, and what it wants then.

mod script;

mod refusal;
mod renewal;
mod start;
