//! `[grants.NAME]`: an account that the device is let into, by which policy, and where its secrets may go.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::browser::{Browser, parse_browser};
use super::node::Node;
use super::plugin::parse_path;
use super::prefix::parse_prefixes;
use super::reference::Declared;
use super::secret::{SecretSource, parse_secret_source};
use super::settings::{Settings, parse_settings};
use crate::name::{PluginName, SlotName};
use crate::reach::Prefix;

/// Slots that the host fills from a server's answers, and from what a browser brings (`auth-flow` of the contract).
const FILLED_BY_HOST: [&str; 6] =
    ["access-token", "refresh-token", "id-token", "device-code", "authorization-code", "code-verifier"];

const MOST_SECRETS: usize = 16;

/// When a person is asked to sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignIn {
    /// As soon as nobody is signed in: the grant is required.
    #[default]
    AtStart,
    /// When a person wants it. Until then whoever uses the grant runs without it.
    OnRequest,
}

/// A grant.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// `plugin`: the auth policy; a key of `[plugins]`.
    pub plugin: PluginName,
    /// `reach`: where the policy's requests, and with them its secrets, may go. At least one.
    pub reach: Vec<Prefix>,
    /// `audience`: where its access token may go. At least one.
    pub audience: Vec<Prefix>,
    /// `settings`: the policy's own.
    pub settings: Settings,
    /// `ca`: a file of certificates in PEM, absolute or relative to the folder of plugins.toml: the authorities that may vouch
    /// for the server of the policy's requests beside those of the system.
    pub ca: Option<PathBuf>,
    /// `browser`: where a person's browser reaches the device, for a policy that signs in with one.
    pub browser: Option<Browser>,
    /// `sign-in = "at-start" | "on-request"`: when a person is asked to sign in.
    pub sign_in: SignIn,
    /// `secrets`: slots that are filled from outside. None of those that the host fills.
    pub secrets: BTreeMap<SlotName, SecretSource>,
}

pub(super) fn parse_grant(node: &Node<'_, '_>, declared: &Declared<'_>) -> Option<Grant> {
    let mut table = node.table()?;
    let plugin = table.required("plugin", |node| declared.plugin(node, PluginName::parse));
    let reach = table.required("reach", parse_prefixes);
    let audience = table.required("audience", parse_prefixes);
    let settings = table.optional("settings", Settings::default(), parse_settings);
    let ca = table.optional("ca", None, |node| parse_path(node).map(Some));
    let browser = table.optional("browser", None, |node| parse_browser(node).map(Some));
    let sign_in = table.optional("sign-in", SignIn::default(), |node| {
        node.word(&[("at-start", SignIn::AtStart), ("on-request", SignIn::OnRequest)])
    });
    let secrets = table.optional("secrets", BTreeMap::new(), parse_secrets);
    table.finish()?;
    Some(Grant {
        plugin: plugin?,
        reach: reach?,
        audience: audience?,
        settings: settings?,
        ca: ca?,
        browser: browser?,
        sign_in: sign_in?,
        secrets: secrets?,
    })
}

fn parse_secrets(node: &Node<'_, '_>) -> Option<BTreeMap<SlotName, SecretSource>> {
    let mut secrets = Some(BTreeMap::new());
    for (key, node) in node.entries(MOST_SECRETS)? {
        let slot = if FILLED_BY_HOST.contains(&key.get_ref().as_ref()) {
            node.refuse_key(
                key,
                "the host fills this slot, from what the server answers or a browser brings".to_owned(),
                None,
            )
        } else {
            node.key_as_name(key, SlotName::parse)
        };
        let source = parse_secret_source(&node);
        secrets = secrets.zip(slot.zip(source)).map(|(mut secrets, (slot, source))| {
            secrets.insert(slot, source);
            secrets
        });
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::SignIn;
    use crate::config::input::Action;
    use crate::config::parse_configuration;
    use crate::name::{GrantName, InputName};

    fn text(sign_in: &str, asked_for: &str) -> String {
        format!(
            "device.name = 'door'\nplugins.flow = 'flow.wasm'\n[grants.id]\nplugin = 'flow'\nreach = ['https://id.example']\n\
             audience = ['https://id.example']\n{sign_in}\n[inputs.ask]\ndriver = 'gpio'\nline = 17\nsign-in = '{asked_for}'\n"
        )
    }

    #[test]
    fn a_person_is_asked_at_the_start_unless_it_is_on_request() {
        for (written, expected) in [
            ("", SignIn::AtStart),
            ("sign-in = 'at-start'", SignIn::AtStart),
            ("sign-in = 'on-request'", SignIn::OnRequest),
        ] {
            let configuration = parse_configuration(&text(written, "id")).unwrap();
            let id = GrantName::parse("id").unwrap();
            assert_eq!(configuration.grants[&id].sign_in, expected, "{written}");
            let ask = InputName::parse("ask").unwrap();
            assert_eq!(configuration.inputs[&ask].action, Action::SignIn(id));
        }
        for (sign_in, asked_for, said) in [("sign-in = 'never'", "id", "on-request"), ("", "other", "in [grants]")] {
            let errors = format!("{:?}", parse_configuration(&text(sign_in, asked_for)).unwrap_err());
            assert!(errors.contains(said), "{errors}");
        }
    }
}
