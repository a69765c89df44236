//! The driver's own thread with lines that a test moves: they bounce, lose edges and break.

use std::collections::VecDeque;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use punchcard_core::config::input::{Chip, Contact, Pull};
use punchcard_core::encoder::{Contacts, StepsPerDetent};
use punchcard_core::input::{Edge, Motion, Turn};

use super::super::reading::Stop;
use super::*;
use crate::gpio::LineEdge;

/// What happens on a line.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// An edge.
    Edge(LineEdge),
    /// The chip is gone.
    Gone,
}

/// The end that a test holds.
struct Hand {
    events: Arc<Mutex<VecDeque<Event>>>,
    bell: PipeWriter,
}

impl Hand {
    fn happen(&mut self, events: &[Event]) {
        let mut waiting = self.events.lock().unwrap();
        waiting.extend(events);
        // Under the lock: who is woken finds all of them.
        self.bell.write_all(&vec![0; events.len()]).unwrap();
    }
}

/// Lines that a test moves.
struct SimulatedLines {
    events: Arc<Mutex<VecDeque<Event>>>,
    levels: Vec<bool>,
    bell: PipeReader,
}

impl AsFd for SimulatedLines {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Lines for SimulatedLines {
    fn next(&mut self) -> io::Result<Option<LineEdge>> {
        let Some(event) = self.events.lock().unwrap().pop_front() else { return Ok(None) };
        self.bell.read_exact(&mut [0])?;
        match event {
            Event::Edge(edge) => Ok(Some(edge)),
            Event::Gone => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        }
    }

