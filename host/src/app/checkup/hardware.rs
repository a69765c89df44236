//! Buses, lines and the panel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use punchcard_core::checkup::Finding;
use punchcard_core::checkup::i2c::{Answer, BusFacts, WantedChip, judge_bus};
use punchcard_core::checkup::line::{LineFacts, Users, judge_lines};
use punchcard_core::config::Configuration;
use punchcard_core::config::input::{Chip, InputDevice, Trigger};
use punchcard_core::config::output::Driven;
use punchcard_core::config::panel::PanelDriver;
use punchcard_core::name::InputName;
use punchcard_core::scene::{Idle, Scene, View};
use punchcard_i2c::{Bus, BusPath, scan, speed};
use punchcard_panel::Painter;
use punchcard_panel::driver::Driver as _;

use super::super::error_chain::chain;
use super::super::io::{frame_size, oled_driver};
use crate::gpio::{CONSUMER, Chips};
use crate::hardware::Hardware;
use crate::input::event_device::look_at_device;

/// How long the test picture stands.
const PICTURE_FOR: Duration = Duration::from_secs(3);
/// The header's bus (pins 3 and 5), on every Raspberry Pi with 40 pins.
pub(in super::super) const HEADER_BUS: u8 = 1;

/// The only address that a PN532 has (UM0701-02, section 6.2.4).
const PN532_ADDRESS: u8 = 0x24;

/// What is on the buses that plugins.toml names, and on the header's where that is there.
pub(super) fn buses(configuration: &Configuration) -> Vec<Finding> {
    let mut wanted: BTreeMap<PathBuf, Vec<WantedChip>> = BTreeMap::new();
    if let PanelDriver::Oled(oled) = &configuration.panel.driver {
        let chip = WantedChip { part: "panel".to_owned(), address: oled.address };
        wanted.entry(oled.bus.clone()).or_default().push(chip);
    }
    for (name, input) in &configuration.inputs {
        if let Trigger::Pn532 { bus } = &input.trigger {
            let chip = WantedChip { part: format!("input {name}"), address: PN532_ADDRESS };
            wanted.entry(bus.clone()).or_default().push(chip);
        }
    }
    for (name, sensor) in &configuration.sensors {
        for loan in sensor.i2c.values() {
            let chip = WantedChip { part: format!("sensor {name}"), address: loan.address };
            wanted.entry(loan.bus.clone()).or_default().push(chip);
        }
    }
    let header = BusPath::of_number(HEADER_BUS);
    if header.as_path().exists() {
        wanted.entry(header.as_path().to_owned()).or_default();
    }
    if wanted.is_empty() {
        let seen = format!("there is no {header}, and plugins.toml names no bus");
        return vec![
            Finding::unknown("I2C", &seen)
                .with_remedy("where a panel is to be connected: `sudo raspi-config nonint do_i2c 0`"),
        ];
    }
    wanted.into_iter().flat_map(|(path, wanted)| judge_bus(&look_at_bus(&path, wanted))).collect()
}

/// Which bus, and what answers on it.
pub(in super::super) fn look_at_bus(path: &Path, wanted: Vec<WantedChip>) -> BusFacts {
    let bus = BusPath::new(path);
    // Where the device tree can't be read, it says nothing.
    let hz = bus.number().and_then(|number| speed::read_clock_hz(Path::new(speed::CLASS), number).ok().flatten());
    let scanned = Bus::open(&bus).and_then(|mut bus| {
        let can_write_nothing = bus.can_write_nothing();
        scan::scan(&mut bus, can_write_nothing)
    });
    let answer = |found: scan::Found| Answer {
        address: found.address,
        likely: found.likely.into_iter().map(str::to_owned).collect(),
    };
    let answers = scanned.map(|found| found.into_iter().map(answer).collect()).map_err(chain);
    BusFacts { path: bus.to_string(), answers, hz, wanted }
}

/// Who has the lines of inputs, outputs and sensors.
pub(super) fn lines(configuration: &Configuration, is_running: bool) -> Vec<Finding> {
    let inputs = configuration.inputs.iter().filter_map(|(name, input)| match &input.trigger {
        Trigger::Key(_) | Trigger::DeviceKey { .. } | Trigger::Reader { .. } | Trigger::Pn532 { .. } => None,
        Trigger::Line { chip, line, .. } => Some((format!("input {name}"), chip, vec![*line])),
        Trigger::Encoder { chip, lines, .. } => Some((format!("input {name}"), chip, lines.to_vec())),
    });
    let outputs = configuration.outputs.iter().filter_map(|(name, output)| match &output.driven {
        Driven::Line { chip, line } => Some((format!("output {name}"), chip, vec![*line])),
        Driven::Pwm { .. } => None,
    });
    let sensors = configuration.sensors.iter().flat_map(|(name, sensor)| {
        sensor.lines.values().map(move |loan| (format!("sensor {name}"), &loan.chip, vec![loan.line]))
    });
    let wanted: Vec<_> = inputs.chain(outputs).chain(sensors).collect();
    if wanted.is_empty() {
        return vec![Finding::unknown("lines", "plugins.toml names none")];
    }
    let chips = Chips::find();
    let judge = |(part, chip, lines): (String, &Chip, Vec<u8>)| {
        let users = match chip {
            Chip::Rppal => Ok(Users::Rppal),
            chip => chips.users(chip, &lines).map(Users::Told).map_err(chain),
        };
        judge_lines(&LineFacts { part, lines, users }, CONSUMER, is_running)
    };
    wanted.into_iter().map(judge).collect()
}

