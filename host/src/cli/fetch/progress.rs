//! What a person sees at a terminal while a request takes longer than a second.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::Duration;

use super::super::output::say;

/// Between two looks.
const EACH: Duration = Duration::from_secs(1);

/// How far it has come.
pub(super) struct Progress {
    shown: bool,
    /// Seconds that were waited for.
    seconds: Cell<u64>,
    pages: u32,
    items: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), seconds: Cell::new(0), pages: 0, items: 0 }
    }

    /// So many pages are there, with so many items.
    pub(super) fn note(&mut self, pages: u32, items: usize) {
        (self.pages, self.items) = (pages, items);
    }

    /// Waits for work, and says each second how far it is.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.clear();
                    return done;
                }
                () = tokio::time::sleep(EACH) => {
                    self.seconds.set(self.seconds.get() + 1);
                    self.show();
                }
            }
        }
    }

    fn show(&self) {
        if self.shown {
            let seconds = self.seconds.get();
            let so_far = match self.pages {
                0 => String::new(),
                pages => format!(", {pages} pages with {} items so far", self.items),
            };
            say(format_args!("\rwaiting for the answer: {seconds} s{so_far} "));
        }
    }

    pub(super) fn clear(&self) {
        if self.shown {
            say("\r\x1b[K");
        }
    }
}
