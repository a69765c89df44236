//! What a person decides of the versions of plugins. It is in the ledger first, so that it holds over a restart; then the
//! supervisor looks at everything again.

use punchcard_core::name::PluginName;
use punchcard_core::plugin_version::Digest;
use punchcard_ledger::{PluginHistories, PluginHistory, Whence};
use punchcard_sandbox::cache::{hexadecimal, parse_hexadecimal};
use tracing::{info, warn};

use super::super::control::{Answer, PluginQuestion};
use super::super::device::Device;
use super::super::error_chain::chain;

impl Device {
    /// Answers what is asked of the versions of plugins.
    pub(super) async fn answer_of_plugin(&self, question: PluginQuestion) -> Result<Answer, String> {
        match question {
            PluginQuestion::Added { plugin, sha256, from } => self.add(&plugin, &sha256, from).await,
            PluginQuestion::RollBack { plugin } => self.roll_back(&plugin).await,
            PluginQuestion::Pin { plugin, pinned } => self.pin(&plugin, pinned).await,
            PluginQuestion::Allow { sha256 } => self.allow(&sha256).await,
        }
    }

    /// A person put a component where plugins.toml names it.
    async fn add(&self, plugin: &str, sha256: &str, from: String) -> Result<Answer, String> {
        let plugin = parse_plugin(plugin)?;
        let sha256 = parse_hexadecimal(sha256).ok_or("that is no SHA-256")?;
        let answer = self.reload().await?;
        // It may have been taken before, when its file was noticed.
        if let Err(error) = self.ledger.note_plugin_source(&plugin, sha256, Whence::Add(from)).await {
            warn!(%plugin, error = chain(error), "where the plugin came from can't be kept");
        }
        Ok(answer)
    }

    /// Goes back to the version before the one in force.
    async fn roll_back(&self, plugin: &str) -> Result<Answer, String> {
        let (plugin, history) = self.history(plugin).await?;
        let histories = self.histories().await?;
        let to = histories.earlier(&plugin).ok_or_else(|| {
            format!("no earlier version of plugin `{plugin}` is known that may run; `punchcard plugin show {plugin}` lists all")
        })?;
        if !self.keeps(&to) {
            let to = hexadecimal(&to);
            return Err(format!(
                "the earlier version {to} of plugin `{plugin}` was not kept; put its file there again"
            ));
        }
        let to = self.ledger.roll_back_plugin(&plugin, self.known_micros()).await.map_err(chain)?;
        let from = history.in_force().map(|version| hexadecimal(&version.sha256)).unwrap_or_default();
        info!(%plugin, from, to = hexadecimal(&to), "a person went back to an earlier version of the plugin");
        self.reload().await
    }

    /// Has a plugin stay as it is, or not.
    async fn pin(&self, plugin: &str, pinned: bool) -> Result<Answer, String> {
        let (plugin, history) = self.history(plugin).await?;
        if pinned && history.in_force().is_none() {
            return Err(format!("no version of plugin `{plugin}` was ever in force that could be pinned"));
        }
        if !self.ledger.set_plugin_pinned(&plugin, pinned).await.map_err(chain)? {
            return Ok(Answer::NothingToDo);
        }
        info!(%plugin, pinned, "a person pinned or unpinned the plugin");
        self.reload().await
    }

    /// Has a version tried again.
    async fn allow(&self, sha256: &str) -> Result<Answer, String> {
        let histories = self.histories().await?;
        let known = find_refused(&histories);
        let begins = |digest: &&Digest| hexadecimal(*digest).starts_with(&sha256.to_ascii_lowercase());
        let mut found = known.iter().filter(begins);
        let sha256 = match (found.next(), found.next()) {
            (Some(digest), None) => *digest,
            (Some(_), Some(_)) => return Err(format!("several versions begin with {sha256}; say more of it")),
            (None, _) if known.is_empty() => {
                return Err("no version proved bad, and nobody went back from one".to_owned());
            }
            (None, _) => {
                let known: Vec<String> = known.iter().map(|digest| hexadecimal(digest)).collect();
                return Err(format!(
                    "no version that begins with {sha256} is refused; refused are {}",
                    known.join(", ")
                ));
            }
        };
        if !self.ledger.allow_component(sha256).await.map_err(chain)? {
            return Ok(Answer::NothingToDo);
        }
        info!(sha256 = hexadecimal(&sha256), "a person allowed a version of a plugin again");
        self.reload().await
    }

    async fn histories(&self) -> Result<PluginHistories, String> {
        self.ledger.plugin_histories().await.map_err(chain)
    }

    /// A plugin that was in force at some time.
    async fn history(&self, plugin: &str) -> Result<(PluginName, PluginHistory), String> {
        let plugin = parse_plugin(plugin)?;
        let mut histories = self.histories().await?;
        match histories.plugins.remove(&plugin) {
            Some(history) => Ok((plugin, history)),
            None => Err(super::unknown("plugin", plugin.as_str(), histories.plugins.keys())),
        }
    }
}

fn parse_plugin(name: &str) -> Result<PluginName, String> {
    PluginName::parse(name).map_err(|error| error.to_string())
}

/// The versions that do not run although their files are there.
fn find_refused(histories: &PluginHistories) -> Vec<Digest> {
    let in_force = histories.plugins.values().filter_map(PluginHistory::in_force);
    let left = in_force.filter_map(|version| version.rolled_back_from);
    let mut refused: Vec<Digest> = histories.bad.keys().copied().chain(left).collect();
    refused.sort_unstable();
    refused.dedup();
    refused
}
