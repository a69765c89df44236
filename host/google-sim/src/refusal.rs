//! How Google's APIs say no: one shape for Sheets, a fuller one for Drive and Tasks.
//!
//! The bodies are those of recorded answers where there are any. Refusals of the OAuth endpoints have another shape and
//! live with them.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::call::Answer;

/// Which API answers: Drive and Tasks add `errors[]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Sheets,
    Drive,
    Tasks,
}

impl Api {
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::Sheets => "sheets.googleapis.com",
            Self::Drive => "drive.googleapis.com",
            Self::Tasks => "tasks.googleapis.com",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Sheets => "Google Sheets API",
            Self::Drive => "Google Drive API",
            Self::Tasks => "Google Tasks API",
        }
    }
}

/// A refused request: nothing of it was applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: StatusCode,
    /// The name of the gRPC code, left out in Drive's older answers.
    pub(crate) status: Option<&'static str>,
    pub(crate) message: String,
    /// Drive's `errors[0]`, without its message.
    pub(crate) reason: Option<Value>,
    pub(crate) details: Vec<Value>,
}

impl Refusal {
    fn new(code: StatusCode, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: Some(status), message: message.into(), reason: None, details: Vec::new() }
    }

    /// 400 for what is asked.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message).reason("badRequest", None)
    }

    /// 400 for how it is asked: each violation is a field and what is wrong with it.
    pub(crate) fn violations(violations: &[(String, String)]) -> Self {
        let message = violations.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        let fields: Vec<_> = violations
            .iter()
            .map(|(field, description)| match field.as_str() {
                "" => json!({ "description": description }),
                _ => json!({ "field": field, "description": description }),
            })
            .collect();
        let mut refusal = Self::invalid(message);
        refusal.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": fields,
        }));
        refusal
    }

    /// 404 of the Sheets API for a spreadsheet that is not there, or not this app's.
    pub(crate) fn entity_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.")
    }

    /// 403 of the Sheets API for a spreadsheet that is there, and that nobody shared with the caller.
    pub(crate) fn permission_denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "The caller does not have permission")
            .reason("forbidden", None)
    }

    /// 403 of the Drive API for whoever has no room: a service account has none at all.
    pub(crate) fn storage_quota() -> Self {
        let message =
            "Service Accounts do not have storage quota. Leverage shared drives, or use OAuth delegation instead.";
        let mut refusal =
            Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message).reason("storageQuotaExceeded", None);
        refusal.status = None;
        if let Some(reason) = &mut refusal.reason {
            reason["domain"] = json!("usageLimits");
        }
        refusal
    }

    /// 404 of the Sheets API for a metadata id that is not there.
    pub(crate) fn metadata_not_found(id: i32) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("No developer metadata with ID {id}"))
    }

    /// 404 of the Tasks API for a list that is not there, or another account's.
    pub(crate) fn task_list_not_found() -> Self {
        let mut refusal =
            Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Task list not found.").reason("notFound", None);
        refusal.status = None;
        refusal
    }

    /// 404 of the Drive API.
    pub(crate) fn file_not_found(id: &str) -> Self {
        let mut refusal = Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("File not found: {id}."))
            .reason("notFound", Some(("fileId", "parameter")));
        refusal.status = None;
        refusal
    }

    /// 400 of the Drive API for one parameter.
    pub(crate) fn invalid_parameter(name: &'static str, message: impl Into<String>) -> Self {
        let mut refusal = Self::invalid(message).reason("invalid", Some((name, "parameter")));
        refusal.status = None;
        refusal
    }

    /// 403 of the Drive API for a field that only the server writes.
    pub(crate) fn not_writable() -> Self {
        let message = "The resource body includes fields which are not directly writable.";
        let mut refusal =
            Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message).reason("fieldNotWritable", None);
        refusal.status = None;
        refusal
    }

    /// 403 for a call without credentials.
    pub(crate) fn unregistered() -> Self {
        let message = "Method doesn't allow unregistered callers (callers without established identity). Please use \
                       API Key or other form of API consumer identity to call this API.";
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message).reason("forbidden", None)
    }

    /// 401 for a token that is unknown, expired or revoked.
    pub(crate) fn unauthenticated() -> Self {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                       other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
            .reason("authError", Some(("Authorization", "header")))
    }

    /// 403 for a token without the scope that the method needs.
    pub(crate) fn insufficient_scope(api: Api, method: &str) -> Self {
        let message = "Request had insufficient authentication scopes.";
        let mut refusal =
            Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message).reason("insufficientPermissions", None);
        refusal.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": { "service": api.service(), "method": method },
        }));
        refusal
    }

    /// 403 for an API that the Cloud project has not enabled: the commonest error of a first run.
    pub(crate) fn service_disabled(api: Api, project: u64) -> Self {
        let (title, service) = (api.title(), api.service());
        let link = format!("https://console.developers.google.com/apis/api/{service}/overview?project={project}");
        let message = format!(
            "{title} has not been used in project {project} before or it is disabled. Enable it by visiting {link} \
             then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our \
             systems and retry."
        );
        let mut refusal =
            Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message).reason("accessNotConfigured", None);
        refusal.details = vec![
            json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {
                    "activationUrl": link,
                    "consumer": format!("projects/{project}"),
                    "containerInfo": project.to_string(),
                    "service": service,
                    "serviceTitle": title,
                },
            }),
            json!({
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{ "description": "Google developers console API activation", "url": link }],
            }),
        ];
        refusal
    }

    /// 403 of the Drive API, which says so where Sheets says 429.
    pub(crate) fn user_rate_limit() -> Self {
        let mut refusal = Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "User Rate Limit Exceeded")
            .reason("userRateLimitExceeded", None);
        refusal.status = None;
        if let Some(reason) = &mut refusal.reason {
            reason["domain"] = json!("usageLimits");
        }
        refusal
    }

    /// 503, or another status for a service that can't do it now.
    pub(crate) fn unavailable(code: StatusCode) -> Self {
        Self::new(code, "UNAVAILABLE", "The service is currently unavailable.").reason("backendError", None)
    }

    /// 429 of the Sheets API: no `Retry-After`, no `errors[]`.
    pub(crate) fn quota(details: Vec<Value>, message: String) -> Self {
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message);
        refusal.details = details;
        refusal
    }

    fn reason(mut self, reason: &str, location: Option<(&str, &str)>) -> Self {
        let mut value = json!({ "domain": "global", "reason": reason });
        if let Some((location, kind)) = location {
            value["location"] = json!(location);
            value["locationType"] = json!(kind);
        }
        self.reason = Some(value);
        self
    }

    /// The answer as `api` words it.
    pub(crate) fn render(&self, api: Api) -> Answer {
        let mut error = json!({ "code": self.code.as_u16(), "message": self.message });
        if let (Api::Drive | Api::Tasks, Some(reason)) = (api, &self.reason) {
            let mut reason = reason.clone();
            reason["message"] = json!(self.message);
            error["errors"] = json!([reason]);
        }
        if let Some(status) = self.status {
            error["status"] = json!(status);
        }
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        let answer = Answer::json(self.code, &json!({ "error": error }));
        if self.code == StatusCode::UNAUTHORIZED { answer.with_challenge() } else { answer }
    }
}

/// The page with which Google's front end answers a path that is no method.
pub(crate) fn render_no_such_path(path: &str) -> Answer {
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            meta charset="utf-8";
            title { "Error 404 (Not Found)!!1" }
            p { b { "404." } " That’s an error." }
            p { "The requested URL " code { (path) } " was not found on this server. That’s all we know." }
        }
    };
    Answer::html(StatusCode::NOT_FOUND, page)
}
