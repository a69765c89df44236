//! What a publisher says of one version of a plugin, beside its signature. The component itself says more, and has the
//! last word when it is admitted; this is for choosing before anything is fetched.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::PluginName;
use crate::plugin::World;

/// One version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Release {
    /// The plugin's name, as `[plugins]` has it.
    pub plugin: PluginName,
    /// Which is newer is decided by these.
    pub version: Version,
    /// The contract that it was made for.
    pub contract: ContractVersion,
    /// What it is.
    pub world: World,
    /// What it needs to be granted.
    #[serde(default)]
    pub needs: ReleaseNeeds,
    /// Who gets it.
    pub channel: Channel,
    /// How many of those, in percent.
    pub rollout: Rollout,
    /// No older host can run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_host: Option<Version>,
}

/// What a version needs from plugins.toml under usual settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseNeeds {
    /// Prefixes of the URLs of its requests.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Slots that plugins.toml must fill.
    #[serde(default)]
    pub slots: Vec<String>,
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReleaseError {
    /// Of a contract.
    #[error("`{0}` is no version of the contract: two numbers such as `0.1`")]
    Contract(String),
    /// Of a channel.
    #[error("`{0}` is no channel: 1 to 63 of a-z, 0-9 and `-`, starting with a letter")]
    Channel(String),
    /// Of a rollout.
    #[error("{0} is no share of devices: 0 to 100, in percent")]
    Rollout(u64),
}

/// A version of the contract in `wit/`, such as `0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContractVersion {
    /// The first number.
    pub major: u32,
    /// The second one.
    pub minor: u32,
}

impl ContractVersion {
    /// Takes `0.1`.
    ///
    /// # Errors
    /// When it is not two numbers.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten()
        };
        let both = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        let (major, minor) = both.ok_or_else(|| ReleaseError::Contract(text.to_owned()))?;
        Ok(Self { major, minor })
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl TryFrom<String> for ContractVersion {
    type Error = ReleaseError;

    fn try_from(text: String) -> Result<Self, ReleaseError> {
        Self::parse(&text)
    }
}

impl From<ContractVersion> for String {
    fn from(version: ContractVersion) -> Self {
        version.to_string()
    }
}

/// A channel, such as `stable` or `trial`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(PluginName);

impl Channel {
    /// Takes a text that has the form of a name.
    ///
    /// # Errors
    /// When it has not.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        PluginName::parse(text).map(Self).map_err(|_| ReleaseError::Channel(text.to_owned()))
    }

    /// The one that most devices follow.
    ///
    /// # Panics
    /// Never: it is a name.
    #[must_use]
    pub fn stable() -> Self {
        Self::parse("stable").unwrap_or_else(|_| unreachable!("it is a name"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for Channel {
    type Error = ReleaseError;

    fn try_from(text: String) -> Result<Self, ReleaseError> {
        Self::parse(&text)
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.as_str().to_owned()
    }
}

/// A share of the devices, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rollout(u8);

impl Rollout {
    /// Every device.
    pub const ALL: Self = Self(100);

    /// Takes 0 to 100.
    ///
    /// # Errors
    /// When it is more.
    pub fn parse(percent: u64) -> Result<Self, ReleaseError> {
        match u8::try_from(percent) {
            Ok(percent @ 0..=100) => Ok(Self(percent)),
            _ => Err(ReleaseError::Rollout(percent)),
        }
    }

    /// 0 to 100.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Rollout {
    type Error = ReleaseError;

    fn try_from(percent: u64) -> Result<Self, ReleaseError> {
        Self::parse(percent)
    }
}

impl From<Rollout> for u64 {
    fn from(rollout: Rollout) -> Self {
        rollout.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Release, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_release_is_read_and_what_is_new_in_it_is_no_error() {
        let release = read(
            r#"{"plugin": "timeclock", "version": "1.2.0", "contract": "0.1", "world": "formatter", "channel": "stable",
                "rollout": 25, "said-by-a-later-publisher": true}"#,
        )
        .unwrap();
        assert_eq!((release.contract, release.rollout), (ContractVersion { major: 0, minor: 1 }, Rollout(25)));
        let again = serde_json::to_string(&release).unwrap();
        assert_eq!(read(&again), Ok(release), "{again}");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let table = [
            ("\"plugin\": \"Time Clock\"", "is not a name"),
            ("\"version\": \"1.2\"", "unexpected end of input"),
            ("\"contract\": \"0.1.0\"", "two numbers such as `0.1`"),
            ("\"contract\": \"+0.1\"", "two numbers such as `0.1`"),
            ("\"world\": \"driver\"", "unknown variant `driver`"),
            ("\"channel\": \"\"", "is no channel"),
            ("\"rollout\": 101", "0 to 100, in percent"),
        ];
        let good = [
            "\"plugin\": \"timeclock\"",
            "\"version\": \"1.2.0\"",
            "\"contract\": \"0.1\"",
            "\"world\": \"formatter\"",
            "\"channel\": \"stable\"",
            "\"rollout\": 100",
        ];
        for (bad, message) in table {
            let key = bad.split(':').next().unwrap_or_default();
            let members: Vec<&str> =
                good.iter().map(|member| if member.starts_with(key) { bad } else { member }).collect();
            let refused = read(&format!("{{{}}}", members.join(","))).unwrap_err();
            assert!(refused.contains(message), "{bad}: {refused}");
        }
    }
}
