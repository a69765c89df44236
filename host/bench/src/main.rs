//! Measures the host: `punchcard-bench FIGURE` prints a line of JSON for each figure that it got on the way.
//!
//! `cargo xtask bench` builds and calls it, and knows the targets. It needs the program `punchcard` (in
//! `PUNCHCARD_PROGRAM`) and a folder of components (in `PUNCHCARD_GUESTS`), both as they are released. Everything is
//! written beside this program, as a folder for temporary files may lie in memory, and a disk that is none measures nothing.
//!
//! Every figure is measured several times. What is one run, and why it is a fair one, stands in the module of the figure.

mod sample;

mod folder;
mod surroundings;

mod device;
mod here;
mod history;

mod accept;
mod backlog;
mod compile;
mod flash;
mod format;
mod hostile;
mod outage;
mod panel;
mod reload;
mod start;

use std::fs::File;
use std::io::Write as _;

use anyhow::{Context as _, Result, bail};

use sample::Measurement;
use surroundings::Surroundings;

fn main() -> Result<()> {
    let Some(figure) = std::env::args().nth(1) else { bail!("which figure? `punchcard-bench FIGURE`") };
    let surroundings = Surroundings::of_environment()?;
    let mut results = File::from(rustix::io::dup(std::io::stdout()).context("cannot keep the standard output")?);
    // What else is printed, as by the publisher of plugins, is no measurement.
    rustix::stdio::dup2_stdout(std::io::stderr()).context("cannot be told from what others print")?;
    let runtime = tokio::runtime::Runtime::new()?;
    // On a thread of the runtime, as in the host.
    let measured = runtime.block_on(runtime.spawn(async move { measure(&figure, &surroundings).await }))??;
    for measurement in measured {
        writeln!(results, "{}", serde_json::to_string(&measurement)?)?;
    }
    Ok(())
}

async fn measure(figure: &str, surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    Ok(match figure {
        "ready_ms" | "idle_rss_mb" | "idle_own_mb" | "idle_cpu_percent" => start::measure(surroundings).await?,
        "idle_rss_pulley_mb" => vec![start::measure_interpreted(surroundings).await?],
        "idle_updates_mb" => vec![start::measure_updates(surroundings).await?],
        "reload_ms" | "reload_press_ratio" => reload::measure(surroundings).await?,
        "hostile_press_ms" => vec![hostile::measure(surroundings).await?],
        "compile_press_ratio" => vec![compile::measure(surroundings).await?],
        "format_one_us" => vec![format::measure_one(surroundings).await?],
        "call_rust_us" | "call_js_us" | "call_python_us" => format::measure_languages(surroundings).await?,
        "format_batched_us" => vec![format::measure_batched(surroundings).await?],
        "accept_p99_ratio" => vec![accept::measure().await?],
        "backlog_rows_per_s" | "backlog_rss_mb" => backlog::measure_speed(surroundings).await?,
        "quota_requests" => vec![backlog::measure_requests(surroundings).await?],
        "accept_bytes" | "accept_flushes" => flash::measure_single().await?,
        "accept_shared_bytes" => vec![flash::measure_shared().await?],
        "press_bytes" | "press_flushes" => flash::measure_press(surroundings).await?,
        "prune_kib" => vec![flash::measure_prune().await?],
        "panel_frame_ms" | "panel_line_ms" => panel::measure()?,
        "outage_press_ratio" | "outage_rss_mb" | "outage_requests" | "outage_refusals" => {
            outage::measure(surroundings).await?
        }
        _ => bail!("there is no figure `{figure}`"),
    })
}
