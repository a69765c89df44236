//! What was pressed, and what of it became of events and rows.

/// A button, and what the knob stood at.
pub(super) type Found = (String, String);

/// A button that was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Press {
    pub(super) what: Found,
    /// The device said that it is recorded.
    pub(super) is_acknowledged: bool,
}

/// What is wrong with what was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Acknowledged presses that are not there in their place.
    pub(super) lost: usize,
    /// What is there without a press of its own in that place.
    pub(super) doubled: usize,
}

/// Compares presses with what was found of them, both in order: as many as possible are matched. A press that was not
/// acknowledged may be there or not.
pub(super) fn compare(presses: &[Press], found: &[Found]) -> Comparison {
    // The longest common subsequence, by how many presses and how many acknowledged ones are in it.
    let mut above = vec![(0, 0); found.len() + 1];
    for press in presses {
        let mut line: Vec<(usize, usize)> = vec![(0, 0)];
        for (at, found) in found.iter().enumerate() {
            let mut best = above[at + 1].max(line[at]);
            if *found == press.what {
                let (matched, acknowledged) = above[at];
                best = best.max((matched + 1, acknowledged + usize::from(press.is_acknowledged)));
            }
            line.push(best);
        }
        above = line;
    }
    let (matched, kept) = above[found.len()];
    let acknowledged = presses.iter().filter(|press| press.is_acknowledged).count();
    Comparison { lost: acknowledged - kept, doubled: found.len() - matched }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_acknowledged_press_is_found_once_and_in_order() {
        let what = |button: &str| (button.to_owned(), "Garden".to_owned());
        let press = |(button, is_acknowledged)| Press { what: what(button), is_acknowledged };
        let presses = [("one", true), ("two", true), ("three", false), ("four", true)].map(press);
        let table: [(&[&str], usize, usize); 7] = [
            (&["one", "two", "three", "four"], 0, 0),
            (&["one", "two", "four"], 0, 0),
            (&["one", "two", "three"], 1, 0),
            (&["one", "two", "two", "four"], 0, 1),
            (&["two", "one", "four"], 1, 1),
            (&["one", "two", "four", "five"], 0, 1),
            (&[], 3, 0),
        ];
        for (found, lost, doubled) in table {
            let found: Vec<Found> = found.iter().map(|button| what(button)).collect();
            assert_eq!(compare(&presses, &found), Comparison { lost, doubled }, "{found:?}");
        }
        let elsewhere = [("one".to_owned(), "Workshop".to_owned())];
        assert_eq!(compare(&presses, &elsewhere), Comparison { lost: 3, doubled: 1 });
    }
}
