//! Between the contract's types and the host's own. What plugins say to people is cut to its length on the way in; no other
//! decision is made here.

use punchcard_core::event::{Field, Value};
use punchcard_core::http::{
    AuthRequest, ClientAuthentication, Content, Failure, FormField, FormValue, Header, Method, Request, Response,
};
use punchcard_core::plugin::format::{Formatted, TimedEvent, Verdict};
use punchcard_core::plugin::{Needs, PluginError, Problem, auth, delivery};
use punchcard_core::row::{Cell, Column, ColumnKind, Row};
use punchcard_core::time::{Certainty, Context, Instant};

use super::auth_policy::exports::punchcard::plugin::auth_flow as wit_auth;
use super::connector::exports::punchcard::plugin::delivery as wit_delivery;
use super::formatter::exports::punchcard::plugin::row_format as wit_format;
use super::shared::punchcard::plugin::{http as wit_http, records, types};
use crate::text::{clip_key, clip_problem, clip_scopes, clip_sentence};

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

impl From<wit_format::Formatted> for Formatted {
    fn from(from: wit_format::Formatted) -> Self {
        Self {
            state: from.state,
            verdicts: from.verdicts.into_iter().map(Into::into).collect(),
            standing: from.standing,
        }
    }
}

impl From<wit_format::Verdict> for Verdict {
    fn from(from: wit_format::Verdict) -> Self {
        match from {
            wit_format::Verdict::Accepted(accepted) => {
                Self::Accepted { rows: accepted.rows.into_iter().map(Into::into).collect(), notice: accepted.notice }
            }
            wit_format::Verdict::Reject(reason) => Self::Reject(clip_sentence(reason)),
        }
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
            Failure::Unsent(text) => Self::Unsent(text),
            Failure::Interrupted(text) => Self::Interrupted(text),
            Failure::TooLarge(bytes) => Self::TooLarge(bytes),
        }
    }
}

impl From<wit_delivery::Limits> for delivery::Limits {
    fn from(from: wit_delivery::Limits) -> Self {
        Self {
            rows_per_batch: from.rows_per_batch,
            bytes_per_batch: from.bytes_per_batch,
            characters_per_cell: from.characters_per_cell,
            requests_per_minute: from.requests_per_minute,
            reads_back: from.reads_back,
        }
    }
}

