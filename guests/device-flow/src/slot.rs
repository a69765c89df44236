//! The slots of the host's token storage that a grant uses, by their names. What is in them never comes here.

use punchcard_sdk::auth_policy::Slot;

/// The slot of the client's secret, which plugins.toml may configure.
pub(crate) const CLIENT_SECRET: &str = "client-secret";
/// The slot of the token that opens the account, for an hour or so.
pub(crate) const ACCESS_TOKEN: &str = "access-token";
/// The slot of the token that gets the next access token.
pub(crate) const REFRESH_TOKEN: &str = "refresh-token";
/// The slot of OpenID Connect's statement about the person, which nobody here reads.
pub(crate) const ID_TOKEN: &str = "id-token";
/// The slot of the secret half of a code.
pub(crate) const DEVICE_CODE: &str = "device-code";

/// Everything that a sign-in leaves in the storage.
pub(crate) const SIGN_IN_SLOTS: [&str; 4] = [REFRESH_TOKEN, ACCESS_TOKEN, ID_TOKEN, DEVICE_CODE];

/// A slot's version, where it is filled.
pub(crate) fn slot_version(slots: &[Slot], name: &str) -> Option<u64> {
    slots.iter().find(|slot| slot.name == name).map(|slot| slot.version)
}
