//! From what inputs report to events in the ledger, and to what the panel says of them.
//!
//! What always holds here: *recorded* is said after the ledger has returned, never before; a press of an input whose last
//! press is still to be saved is the impatience of one who waits, not a second event; presses of other inputs wait their
//! turn and are not lost, not at the end either; at a reader, another badge is another person, and waits its turn too; turning a choice never waits for the card. What may share a commit with
//! others (`share-commit-ms`) is each an event of its own, and no press waits for it; what became of it is said between presses,
//! so that nobody takes it for what became of theirs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use punchcard_core::badge::{BadgeNumber, Presence};
use punchcard_core::choice::Choice;
use punchcard_core::config::Configuration;
use punchcard_core::config::input::{Action, FieldValue, Input, Press};
use punchcard_core::config::people::People;
use punchcard_core::event::{Event, Field, NewEvent, Value};
use punchcard_core::gesture::{Gesture, Recognizer};
use punchcard_core::input::{Edge, Motion, Turn};
use punchcard_core::name::{ChoiceName, GrantName, InputName};
use punchcard_core::plugin::Problem;
use punchcard_core::scene::{Choosing, Chosen, PanelState};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, info, warn};
use ulid::Ulid;

use super::display::Display;
use super::error_chain::chain;
use super::grant::GrantCommand;
use super::known_time::KnownTime;
use super::listing::Lists;
use super::part::roster::Parts;
use super::timer::wait_until;
use super::trouble::Troubles;
use crate::clock::{Clock, entropy};
use crate::input::Message;
use lists::Arriving;
use punchcard_ledger::{AcceptError, Ledger, SHARED_COMMIT};

mod badge;
mod lists;

/// Presses of other inputs that wait while one is saved. More would be a stuck contact, not people.
const WAITING: usize = 16;

/// Events that may wait for others, to share a commit: four commits' worth, for while one is written, others come.
const SHARING: usize = 4 * SHARED_COMMIT;

/// What has the problem, in `status`, when presses are not recorded.
const PART: &str = "inputs";
/// What the panel says in the place of an item, where the list of a choice was never fetched.
const NO_LIST_YET: &str = "no list yet";
/// What the panel says of such a press.
pub(super) const NOT_RECORDED: &str = "NOT recorded";
/// Why a press of an input is refused that the configuration in force does not have.
const INPUT_IS_GONE: &str = "plugins.toml changed at that moment, and no longer has this input; press again";

/// Presses that wait their turn.
type Waiting = VecDeque<Pressed>;

/// A press to save.
struct Pressed {
    input: InputName,
    event: NewEvent,
    /// Of a reader.
    badge: Option<BadgeNumber>,
}

/// What the person's hands reach.
pub(super) struct Intake {
    inputs: BTreeMap<InputName, Control>,
    choices: BTreeMap<ChoiceName, Choice>,
    /// Lists that are fetched for choices.
    arriving: Arriving,
    people: People,
    ledger: Ledger,
    clock: Clock,
    time: KnownTime,
    display: Display,
    troubles: Troubles,
    /// Events that wait for others.
    sharing: JoinSet<Accepted>,
    /// The parts as they stand, once it runs: a press may be a wish to sign in to one of them.
    parts: Option<watch::Receiver<Arc<Parts>>>,
    /// What was chosen since the start, for the next one.
    chosen: watch::Sender<BTreeMap<ChoiceName, String>>,
}

/// What became of a press.
struct Accepted {
    input: InputName,
    result: Result<Event, AcceptError>,
    badge: Option<BadgeNumber>,
}

/// An input: how its gestures are told, and what they mean.
struct Control {
    recognizer: Recognizer,
    /// Of a reader.
    presence: Presence,
    input: Input,
}

impl Intake {
    /// Takes the inputs of a configuration, and the choices as they stood last.
    pub(super) async fn new(
        configuration: &Configuration,
        ledger: Ledger,
        clock: Clock,
        time: KnownTime,
        display: Display,
        troubles: Troubles,
        lists: watch::Receiver<Lists>,
    ) -> Self {
        let arriving = Arriving::new(lists);
        let (inputs, choices, sharing) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        let people = People::default();
        let (chosen, newest) = watch::channel(BTreeMap::new());
        tokio::spawn(remember_chosen(ledger.clone(), newest));
        let mut intake = Self {
            inputs,
            choices,
            arriving,
            people,
            ledger,
            clock,
            time,
            display,
            troubles,
            sharing,
            parts: None,
            chosen,
        };
        intake.adopt(configuration).await;
        intake
    }

