//! The authorization server's own description (RFC 8414, OpenID Connect Discovery).

use hyper::StatusCode;
use serde_json::json;

use super::code::PATH;
use super::{Oauth, render_json};
use crate::call::Answer;

impl Oauth {
    pub(super) fn render_metadata(&self) -> Answer {
        let base = &self.base_url;
        let body = json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}{PATH}"),
            "authorization_response_iss_parameter_supported": true,
            "device_authorization_endpoint": format!("{base}/device/code"),
            "token_endpoint": format!("{base}/token"),
            "revocation_endpoint": format!("{base}/revoke"),
            "response_types_supported": ["code", "token", "id_token", "none"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
        });
        render_json(StatusCode::OK, &body)
    }
}
