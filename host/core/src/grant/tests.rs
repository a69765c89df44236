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
    assert_eq!(keeper.standing(), &GrantStatus::Starting);
    for _ in 0..2 {
        assert_eq!(keeper.plan(7), Plan::Step(Signal::Started));
    }
    assert_eq!(keeper.stepped(Status::SignedOut, Directive::Rest, None, 7), None);
    assert_eq!((keeper.plan(8), keeper.standing()), (Plan::Rest, &GrantStatus::SignedOut));
}

#[test]
fn a_wait_ends_with_elapsed_and_not_before() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(Status::AwaitingPerson(prompt()), Directive::Wait(5_000), None, 1_000);
    let until_ms = 1_801_000;
    assert_eq!(keeper.standing(), &GrantStatus::AwaitingPerson { prompt: prompt(), until_ms });
    assert_eq!((keeper.plan(5_999), keeper.goes_on_at_ms()), (Plan::WaitUntil(6_000), Some(6_000)));
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
fn an_answer_is_unheard_until_the_policy_has_taken_its_step() {
    let mut keeper = Keeper::default();
    assert_eq!(keeper.unheard_answer(), None, "it has asked for nothing");
    let lost = || Signal::Failed(Failure::SignedOut);
    keeper.answered(lost());
    assert_eq!(keeper.unheard_answer(), Some(lost()));
    keeper.stepped(Status::Renewing, Directive::Wait(5_000), None, 0);
    assert_eq!(keeper.unheard_answer(), None);
}

#[test]
fn a_failed_policy_is_started_again_after_pauses_that_grow_whatever_is_asked() {
    let mut keeper = Keeper::default();
    for (now_ms, until_ms) in [(0, 1_000), (1_000, 3_000), (3_000, 7_000)] {
        assert_eq!(keeper.plan(now_ms), Plan::Step(Signal::Started));
        keeper.failed("trap".into(), now_ms);
        assert_eq!(keeper.standing(), &GrantStatus::Failing { reason: "trap".into() });
        keeper.ask(Signal::SignIn);
        assert_eq!(keeper.plan(until_ms - 1), Plan::WaitUntil(until_ms));
    }
    assert_eq!(keeper.plan(7_000), Plan::Step(Signal::Started));
    keeper.stepped(Status::SignedOut, Directive::Rest, None, 7_000);
    assert_eq!(keeper.plan(7_000), Plan::Step(Signal::SignIn));
    keeper.failed("trap".into(), 7_000);
    assert_eq!(keeper.plan(7_001), Plan::WaitUntil(8_000), "a success begins the count anew");
}

/// The lease of a token before any refusal.
fn lease(token: u64) -> LeaseId {
    LeaseId { token, refusals: 0 }
}

#[test]
fn a_refusal_is_news_for_the_current_lease_only_and_once() {
    let mut keeper = signed_in(4);
    assert_eq!(keeper.standing().lease(0), Some(lease(4)));
    assert!(!keeper.refuse(lease(3)));
    assert_eq!(keeper.plan(0), Plan::Rest);
    assert!(keeper.refuse(lease(4)));
    assert_eq!(keeper.standing(), &GrantStatus::Renewing);
    assert!(!keeper.refuse(lease(4)));
    assert_eq!(keeper.plan(0), Plan::Step(Signal::TokenRefused));
    keeper.stepped(authorized(None), Directive::Rest, Some(5), 0);
    assert_eq!(keeper.plan(0), Plan::Rest);
    assert_eq!(keeper.standing().lease(0), Some(LeaseId { token: 5, refusals: 1 }));
    assert!(!keeper.refuse(lease(4)), "nobody has that lease any more");
}

#[test]
fn a_policy_that_holds_on_to_a_refused_token_gives_a_new_lease_of_it() {
    let mut keeper = signed_in(4);
    assert!(keeper.refuse(lease(4)));
    assert_eq!(keeper.plan(0), Plan::Step(Signal::TokenRefused));
    keeper.stepped(authorized(None), Directive::Rest, Some(4), 0);
    // Otherwise those who wait for another lease than the refused one would wait for ever.
    assert_eq!(keeper.standing().lease(0), Some(LeaseId { token: 4, refusals: 1 }));
}

