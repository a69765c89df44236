//! Repositories that are good, old, mixed up or hostile, made with tough's editor, as a device sees them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can not go on has failed")]

mod maker;

mod hostile;

mod trust;

mod expiry;

mod mirror;
