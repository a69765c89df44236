//! What a driver reads on its thread: several sources, each of which may be away, and is asked for again until it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::epoll;
use tokio::sync::mpsc;
use tracing::warn;

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

/// Reads until it is to stop, or nobody receives any more. What is missing is asked for at once, and then after each such
/// pause.
///
/// # Errors
/// When the system can't wait for several sources at once.
pub(super) fn watch<K: Ord + Clone + std::fmt::Display>(
    stop: &Stop,
    wanted: &BTreeSet<K>,
    mut sources: impl Sources<K>,
    again_after: Duration,
    now_ms: &NowMs,
    sender: &mpsc::Sender<Message>,
) -> io::Result<()> {
    // One descriptor that is readable while one of the sources' is.
    let any = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let again_after_ms = u64::try_from(again_after.as_millis()).unwrap_or(u64::MAX);
    let mut ask_at_ms = 0;
    let mut has_waited = true;
    let mut had = Vec::new();
    let mut missing = wanted.clone();
    let mut said: BTreeMap<K, String> = BTreeMap::new();
    let mut is_received = true;
    loop {
        // By the clock too: where edges come all the time, nothing is ever waited for to its end.
        let is_time = !missing.is_empty() && (has_waited || now_ms() >= ask_at_ms);
        if is_time {
            ask_at_ms = now_ms().saturating_add(again_after_ms);
        }
        for (name, requested) in if is_time { sources.request(&missing) } else { Vec::new() } {
            let added = requested.and_then(|source| {
                epoll::add(&any, &source, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
                    .map_err(|error| StartError::Waiting(error.into()))?;
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
        let ask_ms = (!missing.is_empty()).then_some(ask_at_ms);
        let due_ms = had.iter().filter_map(|(_, source)| source.due_ms()).chain(ask_ms).min();
        let awaited = stop.wait(&any, due_ms.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms()))))?;
        has_waited = awaited == Awaited::Nothing;
        match awaited {
            Awaited::Stop => return Ok(()),
            Awaited::Nothing => {}
            Awaited::Device(_) => had.retain_mut(|(name, source)| {
                let taken = source.take(now_ms, &mut |message| is_received &= sender.blocking_send(message).is_ok());
                // Dropped, its descriptor leaves the gathering; asked for again, it says why it is off.
                if let Err(error) = &taken {
                    warn!(source = %name, %error, "what an input is on is gone");
                    missing.insert(name.clone());
                }
                taken.is_ok()
            }),
        }
        for message in had.iter_mut().filter_map(|(_, source)| source.elapse(now_ms())) {
            is_received &= sender.blocking_send(message).is_ok();
        }
        if !is_received {
            return Ok(());
        }
    }
}
