//! A line of the header: whether it is there, may be used, and who has it.

use super::Finding;

/// What was found of the lines of an input or an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFacts {
    /// The part: `input clock`.
    pub part: String,
    /// Its lines, by number.
    pub lines: Vec<u8>,
    /// Who has each of the lines, where somebody has; or why that can't be asked.
    pub users: Result<Users, String>,
}

/// Who has lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// As the kernel says it, for each line, where somebody has it.
    Told(Vec<Option<String>>),
    /// The library `rppal` has them. It drives lines past the kernel, and reads them under a name of its own: what the kernel
    /// says of them means nothing.
    Rppal,
}

/// Says whether the lines can be used. `own`: what the kernel calls this program as a user; `is_running`: whether the device
/// runs, which then has them.
#[must_use]
pub fn judge_lines(facts: &LineFacts, own: &str, is_running: bool) -> Finding {
    let numbers = facts.lines.iter().map(u8::to_string).collect::<Vec<_>>().join(" and ");
    let lines = if facts.lines.len() == 1 { format!("line {numbers}") } else { format!("lines {numbers}") };
    let users = match &facts.users {
        Ok(Users::Told(users)) => users,
        Ok(Users::Rppal) => {
            let seen = format!("{lines}: of `rppal`, which the kernel does not see");
            return Finding::unknown(&facts.part, &seen)
                .with_remedy("press it, or look at the lamp: nothing else tells");
        }
        Err(error) => return Finding::of_error(&facts.part, error, "look at `gpioinfo`"),
    };
    let other = users.iter().flatten().find(|user| !is_running || user.as_str() != own);
    match other {
        Some(user) => {
            let remedy = "free it, or take another line in plugins.toml. `gpioinfo` lists who has which";
            Finding::bad(&facts.part, &format!("{lines}: used by `{user}`"), remedy)
        }
        None if is_running && users.iter().all(Option::is_some) => {
            Finding::good(&facts.part, &format!("{lines}: used by the running device"))
        }
        None if is_running => {
            let remedy = "`punchcard status` and `punchcard logs` say why";
            Finding::bad(&facts.part, &format!("{lines}: the running device does not use it"), remedy)
        }
        None => Finding::good(&facts.part, &format!("{lines}: free, and may be used")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Verdict;

    #[test]
    fn a_line_is_free_ours_or_somebody_elses() {
        let facts = |lines: &[u8], users: Result<Vec<Option<&str>>, &str>| LineFacts {
            part: "input clock".into(),
            lines: lines.to_vec(),
            users: users
                .map(|users| Users::Told(users.into_iter().map(|user| user.map(str::to_owned)).collect()))
                .map_err(str::to_owned),
        };
        for (facts, is_running, verdict, seen) in [
            (facts(&[17], Ok(vec![None])), false, Verdict::Good, "line 17: free, and may be used"),
            (facts(&[5, 6], Ok(vec![None, None])), false, Verdict::Good, "lines 5 and 6: free, and may be used"),
            (facts(&[17], Ok(vec![Some("w1")])), false, Verdict::Bad, "line 17: used by `w1`"),
            (facts(&[17], Ok(vec![Some("w1")])), true, Verdict::Bad, "line 17: used by `w1`"),
            (facts(&[17], Ok(vec![Some("punchcard")])), false, Verdict::Bad, "line 17: used by `punchcard`"),
            (facts(&[17], Ok(vec![Some("punchcard")])), true, Verdict::Good, "line 17: used by the running device"),
            (facts(&[17], Ok(vec![None])), true, Verdict::Bad, "line 17: the running device does not use it"),
            (facts(&[17], Err("no chip; name one")), false, Verdict::Bad, "no chip"),
        ] {
            let found = judge_lines(&facts, "punchcard", is_running);
            assert_eq!((found.verdict, found.seen.as_str()), (verdict, seen), "{facts:?}");
        }
        // Whatever the kernel says of them, and whether the device runs or not.
        for is_running in [false, true] {
            let facts = LineFacts { users: Ok(Users::Rppal), ..facts(&[17], Ok(Vec::new())) };
            assert_eq!(judge_lines(&facts, "punchcard", is_running).verdict, Verdict::Unknown);
        }
    }
}