#[test]
fn a_refusal_during_a_renewal_is_dropped_when_that_brings_another_token() {
    let mut keeper = signed_in(4);
    keeper.ask(Signal::SignIn);
    assert_eq!(keeper.plan(0), Plan::Step(Signal::SignIn));
    keeper.stepped(Status::Renewing, Directive::Rest, Some(4), 0);
    assert!(keeper.refuse(lease(4)));
    keeper.answered(Signal::Elapsed);
    assert_eq!(keeper.plan(0), Plan::Step(Signal::Elapsed));
    keeper.stepped(authorized(None), Directive::Rest, Some(5), 0);
    assert_eq!(keeper.plan(0), Plan::Rest, "the refused token is gone");
    assert_eq!(keeper.standing().lease(0), Some(lease(5)));
}

#[test]
fn a_refusal_during_a_renewal_that_fails_reaches_the_policy() {
    let mut keeper = signed_in(4);
    keeper.ask(Signal::SignIn);
    keeper.plan(0);
    keeper.stepped(Status::Renewing, Directive::Rest, Some(4), 0);
    assert!(keeper.refuse(lease(4)));
    keeper.answered(Signal::Elapsed);
    keeper.plan(0);
    keeper.stepped(authorized(None), Directive::Rest, Some(4), 0);
    assert_eq!(keeper.standing(), &GrantStatus::Renewing, "nobody is sent with it");
    assert_eq!(keeper.plan(0), Plan::Step(Signal::TokenRefused));
}

#[test]
fn a_refusal_means_nothing_once_nobody_is_signed_in() {
    let mut keeper = signed_in(4);
    assert!(keeper.refuse(lease(4)));
    keeper.phase = Phase::Due(Signal::SignOut { revoke: false });
    keeper.stepped(Status::SignedOut, Directive::Rest, None, 0);
    assert_eq!(keeper.plan(0), Plan::Rest);
    assert!(!keeper.refuse(lease(4)));
}

#[test]
fn what_a_person_asked_for_outlives_failures_of_the_policy() {
    let mut keeper = signed_in(4);
    let sign_out = Signal::SignOut { revoke: true };
    keeper.ask(sign_out.clone());
    let mut now_ms = 0;
    let mut asked = 0;
    for _ in 0..REPEATS + 3 {
        if keeper.plan(now_ms) == Plan::Step(sign_out.clone()) {
            asked += 1;
            keeper.failed("no room".into(), now_ms);
            now_ms += 100_000;
            assert_eq!(keeper.plan(now_ms), Plan::Step(Signal::Started));
            keeper.stepped(authorized(None), Directive::Rest, Some(4), now_ms);
        }
    }
    assert_eq!(asked, REPEATS + 1, "and no longer than makes sense");
    assert_eq!(keeper.plan(now_ms), Plan::Rest);
}

#[test]
fn a_refusal_that_the_policy_always_fails_on_is_given_up() {
    let mut keeper = signed_in(4);
    assert!(keeper.refuse(lease(4)));
    let mut now_ms = 0;
    while keeper.plan(now_ms) == Plan::Step(Signal::TokenRefused) {
        keeper.failed("a trap".into(), now_ms);
        now_ms += 100_000;
        keeper.plan(now_ms);
        keeper.stepped(authorized(None), Directive::Rest, Some(4), now_ms);
    }
    assert_eq!(keeper.standing().lease(now_ms), Some(LeaseId { token: 4, refusals: 1 }));
}

#[test]
fn a_policy_that_runs_in_circles_is_slowed_down() {
    let mut keeper = Keeper::default();
    for _ in 0..IDLE_STEPS.get() {
        assert!(matches!(keeper.plan(5), Plan::Step(_)));
        keeper.stepped(Status::SignedOut, Directive::Wait(0), None, 5);
    }
    assert_eq!(keeper.plan(6), Plan::WaitUntil(60_005));
    // An answer of a server is not made to wait.
    let answer = Signal::Responded(crate::http::Response { status: 200, headers: Vec::new(), body: Vec::new() });
    keeper.answered(answer.clone());
    assert_eq!(keeper.plan(6), Plan::Step(answer));
}

#[test]
fn trouble_of_the_device_is_said_until_the_next_step() {
    let mut keeper = signed_in(4);
    keeper.note_trouble("the card is full".into());
    assert_eq!(keeper.standing(), &GrantStatus::Failing { reason: "the card is full".into() });
    assert_eq!(keeper.plan(0), Plan::Rest);
}

#[test]
fn a_lease_ends_when_the_server_said() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(authorized(Some(60)), Directive::Rest, Some(2), 1_000);
    assert_eq!(keeper.standing().lease(60_999), Some(lease(2)));
    assert_eq!(keeper.standing().lease(61_000), None);
    assert_eq!(GrantStatus::Renewing.lease(0), None);
}

