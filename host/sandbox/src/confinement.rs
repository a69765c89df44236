//! What surrounds one call: the limits on it, the log that it may write, and the WASI that grants nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use punchcard_core::name::PluginName;
use punchcard_core::time::Context;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use tracing::{debug, error, info, warn};
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Result};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::contract::{LogLevel, LoggingHost};
use super::lender::Lender;
use super::measure::INSTANCES;
use super::text::clip;

/// Table elements a call may have: function pointers of all its modules together.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Tables a call may have.
pub(super) const TABLES: u32 = 64;
/// Memories a call may have; components of every known toolchain have one or two. Each reserves four gigabytes of address
/// space, be it ever so small, and boards whose kernel has 39 bits for it have 512.
pub(super) const MEMORIES: u32 = 4;
/// The longest line of a plugin's log, in bytes. The rest is cut, visibly.
const LOG_LINE_BYTES: usize = 1024;

/// The state of one call's store.
pub struct Confinement {
    memory_left: usize,
    elements_left: usize,
    /// Set when the plugin asked for more than it may have: most languages then end in a bare trap.
    pub(super) starved: bool,
    log: Arc<LogRate>,
    now_ms: u64,
    /// The last line that it logged as an error: a panic's message, where there is one.
    pub(super) last_words: Option<String>,
    /// Who lends hardware for this call.
    pub(super) lender: Arc<dyn Lender>,
    /// Devices that the plugin has open.
    pub(super) opened: usize,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Confinement {
    pub(super) fn new(memory_bytes: usize, log: Arc<LogRate>, context: &Context, lender: Arc<dyn Lender>) -> Self {
        Self {
            memory_left: memory_bytes,
            elements_left: TABLE_ELEMENTS,
            starved: false,
            log,
            now_ms: context.monotonic.milliseconds,
            last_words: None,
            lender,
            opened: 0,
            wasi: nothing_granted(context),
            table: ResourceTable::new(),
        }
    }

    /// What of the memory that the call may have was not taken, in bytes. Memories only grow: what was taken is the most that
    /// there was.
    pub(super) fn memory_left(&self) -> usize {
        self.memory_left
    }

    /// What the plugin holds of the host.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// A context of WASI without files, arguments, variables, standard streams or network, whose clocks stand at the call's
/// moment and whose random numbers are drawn from the call's entropy.
fn nothing_granted(context: &Context) -> WasiCtx {
    let [secure, insecure] = [0, 1].map(|stream| {
        let mut numbers = ChaCha12Rng::from_seed(context.entropy);
        numbers.set_stream(stream);
        numbers
    });
    let mut seed = [0; 16];
    seed.copy_from_slice(&context.entropy[..16]);
    WasiCtx::builder()
        .wall_clock(StoppedClock(Duration::from_micros(u64::try_from(context.now.unix_micros).unwrap_or(0))))
        .monotonic_clock(StoppedClock(Duration::from_millis(context.monotonic.milliseconds)))
        .secure_random(secure)
        .insecure_random(insecure)
        .insecure_random_seed(u128::from_le_bytes(seed))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// A clock that stands at the moment of the call: what asks twice gets the same answer, as it will in a replay.
struct StoppedClock(Duration);

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for StoppedClock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl WasiView for Confinement {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl ResourceLimiter for Confinement {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(grant(&mut self.memory_left, desired.saturating_sub(current), &mut self.starved))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(grant(&mut self.elements_left, desired.saturating_sub(current), &mut self.starved))
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

fn grant(left: &mut usize, wanted: usize, starved: &mut bool) -> bool {
    match left.checked_sub(wanted) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => {
            *starved = true;
            false
        }
    }
}

impl LoggingHost for Confinement {
    fn log(&mut self, level: LogLevel, message: String) {
        let message = clip(message, LOG_LINE_BYTES);
        if level == LogLevel::Error {
            self.last_words = Some(message.clone());
        }
        self.log.write(level, &message, self.now_ms);
    }
}

/// How much of a plugin's log is written: so many lines a minute, and how many were left out.
pub(super) struct LogRate {
    plugin: String,
    lines_per_minute: u32,
    minute: Mutex<Minute>,
}

#[derive(Default)]
struct Minute {
    began_ms: u64,
    written: u32,
    left_out: u64,
}

impl LogRate {
    pub(super) fn new(plugin: &PluginName, lines_per_minute: u32) -> Self {
        Self { plugin: plugin.to_string(), lines_per_minute, minute: Mutex::default() }
    }

    fn write(&self, level: LogLevel, message: &str, now_ms: u64) {
        let plugin = &self.plugin;
        let (admitted, left_out) = self.admit(now_ms);
        if left_out > 0 {
            warn!(%plugin, left_out, "the plugin logs more than it may");
        }
        match level {
            _ if !admitted => {}
            LogLevel::Debug => debug!(%plugin, "{message}"),
            LogLevel::Info => info!(%plugin, "{message}"),
            LogLevel::Warn => warn!(%plugin, "{message}"),
            LogLevel::Error => error!(%plugin, "{message}"),
        }
    }

    /// Whether a line is written, and how many of the minute before were not.
    fn admit(&self, now_ms: u64) -> (bool, u64) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if now_ms >= minute.began_ms.saturating_add(60_000) {
            left_out = minute.left_out;
            *minute = Minute { began_ms: now_ms, written: 0, left_out: 0 };
        }
        let admitted = minute.written < self.lines_per_minute;
        if admitted {
            minute.written += 1;
        } else {
            minute.left_out += 1;
        }
        (admitted, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_minute_are_written_and_the_rest_is_counted() {
        let rate = LogRate::new(&PluginName::parse("chatty").unwrap(), 2);
        let admitted: Vec<_> = (0..5).map(|n| rate.admit(100_000 + n).0).collect();
        assert_eq!(admitted, [true, true, false, false, false]);
        assert_eq!(rate.admit(159_999), (false, 0));
        assert_eq!(rate.admit(160_000), (true, 4));
        assert_eq!(rate.admit(160_001), (true, 0));
    }

    #[test]
    fn memory_is_granted_until_it_is_spent() {
        let (mut left, mut starved) = (10, false);
        assert!(grant(&mut left, 10, &mut starved));
        assert!(!starved);
        assert!(!grant(&mut left, 1, &mut starved));
        assert!(starved);
    }
}
