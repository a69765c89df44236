//! Names to addresses, without those where a request may not go.
//!
//! The addresses that were checked are those that are connected to: a name can't lead elsewhere between check and use.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use punchcard_core::reach::Network;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// Asks what addresses a name has.
pub(super) trait Lookup: Send + Sync {
    /// All of them.
    fn addresses(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's way: `/etc/hosts`, DNS, mDNS, as `nsswitch.conf` says.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A name leads to private networks alone, and must not.
#[derive(Debug, Error)]
#[error(
    "`{name}` leads to {address}, an address of a private network; if that is meant, \
     write `{{ url = \"…\", private = true }}` for it in plugins.toml"
)]
pub(super) struct PrivateAddress {
    name: String,
    address: IpAddr,
}

/// A name leads to the open internet alone, and its requests are not encrypted.
#[derive(Debug, Error)]
#[error("`{name}` leads to {address}, which is not in a private network; use https for it in plugins.toml")]
pub(super) struct OpenAddress {
    name: String,
    address: IpAddr,
}

/// Nobody says what addresses a name has.
#[derive(Debug, Error)]
#[error("the name {name} can't be looked up: is there a network?")]
pub(super) struct LookupError {
    pub(super) name: String,
    pub(super) source: io::Error,
}

/// A name has no address.
#[derive(Debug, Error)]
#[error("`{0}` has no address")]
pub(super) struct NoAddress(String);

/// For one client.
pub(super) struct Resolver {
    /// Where names may lead to.
    pub(super) network: Network,
    /// Who is asked.
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let (network, lookup) = (self.network, Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup.addresses(name.clone()).await;
            let all = found.map_err(|source| LookupError { name: name.clone(), source })?;
            let allowed = plan_addresses(name, &all, network)?;
            // Port 0 stands for the URL's own.
            let addresses: Addrs = Box::new(allowed.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Which of its addresses a name may be reached at.
fn plan_addresses(
    name: String,
    all: &[IpAddr],
    network: Network,
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let allowed: Vec<IpAddr> = all.iter().copied().filter(|address| network.admits(*address)).collect();
    match (allowed.is_empty(), all.first()) {
        (false, _) => Ok(allowed),
        (true, Some(address)) if network == Network::Private => Err(OpenAddress { name, address: *address }.into()),
        (true, Some(address)) => Err(PrivateAddress { name, address: *address }.into()),
        (true, None) => Err(NoAddress(name).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_where_a_request_may_not_go_are_left_out() {
        let refused = "`nas` leads to 192.168.1.7, an address of a private network; if that is meant, \
                       write `{ url = \"…\", private = true }` for it in plugins.toml";
        let in_the_clear =
            "`nas` leads to 8.8.8.8, which is not in a private network; use https for it in plugins.toml";
        let table: [(&[&str], Network, Result<&[&str], &str>); 8] = [
            (&["8.8.8.8", "2607:f8b0::1"], Network::Open, Ok(&["8.8.8.8", "2607:f8b0::1"])),
            (&["192.168.1.7", "8.8.8.8", "::1"], Network::Open, Ok(&["8.8.8.8"])),
            (&["192.168.1.7", "8.8.8.8"], Network::Any, Ok(&["192.168.1.7", "8.8.8.8"])),
            (&["192.168.1.7", "fd00::1"], Network::Open, Err(refused)),
            (&["8.8.8.8", "192.168.1.7"], Network::Private, Ok(&["192.168.1.7"])),
            (&["8.8.8.8", "2607:f8b0::1"], Network::Private, Err(in_the_clear)),
            (&[], Network::Open, Err("`nas` has no address")),
            (&[], Network::Private, Err("`nas` has no address")),
        ];
        for (all, network, expected) in table {
            let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
            let planned = plan_addresses("nas".to_owned(), &parse(all), network).map_err(|error| error.to_string());
            assert_eq!(planned, expected.map(parse).map_err(str::to_owned), "{all:?}");
        }
    }
}
