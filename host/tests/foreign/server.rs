//! A foreign server: the process, and what was asked of it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde::Deserialize;
use serde_json::Value;

use crate::transcript;

/// Where the servers are installed.
const INSTALLED: &str = "PUNCHCARD_FOREIGN_SERVERS";

/// A request with its answer, as the server tells it: with all secrets.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) url: String,
    /// The header, or nothing.
    pub(crate) authorization: String,
    pub(crate) body: String,
    pub(crate) status: u16,
    /// The header, or nothing.
    pub(crate) location: String,
    pub(crate) answer: String,
}

impl Exchange {
    /// The path, without the query.
    pub(crate) fn path(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// A field of a form that was sent.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// A text in a JSON object that was answered.
    pub(crate) fn member(&self, name: &str) -> Option<String> {
        let answer: Value = serde_json::from_str(&self.answer).ok()?;
        answer[name].as_str().map(ToOwned::to_owned)
    }
}

/// A server that runs. With the value it is ended, and the transcript is written.
pub(crate) struct Server {
    pub(crate) origin: String,
    name: String,
    folder: PathBuf,
    child: Child,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Server {
    /// Starts `program script`, where the servers are installed. `name` is the transcript's. None: they are not installed.
    pub(crate) fn start(name: &str, program: &str, script: &str, variables: &[(&str, &str)]) -> Option<Self> {
        let Some(folder) = std::env::var_os(INSTALLED).map(PathBuf::from) else {
            eprintln!("skipped: {INSTALLED} is not set; use `cargo xtask test foreign-servers`");
            return None;
        };
        let program = if program.contains('/') { folder.join(program) } else { program.into() };
        fs::create_dir_all(folder.join("transcripts")).unwrap();
        let log = File::create(folder.join(format!("transcripts/{name}.log"))).unwrap();
        let mut command = Command::new(program);
        command
            .envs(variables.iter().copied())
            .arg(script)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the server says where it listens").unwrap();
        let origin = first.strip_prefix("listening on ").expect("an address").to_owned();
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&exchanges);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let exchange = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                told.lock().unwrap().push(exchange);
            }
        });
        Some(Self { origin, name: name.to_owned(), folder, child, exchanges })
    }

    /// Everything that was asked so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap().clone()
    }

    /// What was asked at this path.
    pub(crate) fn at(&self, path: &str) -> Vec<Exchange> {
        self.exchanges().into_iter().filter(|exchange| exchange.path() == path).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        let path = self.folder.join(format!("transcripts/{}.txt", self.name));
        fs::write(&path, transcript::render(&self.exchanges())).ok();
        println!("the transcript: {}", path.display());
    }
}