    /// Takes the inputs and the choices of another configuration. What is chosen stays chosen, and an input of which nothing
    /// changed is in the middle of whatever gesture it was in.
    async fn adopt(&mut self, configuration: &Configuration) {
        let mut choices = BTreeMap::new();
        for (name, configured) in &configuration.choices {
            if self.arriving.is_unchanged(name, configured)
                && let Some(choice) = self.choices.remove(name)
            {
                choices.insert(name.clone(), choice);
                continue;
            }
            let mut items = self.items_of(name, &configured.items).await;
            // Until its first list is there, what is chosen stays chosen.
            if items.is_empty()
                && let Some(before) = self.choices.get(name)
            {
                items.extend(before.chosen().cloned());
            }
            let Some(mut choice) = Choice::new(configured.label.clone(), items) else { continue };
            let lost = match self.choices.get(name).map(|before| before.item().to_owned()) {
                Some(item) if choice.restore(&item) => None,
                Some(item) => Some(item),
                None => self.restore(name, &mut choice).await,
            };
            if let Some(item) = lost {
                info!(choice = %name, item, "the item that was chosen last is no longer there");
                // Of a list that is fetched it may be one that somebody has ticked off, and another person is at work on.
                if configured.listing().is_some() {
                    choice.keep(item);
                }
            }
            choices.insert(name.clone(), choice);
        }
        let mut known = std::mem::take(&mut self.inputs);
        let control = |(name, input): (&InputName, &Input)| {
            let known = known.remove(name).filter(|control| control.input == *input);
            let new =
                || Control { recognizer: Recognizer::new(input), presence: Presence::default(), input: input.clone() };
            (name.clone(), known.unwrap_or_else(new))
        };
        self.inputs = configuration.inputs.iter().map(control).collect();
        self.choices = choices;
        self.people = configuration.people.clone();
        self.arriving.adopt(configuration);
        self.show_chosen();
    }

    /// Takes what inputs report until a person or the system wants the device to stop. What was pressed is then saved.
    /// `parts`: the configuration in force, whenever it is another.
    pub(super) async fn run(mut self, mut reported: mpsc::Receiver<Message>, mut parts: watch::Receiver<Arc<Parts>>) {
        let mut adopted = Arc::clone(&parts.borrow_and_update().configuration);
        self.parts = Some(parts.clone());
        let mut waiting = Waiting::new();
        let mut listening = true;
        loop {
            if let Some(pressed) = waiting.pop_front() {
                if self.save(pressed, &mut reported, &mut waiting).await {
                    break;
                }
                continue;
            }
            let due_ms = self.due_ms();
            let rests_at_ms = self.arriving.rests_at_ms();
            tokio::select! {
                // What was pressed by now is a press of the inputs as they were.
                biased;
                message = reported.recv(), if listening => match message {
                    Some(Message::Edge(edge)) => waiting.extend(self.edge(&edge, None, &Waiting::new())),
                    Some(Message::Turn(turn)) => self.turn(&turn),
                    Some(Message::Badge(badge)) => waiting.extend(self.badge(badge)),
                    Some(Message::Quit) => break,
                    None => listening = false,
                },
                () = wait_until(&self.clock, due_ms) => waiting.extend(self.elapse(None, &Waiting::new())),
                Some(accepted) = self.sharing.join_next() => self.tell(&unwind(accepted)),
                () = self.arriving.changed() => {}
                () = wait_until(&self.clock, rests_at_ms) => self.take_lists().await,
                Ok(()) = parts.changed() => {
                    let configuration = Arc::clone(&parts.borrow_and_update().configuration);
                    if configuration.inputs != adopted.inputs
                        || configuration.choices != adopted.choices
                        || configuration.people != adopted.people
                    {
                        waiting.extend(self.finish(|name| configuration.inputs.get(name) == adopted.inputs.get(name)));
                        self.adopt(&configuration).await;
                    }
                    adopted = configuration;
                }
                // The inputs have ended; the device has not.
                else => std::future::pending().await,
            }
        }
        while let Ok(message) = reported.try_recv() {
            match message {
                Message::Edge(edge) => {
                    let pressed = self.edge(&edge, None, &waiting);
                    waiting.extend(pressed);
                }
                Message::Turn(turn) => self.turn(&turn),
                Message::Badge(badge) => waiting.extend(self.badge(badge)),
                Message::Quit => {}
            }
        }
        waiting.extend(self.finish(|_| false));
        for Pressed { input, event, badge } in waiting {
            let result = self.ledger.accept(event).await;
            self.tell(&Accepted { input, result, badge });
        }
        self.ledger.hurry();
        while let Some(accepted) = self.sharing.join_next().await {
            self.tell(&unwind(accepted));
        }
    }

