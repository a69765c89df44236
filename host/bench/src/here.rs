//! The host in this process, where what it does to its files can be recorded; keys come through a pipe in place of this
//! program's standard input.

use std::io::{PipeWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use punchcard::app::control::{Answer, Question, ask};
use punchcard::app::device::Options;
use punchcard::app::lifecycle::run;
use punchcard::app::status::StageReport;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::device::{Device, PATIENCE, PAUSE};

/// A host that runs here. There is one at most.
pub(crate) struct Here {
    host: JoinHandle<Result<()>>,
    keys: PipeWriter,
    state: PathBuf,
}

impl Here {
    /// Starts it, and waits until its destination was looked at.
    pub(crate) async fn start(options: Options) -> Result<Self> {
        let (reader, keys) = std::io::pipe().context("the system gives no pipe")?;
        rustix::stdio::dup2_stdin(&reader).context("cannot be the keyboard")?;
        let state = options.state.clone();
        let host = tokio::spawn(async move { Ok(run(&options).await?) });
        let here = Self { host, keys, state };
        here.await_rows(0).await?;
        Ok(here)
    }

    /// Presses the key, and waits until all of so many rows are delivered.
    pub(crate) async fn press_and_await_delivered(&mut self, device: &Device, rows: u32) -> Result<()> {
        self.keys.write_all(b" ").context("the host takes no keys")?;
        let arrived = timeout(PATIENCE, async {
            while device.rows() <= u64::from(rows) {
                sleep(PAUSE).await;
            }
        });
        arrived.await.context("a row does not arrive")?;
        self.await_rows(rows).await
    }

    /// Waits until it has settled the delivery of so many rows, and has nothing more to do.
    async fn await_rows(&self, rows: u32) -> Result<()> {
        let settled = timeout(PATIENCE, async {
            loop {
                if let Ok(Answer::Status(report)) = ask(&self.state, &Question::Status).await
                    && !report.sinks.is_empty()
                    && report.sinks.iter().all(|sink| {
                        sink.delivery == StageReport::Idle
                            && sink.rows_delivered == u64::from(rows)
                            && sink.link.is_some()
                    })
                {
                    return;
                }
                sleep(PAUSE).await;
            }
        });
        settled.await.with_context(|| format!("the host does not settle {rows} rows"))
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> Result<()> {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
            .context("cannot stop the host")?;
        timeout(PATIENCE, self.host).await.context("the host does not stop")??
    }
}
