//! The device authorization request (RFC 8628, section 3.1), in Google's dialect.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{ClientKind, Forced, Form, Oauth, OauthRefusal, random_text, render_json};
use crate::call::Answer;
use crate::clock::{later, since};

/// Every scope that Google's device flow accepts, with what the consent page says about it.
pub(crate) const DEVICE_SCOPES: &[(&str, &str)] = &[
    ("email", "See your primary Google Account email address"),
    ("openid", "Associate you with your personal info on Google"),
    ("profile", "See your personal info, including any personal info you've made publicly available"),
    (
        "https://www.googleapis.com/auth/drive.appdata",
        "See, create, and delete its own configuration data in your Google Drive",
    ),
    (
        "https://www.googleapis.com/auth/drive.file",
        "See, edit, create, and delete only the specific Google Drive files you use with this app",
    ),
    ("https://www.googleapis.com/auth/youtube", "Manage your YouTube account"),
    ("https://www.googleapis.com/auth/youtube.readonly", "View your YouTube account"),
];

/// A device that waits for a person.
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_at: Timestamp,
    /// Grows by five seconds with every `slow_down`, for good.
    pub(crate) interval: Duration,
    /// The issue of the code counts as the first poll: a device waits before that one too.
    pub(crate) polled_at: Timestamp,
    pub(crate) state: DeviceState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Waiting,
    Allowed { account: String },
    Denied,
    Claimed,
}

impl Device {
    /// Notes a poll. `Err` if it came too early.
    pub(crate) fn note_poll(&mut self, is_forced: bool, now: Timestamp) -> Result<(), OauthRefusal> {
        let waited_for = since(self.polled_at, now);
        self.polled_at = now;
        if is_forced || waited_for < self.interval {
            self.interval += Duration::from_secs(5);
            return Err(OauthRefusal::slow_down());
        }
        Ok(())
    }
}

impl Oauth {
    pub(super) fn perform_device_code(
        &mut self,
        form: &Form,
        forced: Option<Forced>,
        now: Timestamp,
    ) -> Result<Answer, OauthRefusal> {
        let client_id = form.need("client_id")?;
        let client =
            self.client(client_id).ok_or_else(|| OauthRefusal::invalid_client("The OAuth client was not found."))?;
        if client.kind != ClientKind::LimitedInput {
            return Err(OauthRefusal::invalid_client("Invalid client type."));
        }
        let scopes: BTreeSet<String> = form.need("scope")?.split(' ').map(str::to_owned).collect();
        let refused = scopes.iter().find(|scope| !DEVICE_SCOPES.iter().any(|(name, _)| name == scope));
        if let Some(scope) = refused {
            let description = format!("Invalid device flow scope: {scope}");
            return Err(OauthRefusal::new(StatusCode::BAD_REQUEST, "invalid_scope", description));
        }
        if forced == Some(Forced::RateLimit) {
            return Err(OauthRefusal::rate_limit());
        }
        let device_code = random_text("AH-1Ng", 2);
        let device = Device {
            user_code: self.next_user_code(),
            client_id: client_id.to_owned(),
            scopes,
            expires_at: later(now, self.settings.codes_live_for),
            interval: self.settings.interval,
            polled_at: now,
            state: DeviceState::Waiting,
        };
        let verification_url =
            self.settings.verification_url.clone().unwrap_or_else(|| format!("{}/device", self.base_url));
        let body = json!({
            "device_code": device_code,
            "user_code": device.user_code,
            "expires_in": self.settings.codes_live_for.as_secs(),
            "interval": device.interval.as_secs(),
            "verification_url": verification_url,
        });
        self.devices.insert(device_code, device);
        Ok(render_json(StatusCode::OK, &body))
    }

    /// Two groups of four letters in both cases: a client that changes the case is found out.
    fn next_user_code(&mut self) -> String {
        if !self.settings.user_codes.is_empty() {
            return self.settings.user_codes.remove(0);
        }
        const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZbcdfghjkmnpqrstvwxz";
        let bytes = Uuid::new_v4().into_bytes();
        let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
        let (first, second) = bytes.split_at(8);
        // Bytes 6 and 8 of a random UUID hold its version and variant.
        first.iter().take(4).map(letter).chain(['-']).chain(second.iter().skip(1).take(4).map(letter)).collect()
    }

    /// What is past its time is forgotten an hour later, so that it can still be told from what never was.
    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        let hour = Duration::from_secs(3600);
        self.devices.retain(|_, device| now < later(device.expires_at, hour));
        self.codes.retain(|_, code| now < later(code.expires_at, hour));
        self.access.retain(|_, access| now < later(access.expires_at, hour));
    }
}
