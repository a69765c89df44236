//! Leases that end, and leases that a service refuses.

use proptest::prelude::*;
use punchcard_sdk::auth_policy_0_2::{Directive, Refusal, Signal, Status};
use punchcard_sdk::http::Failure;

use crate::script::{Script, sent, waited};

#[test]
fn another_token_is_asked_for_before_the_end_and_requests_go_on_meanwhile() {
    let mut script = Script::authorized();
    let early = script.elapse(1_000_000);
    assert_eq!(waited(&early), 3_599_000 / 10 * 8 - 1_000_000, "a wait that ended early is waited on");
    sent(script.elapse(waited(&early)));
    assert!(script.is_authorized());
    // The server is away for longer than the lease lasts.
    let mut next = script.fail(Failure::Unsent("no route".into()));
    let mut waits = Vec::new();
    while script.is_authorized() {
        waits.push(waited(&next) / 1_000);
        sent(script.elapse(waited(&next)));
        next = script.fail(Failure::Unsent("no route".into()));
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 64, 64]);
    assert_eq!(script.headline(), "server not reached");
    sent(script.elapse(waited(&next)));
    script.grant();
    assert!(script.is_authorized());
}

#[test]
fn a_token_that_a_service_refuses_is_replaced_at_once_and_then_ever_more_slowly() {
    let mut script = Script::authorized();
    script.now_ms += 60_000;
    sent(script.step(Signal::TokenRefused));
    script.grant();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let next = script.step(Signal::TokenRefused);
        assert_eq!(script.headline(), "token was refused");
        pauses.push(waited(&next) / 1_000);
        sent(script.elapse(waited(&next)));
        script.grant();
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
    // One that lasts until the next is due ends that.
    let next = script.step(Signal::Started);
    sent(script.elapse(waited(&next)));
    script.grant();
    script.now_ms += 60_000;
    sent(script.step(Signal::TokenRefused));
}

#[test]
fn the_very_token_that_was_refused_is_no_lease() {
    let mut script = Script::authorized();
    script.now_ms += 60_000;
    sent(script.step(Signal::TokenRefused));
    let next = script.answer(200, crate::script::GRANTED);
    assert_eq!(script.headline(), "token was refused");
    assert_eq!(waited(&next), 60_000);
}

proptest! {
    /// Whatever comes in whatever order: no lease is said that has ended or whose token is not there, and something is waited
    /// for unless a person signed out or only this device can be mended.
    #[test]
    fn no_order_of_signals_leaves_it_stuck_or_gives_a_lease_without_a_token(
        events in prop::collection::vec((0_u8..12, 0_u64..4_000_000), 1..60),
    ) {
        let mut script = Script::new("");
        script.step(Signal::Started);
        for (event, milliseconds) in events {
            script.now_ms += milliseconds;
            let next = match event {
                0 => script.grant(),
                1 => script.answer(400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#),
                2 => script.answer(503, ""),
                3 => script.fail(Failure::Unsent("no route".into())),
                4 => script.step(Signal::TokenRefused),
                5 => script.step(Signal::Elapsed),
                6 => script.step(Signal::SignIn),
                7 => script.step(Signal::SignOut(false)),
                8 => script.step(Signal::Returned("http://a".into())),
                9 => script.step(Signal::TurnedAway(Refusal { error: "x".into(), description: None })),
                10 => {
                    script.boot.push('x');
                    script.now_ms = milliseconds;
                    script.step(Signal::Started)
                }
                _ => script.step(Signal::Started),
            };
            if script.is_authorized() {
                prop_assert!(script.slots.iter().any(|slot| slot.name == "access-token"));
            }
            let rests = next == Directive::Rest;
            prop_assert_eq!(rests, script.status == Status::SignedOut, "{:?}", script.status);
        }
    }
}
