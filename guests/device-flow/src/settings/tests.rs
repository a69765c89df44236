use punchcard_sdk::Error;
use punchcard_sdk::settings::parse_settings;

use super::*;

fn settings(json: &str) -> Settings {
    parse_settings(json).unwrap_or_else(|error| panic!("{error:?}"))
}

fn refusal(json: &str) -> String {
    match parse_settings::<Settings>(json) {
        Err(Error::InvalidSettings(text)) => text,
        other => panic!("{other:?}"),
    }
}

const DRIVE: &str = "https://www.googleapis.com/auth/drive.file";

#[test]
fn google_needs_a_client_and_a_scope() {
    let settings = settings(&format!(
        r#"{{"provider":"google","client-id":"c.apps.googleusercontent.com","scopes":["{DRIVE}","email"]}}"#
    ));
    let Server::Google { endpoints, elsewhere: false } = &settings.server else { panic!("{settings:?}") };
    assert_eq!(endpoints.device_authorization.as_str(), "https://oauth2.googleapis.com/device/code");
    assert_eq!(endpoints.token.as_str(), "https://oauth2.googleapis.com/token");
    assert_eq!(endpoints.revocation.as_ref().unwrap().as_str(), "https://oauth2.googleapis.com/revoke");
    assert_eq!(settings.client_authentication, ClientAuthentication::Form);
    assert_eq!(settings.required_scopes, [DRIVE], "identity scopes are not required");
    assert_eq!(settings.purpose, "keep its own files in your Drive, know who you are");
    assert!(settings.is_google());
}

#[test]
fn google_s_endpoints_can_be_elsewhere() {
    let settings = settings(
        r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
            "scopes":["email"],"endpoints":{"token":"http://127.0.0.1:8080/token"}}"#,
    );
    let Server::Google { endpoints, elsewhere: true } = &settings.server else { panic!("{settings:?}") };
    assert_eq!(endpoints.token.as_str(), "http://127.0.0.1:8080/token");
    assert_eq!(endpoints.device_authorization.as_str(), "https://oauth2.googleapis.com/device/code");
}

