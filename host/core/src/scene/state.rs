//! What the device noted for its panel.

use std::collections::BTreeMap;

use super::{Choosing, Chosen, PERSON_STAYS_FOR_MS, RECORDED_FOR_MS, Scene, span, turn};
use crate::appearance::Surroundings;
use crate::event::Sequence;
use crate::name::{GrantName, SinkName};
use crate::output::{Occasion, PressOutcome};
use crate::plugin::Problem;
use crate::plugin::auth::Prompt;
use crate::time::Instant;

/// Everything from which the scene is decided. Each method notes something that happened at `now_ms`.
///
/// Texts of plugins become one line of a bounded length, the user code and the addresses excepted, which stay as they
/// are.
#[derive(Debug, Clone)]
pub struct PanelState {
    pub(super) device: String,
    pub(super) started_at: u64,
    pub(super) ready: bool,
    /// When the scene beneath the passing ones last became another.
    pub(super) ground_at: u64,
    pub(super) accepting_at: Option<u64>,
    pub(super) result: Option<PressResult>,
    pub(super) turned: Option<Turned>,
    pub(super) delivered_at: Option<u64>,
    pub(super) prompts: BTreeMap<GrantName, Pending>,
    pub(super) problems: BTreeMap<String, Problem>,
    pub(super) chosen: Option<Chosen>,
    pub(super) standing: BTreeMap<SinkName, String>,
    pub(super) wall: Option<Wall>,
    pub(super) undelivered: u64,
}

/// What became of the last press.
#[derive(Debug, Clone)]
pub(super) struct PressResult {
    pub(super) at: u64,
    /// The place in the ledger, or why there is none.
    pub(super) sequence: Result<Sequence, Problem>,
    /// Whose press it was, where a badge was read.
    pub(super) whose: Option<String>,
    pub(super) notice: Option<String>,
}

impl PressResult {
    pub(super) fn scene(&self) -> Scene {
        match &self.sequence {
            Ok(_) => Scene::Recorded { notice: self.said() },
            Err(problem) => Scene::Problem(problem.clone()),
        }
    }

    /// Whose press it was and what the formatter says of it, as far as either is known.
    fn said(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.whose, &self.notice].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    pub(super) fn lasts_for_ms(&self) -> u64 {
        match &self.sequence {
            Ok(_) => {
                let characters = self.said().map_or(0, |said| said.chars().count());
                let beyond = u64::try_from(characters.saturating_sub(16)).unwrap_or(0);
                RECORDED_FOR_MS + 180 * beyond
            }
            Err(problem) => super::reading_for_ms(&problem.advice),
        }
    }
}

/// The last turn of a choice.
#[derive(Debug, Clone)]
pub(super) struct Turned {
    pub(super) at: u64,
    pub(super) choosing: Choosing,
}

/// A code that waits for a person.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) prompt: Prompt,
    pub(super) expires_at: u64,
}

/// A reading of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wall {
    pub(super) instant: Instant,
    pub(super) at: u64,
}

impl PanelState {
    /// A device that is starting.
    #[must_use]
    pub fn new(device: &str, now_ms: u64) -> Self {
        Self {
            device: one_line(device, 63),
            started_at: now_ms,
            ready: false,
            ground_at: now_ms,
            accepting_at: None,
            result: None,
            turned: None,
            delivered_at: None,
            prompts: BTreeMap::new(),
            problems: BTreeMap::new(),
            chosen: None,
            standing: BTreeMap::new(),
            wall: None,
            undelivered: 0,
        }
    }

    /// The device has started.
    pub fn note_ready(&mut self, now_ms: u64) {
        if !self.ready {
            self.ready = true;
            self.ground_at = now_ms;
        }
    }

    /// A press was taken and goes to the ledger. Until [`Self::note_recorded`] or [`Self::note_refused`] no other press
    /// should be taken.
    pub fn note_accepting(&mut self, now_ms: u64) {
        self.accepting_at.get_or_insert(now_ms);
        self.delivered_at = None;
    }

    /// The press is durable at this place of the ledger. A notice can be had now or follow by [`Self::note_notice`].
    pub fn note_recorded(&mut self, sequence: Sequence, notice: Option<&str>, now_ms: u64) {
        self.note_result(Ok(sequence), notice, now_ms);
    }

