//! Requests of a person under a grant, and sign-ins that are taken over from other programs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use google_sim::{Action, Effect, Fault, FileAction};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::service_account::{ACCOUNT, configuration, write_key};

const CLIENT: &str = "punchcard-demo.apps.googleusercontent.com";
const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";

fn secret(bench: &Bench, slot: &str) -> String {
    bench.tokens()["slots"][slot]["secret"].as_str().unwrap().to_owned()
}

/// The names of all files, from pages of one.
async fn names_by_page(bench: &Bench) -> Vec<String> {
    let url = format!("{}/drive/v3/files?pageSize=1&orderBy=name", bench.sim.base_url());
    let printed = bench.printed(&["fetch", "--grant", "google", "--paginate", "nextPageToken", &url]).await;
    let files: Vec<Value> = serde_json::from_str(&printed).unwrap();
    files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
}

/// What a command said, and with which status it ended.
struct Said {
    status: Option<i32>,
    printed: String,
    error: String,
}

async fn said(bench: &Bench, arguments: &[&str]) -> Said {
    let output = bench.command(arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code(), printed: text(output.stdout), error: text(output.stderr) }
}

/// Two more files, so that there are three pages.
async fn make_files(bench: &Bench) -> String {
    let files = format!("{}/drive/v3/files", bench.sim.base_url());
    for name in ["A", "B"] {
        let body = json!({ "name": name, "mimeType": "application/vnd.google-apps.spreadsheet" }).to_string();
        bench.printed(&["fetch", "--grant", "google", "--data", &body, &files]).await;
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_joined_and_a_401_is_renewed_once_by_the_running_host() {
    let bench = Bench::signed_in().await;
    make_files(&bench).await;
    // The second page is refused.
    bench.sim.arm(Fault::on("/drive/v3/files", Effect::ExpireAccessTokens).after(1));
    let (first, renewals) = (secret(&bench, "access-token"), bench.sim.count("oauth.token"));
    assert_eq!(names_by_page(&bench).await, ["A", "B", "Time clock"]);
    assert_eq!(bench.sim.count("oauth.token"), renewals + 1, "{:?}", bench.sim.log());
    assert_ne!(secret(&bench, "access-token"), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_host_the_same_is_done_under_the_ledger_s_lock() {
    let mut bench = Bench::signed_in().await;
    make_files(&bench).await;
    bench.stop().await;
    bench.sim.arm(Fault::on("/drive/v3/files", Effect::ExpireAccessTokens).after(1));
    let (first, refresh) = (secret(&bench, "access-token"), secret(&bench, "refresh-token"));
    assert_eq!(names_by_page(&bench).await, ["A", "B", "Time clock"]);
    let last = secret(&bench, "access-token");
    assert_ne!(last, first, "what the policy has learnt is kept");
    for hidden in [&first, &refresh, &last] {
        assert!(!bench.log().contains(hidden), "a secret is in the log");
    }

    // While the command waits for an answer, no host and no other command has the ledger.
    bench.sim.arm(Fault::on("/drive/v3/files", Effect::Slow { millis: 5_000 }));
    let files = format!("{}/drive/v3/files", bench.sim.base_url());
    let asked = bench.sim.count("drive.files.list");
    let arguments = ["fetch", "--grant", "google", &files];
    let (fetched, refused) = tokio::join!(said(&bench, &arguments), async {
        bench.until_google("the request is there", |sim| sim.count("drive.files.list") > asked).await;
        said(&bench, &arguments).await
    });
    assert_eq!(fetched.status, Some(0), "{}", fetched.error);
    assert_eq!(refused.status, Some(5), "{}", refused.error);

    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_to_the_audience_alone_and_what_is_refused_is_a_status() {
    let mut bench = Bench::signed_in().await;
    let files = format!("{}/drive/v3/files", bench.sim.base_url());
    let none = format!("{files}/none");
    for host in ["a host", "none"] {
        let refused = said(&bench, &["fetch", "--grant", "google", &none]).await;
        assert_eq!((refused.status, refused.printed.as_str()), (Some(22), ""), "{host}: {}", refused.error);
        assert!(refused.error.contains("status 404"), "{host}: {}", refused.error);
        let shown = said(&bench, &["fetch", "--grant", "google", "--json", &none]).await;
        let printed: Value = serde_json::from_str(&shown.printed).unwrap();
        assert_eq!((shown.status, &printed["status"]), (Some(22), &json!(404)), "{host}");

        let elsewhere = said(&bench, &["fetch", "--grant", "google", "https://evil.example/?q=1"]).await;
        assert_eq!(elsewhere.status, Some(6), "{host}: {}", elsewhere.error);
        let expected = "https://evil.example/ is not within `grants.google.audience`";
        assert!(elsewhere.error.contains(expected), "{host}: {}", elsewhere.error);
        for header in ["Authorization: Bearer x", "Cookie: x", "Host: evil.example"] {
            let forged = said(&bench, &["fetch", "--grant", "google", "-H", header, &files]).await;
            assert_eq!(forged.status, Some(6), "{host}, {header}: {}", forged.error);
        }
        // The next page is asked for under the same rule.
        let page = json!({ "files": [1], "next": "https://evil.example/?q=2" }).to_string();
        bench.sim.arm(Fault::on("/drive/v3/files", answer(&page)));
        let led = said(&bench, &["fetch", "--grant", "google", "--paginate", "next", &files]).await;
        assert_eq!(led.status, Some(6), "{host}: {}", led.error);
        assert!(led.error.contains(expected) && serde_json::from_str::<Value>(&led.printed).is_err(), "{host}");

        // A token that is echoed is not shown, in an error neither.
        let token = secret(&bench, "access-token");
        bench.sim.arm(Fault::on("/drive/v3/files", answer(&format!("<{token}>"))).times(2));
        let echoed = said(&bench, &["fetch", "--grant", "google", "--json", &files]).await;
        assert!(echoed.printed.contains(r#""status":200"#) && !echoed.printed.contains(&token), "{}", echoed.printed);
        let echoed = said(&bench, &["fetch", "--grant", "google", "--paginate", "next", &files]).await;
        assert!(echoed.status == Some(1) && echoed.error.contains("no JSON"), "{}", echoed.error);
        assert!(!echoed.error.contains(&token) && !bench.log().contains(&token), "{host}");

        bench.sim.arm(Fault::on("/drive/v3/files", Effect::DropRequest).times(9));
        let lost = said(&bench, &["fetch", "--grant", "google", &files]).await;
        assert_eq!((lost.status, lost.printed.as_str()), (Some(1), ""), "{host}: {}", lost.error);
        bench.sim.disarm();
        let unknown = said(&bench, &["fetch", "--grant", "other", &files]).await;
        assert!(unknown.status != Some(0) && unknown.error.contains("`google`"), "{host}: {}", unknown.error);
        if host == "a host" {
            bench.stop().await;
        }
    }

    bench.start().await;
    bench.printed(&["sign-out", "google"]).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    for host in ["a host", "none"] {
        let out = said(&bench, &["fetch", "--grant", "google", &files]).await;
        assert_eq!(out.status, Some(6), "{host}: {}", out.error);
        assert!(out.error.contains("`punchcard sign-in google`"), "{host}: {}", out.error);
        if host == "a host" {
            bench.stop().await;
        }
    }
}

/// Answers with this text.
fn answer(body: &str) -> Effect {
    Effect::Answer { status: 200, content_type: "application/json".into(), body: body.to_owned() }
}

/// A service with lists of three pages, each of which says in another way where the next one is, and one that refuses every token.
#[derive(Clone, Default)]
struct Service {
    bearers: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start() -> (String, Self) {
        let service = Self::default();
        let pages = |State(service): State<Self>, Path(style): Path<String>, query: Query, headers: HeaderMap| async move {
            service.note(&headers);
            let number = |name: &str| query.0.get(name).and_then(|value| value.parse::<u32>().ok());
            let page = ["pageToken", "page_token", "cursor", "page"].iter().find_map(|name| number(name)).unwrap_or(1);
            // What the first address says beside the page is said of each.
            assert_eq!(query.0.get("kind").map(String::as_str), Some("open"), "{style}");
            let mut body = json!({ "items": [format!("{style} {page}")] });
            let mut link = String::new();
            let next = (page < 3).then(|| page + 1);
            match (style.as_str(), next) {
                ("nextPageToken" | "next_page_token" | "next_cursor", Some(next)) => {
                    body[&style] = json!(next.to_string());
                }
                ("link", Some(next)) => link = format!("<?kind=open&page={next}>; rel=\"next\""),
                (_, Some(next)) => body[&style] = json!(format!("/pages/{style}?kind=open&page={next}")),
                (_, None) => {}
            }
            ([("link", link)], Json(body))
        };
        let refuse = |State(service): State<Self>, headers: HeaderMap| async move {
            service.note(&headers);
            (StatusCode::UNAUTHORIZED, "no")
        };
        let router = Router::new().route("/pages/{style}", get(pages)).route("/closed", get(refuse));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = router.with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (origin, service)
    }

    fn note(&self, headers: &HeaderMap) {
        let bearer = headers["authorization"].to_str().unwrap().to_owned();
        self.bearers.lock().unwrap().push(bearer);
    }

    fn bearers(&self) -> Vec<String> {
        std::mem::take(&mut *self.bearers.lock().unwrap())
    }
}

type Query = axum::extract::Query<BTreeMap<String, String>>;

/// A device whose token may go to a service besides the stand-in.
async fn with_service() -> (Bench, String, Service) {
    let (origin, service) = Service::start().await;
    let mut bench = Bench::new().await;
    bench.reconfigure("audience = [", &format!("audience = [\"{origin}\", "));
    bench.start().await;
    bench.sign_in().await;
    (bench, origin, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_every_style_are_joined() {
    let (bench, origin, service) = with_service().await;
    let styles =
        ["nextPageToken", "next_page_token", "next_cursor", "next", "nextLink", "next_url", "@odata.nextLink", "link"];
    for style in styles {
        let url = format!("{origin}/pages/{style}?kind=open");
        let printed = bench.printed(&["fetch", "--grant", "google", "--paginate", style, &url]).await;
        let items: Vec<String> = serde_json::from_str(&printed).unwrap();
        assert_eq!(items, [1, 2, 3].map(|page| format!("{style} {page}")));
        let token = format!("Bearer {}", secret(&bench, "access-token"));
        assert_eq!(service.bearers(), vec![token; 3], "{style}: each page with the token");
    }
    let url = format!("{origin}/pages/link?kind=open");
    let few = said(&bench, &["fetch", "--grant", "google", "--paginate", "link", "--pages", "2", &url]).await;
    assert!(few.status == Some(1) && few.error.contains("more than 2 pages"), "{}", few.error);
    let named = ["fetch", "--grant", "google", "--paginate", "link", "--items", "none", &url];
    assert_eq!(bench.printed(&named).await, "[]\n", "a list that a service leaves out");
    let unknown = said(&bench, &["fetch", "--grant", "google", "--paginate", "nextToken", &url]).await;
    assert!(unknown.status == Some(2) && unknown.error.contains("nextPageToken"), "{}", unknown.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_refuses_every_token_is_asked_twice_and_no_more() {
    let (bench, origin, service) = with_service().await;
    let refused = said(&bench, &["fetch", "--grant", "google", &format!("{origin}/closed")]).await;
    assert!(refused.status == Some(22) && refused.error.contains("status 401"), "{}", refused.error);
    let bearers = service.bearers();
    assert_eq!(bearers.len(), 2);
    assert_ne!(bearers[0], bearers[1], "renewed once");
    assert!(bearers.iter().all(|bearer| !bench.log().contains(&bearer["Bearer ".len()..])));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_go_round_and_answers_without_end_are_an_error() {
    let bench = Bench::signed_in().await;
    let files = format!("{}/drive/v3/files", bench.sim.base_url());
    let circle = json!({ "files": [{ "name": "\u{1b}[2J\u{9b}" }], "nextPageToken": "same" }).to_string();
    bench.sim.arm(Fault::on("/drive/v3/files", answer(&circle)).times(9));
    let round = said(&bench, &["fetch", "--grant", "google", "--paginate", "nextPageToken", &files]).await;
    assert!(round.status == Some(1) && round.error.contains("page 2"), "{}", round.error);
    assert!(round.error.contains("in a circle"), "{}", round.error);
    assert!(round.printed.contains(r"\u001b[2J\u009b"), "{:?}", round.printed);
    assert!(!round.printed.contains(['\u{1b}', '\u{9b}']), "{:?}", round.printed);
    assert!(serde_json::from_str::<Value>(&round.printed).is_err(), "nobody takes it for the whole list");
    bench.sim.disarm();

    let many = json!({ "files": (0..10_000).map(|number| json!({ "id": number })).collect::<Vec<_>>() }).to_string();
    bench.sim.arm(Fault::on("/drive/v3/files", answer(&many)));
    let printed = bench.printed(&["fetch", "--grant", "google", "--paginate", "nextPageToken", &files]).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&printed).unwrap().len(), 10_000);

    bench.sim.arm(Fault::on("/drive/v3/files", Effect::Oversized { bytes: 100 << 20 }));
    let endless = said(&bench, &["fetch", "--grant", "google", &files]).await;
    assert_eq!((endless.status, endless.printed.as_str()), (Some(1), ""), "{}", endless.error);
    assert!(endless.error.contains("is longer than"), "{}", endless.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_grant_is_can_be_shown_and_given_away_without_a_secret() {
    let mut bench = Bench::new().await;
    bench.reconfigure("scopes = [", "scopes = [\"openid\", \"email\", ");
    bench.start().await;
    bench.sign_in().await;
    let secrets = ["access-token", "refresh-token"].map(|slot| secret(&bench, slot));
    let client_secret = google_sim::Config::default().clients.remove(0).secret;
    let mut all = String::new();
    for host in ["a host", "none"] {
        let text = bench.printed(&["grants", "show"]).await;
        let shown = bench.printed(&["grants", "show", "google", "--json"]).await;
        let exported = bench.printed(&["grants", "export", "google"]).await;
        all.extend([text.as_str(), &shown, &exported]);
        let shown: Value = serde_json::from_str::<Vec<Value>>(&shown).unwrap().remove(0);
        let exported: Value = serde_json::from_str(&exported).unwrap();
        for value in [&shown, &exported] {
            assert_eq!((&value["grant"], &value["plugin"]), (&json!("google"), &json!("device-flow")), "{value}");
            assert_eq!((&value["client-id"], &value["sinks"]), (&json!(CLIENT), &json!(["timesheet"])), "{value}");
            assert_eq!(value["audience"], json!([format!("{}/", bench.sim.base_url())]), "{value}");
            let is_known = host == "a host";
            let allowed = value["scopes"].as_array().is_some_and(|scopes| scopes.contains(&json!(DRIVE_FILE)));
            assert_eq!((allowed, value["granted-at"].is_string()), (is_known, is_known), "{value}");
            assert_eq!(value["account"] == google_sim::ACCOUNT, is_known, "{value}");
        }
        assert_eq!(shown["status"].is_string(), host == "a host");
        assert!(exported.get("status").is_none() && exported.get("seconds-left").is_none(), "what changes: {exported}");
        assert!(text.contains("signed in since") && text.contains("timesheet"), "{text}");
        if host == "a host" {
            // Since when, and whose it is, is known over a restart, too.
            let since = [shown["granted-at"].clone(), shown["account"].clone()];
            bench.stop().await;
            bench.start().await;
            bench.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
            let again = bench.printed(&["grants", "show", "google", "--json"]).await;
            let again = &serde_json::from_str::<Value>(&again).unwrap()[0];
            assert_eq!([again["granted-at"].clone(), again["account"].clone()], since);
            bench.stop().await;
        }
    }
    for hidden in secrets.iter().chain([&client_secret]) {
        assert!(!all.contains(hidden.as_str()), "a secret is shown");
    }
    let unknown = said(&bench, &["grants", "show", "other"]).await;
    assert!(unknown.status == Some(1) && unknown.error.contains("there is google"), "{}", unknown.error);
}

/// The sign-in as each program keeps it.
fn files_of_others(token: &str) -> Vec<(&'static str, String)> {
    let google_auth = json!({
        "token": "ya29.old", "refresh_token": token, "token_uri": "https://oauth2.googleapis.com/token", "client_id": CLIENT,
        "client_secret": "x", "scopes": [DRIVE_FILE], "universe_domain": "googleapis.com", "account": "",
        "expiry": "2024-01-01T00:00:00Z",
    });
    let gspread = json!({ "refresh_token": token, "client_id": CLIENT, "client_secret": "x", "scopes": [DRIVE_FILE] });
    let gcloud =
        json!({ "type": "authorized_user", "client_id": CLIENT, "client_secret": "x", "refresh_token": token });
    let storage = json!({
        "access_token": "ya29.old", "client_id": CLIENT, "client_secret": "x", "refresh_token": token, "token_expiry": null,
        "id_token": null, "scopes": [DRIVE_FILE], "invalid": false, "_class": "OAuth2Credentials",
        "_module": "oauth2client.client",
    });
    let key = json!({ "clientId": CLIENT, "scope": DRIVE_FILE, "userAgent": "x" });
    let multistore = json!({ "file_version": 1, "data": [{ "key": key, "credential": storage }] });
    let multiprocess = json!({ "file_version": 2, "credentials": { "mine": STANDARD.encode(storage.to_string()) } });
    let yup = json!([{ "scopes": [DRIVE_FILE], "token": { "access_token": "ya29.old", "refresh_token": token } }]);
    let all = [
        ("google-auth", google_auth),
        ("gspread", gspread),
        ("gcloud", gcloud),
        ("oauth2client", storage),
        ("multistore", multistore),
        ("multiprocess", multiprocess),
        ("yup-oauth2", yup),
    ];
    all.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_of_another_program_is_taken_over_and_the_device_starts_silently() {
    let mut bench = Bench::signed_in().await;
    let token = secret(&bench, "refresh-token");
    bench.stop().await;
    bench.replace_card();
    let path = bench.folder().join("theirs.json");
    let file = path.to_str().unwrap().to_owned();
    for (program, content) in files_of_others(&token) {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let imported = bench.command(&["grants", "import", "google", &file]).await;
        let (printed, said) =
            (String::from_utf8(imported.stdout).unwrap(), String::from_utf8(imported.stderr).unwrap());
        assert!(imported.status.success(), "{program}: {said}");
        assert!(printed.contains(DRIVE_FILE) && printed.contains("Delete "), "{program}: {printed}");
        assert!(said.contains("Others on this machine can read"), "{program}: {said}");
        assert!(!printed.contains(&token) && !said.contains(&token), "{program}");
        assert!(!bench.state().join("import").exists(), "{program}");
        bench.start().await;
        bench.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
        let shown = bench.printed(&["grants", "show", "google", "--json"]).await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown[0]["client-id"], &shown[0]["sinks"]), (&json!(CLIENT), &json!(["timesheet"])), "{shown}");
        assert!(!shown.to_string().contains(&token));
        bench.stop().await;
    }
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody was asked: {:?}", bench.sim.log());
    assert!(!bench.log().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_proved_changes_nothing() {
    let mut bench = Bench::signed_in().await;
    let path = bench.folder().join("theirs.json");
    let file = path.to_str().unwrap().to_owned();
    let (_, usable) = files_of_others(&secret(&bench, "refresh-token")).remove(0);
    fs::write(&path, &usable).unwrap();
    let running = bench.command(&["grants", "import", "google", &file]).await;
    assert_eq!(running.status.code(), Some(5), "{}", String::from_utf8_lossy(&running.stderr));
    bench.stop().await;
    let before = fs::read(bench.tokens_file()).unwrap();
    let folder = bench.folder().to_str().unwrap().to_owned();
    let other_client = usable.replace(CLIENT, "other.apps.googleusercontent.com");
    let table = [
        (files_of_others("1//s3cret").remove(0).1, "nothing was changed"),
        (other_client, "the file is of the client `other.apps.googleusercontent.com`"),
        (r#"{"installed":{"client_id":"x","client_secret":"s3cret"}}"#.to_owned(), "it is of the client `x`"),
        (r#"{"type":"service_account","private_key":"s3cret"}"#.to_owned(), "the key of a service account"),
        (r#"{"token":"s3cret","refresh_token":null,"client_id":"x"}"#.to_owned(), "no refresh token is in it"),
        (r#"{"file_version":3,"data":"s3cret"}"#.to_owned(), "none of the files that are known"),
        ("s3cret".to_owned(), "no JSON"),
        (" ".repeat(2 << 20), "longer than"),
    ];
    for (content, expected) in table {
        fs::write(&path, content).unwrap();
        let refused = bench.command(&["grants", "import", "google", &file]).await;
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains(expected) && !said.contains("s3cret"), "{said}");
        assert_eq!(fs::read(bench.tokens_file()).unwrap(), before, "{expected}");
    }
    let refused = bench.command(&["grants", "import", "google", &folder]).await;
    assert!(String::from_utf8(refused.stderr).unwrap().contains("is no file"));
    bench.sim.act(Action::ExpireAccessTokens);
    let asked = bench.sim.count("oauth.deviceCode");
    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), asked, "the sign-in of before holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_signs_in_with_a_key_takes_no_token_over() {
    let mut bench = Bench::new().await;
    let origin = bench.sim.base_url();
    write_key(&bench, &bench.sim.make_key(ACCOUNT).unwrap());
    let sheet = bench.sim.create_as_person("Hours of all");
    bench.sim.edit_file(&sheet, &FileAction::ShareWith { account: ACCOUNT.to_owned() }).unwrap();
    bench.configure(&configuration(&origin, &sheet, "spreadsheets"));
    let path = bench.folder().join("theirs.json");
    fs::write(&path, files_of_others("1//s3cret").remove(0).1).unwrap();
    let refused = said(&bench, &["grants", "import", "google", path.to_str().unwrap()]).await;
    assert!(refused.status == Some(1) && refused.error.contains("`service-account`"), "{}", refused.error);
    assert!(refused.error.contains("nothing was changed"), "{}", refused.error);
    assert!(!bench.state().join("vault/google.json").exists() && !bench.state().join("import").exists());
    // A key is as good as a person for a request, with a host and without.
    let sheet = format!("{origin}/v4/spreadsheets/{sheet}");
    assert!(bench.printed(&["fetch", "--grant", "google", &sheet]).await.contains("Hours of all"));
    bench.start().await;
    assert!(bench.printed(&["fetch", "--grant", "google", &sheet]).await.contains("Hours of all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_downloaded_client_goes_where_the_grant_looks_for_it() {
    let mut bench = Bench::new().await;
    let (file, secret) = (bench.folder().join("client_secret.json"), bench.folder().join("client-secret"));
    let demo = fs::read_to_string(&secret).unwrap();
    let client = json!({ "installed": { "client_id": CLIENT, "client_secret": demo.trim() } });
    fs::write(&file, client.to_string()).unwrap();
    let arguments = ["grants", "import", "google", file.to_str().unwrap()];
    // Nobody's other secret is overwritten.
    fs::write(&secret, "other").unwrap();
    let refused = said(&bench, &arguments).await;
    assert!(refused.status == Some(1) && refused.error.contains("move it away first"), "{}", refused.error);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "other");
    fs::remove_file(&secret).unwrap();
    let taken = said(&bench, &arguments).await;
    assert!(taken.status == Some(0) && taken.printed.contains("`punchcard sign-in google`"), "{}", taken.error);
    assert!(!taken.printed.contains(demo.trim()) && !taken.error.contains(demo.trim()));
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    bench.start().await;
    bench.sign_in().await;
}
