//! What policies for servers of OAuth 2.0 (RFC 6749) have in common, however a person signs in: what answers mean, how long
//! a lease is held, when it is renewed, and what a person can do about a problem.
//!
//! Decisions alone: what is asked, and what is remembered, is the policy's. No token is ever here.

pub mod address;
pub mod client_id;
pub mod pace;
pub mod scope;

pub mod problem;
pub mod refusal;

pub mod answer;

pub mod renewal;
pub mod token;