    /// Whose press the one is that was just recorded. It stays beside what the formatter says of it.
    pub fn note_whose(&mut self, sequence: Sequence, whose: &str) {
        if let Some(result) = self.result.as_mut().filter(|result| result.sequence == Ok(sequence)) {
            result.whose = notice_line(whose);
        }
    }

    /// The press is not recorded, and this is why.
    pub fn note_refused(&mut self, problem: &Problem, now_ms: u64) {
        self.note_result(Err(bounded(problem)), None, now_ms);
    }

    fn note_result(&mut self, sequence: Result<Sequence, Problem>, notice: Option<&str>, now_ms: u64) {
        let pressed_at = self.accepting_at.take().unwrap_or(now_ms);
        // A choice that was turned after the press has not been seen yet; one that was turned before it has.
        self.turned.take_if(|turned| turned.at <= pressed_at);
        self.delivered_at = None;
        let (whose, notice) = (None, notice.and_then(notice_line));
        self.result = Some(PressResult { at: now_ms, sequence, whose, notice });
    }

    /// What is wrong, by part, for those who do not see the panel: a grant that waits for a person is a problem for them.
    #[must_use]
    pub fn problems(&self) -> BTreeMap<String, Problem> {
        let waits = self.prompts.keys().map(|grant| {
            let advice =
                "the panel and `punchcard status` show where, and the code; nothing of its sinks is delivered before";
            (format!("grants.{grant}"), Problem { headline: "sign-in is needed".into(), advice: advice.into() })
        });
        waits.chain(self.problems.clone()).collect()
    }

    /// What outputs follow.
    #[must_use]
    pub fn occasion(&self) -> Occasion {
        let press = self.result.as_ref().map(|result| {
            let outcome = if result.sequence.is_ok() { PressOutcome::Recorded } else { PressOutcome::Refused };
            (outcome, result.at)
        });
        Occasion { press, has_problem: !self.problems.is_empty() }
    }

    /// The formatter's word for the event of this sequence. Nothing happens where the panel no longer shows that event
    /// as recorded: a notice that comes too late would be taken for another press.
    pub fn note_notice(&mut self, sequence: Sequence, notice: &str, now_ms: u64) {
        let over = span::plan_spans(self)
            .iter()
            .any(|span| matches!(span.layer, span::Layer::Result(_)) && span.until <= now_ms);
        if let Some(result) = self.result.as_mut().filter(|result| !over && result.sequence == Ok(sequence)) {
            result.notice = notice_line(notice);
        }
    }

    /// A choice was turned to this item.
    pub fn note_turned(&mut self, choosing: Choosing, now_ms: u64) {
        self.chosen = Some(Chosen { label: choosing.label.clone(), item: choosing.item.clone() });
        self.turned = Some(Turned { at: now_ms, choosing });
        self.delivered_at = None;
    }

    /// Rows arrived. It is shown when a person who pressed can be supposed to be there still.
    pub fn note_delivered(&mut self, now_ms: u64) {
        let someone = self
            .result
            .as_ref()
            .is_some_and(|result| result.sequence.is_ok() && now_ms.saturating_sub(result.at) < PERSON_STAYS_FOR_MS);
        if someone && self.accepting_at.is_none() {
            self.delivered_at.get_or_insert(now_ms);
        }
    }

    /// A grant waits for a person, or no longer does. A prompt with the same code continues the one before it.
    pub fn set_prompt(&mut self, grant: &GrantName, prompt: Option<&Prompt>, now_ms: u64) {
        let before = self.prompts.remove(grant);
        let before_code = before.as_ref().map(|pending| &pending.prompt.user_code);
        if before_code != prompt.map(|prompt| &prompt.user_code) {
            self.ground_at = now_ms;
        }
        if let Some(prompt) = prompt {
            let expires_at = now_ms.saturating_add(u64::from(prompt.expires_in_seconds) * 1_000);
            let prompt = Prompt { purpose: one_line(&prompt.purpose, 200), ..prompt.clone() };
            self.prompts.insert(grant.clone(), Pending { prompt, expires_at });
        }
    }

    /// A part has a problem, or no longer has one. `part` is any text that tells it from other parts.
    pub fn set_problem(&mut self, part: &str, problem: Option<&Problem>, now_ms: u64) {
        let problem = problem.map(bounded);
        let before = self.problems.remove(part);
        if before.as_ref().map(|before| &before.headline) != problem.as_ref().map(|problem| &problem.headline) {
            self.ground_at = now_ms;
        }
        if let Some(problem) = problem {
            self.problems.insert(part.to_owned(), problem);
        }
    }

