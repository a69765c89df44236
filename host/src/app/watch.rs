//! Watches what a device was put together from: plugins.toml, components and secrets. When one of them changes, and at
//! SIGHUP, the supervisor is asked to look at all of them again.
//!
//! Folders are watched, not files: an editor or a deployment moves a new file into the place of the old one. What inotify does
//! not see, as on some network file systems, is found by looking once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask, Watches};
use punchcard_core::config::Configuration;
use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::sink::Authorization;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::device::Reload;
use super::part::roster::Parts;

/// How long nothing changes before what changed is looked at: a file may be written in several pieces.
const SETTLED: Duration = Duration::from_millis(500);
/// The longest wait for that, in a folder in which something always changes.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often is looked without being told.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Watches until the task is dropped.
pub(super) async fn watch(
    configuration: PathBuf,
    parts: watch::Receiver<Arc<Parts>>,
    supervisor: mpsc::UnboundedSender<Reload>,
    began: Began,
) {
    let Began { stamp: read, mut hangups } = began;
    let mut folders = Folders::open();
    let files = Files { configuration: configuration.clone(), parts };
    let mut stamps = files.stamps();
    // It was read some time ago: the ledger may have had to be waited for.
    stamps.insert(configuration, read);
    loop {
        if let Some(folders) = &mut folders {
            files.watch_folders(&mut folders.watches);
        }
        tokio::select! {
            () = changed(&mut folders) => settle(&mut folders).await,
            () = hangup(&mut hangups) => {
                info!("SIGHUP: looking at the configuration again");
                stamps.clear();
            }
            () = sleep(LOOK_AGAIN) => {}
        }
        let now = files.stamps();
        if now != stamps {
            stamps = now;
            if supervisor.send(Reload { reply: None }).is_err() {
                return;
            }
        }
    }
}

/// What is noted before plugins.toml is read for the first time.
pub(super) struct Began {
    stamp: Stamp,
    hangups: Option<Signal>,
}

impl Began {
    /// Notes it, and has SIGHUP do nothing by itself from here on.
    pub(super) fn now(configuration: &Path) -> Self {
        Self { stamp: stamp(configuration), hangups: listen_for_hangups() }
    }
}

/// The files that a device is put together from.
struct Files {
    configuration: PathBuf,
    parts: watch::Receiver<Arc<Parts>>,
}

/// What tells a file from what it was before: device, inode, length, and when it changed. `None`: it is not there.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl Files {
    fn paths(&self) -> BTreeSet<PathBuf> {
        let folder = self.configuration.parent().unwrap_or(Path::new("."));
        let parts = Arc::clone(&self.parts.borrow());
        let named = named_files(&parts.configuration).into_iter().map(|path| folder.join(path));
        named.chain([self.configuration.clone()]).collect()
    }

    fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        self.paths().into_iter().map(|path| (path.clone(), stamp(&path))).collect()
    }

    /// Has the folders watched in which the files are, as far as they are there.
    fn watch_folders(&self, watches: &mut Watches) {
        let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVE | WatchMask::CREATE | WatchMask::DELETE;
        let folders = self.paths().into_iter().filter_map(|path| Some(path.parent()?.to_owned()));
        let folders: BTreeSet<PathBuf> =
            folders.map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }).collect();
        for folder in folders {
            // One that is not there, or no more, is tried again at the next look.
            if let Err(error) = watches.add(&folder, mask) {
                debug!(folder = %folder.display(), %error, "a folder can't be watched");
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = path.metadata().ok()?;
    Some((data.dev(), data.ino(), data.len(), data.ctime(), data.ctime_nsec()))
}

/// The paths of components and secrets that a configuration names.
fn named_files(configuration: &Configuration) -> Vec<PathBuf> {
    let secret = |source: &SecretSource| match source {
        SecretSource::File(path) => Some(path.clone()),
        SecretSource::Credential(_) => None,
    };
    let plugins = configuration.plugins.values().map(|plugin| plugin.path.clone());
    let of_grants = configuration.grants.values().flat_map(|grant| grant.secrets.values()).filter_map(secret);
    let of_sinks = configuration.sinks.values().filter_map(|sink| match &sink.authorize {
        Some(Authorization::Header { secret: source, .. }) => secret(source),
        _ => None,
    });
    let authorities = configuration.grants.values().filter_map(|grant| grant.ca.clone());
    plugins.chain(of_grants).chain(of_sinks).chain(authorities).collect()
}

/// The kernel's word on changes in folders.
struct Folders {
    watches: Watches,
    events: EventStream<Vec<u8>>,
}

impl Folders {
    /// `None`, and said: the system has no more watches to give.
    fn open() -> Option<Self> {
        let opened = Inotify::init().and_then(|inotify| {
            let watches = inotify.watches();
            Ok(Self { watches, events: inotify.into_event_stream(vec![0; 4096])? })
        });
        opened.inspect_err(|error| warn!(%error, "folders can't be watched; files are looked at once a minute")).ok()
    }
}

/// Waits until something changed in a folder, or the kernel lost count of what did.
async fn changed(folders: &mut Option<Folders>) {
    match folders {
        Some(open) => {
            if !matches!(open.events.next().await, Some(Ok(_))) {
                warn!("folders are not watched any more; files are looked at once a minute");
                *folders = None;
            }
        }
        None => std::future::pending().await,
    }
}

/// Waits until nothing more changes.
async fn settle(folders: &mut Option<Folders>) {
    let at_last = Instant::now() + LONGEST_WAIT;
    loop {
        tokio::select! {
            () = changed(folders) => {}
            () = sleep(SETTLED) => return,
            () = sleep_until(at_last) => return,
        }
    }
}

/// SIGHUP asks a service to look at its configuration again. At a terminal it says that the terminal is gone.
fn listen_for_hangups() -> Option<Signal> {
    if std::io::stdin().is_terminal() || std::io::stdout().is_terminal() {
        return None;
    }
    signal(SignalKind::hangup()).inspect_err(|error| warn!(%error, "SIGHUP can't be listened for")).ok()
}

async fn hangup(hangups: &mut Option<Signal>) {
    let heard = match hangups {
        Some(hangups) => hangups.recv().await.is_some(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}
