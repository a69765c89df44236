//! Requests to OAuth endpoints: form-encoded POSTs in which every secret is named by its slot.

use punchcard_sdk::auth_policy::{ClientAuthentication as Client, Form, FormField, FormValue, Request, Slot};

use crate::address::Address;
use crate::settings::{ClientAuthentication, Settings};
use crate::slot::{CLIENT_SECRET, slot_version};

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
