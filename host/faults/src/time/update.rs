//! New versions of a plugin that nobody asks for: the clock alone brings them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{BRISBANE, Timed};
use crate::trial::{Surroundings, Trial};

/// The plugin that is replaced: the formatter of the device.
const PLUGIN: &str = "readings";

/// The shortest `check-every` that may be written passes, and the device has the new version: not before, and without a person.
pub(super) async fn by_the_clock(surroundings: Surroundings) -> Result<Trial> {
    let publisher = Publisher::new().await?;
    let old = fs::read(surroundings.programs.guest(PLUGIN)).context("no guest")?;
    publisher.publish("1.0.0", &old).await?;
    let address = serve(publisher.repository()).await?;
    let mut timed = Timed::begin(&surroundings, BRISBANE, Timestamp::now()).await?;
    let component = name_repository(&timed.trial, &publisher, address, &old)?;
    timed.trial.device.command(&["reload"]).await?;

    // The first look after the repository was named comes within two minutes.
    timed.clock.pass(2.minutes())?;
    let looked = |report: &Value| (report["repositories"][0]["plugins"][0]["state"] == "current").then_some(());
    timed.trial.device.wait("the repository was looked at", looked).await?;
    let new = another(&old);
    publisher.publish("1.1.0", &new).await?;
    timed.clock.pass(8.minutes())?;
    timed.press().await?;
    timed.trial.device.settle().await?;
    ensure!(fs::read(&component)? == old, "the new version came before it was time to look");

    timed.trial.heal();
    // Ten minutes, and a tenth of that by chance.
    timed.clock.pass(4.minutes())?;
    let installed = |report: &Value| {
        let state = &report["repositories"][0]["plugins"][0]["state"];
        (state["installed"]["version"] == "1.1.0").then_some(())
    };
    timed.trial.device.wait("the new version is installed", installed).await?;
    ensure!(fs::read(&component)? == new, "the file of the plugin is another one");
    timed.press().await?;
    timed.trial.count_runs(1);
    timed.finish().await
}

/// Gives the device its formatter in a file of its own, and names the repository that it comes from.
fn name_repository(trial: &Trial, publisher: &Publisher, address: SocketAddr, old: &[u8]) -> Result<PathBuf> {
    let folder = &trial.device.rig.folder;
    let component = folder.path().join("formatter.wasm");
    fs::write(&component, old).context("cannot write the formatter")?;
    let text = folder.configuration()?;
    let line = text.lines().find(|line| line.starts_with(&format!("{PLUGIN} = "))).context("no formatter is named")?;
    let table = format!(
        "[repositories.workshop]\nurl = {{ url = \"http://{address}\", private = true }}\nroot = {:?}\n\
         plugins = [\"{PLUGIN}\"]\nupdates = \"automatic\"\ncheck-every = \"10min\"\n\n[plugins]",
        publisher.root()
    );
    let text = text.replace(line, &format!("{PLUGIN} = \"formatter.wasm\"")).replace("[plugins]", &table);
    folder.configure(&text)?;
    Ok(component)
}

/// The same component with other bytes: an empty custom section more.
fn another(component: &[u8]) -> Vec<u8> {
    [component, &[0, 2, 1, b'v']].concat()
}

/// A publisher, with its program.
struct Publisher {
    folder: TempDir,
}

impl Publisher {
    async fn new() -> Result<Self> {
        let publisher = Self { folder: tempfile::tempdir().context("no folder for a publisher")? };
        publisher.run(&["init"]).await?;
        Ok(publisher)
    }

    async fn run(&self, arguments: &[&str]) -> Result<()> {
        let folder = self.folder.path().to_str().context("a path is no text")?;
        let program = ["punchcard-publisher", "--folder", folder];
        punchcard_publisher::run(program.iter().chain(arguments).copied()).await?;
        Ok(())
    }

    async fn publish(&self, version: &str, component: &[u8]) -> Result<()> {
        let file = self.folder.path().join(format!("{PLUGIN}.wasm"));
        fs::write(&file, component).context("cannot write a component")?;
        self.run(&["add", file.to_str().context("a path is no text")?, "--version", version]).await?;
        self.run(&["sign"]).await
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn root(&self) -> PathBuf {
        self.repository().join("metadata/1.root.json")
    }
}

/// Serves a folder as any static web server does.
async fn serve(folder: PathBuf) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a web server")?;
    let address = listener.local_addr().context("no port for a web server")?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let folder = folder.clone();
            tokio::spawn(async move {
                // Whoever goes away asks again.
                let _gone = hand_out(stream, &folder).await;
            });
        }
    });
    Ok(address)
}

async fn hand_out(stream: TcpStream, folder: &Path) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await? > 0 {}
    let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let (status, body) = match fs::read(folder.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}