    /// Saves an event while inputs go on being taken. Whether a person wants the device to stop. Until it is saved, nothing is
    /// said of others.
    async fn save(&mut self, pressed: Pressed, reported: &mut mpsc::Receiver<Message>, waiting: &mut Waiting) -> bool {
        let Pressed { input, event, badge } = pressed;
        self.display.note(PanelState::note_accepting);
        let ledger = self.ledger.clone();
        let accept = ledger.accept(event);
        tokio::pin!(accept);
        let mut quit = false;
        let mut listening = true;
        let result = loop {
            let due_ms = self.due_ms();
            tokio::select! {
                accepted = &mut accept => break accepted,
                message = reported.recv(), if listening => match message {
                    Some(Message::Edge(edge)) => {
                        let pressed = self.edge(&edge, Some(&input), waiting);
                        self.queue(waiting, pressed);
                    }
                    Some(Message::Turn(turn)) => self.turn(&turn),
                    Some(Message::Badge(badge)) => {
                        let pressed = self.badge(badge);
                        self.queue(waiting, pressed);
                    }
                    Some(Message::Quit) => quit = true,
                    None => listening = false,
                },
                () = wait_until(&self.clock, due_ms) => {
                    let pressed = self.elapse(Some(&input), waiting);
                    self.queue(waiting, pressed);
                }
            }
        };
        self.tell(&Accepted { input, result, badge });
        quit
    }

    /// Has presses wait their turn, while one is saved.
    fn queue(&mut self, waiting: &mut Waiting, pressed: impl IntoIterator<Item = Pressed>) {
        for pressed in pressed {
            if waiting.len() < WAITING {
                waiting.push_back(pressed);
            } else {
                self.forget(&pressed.input, pressed.badge.as_ref());
                self.refuse(&pressed.input, "too many presses wait for a slow card; press again in a moment");
            }
        }
    }

    /// When time alone tells next which press one was.
    fn due_ms(&self) -> Option<u64> {
        self.inputs.values().filter_map(|control| control.recognizer.due_ms()).min()
    }

    /// What time has told by now: presses to save.
    fn elapse(&mut self, saving: Option<&InputName>, waiting: &Waiting) -> Vec<Pressed> {
        let now_ms = self.clock.monotonic_ms();
        let elapse =
            |(name, control): (&InputName, &mut Control)| Some((name.clone(), control.recognizer.elapse(now_ms)?));
        let gestures: Vec<_> = self.inputs.iter_mut().filter_map(elapse).collect();
        let perform = |(name, gesture): (InputName, Gesture)| self.perform(&name, gesture, false, saving, waiting);
        gestures.into_iter().filter_map(perform).collect()
    }

    /// The presses of inputs that end here, but for those that are `kept`.
    fn finish(&mut self, kept: impl Fn(&InputName) -> bool) -> Vec<Pressed> {
        let ends = self.inputs.iter_mut().filter(|(name, _)| !kept(name));
        let finish = |(name, control): (&InputName, &mut Control)| Some((name.clone(), control.recognizer.finish()?));
        let gestures: Vec<_> = ends.filter_map(finish).collect();
        let perform =
            |(name, gesture): (InputName, Gesture)| self.perform(&name, gesture, false, None, &Waiting::new());
        gestures.into_iter().filter_map(perform).collect()
    }

    /// What an edge means: presses to save, if any. `saving`: the input whose press is being saved; `waiting`: those that
    /// will be next.
    fn edge(&mut self, edge: &Edge, saving: Option<&InputName>, waiting: &Waiting) -> Vec<Pressed> {
        let Edge { input, motion, at_ms } = edge;
        debug!(%input, ?motion, at_ms, "an input moved");
        let Some(control) = self.inputs.get_mut(input) else {
            if matches!(motion, Motion::Down | Motion::Stroke | Motion::Tap) {
                self.refuse(input, INPUT_IS_GONE);
            }
            return Vec::new();
        };
        let gestures = [control.recognizer.elapse(*at_ms), control.recognizer.edge(*motion, *at_ms)];
        let is_tap = *motion == Motion::Tap;
        let perform = |gesture| self.perform(input, gesture, is_tap, saving, waiting);
        gestures.into_iter().flatten().filter_map(perform).collect()
    }

