//! Figures of an emulated machine: how much memory the service takes, and how fast a knob may be turned.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::check::Checks;
use super::super::configuration::{Addition, COUNT, COUNTED};
use super::super::device::{LIMIT_FOR, Pi};
use super::super::line::{BUTTONS, plan_turn};
use super::DROP_INS;
use crate::patience;
use crate::stopwatch::Stopwatch;

/// Without anything to do, before its memory is looked at.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Between two edges, in µs: from none, which is as fast as QEMU takes them, to less and less.
const PAUSES_US: [u64; 10] = [0, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000];
/// For how long the knob is turned at each pace, and how far at most: its turns are told modulo [`COUNTED`].
const TURN_FOR: Duration = Duration::from_secs(3);
const MOST_DETENTS: u32 = COUNTED * 9 / 10;

/// The driver of lines says how many edges the kernel has lost.
const DROP_IN: &str = "[Service]\nEnvironment=PUNCHCARD_LOG=info,punchcard::input=debug\n";

pub(super) fn measure(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.await_delivery()?;
    patience::rest(IDLE_FOR);
    checks.say_figure("memory of the service, idle", read_memory(pi));

    pi.write_configuration(&[Addition::Counter])?;
    pi.perform(&format!("mkdir -p {DROP_INS}"))?;
    pi.machine()?.agent.write(&format!("{DROP_INS}/log.conf"), "0644", DROP_IN)?;
    pi.perform("systemctl daemon-reload && systemctl restart punchcard")?;
    pi.await_use(LIMIT_FOR)?;
    let mut followed = None;
    for pause_us in PAUSES_US {
        let turning = turn(pi, Duration::from_micros(pause_us))?;
        checks.say_figure("turning the knob", Ok(turning.render()));
        if turning.counted == turning.sent {
            followed = Some(turning);
            break;
        }
    }
    let followed = followed.context("it lost turns at every pace").map(|turning| turning.render());
    checks.note("a knob that is turned fast is followed without loss", followed);
    pi.write_configuration(&[])?;
    pi.perform(&format!("rm -r {DROP_INS} && systemctl daemon-reload && systemctl restart punchcard"))?;
    pi.await_use(LIMIT_FOR).map(drop)
}

fn read_memory(pi: &mut Pi<'_>) -> Result<String> {
    let text = pi.perform("p=/proc/$(systemctl show -P MainPID punchcard); cat $p/status $p/smaps_rollup")?;
    let kib = |name: &str| parse_kib(&text, name).with_context(|| format!("the kernel does not say {name}"));
    let (resident, shared, own) = (kib("VmRSS")?, kib("Pss")?, kib("Pss_Anon")?);
    Ok(format!("{resident} KiB resident, of which {shared} KiB are its share, {own} KiB of them of no file"))
}

/// A number of KiB, as in `VmRSS:     9216 kB`.
fn parse_kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How the knob was turned, and what came of it.
struct Turning {
    /// Detents, of four edges each.
    sent: u32,
    counted: u32,
    /// Edges that the kernel numbered and could not hand over.
    lost: u64,
    took: Duration,
}

impl Turning {
    fn render(&self) -> String {
        let Self { sent, counted, lost, took } = self;
        let pace = f64::from(sent * 4) / took.as_secs_f64();
        let edges = sent * 4;
        format!(
            "{edges} edges, {pace:.0} a second: {counted} of {sent} detents counted, {lost} edges lost by the kernel"
        )
    }
}

fn turn(pi: &mut Pi<'_>, pause: Duration) -> Result<Turning> {
    let (before, lost_before) = (read_number(pi)?, count_lost(pi)?);
    let watch = Stopwatch::start();
    let mut sent = 0;
    while sent < MOST_DETENTS && watch.elapsed() < TURN_FOR {
        for (line, level) in plan_turn(1) {
            pi.machine()?.lines.set(line, level)?;
            if !pause.is_zero() {
                patience::rest(pause);
            }
        }
        sent += 1;
    }
    let took = watch.elapsed();
    pi.settle()?;
    let (after, lost_after) = (read_number(pi)?, count_lost(pi)?);
    let counted = (after + COUNTED - before) % COUNTED;
    Ok(Turning { sent, counted, lost: lost_after.saturating_sub(lost_before), took })
}

/// The number at which the knob stands, as a press tells it.
fn read_number(pi: &mut Pi<'_>) -> Result<u32> {
    let [(_, line), ..] = BUTTONS;
    pi.press_line(line)?;
    let listed = pi.list()?;
    let last = listed.last().filter(|event| event["kind"] == COUNT).context("the press is not the last event")?;
    let number = last["fields"]["number"].as_str().and_then(|number| number.parse().ok());
    let number = number.with_context(|| format!("an event of another form: {last}"))?;
    ensure!(number < COUNTED, "{number} is not among what the knob turns through");
    Ok(number)
}

/// How many edges the kernel has lost so far, by the service's log.
fn count_lost(pi: &mut Pi<'_>) -> Result<u64> {
    let said = pi.perform("journalctl --no-pager --unit punchcard --output cat | grep 'edges of an input' || true")?;
    Ok(parse_lost(&said))
}

fn parse_lost(log: &str) -> u64 {
    let words = log.split_whitespace().filter_map(|word| word.strip_prefix("lost="));
    words.filter_map(|lost| lost.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_tells_it() {
        let text =
            "VmHWM:\t  11000 kB\nVmRSS:\t    9216 kB\nPss:                8000 kB\nPss_Anon:           3000 kB\n";
        assert_eq!((parse_kib(text, "VmRSS"), parse_kib(text, "Pss")), (Some(9_216), Some(8_000)));
        assert_eq!((parse_kib(text, "Pss_Anon"), parse_kib(text, "Pss_File")), (Some(3_000), None));
    }

    #[test]
    fn what_was_lost_is_added_up() {
        let log = "DEBUG edges of an input came faster than the kernel could read them input=knob lost=3\n\
                   DEBUG edges of an input came faster than the kernel could read them input=knob lost=40\n";
        assert_eq!(parse_lost(log), 43);
        assert_eq!(parse_lost(""), 0);
    }

    #[test]
    fn a_pace_is_said_in_edges() {
        let turning = Turning { sent: 900, counted: 899, lost: 4, took: Duration::from_secs(2) };
        let expected = "3600 edges, 1800 a second: 899 of 900 detents counted, 4 edges lost by the kernel";
        assert_eq!(turning.render(), expected);
    }
}
