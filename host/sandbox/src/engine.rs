//! The engine: the same in the host and in its compiler, but for the pool, which only a host that runs plugins needs.

use punchcard_core::config::limit::Limits;
use punchcard_core::config::runtime::Backend;
use tracing::warn;
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig};

use super::confinement::{MEMORIES, TABLE_ELEMENTS, TABLES};
use super::measure::INSTANCES;

/// Calls that run at the same moment; others wait for their turn, in order. Boards have four cores.
pub const CALLS: u32 = 8;
/// What an instance takes of the host's memory, in bytes. Above what `super::measure` lets in, which counts it for a whole
/// component.
const INSTANCE_BYTES: usize = 64 << 20;
/// What stays of a memory for the next call in its place, in bytes. Our guests have 128 KiB of stack at the beginning, then
/// their data, then what they allocate: that of a call with one event ends before here. With a usual stack, of a megabyte,
/// a guest gains nothing. All places together keep 8 MiB at most.
const KEPT_BYTES: usize = 256 << 10;
/// The same of a table, in bytes: 512 functions. All places together keep 2 MiB at most.
const KEPT_TABLE_BYTES: usize = 4 << 10;

/// The engine of a compiler, which runs nothing.
///
/// # Errors
/// When it does not work on this machine.
pub(super) fn start_for_compiling(backend: Backend) -> wasmtime::Result<Engine> {
    Engine::new(&config(backend)?)
}

/// The engine with a pool where there is address space for one: not on boards of 32 bits, and not where a limit is set. It
/// has no compiler: that is in a child process, and its code stays out of this one's memory.
///
/// # Errors
/// When it does not work on this machine.
pub(super) fn start(backend: Backend) -> wasmtime::Result<Engine> {
    let mut config = config(backend)?;
    config.enable_compiler(false);
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
    Engine::new(&config)
}

fn config(backend: Backend) -> wasmtime::Result<Config> {
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
    if backend == Backend::Pulley {
        config.target(if cfg!(target_pointer_width = "64") { "pulley64" } else { "pulley32" })?;
    }
    Ok(config)
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