impl From<delivery::Batch> for wit_delivery::Batch {
    fn from(from: delivery::Batch) -> Self {
        Self {
            id: from.id,
            columns: from.columns.into_iter().map(Into::into).collect(),
            rows: from.rows.into_iter().map(Into::into).collect(),
            corrections: from.corrections.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<delivery::Correction> for wit_delivery::Correction {
    fn from(from: delivery::Correction) -> Self {
        let kind = match from.kind {
            delivery::CorrectionKind::Changed => wit_delivery::CorrectionKind::Changed,
            delivery::CorrectionKind::Added => wit_delivery::CorrectionKind::Added,
            delivery::CorrectionKind::Withdrawn => wit_delivery::CorrectionKind::Withdrawn,
        };
        Self { row: from.row, of: from.of, kind }
    }
}

impl From<delivery::Signal> for wit_delivery::Signal {
    fn from(from: delivery::Signal) -> Self {
        match from {
            delivery::Signal::Prepare => Self::Prepare,
            delivery::Signal::Begin => Self::Begin,
            delivery::Signal::Resumed => Self::Resumed,
            delivery::Signal::Responded(response) => Self::Responded(response.into()),
            delivery::Signal::Failed(failure) => Self::Failed(failure.into()),
            delivery::Signal::Elapsed => Self::Elapsed,
            delivery::Signal::Retry => Self::Retry,
            delivery::Signal::CreateAnew => Self::CreateAnew,
            delivery::Signal::ReadBack(next) => Self::ReadBack(next),
        }
    }
}

impl From<wit_delivery::Pause> for delivery::Pause {
    fn from(from: wit_delivery::Pause) -> Self {
        Self { milliseconds: from.milliseconds, problem: from.problem.map(Into::into) }
    }
}

impl From<wit_delivery::Page> for delivery::Page {
    fn from(from: wit_delivery::Page) -> Self {
        let row = |row: wit_delivery::FoundRow| delivery::FoundRow {
            key: row.key.as_deref().map(clip_key),
            fingerprint: clip_key(&row.fingerprint),
            place: clip_sentence(row.place),
        };
        Self { rows: from.rows.into_iter().map(row).collect(), next: from.next, link: from.link }
    }
}

impl From<wit_delivery::Outcome> for delivery::Outcome {
    fn from(from: wit_delivery::Outcome) -> Self {
        let next = match from.next {
            wit_delivery::Directive::Send(request) => delivery::Directive::Send(request.into()),
            wit_delivery::Directive::Wait(pause) => delivery::Directive::Wait(pause.into()),
            wit_delivery::Directive::Delivered(receipt) => delivery::Directive::Delivered(delivery::Receipt {
                rejected: receipt
                    .rejected
                    .into_iter()
                    .map(|rejection| delivery::Rejection {
                        row: rejection.row,
                        reason: clip_sentence(rejection.reason),
                    })
                    .collect(),
                link: receipt.link,
            }),
            wit_delivery::Directive::Hold(pause) => delivery::Directive::Hold(pause.into()),
            wit_delivery::Directive::Found(page) => delivery::Directive::Found(page.into()),
            wit_delivery::Directive::Notice(problem) => delivery::Directive::Notice(problem.map(Into::into)),
        };
        Self { state: from.state, next }
    }
}

impl From<auth::Signal> for wit_auth::Signal {
    fn from(from: auth::Signal) -> Self {
        match from {
            auth::Signal::Started => Self::Started,
            auth::Signal::Responded(response) => Self::Responded(response.into()),
            auth::Signal::Failed(failure) => Self::Failed(failure.into()),
            auth::Signal::Elapsed => Self::Elapsed,
            auth::Signal::SignIn => Self::SignIn,
            auth::Signal::SignOut { revoke } => Self::SignOut(revoke),
            auth::Signal::TokenRefused => Self::TokenRefused,
        }
    }
}

impl From<auth::Slot> for wit_auth::Slot {
    fn from(from: auth::Slot) -> Self {
        Self { name: from.name, version: from.version }
    }
}

impl From<wit_auth::Outcome> for auth::Outcome {
    fn from(from: wit_auth::Outcome) -> Self {
        Self { state: from.state, status: from.status.into(), forget: from.forget, next: from.next.into() }
    }
}

impl From<wit_auth::Status> for auth::Status {
    fn from(from: wit_auth::Status) -> Self {
        match from {
            wit_auth::Status::SignedOut => Self::SignedOut,
            wit_auth::Status::AwaitingPerson(prompt) => Self::AwaitingPerson(auth::Prompt {
                user_code: prompt.user_code,
                url: prompt.url,
                complete_url: prompt.complete_url,
                purpose: clip_sentence(prompt.purpose),
                expires_in_seconds: prompt.expires_in_seconds,
            }),
            wit_auth::Status::Authorized(lease) => Self::Authorized(auth::Lease {
                expires_in_seconds: lease.expires_in_seconds,
                scopes: clip_scopes(lease.scopes),
            }),
            wit_auth::Status::Renewing => Self::Renewing,
            wit_auth::Status::Blocked(problem) => Self::Blocked(problem.into()),
        }
    }
}

impl From<wit_auth::Directive> for auth::Directive {
    fn from(from: wit_auth::Directive) -> Self {
        match from {
            wit_auth::Directive::Send(request) => Self::Send(request.into()),
            wit_auth::Directive::Wait(milliseconds) => Self::Wait(milliseconds),
            wit_auth::Directive::Rest => Self::Rest,
        }
    }
}

impl From<wit_auth::Request> for AuthRequest {
    fn from(from: wit_auth::Request) -> Self {
        match from {
            wit_auth::Request::Get(url) => Self::Get(url),
            wit_auth::Request::Post(form) => Self::Post {
                url: form.url,
                client: match form.client {
                    wit_auth::ClientAuthentication::None => ClientAuthentication::None,
                    wit_auth::ClientAuthentication::Basic((client_id, slot)) => {
                        ClientAuthentication::Basic { client_id, slot }
                    }
                },
                fields: form
                    .fields
                    .into_iter()
                    .map(|field| FormField {
                        name: field.name,
                        value: match field.value {
                            wit_auth::FormValue::Plain(text) => FormValue::Plain(text),
                            wit_auth::FormValue::Secret(slot) => FormValue::Secret(slot),
                        },
                    })
                    .collect(),
            },
        }
    }
}
