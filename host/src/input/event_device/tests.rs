//! The driver's own thread with devices of a test: what the kernel writes comes through a pipe, in the kernel's own form.

use std::fs::File;
use std::io::{self, ErrorKind, PipeWriter, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use punchcard_core::badge::{BadgeRead, TYPING_PAUSE_MS, UnreadReason};
use punchcard_core::config::parse_what_is_valid;
use punchcard_core::input::{Edge, Motion};
use rustix::fs::OFlags;

use super::typist::{EV_KEY, EV_SYN, KeyDevice, RawEvent, SYN_DROPPED, SYN_REPORT};
use super::*;

/// A `struct input_event` of a 64-bit kernel: two times of 8 bytes, type, code and value.
const EVENT_BYTES: usize = 24;
/// The wall clock of all tests, in seconds of the epoch.
const WALL_S: u64 = 1_800_000_000;

/// A device whose events come through a pipe.
struct Recorded(File);

impl AsFd for Recorded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl KeyDevice for Recorded {
    fn fetch(&mut self) -> io::Result<Vec<RawEvent>> {
        let mut bytes = [0; 64 * EVENT_BYTES];
        match self.0.read(&mut bytes) {
            // Its writer was dropped: unplugged.
            Ok(0) => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            Ok(count) => Ok(bytes[..count].chunks_exact(EVENT_BYTES).map(parse_event).collect()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(WALL_S)
    }
}

fn parse_event(bytes: &[u8]) -> RawEvent {
    let long = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    let short = |at: usize| u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap());
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(long(0)) + Duration::from_micros(long(8));
    RawEvent { at, kind: short(16), code: short(18), value: i32::from_ne_bytes(bytes[20..24].try_into().unwrap()) }
}

/// The end that a test holds. Dropped, the device is unplugged.
struct Hand(PipeWriter);

impl Hand {
    fn write(&mut self, kind: u16, code: u16, value: i32, ago_ms: u64) {
        let at_ms = WALL_S * 1_000 - ago_ms;
        let mut bytes = Vec::with_capacity(EVENT_BYTES);
        bytes.extend((at_ms / 1_000).to_ne_bytes());
        bytes.extend((at_ms % 1_000 * 1_000).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        self.0.write_all(&bytes).unwrap();
    }

    /// A key as a USB keyboard has it: its scan code, the key, and the end of the report.
    fn key(&mut self, code: u16, value: i32) {
        self.write(4, 4, 0x0007_0000, 0);
        self.write(EV_KEY, code, value, 0);
        self.write(EV_SYN, SYN_REPORT, 0, 0);
    }

    /// What a reader types for digits, with Enter.
    fn badge(&mut self, digits: &str) {
        let code =
            |digit: char| if digit == '0' { 11 } else { u16::try_from(digit.to_digit(10).unwrap()).unwrap() + 1 };
        for code in digits.chars().map(code).chain([28]) {
            self.key(code, 1);
            self.key(code, 0);
        }
    }
}

fn device() -> (Hand, Recorded) {
    let (reader, writer) = io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
    (Hand(writer), Recorded(File::from(OwnedFd::from(reader))))
}

fn inputs() -> BTreeMap<InputName, Input> {
    let text = r#"
        [inputs.badge]
        driver = "reader"
        device = "HID Reader"
        press = { event = "punch", fields = { badge = "$badge" } }
        [inputs.in]
        driver = "keyboard"
        device = "Keypad"
        key = "+"
        press = { event = "in" }
        long-press = { event = "far" }
        [inputs.out]
        driver = "keyboard"
        device = "Keypad"
        key = "-"
        press = { event = "out" }
    "#;
    let (configuration, diagnostics) = parse_what_is_valid(&format!("device.name = \"x\"\n{text}"));
    assert_eq!(diagnostics, []);
    configuration.inputs
}

type Plugged = Arc<Mutex<BTreeMap<InputDevice, Recorded>>>;
type Said = Arc<Mutex<Vec<String>>>;

/// What a test has of the driver's thread, whose clock stands at `now_ms`.
struct Bench {
    reading: Reading,
    receiver: mpsc::Receiver<Message>,
    plugged: Plugged,
    said: Said,
    now_ms: Arc<Mutex<u64>>,
}

impl Bench {
    fn new(plugged: impl IntoIterator<Item = (&'static str, Recorded)>) -> Self {
        let named = plugged.into_iter().map(|(name, device)| (InputDevice::Name(name.to_owned()), device));
        let plugged: Plugged = Arc::new(Mutex::new(named.collect()));
        let (said, now_ms) = (Said::default(), Arc::new(Mutex::new(100_000)));
        let (sender, receiver) = mpsc::channel(64);
        let sockets = Arc::clone(&plugged);
        let open = move |device: &InputDevice| {
            let away = || DeviceError::Away { device: device.clone(), others: Vec::new() };
            sockets.lock().unwrap().remove(device).ok_or_else(away)
        };
        let words = Arc::clone(&said);
        let tell: Tell = Arc::new(move |input, error| {
            let error = error.map_or_else(|| "is read".to_owned(), ToString::to_string);
            words.lock().unwrap().push(format!("{input}: {error}"));
        });
        let devices = Devices { hands: hands_by_device(&inputs()), open, tell };
        let clock = Arc::clone(&now_ms);
        let now: NowMs = Arc::new(move || *clock.lock().unwrap());
        let read = move |stop: &super::super::reading::Stop| {
            let wanted = devices.hands.keys().cloned().collect();
            watch(stop, &wanted, devices, Duration::from_millis(5), &now, &sender)
        };
        Self { reading: Reading::start("event-device", read).unwrap(), receiver, plugged, said, now_ms }
    }

    /// With a reader and a keypad, whose buttons are up at first, and some time after that.
    async fn begun(reader: Recorded, keypad: Recorded) -> Self {
        let mut bench = Self::new([("HID Reader", reader), ("Keypad", keypad)]);
        for input in ["in", "out"] {
            assert_eq!(bench.next().await, moved(input, Motion::Up, 100_000));
        }
        bench.pass(1_000);
        bench
    }

    fn pass(&self, ms: u64) {
        *self.now_ms.lock().unwrap() += ms;
    }

    /// Waits until this was said.
    async fn until(&self, is_said: impl Fn(&[String]) -> bool) {
        for _ in 0..2_000 {
            if is_said(&self.said.lock().unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}", self.said.lock().unwrap());
    }

    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(10), self.receiver.recv()).await;
        next.expect("something is reported").expect("it goes on")
    }

    async fn number(&mut self) -> String {
        match self.next().await {
            Message::Badge(BadgeRead { number, .. }) => number.unwrap().as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

fn name(name: &str) -> InputName {
    InputName::parse(name).unwrap()
}

fn moved(input: &str, motion: Motion, at_ms: u64) -> Message {
    Message::Edge(Edge { input: name(input), motion, at_ms })
}

#[tokio::test]
async fn what_a_reader_types_until_enter_is_one_badge() {
    let (mut hand, reader) = device();
    let (_keypad, keypad) = device();
    let mut bench = Bench::begun(reader, keypad).await;
    hand.badge("0012345678");
    hand.badge("7");
    assert_eq!(bench.number().await, "0012345678");
    assert_eq!(bench.number().await, "7");
    assert!(bench.reading.stop().await);
}

#[tokio::test]
async fn a_key_of_a_keyboard_is_a_button_with_the_time_at_which_it_moved() {
    let (_reader, reader) = device();
    let (mut hand, keypad) = device();
    let mut bench = Bench::begun(reader, keypad).await;
    hand.write(EV_KEY, 78, 1, 900);
    hand.write(EV_KEY, 78, 2, 400);
    hand.write(EV_KEY, 78, 0, 30);
    // No input, and a time before the clock was set.
    hand.write(EV_KEY, 30, 1, 0);
    hand.write(EV_KEY, 74, 1, 3_600_000);
    for (input, motion, at_ms) in [
        ("in", Motion::Down, 100_100),
        ("in", Motion::Repeat, 100_600),
        ("in", Motion::Up, 100_970),
        ("out", Motion::Down, 101_000),
    ] {
        assert_eq!(bench.next().await, moved(input, motion, at_ms));
    }
    assert!(bench.reading.stop().await);
}

#[tokio::test]
async fn of_keys_that_the_kernel_dropped_no_badge_is_made_and_no_button_stays_held() {
    let (mut hand, reader) = device();
    let (mut pad, keypad) = device();
    let mut bench = Bench::begun(reader, keypad).await;
    hand.key(2, 1);
    hand.write(EV_SYN, SYN_DROPPED, 0, 0);
    // What follows belongs to what was dropped.
    hand.key(28, 1);
    hand.badge("34");
    hand.badge("56");
    assert!(matches!(bench.next().await, Message::Badge(BadgeRead { number: Err(UnreadReason::KeysLost), .. })));
    assert_eq!(bench.number().await, "56");
    for code in [78, 74] {
        pad.key(code, 1);
    }
    for input in ["in", "out"] {
        assert_eq!(bench.next().await, moved(input, Motion::Down, 101_000));
    }
    pad.write(EV_SYN, SYN_DROPPED, 0, 0);
    pad.write(EV_SYN, SYN_REPORT, 0, 0);
    // In the order of their codes.
    for input in ["out", "in"] {
        assert_eq!(bench.next().await, moved(input, Motion::Up, 101_000));
    }
    assert!(bench.reading.stop().await);
}

#[tokio::test]
async fn a_number_without_enter_is_said_when_its_time_is_over() {
    let (mut hand, reader) = device();
    let (_keypad, keypad) = device();
    let mut bench = Bench::begun(reader, keypad).await;
    hand.key(2, 1);
    // A test's clock moves at once, perhaps before the key is read. So it moves until that is over.
    let given_up = loop {
        bench.pass(TYPING_PAUSE_MS);
        hand.key(42, 0);
        if let Ok(message) = tokio::time::timeout(Duration::from_millis(20), bench.receiver.recv()).await {
            break message;
        }
    };
    assert!(matches!(given_up, Some(Message::Badge(BadgeRead { number: Err(UnreadReason::NotEnded), .. }))));
    assert!(bench.reading.stop().await);
}

#[tokio::test]
async fn a_device_that_is_away_is_said_and_read_again_when_it_is_back() {
    let (mut hand, reader) = device();
    let mut bench = Bench::new([("HID Reader", reader)]);
    let said = |bench: &Bench| bench.said.lock().unwrap().clone();
    bench.until(|said| said.len() == 2).await;
    bench.pass(1_000);
    hand.badge("1");
    assert_eq!(bench.number().await, "1");
    hand.key(2, 1);
    drop(hand);
    // Its half of a number is nobody's, and goes with it.
    bench.until(|said| said.iter().any(|said| said.starts_with("badge: "))).await;
    let away = |input: &str, device: &str| format!("{input}: `{device}` is not plugged in");
    let expected = [away("in", "Keypad"), away("out", "Keypad"), away("badge", "HID Reader")];
    assert_eq!(said(&bench), expected, "each once, however often it is looked for");
    let (mut hand, reader) = device();
    bench.plugged.lock().unwrap().insert(InputDevice::Name("HID Reader".to_owned()), reader);
    // What comes at once may be the end of a number.
    hand.badge("22");
    assert!(matches!(bench.next().await, Message::Badge(BadgeRead { number: Err(UnreadReason::KeysLost), .. })));
    bench.pass(1_000);
    hand.badge("22");
    assert_eq!(bench.number().await, "22");
    assert_eq!(said(&bench).last().map(String::as_str), Some("badge: is read"));
    assert!(bench.reading.stop().await);
}
