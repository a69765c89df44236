//! Scripts of what happens to a grant, and the policy's next signal.

use super::*;
use crate::http::Failure;
use crate::plugin::auth::Lease;

fn prompt() -> Prompt {
    Prompt {
        user_code: "GQVQ-JKEC".into(),
        url: "https://www.google.com/device".into(),
        complete_url: None,
        purpose: String::new(),
        expires_in_seconds: 1_800,
    }
}

fn authorized(seconds: Option<u32>) -> Status {
    Status::Authorized(Lease { expires_in_seconds: seconds, scopes: vec!["drive.file".into()] })
}

/// A keeper whose policy has a token of this version and rests.
fn signed_in(token: u64) -> Keeper {
    let mut keeper = Keeper::default();
    assert_eq!(keeper.plan(0), Plan::Step(Signal::Started));
    assert_eq!(keeper.stepped(authorized(None), Directive::Rest, Some(token), 0), None);
    keeper
}

#[test]
fn the_first_signal_is_started_and_is_given_until_it_is_answered() {
    let mut keeper = Keeper::default();
    assert_eq!(keeper.standing(), &Standing::Starting);
    for _ in 0..2 {
        assert_eq!(keeper.plan(7), Plan::Step(Signal::Started));
    }
    assert_eq!(keeper.stepped(Status::SignedOut, Directive::Rest, None, 7), None);
    assert_eq!((keeper.plan(8), keeper.standing()), (Plan::Rest, &Standing::SignedOut));
}

#[test]
fn a_wait_ends_with_elapsed_and_not_before() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(Status::AwaitingPerson(prompt()), Directive::Wait(5_000), None, 1_000);
    let until_ms = 1_801_000;
    assert_eq!(keeper.standing(), &Standing::AwaitingPerson { prompt: prompt(), until_ms });
    assert_eq!(keeper.plan(5_999), Plan::WaitUntil(6_000));
    assert_eq!(keeper.plan(6_000), Plan::Step(Signal::Elapsed));
}

#[test]
fn a_signal_ends_a_wait_and_several_come_in_order_once_each() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(Status::Renewing, Directive::Wait(5_000), None, 0);
    for signal in [Signal::SignIn, Signal::SignOut { revoke: true }, Signal::SignIn] {
        keeper.ask(signal);
    }
    assert_eq!(keeper.plan(1), Plan::Step(Signal::SignIn));
    keeper.stepped(Status::Renewing, Directive::Rest, None, 1);
    assert_eq!(keeper.plan(2), Plan::Step(Signal::SignOut { revoke: true }));
    keeper.stepped(Status::SignedOut, Directive::Rest, None, 2);
    assert_eq!(keeper.plan(3), Plan::Rest);
}

#[test]
fn signals_that_come_during_a_request_wait_for_its_answer() {
    let mut keeper = signed_in(1);
    keeper.ask(Signal::SignIn);
    keeper.plan(0);
    let request = AuthRequest::Get("https://example.com".into());
    let sent = keeper.stepped(Status::Renewing, Directive::Send(request.clone()), Some(1), 0);
    assert_eq!(sent, Some(request));
    keeper.ask(Signal::SignOut { revoke: false });
    let failed = Signal::Failed(Failure::Unsent("no route".into()));
    keeper.answered(failed.clone());
    assert_eq!(keeper.plan(1), Plan::Step(failed));
    keeper.stepped(Status::Renewing, Directive::Wait(9), Some(1), 1);
    assert_eq!(keeper.plan(2), Plan::Step(Signal::SignOut { revoke: false }));
}

#[test]
fn a_failed_policy_is_started_again_after_pauses_that_grow_whatever_is_asked() {
    let mut keeper = Keeper::default();
    for (now_ms, until_ms) in [(0, 1_000), (1_000, 3_000), (3_000, 7_000)] {
        assert_eq!(keeper.plan(now_ms), Plan::Step(Signal::Started));
        keeper.failed("trap".into(), now_ms);
        assert_eq!(keeper.standing(), &Standing::Failing { reason: "trap".into() });
        keeper.ask(Signal::SignIn);
        assert_eq!(keeper.plan(until_ms - 1), Plan::WaitUntil(until_ms));
    }
    assert_eq!(keeper.plan(7_000), Plan::Step(Signal::Started));
    keeper.stepped(Status::SignedOut, Directive::Rest, None, 7_000);
    assert_eq!(keeper.plan(7_000), Plan::Step(Signal::SignIn));
    keeper.failed("trap".into(), 7_000);
    assert_eq!(keeper.plan(7_001), Plan::WaitUntil(8_000), "a success begins the count anew");
}

#[test]
fn a_refusal_is_news_for_the_current_lease_only_and_once() {
    let mut keeper = signed_in(4);
    assert_eq!(keeper.standing().lease(0), Some(4));
    assert!(!keeper.refuse(3));
    assert_eq!(keeper.plan(0), Plan::Rest);
    assert!(keeper.refuse(4));
    assert_eq!(keeper.standing(), &Standing::Renewing);
    assert!(!keeper.refuse(4));
    assert_eq!(keeper.plan(0), Plan::Step(Signal::TokenRefused));
    keeper.stepped(authorized(None), Directive::Rest, Some(5), 0);
    assert_eq!((keeper.plan(0), keeper.standing().lease(0)), (Plan::Rest, Some(5)));
}

#[test]
fn a_lease_ends_when_the_server_said() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(authorized(Some(60)), Directive::Rest, Some(2), 1_000);
    assert_eq!(keeper.standing().lease(60_999), Some(2));
    assert_eq!(keeper.standing().lease(61_000), None);
    assert_eq!(Standing::Renewing.lease(0), None);
}

#[test]
fn a_policy_without_a_token_is_not_believed_to_be_authorized() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(authorized(None), Directive::Rest, None, 0);
    assert!(matches!(keeper.standing(), Standing::Failing { .. }));
}

#[test]
fn a_blocked_grant_says_why() {
    let problem = Problem { headline: "access denied".into(), advice: "sign in again".into() };
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(Status::Blocked(problem.clone()), Directive::Rest, None, 0);
    assert_eq!(keeper.standing(), &Standing::Blocked(problem));
}
