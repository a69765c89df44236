//! Requests of a person under a grant, and sign-ins that are taken over from other programs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use google_sim::{Action, Effect, Fault};
use serde_json::{Value, json};

use crate::bench::Bench;

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

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_joined_and_a_401_is_renewed_with_a_host_and_without() {
    let mut bench = Bench::signed_in().await;
    let origin = bench.sim.base_url();
    let files = format!("{origin}/drive/v3/files");
    for name in ["A", "B"] {
        let body = json!({ "name": name, "mimeType": "application/vnd.google-apps.spreadsheet" }).to_string();
        bench.printed(&["fetch", "--grant", "google", "--data", &body, &files]).await;
    }
    let all = ["A", "B", "Time clock"];
    // The second page is refused.
    bench.sim.arm(Fault::on("/drive/v3/files", Effect::ExpireAccessTokens).after(1));
    let refreshed = bench.sim.count("oauth.token");
    assert_eq!(names_by_page(&bench).await, all);
    assert_eq!(bench.sim.count("oauth.token"), refreshed + 1, "{:?}", bench.sim.log());
    let (first, refresh) = (secret(&bench, "access-token"), secret(&bench, "refresh-token"));

    bench.stop().await;
    bench.sim.arm(Fault::on("/drive/v3/files", Effect::ExpireAccessTokens).after(1));
    assert_eq!(names_by_page(&bench).await, all);
    assert_ne!(secret(&bench, "access-token"), first, "what the policy has learnt is kept");

    // What is not there, and what is not granted.
    let none = bench.command(&["fetch", "--grant", "google", &format!("{files}/none")]).await;
    assert_eq!(
        (none.status.code(), none.stdout.is_empty()),
        (Some(22), true),
        "{}",
        String::from_utf8_lossy(&none.stderr)
    );
    let elsewhere = bench.command(&["fetch", "--grant", "google", "https://evil.example/?q=1"]).await;
    let said = String::from_utf8(elsewhere.stderr).unwrap();
    assert_eq!(elsewhere.status.code(), Some(6), "{said}");
    assert!(said.contains("https://evil.example/ is not within `grants.google.audience`"), "{said}");
    let forged = bench.command(&["fetch", "--grant", "google", "-H", "Authorization: Bearer x", &files]).await;
    assert_eq!(forged.status.code(), Some(6));
    // A token that is echoed is not shown.
    let token = secret(&bench, "access-token");
    let echo = Effect::Answer { status: 200, content_type: "text/plain".into(), body: format!("<{token}>") };
    bench.sim.arm(Fault::on("/drive/v3/files", echo));
    let echoed = bench.printed(&["fetch", "--grant", "google", "--json", &files]).await;
    assert!(echoed.contains(r#""status":200"#) && !echoed.contains(&token), "{echoed}");
    for hidden in [&first, &refresh, &token] {
        assert!(!bench.log().contains(hidden), "a secret is in the log");
    }

    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_go_round_and_answers_without_end_are_an_error() {
    let bench = Bench::signed_in().await;
    let files = format!("{}/drive/v3/files", bench.sim.base_url());
    let page =
        |body: Value| Effect::Answer { status: 200, content_type: "application/json".into(), body: body.to_string() };
    let circle = page(json!({ "files": [{ "name": "\u{1b}[2J\u{9b}" }], "nextPageToken": "same" }));
    bench.sim.arm(Fault::on("/drive/v3/files", circle).times(9));
    let output = bench.command(&["fetch", "--grant", "google", "--paginate", "nextPageToken", &files]).await;
    let (printed, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.code() == Some(1) && said.contains("page 2") && said.contains("in a circle"), "{said}");
    assert!(printed.contains(r"\u001b[2J\u009b") && !printed.contains(['\u{1b}', '\u{9b}']), "{printed:?}");
    assert!(serde_json::from_str::<Value>(&printed).is_err(), "nobody takes it for the whole list");
    bench.sim.disarm();

    let many = page(json!({ "files": (0..10_000).map(|number| json!({ "id": number })).collect::<Vec<_>>() }));
    bench.sim.arm(Fault::on("/drive/v3/files", many));
    let printed = bench.printed(&["fetch", "--grant", "google", "--paginate", "nextPageToken", &files]).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&printed).unwrap().len(), 10_000);

    bench.sim.arm(Fault::on("/drive/v3/files", Effect::Oversized { bytes: 100 << 20 }));
    let output = bench.command(&["fetch", "--grant", "google", &files]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && output.stdout.is_empty() && said.contains("is longer than"), "{said}");
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
        (format!(r#"{{"installed":{{"client_id":"{CLIENT}","client_secret":"s3cret"}}}}"#), "is of the client alone"),
        (r#"{"type":"service_account","private_key":"s3cret"}"#.to_owned(), "the key of a service account"),
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
    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody was asked but for the first time");
}
