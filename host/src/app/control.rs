//! The Unix socket in the state folder, by which the command line talks to the running host.
//!
//! One line of JSON each way for each connection. The socket lies in a folder of mode 0700: who can open it owns the
//! device's state anyway.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tracing::{debug, warn};

mod fetch;
pub use fetch::{Bytes, FetchQuestion, Fetched, MethodName};

use super::status::{ReconcileStage, ReloadReport, Report, RepositoryReport};

/// The socket's name in the state folder.
const FILE_NAME: &str = "control.sock";
/// The longest question, in bytes: a request with a body of [`FETCH_BODY_BYTES`], as base64.
const QUESTION_BYTES: u64 = 12 << 20;
/// The longest body of a request that a person sends, in bytes.
pub const FETCH_BODY_BYTES: usize = 8 << 20;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked of a running host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Question {
    /// How everything stands.
    Status,
    /// What the panel shows at this moment.
    Frame,
    /// Look at plugins.toml, the components and the secrets again.
    Reload,
    /// Of the versions of plugins.
    Plugin(PluginQuestion),
    /// Begin to sign in, or try again.
    SignIn {
        /// The grant.
        grant: String,
    },
    /// The same with a browser, which comes back to a loopback address of the device (RFC 8252 §7.3).
    SignInByLoopback {
        /// The grant.
        grant: String,
    },
    /// The way of a person with a browser, where it comes back to a loopback address.
    Visit {
        /// The grant.
        grant: String,
    },
    /// What a person pasted: the address at which their browser failed.
    Paste {
        /// The grant.
        grant: String,
        /// The address.
        address: Pasted,
    },
    /// Send a request under a grant.
    Fetch(FetchQuestion),
    /// Go on with the account that was signed in with, though it was another one before.
    AcceptAccount {
        /// The grant.
        grant: String,
    },
    /// Sign out.
    SignOut {
        /// The grant.
        grant: String,
        /// And give up the grant on every device that shares it.
        revoke: bool,
    },
    /// A problem was mended.
    Retry {
        /// The sink.
        sink: String,
    },
    /// Deliver without comparing, after the ledger was restored.
    DeliverUncompared {
        /// The sink.
        sink: String,
    },
    /// Compare what the service has with the ledger; `Reconciliation` says how it goes.
    Reconcile {
        /// The sink.
        sink: String,
        /// Deliver again what is missing, and was in the comparison of this number, which is the last one.
        deliver_missing_of: Option<u64>,
    },
    /// How far a comparison has come.
    Reconciliation {
        /// The sink.
        sink: String,
        /// The comparison's number.
        number: u64,
    },
    /// Deliver nothing for now.
    Pause {
        /// The sink.
        sink: String,
    },
    /// Deliver again.
    Resume {
        /// The sink.
        sink: String,
    },
    /// Requeue what a sink set aside.
    Requeue {
        /// The sink.
        sink: String,
        /// The events, by their sequence; none: all.
        events: Vec<u64>,
    },
    /// Drop what a sink set aside.
    Drop {
        /// The sink.
        sink: String,
        /// The events, by their sequence.
        events: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// Leave rows as they are whose times were wrong.
    AcceptTimes {
        /// The sink.
        sink: String,
    },
    /// Forget a sink that plugins.toml does not name any more, with its rows.
    Forget {
        /// The sink.
        sink: String,
    },
    /// Make a new destination.
    CreateAnew {
        /// The sink.
        sink: String,
    },
    /// Look for new versions of plugins, and install them.
    Update {
        /// One plugin; otherwise all of them.
        plugin: Option<String>,
        /// This version, be it older.
        version: Option<String>,
        /// From this folder, an absolute path.
        from: Option<PathBuf>,
        /// Only look.
        check: bool,
    },
    /// Replay, and deliver what is different as corrections.
    Correct {
        /// The sink.
        sink: String,
        /// From this event on.
        from: u64,
        /// The SHA-256 of the component with which whoever asks has replayed, in hexadecimal digits,
        component: String,
        /// and the settings, as JSON.
        settings: String,
        /// Whether rows may be delivered. Otherwise there are none to be corrected, and the host says so too.
        wanted: bool,
    },
}

/// What a person pasted. It holds a code that lets somebody in, so it is shown to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pasted(pub String);

impl std::fmt::Debug for Pasted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "({} bytes)", self.0.len())
    }
}

