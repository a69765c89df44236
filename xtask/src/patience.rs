//! Waiting for another program: with a bound, and a message that says for what.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::stopwatch::Stopwatch;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks until `look` finds something, for at most `limit_for`; `whom` and `what` make the message: "the device did not
/// show a code within 60 s".
pub(crate) fn until<T>(
    whom: &str,
    what: &str,
    limit_for: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if watch.elapsed() >= limit_for {
            bail!("{whom} did not {what} within {} s", limit_for.as_secs());
        }
        rest(LOOK_EVERY);
    }
}

/// Does nothing for a while.
#[expect(clippy::disallowed_methods, reason = "a person's hands are slow, and this plays them")]
pub(crate) fn rest(rest_for: Duration) {
    std::thread::sleep(rest_for);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_said_with_its_name_and_the_bound() {
        let nothing = || Ok(None::<()>);
        let error = until("the device", "show a code", Duration::ZERO, nothing).expect_err("nothing came");
        assert_eq!(error.to_string(), "the device did not show a code within 0 s");
    }

    #[test]
    fn what_comes_ends_the_wait_and_so_does_an_error() {
        let found = until("it", "come", Duration::ZERO, || Ok(Some(7)));
        assert_eq!(found.expect("found"), 7);
        let ended = until("it", "come", Duration::from_secs(60), || -> Result<Option<()>> { bail!("it ended") });
        assert_eq!(ended.expect_err("ended").to_string(), "it ended");
    }
}
