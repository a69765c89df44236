//! The engine, and the way of every call through it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_core::plugin::World;
use punchcard_core::time::{Context, Instant, Monotonic};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::warn;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Store, Trap};

use super::admission::{AdmissionError, admit, admit_bulk};
use super::bulk::INSTANCES;
use super::cache::{Cache, Fingerprint};
use super::call::CallError;
use super::confinement::{Confinement, LogRate, MEMORIES, TABLE_ELEMENTS, TABLES};
use super::contract::v0_1::shared;
use super::file::COMPONENT_BYTES;
use super::watchdog::Watchdog;
use super::{AuthPolicy, Connector, Formatter};

/// How much one call may hand over to the host, in bytes: 1,000 events with some rows each are a fraction of it.
const HANDED_OVER_BYTES: usize = 32 << 20;

/// Calls that run at the same moment; others wait for their turn, in order. Boards have four cores.
pub const CALLS: u32 = 8;
/// What an instance takes of the host's memory, in bytes. Above what `super::bulk` lets in, which counts it for a whole
/// component.
const INSTANCE_BYTES: usize = 64 << 20;
/// What stays of a memory for the next call in its place, in bytes. Our guests have 128 KiB of stack at the beginning, then
/// their data, then what they allocate: that of a call with one event ends before here. With a usual stack, of a megabyte,
/// a guest gains nothing. All places together keep 8 MiB at most.
const KEPT_BYTES: usize = 256 << 10;
/// The same of a table, in bytes: 512 functions. All places together keep 2 MiB at most.
const KEPT_TABLE_BYTES: usize = 4 << 10;

/// Why a plugin could not be loaded. The others run without it.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Too large to be looked at.
    #[error("plugin `{plugin}` has {bytes} bytes; at most {COMPONENT_BYTES} are loaded")]
    TooLarge {
        /// The plugin.
        plugin: PluginName,
        /// Its size.
        bytes: usize,
    },
    /// Not a component (text, a core module, or cut short), or one that needs more than a call has.
    #[error("plugin `{plugin}` is no WebAssembly component that this host runs: {reason}")]
    NotAComponent {
        /// The plugin.
        plugin: PluginName,
        /// What it is instead.
        reason: String,
    },
    /// It asks for more than is offered, or offers nothing.
    #[error("plugin `{plugin}` can't be used: {source}")]
    NotAdmitted {
        /// The plugin.
        plugin: PluginName,
        /// Why.
        source: AdmissionError,
    },
    /// It has the right names with other types behind them.
    #[error("plugin `{plugin}` does not fit the contract: {reason}")]
    Misfit {
        /// The plugin.
        plugin: PluginName,
        /// Where.
        reason: String,
    },
    /// It fills another part than the one it is named for.
    #[error("plugin `{plugin}` is {}, but {} is wanted here", describe(*found), describe(*wanted))]
    WrongWorld {
        /// The plugin.
        plugin: PluginName,
        /// What it is.
        found: World,
        /// What plugins.toml uses it as.
        wanted: World,
    },
}

fn describe(world: World) -> &'static str {
    match world {
        World::AuthPolicy => "an auth policy",
        World::Formatter => "a formatter",
        World::Connector => "a connector",
    }
}

/// Why there is no sandbox at all.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The engine does not run here.
    #[error("the engine can't be set up on this machine: {0}")]
    Engine(String),
    /// The time limits can't be kept.
    #[error("no thread for the plugins' time limits")]
    Watchdog(#[source] std::io::Error),
}

/// The engine with everything that is offered to plugins.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<Confinement>,
    /// Without it every start compiles anew, which is slow and nothing worse.
    cache: Option<Cache>,
    watchdog: Watchdog,
    turns: Semaphore,
}

/// A plugin that was let in.
pub(super) struct Loaded {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) sha256: Fingerprint,
    pub(super) limits: Limits,
    log: Arc<LogRate>,
    instance: InstancePre<Confinement>,
}

/// A plugin, by what it fills.
pub enum Plugin {
    /// Signs the device in.
    AuthPolicy(AuthPolicy),
    /// Makes rows.
    Formatter(Formatter),
    /// Carries rows.
    Connector(Connector),
}

