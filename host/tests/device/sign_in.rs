//! Signing in, staying signed in, and signing out. The points are those of a conforming client of the device flow (RFC
//! 8628, 6749, 6750, 7009, 9700) that are the host's part; the policy's part is tested with the policy.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use google_sim::{Action, Decision, Effect, Fault};

use crate::bench::{Bench, configuration};
use crate::tap::Tap;

/// The tokens of the grant, from the file that keeps them.
fn token(bench: &Bench, slot: &str) -> String {
    let tokens = bench.tokens();
    let found = tokens["slots"][slot]["secret"].as_str();
    found
        .unwrap_or_else(|| panic!("no {slot} in {:?}", tokens.as_object().map(|all| all.keys().collect::<Vec<_>>())))
        .to_owned()
}

/// Signs in with the command that waits until somebody has entered the code, which is another than `old_code`.
async fn sign_in_by_command(bench: &Bench, old_code: &str) {
    let (signed_in, ()) = tokio::join!(bench.command(&["sign-in", "google"]), async {
        let code = loop {
            let report = bench.printed(&["status", "--json"]).await;
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            if let Some(code) = report["grants"][0]["user-code"].as_str().filter(|code| *code != old_code) {
                break code.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        bench.sim.consent(&code, Decision::Allow).unwrap();
    });
    assert!(signed_in.status.success(), "{}", String::from_utf8_lossy(&signed_in.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_once_and_later_starts_are_silent() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "{:?}", bench.sim.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_06_code_and_address_stand_on_the_panel() {
    let mut bench = Bench::new().await;
    bench.start().await;
    let code = bench.user_code().await;
    let report = bench.until("the address", |report| report["grants"][0]["url"].is_string()).await;
    assert!(report["grants"][0]["url"].as_str().unwrap().starts_with("http"), "{report:#}");
    assert!(report["grants"][0]["purpose"].as_str().is_some_and(|purpose| !purpose.is_empty()), "{report:#}");
    let before = bench.printed(&["panel"]).await;
    bench.sim.consent(&code, Decision::Allow).unwrap();
    bench.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
    assert_ne!(bench.printed(&["panel"]).await, before, "the code is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_is_asked_again_only_when_somebody_wants_it() {
    let mut bench = Bench::new().await;
    bench.start().await;
    let code = bench.user_code().await;
    bench.sim.consent(&code, Decision::Deny).unwrap();
    bench.until("the refusal is said", |report| report["grants"][0]["status"] == "blocked").await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1);
    sign_in_by_command(&bench, &code).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_30_with_01_18_and_26_secrets_go_into_bodies_and_headers_and_nowhere_else() {
    let mut bench = Bench::new().await;
    let (origin, tap) = Tap::start(bench.sim.port()).await;
    bench.configure(&configuration(&origin));
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    let (first, refresh) = (token(&bench, "access-token"), token(&bench, "refresh-token"));
    bench.sim.act(Action::ExpireAccessTokens);
    bench.press("two").await;
    bench.settle().await;
    let second = token(&bench, "access-token");
    assert_ne!(first, second);

    // 1: forms, with the client's id.
    let forms = tap.lines_with("content-type: application/x-www-form-urlencoded");
    assert!(forms.len() >= 3, "{forms:?}");
    let asked = tap.lines_with("client_id=punchcard-demo.apps.googleusercontent.com");
    assert!(asked.len() >= 3, "{asked:?}");
    // 26: in the header only.
    for access in [&first, &second] {
        let lines = tap.lines_with(access);
        assert!(!lines.is_empty());
        for line in lines {
            assert_eq!(line.to_lowercase(), format!("authorization: bearer {access}").to_lowercase());
        }
    }
    // 30: none in a URL.
    let device_code =
        tap.text().split("device_code=").nth(1).unwrap().split(['&', '\r', '\n']).next().unwrap().to_owned();
    assert!(device_code.len() > 20, "{device_code}");
    let requests = tap.lines_with("HTTP/1.1");
    assert!(requests.len() > 5, "{requests:?}");
    let secrets = [&first, &second, &refresh, &device_code, "GOCSPX-punchcard-demo"];
    for secret in secrets {
        assert!(requests.iter().all(|line| !line.contains(secret)));
        // 18: nor anywhere that a person or a plugin could see.
        assert!(!bench.log().contains(secret), "a secret is in the log");
        for arguments in [&["status"][..], &["status", "--json"], &["events", "--json"], &["sinks"], &["panel"]] {
            assert!(!bench.printed(arguments).await.contains(secret), "a secret is in {arguments:?}");
        }
        for entry in fs::read_dir(bench.state()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "a secret is in {}", path.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_23_a_new_refresh_token_is_kept_in_place_of_the_old_one_over_a_power_cut() {
    let mut bench = Bench::signed_in().await;
    let old = token(&bench, "refresh-token");
    bench.sim.arm(Fault::on("/token", Effect::RotateRefreshToken));
    bench.sim.act(Action::ExpireAccessTokens);
    bench.press("one").await;
    bench.settle().await;
    bench.kill().await;
    let new = token(&bench, "refresh-token");
    assert_ne!(new, old);
    assert!(!fs::read_to_string(bench.tokens_file()).unwrap().contains(&old));

    bench.sim.act(Action::ExpireAccessTokens);
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
    assert_eq!(token(&bench, "refresh-token"), new, "none came, the old one is kept");
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_26_a_refused_token_is_renewed_once_and_the_request_repeated_once() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    let before = bench.sim.log().len();
    bench.sim.act(Action::ExpireAccessTokens);
    bench.press("two").await;
    bench.settle().await;
    let calls: Vec<(String, Option<u16>)> =
        bench.sim.log().split_off(before).into_iter().map(|entry| (entry.operation, entry.status)).collect();
    let update = || "sheets.spreadsheets.batchUpdate".to_owned();
    assert_eq!(calls, [(update(), Some(401)), ("oauth.token".to_owned(), Some(200)), (update(), Some(200))]);
    assert_eq!(bench.delivered(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_29_two_sinks_that_are_refused_at_once_cause_one_renewal() {
    let mut bench = Bench::new().await;
    let text = configuration(&bench.sim.base_url());
    let (head, sink) = text.split_once("[sinks.timesheet]").unwrap();
    let second = sink.replace("[sinks.timesheet", "[sinks.copy").replace("Time clock", "Copy");
    bench.configure(&format!("{head}[sinks.timesheet]{sink}\n[sinks.copy]{second}"));
    bench.start().await;
    bench.sign_in().await;
    let both_idle = |count: u64| {
        move |report: &serde_json::Value| {
            report["sinks"].as_array().unwrap().iter().all(|sink| sink["rows-delivered"] == count)
        }
    };
    bench.press("one").await;
    bench.until("both have it", both_idle(1)).await;
    let before = bench.sim.count("oauth.token");
    bench.sim.act(Action::ExpireAccessTokens);
    // Both have left before either hears that it is refused.
    bench.sim.arm(Fault::on("*:batchUpdate", Effect::Slow { millis: 1_500 }).times(2));
    bench.sim.arm(Fault::on("/token", Effect::Slow { millis: 700 }));
    bench.press("two").await;
    bench.until("both have it", both_idle(2)).await;
    assert_eq!(bench.sim.count("oauth.token"), before + 1);
    let refused = bench.sim.log().iter().filter(|entry| entry.status == Some(401)).count();
    assert_eq!(refused, 2, "both were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_31_tokens_are_in_a_private_file_that_is_replaced_whole() {
    let mut bench = Bench::signed_in().await;
    let first = fs::metadata(bench.tokens_file()).unwrap();
    assert_eq!(first.permissions().mode() & 0o777, 0o600);
    let folder = fs::metadata(bench.state().join("vault")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    bench.sim.act(Action::ExpireAccessTokens);
    bench.press("one").await;
    bench.settle().await;
    let second = fs::metadata(bench.tokens_file()).unwrap();
    assert_ne!(first.ino(), second.ino(), "it was written over, not replaced");
    assert_eq!(second.permissions().mode() & 0o777, 0o600);
    let left: Vec<_> =
        fs::read_dir(bench.state().join("vault")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_taken_back_shows_a_code_again_and_no_press_is_lost_meanwhile() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.sim.act(Action::RevokeRefreshTokens);
    bench.sim.act(Action::ExpireAccessTokens);
    bench.press("two").await;
    bench.user_code().await;
    bench.press("three").await;
    assert_eq!(bench.delivered(), ["one"]);
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_without_permission_goes_on_once_somebody_signs_in_again() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.sim.act(Action::NarrowTokens);
    bench.press("two").await;
    let report = bench.until("it is held", |report| report["sinks"][0]["delivery"]["status"] == "held").await;
    assert_eq!(report["sinks"][0]["delivery"]["problem"]["headline"], "permission is missing");
    bench.printed(&["sign-out", "google"]).await;
    sign_in_by_command(&bench, "").await;
    // By itself it would look again in ten minutes.
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_was_cut_short_is_set_aside_and_a_code_shown() {
    for damage in ["", "{", "not JSON at all"] {
        let mut bench = Bench::signed_in().await;
        bench.stop().await;
        let file = bench.tokens_file();
        let whole = fs::read(&file).unwrap();
        if damage.is_empty() {
            fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        } else {
            fs::write(&file, damage).unwrap();
        }
        bench.start().await;
        let report = bench.until("it is said", |report| report["problems"][0]["part"] == "grants.google").await;
        let advice = report["problems"][0]["problem"]["advice"].as_str().unwrap();
        assert!(advice.contains("sign in again"), "{advice}");
        bench.press("one").await;
        bench.sign_in().await;
        bench.settle().await;
        assert_eq!(bench.delivered(), ["one"]);
        bench.until("it is mended", |report| report["problems"] == serde_json::json!([])).await;
        let aside = fs::read_dir(bench.state().join("vault"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"));
        assert_eq!(aside.count(), 1);
        assert!(bench.log().contains("sign in again"), "it is said");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_forgets_and_with_revoke_the_server_forgets_too() {
    let mut bench = Bench::signed_in().await;
    let refresh = token(&bench, "refresh-token");
    bench.printed(&["sign-out", "google"]).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    assert!(!fs::read_to_string(bench.tokens_file()).unwrap().contains(&refresh));
    assert_eq!(bench.sim.state()["refreshTokens"], 1, "other devices of this grant go on");
    bench.stop().await;
    bench.start().await;
    bench.until("it is still signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1, "nobody is asked who went away on purpose");

    sign_in_by_command(&bench, "").await;
    bench.printed(&["sign-out", "google", "--revoke", "--yes"]).await;
    // The device is signed out before it asks the server, as it waits for nobody to forget its tokens.
    bench.until_google("all tokens of the grant are revoked", |google| google.state()["refreshTokens"] == 0).await;
    assert_eq!(bench.sim.count("oauth.revoke"), 1);
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
}
