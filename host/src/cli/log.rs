//! Where the log goes, and how much of it.
//!
//! To the standard error, which systemd's journal takes. A panel that is drawn in the same terminal would be overwritten by
//! it: then it goes to a file in the state folder. `PUNCHCARD_LOG` takes the filters of `tracing-subscriber`.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// The log beside a panel in a terminal.
pub(super) const FILE_NAME: &str = "punchcard.log";

/// Begins to log. `state`: where the log's file may go.
pub(super) fn start(state: &Path) -> io::Result<()> {
    let filter = EnvFilter::try_from_env("PUNCHCARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_span_events(FmtSpan::NONE);
    if io::stdout().is_terminal() && io::stderr().is_terminal() {
        let file = open(state)?;
        log.with_ansi(false).with_writer(file).init();
    } else {
        log.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
    }
    Ok(())
}

fn open(state: &Path) -> io::Result<File> {
    std::fs::create_dir_all(state)?;
    OpenOptions::new().append(true).create(true).open(state.join(FILE_NAME))
}