    /// Does what a gesture of an input means: a press to save, or another item of a choice.
    fn perform(
        &mut self,
        input: &InputName,
        gesture: Gesture,
        is_tap: bool,
        saving: Option<&InputName>,
        waiting: &Waiting,
    ) -> Option<Pressed> {
        let action = self.inputs.get(input)?.input.action.clone();
        let press = match (gesture, action) {
            (Gesture::Press, Action::Press(presses)) => presses.once,
            (Gesture::LongPress, Action::Press(presses)) => presses.long?.1,
            (Gesture::DoublePress, Action::Press(presses)) => presses.double?.1,
            (Gesture::Turn(steps), Action::Turn(turn)) => {
                self.choose(&turn.choice, steps);
                return None;
            }
            (Gesture::Press, Action::SignIn(grant)) => {
                self.sign_in(input, &grant);
                return None;
            }
            (Gesture::Press | Gesture::LongPress | Gesture::DoublePress, Action::Turn(_))
            | (Gesture::LongPress | Gesture::DoublePress, Action::SignIn(_))
            | (Gesture::Turn(_), Action::Press(_) | Action::SignIn(_)) => return None,
        };
        if !press.share_commit_for.is_zero() {
            self.share(input, &press, None);
            return None;
        }
        let pending = saving == Some(input) || waiting.iter().any(|waiting| waiting.input == *input);
        if pending && !is_tap {
            info!(%input, "pressed again while the press before is still to be saved; that is one press");
            return None;
        }
        let event = self.form(input, &press, None);
        Some(Pressed { input: input.clone(), event, badge: None })
    }

    /// A person wants to sign in. The panel shows how, or what is wrong.
    fn sign_in(&self, input: &InputName, name: &GrantName) {
        let parts = self.parts.as_ref().map(|parts| Arc::clone(&parts.borrow()));
        match parts.as_ref().and_then(|parts| parts.grants.get(name)) {
            Some(Ok(grant)) => {
                info!(%input, grant = %name, "a person wants to sign in");
                grant.ask(GrantCommand::SignIn);
            }
            Some(Err(reason)) => warn!(%input, grant = %name, reason, "nobody can sign in: the grant is off"),
            None => warn!(%input, grant = %name, "nobody can sign in yet: the device is still starting"),
        }
    }

    /// Turns the choice of an encoder.
    fn turn(&mut self, turn: &Turn) {
        let Some(control) = self.inputs.get(&turn.input) else { return };
        let gesture = control.recognizer.turn(turn.detents);
        if let (Some(Gesture::Turn(steps)), Action::Turn(turn)) = (gesture, &control.input.action) {
            let choice = turn.choice.clone();
            self.choose(&choice, steps);
        }
    }

    /// Has an event recorded with others.
    fn share(&mut self, input: &InputName, press: &Press, badge: Option<&BadgeNumber>) {
        if self.sharing.len() >= SHARING {
            self.forget(input, badge);
            return self.refuse(input, "too many events wait for a slow card; try again in a moment");
        }
        let event = self.form(input, press, badge);
        let accepted = self.ledger.accept_within(event, press.share_commit_for);
        let (input, badge) = (input.clone(), badge.cloned());
        self.sharing.spawn(async move { Accepted { input, result: accepted.await, badge } });
    }

    fn form(&self, input: &InputName, press: &Press, badge: Option<&BadgeNumber>) -> NewEvent {
        let now = self.time.now(&self.clock);
        let fields = press
            .fields
            .iter()
            .map(|(name, value)| Field {
                name: name.to_string(),
                value: match value {
                    FieldValue::Fixed(value) => value.clone(),
                    FieldValue::Chosen(choice) => {
                        Value::Text(self.choices.get(choice).map(|choice| choice.item().to_owned()).unwrap_or_default())
                    }
                    // Each press of a reader has a badge.
                    FieldValue::Badge => Value::Text(badge.map(BadgeNumber::as_str).unwrap_or_default().to_owned()),
                    FieldValue::Person => {
                        let name = badge.map(|number| self.people.name_of(number).unwrap_or(number.as_str()));
                        Value::Text(name.unwrap_or_default().to_owned())
                    }
                },
            })
            .collect();
        NewEvent {
            id: fresh_id(now.wall.unix_micros),
            at: now.is_known().then_some(now.wall),
            monotonic: now.monotonic,
            source: input.clone(),
            kind: press.event.to_string(),
            fields,
        }
    }

