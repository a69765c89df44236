//! Where an issuer's metadata may be. What stands there, `metadata` reads.

use crate::address::Address;

/// Where an issuer's metadata may be, in the order in which to ask: OpenID Connect Discovery 1.0 §4.1 appends to the
/// issuer's path, RFC 8414 §3.1 inserts before it, and §5 knows servers that do so under the other name.
pub(crate) fn well_known(issuer: &Address) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path().trim_end_matches('/'));
    let mut addresses = vec![
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ];
    if !path.is_empty() {
        addresses.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    addresses
}
