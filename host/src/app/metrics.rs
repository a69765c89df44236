//! `[metrics]` at work: figures of the device for a monitoring system, in the text format of Prometheus, version 0.0.4
//! (prometheus.io, "Exposition formats").
//!
//! Only who is on the device may ask: the address is loopback or a Unix socket. No secret and no row stands in the figures.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use punchcard_core::config::metrics::MetricsListen;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::device::Device;
use super::part::handle::SinkHandle;
use super::part::roster::OnOrOff;
use super::report::report;
use super::status::{
    GrantReport, GrantStanding, InputReport, ListingReport, ListingStanding, Report, SensorReport, SensorStanding,
    SinkReport, StageReport,
};

/// What has the problem when nobody can ask.
const PART: &str = "metrics";
/// How long one who asks may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Those who are answered at the same time, at most.
const MOST_CONNECTIONS: usize = 8;
/// The pause before an address that is taken is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Answers where `[metrics]` says, until the task is dropped.
pub(super) async fn serve(device: Arc<Device>) {
    let mut parts = device.parts.subscribe();
    loop {
        let listen = parts.borrow_and_update().configuration.metrics.clone();
        let answering = async {
            match &listen {
                Some(listen) => listen_at(&device, listen).await,
                None => {
                    device.troubles.set(PART, None);
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = answering => {}
            // The configuration's other parts change more often.
            changed = parts.wait_for(|parts| parts.configuration.metrics != listen) => if changed.is_err() { return },
        }
    }
}

/// Answers at an address. Returns after a while where that is not possible.
async fn listen_at(device: &Arc<Device>, listen: &MetricsListen) {
    let bound = match listen {
        MetricsListen::Loopback(address) => TcpListener::bind(address).await.map(Listener::Tcp),
        MetricsListen::Socket(path) => bind_socket(path),
    };
    let listener = match bound {
        Ok(listener) => listener,
        Err(error) => {
            let place = render_place(listen);
            let problem = Problem { headline: "no metrics".into(), advice: format!("{place} can't be used: {error}") };
            device.troubles.set(PART, Some(problem));
            return tokio::time::sleep(AGAIN_AFTER).await;
        }
    };
    device.troubles.set(PART, None);
    info!(at = render_place(listen), "metrics can be read");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok(stream) => drop(connections.spawn(answer(stream, Arc::clone(device)))),
                Err(error) => {
                    warn!(%error, "who asks for metrics is not heard");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn render_place(listen: &MetricsListen) -> String {
    match listen {
        MetricsListen::Loopback(address) => address.to_string(),
        MetricsListen::Socket(path) => path.display().to_string(),
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// It goes with the listener.
        _file: SocketFile,
    },
}

struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            debug!(%error, "the socket of the metrics is gone already");
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => Ok(Box::new(listener.accept().await?.0)),
            Self::Unix { listener, .. } => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// In place of a socket that an earlier start has left, and of nothing else. Its group may ask too.
fn bind_socket(path: &Path) -> io::Result<Listener> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let listener = Listener::Unix { listener, _file: SocketFile(path.to_owned()) };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn answer(stream: Box<dyn Stream>, device: Arc<Device>) {
    let service = service_fn(|request: Request<Incoming>| {
        let device = Arc::clone(&device);
        async move { Ok::<_, Infallible>(respond(&request, &device).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(2 * PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "who asked for metrics went away"),
        Err(_elapsed) => debug!("who asked for metrics did not read them"),
    }
}

async fn respond(request: &Request<Incoming>, device: &Device) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let (report, wrong) = (report(device).await, Wrong::of(device));
            let text = render(&report, &wrong, memory_bytes(), device.time.now(&device.clock).wall.unix_micros);
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "text/plain", "see /metrics\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET is understood\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// What the process has in memory, in bytes (`VmRSS`, proc_pid_status(5)).
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// What is wrong, as the panel and `[notify]` say it.
struct Wrong {
    /// By part.
    problems: BTreeMap<String, Problem>,
    /// Which grant authorizes a sink, by their names.
    grants: BTreeMap<String, String>,
}

impl Wrong {
    fn of(device: &Device) -> Self {
        let parts = Arc::clone(&device.parts.borrow());
        let grant_of = |(name, sink): (&SinkName, &OnOrOff<Arc<SinkHandle>>)| {
            let grant = sink.as_ref().ok()?.grant.as_ref()?;
            Some((name.to_string(), grant.to_string()))
        };
        Self { problems: device.display.problems(), grants: parts.sinks.iter().filter_map(grant_of).collect() }
    }

    fn has(&self, part: &str) -> bool {
        self.problems.contains_key(part)
    }
}

/// Whether each part does its work. One that is off does not; of every other, what the panel calls a problem is one here.
fn parts_at_work(report: &Report, wrong: &Wrong) -> Vec<(String, bool)> {
    let mut parts = Vec::new();
    for GrantReport { name, standing, .. } in &report.grants {
        let part = format!("grants.{name}");
        let works = !matches!(standing, GrantStanding::Off { .. }) && !wrong.has(&part);
        parts.push((part, works));
    }
    for SinkReport { name, formatting, delivery, .. } in &report.sinks {
        let is_off = |stage: &StageReport| matches!(stage, StageReport::Off { .. });
        let part = format!("sinks.{name}.format");
        let works = !is_off(formatting) && !wrong.has(&part);
        parts.push((part, works));
        let part = format!("sinks.{name}.deliver");
        // Nothing is delivered while its grant does not work.
        let lets_in = wrong.grants.get(name).is_none_or(|grant| !wrong.has(&format!("grants.{grant}")));
        let works = !is_off(delivery) && lets_in && !wrong.has(&part) && !wrong.has(&format!("sinks.{name}"));
        parts.push((part, works));
    }
    for InputReport { name, .. } in &report.inputs {
        let part = format!("inputs.{name}");
        let works = !wrong.has(&part);
        parts.push((part, works));
    }
    for SensorReport { name, standing, .. } in &report.sensors {
        let part = format!("sensors.{name}");
        let works = !matches!(standing, SensorStanding::Off { .. }) && !wrong.has(&part);
        parts.push((part, works));
    }
    for ListingReport { name, standing, .. } in &report.listings {
        let works = matches!(standing, ListingStanding::Starting | ListingStanding::Current);
        parts.push((format!("choices.{name}.items"), works));
    }
    parts
}

/// The figures. `now_micros`: the device's wall clock.
fn render(report: &Report, wrong: &Wrong, memory: Option<u64>, now_micros: i64) -> String {
    let mut page = Page::default();
    page.family("punchcard_info", "gauge", "The version that runs.");
    page.sample("punchcard_info", &[("device", &report.device), ("version", &report.version)], 1);
    page.family("punchcard_events_total", "counter", "Events that were recorded.");
    page.sample("punchcard_events_total", &[], report.events);
    page.family("punchcard_clock_known", "gauge", "1 while the device knows the time.");
    page.sample("punchcard_clock_known", &[], u64::from(report.clock_known));

    page.family("punchcard_rows_delivered_total", "counter", "Rows that arrived.");
    for sink in &report.sinks {
        page.sample("punchcard_rows_delivered_total", &[("sink", &sink.name)], sink.rows_delivered);
    }
    page.family("punchcard_waiting", "gauge", "Events and rows on their way: not formatted, not sent, not confirmed.");
    for sink in &report.sinks {
        let waiting =
            [("events", sink.events_waiting), ("rows", sink.rows_waiting), ("in-flight", sink.rows_in_flight)];
        for (what, count) in waiting {
            page.sample("punchcard_waiting", &[("sink", &sink.name), ("what", what)], count);
        }
    }
    page.family("punchcard_oldest_waiting_seconds", "gauge", "Age of the oldest of these, where its time is known.");
    for sink in &report.sinks {
        if let Some(at) = sink.oldest_waiting_at.filter(|_| report.clock_known) {
            let age = u64::try_from(now_micros.saturating_sub(at) / 1_000_000).unwrap_or(0);
            page.sample("punchcard_oldest_waiting_seconds", &[("sink", &sink.name)], age);
        }
    }
    page.family("punchcard_set_aside", "gauge", "Events and rows that wait for a person's decision.");
    for sink in &report.sinks {
        page.sample("punchcard_set_aside", &[("sink", &sink.name)], sink.set_aside);
    }

    page.family("punchcard_part_works", "gauge", "1 while a part does its work, 0 while something is wrong with it.");
    for (part, works) in parts_at_work(report, wrong) {
        page.sample("punchcard_part_works", &[("part", &part)], u64::from(works));
    }
    page.family("punchcard_problem", "gauge", "1 for each thing that is wrong with the device itself.");
    for problem in &report.problems {
        let labels = [("part", problem.part.as_str()), ("problem", problem.problem.headline.as_str())];
        page.sample("punchcard_problem", &labels, 1);
    }
    if let Some(memory) = memory {
        page.family("process_resident_memory_bytes", "gauge", "Memory of the host, in bytes.");
        page.sample("process_resident_memory_bytes", &[], memory);
    }
    page.0
}

/// Figures as text.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a text can't fail.
        let _written = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::status::{ConfigurationReport, ProblemReport};

    fn report() -> Report {
        Report {
            device: "front-door".into(),
            version: "0.1.0".into(),
            configuration: ConfigurationReport { path: "plugins.toml".into(), fallback: None, errors: None },
            problems: vec![ProblemReport { part: "panel".into(), problem: problem("a \"bad\\\nday\"") }],
            clock_known: true,
            events: 12,
            plugins: Vec::new(),
            grants: vec![GrantReport {
                name: "google".into(),
                account: None,
                account_before: None,
                granted_at: None,
                provider: None,
                on_request: false,
                standing: GrantStanding::Authorized { seconds_left: None, scopes: Vec::new() },
            }],
            sinks: vec![SinkReport {
                name: "sheet".into(),
                formatting: StageReport::Idle,
                delivery: StageReport::Waiting { problem: None },
                events_waiting: 0,
                rows_waiting: 0,
                rows_in_flight: 0,
                rows_delivered: 0,
                set_aside: 0,
                dropped: 0,
                oldest_waiting_at: None,
                last_delivered_at: None,
                standing: None,
                notice: None,
                link: None,
            }],
            inputs: vec![InputReport { name: "knob".into(), error: Some("line 5 is in use".into()) }],
            sensors: vec![SensorReport { name: "air".into(), standing: SensorStanding::Reading, last: None }],
            listings: Vec::new(),
            simulated_hardware: false,
            repositories: Vec::new(),
        }
    }

    fn problem(headline: &str) -> Problem {
        Problem { headline: headline.into(), advice: String::new() }
    }

    fn wrong(parts: &[&str]) -> Wrong {
        Wrong {
            problems: parts.iter().map(|part| ((*part).to_owned(), problem("bad"))).collect(),
            grants: [("sheet".to_owned(), "google".to_owned())].into(),
        }
    }

    #[test]
    fn figures_are_text_that_a_monitoring_system_reads() {
        let text = render(&report(), &wrong(&["inputs.knob"]), Some(23_000_000), 0);
        for line in [
            "punchcard_info{device=\"front-door\",version=\"0.1.0\"} 1",
            "# TYPE punchcard_events_total counter",
            "punchcard_events_total 12",
            "punchcard_part_works{part=\"inputs.knob\"} 0",
            "punchcard_part_works{part=\"sensors.air\"} 1",
            "punchcard_problem{part=\"panel\",problem=\"a \\\"bad\\\\\\nday\\\"\"} 1",
            "process_resident_memory_bytes 23000000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(text.lines().all(|line| line.starts_with("# ")
            || line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<u64>().is_ok())));
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1_000_000));
    }

    #[test]
    fn a_part_does_its_work_unless_the_panel_says_otherwise() {
        let idle = |report: &Report, wrong: &Wrong| -> Vec<String> {
            let parts = parts_at_work(report, wrong).into_iter();
            parts.filter(|(_, works)| !works).map(|(part, _)| part).collect()
        };
        let table: [(&[&str], &[&str]); 7] = [
            // An ordinary pause is work.
            (&[], &[]),
            (&["panel"], &[]),
            // Nobody is signed in, or somebody has to.
            (&["grants.google"], &["grants.google", "sinks.sheet.deliver"]),
            (&["sinks.sheet"], &["sinks.sheet.deliver"]),
            (&["sinks.sheet.deliver"], &["sinks.sheet.deliver"]),
            (&["sinks.sheet.format"], &["sinks.sheet.format"]),
            (&["inputs.knob", "sensors.air"], &["inputs.knob", "sensors.air"]),
        ];
        for (problems, expected) in table {
            assert_eq!(idle(&report(), &wrong(problems)), expected, "{problems:?}");
        }
        let mut off = report();
        let reason = || "its plugin is gone".to_owned();
        off.grants[0].standing = GrantStanding::Off { reason: reason() };
        off.sinks[0].formatting = StageReport::Off { reason: reason() };
        off.sinks[0].delivery = StageReport::Off { reason: reason() };
        off.sensors[0].standing = SensorStanding::Off { reason: reason() };
        let expected = ["grants.google", "sinks.sheet.format", "sinks.sheet.deliver", "sensors.air"];
        assert_eq!(idle(&off, &wrong(&[])), expected);
    }

    #[tokio::test]
    async fn a_socket_takes_the_place_of_an_earlier_one_and_of_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = bind_socket(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        assert!(bind_socket(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
