//! An I2C bus: whether it may be used, how fast it runs, and what answers on it.

use super::Finding;

/// Below this a panel's scrolling text is not smooth, in Hertz.
const SMOOTH_HZ: u32 = 400_000;
/// What a Pi's bus runs at where the device tree says nothing, in Hertz.
const USUAL_HZ: u32 = 100_000;

/// What was found of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusFacts {
    /// Its device file.
    pub path: String,
    /// What answers, in the order of addresses; or why nothing could be asked.
    pub answers: Result<Vec<Answer>, String>,
    /// Its clock in Hertz, where the device tree says so.
    pub hz: Option<u32>,
    /// What plugins.toml says is on it.
    pub wanted: Vec<WantedChip>,
}

/// An address that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of 7 bits.
    pub address: u8,
    /// What may answer there.
    pub likely: Vec<String>,
}

/// A chip that plugins.toml names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedChip {
    /// What it is for: `panel`.
    pub part: String,
    /// Of 7 bits.
    pub address: u8,
}

/// Says what is on a bus, how fast it runs, and whether what plugins.toml names is there.
#[must_use]
pub fn judge_bus(facts: &BusFacts) -> Vec<Finding> {
    let check = format!("bus {}", facts.path);
    let answers = match &facts.answers {
        Ok(answers) => answers,
        Err(error) => return vec![Finding::of_error(&check, error, "look whether another program uses it")],
    };
    let mut findings = vec![judge_speed(&check, facts.hz, &render_answers(answers))];
    for wanted in &facts.wanted {
        let check = format!("{} at {:#04x}", wanted.part, wanted.address);
        findings.push(if answers.iter().any(|answer| answer.address == wanted.address) {
            Finding::good(&check, &format!("it answers on {}", facts.path))
        } else {
            let others: Vec<String> = answers.iter().map(|answer| format!("{:#04x}", answer.address)).collect();
            let remedy = if others.is_empty() {
                "look whether it has 3.3 V and ground, and whether SDA (pin 3) and SCL (pin 5) are not swapped"
                    .to_owned()
            } else {
                format!("look at its wires; or it has another address: {} answers", others.join(", "))
            };
            Finding::bad(&check, &format!("nothing answers there on {}", facts.path), &remedy)
        });
    }
    findings
}

fn judge_speed(check: &str, hz: Option<u32>, answers: &str) -> Finding {
    let clock = match hz {
        Some(hz) => format!("{} kHz", hz / 1_000),
        None => format!("{} kHz, as nothing says otherwise", USUAL_HZ / 1_000),
    };
    let found = Finding::good(check, &format!("{clock}; {answers}"));
    if hz.unwrap_or(USUAL_HZ) < SMOOTH_HZ {
        let remedy = "for smooth scrolling on a panel, `dtparam=i2c_arm_baudrate=400000` in /boot/firmware/config.txt, then \
                      restart. Chips that stretch the clock may need it slower";
        found.with_remedy(remedy)
    } else {
        found
    }
}

fn render_answers(answers: &[Answer]) -> String {
    if answers.is_empty() {
        return "nothing answers".to_owned();
    }
    let render = |answer: &Answer| {
        let likely = if answer.likely.is_empty() { "unknown".to_owned() } else { answer.likely.join(", ") };
        format!("{:#04x} ({likely})", answer.address)
    };
    answers.iter().map(render).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Verdict;

    fn facts(answers: &[(u8, &str)], hz: Option<u32>) -> BusFacts {
        let answer = |(address, likely): &(u8, &str)| Answer {
            address: *address,
            likely: Some((*likely).to_owned()).filter(|likely| !likely.is_empty()).into_iter().collect(),
        };
        BusFacts {
            path: "/dev/i2c-1".into(),
            answers: Ok(answers.iter().map(answer).collect()),
            hz,
            wanted: vec![WantedChip { part: "panel".into(), address: 0x3c }],
        }
    }

    #[test]
    fn a_slow_bus_says_how_it_gets_faster() {
        for (hz, seen, has_remedy) in [
            (None, "100 kHz, as nothing says otherwise; nothing answers", true),
            (Some(100_000), "100 kHz; nothing answers", true),
            (Some(400_000), "400 kHz; nothing answers", false),
            (Some(1_000_000), "1000 kHz; nothing answers", false),
        ] {
            let found = &judge_bus(&facts(&[], hz))[0];
            assert_eq!((found.verdict, found.seen.as_str()), (Verdict::Good, seen));
            assert_eq!(found.remedy.as_ref().is_some_and(|remedy| remedy.contains("baudrate=400000")), has_remedy);
        }
    }

    #[test]
    fn a_chip_that_is_not_there_is_missed_and_what_is_there_instead_is_said() {
        let oled = [(0x3c, "SSD1306 or SH1106"), (0x09, "")];
        let there = judge_bus(&facts(&oled, Some(400_000)));
        assert_eq!(there[0].seen, "400 kHz; 0x3c (SSD1306 or SH1106), 0x09 (unknown)");
        assert_eq!(there[1], Finding::good("panel at 0x3c", "it answers on /dev/i2c-1"));
        for (answers, remedy) in [(&[(0x3d, "")][..], "0x3d answers"), (&[], "SDA (pin 3)")] {
            let found = &judge_bus(&facts(answers, None))[1];
            assert_eq!((found.verdict, found.seen.as_str()), (Verdict::Bad, "nothing answers there on /dev/i2c-1"));
            assert!(found.remedy.as_ref().unwrap().contains(remedy), "{found:?}");
        }
    }

    #[test]
    fn a_bus_that_may_not_be_used_says_what_to_do() {
        let closed = BusFacts { answers: Err("may not be used; join the group".into()), ..facts(&[], None) };
        assert_eq!(judge_bus(&closed), [Finding::bad("bus /dev/i2c-1", "may not be used", "join the group")]);
    }
}
