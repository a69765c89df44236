//! An auth policy of version 0.2 of the contract, for tests of the host: it signs in with a person's browser, or with the key
//! of a service account, as its settings say. It does no more than that takes.

#[cfg(target_arch = "wasm32")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/v0.2", world: "auth-policy", generate_all });
}

#[cfg(target_arch = "wasm32")]
mod policy {
    use serde::Deserialize;
    use serde_json::json;

    use super::bindings::exports::punchcard::plugin::auth_flow::{
        Algorithm, Assertion, ClientAuthentication, Context, Directive, Error, Form, FormField, FormValue, Guest,
        Lease, Needs, Outcome, Parameter, Problem, Request, Signal, Slot, Status, Visit,
    };
    use super::bindings::punchcard::plugin::http::Failure;

    /// `grants.NAME.settings`.
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Settings {
        token_url: String,
        client_id: String,
        /// With a browser; otherwise with a key.
        authorization_url: Option<String>,
        issuer: Option<String>,
        /// What the assertion is for, where a test wants another than `token-url`.
        audience: Option<String>,
        /// Added to the visit's parameters.
        parameter: Option<String>,
    }

    struct Visitor;

    #[expect(unsafe_code, reason = "what wit-bindgen generates is called across the component's boundary")]
    const _: () = {
        super::bindings::export!(Visitor with_types_in super::bindings);
    };

    impl Guest for Visitor {
        fn check(settings: String) -> Result<(), Error> {
            parse(&settings).map(drop)
        }

        fn step(
            settings: String,
            _state: Vec<u8>,
            signal: Signal,
            slots: Vec<Slot>,
            context: Context,
        ) -> Result<Outcome, Error> {
            let settings = parse(&settings)?;
            let has_token = slots.iter().any(|slot| slot.name == "access-token");
            Ok(match signal {
                Signal::Started if has_token => authorized(),
                Signal::Started | Signal::SignIn | Signal::Elapsed | Signal::TokenRefused => begin(&settings, &context),
                Signal::Returned(redirect_uri) => send(
                    &settings,
                    vec![
                        plain("grant_type", "authorization_code"),
                        plain("client_id", &settings.client_id),
                        plain("redirect_uri", &redirect_uri),
                        secret("code", "authorization-code"),
                        secret("code_verifier", "code-verifier"),
                    ],
                ),
                Signal::TurnedAway(refusal) => {
                    blocked(&refusal.error, refusal.description.as_deref().unwrap_or_default())
                }
                Signal::Responded(response) if response.status == 200 => authorized(),
                Signal::Responded(response) => blocked("refused", &String::from_utf8_lossy(&response.body)),
                Signal::Failed(Failure::Unsent(_)) => outcome(Status::Renewing, Directive::Wait(200)),
                Signal::Failed(failure) => blocked("failed", &format!("{failure:?}")),
                Signal::SignOut(_) => {
                    Outcome { forget: vec!["access-token".to_owned()], ..outcome(Status::SignedOut, Directive::Rest) }
                }
            })
        }

        fn list_needs(settings: String) -> Result<Needs, Error> {
            let settings = parse(&settings)?;
            let slots = match settings.authorization_url {
                Some(_) => Vec::new(),
                None => vec!["service-account".to_owned()],
            };
            Ok(Needs { urls: vec![settings.token_url], slots, authorization: false })
        }
    }

    fn parse(settings: &str) -> Result<Settings, Error> {
        serde_json::from_str(settings).map_err(|error| Error::InvalidSettings(error.to_string()))
    }

    fn begin(settings: &Settings, context: &Context) -> Outcome {
        let Some(url) = &settings.authorization_url else { return send(settings, assertion(settings, context)) };
        let mut parameters = vec![Parameter { name: "client_id".to_owned(), value: settings.client_id.clone() }];
        parameters
            .extend(settings.parameter.iter().map(|name| Parameter { name: name.clone(), value: "x".to_owned() }));
        let visit = Visit {
            url: url.clone(),
            parameters,
            issuer: settings.issuer.clone(),
            purpose: "write rows".to_owned(),
            expires_in_seconds: 600,
        };
        outcome(Status::AwaitingBrowser(visit), Directive::Rest)
    }

    fn assertion(settings: &Settings, context: &Context) -> Vec<FormField> {
        let now = context.now.unix_micros / 1_000_000;
        let aud = settings.audience.as_ref().unwrap_or(&settings.token_url);
        let claims = json!({ "iss": settings.client_id, "aud": aud, "iat": now, "exp": now + 3_600 }).to_string();
        let slot = "service-account".to_owned();
        let assertion = Assertion { slot, algorithm: Algorithm::Rs256, key_id: None, claims };
        vec![
            plain("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            FormField { name: "assertion".to_owned(), value: FormValue::Assertion(assertion) },
        ]
    }

    fn plain(name: &str, value: &str) -> FormField {
        FormField { name: name.to_owned(), value: FormValue::Plain(value.to_owned()) }
    }

    fn secret(name: &str, slot: &str) -> FormField {
        FormField { name: name.to_owned(), value: FormValue::Secret(slot.to_owned()) }
    }

    fn send(settings: &Settings, fields: Vec<FormField>) -> Outcome {
        let form = Form { url: settings.token_url.clone(), client: ClientAuthentication::None, fields };
        outcome(Status::Renewing, Directive::Send(Request::Post(form)))
    }

    fn authorized() -> Outcome {
        let lease = Lease { expires_in_seconds: None, scopes: Vec::new() };
        Outcome {
            forget: ["authorization-code", "code-verifier"].map(str::to_owned).into(),
            ..outcome(Status::Authorized(lease), Directive::Rest)
        }
    }

    fn blocked(headline: &str, advice: &str) -> Outcome {
        let problem = Problem { headline: headline.to_owned(), advice: advice.to_owned() };
        outcome(Status::Blocked(problem), Directive::Rest)
    }

    fn outcome(status: Status, next: Directive) -> Outcome {
        Outcome { state: Vec::new(), status, forget: Vec::new(), next }
    }
}
