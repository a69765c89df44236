//! A listener between the device and a server, which keeps every byte that the device sends.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What was sent through it, each connection by itself.
#[derive(Clone, Default)]
pub(crate) struct Tap {
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    /// Listens before the server on this port of loopback; returns its own origin.
    pub(crate) async fn start(port: u16) -> (String, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let tap = Self::default();
        let keeping = tap.clone();
        tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                tokio::spawn(keeping.clone().carry(device, port));
            }
        });
        (origin, tap)
    }

    async fn carry(self, device: TcpStream, port: u16) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        let (mut from_device, mut to_device) = device.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let connection = {
            let mut heard = self.heard.lock().unwrap();
            heard.push(Vec::new());
            heard.len() - 1
        };
        let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_device).await });
        let mut buffer = [0; 64 << 10];
        while let Ok(count @ 1..) = from_device.read(&mut buffer).await {
            {
                // A body ends without a line's end, and the next request follows.
                let kept = &mut self.heard.lock().unwrap()[connection];
                kept.extend_from_slice(&buffer[..count]);
                kept.push(b'\n');
            }
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
        answers.abort();
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|connection| String::from_utf8_lossy(connection)).collect::<Vec<_>>().join("\n")
    }

    /// The lines that hold this text.
    pub(crate) fn lines_with(&self, needle: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(needle)).map(str::to_owned).collect()
    }
}
