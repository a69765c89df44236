//! What a time server is to a machine: the kernel's clock is right from then on, and it says so.

use anyhow::{Result, bail};

/// Has the kernel call its clock synchronised (`adjtimex(2)`). It calls it so until the error that it expects has grown to
/// sixteen seconds, which takes hours.
pub(crate) fn synchronise() -> Result<()> {
    #[expect(unsafe_code, reason = "libc offers adjtimex(2) only as a foreign function")]
    // SAFETY: `timex` is plain data, for which zeros are valid, and no status, error or estimate is what is wanted.
    let state = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        timex.modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR;
        libc::adjtimex(&raw mut timex)
    };
    if state < 0 || state == libc::TIME_ERROR {
        bail!("the kernel does not take its clock for synchronised: {}", std::io::Error::last_os_error());
    }
    Ok(())
}
