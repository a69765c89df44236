//! A device for one fault: the real program on a folder of its own, what was pressed on it, and what it said.

mod refusal;
mod told;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use punchcard_rig::{Configuration, Folder, Key, Programs};
use serde_json::Value;

use crate::headline;
use crate::press::{KEYS, Presses};
use crate::trial::Surroundings;
use told::Told;

pub(crate) use refusal::Condition;

/// For everything that heals: an answer that never ends is waited for, and then the next attempt.
const PATIENCE: Duration = Duration::from_mins(5);

/// A device.
pub(crate) struct Device {
    pub(crate) rig: punchcard_rig::Device,
    pub(crate) presses: Presses,
    /// What its rows begin with, by which those of several devices are told apart.
    word: &'static str,
    /// What it told its people of their presses.
    told: Told,
    /// How many of them it told to be recorded when that was heard last.
    heard: u64,
    /// Headlines of what `status` said was wrong.
    pub(crate) said: BTreeSet<String>,
}

impl Device {
    /// A device that was never on, whose server is at this origin.
    pub(crate) fn new(surroundings: &Surroundings, word: &'static str, origin: &str) -> Result<Self> {
        let folder = Folder::new(&configuration(&surroundings.programs, word, origin))?;
        let rig = punchcard_rig::Device::new(&surroundings.programs.host, folder, PATIENCE);
        let rig = rig.with_compiled(surroundings.compiled.clone());
        Ok(Self { rig, presses: Presses::default(), word, told: Told::default(), heard: 0, said: BTreeSet::new() })
    }

