//! `[vault]`: the key under which the stored tokens are sealed.

use super::node::Node;
use super::secret::{SecretSource, parse_secret_source};

/// How tokens are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// `key`: where the key or passphrase is.
    pub key: SecretSource,
    /// `sealed`: whether tokens are stored sealed. `false` opens what is sealed, so that the key is not needed after that.
    pub is_wanted: bool,
}

pub(super) fn parse_vault(node: &Node<'_, '_>) -> Option<Sealing> {
    let mut table = node.table()?;
    let key = table.required("key", parse_secret_source);
    let is_wanted = table.optional("sealed", true, Node::flag);
    table.finish()?;
    Some(Sealing { key: key?, is_wanted: is_wanted? })
}

#[cfg(test)]
mod tests {
    use super::super::parse_configuration;
    use super::*;

    #[test]
    fn a_vault_names_its_key_and_never_holds_it() {
        let read = |vault: &str| {
            let text = format!(
                "device.name = \"door\"\ninputs.clock = {{ driver = \"keyboard\", key = \"space\", press = {{ event = \"punch\" }} }}\n{vault}"
            );
            match parse_configuration(&text) {
                Ok(configuration) => Ok(configuration.vault),
                Err(errors) => Err(errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ")),
            }
        };
        let file = |is_wanted| Some(Sealing { key: SecretSource::File("key".into()), is_wanted });
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("[vault]\nkey = { file = \"key\" }"), Ok(file(true)));
        assert_eq!(read("[vault]\nkey = { file = \"key\" }\nsealed = false"), Ok(file(false)));
        for (vault, said) in [
            ("[vault]\nkey = \"hunter2hunter2hunter2\"", "a secret never stands here"),
            ("[vault]\nsealed = true", "key"),
            ("[vault]\nkey = { file = \"key\" }\nsealed = \"yes\"", "accepted"),
            ("[vault]\nkey = { file = \"key\" }\nseal = true", "seal"),
        ] {
            let errors = read(vault).unwrap_err();
            assert!(errors.contains(said) && !errors.contains("hunter2"), "{vault}: {errors}");
        }
    }
}
