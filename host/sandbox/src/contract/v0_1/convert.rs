//! Between the types that the contract's worlds share and the host's own. What plugins say to people is cut to its length on
//! the way in; no other decision is made here.

use punchcard_core::event::{Field, Value};
use punchcard_core::http::{Content, Failure, Header, Method, Request, Response};
use punchcard_core::plugin::format::TimedEvent;
use punchcard_core::plugin::{Needs, PluginError, Problem};
use punchcard_core::row::{Cell, Column, ColumnKind, Row};
use punchcard_core::time::{Certainty, Context, Instant};

use super::shared::punchcard::plugin::{http as wit_http, records, types};
use crate::text::{clip_problem, clip_sentence};

impl From<Instant> for types::Instant {
    fn from(from: Instant) -> Self {
        Self { unix_micros: from.unix_micros, utc_offset_minutes: from.utc_offset_minutes }
    }
}

impl From<types::Instant> for Instant {
    fn from(from: types::Instant) -> Self {
        Self { unix_micros: from.unix_micros, utc_offset_minutes: from.utc_offset_minutes }
    }
}

impl From<Certainty> for records::Certainty {
    fn from(from: Certainty) -> Self {
        match from {
            Certainty::Known => Self::Known,
            Certainty::Estimated => Self::Estimated,
        }
    }
}

impl From<Context> for types::Context {
    fn from(from: Context) -> Self {
        Self {
            now: from.now.into(),
            monotonic_ms: from.monotonic.milliseconds,
            boot: from.monotonic.boot,
            entropy: from.entropy.to_vec(),
            device: from.device,
        }
    }
}

impl From<types::Needs> for Needs {
    fn from(from: types::Needs) -> Self {
        Self { urls: from.urls, slots: from.slots, authorization: from.authorization }
    }
}

impl From<types::Error> for PluginError {
    fn from(from: types::Error) -> Self {
        match from {
            types::Error::InvalidSettings(text) => Self::InvalidSettings(clip_sentence(text)),
            types::Error::UnknownState => Self::UnknownState,
            types::Error::Other(text) => Self::Other(clip_sentence(text)),
        }
    }
}

impl From<types::Problem> for Problem {
    fn from(from: types::Problem) -> Self {
        clip_problem(Self { headline: from.headline, advice: from.advice })
    }
}

impl From<Value> for records::Value {
    fn from(from: Value) -> Self {
        match from {
            Value::Text(text) => Self::Text(text),
            Value::Integer(integer) => Self::Integer(integer),
            Value::Number(number) => Self::Number(number),
            Value::Flag(flag) => Self::Flag(flag),
            Value::Moment(moment) => Self::Moment(moment.into()),
        }
    }
}

impl From<records::Value> for Value {
    fn from(from: records::Value) -> Self {
        match from {
            records::Value::Text(text) => Self::Text(text),
            records::Value::Integer(integer) => Self::Integer(integer),
            records::Value::Number(number) => Self::Number(number),
            records::Value::Flag(flag) => Self::Flag(flag),
            records::Value::Moment(moment) => Self::Moment(moment.into()),
        }
    }
}

impl From<records::Field> for Field {
    fn from(from: records::Field) -> Self {
        Self { name: from.name, value: from.value.into() }
    }
}

impl From<Field> for records::Field {
    fn from(from: Field) -> Self {
        Self { name: from.name, value: from.value.into() }
    }
}

impl From<TimedEvent> for records::Event {
    fn from(from: TimedEvent) -> Self {
        let happened = from.event.happened;
        Self {
            id: happened.id.to_string(),
            at: from.at.into(),
            certainty: from.certainty.into(),
            source: happened.source.into(),
            kind: happened.kind,
            fields: happened.fields.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<records::ColumnKind> for ColumnKind {
    fn from(from: records::ColumnKind) -> Self {
        match from {
            records::ColumnKind::Text => Self::Text,
            records::ColumnKind::Number => Self::Number,
            records::ColumnKind::Flag => Self::Flag,
            records::ColumnKind::Date => Self::Date,
            records::ColumnKind::Time => Self::Time,
            records::ColumnKind::DateTime => Self::DateTime,
            records::ColumnKind::Duration => Self::Duration,
        }
    }
}

impl From<ColumnKind> for records::ColumnKind {
    fn from(from: ColumnKind) -> Self {
        match from {
            ColumnKind::Text => Self::Text,
            ColumnKind::Number => Self::Number,
            ColumnKind::Flag => Self::Flag,
            ColumnKind::Date => Self::Date,
            ColumnKind::Time => Self::Time,
            ColumnKind::DateTime => Self::DateTime,
            ColumnKind::Duration => Self::Duration,
        }
    }
}

impl From<records::Column> for Column {
    fn from(from: records::Column) -> Self {
        Self { key: from.key, title: from.title, kind: from.kind.into() }
    }
}

impl From<Column> for records::Column {
    fn from(from: Column) -> Self {
        Self { key: from.key, title: from.title, kind: from.kind.into() }
    }
}

impl From<records::Cell> for Cell {
    fn from(from: records::Cell) -> Self {
        match from {
            records::Cell::Empty => Self::Empty,
            records::Cell::Text(text) => Self::Text(text),
            records::Cell::Number(number) => Self::Number(number),
            records::Cell::Flag(flag) => Self::Flag(flag),
            records::Cell::Moment(moment) => Self::Moment(moment.into()),
            records::Cell::Estimated(moment) => Self::Estimated(moment.into()),
            records::Cell::Seconds(seconds) => Self::Seconds(seconds),
        }
    }
}

impl From<Cell> for records::Cell {
    fn from(from: Cell) -> Self {
        match from {
            Cell::Empty => Self::Empty,
            Cell::Text(text) => Self::Text(text),
            Cell::Number(number) => Self::Number(number),
            Cell::Flag(flag) => Self::Flag(flag),
            Cell::Moment(moment) => Self::Moment(moment.into()),
            Cell::Estimated(moment) => Self::Estimated(moment.into()),
            Cell::Seconds(seconds) => Self::Seconds(seconds),
        }
    }
}

impl From<records::Row> for Row {
    fn from(from: records::Row) -> Self {
        Self { key: from.key, cells: from.cells.into_iter().map(Into::into).collect() }
    }
}

impl From<Row> for records::Row {
    fn from(from: Row) -> Self {
        Self { key: from.key, cells: from.cells.into_iter().map(Into::into).collect() }
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
            // What this version knows comes nearest: nothing left, and what is sent again waits.
            Failure::SignedOut => Self::Unsent("nobody is signed in".into()),
            Failure::Unsent(text) => Self::Unsent(text),
            Failure::Interrupted(text) => Self::Interrupted(text),
            Failure::TooLarge(bytes) => Self::TooLarge(bytes),
        }
    }
}