#[test]
fn any_other_server_is_named_by_issuer_or_endpoints() {
    let by_issuer = settings(r#"{"issuer":"https://a.example/tenant","client-id":"c"}"#);
    assert!(matches!(&by_issuer.server, Server::Issuer(issuer) if issuer.as_str() == "https://a.example/tenant"));
    let by_endpoints = settings(
        r#"{"endpoints":{"device-authorization":"https://a.example/d","token":"https://a.example/t"},"client-id":"c",
            "client-authentication":"basic","scopes":["openid","write"],"required-scopes":[],"purpose":"write"}"#,
    );
    let Server::Endpoints(endpoints) = &by_endpoints.server else { panic!("{by_endpoints:?}") };
    assert_eq!(endpoints.revocation, None);
    assert_eq!(by_endpoints.client_authentication, ClientAuthentication::Basic);
    assert_eq!((by_endpoints.purpose.as_str(), by_endpoints.required_scopes.len()), ("write", 0));
    assert!(!by_issuer.is_google() && !by_endpoints.is_google());
    let public = settings(r#"{"issuer":"https://a.example","client-id":"c","client-authentication":"none"}"#);
    assert_eq!(public.client_authentication, ClientAuthentication::None);
}

#[test]
fn what_is_wrong_is_said_with_its_key_and_what_it_accepts() {
    for (json, words) in [
        (r#"{"provider":"google","scopes":["email"]}"#, "missing field `client-id`"),
        (r#"{"client-id":"c"}"#, "no server is named; give `provider = \"google\"`"),
        (r#"{"provider":"gogle","client-id":"c"}"#, "`provider` is `gogle`; it accepts \"google\""),
        (
            r#"{"provider":"google","issuer":"https://a.example","client-id":"c.apps.googleusercontent.com"}"#,
            "`issuer` stands beside `provider`",
        ),
        (r#"{"issuer":"https://a.example","endpoints":{},"client-id":"c"}"#, "`issuer` stands beside `endpoints`"),
        (r#"{"issuer":"a.example","client-id":"c"}"#, "`issuer` is not an address: it begins with neither"),
        (r#"{"issuer":"https://a.example?b=c","client-id":"c"}"#, "`issuer` holds a query"),
        (
            r#"{"endpoints":{"token":"https://a.example/t"},"client-id":"c"}"#,
            "`endpoints.device-authorization` is missing",
        ),
        (
            r#"{"endpoints":{"device-authorization":"https://a.example/d"},"client-id":"c"}"#,
            "`endpoints.token` is missing",
        ),
        (
            r#"{"provider":"google","endpoints":{"revocation":"x"},"client-id":"c","scopes":["email"]}"#,
            "`endpoints.revocation` is not an address",
        ),
        (r#"{"provider":"google","endpoints":{"tokn":"x"},"client-id":"c"}"#, "unknown field `tokn`, expected one of"),
        (r#"{"provider":"google","client-id":"","scopes":["email"]}"#, "`client-id` accepts"),
        (r#"{"provider":"google","client-id":"a b","scopes":["email"]}"#, "`client-id` accepts"),
        (r#"{"provider":"google","client-id":"YOUR-CLIENT-ID.apps.googleusercontent.com"}"#, "stands for the id"),
        (r#"{"provider":"google","client-id":"example.apps.googleusercontent.com"}"#, "stands for the id"),
        (r#"{"provider":"google","client-id":"….apps.googleusercontent.com"}"#, "stands for the id"),
        (r#"{"issuer":"https://a.example","client-id":"<client id>"}"#, "`<client id>`, which only stands for the id"),
        (r#"{"provider":"google","client-id":"door","scopes":["email"]}"#, "`door`, which is not an id of Google's"),
        (r#"{"provider":"google","client-id":".apps.googleusercontent.com"}"#, "not an id of Google's"),
        (
            r#"{"issuer":"https://a.example","client-id":"c","client-authentication":"mtls"}"#,
            "`client-authentication` is `mtls`; it accepts \"form\", \"basic\" or \"none\"",
        ),
        (
            r#"{"issuer":"https://a.example","client-id":"c","scopes":["a b"]}"#,
            "`scopes` holds `a b`; it accepts a list",
        ),
        (
            r#"{"provider":"google","client-id":"c.apps.googleusercontent.com"}"#,
            "`scopes` is empty; Google needs at least one of: email, openid",
        ),
        (
            r#"{"issuer":"https://a.example","client-id":"c","scopes":["a"],"required-scopes":["b"]}"#,
            "`required-scopes` holds `b`, which is not in `scopes`",
        ),
        (r#"{"issuer":"https://a.example","client-id":"c","purpose":" "}"#, "`purpose` accepts 1 to 200 characters"),
        (r#"{"issuer":"https://a.example","client-id":"c","audience":"a\nb"}"#, "`audience` accepts"),
        (r#"{"issuer":"https://a.example","client-id":"c","resource":""}"#, "`resource` accepts"),
        (r#"{"issuer":"https://a.example","client-id":"c","scope":"a"}"#, "unknown field `scope`, expected one of"),
    ] {
        let text = refusal(json);
        assert!(text.contains(words), "{json}: {text}");
    }
    let long = "x".repeat(201);
    assert!(
        refusal(&format!(r#"{{"issuer":"https://a.example","client-id":"c","purpose":"{long}"}}"#)).contains("purpose")
    );
    settings(&format!(r#"{{"issuer":"https://a.example","client-id":"{}"}}"#, "x".repeat(512)));
    let id = "x".repeat(513);
    assert!(refusal(&format!(r#"{{"issuer":"https://a.example","client-id":"{id}"}}"#)).contains("client-id"));
}

#[test]
fn point_30_scopes_that_google_s_device_flow_refuses_are_refused_here_with_what_to_use() {
    let text = refusal(
        r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
            "scopes":["https://www.googleapis.com/auth/spreadsheets"]}"#,
    );
    assert_eq!(
        text,
        "`scopes` holds `https://www.googleapis.com/auth/spreadsheets`, which Google's device flow refuses; use \
         https://www.googleapis.com/auth/drive.file, with which a device reaches the files that it made itself; it \
         accepts email, openid, profile, https://www.googleapis.com/auth/drive.appdata, \
         https://www.googleapis.com/auth/drive.file, https://www.googleapis.com/auth/youtube, \
         https://www.googleapis.com/auth/youtube.readonly; the plugin web-flow takes others"
    );
    let text = refusal(
        r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
            "scopes":["https://www.googleapis.com/auth/tasks"]}"#,
    );
    assert!(text.contains("auth/tasks`, which Google's device flow refuses; it accepts email"), "{text}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = refusal(
        r#"{"endpoints":{"token":"x"},"client-id":"","scopes":["a b"],"client-authentication":"x","purpose":""}"#,
    );
    for key in
        ["endpoints.device-authorization", "endpoints.token", "client-id", "scopes", "client-authentication", "purpose"]
    {
        assert!(text.contains(&format!("`{key}`")), "{text}");
    }
    assert_eq!(text.matches("; `").count(), 5, "{text}");
}

#[test]
fn ids_elsewhere_than_at_google_may_have_any_form() {
    for json in [
        r#"{"issuer":"https://a.example","client-id":"my-example"}"#,
        r#"{"provider":"google","client-id":"door","scopes":["email"],"endpoints":{"token":"http://127.0.0.1/t"}}"#,
    ] {
        settings(json);
    }
}

#[test]
fn what_is_needed_follows_from_the_settings() {
    let google = r#""provider":"google","client-id":"c.apps.googleusercontent.com","scopes":["email"]"#;
    let endpoints =
        r#""client-id":"c","endpoints":{"device-authorization":"https://a.example/d","token":"https://a.example/t"}"#;
    let own = ["https://a.example/d", "https://a.example/t"];
    let googles = [
        "https://oauth2.googleapis.com/device/code",
        "https://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com/revoke",
    ];
    let issuer = r#""issuer":"https://a.example/tenant","client-id":"c""#;
    for (json, urls, slots) in [
        (google.to_owned(), &googles[..], &["client-secret"][..]),
        (format!(r#"{google},"client-authentication":"none""#), &googles, &[]),
        (endpoints.to_owned(), &own, &[]),
        (format!(r#"{endpoints},"client-authentication":"basic""#), &own, &["client-secret"]),
        (issuer.to_owned(), &["https://a.example/tenant/.well-known/openid-configuration"], &[]),
    ] {
        let needs = settings(&format!("{{{json}}}")).needs();
        assert_eq!((needs.urls, needs.slots, needs.authorization), (list(urls), list(slots), false), "{json}");
    }
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn tokens_belong_to_one_client_of_one_server() {
    let identity = |json: &str| settings(json).identity();
    let google = identity(r#"{"provider":"google","client-id":"c.apps.googleusercontent.com","scopes":["email"]}"#);
    let same = identity(
        r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
            "scopes":["openid"],"client-authentication":"none"}"#,
    );
    assert_eq!(google, same);
    let others = [
        identity(r#"{"provider":"google","client-id":"d.apps.googleusercontent.com","scopes":["email"]}"#),
        identity(
            r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
                "scopes":["email"],"endpoints":{"token":"http://127.0.0.1/t"}}"#,
        ),
        identity(r#"{"issuer":"https://a.example","client-id":"c"}"#),
        identity(r#"{"issuer":"https://b.example","client-id":"c"}"#),
        identity(
            r#"{"endpoints":{"device-authorization":"https://a.example/d","token":"https://a.example/t"},
                "client-id":"c"}"#,
        ),
    ];
    for (position, other) in others.iter().enumerate() {
        assert_ne!(&google, other);
        assert!(!others[..position].contains(other), "{other}");
    }
}
