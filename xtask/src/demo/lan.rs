//! This machine's address in the local network, for a phone that is in it too.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use anyhow::{Context as _, Result, bail};

/// The address from which this machine would send to the outside. Nothing is sent.
pub(super) fn find_address() -> Result<Ipv4Addr> {
    // RFC 5737, section 3: an address for documentation. To connect a datagram socket only chooses a route.
    const OUTSIDE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot open a socket")?;
    let routed = socket.connect(OUTSIDE).and_then(|()| socket.local_addr());
    let address = routed.context("this machine has no route to a network; name its address with --lan=ADDRESS")?;
    match address.ip() {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => bail!("{address} is no IPv4 address; name one with --lan=ADDRESS"),
    }
}

/// Takes an address of a local network, and no other: the stand-in protects nothing, and the device sends nothing that is not
/// encrypted into the open internet.
pub(super) fn parse_private(address: Ipv4Addr) -> Result<Ipv4Addr> {
    if !(address.is_private() || address.is_link_local()) {
        bail!("{address} is not an address of a local network; name one of this machine with --lan=ADDRESS");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_a_local_network_is_served_on() {
        for (address, accepted) in [
            ([192, 168, 1, 20], true),
            ([10, 0, 0, 5], true),
            ([172, 31, 0, 1], true),
            ([169, 254, 7, 7], true),
            ([127, 0, 0, 1], false),
            ([0, 0, 0, 0], false),
            ([203, 0, 113, 9], false),
        ] {
            assert_eq!(parse_private(address.into()).is_ok(), accepted, "{address:?}");
        }
    }
}
