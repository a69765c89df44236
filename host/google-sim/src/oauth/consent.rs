//! The page on which a person enters the code and decides: plain forms, for a browser and for curl.
//!
//! `GET /device` asks for the code. `POST /device` with `user_code` shows who asks for what. `POST /device` with
//! `user_code` and `decision` (`allow` or `deny`), and `account` for another one than [`super::ACCOUNT`], decides. The
//! status is 200 where the page says what was wished, 400 where it says what was wrong.

use std::collections::BTreeSet;

use hyper::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

use super::device::{DEVICE_SCOPES, Device, DeviceState};
use super::{ACCOUNT, Form, Oauth};
use crate::call::{Answer, Call};
use crate::page::render_page;

/// What a person says on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The device may.
    Allow,
    /// It may not.
    Deny,
}

/// No device waits with this code: it is mistyped, its case included, or expired, or was decided on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no device waits with this code")]
pub struct UnknownCode;

impl Oauth {
    /// Decides for the person.
    pub(crate) fn decide(
        &mut self,
        user_code: &str,
        decision: Decision,
        account: &str,
        now: Timestamp,
    ) -> Result<(), UnknownCode> {
        let device = self.devices.values_mut().find(|device| device.awaits(user_code, now)).ok_or(UnknownCode)?;
        device.state = match decision {
            Decision::Allow => DeviceState::Allowed { account: account.to_owned() },
            Decision::Deny => DeviceState::Denied,
        };
        Ok(())
    }

    pub(super) fn render_code_entry(&self, call: &Call, now: Timestamp) -> Answer {
        match call.query("user_code") {
            Some(code) => self.render_question(code, now),
            None => Answer::html(StatusCode::OK, render_entry(None)),
        }
    }

    pub(super) fn perform_consent(&mut self, form: &Form, now: Timestamp) -> Answer {
        let Some(code) = form.get("user_code").map(str::trim) else {
            return Answer::html(StatusCode::BAD_REQUEST, render_entry(Some("Enter the code that the device shows.")));
        };
        let decision = match form.get("decision") {
            None => return self.render_question(code, now),
            Some("allow") => Decision::Allow,
            Some("deny") => Decision::Deny,
            Some(_) => {
                let problem = "A decision is either allow or deny.";
                return Answer::html(StatusCode::BAD_REQUEST, render_entry(Some(problem)));
            }
        };
        match self.decide(code, decision, form.get("account").unwrap_or(ACCOUNT), now) {
            Ok(()) => Answer::html(StatusCode::OK, render_outcome(decision)),
            Err(UnknownCode) => render_wrong_code(),
        }
    }

    fn render_question(&self, code: &str, now: Timestamp) -> Answer {
        match self.devices.values().find(|device| device.awaits(code, now)) {
            Some(device) => Answer::html(StatusCode::OK, render_choice(device)),
            None => render_wrong_code(),
        }
    }
}

impl Device {
    /// Codes are compared as they are: their case matters.
    fn awaits(&self, user_code: &str, now: Timestamp) -> bool {
        self.state == DeviceState::Waiting && self.user_code == user_code && now < self.expires_at
    }
}

fn render_wrong_code() -> Answer {
    let problem = "That code didn’t work. Check it, capital and small letters too, and try again.";
    Answer::html(StatusCode::BAD_REQUEST, render_entry(Some(problem)))
}

fn render_entry(problem: Option<&str>) -> Markup {
    render_page(
        "Connect a device",
        &html! {
            h1 { "Connect a device" }
            p { "Enter the code displayed on your device." }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form method="post" action="/device" {
                label { "Code " input name="user_code" autofocus autocomplete="off" autocapitalize="off" spellcheck="false"; }
                " "
                button { "Continue" }
            }
        },
    )
}

fn render_choice(device: &Device) -> Markup {
    render_page(
        "Allow access?",
        &html! {
            h1 { (device.client_id) " wants access to your account" }
            p { "This allows the device that shows the code " strong { (device.user_code) } " to:" }
            (render_scopes(&device.scopes))
            form method="post" action="/device" {
                input type="hidden" name="user_code" value=(device.user_code);
                p { label { "Account " input name="account" value=(ACCOUNT) autocomplete="off"; } }
                button name="decision" value="allow" { "Allow" }
                " "
                button name="decision" value="deny" { "Deny" }
            }
        },
    )
}

/// What a person allows.
pub(super) fn render_scopes(scopes: &BTreeSet<String>) -> Markup {
    let meaning = |scope: &str| DEVICE_SCOPES.iter().find(|(name, _)| *name == scope).map(|(_, text)| *text);
    html! { ul { @for scope in scopes { li { (meaning(scope).unwrap_or(scope)) " (" code { (scope) } ")" } } } }
}

fn render_outcome(decision: Decision) -> Markup {
    match decision {
        Decision::Allow => render_page(
            "Device connected",
            &html! {
                h1 { "Success! Device connected" }
                p { "You can return to the device now. What it writes appears " a href="/" { "here" } "." }
            },
        ),
        Decision::Deny => render_page(
            "Access denied",
            &html! { h1 { "Access denied" } p { "The device gets no access to your account." } },
        ),
    }
}
