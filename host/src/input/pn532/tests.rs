//! The driver's own thread with a simulated chip on a simulated bus.

use std::sync::{Arc, Mutex};

use punchcard_chips::Fault;
use punchcard_core::config::parse_what_is_valid;

use super::*;

const ADDRESS: u8 = 0x24;

const CONFIGURATION: &str = r#"
device.name = "x"
[inputs.door]
driver = "pn532"
bus = 1
press = { event = "punch", fields = { badge = "$badge" } }
"#;

struct Bench {
    bus: punchcard_chips::Bus,
    chip: Arc<Mutex<punchcard_chips::Pn532>>,
    reading: Reading,
    receiver: mpsc::Receiver<Message>,
    said: Arc<Mutex<Vec<String>>>,
    now_ms: Arc<Mutex<u64>>,
}

impl Bench {
    fn new() -> Self {
        let (configuration, diagnostics) = parse_what_is_valid(CONFIGURATION);
        assert_eq!(diagnostics, []);
        let bus = punchcard_chips::Bus::new();
        let chip = bus.attach(ADDRESS, punchcard_chips::Pn532::new());
        let (sender, receiver) = mpsc::channel(64);
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let words = Arc::clone(&said);
        let tell: Tell = Arc::new(move |_, error| {
            words.lock().unwrap().push(error.map_or_else(|| "is read".to_owned(), ToString::to_string));
        });
        let now_ms = Arc::new(Mutex::new(0));
        let clock = Arc::clone(&now_ms);
        // Each look at the clock takes a tenth of a second of it.
        let now: NowMs = Arc::new(move || {
            let mut now_ms = clock.lock().unwrap();
            *now_ms += 100;
            *now_ms
        });
        let mut antennas = antennas(&configuration.inputs);
        let opened = bus.clone();
        let read = move |stop: &Stop| {
            let open = |path: &Path| {
                assert_eq!(path, Path::new("/dev/i2c-1"));
                Ok(opened.clone())
            };
            ask(stop, &mut antennas, open, &now, &sender, &tell)
        };
        Self { bus, chip, reading: Reading::start("pn532", read).unwrap(), receiver, said, now_ms }
    }

    async fn number(&mut self) -> String {
        let read = tokio::time::timeout(Duration::from_secs(20), self.receiver.recv()).await;
        match read.expect("a badge is read") {
            Some(Message::Badge(BadgeRead { number, .. })) => number.unwrap().as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the clock has gone on by so much, that is, until the chip was asked so often.
    async fn pass(&self, ms: u64) {
        let until_ms = *self.now_ms.lock().unwrap() + ms;
        while *self.now_ms.lock().unwrap() < until_ms {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_said(&self, words: &str) {
        let is_said = || self.said.lock().unwrap().last().is_some_and(|said| said.contains(words));
        for _ in 0..2_000 {
            if is_said() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} instead of {words}", self.said.lock().unwrap());
    }
}

#[tokio::test]
async fn a_badge_is_read_for_as_long_as_it_is_before_the_chip() {
    let mut bench = Bench::new();
    bench.chip.lock().unwrap().bring(&[0x04, 0xa1, 0xb2, 0xc3]);
    for _ in 0..5 {
        assert_eq!(bench.number().await, "04A1B2C3");
    }
    bench.chip.lock().unwrap().take_away();
    // What it was asked before is told yet.
    bench.pass(500).await;
    while bench.receiver.try_recv().is_ok() {}
    bench.pass(500).await;
    assert!(bench.receiver.try_recv().is_err(), "nothing is there");
    bench.chip.lock().unwrap().bring(&[4, 1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.number().await, "04010203040506");
    assert_eq!(bench.chip.lock().unwrap().complaints(), Vec::<String>::new());
    assert_eq!(*bench.said.lock().unwrap(), Vec::<String>::new());
    assert!(bench.reading.stop().await);
}

#[tokio::test]
async fn a_chip_that_is_away_or_answers_nonsense_is_said_and_read_again() {
    let mut bench = Bench::new();
    bench.pass(100).await;
    bench.bus.unplug(ADDRESS);
    bench.until_said("no PN532 can be read on /dev/i2c-1; its switches have to select I2C").await;
    bench.bus.plug_in(ADDRESS);
    bench.until_said("is read").await;
    bench.bus.set_fault(Some(Fault::StuckLow));
    bench.until_said("no PN532 can be read").await;
    bench.bus.set_fault(None);
    bench.until_said("is read").await;
    bench.chip.lock().unwrap().set_noisy(true);
    bench.until_said("answers nonsense").await;
    bench.chip.lock().unwrap().set_noisy(false);
    bench.chip.lock().unwrap().bring(&[1, 2, 3, 4]);
    assert_eq!(bench.number().await, "01020304");
    assert_eq!(bench.chip.lock().unwrap().complaints(), Vec::<String>::new());
    assert!(bench.reading.stop().await);
}
