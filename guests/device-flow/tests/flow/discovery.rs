//! Finding an issuer's endpoints.

use punchcard_sdk::auth_policy::{Signal, Status};
use punchcard_sdk::http::Failure;

use crate::script::{CODE, DAY, SECOND, Script, lost};

const ISSUER: &str = r#"{"issuer":"https://a.example/tenant","client-id":"the-client","scopes":["write"]}"#;

const METADATA: &str = r#"{"issuer":"https://a.example/tenant","token_endpoint":"https://a.example/token",
    "device_authorization_endpoint":"https://a.example/device","revocation_endpoint":"https://a.example/revoke",
    "grant_types_supported":["urn:ietf:params:oauth:grant-type:device_code"]}"#;

const TOKEN: &str = r#"{"access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"Bearer"}"#;

const FIRST: &str = "https://a.example/tenant/.well-known/openid-configuration";
const SECOND_PLACE: &str = "https://a.example/.well-known/oauth-authorization-server/tenant";
const THIRD: &str = "https://a.example/.well-known/openid-configuration/tenant";

fn discovering() -> Script {
    let mut script = Script::new(ISSUER);
    script.signal(Signal::Started);
    script
}

fn authorized() -> Script {
    let mut script = discovering();
    script.answer(200, METADATA);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, TOKEN);
    script
}

#[test]
fn point_28_the_issuer_s_own_metadata_say_where_to_go() {
    let mut script = discovering();
    assert_eq!(script.get(), FIRST);
    assert!(script.is(&Status::SignedOut));
    script.answer(200, METADATA);
    assert_eq!(script.form().url, "https://a.example/device");
    script.answer(200, CODE);
    script.elapse();
    assert_eq!(script.form().url, "https://a.example/token");
    script.answer(200, TOKEN);
    script.signal(Signal::SignOut(true));
    assert_eq!(script.form().url, "https://a.example/revoke");
}

#[test]
fn point_28_the_other_well_known_addresses_are_asked_in_turn() {
    let mut script = discovering();
    script.answer(404, "not found");
    assert_eq!(script.get(), SECOND_PLACE);
    script.answer(200, "<html>every path has this page</html>");
    assert_eq!(script.get(), THIRD);
    script.answer(200, METADATA);
    assert_eq!(script.form().url, "https://a.example/device");

    let mut script = discovering();
    for _ in 0..3 {
        script.answer(404, "not found");
    }
    assert!(script.is_blocked("no server metadata"));
    assert!(script.problem().advice.contains("404"));
    // The proxy may have been there before its server.
    assert_eq!(script.wait() / 1_000, 60);
    script.elapse();
    assert_eq!(script.get(), FIRST);
}

#[test]
fn an_issuer_without_a_path_has_two_addresses() {
    for issuer in ["https://a.example", "https://a.example/"] {
        let mut script = Script::new(&ISSUER.replace("https://a.example/tenant", issuer));
        script.signal(Signal::Started);
        assert_eq!(script.get(), "https://a.example/.well-known/openid-configuration");
        script.answer(404, "");
        assert_eq!(script.get(), "https://a.example/.well-known/oauth-authorization-server");
        script.answer(404, "");
        assert!(script.is_blocked("no server metadata"));
    }
}

#[test]
fn point_28_the_issuer_is_compared_exactly() {
    for found in
        ["https://a.example/tenant/", "https://A.example/tenant", "https://a.example", "https://a.example:443/tenant"]
    {
        let mut script = discovering();
        script.answer(200, &METADATA.replace("https://a.example/tenant", found));
        assert_eq!(script.get(), SECOND_PLACE, "{found}");
        script.answer(404, "");
        script.answer(404, "");
        assert!(script.is_blocked("issuer differs"), "the most telling answer is shown");
        assert!(script.problem().advice.contains(&format!("`{found}`")));
    }
}

#[test]
fn point_28_metadata_without_what_is_needed_are_not_used() {
    for member in ["issuer", "token_endpoint", "device_authorization_endpoint"] {
        let mut script = discovering();
        for _ in 0..3 {
            script.answer(200, &METADATA.replace(&format!("\"{member}\""), "\"x\""));
        }
        assert!(script.is_blocked("no device flow"), "{member}");
        assert!(script.problem().advice.contains(member));
    }
    let mut script = discovering();
    script.answer(203, METADATA);
    assert_eq!(script.get(), SECOND_PLACE, "only 200 counts");
}

#[test]
fn point_28_endpoints_without_tls_are_used_only_where_the_issuer_has_none() {
    for member in ["token", "device"] {
        let mut script = discovering();
        for _ in 0..3 {
            let plain = format!("http://a.example/{member}");
            script.answer(200, &METADATA.replace(&format!("https://a.example/{member}"), &plain));
        }
        assert!(script.is_blocked("endpoint without TLS"), "{:?}", script.step());
        let advice = &script.problem().advice;
        assert!(advice.contains(member) && advice.contains("X-Forwarded-Proto"), "{advice}");
    }

    let mut script = discovering();
    script.answer(200, &METADATA.replace("https://a.example/revoke", "http://a.example/revoke"));
    assert_eq!(script.form().url, "https://a.example/device", "revocation alone is not worth stopping");

    let mut script = Script::new(&ISSUER.replace("https", "http"));
    script.signal(Signal::Started);
    assert_eq!(script.get(), FIRST.replace("https", "http"));
    script.answer(200, &METADATA.replace("https", "http"));
    assert_eq!(script.form().url, "http://a.example/device");
}