impl Plugin {
    /// What it fills.
    #[must_use]
    pub fn world(&self) -> World {
        match self {
            Self::AuthPolicy(_) => World::AuthPolicy,
            Self::Formatter(_) => World::Formatter,
            Self::Connector(_) => World::Connector,
        }
    }

    /// The SHA-256 of its component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        match self {
            Self::AuthPolicy(plugin) => plugin.sha256(),
            Self::Formatter(plugin) => plugin.sha256(),
            Self::Connector(plugin) => plugin.sha256(),
        }
    }
}

impl Sandbox {
    /// Sets the engine up. `cache` is a folder of this user's own; where it can't be used, it is said and gone without.
    ///
    /// # Errors
    /// When the engine does not run here.
    pub fn start(cache: &Path) -> Result<Arc<Self>, SandboxError> {
        let cache = Cache::open(cache).inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            warn!(error, "the cache of compiled plugins can't be used; every start compiles them anew");
        });
        Self::set_up(cache.ok())
    }

    /// The same beside a host, perhaps a running one: the compiled code in its cache is used where it is there, and nothing
    /// in it changed.
    ///
    /// # Errors
    /// When the engine does not run here.
    pub fn start_beside(cache: &Path) -> Result<Arc<Self>, SandboxError> {
        Self::set_up(Cache::open_beside(cache).ok())
    }

    fn set_up(cache: Option<Cache>) -> Result<Arc<Self>, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        // What can be addressed with 32 bits is reserved whole where addresses have 64: the guest's code then needs no check
        // before each access. It is address space only; what is used stays limited. Small boards have little of it: there,
        // what a plugin may use.
        let reserved = if cfg!(target_pointer_width = "64") { 4 << 30 } else { Limits::default().memory_bytes };
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .wasm_memory64(false)
            .concurrency_support(false)
            .epoch_interruption(true)
            .memory_reservation(reserved)
            .memory_reservation_for_growth(0)
            .memory_guard_size(64 << 10)
            .guard_before_linear_memory(false)
            .max_wasm_stack(512 << 10)
            .async_stack_size(1 << 20);
        let engine = start_engine(&config).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(failed)?;
        shared::punchcard::plugin::logging::add_to_linker::<_, HasSelf<Confinement>>(&mut linker, |state| state)
            .map_err(failed)?;
        let watchdog = Watchdog::start(engine.weak()).map_err(SandboxError::Watchdog)?;
        let turns = Semaphore::new(CALLS as usize);
        Ok(Arc::new(Self { engine, linker, cache, watchdog, turns }))
    }

    /// Loads a component: compiles it, or takes the compiled code from the cache, and decides whether it is let in.
    ///
    /// # Errors
    /// When it is no component, or not let in, with what to do about it.
    pub fn load(self: &Arc<Self>, name: &PluginName, bytes: &[u8], limits: Limits) -> Result<Plugin, LoadError> {
        let plugin = || name.clone();
        if bytes.len() > COMPONENT_BYTES {
            return Err(LoadError::TooLarge { plugin: plugin(), bytes: bytes.len() });
        }
        recognise(bytes).map_err(|reason| LoadError::NotAComponent { plugin: plugin(), reason })?;
        admit_bulk(bytes).map_err(|source| LoadError::NotAdmitted { plugin: plugin(), source })?;
        let sha256 = Sha256::digest(bytes).into();
        let compiled = match &self.cache {
            Some(cache) => cache.compile(&self.engine, bytes, &sha256).map(|(component, _)| component),
            None => Component::from_binary(&self.engine, bytes),
        };
        let component =
            compiled.map_err(|error| LoadError::NotAComponent { plugin: plugin(), reason: format!("{error:#}") })?;
        self.admit(name, &component, sha256, limits)
    }

    /// Removes compiled code that none of these plugins uses: what a configuration before used, and what another version of
    /// the host compiled. It is called when all plugins are loaded.
    pub fn keep_only(&self, used: &[Fingerprint]) {
        let removed = self.cache.as_ref().map_or(0, |cache| cache.keep_only(&self.engine, used));
        if removed > 0 {
            tracing::info!(files = removed, "compiled code that no plugin uses was removed");
        }
    }

    fn admit(
        self: &Arc<Self>,
        name: &PluginName,
        component: &Component,
        sha256: Fingerprint,
        limits: Limits,
    ) -> Result<Plugin, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::Misfit { plugin: name.clone(), reason: format!("{error:#}") };
        let world =
            admit(&self.engine, component).map_err(|source| LoadError::NotAdmitted { plugin: name.clone(), source })?;
        let instance = self.linker.instantiate_pre(component).map_err(misfit)?;
        let log = Arc::new(LogRate::new(name, limits.log_lines_per_minute));
        let loaded = Loaded { sandbox: Arc::clone(self), sha256, limits, log, instance };
        match world {
            World::AuthPolicy => AuthPolicy::new(loaded).map(Plugin::AuthPolicy),
            World::Formatter => Formatter::new(loaded).map(Plugin::Formatter),
            World::Connector => Connector::new(loaded).map(Plugin::Connector),
        }
        .map_err(misfit)
    }
}

