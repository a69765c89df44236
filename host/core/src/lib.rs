//! Every decision of Punchcard that needs no I/O.
//!
//! Deliberately absent: sockets, files, clocks, threads, async, the sandbox. Time, random bytes and what the outside
//! world answered are parameters, so that whatever happened once can be made to happen again in a test.

pub mod name;
pub mod secret;
pub mod time;

pub mod event;
pub mod row;

pub mod http;
pub mod reach;

pub mod plugin;
