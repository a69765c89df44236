//! Service accounts: who is let in, and what they see.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use google_sim::{AccountChange, FileAction, GoogleSim};
use serde_json::{Value, json};

use crate::client::{Device, Reply, append, frozen, post_form};

const EMAIL: &str = "recorder@punchcard-demo.iam.gserviceaccount.com";
const SHEETS: &str = "https://www.googleapis.com/auth/spreadsheets";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn claims(sim: &GoogleSim) -> Value {
    let now = sim.now().as_second();
    json!({ "iss": EMAIL, "scope": SHEETS, "aud": format!("{}/token", sim.base_url()), "iat": now, "exp": now + 3_600 })
}

fn sign(file: &str, header: &Value, claims: &Value) -> String {
    let file: Value = serde_json::from_str(file).unwrap();
    let pem = file["private_key"].as_str().unwrap();
    let inside: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = KeyPair::from_pkcs8(&STANDARD.decode(inside).unwrap()).unwrap();
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = format!("{header}.{claims}");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn ask(sim: &GoogleSim, assertion: &str) -> Reply {
    post_form(sim, "/token", &[("grant_type", GRANT), ("assertion", assertion)]).await
}

fn description(reply: &Reply) -> (u16, String, String) {
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (reply.status, text("error"), text("error_description"))
}

#[tokio::test]
async fn an_assertion_is_compared_with_key_address_times_and_scopes() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let file = sim.make_key(EMAIL).unwrap();
    let other = sim.make_key("other@punchcard-demo.iam.gserviceaccount.com").unwrap();
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let good = claims(&sim);
    let granted = ask(&sim, &sign(&file, &header, &good)).await.ok();
    assert_eq!(
        (&granted["expires_in"], &granted["token_type"], &granted["scope"]),
        (&json!(3599), &json!("Bearer"), &json!(null))
    );

    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let now = sim.now().as_second();
    let mut late = with("iat", json!(now - 7_000));
    late["exp"] = json!(now - 3_400);
    let mut early = with("iat", json!(now + 400));
    early["exp"] = json!(now + 3_000);
    for (claims, said) in [
        (with("iss", json!("nobody@example.org")), "account not found"),
        (with("aud", json!("https://oauth2.googleapis.com/token")), "audience"),
        (with("exp", json!(now + 3_601)), "reasonable timeframe"),
        (with("exp", json!("soon")), "reasonable timeframe"),
        (late, "reasonable timeframe"),
        (early, "reasonable timeframe"),
        (with("scope", json!("everything")), "Invalid OAuth scope"),
        (with("scope", json!(null)), "Invalid OAuth scope"),
        (with("sub", json!("anna")), "Invalid email"),
        (with("sub", json!("anna@example.org")), "unauthorized"),
    ] {
        let refused = description(&ask(&sim, &sign(&file, &header, &claims)).await);
        assert!(refused.2.contains(said), "{claims}: {refused:?}");
    }
    let of_another = description(&ask(&sim, &sign(&other, &header, &good)).await);
    assert_eq!(of_another, (400, "invalid_grant".into(), "Invalid JWT Signature.".into()));
    for garbage in ["x", "a.b.c", "..", "e30.e30.e30"] {
        assert_eq!(ask(&sim, garbage).await.status, 400, "{garbage}");
    }
    let unsigned = sign(&file, &json!({ "alg": "none" }), &good);
    assert_eq!(description(&ask(&sim, &unsigned).await).2, "Invalid JWT Signature.");

    sim.change_account(EMAIL, &AccountChange::Delegate(vec![SHEETS.to_owned()]));
    ask(&sim, &sign(&file, &header, &with("sub", json!("anna@example.org")))).await.ok();
    sim.change_account(EMAIL, &AccountChange::Disable);
    assert!(description(&ask(&sim, &sign(&file, &header, &good)).await).2.contains("disabled"));
    sim.change_account(EMAIL, &AccountChange::Enable);
    sim.change_account(EMAIL, &AccountChange::DeleteKeys);
    assert!(description(&ask(&sim, &sign(&file, &header, &good)).await).2.contains("Signature"));
}

#[tokio::test]
async fn it_has_no_files_of_its_own_and_sees_only_what_was_shared_with_it() {
    let mut device = Device::start().await;
    let file = device.sim.make_key(EMAIL).unwrap();
    let mut claims = claims(&device.sim);
    claims["scope"] = json!(format!("{SHEETS} https://www.googleapis.com/auth/drive"));
    let assertion = sign(&file, &json!({ "alg": "RS256" }), &claims);
    let made = device.create("Of a device").await;
    device.token = ask(&device.sim, &assertion).await.ok()["access_token"].as_str().unwrap().to_owned();

    let create = json!({ "name": "Mine", "mimeType": "application/vnd.google-apps.spreadsheet" });
    let refused = device.post("/drive/v3/files", create).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["errors"][0]["reason"]),
        (403, &json!("storageQuotaExceeded"))
    );

    let id = device.sim.create_as_person("Of a person");
    for id in [&id, &made] {
        let refused = device.batch(id, json!([append(&[&["a"]])])).await;
        assert_eq!(refused.refused(403), "The caller does not have permission");
        assert_eq!(device.get(&format!("/drive/v3/files/{id}")).await.status, 404);
    }
    assert_eq!(device.batch("nowhere", json!([append(&[&["a"]])])).await.status, 404);
    device.sim.edit_file(&id, &FileAction::ShareWith { account: EMAIL.to_owned() }).unwrap();
    device.batch(&id, json!([append(&[&["a"]])])).await.ok();
    assert_eq!(device.values(&id, "A1:A1").await, json!([["a"]]));
}
