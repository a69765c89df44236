//! A moment that outlives a restart of the host, but not of the machine.

use std::time::Duration;

use punchcard_sdk::Context;

use crate::stored::stored_fields;

/// A moment on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    boot: String,
    at_ms: u64,
}

impl Stamp {
    pub(crate) fn now(context: &Context) -> Self {
        Self { boot: context.boot.clone(), at_ms: context.monotonic_ms }
    }

    /// Whether it is of the boot that the context is of.
    pub(super) fn is_of(&self, context: &Context) -> bool {
        self.boot == context.boot
    }

    /// Milliseconds until it is `span` old. Zero: it is. A stamp of another boot counts as fresh: how much time went by
    /// in between is not known.
    pub(crate) fn remaining(&self, span: Duration, context: &Context) -> u64 {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if self.is_of(context) { span.saturating_sub(context.monotonic_ms.saturating_sub(self.at_ms)) } else { span }
    }
}

stored_fields!(Stamp { boot, at_ms });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    fn at(boot: &str, monotonic_ms: u64) -> Context {
        Context { boot: boot.into(), monotonic_ms, ..context() }
    }

    #[test]
    fn a_stamp_grows_old_on_its_own_boot_only() {
        let span = Duration::from_secs(600);
        let stamp = Stamp::now(&at("a", 5_000));
        for (boot, now, expected) in [
            ("a", 5_000, 600_000),
            ("a", 5_001, 599_999),
            ("a", 604_999, 1),
            ("a", 605_000, 0),
            ("a", u64::MAX, 0),
            ("a", 0, 600_000),
            ("b", 9_000_000, 600_000),
        ] {
            assert_eq!(stamp.remaining(span, &at(boot, now)), expected, "{boot} {now}");
        }
    }
}
