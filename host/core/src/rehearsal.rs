//! A plugin's rehearsal, without a device: events, rows and a server's answers that stand in files.
//!
//! A table is text as spreadsheets write it (RFC 4180). Its first line names what stands below: fields of events, or columns of
//! rows. Nothing here runs a plugin, and no clock is asked.

mod table;
pub use table::{TableError, parse_events, parse_rows};

mod script;
pub use script::{Expectation, Script, ScriptError, ScriptedAnswer, parse_script};