    /// The key whose press became this row, if one of this device did.
    pub(crate) fn key_of<'a>(&self, row: &'a str) -> Option<&'a str> {
        row.strip_prefix(self.word)?.strip_prefix(' ')
    }

    /// Presses the next key.
    pub(crate) async fn press(&mut self) -> Result<()> {
        let key = self.presses.next();
        self.rig.press(key).await
    }

    /// Presses the next key, and waits until it is recorded.
    pub(crate) async fn press_and_wait(&mut self) -> Result<()> {
        ensure!(self.press_and_hear().await?, "a press was refused; it said:\n{}", self.rig.last_words());
        Ok(())
    }

    /// Presses a key that does the next press's work, and waits until it is recorded.
    pub(crate) async fn press_with(&mut self, key: &str) -> Result<()> {
        self.presses.next();
        self.press_stray(key).await?;
        self.presses.acknowledge_last();
        Ok(())
    }

    /// Presses a key that is to have no row of its own, and waits until it is recorded.
    pub(crate) async fn press_stray(&mut self, key: &str) -> Result<()> {
        self.rig.press(key).await?;
        self.wait_until_told("the press is recorded", |told, heard| told.recorded > heard).await?;
        self.heard += 1;
        self.check_count().await
    }

    /// Waits until the press for which nobody waited is recorded.
    pub(crate) async fn hear_of_one(&mut self) -> Result<()> {
        self.wait_until_told("the press is recorded", |told, heard| told.recorded > heard).await?;
        self.hear_of_presses()?;
        self.check_count().await
    }

    /// A press for which nobody waited is acknowledged, too, once the device has told that it is recorded.
    pub(crate) fn hear_of_presses(&mut self) -> Result<()> {
        self.told.listen(&self.rig.log_file())?;
        let news = self.told.recorded - self.heard;
        if news > 1 || news == 1 && !self.presses.acknowledge_last() {
            bail!("it told of {news} recorded presses, which is more than there were");
        }
        self.heard = self.told.recorded;
        Ok(())
    }

    /// What it told of presses so far.
    pub(crate) fn told(&mut self) -> Result<&Told> {
        self.told.listen(&self.rig.log_file())?;
        Ok(&self.told)
    }

    /// Waits until it has told this of its presses, of which so many recorded ones were heard before.
    async fn wait_until_told(&mut self, what: &str, is_so: impl Fn(&Told, u64) -> bool) -> Result<()> {
        let (told, heard) = (&mut self.told, self.heard);
        let told = self.rig.wait_with(what, async |rig| {
            told.listen(&rig.log_file())?;
            Ok(is_so(told, heard).then_some(()))
        });
        let told = told.await;
        if told.is_err() {
            self.keep();
        }
        told
    }

    /// It counts the events of which it told.
    async fn check_count(&mut self) -> Result<()> {
        let last = self.told.last;
        let counted = self.wait("it counts its events", events).await?;
        ensure!(counted >= last, "it told that event {last} is recorded, and counts {counted}");
        Ok(())
    }

    /// Waits until its parts have been put together.
    pub(crate) async fn wait_until_ready(&mut self) -> Result<()> {
        self.rig.wait_until_ready().await?;
        self.hear_of_presses()?;
        self.check_count().await
    }

    /// Starts it once the one before, which was only hung up on, has ended.
    pub(crate) async fn start_when_free(&mut self) -> Result<()> {
        let is_free = async |rig: &punchcard_rig::Device| Ok(rig.report().await?.is_none().then_some(()));
        self.rig.wait_with("the host without a terminal ends", is_free).await?;
        self.rig.start()?;
        self.wait_until_ready().await
    }

    /// It has another ledger from now on, which knows nothing of what it told before.
    pub(crate) fn begin_anew(&mut self) {
        self.told.last = 0;
    }

    /// The code that is shown, which is another than `old`.
    pub(crate) async fn user_code(&mut self, old: Option<&str>) -> Result<String> {
        let code = |report: &Value| report["grants"][0]["user-code"].as_str().map(str::to_owned);
        self.wait("a code is shown", |report| code(report).filter(|code| Some(code.as_str()) != old)).await
    }

    /// Waits until nothing waits for the sheet any more.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.wait("everything is delivered", |report| is_settled(report).then_some(())).await
    }

    /// Waits until so many rows wait for the sheet, and no event for the formatter.
    pub(crate) async fn wait_for_formatted(&mut self, rows: u64) -> Result<()> {
        let waits = |report: &Value| {
            let sink = &report["sinks"][0];
            let waiting = sink["rows-waiting"].as_u64()? + sink["rows-in-flight"].as_u64()?;
            (sink["events-waiting"] == 0 && waiting == rows).then_some(())
        };
        self.wait(&format!("{rows} rows wait, and no event"), waits).await
    }

    /// Waits until it says that this is wrong.
    pub(crate) async fn wait_for(&mut self, headline: &str) -> Result<()> {
        let says = |report: &Value| headlines(report).iter().any(|said| said == headline).then_some(());
        self.wait(&format!("`{headline}` is said"), says).await
    }

    /// Waits until it says that nothing is wrong, but for these.
    pub(crate) async fn wait_for_nothing_but(&mut self, known: &[&str]) -> Result<()> {
        let what = "nothing else is wrong any more";
        self.wait(what, |report| headlines(report).iter().all(|said| known.contains(&said.as_str())).then_some(()))
            .await
    }

    /// Waits until it says that this is wrong with a part of it, and does the `punchcard …` that it names against that.
    /// Returns what that was.
    pub(crate) async fn follow_advice(&mut self, headline: &str) -> Result<String> {
        let what = format!("`{headline}` is said");
        let advice = self.wait(&what, |report| {
            let mut problems = report["problems"].as_array()?.iter().map(|part| &part["problem"]);
            Some(problems.find(|problem| problem["headline"] == headline)?["advice"].as_str()?.to_owned())
        });
        let advice = advice.await?;
        let command = advice.split('`').find_map(|part| part.strip_prefix("punchcard "));
        let command = command.with_context(|| format!("no command is named against `{headline}`: {advice}"))?;
        let words: Vec<_> = command.split(' ').chain(["--yes"]).collect();
        self.command(&words).await?;
        Ok(command.to_owned())
    }

    /// Waits until its report holds what `look` looks for.
    pub(crate) async fn wait<T>(&mut self, what: &str, look: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let said = &mut self.said;
        let found = self.rig.wait(what, |report| {
            said.extend(headlines(report));
            look(report)
        });
        let found = found.await;
        if found.is_err() {
            self.keep();
        }
        found
    }

    /// The token storage as it stands, to see whether it changed.
    pub(crate) fn tokens(&self) -> Result<Vec<u8>> {
        let folder = self.rig.folder.state.join("vault");
        let mut tokens = Vec::new();
        for entry in fs::read_dir(&folder).context("cannot read the token storage")? {
            let path = entry.context("cannot read the token storage")?.path();
            // What is not complete has another name.
            if path.extension().is_some_and(|extension| extension == "json") {
                tokens.extend(fs::read(&path).context("cannot read the token storage")?);
            }
        }
        Ok(tokens)
    }

    /// Runs a command of the command line, which has to succeed.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Result<String> {
        self.rig.printed(arguments).await
    }

    /// Keeps what is left of it for a person.
    pub(crate) fn keep(&mut self) {
        eprintln!("  everything of this device is kept in {}", self.rig.folder.keep().display());
    }
}