#[test]
fn a_lease_that_has_ended_is_not_signed_in_whatever_the_policy_has_said() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(authorized(Some(60)), Directive::Wait(48_000), Some(2), 1_000);
    let request = AuthRequest::Get("https://example.com".into());
    keeper.plan(49_000);
    keeper.stepped(authorized(Some(12)), Directive::Send(request), Some(2), 49_000);
    let standing = keeper.standing().clone();
    assert_eq!(standing.clone().at(60_999), standing, "while the renewal is under way it is good");
    assert_eq!(standing.at(61_000), GrantStatus::Renewing, "and then requests wait for that");
    assert_eq!(GrantStatus::SignedOut.at(61_000), GrantStatus::SignedOut);
}

#[test]
fn each_lease_can_be_refused() {
    let mut keeper = signed_in(4);
    for token in 5..8 {
        let current = keeper.standing().lease(0).unwrap();
        assert!(keeper.refuse(current));
        assert_eq!(keeper.plan(0), Plan::Step(Signal::TokenRefused));
        keeper.stepped(authorized(None), Directive::Rest, Some(token), 0);
        assert_ne!(keeper.standing().lease(0).unwrap().token, current.token);
    }
}

#[test]
fn a_policy_without_a_token_is_not_believed_to_be_authorized() {
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(authorized(None), Directive::Rest, None, 0);
    assert!(matches!(keeper.standing(), GrantStatus::Failing { .. }));
}

#[test]
fn a_blocked_grant_says_why() {
    let problem = Problem { headline: "access denied".into(), advice: "sign in again".into() };
    let mut keeper = Keeper::default();
    keeper.plan(0);
    keeper.stepped(Status::Blocked(problem.clone()), Directive::Rest, None, 0);
    assert_eq!(keeper.standing(), &GrantStatus::Blocked(problem));
}

fn on_request() -> Keeper {
    let mut keeper = Keeper::new(SignIn::OnRequest);
    keeper.note_no_token();
    keeper
}

#[test]
fn a_policy_on_request_is_not_started_before_a_person_wants_it_unless_there_is_a_token() {
    let mut keeper = on_request();
    assert_eq!((keeper.plan(0), keeper.standing()), (Plan::Rest, &GrantStatus::SignedOut));
    keeper.ask(Signal::SignIn);
    assert_eq!(keeper.plan(1), Plan::Step(Signal::Started));
    keeper.stepped(Status::SignedOut, Directive::Rest, None, 1);
    assert_eq!(keeper.plan(2), Plan::Step(Signal::SignIn));
    keeper.stepped(Status::AwaitingPerson(prompt()), Directive::Rest, None, 2);
    assert!(matches!(keeper.standing(), GrantStatus::AwaitingPerson { .. }));
    assert_eq!(keeper.plan(3), Plan::Rest);

    let mut with_token = Keeper::new(SignIn::OnRequest);
    assert_eq!(with_token.plan(0), Plan::Step(Signal::Started));
    let mut at_start = Keeper::new(SignIn::AtStart);
    at_start.note_no_token();
    assert_eq!(at_start.plan(0), Plan::Step(Signal::Started));
}

#[test]
fn a_policy_that_asks_for_a_person_whom_nobody_wants_gives_its_try_up() {
    let mut keeper = Keeper::new(SignIn::OnRequest);
    keeper.plan(0);
    for now_ms in 1..3 {
        keeper.stepped(Status::AwaitingPerson(prompt()), Directive::Wait(5_000), None, now_ms);
        assert_eq!(keeper.standing(), &GrantStatus::SignedOut);
        assert_eq!(keeper.plan(now_ms), Plan::Step(Signal::SignOut { revoke: false }));
    }
    keeper.stepped(Status::SignedOut, Directive::Rest, None, 4);
    assert_eq!(keeper.plan(5), Plan::Rest);
}

#[test]
fn the_wish_to_sign_in_ends_with_the_sign_in_or_with_another_wish() {
    for ends_by_sign_in in [true, false] {
        let mut keeper = on_request();
        keeper.ask(Signal::SignIn);
        keeper.plan(0);
        if ends_by_sign_in {
            keeper.stepped(authorized(None), Directive::Rest, Some(1), 0);
        } else {
            keeper.ask(Signal::SignOut { revoke: false });
        }
        assert!(keeper.is_unwanted(&Status::AwaitingPerson(prompt())));
    }
    let mut keeper = on_request();
    keeper.ask(Signal::SignIn);
    assert!(!keeper.is_unwanted(&Status::AwaitingPerson(prompt())));
}
