//! HTTP as data (`http` and the requests of `auth-flow` in the contract). Nobody here opens a socket.

/// The methods that a plugin can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

/// A header, as given. Names compare without case (RFC 9110 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The field's name.
    pub name: String,
    /// The field's value.
    pub value: String,
}

/// A body and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The `Content-Type`.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a connector asks for (`http.request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Absolute.
    pub url: String,
    /// Without those that are the host's.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Option<Content>,
    /// Add the sink's credential.
    pub authorized: bool,
    /// Whether sending it twice does no more than sending it once (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Milliseconds, 1,000 to 600,000.
    pub timeout_ms: Option<u32>,
}

/// A form's value in a request of an auth policy (`auth-flow.form-value`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormValue {
    /// As it is.
    Plain(String),
    /// The content of this slot.
    Secret(String),
    /// A statement that the host signs.
    Assertion(Assertion),
}

/// How a statement is signed (`auth-flow.algorithm`, RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

impl Algorithm {
    /// Its name in a header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A statement that the host signs with a key that no plugin sees (`auth-flow.assertion`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The slot of the private key.
    pub slot: String,
    /// How.
    pub algorithm: Algorithm,
    /// Which key it is, for the server.
    pub key_id: Option<String>,
    /// A JSON object.
    pub claims: String,
}

/// A form's field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: FormValue,
}

/// How a client says who it is (`auth-flow.client-authentication`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// In the form, or not at all.
    None,
    /// HTTP Basic with this client id and the content of this slot (RFC 6749 §2.3.1).
    Basic {
        /// The client id.
        client_id: String,
        /// The slot.
        slot: String,
    },
}

/// What an auth policy asks for (`auth-flow.request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthRequest {
    /// GET of a public JSON document.
    Get(String),
    /// POST of a form.
    Post {
        /// Absolute.
        url: String,
        /// Who asks.
        client: ClientAuthentication,
        /// With what.
        fields: Vec<FormField>,
    },
}

impl AuthRequest {
    /// Whether a field of the form is the content of this slot.
    #[must_use]
    pub fn bears(&self, slot: &str) -> bool {
        match self {
            Self::Get(_) => false,
            Self::Post { fields, .. } => {
                fields.iter().any(|field| matches!(&field.value, FormValue::Secret(named) if named == slot))
            }
        }
    }
}

/// Any answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// In the order in which they came.
    pub headers: Vec<Header>,
    /// The bytes, decoded from the transfer's framing.
    pub body: Vec<u8>,
}

/// No answer was had (`http.failure`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The URL is outside what plugins.toml grants. Permanent.
    #[error("denied: {0}")]
    Denied(String),
    /// The request is not one that can be sent. Permanent.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// A secret that it names is not there.
    #[error("the slot `{0}` is empty")]
    Missing(String),
    /// The grant was signed out while it waited for a lease. It did not leave. Safe to repeat.
    #[error("nobody is signed in any more")]
    SignedOut,
    /// It did not leave the device. Safe to repeat.
    #[error("not sent: {0}")]
    Unsent(String),
    /// It may have been carried out. Ask before repeating it.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// It was carried out; the answer is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(u64),
}