/// What can be asked of the versions of plugins. All but the pins are answered by what a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum PluginQuestion {
    /// A file was put where plugins.toml names it: look at it, and remember where it came from.
    Added {
        /// The plugin.
        plugin: String,
        /// The SHA-256 of the component, in hexadecimal digits.
        sha256: String,
        /// Where it was copied from.
        from: String,
    },
    /// Go back to the version before.
    RollBack {
        /// The plugin.
        plugin: String,
    },
    /// Take no other version than the one in force, or take them again.
    Pin {
        /// The plugin.
        plugin: String,
        /// No other one.
        pinned: bool,
    },
    /// Have a version tried again that proved bad, or that a person went back from.
    Allow {
        /// The beginning of the SHA-256 of its component, in hexadecimal digits.
        sha256: String,
    },
}

impl Question {
    /// How long the answer may take. A replay formats as much as the ledger has kept states for, and a service may have
    /// refused thousands of rows.
    fn patience(&self) -> Duration {
        match self {
            // A component may have to be compiled anew.
            Self::Correct { .. } | Self::Requeue { .. } | Self::Forget { .. } | Self::Plugin(_) | Self::Reload => {
                Duration::from_secs(600)
            }
            // Two renewals, and two requests with their time-outs.
            Self::Fetch(_) => Duration::from_secs(300),
            // Several plugins, on a slow network.
            Self::Update { .. } => Duration::from_secs(3_600),
            _ => PATIENCE,
        }
    }
}

/// What a running host answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Answer {
    /// How everything stands.
    Status(Box<Report>),
    /// The panel's pixels.
    Frame {
        /// Pixels a line.
        width: u32,
        /// Lines.
        height: u32,
        /// Eight rows a byte, in the controller's order of pages.
        pages: Vec<u8>,
    },
    /// What a reload came to.
    Reloaded(Box<ReloadReport>),
    /// The way of a person with a browser; none: not yet, or no longer.
    Visit(Option<WayReport>),
    /// It was done, or will be.
    Accepted,
    /// Everything was so already.
    NothingToDo,
    /// Rows were corrected, and will be delivered.
    Corrected {
        /// So many.
        rows: u64,
        /// Up to this event.
        through: u64,
    },
    /// It will be compared, under this number.
    Compares {
        /// The comparison's number.
        number: u64,
    },
    /// How far comparing has come.
    Reconciliation(Box<ReconcileStage>),
    /// What repositories offer, and what was installed of it.
    Updated(Vec<RepositoryReport>),
    /// What was requeued.
    Requeued {
        /// Events that the formatter gets once more.
        events: u64,
        /// Rows that the service gets once more.
        rows: u64,
    },
    /// What was dropped.
    Dropped {
        /// Events and rows.
        count: u64,
    },
    /// What a service answered.
    Fetched(Fetched),
    /// A service did not answer, or not in time.
    Unanswered {
        /// Why.
        reason: String,
    },
    /// It can't be done.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// The way of a person with a browser to an authorization server, and back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WayReport {
    /// Where the browser goes. It holds the visit's `state`: it is for the person who asked.
    pub link: String,
    /// The port of the device to which it comes back.
    pub port: u16,
    /// What is asked for, in words.
    pub purpose: String,
}

impl std::fmt::Debug for WayReport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WayReport").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why a question was not answered.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No host runs on this state folder.
    #[error("no host runs on {}; start it with `punchcard run`", state.display())]
    NoHost {
        /// The state folder.
        state: PathBuf,
    },
    /// The socket can't be used.
    #[error("can't use {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The socket is another user's.
    #[error(
        "{} belongs to {owner}, whose host this is; ask as that user, such as with `sudo -u '#{uid}' punchcard …`",
        path.display()
    )]
    OtherUser {
        /// The socket, or the folder that it is in.
        path: PathBuf,
        /// The owner, for a person.
        owner: String,
        /// Its number.
        uid: u32,
    },
    /// The other side did not answer in time.
    #[error("the running host did not answer within {} s", within.as_secs())]
    Patience {
        /// How long was waited.
        within: Duration,
    },
    /// The other side went away.
    #[error("the running host ended before it answered; try again when it is back")]
    Ended,
    /// The other side speaks another language: it is another version.
    #[error("the running host's answer is not understood; is it of another version?")]
    Answer(#[source] serde_json::Error),
}

/// Asks the host that runs on a state folder.
///
/// # Errors
/// When there is none, or it does not answer.
pub async fn ask(state: &Path, question: &Question) -> Result<Answer, ControlError> {
    let path = state.join(FILE_NAME);
    let in_socket = |source| ControlError::Socket { path: path.clone(), source };
    let exchange = async {
        let mut stream = UnixStream::connect(&path).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                ControlError::NoHost { state: state.to_owned() }
            }
            std::io::ErrorKind::PermissionDenied => {
                let asker = rustix::process::geteuid().as_raw();
                other_user(state, &path, asker).unwrap_or_else(|| in_socket(error))
            }
            _ => in_socket(error),
        })?;
        let mut line = serde_json::to_vec(question).map_err(ControlError::Answer)?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(in_socket)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(in_socket)?;
        if answer.is_empty() {
            return Err(ControlError::Ended);
        }
        serde_json::from_slice(&answer).map_err(ControlError::Answer)
    };
    // The host's own patience ends first, and it says so.
    let within = question.patience() + PATIENCE;
    tokio::time::timeout(within, exchange).await.unwrap_or(Err(ControlError::Patience { within }))
}