/// The title of the column by which rows are told apart.
pub(crate) const TITLE: &str = "Key";

fn is_settled(report: &Value) -> bool {
    const COUNTS: [&str; 3] = ["events-waiting", "rows-waiting", "rows-in-flight"];
    // Where the ledger can't be read, nothing is known to wait.
    let is_known = report["problems"].as_array().is_none_or(Vec::is_empty);
    is_known && COUNTS.iter().all(|count| report["sinks"][0][count] == 0)
}

fn events(report: &Value) -> Option<u64> {
    report["events"].as_u64()
}

/// The headlines of what is wrong, as the panel and `status` show them; and for what has none, what it is.
fn headlines(report: &Value) -> Vec<String> {
    let list = |name: &str| report[name].as_array().into_iter().flatten();
    let headline = |part: &Value| part["problem"]["headline"].as_str().map(str::to_owned);
    let standing = |part: &Value| match part["status"].as_str() {
        Some("awaiting-person") => Some(headline::CODE.to_owned()),
        Some(status @ (headline::SIGNED_OUT | headline::FAILING | headline::OFF)) => Some(status.to_owned()),
        _ => headline(part),
    };
    let configuration = report["configuration"]["errors"].as_str().map(|_| "config has errors".to_owned());
    let plugins = list("plugins").filter(|plugin| plugin["error"].is_string()).map(|_| headline::PLUGIN_OFF.to_owned());
    let stages = list("sinks").flat_map(|sink| ["formatting", "delivery"].map(|stage| &sink[stage]));
    let parts = list("grants").chain(stages).filter_map(standing);
    list("problems").filter_map(headline).chain(configuration).chain(plugins).chain(parts).collect()
}

/// A device with a key for each of [`KEYS`], whose sheet has a row for each press.
fn configuration(programs: &Programs, word: &str, origin: &str) -> String {
    let words = KEYS.map(|key| format!("{word} {key}"));
    let fields: Vec<_> = words.iter().map(|word| [("key", word.as_str())]).collect();
    let keys: Vec<_> = KEYS.iter().zip(&fields).map(|(key, fields)| Key { key, fields }).collect();
    let settings = format!(r#"{{ columns = [{{ field = "key", title = "{TITLE}", kind = "text" }}] }}"#);
    Configuration { device: "faults", keys: &keys, more: "", formatter: "readings", settings: &settings }
        .render(programs, origin)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_is_wrong_is_heard() {
        let nothing = json!({
            "problems": [], "plugins": [{ "error": null }], "configuration": { "errors": null },
            "grants": [{ "status": "authorized" }],
            "sinks": [{ "formatting": { "status": "idle" }, "delivery": { "status": "waiting", "problem": null } }],
        });
        assert_eq!(headlines(&nothing), Vec::<String>::new());
        let problem = |headline: &str| json!({ "headline": headline, "advice": "" });
        let everything = json!({
            "problems": [{ "part": "ledger", "problem": problem("1") }],
            "plugins": [{ "error": "it is none" }], "configuration": { "errors": "line 1" },
            "grants": [{ "status": "awaiting-person" }, { "status": "blocked", "problem": problem("2") }],
            "sinks": [{
                "formatting": { "status": "failing", "reason": "" },
                "delivery": { "status": "held", "problem": problem("3") },
            }],
        });
        let expected = ["1", "config has errors", "a plugin is off", "a code is shown", "2", "failing", "3"];
        assert_eq!(headlines(&everything), expected);
    }
}
