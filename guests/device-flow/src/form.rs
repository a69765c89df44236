//! Requests to OAuth endpoints: form-encoded POSTs in which every secret is named by its slot.

use punchcard_sdk::auth_policy::{ClientAuthentication as Client, Form, FormField, FormValue, Request, Slot};

use crate::address::Address;
use crate::settings::{ClientAuthentication, Settings};

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

/// A form field with a plain value.
pub(crate) fn plain(name: &str, value: &str) -> FormField {
    FormField { name: name.to_owned(), value: FormValue::Plain(value.to_owned()) }
}

/// A form field with the content of a slot.
pub(crate) fn secret(name: &str, slot: &str) -> FormField {
    FormField { name: name.to_owned(), value: FormValue::Secret(slot.to_owned()) }
}

/// A request in which the client only names itself.
pub(crate) fn post_named(settings: &Settings, url: &Address, mut fields: Vec<FormField>) -> Request {
    fields.insert(0, plain("client_id", &settings.client_id));
    Request::Post(Form { url: url.as_str().to_owned(), client: Client::None, fields })
}

/// A request in which the client also shows its secret, in the way that the settings choose: RFC 6749 §2.3.1.
pub(crate) fn post_authenticated(
    settings: &Settings,
    slots: &[Slot],
    url: &Address,
    mut fields: Vec<FormField>,
) -> Request {
    let has_secret = slot_version(slots, CLIENT_SECRET).is_some();
    match settings.client_authentication {
        ClientAuthentication::Form if has_secret => fields.insert(0, secret("client_secret", CLIENT_SECRET)),
        ClientAuthentication::Basic => {
            fields.insert(0, plain("client_id", &settings.client_id));
            let client = Client::Basic((settings.client_id.clone(), CLIENT_SECRET.to_owned()));
            return Request::Post(Form { url: url.as_str().to_owned(), client, fields });
        }
        ClientAuthentication::Form | ClientAuthentication::None => {}
    }
    post_named(settings, url, fields)
}
