//! Which board it is, what runs on it, and whether it has enough power.

use super::Finding;

/// What a machine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    /// As the device tree names it (`model`, Devicetree Specification 0.4, section 2.3.2), or a PC's firmware.
    pub model: Option<String>,
    /// `PRETTY_NAME` of os-release(5).
    pub system: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The processor's architecture, by Rust's name.
    pub processor: String,
    /// In KiB, less what the kernel has taken for itself.
    pub memory_kib: Option<u64>,
    /// Whether the voltage has fallen too low. None: this board has nothing that measures it.
    pub is_under_voltage: Option<bool>,
}

/// Says which board it is.
#[must_use]
pub fn judge_board(board: &Board) -> Vec<Finding> {
    let memory = board.memory_kib.map(|kib| format!("{} MiB of memory", kib / 1_024));
    let known =
        [board.model.clone(), board.system.clone(), board.kernel.clone(), Some(board.processor.clone()), memory];
    let seen = known.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let mut findings = vec![match &board.model {
        Some(_) => Finding::good("board", &seen),
        None => Finding::unknown("board", &format!("nothing says which board it is: {seen}")),
    }];
    findings.extend(board.is_under_voltage.map(|is_low| {
        if is_low {
            let remedy = "use the supply that was made for this board, and a short thick cable; a card loses data when the \
                          power is too low";
            Finding::bad("power", "the voltage is too low", remedy)
        } else {
            Finding::good("power", "the voltage is high enough")
        }
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Verdict;

    #[test]
    fn a_board_is_named_with_what_is_known_of_it() {
        let unknown = Board { processor: "aarch64".into(), ..Board::default() };
        let pi = Board {
            model: Some("Raspberry Pi Zero 2 W Rev 1.0".into()),
            system: Some("Debian GNU/Linux 13 (trixie)".into()),
            kernel: Some("Linux 6.12.34".into()),
            memory_kib: Some(426_000),
            ..unknown.clone()
        };
        let low = Board { is_under_voltage: Some(true), ..pi.clone() };
        let enough = Board { is_under_voltage: Some(false), ..pi.clone() };
        let seen =
            "Raspberry Pi Zero 2 W Rev 1.0, Debian GNU/Linux 13 (trixie), Linux 6.12.34, aarch64, 416 MiB of memory";
        for (board, expected) in [
            (unknown, vec![(Verdict::Unknown, "nothing says which board it is: aarch64")]),
            (pi, vec![(Verdict::Good, seen)]),
            (low, vec![(Verdict::Good, seen), (Verdict::Bad, "the voltage is too low")]),
            (enough, vec![(Verdict::Good, seen), (Verdict::Good, "the voltage is high enough")]),
        ] {
            let findings = judge_board(&board);
            let found: Vec<_> = findings.iter().map(|finding| (finding.verdict, finding.seen.as_str())).collect();
            assert_eq!(found, expected);
        }
    }
}