    /// What the next press will carry, where it was not turned to: after the start.
    pub fn set_chosen(&mut self, chosen: Option<Chosen>) {
        self.chosen = chosen;
    }

    /// What a sink's formatter says on the idle panel.
    pub fn set_standing(&mut self, sink: &SinkName, standing: Option<&str>) {
        self.standing.remove(sink);
        if let Some(line) = standing.map(|standing| one_line(standing, 120)).filter(|line| !line.is_empty()) {
            self.standing.insert(sink.clone(), line);
        }
    }

    /// The wall clock, read at `now_ms`; none while it is not known. The panel's clock goes on from here; a clock that
    /// was set or a time zone that moved shows after the next call.
    pub fn set_wall(&mut self, wall: Option<Instant>, now_ms: u64) {
        self.wall = wall.map(|instant| Wall { instant, at: now_ms });
    }

    /// How many recorded events wait for delivery.
    pub fn set_undelivered(&mut self, undelivered: u64) {
        self.undelivered = undelivered;
    }

    /// What is known of the people before the panel. It is not quiet while a code or what became of a press is shown.
    #[must_use]
    pub fn surroundings(&self, now_ms: u64) -> Surroundings {
        let minute_of_day = self.wall.map(|wall| wall.minute_of_day(now_ms));
        Surroundings { quiet_since: self.quiet_since(now_ms), is_needed: !self.problems.is_empty(), minute_of_day }
    }

    fn quiet_since(&self, now_ms: u64) -> Option<u64> {
        let is_needed = |pending: &Pending| pending.expires_at > now_ms;
        if !self.ready || self.prompts.values().any(is_needed) {
            return None;
        }
        let expiries = self.prompts.values().map(|pending| pending.expires_at);
        let mut since = expiries.fold(self.ground_at.max(self.started_at), u64::max);
        for span in span::plan_spans(self) {
            if span.until > now_ms {
                return None;
            }
            since = since.max(span.until);
        }
        Some(since)
    }

    /// When the next minute of the wall clock begins. None: the time is not known.
    #[must_use]
    pub fn next_minute(&self, now_ms: u64) -> Option<u64> {
        self.wall.map(|wall| wall.next_minute(now_ms))
    }

    /// When the scene becomes another by itself, later than `now_ms`. None: not without a further note.
    #[must_use]
    pub fn next_change(&self, now_ms: u64) -> Option<u64> {
        let spans = span::plan_spans(self);
        let edges = spans.iter().flat_map(|span| [Some(span.from), (span.until < u64::MAX).then_some(span.until)]);
        let shown = spans.iter().any(|span| span.contains(now_ms));
        let ground = if shown { None } else { turn::plan_turn(self, &spans, now_ms).next_change(self, now_ms) };
        edges.flatten().chain(ground).filter(|at| *at > now_ms).min()
    }
}

fn notice_line(notice: &str) -> Option<String> {
    Some(one_line(notice, 60)).filter(|line| !line.is_empty())
}

fn bounded(problem: &Problem) -> Problem {
    Problem { headline: one_line(&problem.headline, 21), advice: one_line(&problem.advice, 300) }
}

/// The text with its white space and control characters folded into single spaces, cut with an ellipsis to `limit`
/// characters.
fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let blank = |character: char| character.is_whitespace() || character.is_control();
    for word in text.split(blank).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        // One more than the limit tells that something is missing; the rest of a megabyte need not be looked at.
        line.extend(word.chars().take(limit + 1));
        if line.chars().count() > limit {
            let mut cut: String = line.chars().take(limit.saturating_sub(1)).collect();
            cut.push('…');
            return cut;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_text_becomes_one_line_of_a_bounded_length() {
        let table = [
            ("", 5, ""),
            (" \n\t", 5, ""),
            ("a\nb\u{7}c", 5, "a b c"),
            ("12345", 5, "12345"),
            ("123456", 5, "1234…"),
            ("123 456", 5, "123 …"),
            ("äöüßé", 5, "äöüßé"),
        ];
        for (text, limit, expected) in table {
            assert_eq!(one_line(text, limit), expected, "{text:?}");
        }
    }
}
