//! What a compiler may not ask the kernel for: files, the network, other programs and other processes.
//!
//! Compiling asks for memory and threads. Whoever found a way to run code of his own in the compiler has the limits around
//! him, and no way to the tokens beside the ledger. Kernels without such filters are used all the same: what is compiled
//! there is what any other compiler would do with it.

use std::io;

/// Gives up what compiling does not need. Threads that are started later have the filter, too.
///
/// # Errors
/// When the kernel has such filters and refuses this one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn enter() -> io::Result<()> {
    apply(seccompiler::apply_filter)
}

/// The same for all threads of this process, also those that are there already.
///
/// # Errors
/// When the kernel has such filters and refuses this one, be it for one thread.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn enter_with_all_threads() -> io::Result<()> {
    apply(seccompiler::apply_filter_all_threads)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn apply(apply: fn(seccompiler::BpfProgramRef<'_>) -> Result<(), seccompiler::Error>) -> io::Result<()> {
    use libc::{EINVAL, ENOSYS, EPERM};
    use seccompiler::{BpfProgram, Error, SeccompAction, SeccompFilter, TargetArch};

    let refused = SeccompAction::Errno(EPERM.cast_unsigned());
    let rules = DENIED.iter().chain(DENIED_OLDER).map(|call| (*call, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).map_err(io::Error::other)?;
    let program = BpfProgram::try_from(filter).map_err(io::Error::other)?;
    match apply(&program) {
        Err(Error::Seccomp(error)) if matches!(error.raw_os_error(), Some(EINVAL | ENOSYS)) => Ok(()),
        applied => applied.map_err(io::Error::other),
    }
}

/// Boards of 32 bits have the limits alone: the library knows no filter for them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn enter() -> io::Result<()> {
    Ok(())
}

/// The same.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn enter_with_all_threads() -> io::Result<()> {
    Ok(())
}

/// Calls that are refused.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const DENIED: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_mount,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_io_uring_setup,
];

/// The older forms of some of them, which newer processors never had.
#[cfg(target_arch = "x86_64")]
const DENIED_OLDER: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
];
#[cfg(target_arch = "aarch64")]
const DENIED_OLDER: &[libc::c_long] = &[];

#[cfg(test)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, UdpSocket};
    use std::process::Command;
    use std::sync::mpsc;
    use std::{env, fs, thread};

    use super::*;

    #[test]
    fn there_are_threads_and_memory_and_neither_files_nor_a_network() {
        // A filter holds for one thread, and for those that it starts.
        let confined = thread::spawn(|| {
            enter().unwrap();
            for (what, refused) in [
                ("a file", fs::read("/proc/self/status").map(drop)),
                ("a new file", fs::write("/tmp/compiled", "")),
                ("removing", fs::remove_file("/nowhere")),
                ("TCP", TcpListener::bind("127.0.0.1:0").map(drop)),
                ("UDP", UdpSocket::bind("127.0.0.1:0").map(drop)),
                ("a program", Command::new("/bin/true").spawn().map(drop)),
            ] {
                assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::PermissionDenied), "{what}");
            }
            thread::spawn(|| (vec![1_u8; 1 << 20].len(), fs::read("/proc/self/status").is_err())).join().unwrap()
        });
        assert_eq!(confined.join().unwrap(), (1 << 20, true));
    }

    /// In a process of its own: this one has other tests in it.
    #[test]
    fn threads_that_are_there_already_have_the_filter_too() {
        const CHILD: &str = "PUNCHCARD_TEST_OF_ALL_THREADS";
        const NAME: &str = "compiler::filter::tests::threads_that_are_there_already_have_the_filter_too";
        if env::var_os(CHILD).is_none() {
            let mut child = Command::new(env::current_exe().unwrap());
            let ended = child.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1").output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let (go, wait) = mpsc::channel();
        let older = thread::spawn(move || {
            wait.recv().unwrap();
            fs::read("/proc/self/status").map(drop).map_err(|error| error.kind())
        });
        enter_with_all_threads().unwrap();
        go.send(()).unwrap();
        assert_eq!(older.join().unwrap(), Err(ErrorKind::PermissionDenied));
    }
}