#[test]
fn a_token_endpoint_out_of_reach_is_said_before_a_code_is_asked_for() {
    let mut script = discovering();
    script.reach = vec!["https://a.example/"];
    script.answer(200, &METADATA.replace("https://a.example/token", "https://tokens.example/"));
    assert!(script.is_blocked("address not in reach") && script.rests());
    let advice = &script.problem().advice;
    assert!(advice.contains("https://tokens.example/ is not within"), "{advice}");
    script.reach.push("https://tokens.example/");
    script.signal(Signal::Started);
    script.answer(200, &METADATA.replace("https://a.example/token", "https://tokens.example/"));
    assert_eq!(script.form().url, "https://a.example/device");
}

#[test]
fn nothing_is_sent_to_find_out_what_is_in_reach() {
    let mut script = discovering();
    script.fill("device-code"); // of an earlier sign-in: it must not be sent
    let step = script.answer(200, METADATA);
    assert_eq!(script.form().url, "https://a.example/device");
    assert!(!script.slots.contains_key("device-code") && step.next == script.step().next);
}

#[test]
fn a_page_in_place_of_metadata_is_waited_out() {
    let mut script = discovering();
    for status in [200, 403, 404] {
        script.answer(status, "<html>Sign in to the hotel");
    }
    assert!(script.is_blocked("network in the way"));
    assert_eq!(script.wait(), 60 * SECOND);
    script.elapse();
    assert_eq!(script.get(), FIRST);
    script.answer(503, "<html>");
    assert!(script.is_blocked("network in the way"));
    script.elapse();
    script.answer(200, METADATA);
    assert_eq!(script.form().url, "https://a.example/device");
}

#[test]
fn an_issuer_that_does_not_answer_is_asked_again() {
    let mut script = discovering();
    script.fail(Failure::Unsent("no route".into()));
    assert!(script.is_blocked("server not reached"));
    assert_eq!(script.wait(), SECOND);
    script.elapse();
    assert_eq!(script.get(), FIRST);
    script.answer(503, "");
    assert_eq!(script.wait(), 2 * SECOND);
    script.signal(Signal::SignIn);
    assert_eq!(script.get(), FIRST, "a person need not wait");
    script.answer(404, "");
    script.answer(429, "");
    assert_eq!(script.wait(), SECOND);
    script.elapse();
    assert_eq!(script.get(), SECOND_PLACE, "the search goes on where it was");
}

#[test]
fn an_issuer_out_of_reach_is_said() {
    let mut script = discovering();
    script.fail(Failure::Denied(FIRST.into()));
    assert!(script.is_blocked("address not in reach") && script.rests());
}

#[test]
fn renewals_use_what_was_found_and_search_again_when_it_is_gone() {
    let mut script = authorized();
    script.elapse();
    assert_eq!(script.form().url, "https://a.example/token");
    script.answer(404, "moved away");
    script.elapse();
    assert_eq!(script.get(), FIRST);
    script.lease();
    script.answer(200, &METADATA.replace("example/token", "example/v2/token"));
    assert_eq!(script.form().url, "https://a.example/v2/token");
    script.answer(200, TOKEN);
    script.lease();
}

#[test]
fn a_search_for_a_renewal_waits_without_discarding_anything() {
    let mut script = Script::new(ISSUER);
    script.fill("refresh-token");
    script.signal(Signal::Started);
    assert_eq!(script.get(), FIRST);
    assert!(script.is(&Status::Renewing));
    script.fail(lost());
    assert!(script.is(&Status::Renewing));
    script.elapse();
    for _ in 0..3 {
        script.answer(404, "");
    }
    assert!(script.is_blocked("no server metadata"));
    assert_eq!(script.wait() / 1_000, 60);
    assert!(script.slots.contains_key("refresh-token"));
    script.elapse();
    script.answer(200, METADATA);
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
}

#[test]
fn a_new_sign_in_looks_for_the_endpoints_anew() {
    let mut script = authorized();
    script.reboot(DAY);
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://a.example/token");
    script.answer(400, r#"{"error":"invalid_grant"}"#);
    assert_eq!(script.get(), FIRST);
}

#[test]
fn a_revocation_needs_an_endpoint_that_was_found() {
    let mut script = Script::new(ISSUER);
    script.fill("refresh-token");
    script.signal(Signal::SignOut(true));
    assert!(script.is_blocked("not revoked") && script.rests() && script.filled().is_empty());
}

#[test]
fn settings_that_no_longer_name_an_issuer_end_its_search() {
    let mut script = discovering();
    script.fail(lost());
    script.change_settings(crate::script::ENDPOINTS);
    script.elapse();
    assert_eq!(script.form().url, "https://a.example/device");
}
