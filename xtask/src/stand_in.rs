//! The stand-in for Google as a program: started, visited as a browser would, and read.

use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::process;

/// For it to say where it listens.
const START_LIMIT_FOR: Duration = Duration::from_secs(20);

/// For one answer.
const ANSWER_LIMIT_FOR: Duration = Duration::from_secs(20);

/// What its first line begins with; the origin follows.
const ANNOUNCEMENT: &str = "listening on ";

/// A running stand-in. It ends with this value.
pub(crate) struct StandIn {
    child: Child,
    origin: String,
    address: Ipv4Addr,
    browser: ureq::Agent,
}

/// A spreadsheet as its list shows it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    title: String,
    #[serde(default)]
    trashed: bool,
}

#[derive(Debug, Deserialize)]
struct Spreadsheet {
    tabs: Vec<Tab>,
}

#[derive(Debug, Deserialize)]
struct Tab {
    title: String,
    rows: Vec<Vec<String>>,
}

impl StandIn {
    /// Starts `program` on an address of this machine, with its log in `folder`.
    pub(crate) fn start(program: &Path, folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let log = process::log_file(&folder.join("stand-in.log"))?;
        let mut child = Command::new(program)
            // A code is asked after every second and not every five: somebody is watching.
            .args(["--port", "0", "--interval", "1", "--until-input-ends", "--address", &address.to_string()])
            // Held open until this program ends, however it ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let announced =
            await_first_line(&mut child).and_then(|line| parse_announcement(&line, address).map(str::to_owned));
        let origin = match announced {
            Ok(origin) => origin,
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        };
        let browser = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Where somebody is sent to is looked at.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(ANSWER_LIMIT_FOR))
            .proxy(None)
            .build()
            .into();
        Ok(Self { child, origin, address, browser })
    }

    /// As `http://127.0.0.1:8085`.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The address of this machine that it listens on.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Enters the code on the consent page, and then allows what it asks for: two forms, as a person sends them.
    pub(crate) fn allow(&self, user_code: &str) -> Result<()> {
        self.submit(&[("user_code", user_code)])?;
        self.submit(&[("user_code", user_code), ("decision", "allow")])
    }

    /// Goes to the server by a link, allows what is asked for, and goes back to where that sends a browser.
    pub(crate) fn visit(&self, link: &str) -> Result<()> {
        let asked = self.browser.get(link).call().with_context(|| format!("cannot get {link}"))?;
        if !asked.status().is_success() {
            bail!("the server answered {} where it should ask a person", asked.status());
        }
        let allowed = self.browser.post(link).send_form([("decision", "allow")]).context("cannot answer the server")?;
        let back = allowed.headers().get("location").and_then(|value| value.to_str().ok());
        let back = back.context("the server sends the browser nowhere")?;
        let arrived = self.browser.get(back).call().context("the device does not answer the browser")?;
        if !arrived.status().is_success() {
            bail!("the device answered the browser {}", arrived.status());
        }
        Ok(())
    }

    /// Does something by the control interface.
    pub(crate) fn control(&self, path: &str, body: &serde_json::Value) -> Result<serde_json::Value> {
        let url = format!("{}{path}", self.origin);
        let sent = self.browser.post(&url).header("content-type", "application/json").send(body.to_string());
        let mut answer = sent.with_context(|| format!("cannot post to {url}"))?;
        let text = answer.body_mut().read_to_string().with_context(|| format!("cannot read the answer of {url}"))?;
        if !answer.status().is_success() {
            bail!("{url} answered {}: {text}", answer.status());
        }
        serde_json::from_str(&text).with_context(|| format!("{url} answered something else: {text}"))
    }

    fn submit(&self, fields: &[(&str, &str)]) -> Result<()> {
        let url = format!("{}/device", self.origin);
        let mut answer = self
            .browser
            .post(&url)
            .send_form(fields.iter().copied())
            .with_context(|| format!("cannot post to {url}"))?;
        if !answer.status().is_success() {
            let page = answer.body_mut().read_to_string().unwrap_or_default();
            bail!("the consent page answered {}: {page}", answer.status());
        }
        Ok(())
    }

    /// The rows of a tab as formatted texts, the titles first; none where the spreadsheet or the tab is not there.
    pub(crate) fn rows(&self, spreadsheet: &str, tab: &str) -> Result<Vec<Vec<String>>> {
        let listed: Vec<Listed> = self.get("/sim/sheets")?;
        let of_title: Vec<&Listed> = listed.iter().filter(|file| file.title == spreadsheet && !file.trashed).collect();
        let id = match of_title.as_slice() {
            [] => return Ok(Vec::new()),
            [one] => &one.id,
            several => bail!("there are {} spreadsheets `{spreadsheet}` where one was asked for", several.len()),
        };
        let whole: Spreadsheet = self.get(&format!("/sim/sheets/{id}?format=json"))?;
        Ok(whole.tabs.into_iter().find(|one| one.title == tab).map(|one| one.rows).unwrap_or_default())
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.origin);
        let mut answer = self.browser.get(&url).call().with_context(|| format!("cannot get {url}"))?;
        let text = answer.body_mut().read_to_string().with_context(|| format!("cannot read the answer of {url}"))?;
        if !answer.status().is_success() {
            bail!("{url} answered {}: {text}", answer.status());
        }
        serde_json::from_str(&text).with_context(|| format!("{url} answered something else: {text}"))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// It keeps nothing, so it need not be asked.
fn end(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
        eprintln!("the stand-in could not be ended: {error}");
    }
}

fn await_first_line(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().context("the stand-in has no standard output")?;
    let (sender, receiver) = mpsc::channel();
    // Reads on to the end after that: a closed pipe would end the stand-in at its next line.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            // After the first line nobody receives; what is read is only read away.
            sender.send(line).ok();
        }
    });
    match receiver.recv_timeout(START_LIMIT_FOR) {
        Ok(line) => line.context("cannot read what the stand-in says"),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(anyhow!("the stand-in did not say where it listens within {} s", START_LIMIT_FOR.as_secs()))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(anyhow!("the stand-in ended; its log says why")),
    }
}

fn parse_announcement(line: &str, address: Ipv4Addr) -> Result<&str> {
    let origin = line.strip_prefix(ANNOUNCEMENT).map(|origin| origin.trim().trim_end_matches('/'));
    match origin {
        Some(origin) if origin.starts_with(&format!("http://{address}:")) => Ok(origin),
        _ => bail!("the stand-in said `{line}` where `{ANNOUNCEMENT}http://{address}:PORT` was expected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_read_from_the_announcement_and_is_on_this_machine() {
        let (here, lan) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 168, 1, 20));
        let table = [
            ("listening on http://127.0.0.1:8085", here, "http://127.0.0.1:8085"),
            ("listening on http://127.0.0.1:1/", here, "http://127.0.0.1:1"),
            ("listening on http://192.168.1.20:8085", lan, "http://192.168.1.20:8085"),
        ];
        for (line, address, expected) in table {
            assert_eq!(parse_announcement(line, address).expect("announced"), expected);
        }
        let refused =
            ["listening on http://192.168.1.20:1", "listening on http://example.com", "error: port taken", ""];
        for line in refused {
            assert!(parse_announcement(line, here).is_err(), "{line}");
        }
    }
}
