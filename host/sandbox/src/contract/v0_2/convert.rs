//! Between the types that the contract's worlds share and the host's own, as far as this version differs from 0.1: `http`
//! and `logging`.

use punchcard_core::http::{Content, Failure, Header, Method, Request, Response};

use super::{http as wit_http, logging};
use crate::confinement::Confinement;
use crate::contract::{LogLevel, LoggingHost};

impl logging::Host for Confinement {
    fn log(&mut self, level: logging::Level, message: String) {
        let level = match level {
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
        };
        LoggingHost::log(self, level, message);
    }
}

impl From<wit_http::Method> for Method {
    fn from(from: wit_http::Method) -> Self {
        match from {
            wit_http::Method::Get => Self::Get,
            wit_http::Method::Head => Self::Head,
            wit_http::Method::Post => Self::Post,
            wit_http::Method::Put => Self::Put,
            wit_http::Method::Patch => Self::Patch,
            wit_http::Method::Delete => Self::Delete,
        }
    }
}

impl From<wit_http::Header> for Header {
    fn from(from: wit_http::Header) -> Self {
        Self { name: from.name, value: from.value }
    }
}

impl From<Header> for wit_http::Header {
    fn from(from: Header) -> Self {
        Self { name: from.name, value: from.value }
    }
}

impl From<wit_http::Request> for Request {
    fn from(from: wit_http::Request) -> Self {
        Self {
            method: from.method.into(),
            url: from.url,
            headers: from.headers.into_iter().map(Into::into).collect(),
            body: from.body.map(|body| Content { media_type: body.media_type, bytes: body.bytes }),
            authorized: from.authorized,
            idempotent: from.idempotent,
            timeout_ms: from.timeout_ms,
        }
    }
}

impl From<Response> for wit_http::Response {
    fn from(from: Response) -> Self {
        Self { status: from.status, headers: from.headers.into_iter().map(Into::into).collect(), body: from.body }
    }
}

impl From<Failure> for wit_http::Failure {
    fn from(from: Failure) -> Self {
        match from {
            Failure::Denied(text) => Self::Denied(text),
            Failure::Invalid(text) => Self::Invalid(text),
            Failure::Missing(slot) => Self::Missing(slot),
            Failure::SignedOut => Self::SignedOut,
            Failure::Unsent(text) => Self::Unsent(text),
            Failure::Interrupted(text) => Self::Interrupted(text),
            Failure::TooLarge(bytes) => Self::TooLarge(bytes),
        }
    }
}