/// The engine with a pool where there is address space for one: not on boards of 32 bits, and not where a limit is set.
fn start_engine(config: &Config) -> wasmtime::Result<Engine> {
    if cfg!(target_pointer_width = "64") {
        match Engine::new(config.clone().allocation_strategy(pool())) {
            Ok(engine) => return Ok(engine),
            Err(error) => {
                let error = format!("{error:#}");
                warn!(
                    error,
                    "there is no room for a pool of plugins' memory; each call makes its own, which is slower"
                );
            }
        }
    }
    Engine::new(config)
}

/// Places for everything that [`CALLS`] may use, reserved once: to reserve them for each call and give them back takes an
/// eighth of a short call, and without a number of places the memory of all plugins together has no bound. What a call wrote
/// to its memories and tables is gone before another one gets its place.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(CALLS)
        .total_component_instances(CALLS)
        .max_component_instance_size(INSTANCE_BYTES)
        .total_core_instances(CALLS * INSTANCES)
        .max_core_instances_per_component(INSTANCES)
        .max_core_instance_size(INSTANCE_BYTES)
        .total_memories(CALLS * MEMORIES)
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .total_tables(CALLS * TABLES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        // Pages that are kept are written over, used or not, instead of taken back by the kernel and given out again one by
        // one, which was more than half of a short call. The kernel could tell which were used (`pagemap_scan`), but
        // leaves out those that it has swapped: the next call would find them as they were.
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .pagemap_scan(Enabled::No);
    pool
}

/// Tells a component from what people mistake for one. The header is that of the component model's binary format: `\0asm`,
/// then the version 13 of layer 1.
fn recognise(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [0, b'a', b's', b'm', 13, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err("it is a core module; make a component of it with \
             `cargo xtask guests` or `wasm-tools component new`"
            .into()),
        [0, b'a', b's', b'm', ..] => Err("its format's version is not known".into()),
        [] => Err("the file is empty".into()),
        _ => Err("it does not begin as one; was the file cut short, or is it something else?".into()),
    }
}

impl Loaded {
    pub(super) fn instance(&self) -> InstancePre<Confinement> {
        self.instance.clone()
    }

