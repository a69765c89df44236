//! `[grants.NAME.browser]`: where a person's browser reaches the device, to sign in with it.

use core::net::SocketAddr;

use url::Url;

use super::node::{Node, quote};

/// Where the device listens for a person who signs in with a browser, while it waits for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    /// `listen = "0.0.0.0:8737"`: the port of the device.
    pub listen: SocketAddr,
    /// `address = "http://front-door.local:8737"`: what a person's browser calls it, without a path. The authorization
    /// server has to know it with `/return` behind. Where `listen` is the device itself, that is the address if none is
    /// given.
    pub address: Url,
}

pub(super) fn parse_browser(node: &Node<'_, '_>) -> Option<Browser> {
    let mut table = node.table()?;
    let listen = table.required("listen", parse_listen);
    let address = table.optional("address", None, |node| parse_address(node).map(Some));
    table.finish()?;
    let listen = listen?;
    let address = match address? {
        Some(address) => address,
        None if listen.ip().is_loopback() => Url::parse(&format!("http://{listen}")).ok()?,
        None => {
            return node.refuse(format!(
                "needs `address`, such as \"http://front-door.local:{}\": what a person's browser calls this device",
                listen.port()
            ));
        }
    };
    Some(Browser { listen, address })
}

fn parse_listen(node: &Node<'_, '_>) -> Option<SocketAddr> {
    let text = node.text()?;
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some(address),
        _ => node.refuse(format!(
            "found {}; accepted is an address with a port, such as `0.0.0.0:8737` or `127.0.0.1:8737`",
            quote(text)
        )),
    }
}

fn parse_address(node: &Node<'_, '_>) -> Option<Url> {
    let text = node.text()?;
    let is_bare = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && (url.path(), url.query(), url.fragment()) == ("/", None, None)
    };
    match Url::parse(text) {
        Ok(url) if is_bare(&url) => Some(url),
        _ => node.refuse_unseen("is no address such as `http://front-door.local:8737`, without user, path and query"),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse_configuration;

    fn parsed(browser: &str) -> Result<(String, String), String> {
        let text = format!(
            "device.name = 'door'\nplugins.flow = 'flow.wasm'\n[grants.id]\nplugin = 'flow'\nreach = ['https://id.example']\n\
             audience = ['https://id.example']\nbrowser = {{ {browser} }}\n"
        );
        match parse_configuration(&text) {
            Ok(configuration) => {
                let grant = configuration.grants.into_values().next().unwrap();
                let browser = grant.browser.unwrap();
                Ok((browser.listen.to_string(), browser.address.to_string()))
            }
            Err(errors) => Err(format!("{errors:?}")),
        }
    }

    #[test]
    fn an_address_is_what_a_browser_can_reach() {
        for (browser, listen, address) in [
            ("listen = '127.0.0.1:8737'", "127.0.0.1:8737", "http://127.0.0.1:8737/"),
            ("listen = '[::1]:8737'", "[::1]:8737", "http://[::1]:8737/"),
            ("listen = '0.0.0.0:8737', address = 'http://door.local:8737'", "0.0.0.0:8737", "http://door.local:8737/"),
            ("listen = '127.0.0.1:8737', address = 'https://door.example/'", "127.0.0.1:8737", "https://door.example/"),
        ] {
            assert_eq!(parsed(browser), Ok((listen.to_owned(), address.to_owned())), "{browser}");
        }
        for (browser, said) in [
            ("listen = '0.0.0.0:8737'", "needs `address`"),
            ("listen = '8737'", "accepted is an address with a port"),
            ("listen = '0.0.0.0:0', address = 'http://door.local'", "accepted is an address with a port"),
            ("listen = '127.0.0.1:8737', address = 'ftp://door.local'", "is no address such as"),
            ("listen = '127.0.0.1:8737', address = 'http://door.local/x'", "is no address such as"),
            ("listen = '127.0.0.1:8737', address = 'http://me:pw@door.local'", "is no address such as"),
            ("address = 'http://door.local'", "listen"),
        ] {
            let refused = parsed(browser).unwrap_err();
            assert!(refused.contains(said), "{browser}: {refused}");
            assert!(!refused.contains("pw@"), "{refused}");
        }
    }
}
