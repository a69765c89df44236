//! Which addresses a request may go to: those of the open internet, those of private networks, or both.

use std::net::IpAddr;

use url::{Host, Url};

/// The addresses that a request's name may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Those of the open internet alone: a name must not lead to a device of the owner's.
    Open,
    /// Any: `private` was granted, and the request is encrypted.
    Any,
    /// Those of private networks alone: `private` was granted to a request that is not encrypted. On the open internet
    /// everybody on the way could read what it carries, and a name is quickly led astray.
    Private,
}

impl Network {
    /// Of requests with this scheme, where private networks were granted or not.
    #[must_use]
    pub fn of(url: &Url, private: bool) -> Self {
        match (private, url.scheme()) {
            (false, _) => Self::Open,
            (true, "http") => Self::Private,
            (true, _) => Self::Any,
        }
    }

    /// Whether the address belongs to it.
    #[must_use]
    pub fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Open => !is_private(address),
            Self::Any => true,
            Self::Private => is_private(address),
        }
    }
}

/// The address that the URL names itself, without a name to resolve.
#[must_use]
pub fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Whether an address belongs to this machine or to a private network: what IANA's special-purpose registries (RFC 6890)
/// do not list as globally reachable.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_private(v4.into());
            }
            let segments = v6.segments();
            // Where a network reaches IPv4 through a translator, the IPv4 address decides (RFC 6052 §2.1).
            if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                return is_private(IpAddr::from([a, b, c, d]));
            }
            // Only 2000::/3 is global unicast; of it, what embeds an IPv4 address or is documentation is not believed.
            (segments[0] & 0xe000) != 0x2000
                || segments[0] == 0x2002
                || (segments[0] == 0x2001 && segments[1] < 0x0200)
                || (segments[0] == 0x2001 && segments[1] == 0x0db8)
                || (segments[0] == 0x3fff && segments[1] < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn what_is_not_encrypted_stays_in_private_networks() {
        let (open, private) = ("8.8.8.8".parse().unwrap(), "192.168.1.7".parse().unwrap());
        for (scheme, granted, network, admitted) in [
            ("https", false, Network::Open, (true, false)),
            ("http", false, Network::Open, (true, false)),
            ("https", true, Network::Any, (true, true)),
            ("http", true, Network::Private, (false, true)),
        ] {
            let found = Network::of(&url(&format!("{scheme}://nas.example/")), granted);
            assert_eq!(found, network, "{scheme} {granted}");
            assert_eq!((found.admits(open), found.admits(private)), admitted, "{scheme} {granted}");
        }
    }

    #[test]
    fn addresses_that_are_not_of_the_open_internet_are_private() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "64:ff9b:0:0:0:1:808:808",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in private {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        let open = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "142.250.70.138",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "191.0.0.1",
            "192.0.1.1",
            "192.1.0.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "199.18.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:dff::1",
            "2003::1",
            "2607:f8b0::1",
            "2a00:1450::1",
            "3ffe:1::1",
            "3fff:1000::1",
        ];
        for address in open {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_url_names_its_address_or_none() {
        let table = [
            ("http://192.168.1.7/x", Some("192.168.1.7")),
            ("http://3232235783/x", Some("192.168.1.7")),
            ("http://[fd00::1]:8080/x", Some("fd00::1")),
            ("https://h.example", None),
            ("data:text/plain,x", None),
        ];
        for (text, address) in table {
            assert_eq!(literal_address(&url(text)), address.map(|address| address.parse().unwrap()), "{text}");
        }
    }
}