    fn are_closed(&self) -> io::Result<Vec<bool>> {
        Ok(self.levels.clone())
    }
}

/// Lines whose contacts are found like this.
fn lines(levels: &[bool]) -> (Hand, SimulatedLines) {
    let (reader, writer) = io::pipe().unwrap();
    let events = Arc::default();
    let hand = Hand { events: Arc::clone(&events), bell: writer };
    (hand, SimulatedLines { events, levels: levels.to_vec(), bell: reader })
}

fn name(name: &str) -> InputName {
    InputName::parse(name).unwrap()
}

fn edge(line: usize, is_closed: bool, number: u32, ago_ms: u64) -> Event {
    Event::Edge(LineEdge { line, is_closed, number, ago_ms })
}

/// The driver's own thread at 1,000 ms of the clock, with what it is given for its inputs at each try.
fn reading_of(
    names: &[&str],
    request: impl FnMut(&BTreeSet<InputName>) -> Vec<Requested> + Send + 'static,
    tell: Tell,
) -> (Reading, mpsc::Receiver<Message>) {
    let (sender, receiver) = mpsc::channel(64);
    let now_ms: NowMs = Arc::new(|| 1_000);
    let wanted = names.iter().map(|input| name(input)).collect();
    let all = AllLines { request, tell };
    let read = move |stop: &Stop| watch(stop, &wanted, all, AGAIN_AFTER, &now_ms, &sender);
    (Reading::start("gpio", read).unwrap(), receiver)
}

/// What became of asking for the lines of an input.
type Requested = (InputName, Result<Watched<SimulatedLines>, StartError>);

/// Where every line is free.
fn reading(watched: Vec<Watched<SimulatedLines>>) -> (Reading, mpsc::Receiver<Message>) {
    let names: Vec<InputName> = watched.iter().map(|watched| watched.control.input().clone()).collect();
    let names: Vec<&str> = names.iter().map(InputName::as_str).collect();
    let mut watched = Some(watched);
    let request = move |_: &BTreeSet<InputName>| {
        let free = watched.take().unwrap_or_default().into_iter();
        free.map(|watched| (watched.control.input().clone(), Ok(watched))).collect()
    };
    reading_of(&names, request, Arc::new(|_, _| {}))
}

fn trigger(chip: Option<&str>) -> Trigger {
    let contact = Contact { pull: Pull::Up, is_active_low: true };
    Trigger::Line { chip: chip.map_or(Chip::Header, |label| Chip::Labelled(label.to_owned())), line: 17, contact }
}

fn button(lines: SimulatedLines, input: &str) -> Watched<SimulatedLines> {
    Watched { lines, control: Control::button(name(input), false) }
}

fn moved(input: &str, motion: Motion, at_ms: u64) -> Message {
    Message::Edge(Edge { input: name(input), motion, at_ms })
}

async fn next(receiver: &mut mpsc::Receiver<Message>) -> Option<Message> {
    tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await.expect("something is reported")
}

#[tokio::test]
async fn a_press_has_the_time_at_which_it_happened_and_not_that_of_reading() {
    let (mut hand, lines) = lines(&[false]);
    let (reading, mut receiver) = reading(vec![button(lines, "clock")]);
    assert_eq!(next(&mut receiver).await, Some(moved("clock", Motion::Up, 1_000)), "it is open");
    hand.happen(&[edge(0, true, 1, 70), edge(0, false, 2, 10)]);
    assert_eq!(next(&mut receiver).await, Some(moved("clock", Motion::Down, 930)));
    assert_eq!(next(&mut receiver).await, Some(moved("clock", Motion::Up, 990)));
    assert!(reading.stop().await);
}

#[tokio::test]
async fn a_button_whose_last_edge_was_lost_is_found_as_it_is() {
    let (mut hand, lines) = lines(&[false]);
    let (reading, mut receiver) = reading(vec![button(lines, "clock")]);
    // Edges 2 to 4 are lost: the kernel drops the oldest.
    hand.happen(&[edge(0, true, 1, 9), edge(0, true, 5, 5)]);
    for (motion, at_ms) in [(Motion::Up, 1_000), (Motion::Down, 991), (Motion::Down, 995), (Motion::Up, 1_000)] {
        assert_eq!(next(&mut receiver).await, Some(moved("clock", motion, at_ms)));
    }
    assert!(reading.stop().await);
}

#[tokio::test]
async fn a_knob_turns_by_detents_both_ways() {
    let (mut hand, lines) = lines(&[false, false]);
    let contacts = Contacts { a: false, b: false };
    let control = Control::encoder(name("knob"), StepsPerDetent::Four, contacts);
    let (reading, mut receiver) = reading(vec![Watched { lines, control }]);
    let turn = [(0, true), (1, true), (0, false), (1, false), (1, true), (0, true), (1, false), (0, false)];
    let mut edges: Vec<Event> =
        (1..).zip(turn).map(|(number, (line, is_closed))| edge(line, is_closed, number, 0)).collect();
    // The kernel tells of the edges of two lines in any order.
    edges.swap(1, 2);
    edges.swap(4, 5);
    hand.happen(&edges);
    for detents in [1, -1] {
        let turn = Turn { input: name("knob"), detents, at_ms: 1_000 };
        assert_eq!(next(&mut receiver).await, Some(Message::Turn(turn)));
    }
    assert!(reading.stop().await);
}

#[tokio::test]
async fn lines_that_are_gone_cost_their_input_alone() {
    let (mut broken, lines_of_broken) = lines(&[false]);
    let (mut hand, lines) = lines(&[false]);
    let (reading, mut receiver) = reading(vec![button(lines_of_broken, "broken"), button(lines, "clock")]);
    for input in ["broken", "clock"] {
        assert_eq!(next(&mut receiver).await, Some(moved(input, Motion::Up, 1_000)));
    }
    broken.happen(&[edge(0, true, 1, 0), Event::Gone]);
    assert_eq!(next(&mut receiver).await, Some(moved("broken", Motion::Down, 1_000)));
    hand.happen(&[edge(0, true, 1, 0)]);
    assert_eq!(next(&mut receiver).await, Some(moved("clock", Motion::Down, 1_000)));
    assert!(reading.stop().await);
}

#[tokio::test]
async fn a_machine_without_such_a_chip_says_which_there_are_and_reads_the_rest() {
    let error = open(&Chips::find(), &name("clock"), &trigger(Some("no-such-chip"))).err().unwrap();
    let said = error.to_string();
    assert!(
        said.starts_with("there is no GPIO chip `no-such-chip`") || said.starts_with("this user may not"),
        "{said}"
    );
}

#[tokio::test]
async fn a_line_in_use_is_said_and_asked_for_again_while_the_others_are_read() {
    let (_hand, free) = lines(&[false]);
    let mut free = Some(free);
    let request = move |missing: &BTreeSet<InputName>| {
        let ask = |input: &InputName| {
            let requested = match free.take_if(|_| input.as_str() == "clock") {
                Some(lines) => Ok(button(lines, input.as_str())),
                None => {
                    let (chip, user) = ("pinctrl-bcm2711".to_owned(), "another".to_owned());
                    Err(LineError::InUse { chip, line: 17, user }.into())
                }
            };
            (input.clone(), requested)
        };
        missing.iter().map(ask).collect()
    };
    let (said, mut sayings) = mpsc::unbounded_channel();
    let tell: Tell = Arc::new(move |input, error| {
        said.send((input.clone(), error.map(ToString::to_string))).unwrap();
    });
    let (reading, mut receiver) = reading_of(&["clock", "door"], request, tell);
    assert_eq!(next(&mut receiver).await, Some(moved("clock", Motion::Up, 1_000)));
    let (input, words) = sayings.recv().await.unwrap();
    assert_eq!(input.as_str(), "door");
    assert_eq!(words.unwrap(), "line 17 of `pinctrl-bcm2711` is in use by `another`; free it, or take another line");
    assert!(reading.stop().await);
}

#[test]
fn numbers_of_edges_wrap() {
    let mut control = Control::button(name("clock"), false);
    assert_eq!(control.lost_before(1), 0);
    assert_eq!(control.lost_before(4), 2);
    assert_eq!(control.lost_before(3), 0, "it comes late");
    assert_eq!(control.lost_before(5), 0);
    let mut control = Control::button(name("clock"), false);
    assert_eq!(control.lost_before(u32::MAX / 2), u32::MAX / 2 - 1);
    assert_eq!(control.lost_before(u32::MAX - 1), u32::MAX / 2 - 1);
    assert_eq!(control.lost_before(u32::MAX), 0);
    assert_eq!(control.lost_before(2), 2);
}
