//! Every decision of Punchcard that needs no I/O.
//!
//! Deliberately absent: sockets, files, clocks, threads, async, the sandbox. Time, random bytes and what the outside
//! world answered are parameters, so that whatever happened once can be made to happen again in a test.

pub mod encoding;
pub mod name;
pub mod printable;
pub mod secret;
pub mod time;

pub mod clock_trust;
pub mod time_lower_bound;

pub mod config;
pub mod supervisor;
pub mod update;

pub mod input;
pub mod key;

pub mod badge;

pub mod choice;
pub mod encoder;
pub mod gesture;
pub mod listing;
pub mod scene;

pub mod alert;
pub mod appearance;

pub mod checkup;
pub mod setup;

pub mod event;
pub mod row;

pub mod plugin;
pub mod plugin_version;
pub mod probation;

pub mod formatting;
pub mod replay;

pub mod batch;
pub mod delivery;
pub mod output;
pub mod reconcile;
pub mod slowness;

pub mod account;
pub mod credential_file;
pub mod grant;

pub mod backoff;
pub mod pace;
pub mod polling;
pub mod wear;

pub mod http;
pub mod needs;
pub mod pagination;
pub mod reach;
pub mod redact;
pub mod request;
pub mod visit;

pub mod rehearsal;
