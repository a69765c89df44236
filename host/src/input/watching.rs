//! What a driver reads on its thread: several sources, each of which may be away, and is asked for again until it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::epoll;
use tokio::sync::mpsc;
use tracing::{error, warn};

use super::reading::{Awaited, Stop};
use super::{Message, NowMs, StartError};

/// A source that is there. Its descriptor is readable while there is something to take.
pub(super) trait Source: AsFd {
    /// What is said when reading begins.
    fn begin(&mut self, now_ms: u64) -> Vec<Message>;

    /// Takes all that there is.
    ///
    /// # Errors
    /// When the source is gone.
    fn take(&mut self, now_ms: &NowMs, send: &mut dyn FnMut(Message)) -> io::Result<()>;

    /// When time alone makes something of what was taken, in milliseconds of the clock.
    fn due_ms(&self) -> Option<u64> {
        None
    }

    /// What time has made of it by now.
    fn elapse(&mut self, _now_ms: u64) -> Option<Message> {
        None
    }
}

/// Asks for sources, each known by a `K`, and says why one can't be had.
pub(super) trait Sources<K> {
    /// What is had.
    type Source: Source;

    /// Asks for these.
    fn request(&mut self, missing: &BTreeSet<K>) -> Vec<(K, Result<Self::Source, StartError>)>;

    /// Says why one can't be had. None: it is had again.
    fn tell(&self, source: &K, error: Option<&StartError>);
}

/// Reads until it is to stop, or nobody receives any more. What is missing is asked for after each such pause.
pub(super) fn watch<K: Ord + Clone + std::fmt::Display>(
    stop: &Stop,
    wanted: &BTreeSet<K>,
    mut sources: impl Sources<K>,
    again_after: Duration,
    now_ms: &NowMs,
    sender: &mpsc::Sender<Message>,
) {
    // One descriptor that is readable while one of the sources' is.
    let any = match epoll::create(epoll::CreateFlags::CLOEXEC) {
        Ok(any) => any,
        Err(error) => return error!(%error, "inputs can't be waited for, and are off"),
    };
    let mut had = Vec::new();
    let mut missing = wanted.clone();
    let mut said: BTreeMap<K, String> = BTreeMap::new();
    let mut is_received = true;
    loop {
        for (name, requested) in if missing.is_empty() { Vec::new() } else { sources.request(&missing) } {
            let added = requested.and_then(|source| {
                epoll::add(&any, &source, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
                    .map_err(|error| StartError::Thread(error.into()))?;
                Ok(source)
            });
            match added {
                Ok(mut source) => {
                    missing.remove(&name);
                    if said.remove(&name).is_some() {
                        sources.tell(&name, None);
                    }
                    for message in source.begin(now_ms()) {
                        is_received &= sender.blocking_send(message).is_ok();
                    }
                    had.push((name, source));
                }
                Err(error) => {
                    let words = error.to_string();
                    if said.get(&name) != Some(&words) {
                        sources.tell(&name, Some(&error));
                        said.insert(name, words);
                    }
                }
            }
        }
        let again = (!missing.is_empty()).then_some(again_after);
        match stop.wait(&any, next_wait(again, had.iter().filter_map(|(_, source)| source.due_ms()).min(), now_ms())) {
            Ok(Awaited::Stop) => return,
            Ok(Awaited::Nothing) => {}
            Ok(Awaited::Device(_)) => had.retain_mut(|(name, source)| {
                let taken = source.take(now_ms, &mut |message| is_received &= sender.blocking_send(message).is_ok());
                // Dropped, its descriptor leaves the gathering; asked for again, it says why it is off.
                if let Err(error) = &taken {
                    warn!(source = %name, %error, "what an input is on is gone");
                    missing.insert(name.clone());
                }
                taken.is_ok()
            }),
            Err(error) => return error!(%error, "inputs can't be waited for, and are off"),
        }
        for message in had.iter_mut().filter_map(|(_, source)| source.elapse(now_ms())) {
            is_received &= sender.blocking_send(message).is_ok();
        }
        if !is_received {
            return;
        }
    }
}

/// How long to wait at most: until it is time to ask again, or until something is due.
fn next_wait(again: Option<Duration>, due_ms: Option<u64>, now_ms: u64) -> Option<Duration> {
    let due = due_ms.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms)));
    [again, due].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_ends_with_what_comes_first() {
        let ms = Duration::from_millis;
        for (again, due_ms, expected) in [
            (None, None, None),
            (Some(ms(2_000)), None, Some(ms(2_000))),
            (None, Some(1_500), Some(ms(500))),
            (Some(ms(2_000)), Some(1_500), Some(ms(500))),
            (Some(ms(200)), Some(1_500), Some(ms(200))),
            (None, Some(900), Some(ms(0))),
        ] {
            assert_eq!(next_wait(again, due_ms, 1_000), expected, "{again:?} {due_ms:?}");
        }
    }
}
