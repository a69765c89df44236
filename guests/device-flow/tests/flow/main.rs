//! The policy as a host sees it: scripts of signals, with the directive, the status and the slots that each leads to.
//!
//! Tests named `point_NN_…` are the policy's share of what a conforming client does (RFC 8628, 6749, 6750, 7009, 9700).

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail loudly")]

mod script;

mod sign_in;

mod poll;

mod renewal;

mod dialect;

mod restart;

mod sign_out;

mod discovery;

mod chance;
