//! `[metrics]`: where a monitoring system reads how the device is.

use core::net::SocketAddr;
use std::path::PathBuf;

use super::node::{Node, quote};

/// Where figures can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsListen {
    /// `listen = "127.0.0.1:9464"`: a port of the device itself.
    Loopback(SocketAddr),
    /// `listen = "/run/punchcard/metrics.sock"`: a Unix socket.
    Socket(PathBuf),
}

pub(super) fn parse_metrics(node: &Node<'_, '_>) -> Option<MetricsListen> {
    let mut table = node.table()?;
    let listen = table.required("listen", parse_listen);
    table.finish()?;
    listen
}

/// Nobody who asks says who they are: only the device itself may ask.
fn parse_listen(node: &Node<'_, '_>) -> Option<MetricsListen> {
    let text = node.text()?;
    if text.starts_with('/') {
        return node.printable(100).map(|path| MetricsListen::Socket(PathBuf::from(path)));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Some(MetricsListen::Loopback(address)),
        Ok(_) => node.refuse(format!(
            "{} is open to others; accepted is `127.0.0.1:PORT`, `[::1]:PORT` or the path of a Unix socket",
            quote(text)
        )),
        Err(_) => node.refuse(format!(
            "found {}; accepted is `127.0.0.1:PORT`, `[::1]:PORT` or the absolute path of a Unix socket",
            quote(text)
        )),
    }
}