/// Whether a host may run on a state folder, and have panel and lines. One that does not answer may, and one that this user
/// may not ask.
pub async fn may_run(state: &Path) -> bool {
    is_there(&ask(state, &Question::Status).await)
}

/// Whether the answer, or that there is none, leaves it possible that a host runs.
#[must_use]
pub fn is_there(answer: &Result<Answer, ControlError>) -> bool {
    !matches!(answer, Err(ControlError::NoHost { .. }))
}

/// Whose socket it is, where it is not that of the user who asks.
fn other_user(state: &Path, socket: &Path, asker: u32) -> Option<ControlError> {
    // In a folder that others can't enter, nothing is known of the socket.
    let (path, metadata) = [socket, state].into_iter().find_map(|path| Some((path, path.metadata().ok()?)))?;
    let uid = metadata.uid();
    let owner = if uid == 0 { "root".to_owned() } else { format!("the user of number {uid}") };
    (uid != asker).then(|| ControlError::OtherUser { path: path.to_owned(), owner, uid })
}

/// Opens the socket. The caller holds the state folder's lock, so a socket that lies there is a dead host's.
///
/// # Errors
/// When it can't be made.
pub fn listen(state: &Path) -> Result<UnixListener, ControlError> {
    let path = state.join(FILE_NAME);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(ControlError::Socket { path, source });
        }
        _ => {}
    }
    UnixListener::bind(&path).map_err(|source| ControlError::Socket { path, source })
}

/// Answers questions until the task is dropped.
pub async fn serve<F>(listener: UnixListener, answer: impl Fn(Question) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = Answer> + Send,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, answer).await {
                        debug!(%error, "a question was not answered");
                    }
                });
            }
            Err(error) => {
                warn!(%error, "the control socket can't accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse<F>(mut stream: UnixStream, answer: impl Fn(Question) -> F) -> std::io::Result<()>
where
    F: Future<Output = Answer>,
{
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut question = BufReader::new(read.take(QUESTION_BYTES));
    tokio::time::timeout(PATIENCE, question.read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<Question>(&line) {
        Ok(question) => answer_within(question.patience(), answer(question)).await,
        Err(error) => Answer::Refused { reason: format!("the question is not understood: {error}") },
    };
    let reply = serde_json::to_vec(&reply)?;
    let say = async {
        write.write_all(&reply).await?;
        write.shutdown().await
    };
    tokio::time::timeout(PATIENCE, say).await?
}

/// The answer, or that it did not come in time.
async fn answer_within(patience: Duration, answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Answer::Refused {
        reason: format!("it was not done within {} s; what was done until then stays so", patience.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_come_in_time_is_refused_and_says_so() {
        let Answer::Refused { reason } = answer_within(Duration::ZERO, std::future::pending()).await else {
            panic!("it was answered");
        };
        assert_eq!(reason, "it was not done within 0 s; what was done until then stays so");
        assert_eq!(answer_within(Duration::ZERO, std::future::ready(Answer::Accepted)).await, Answer::Accepted);
    }

    #[test]
    fn a_socket_of_another_user_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().metadata().unwrap().uid();
        let said =
            |socket: &str, asker| other_user(folder.path(), &folder.path().join(socket), asker).map(|e| e.to_string());
        std::fs::write(folder.path().join("control.sock"), "").unwrap();
        assert_eq!(said("control.sock", own), None);
        for (socket, named) in [("control.sock", "control.sock belongs to"), ("none", " belongs to")] {
            let said = said(socket, own + 1).unwrap();
            assert!(said.contains(named) && said.contains(&format!("`sudo -u '#{own}' punchcard …`")), "{said}");
        }
    }

    #[test]
    fn what_may_be_about_thousands_of_rows_has_ten_minutes() {
        let sink = || "sheet".to_owned();
        let table = [
            (Question::Requeue { sink: sink(), events: Vec::new() }, 600),
            (Question::Retry { sink: sink() }, 10),
            (Question::Status, 10),
        ];
        for (question, seconds) in table {
            assert_eq!(question.patience(), Duration::from_secs(seconds), "{question:?}");
        }
    }
}
