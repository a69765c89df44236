//! How many heaps the C library makes for the threads of this program.
//!
//! glibc gives threads that allocate at the same time heaps of their own, up to eight for each core, and each keeps what was
//! freed in it for its own threads. Calls of plugins go from thread to thread: in the end every heap has held a whole batch
//! once, and under a backlog that is half of the memory that the program uses by itself. Few threads here allocate at the
//! same moment, and two heaps are as fast as many. Other C libraries have one heap, or none for each thread.

/// Heaps of all threads together.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: i32 = 2;

/// Lets threads share heaps. To be called before there is a second thread; heaps that are there stay.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "libc offers mallopt(3) only as a foreign function")]
pub(super) fn share() {
    // SAFETY: it takes two numbers and no pointer, and may be called at any time.
    let shared = unsafe { libc::mallopt(libc::M_ARENA_MAX, HEAPS) } == 1;
    if !shared {
        tracing::info!("the C library has as many heaps as it likes; the program takes some more memory");
    }
}

/// There is nothing to share.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn share() {}
