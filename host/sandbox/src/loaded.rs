//! A plugin that was let in, and the way of every call of it: a fresh store, its limits, and how it ended.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use punchcard_core::config::limit::Limits;
use punchcard_core::time::{Context, Instant, Monotonic};
use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap};

use super::cache::Fingerprint;
use super::call::CallError;
use super::confinement::{Confinement, LogRate};
use super::lender::{Lender, Nothing};
use super::sandbox::Sandbox;
use super::tally::Tally;
use super::text::clip_sentence;

/// How much one call may hand over to the host, in bytes: 1,000 events with some rows each are a fraction of it.
const HANDED_OVER_BYTES: usize = 32 << 20;

/// A plugin that was let in.
pub(super) struct Loaded {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) sha256: Fingerprint,
    pub(super) limits: Limits,
    pub(super) log: Arc<LogRate>,
    pub(super) instance: InstancePre<Confinement>,
    pub(super) tally: Arc<Tally>,
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
        self.call_lending(Arc::new(Nothing), limit, context, call).await
    }

    /// The same with hardware that is lent.
    pub(super) async fn call_lending<T>(
        &self,
        lender: Arc<dyn Lender>,
        limit: Duration,
        context: Option<&Context>,
        call: impl AsyncFnOnce(&mut Store<Confinement>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        let Ok(_turn) = self.sandbox.turns.acquire().await else {
            return Err(CallError::Trapped { reason: "the host is ending".into() });
        };
        let began = tokio::time::Instant::now();
        let mut store = self.confine(context.unwrap_or(&no_context()), lender);
        let ended = {
            let _watch = self.sandbox.watchdog.watch();
            catch_panic(tokio::time::timeout(limit, call(&mut store))).await
        };
        self.tally.note_call(began.elapsed(), self.memory_bytes().saturating_sub(store.data().memory_left()));
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

    /// What a call may have.
    fn memory_bytes(&self) -> usize {
        usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX)
    }

    fn confine(&self, context: &Context, lender: Arc<dyn Lender>) -> Store<Confinement> {
        let state = Confinement::new(self.memory_bytes(), Arc::clone(&self.log), context, lender);
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
        CallError::Trapped { reason: clip_sentence(reason) }
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
    use punchcard_core::name::PluginName;
    use wasmtime::component::Linker;

    use super::*;
    use crate::Compiler;
    use crate::cache::fingerprint;
    use crate::confinement::TABLES;
    use crate::engine::CALLS;

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
        let sandbox = Sandbox::start(folder.path(), Compiler::unconfined()).expect("an engine");
        let component = wat::parse_str(CALLER).expect("a component");
        let sha256 = fingerprint(&component);
        let compiled = sandbox.cache.compile(&sandbox.engine, &sandbox.compiler, &component, &sha256);
        let component = compiled.expect("one that is let in");
        let mut linker = Linker::new(&sandbox.engine);
        linker.root().func_wrap("fall", |_, (): ()| -> wasmtime::Result<()> { panic!("a defect") }).expect("defined");
        let instance = linker.instantiate_pre(&component).expect("it imports nothing else");
        let name = PluginName::parse("guest").expect("a name");
        let log = Arc::new(LogRate::new(&name, 60));
        let loaded = Loaded {
            sandbox: Arc::clone(&sandbox),
            sha256,
            limits: Limits::default(),
            log,
            instance,
            tally: Arc::default(),
        };
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
        assert_eq!(loaded.tally.read().peak_memory_bytes, 0, "nothing was called yet");
        let last = tokio::time::timeout(Duration::from_secs(60), falls).await;
        assert_eq!(last, Ok(Ok(7)));
        assert_eq!(sandbox.watchdog.running(), 0, "nobody is watched any more");
        assert_eq!(
            loaded.tally.read().peak_memory_bytes,
            65_536,
            "the one page that it begins with, once and not each time"
        );
    }
}