    fn tell(&mut self, accepted: &Accepted) {
        match &accepted.result {
            Ok(event) => {
                if let Some(at) = event.happened.at {
                    self.time.see(at.unix_micros);
                }
                info!(event = event.sequence.0, input = %event.happened.source, kind = event.happened.kind, "recorded");
                let whose = accepted.badge.as_ref().map(|number| self.whose(number));
                self.display.note(|panel, now_ms| {
                    panel.note_recorded(event.sequence, None, now_ms);
                    if let Some(whose) = &whose {
                        panel.note_whose(event.sequence, whose);
                    }
                });
                self.troubles.set(PART, None);
            }
            Err(error) => {
                let advice = chain(error);
                self.forget(&accepted.input, accepted.badge.as_ref());
                error!(error = advice, "a press is NOT recorded");
                self.show_refused(advice.clone());
                // Until one is recorded: who comes later has to see that the device takes none.
                self.troubles.set(PART, Some(Problem { headline: NOT_RECORDED.into(), advice }));
            }
        }
    }

    fn refuse(&self, input: &InputName, advice: &str) {
        error!(%input, reason = advice, "a press is NOT recorded");
        self.show_refused(advice.to_owned());
    }

    fn show_refused(&self, advice: String) {
        let problem = Problem { headline: NOT_RECORDED.into(), advice };
        self.display.note(|panel, now_ms| panel.note_refused(&problem, now_ms));
    }

    fn choose(&mut self, name: &ChoiceName, steps: i32) {
        let Some(choice) = self.choices.get_mut(name) else {
            if let Some(label) = self.arriving.awaited(name) {
                let choosing = Choosing { label: label.to_owned(), item: NO_LIST_YET.to_owned(), index: 0, count: 1 };
                self.display.note(|panel, now_ms| panel.note_turned(choosing, now_ms));
            }
            return;
        };
        choice.turn(steps);
        self.arriving.turned(self.clock.monotonic_ms());
        let choosing = Choosing {
            label: choice.label().to_owned(),
            item: choice.item().to_owned(),
            index: choice.index(),
            count: choice.count(),
        };
        let (name, item) = (name.clone(), choosing.item.clone());
        self.chosen.send_modify(|chosen| drop(chosen.insert(name, item)));
        self.display.note(|panel, now_ms| panel.note_turned(choosing, now_ms));
        self.show_chosen();
    }

    /// The idle panel shows the choice that the first input's press will carry.
    fn show_chosen(&self) {
        let chosen = self
            .choices
            .values()
            .next()
            .map(|choice| Chosen { label: choice.label().to_owned(), item: choice.item().to_owned() });
        self.display.note(|panel, _| panel.set_chosen(chosen));
    }
}

/// What a task returned. A panic in it goes on here: it is a defect, and ends the device.
fn unwind<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// An id that nobody used. A ULID's first 48 bits are a time of the clock, right or wrong: ids differ by the 80 random bits.
pub(super) fn fresh_id(unix_micros: i64) -> Ulid {
    let mut random = [0; 16];
    random.copy_from_slice(&entropy()[..16]);
    Ulid::from_parts(u64::try_from(unix_micros / 1_000).unwrap_or(0), u128::from_le_bytes(random))
}

/// Remembers what is chosen, the newest item of each choice, until nobody chooses any more. It is only a convenience after a
/// restart: turning does not wait for the card, and what was turned past meanwhile is not written.
async fn remember_chosen(ledger: Ledger, mut newest: watch::Receiver<BTreeMap<ChoiceName, String>>) {
    let mut remembered = BTreeMap::new();
    while newest.changed().await.is_ok() {
        let chosen = newest.borrow_and_update().clone();
        for (name, item) in chosen.iter().filter(|(name, item)| remembered.get(*name) != Some(*item)) {
            if let Err(error) = ledger.remember(&memory_key(name), item).await {
                warn!(error = chain(error), "what was chosen can't be remembered");
            }
        }
        remembered = chosen;
    }
}

fn memory_key(choice: &ChoiceName) -> String {
    format!("choice/{choice}")
}

#[cfg(test)]
mod tests;
