//! The client in the form that the public suite `tuf-conformance` runs. See `host/repository/CONFORMANCE.md`.
//!
//! It differs from a device in where it keeps things: trust in a folder, since the suite looks there, plugins too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use clap::{Parser, Subcommand};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use punchcard_repository::{Attempt, Clock, Folder, Limits, Mirror, MirrorError, Pieces, Role, TrustState, refresh};
use sha2::{Digest as _, Sha256};

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    metadata_dir: PathBuf,
    #[arg(long)]
    metadata_url: Option<String>,
    #[arg(long)]
    target_name: Vec<String>,
    #[arg(long)]
    target_base_url: Option<String>,
    #[arg(long)]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init { trusted_root: PathBuf },
    Refresh,
    Download,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let folder = &arguments.metadata_dir;
    if let Command::Init { trusted_root } = &arguments.command {
        fs::copy(trusted_root, folder.join(Role::Root.file())).context("can't copy the root")?;
        return Ok(());
    }
    let metadata = arguments.metadata_url.context("--metadata-url is missing")?;
    let targets = arguments.target_base_url.unwrap_or_default();
    let mirror = Arc::new(Server { metadata, targets });
    let work = tempfile::tempdir().context("no temporary folder")?;
    let clock = Clock::Known(Timestamp::now());
    let Attempt { trust, outcome } = refresh(load(folder)?, mirror, clock, &Limits::default(), work.path()).await;
    store(folder, &trust)?;
    let catalogue = outcome?;
    let Command::Download = arguments.command else { return Ok(()) };
    let into = arguments.target_dir.context("--target-dir is missing")?;
    for name in &arguments.target_name {
        let Some(offer) = catalogue.offers.iter().find(|offer| offer.name == *name) else {
            bail!("`{name}` is not offered");
        };
        let path = into.join(name);
        let is_there = fs::read(&path).is_ok_and(|bytes| hex(&Sha256::digest(bytes)) == offer.sha256);
        if !is_there {
            fs::write(&path, catalogue.download(name).await?).context("can't write a target")?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const OPTIONAL: [Role; 3] = [Role::Timestamp, Role::Snapshot, Role::Targets];

fn load(folder: &Path) -> Result<TrustState> {
    let read = |role: Role| fs::read(folder.join(role.file()));
    let root = read(Role::Root).context("run `init` first")?;
    let [timestamp, snapshot, targets] = OPTIONAL.map(|role| read(role).ok());
    Ok(TrustState { root, timestamp, snapshot, targets })
}

fn store(folder: &Path, trust: &TrustState) -> Result<()> {
    for role in [Role::Root].into_iter().chain(OPTIONAL) {
        let path = folder.join(role.file());
        match trust.file(role) {
            Some(bytes) => fs::write(path, bytes).context("can't write metadata")?,
            None if path.exists() => fs::remove_file(path).context("can't remove metadata")?,
            None => {}
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Server {
    metadata: String,
    targets: String,
}

#[async_trait]
impl Mirror for Server {
    async fn open(&self, folder: Folder, name: &str) -> Result<Pieces, MirrorError> {
        let base = match folder {
            Folder::Metadata => &self.metadata,
            Folder::Targets => &self.targets,
        };
        let fail = |source| MirrorError::Failed { folder, name: name.to_owned(), source };
        // The suite serves one request at a time, and so this asks.
        match ureq::get(format!("{}/{name}", base.trim_end_matches('/'))).call() {
            Ok(mut answer) => {
                let bytes = answer.body_mut().read_to_vec().map_err(|error| fail(Box::new(error)))?;
                Ok(stream::iter([Ok(Bytes::from(bytes))]).boxed())
            }
            Err(ureq::Error::StatusCode(403 | 404 | 410)) => {
                Err(MirrorError::NotFound { folder, name: name.to_owned() })
            }
            Err(error) => Err(fail(Box::new(error))),
        }
    }
}