    /// Runs one call in a fresh store, within the plugin's limits, on the thread that polls it. A guest that computes gives
    /// the thread back with each epoch, so that nothing beside it waits for longer, and the time-out ends it then; one that
    /// sleeps in WASI, at once.
    pub(super) async fn call<T>(
        &self,
        context: Option<&Context>,
        call: impl AsyncFnOnce(&mut Store<Confinement>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        self.call_within(self.limits.call_for, context, call).await
    }

    /// The same with another limit of time.
    pub(super) async fn call_within<T>(
        &self,
        limit: Duration,
        context: Option<&Context>,
        call: impl AsyncFnOnce(&mut Store<Confinement>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        let Ok(_turn) = self.sandbox.turns.acquire().await else {
            return Err(CallError::Trapped { reason: "the host is ending".into() });
        };
        let mut store = self.confine(context.unwrap_or(&no_context()));
        let ended = {
            let _watch = self.sandbox.watchdog.watch();
            catch_panic(tokio::time::timeout(limit, call(&mut store))).await
        };
        match ended {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(self.explain(&error, store.data())),
            Ok(Err(_elapsed)) => Err(CallError::Deadline { limit }),
            // A plugin that the engine stumbles over ends its own call, not the device.
            Err(said) => {
                tracing::error!(panic = said, "the engine panicked in a plugin's call");
                Err(CallError::Trapped { reason: format!("the engine panicked: {said}") })
            }
        }
    }

    fn confine(&self, context: &Context) -> Store<Confinement> {
        let memory_bytes = usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX);
        let state = Confinement::new(memory_bytes, Arc::clone(&self.log), context);
        let mut store = Store::new(&self.sandbox.engine, state);
        store.limiter(|state| state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(HANDED_OVER_BYTES);
        store
    }

    fn explain(&self, error: &wasmtime::Error, state: &Confinement) -> CallError {
        let trap = error.downcast_ref::<Trap>();
        let mut reason = if state.starved {
            format!("it asked for more than {} MiB of memory", self.limits.memory_bytes >> 20)
        } else {
            match trap {
                Some(trap) => trap.to_string(),
                // The backtrace stands in the outer layers; the cause is the innermost.
                None => error.root_cause().to_string(),
            }
        };
        if let Some(words) = &state.last_words {
            reason = format!("{reason}; its last words: {words}");
        }
        CallError::Trapped { reason }
    }
}

/// What `future` becomes, or what was said when it panicked. It is not polled again after that.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    let polled = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    polled.await.map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing was said").to_owned()
    })
}

/// The context of calls that the contract gives none: the beginning of time, so that they can be replayed too.
fn no_context() -> Context {
    Context {
        now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
        monotonic: Monotonic { milliseconds: 0, boot: String::new() },
        entropy: [0; 32],
        device: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has a memory and a table, and calls what it imports.
    const CALLER: &str = r#"(component
        (import "fall" (func $fall))
        (core func $fall (canon lower (func $fall)))
        (core module $module
            (import "host" "fall" (func $fall))
            (memory 1)
            (table 10 funcref)
            (func (export "run") (i32.store (i32.const 0) (i32.const 1)) (call $fall)))
        (core instance $instance (instantiate $module (with "host" (instance (export "fall" (func $fall))))))
        (func (export "run") (canon lift (core func $instance "run"))))"#;

    #[tokio::test]
    async fn a_call_over_which_the_engine_stumbles_is_over_and_the_next_ones_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = Sandbox::start(&folder.path().join("cache")).expect("an engine");
        let component = wat::parse_str(CALLER).expect("a component");
        let component = Component::from_binary(&sandbox.engine, &component).expect("one that is let in");
        let mut linker = Linker::new(&sandbox.engine);
        linker.root().func_wrap("fall", |_, (): ()| -> wasmtime::Result<()> { panic!("a defect") }).expect("defined");
        let instance = linker.instantiate_pre(&component).expect("it imports nothing else");
        let name = PluginName::parse("guest").expect("a name");
        let log = Arc::new(LogRate::new(&name, 60));
        let sha256 = Sha256::digest(CALLER).into();
        let loaded = Loaded { sandbox: Arc::clone(&sandbox), sha256, limits: Limits::default(), log, instance };
        let fall = async || {
            loaded
                .call(None, async |store| {
                    let instance = loaded.instance.instantiate_async(&mut *store).await?;
                    let run = instance.get_typed_func::<(), ()>(&mut *store, "run")?;
                    run.call_async(&mut *store, ()).await
                })
                .await
        };
        let falls = async {
            // More often than there are places for anything that such a call holds.
            for _ in 0..=CALLS * TABLES {
                assert_eq!(fall().await, Err(CallError::Trapped { reason: "the engine panicked: a defect".into() }));
            }
            loaded.call(None, async |_| Ok(7)).await
        };
        let last = tokio::time::timeout(Duration::from_secs(60), falls).await;
        assert_eq!(last, Ok(Ok(7)));
        assert_eq!(sandbox.watchdog.running(), 0, "nobody is watched any more");
    }
}
