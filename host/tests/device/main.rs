//! A whole device against the stand-in for Google: what it promises, while the network, the server, the card, a plugin or
//! a person gets in its way.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can not go on has failed")]

mod bench;
mod tap;

mod account;
mod browser;
mod credential;
mod on_request;
mod sealed;
mod service_account;
mod sign_in;
mod web_flow;

mod delivery;
mod event_id;

mod plugin;
mod plugin_version;

mod backup;
mod formatter;
mod listing;
mod part;
mod reconcile;
mod reload;
mod replay;
mod sensor;
mod sink;
mod switch;
mod update;

mod configuration;
mod heap;
mod service;
mod telling;

mod card;
mod checkup;
