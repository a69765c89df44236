//! From a press to its durable commit, against what the disk takes for as many bytes.
//!
//! A run is the slowest hundredth of each, and their ratio. The two take turns, so that whatever else the machine does
//! meets both. What the ledger writes for a press is a page with its header, into a log that has its full size and is
//! written over (`ledger::wal`); the bare write does the same to a file of that size, and waits with `fdatasync`, the
//! least that makes it durable. The first presses, which find caches cold, are not counted.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

use crate::sample::{Measurement, Stopwatch, micros, quantile};
use crate::{folder, history};

/// A frame of the log: a page of 1,024 bytes and a header of 24.
const WRITE_BYTES: usize = 1_024 + 24;
/// Writes that fill the file: the log's usual MiB.
const FILE_WRITES: usize = (1 << 20) / WRITE_BYTES;
const WARM_UP: u32 = 1_000;
const RUNS: usize = 7;
const PRESSES: u32 = 1_000;

pub(crate) async fn measure() -> Result<Measurement> {
    let folder = folder::make()?;
    let ledger = history::open(folder.path())?;
    let file = File::create_new(folder.path().join("bare")).context("cannot create a file")?;
    file.write_all_at(&vec![0; FILE_WRITES * WRITE_BYTES], 0).context("cannot write a file")?;
    file.sync_all().context("cannot write a file")?;
    let mut pressed = 0;
    for _ in 0..WARM_UP {
        ledger.accept(history::press(pressed)?).await?;
        pressed += 1;
    }
    let mut bytes = vec![0; WRITE_BYTES];
    let mut written = 0;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let (mut accepted, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..PRESSES {
            let press = history::press(pressed)?;
            pressed += 1;
            let watch = Stopwatch::start();
            ledger.accept(press).await?;
            accepted.push(micros(watch.elapsed()));

            // Other bytes each time: a disk may see that nothing changes.
            bytes[..4].copy_from_slice(&pressed.to_le_bytes());
            let at = u64::try_from(written % FILE_WRITES * WRITE_BYTES)?;
            written += 1;
            let watch = Stopwatch::start();
            tokio::task::block_in_place(|| file.write_all_at(&bytes, at).and_then(|()| file.sync_data()))?;
            bare.push(micros(watch.elapsed()));
        }
        let quantiles = |values: &mut Vec<f64>| [0.5, 0.99].map(|share| quantile(values, share));
        let ([median, slow], [bare_median, bare_slow]) = (quantiles(&mut accepted), quantiles(&mut bare));
        eprintln!("  a press {median:.0} µs (p99 {slow:.0}), a bare write {bare_median:.0} µs (p99 {bare_slow:.0})");
        runs.push(slow / bare_slow);
    }
    ledger.close().await;
    Ok(Measurement::new("accept_p99_ratio", "", runs))
}