/// Readers, keypads and keyboards of the kernel's: whether they are plugged in, and may be read. A running device keeps them.
pub(super) fn input_devices(configuration: &Configuration) -> Vec<Finding> {
    let wanted = configuration.inputs.iter().filter_map(|(name, input)| Some((name, input.trigger.input_device()?)));
    let look = |(name, device): (&InputName, &InputDevice)| {
        let check = format!("input {name}");
        match look_at_device(device) {
            Ok(()) => Finding::good(&check, &format!("{device} is plugged in, and may be read")),
            Err(error) => Finding::of_error(&check, &chain(error), "look at its plug; `lsusb` lists what is there"),
        }
    };
    wanted.map(look).collect()
}

/// Shows a picture on the panel, for as long as a person needs to look at it.
pub(super) async fn picture(configuration: &Configuration, may_run: bool) -> Option<Finding> {
    const CHECK: &str = "panel";
    let PanelDriver::Oled(oled) = &configuration.panel.driver else { return None };
    if may_run {
        return Some(Finding::unknown(CHECK, "the running device has it; `punchcard panel` shows what it shows"));
    }
    let size = configuration.panel.size;
    let mut driver = oled_driver(oled, size, &Hardware::of_kernel());
    let frame = Painter::new(frame_size(size)).paint(&test_view(configuration.device.name.as_str())).frame;
    Some(match driver.show(&frame) {
        Ok(()) => {
            tokio::time::sleep(PICTURE_FOR).await;
            let seen = format!("it took a test picture, which stood for {} s", PICTURE_FOR.as_secs());
            let remedy =
                "where nothing was to be seen, or noise at an edge: `driver` may be the other of ssd1306 and sh1106";
            Finding::good(CHECK, &seen).with_remedy(remedy)
        }
        Err(error) => Finding::of_error(CHECK, &chain(error), "look at its wires and at `[panel]`"),
    })
}

/// The test picture.
pub(in super::super) fn test_view(device: &str) -> View {
    let scene = Scene::Idle(Idle {
        device: device.to_owned(),
        chosen: None,
        standing: Some("Test picture".to_owned()),
        clock: Some("12:34".to_owned()),
        undelivered: 0,
    });
    View { scene, shown_for_ms: 0 }
}

#[cfg(test)]
mod tests {
    use punchcard_core::checkup::Verdict;
    use punchcard_core::config::parse_configuration;

    use super::*;

    fn configuration(text: &str) -> Configuration {
        let device = "[device]\nname = \"door\"\ntime-zone = \"UTC\"\n";
        parse_configuration(&format!("{device}{text}")).unwrap()
    }

    const PRESS: &str = "press = { event = \"punch\", fields = { badge = \"$badge\" } }\n";

    #[test]
    fn a_reader_on_a_bus_is_looked_for_at_its_address() {
        let configuration = configuration(&format!(
            "[inputs.door]\ndriver = \"pn532\"\nbus = \"/dev/i2c-punchcard-has-none\"\n{PRESS}"
        ));
        let findings = buses(&configuration);
        // There is no such bus; that it was looked for is what counts.
        assert!(findings.iter().any(|found| found.check == "bus /dev/i2c-punchcard-has-none"), "{findings:?}");
    }

    #[test]
    fn a_reader_that_is_not_plugged_in_is_missed() {
        let configuration = configuration(&format!(
            "[inputs.door]\ndriver = \"reader\"\ndevice = \"/dev/input/by-id/punchcard-has-none\"\n{PRESS}"
        ));
        let found = &input_devices(&configuration)[..];
        assert!(matches!(found, [Finding { verdict: Verdict::Bad, .. }]), "{found:?}");
        assert_eq!(found[0].check, "input door");
    }

    #[test]
    fn of_lines_that_rppal_has_the_kernel_is_not_asked() {
        let text = "[hardware]\nadapter = \"rppal\"\n[inputs.clock]\ndriver = \"gpio\"\nline = 17\n\
                    press = { event = \"punch\" }\n[outputs.lamp]\nline = 27\nrecorded = [300]\n";
        for is_running in [false, true] {
            let found = lines(&configuration(text), is_running);
            assert_eq!(found.len(), 2);
            assert!(found.iter().all(|found| found.verdict == Verdict::Unknown), "{found:?}");
        }
    }
}
