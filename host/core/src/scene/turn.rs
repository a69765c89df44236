//! What is beneath the passing scenes: starting, sign-in, idle and problems, by turns.

use super::span::Span;
use super::state::{Pending, Wall};
use super::{IDLE_TURN_MS, Idle, PanelState, SIGN_IN_TURN_MS, Scene, SignIn, reading_for_ms};
use crate::plugin::Problem;

/// One of the scenes that take turns.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ground<'state> {
    Starting,
    SignIn(&'state Pending),
    Idle,
    Problem(&'state Problem),
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Showing<'state> {
    pub(super) ground: Ground<'state>,
    pub(super) from: u64,
    /// None: nobody else waits for a turn.
    until: Option<u64>,
}

impl Showing<'_> {
    /// When this turn or what it shows is another. None: not by itself.
    pub(super) fn next_change(&self, state: &PanelState, now_ms: u64) -> Option<u64> {
        let within = match self.ground {
            Ground::SignIn(pending) => {
                Some(pending.expires_at - u64::from(seconds_left(pending, now_ms).saturating_sub(1)) * 1_000)
            }
            Ground::Idle => state.wall.map(|wall| wall.next_minute(now_ms)),
            Ground::Starting | Ground::Problem(_) => None,
        };
        // A code that expires changes whose turn it is also while it is not its own.
        let expiry = usable(state, now_ms).map(|pending| pending.expires_at).min();
        [within, self.until, expiry].into_iter().flatten().min()
    }
}

impl Ground<'_> {
    fn lasts_for_ms(&self) -> u64 {
        match self {
            Self::Starting | Self::Idle => IDLE_TURN_MS,
            Self::SignIn(pending) => SIGN_IN_TURN_MS.max(reading_for_ms(&pending.prompt.url)),
            Self::Problem(problem) => reading_for_ms(&problem.advice),
        }
    }

    pub(super) fn scene(&self, state: &PanelState, now_ms: u64) -> Scene {
        match self {
            Self::Starting => Scene::Starting { device: state.device.clone() },
            Self::SignIn(pending) => Scene::SignIn(SignIn {
                user_code: pending.prompt.user_code.clone(),
                url: pending.prompt.url.clone(),
                complete_url: pending.prompt.complete_url.clone(),
                purpose: pending.prompt.purpose.clone(),
                seconds_left: seconds_left(pending, now_ms),
            }),
            Self::Idle => Scene::Idle(Idle {
                device: state.device.clone(),
                chosen: state.chosen.clone(),
                standing: standing(state),
                clock: state.wall.map(|wall| wall.hours_and_minutes(now_ms)),
                undelivered: state.undelivered,
            }),
            Self::Problem(problem) => Scene::Problem((*problem).clone()),
        }
    }
}

/// Turns begin anew when a passing scene ended and when what takes turns became another.
pub(super) fn plan_turn<'state>(state: &'state PanelState, spans: &[Span<'_>], now_ms: u64) -> Showing<'state> {
    let over = |at: &u64| *at <= now_ms;
    let expiries = state.prompts.values().map(|pending| pending.expires_at).filter(over);
    let ends = spans.iter().map(|span| span.until).filter(over);
    let since = expiries.chain(ends).fold(state.ground_at.max(state.started_at), u64::max);

    let grounds = plan_grounds(state, now_ms);
    let cycle_ms: u64 = grounds.iter().map(Ground::lasts_for_ms).sum();
    if let [ground] = grounds[..] {
        return Showing { ground, from: since, until: None };
    }
    let mut from = now_ms - now_ms.saturating_sub(since) % cycle_ms.max(1);
    let mut turn = Showing { ground: Ground::Idle, from, until: None };
    for ground in grounds {
        let until = from.saturating_add(ground.lasts_for_ms());
        turn = Showing { ground, from, until: Some(until) };
        if now_ms < until {
            break;
        }
        from = until;
    }
    turn
}

/// What takes turns, in order.
fn plan_grounds(state: &PanelState, now_ms: u64) -> Vec<Ground<'_>> {
    let problems = state.problems.values().map(Ground::Problem);
    if !state.ready {
        // What keeps it from starting may last until a person has mended it.
        return if state.problems.is_empty() { vec![Ground::Starting] } else { problems.collect() };
    }
    let mut grounds: Vec<_> = usable(state, now_ms).map(Ground::SignIn).collect();
    // A person who copies a code is not interrupted by what the device would say to nobody.
    if grounds.is_empty() {
        grounds.push(Ground::Idle);
    }
    grounds.extend(problems);
    grounds
}

fn usable(state: &PanelState, now_ms: u64) -> impl Iterator<Item = &Pending> {
    state.prompts.values().filter(move |pending| pending.expires_at > now_ms)
}

fn seconds_left(pending: &Pending, now_ms: u64) -> u32 {
    u32::try_from(pending.expires_at.saturating_sub(now_ms).div_ceil(1_000)).unwrap_or(u32::MAX)
}

fn standing(state: &PanelState) -> Option<String> {
    let lines: Vec<_> = state.standing.values().map(String::as_str).collect();
    (!lines.is_empty()).then(|| lines.join(" · "))
}

const MINUTE_MICROS: i64 = 60_000_000;

impl Wall {
    fn unix_micros(&self, now_ms: u64) -> i64 {
        let passed_ms = i64::try_from(now_ms.saturating_sub(self.at)).unwrap_or(i64::MAX);
        self.instant.unix_micros.saturating_add(passed_ms.saturating_mul(1_000))
    }

    fn hours_and_minutes(&self, now_ms: u64) -> String {
        let minute = self.minute_of_day(now_ms);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }

    /// Minutes since the local midnight.
    pub(super) fn minute_of_day(&self, now_ms: u64) -> u16 {
        let minutes = self.unix_micros(now_ms).div_euclid(MINUTE_MICROS) + i64::from(self.instant.utc_offset_minutes);
        u16::try_from(minutes.rem_euclid(24 * 60)).unwrap_or(0)
    }

    /// The first millisecond of the next minute. Offsets from UTC are whole minutes.
    pub(super) fn next_minute(&self, now_ms: u64) -> u64 {
        let left_micros = MINUTE_MICROS - self.unix_micros(now_ms).rem_euclid(MINUTE_MICROS);
        now_ms.saturating_add(left_micros.unsigned_abs().div_ceil(1_000))
    }
}
