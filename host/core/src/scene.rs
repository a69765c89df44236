//! What the panel shows now: one [`Scene`], decided from what was noted in the [`PanelState`] and the time.
//!
//! What it deliberately does not know: pixels, fonts, the panel's size, how a scene is drawn, and any clock. Times are
//! milliseconds of a clock that never decreases.
//!
//! The order, first that holds: *saving*, once an accept takes longer than [`SAVING_AFTER_MS`]; what became of the
//! last press (*recorded*, or the problem that kept it from being recorded); *choosing*, after a turn; *delivered*; and
//! beneath these *starting*, then *sign-in* for as long as a code can be used, else *idle*, taking turns with the
//! problems there are. Signing in never stands in the way of a press: the code comes back after the result.
//!
//! What always holds: *recorded* is shown only after [`PanelState::note_recorded`], which wants the ledger's sequence;
//! a code that has expired is not shown; between two instants of [`PanelState::next_change`] the scene stays the same.

use crate::plugin::Problem;

mod span;
mod state;
mod turn;

pub use self::state::PanelState;

/// An accept that is not durable after this many milliseconds is said to be under way.
pub const SAVING_AFTER_MS: u64 = 150;
/// What became of a press stands for at least this many milliseconds, even when a turn follows at once: a press on an
/// encoder's knob easily turns it a little.
pub const RESULT_HOLD_MS: u64 = 800;
/// A press is shown as recorded for this many milliseconds, longer with a notice of more than 16 characters.
pub const RECORDED_FOR_MS: u64 = 3_000;
/// After the last turn the choice stands for this many milliseconds.
pub const CHOOSING_FOR_MS: u64 = 4_000;
/// That the rows arrived stands for this many milliseconds.
pub const DELIVERED_FOR_MS: u64 = 2_000;
/// That rows arrived is shown for as long after a press as the person can be supposed to stand there.
pub const PERSON_STAYS_FOR_MS: u64 = 30_000;
/// The idle panel's turn, where there are problems too.
pub const IDLE_TURN_MS: u64 = 6_000;
/// A code's turn, where there are problems or other codes too: enough to type it.
pub const SIGN_IN_TURN_MS: u64 = 20_000;

/// What the panel shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    /// The device is not ready yet.
    Starting {
        /// The device's name in plugins.toml.
        device: String,
    },
    /// A person has to let the device in.
    SignIn(SignIn),
    /// Nothing happens.
    Idle(Idle),
    /// A choice is being turned.
    Choosing(Choosing),
    /// A press waits to become durable.
    Saving,
    /// A press is durable.
    Recorded {
        /// Whose it was, and the formatter's word for it: `Anna, Garden: started`. Each may be missing.
        notice: Option<String>,
    },
    /// What was recorded arrived.
    Delivered {
        /// Events that have not.
        undelivered: u64,
    },
    /// A person has to mend this.
    Problem(Problem),
}

/// Where to go and what to type there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// To be shown as it is.
    pub user_code: String,
    /// Where to type it, as the server gave it.
    pub url: String,
    /// A link that needs no typing, for a QR code.
    pub complete_url: Option<String>,
    /// What is asked for, in words. May be empty.
    pub purpose: String,
    /// Until the code expires. At least 1.
    pub seconds_left: u32,
}

/// What stands on the panel when nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The device's name in plugins.toml.
    pub device: String,
    /// What the next press will carry.
    pub chosen: Option<Chosen>,
    /// The formatters' standing lines: `Garden since 09:02`.
    pub standing: Option<String>,
    /// The device's local time as `HH:MM`; none while it is not known.
    pub clock: Option<String>,
    /// Recorded events whose rows have not arrived yet.
    pub undelivered: u64,
}

/// A choice and its item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// What is chosen: `Project`.
    pub label: String,
    /// The item.
    pub item: String,
}

/// A choice while it is turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choosing {
    /// What is chosen: `Project`.
    pub label: String,
    /// The item.
    pub item: String,
    /// Its place, from 0.
    pub index: usize,
    /// How many items there are.
    pub count: usize,
}

/// A scene, and since when it has been there: text that scrolls starts with its scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What is shown.
    pub scene: Scene,
    /// Milliseconds for which it has been shown.
    pub shown_for_ms: u64,
}

/// Milliseconds in which a text that scrolls can be read to its end, at most a minute.
#[must_use]
pub fn reading_for_ms(text: &str) -> u64 {
    let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    characters.saturating_mul(180).saturating_add(4_000).min(60_000)
}

/// Decides what is shown at `now_ms`.
#[must_use]
pub fn plan_scene(state: &PanelState, now_ms: u64) -> View {
    let spans = span::plan_spans(state);
    let shown = spans.iter().find(|span| span.contains(now_ms));
    if let Some(span) = shown {
        let scene = span.scene(state);
        return View { scene, shown_for_ms: now_ms.saturating_sub(span.from) };
    }
    let turn = turn::plan_turn(state, &spans, now_ms);
    View { scene: turn.ground.scene(state, now_ms), shown_for_ms: now_ms.saturating_sub(turn.from) }
}

#[cfg(test)]
mod tests;
