//! A repository whose mirror hands out anything, with trust that a damaged card changed: without the publisher's key nothing
//! of it is believed.

#![no_main]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use libfuzzer_sys::fuzz_target;
use punchcard_core::update::Release;
use punchcard_repository::{Clock, Folder, Limits, Mirror, MirrorError, Pieces, TrustState, refresh};

/// Hands out these, one after another.
#[derive(Debug)]
struct Anything(Vec<Vec<u8>>);

#[async_trait]
impl Mirror for Anything {
    async fn open(&self, folder: Folder, name: &str) -> Result<Pieces, MirrorError> {
        let chosen = match name {
            "timestamp.json" => self.0.first(),
            name if name.ends_with("snapshot.json") => self.0.get(1),
            name if name.ends_with("targets.json") => self.0.get(2),
            "2.root.json" => self.0.get(3),
            _ => None,
        };
        let bytes = chosen.ok_or_else(|| MirrorError::NotFound { folder, name: name.to_owned() })?;
        let bytes = Bytes::copy_from_slice(bytes);
        Ok(Box::pin(stream::iter([Ok(bytes)])))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let parts: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let root = parts.first().cloned().unwrap_or_default();
    let trust = TrustState { root, timestamp: parts.get(1).cloned(), snapshot: None, targets: parts.get(2).cloned() };
    let mirror = Arc::new(Anything(parts.clone()));
    let work = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let attempt = runtime.block_on(refresh(trust, mirror, Clock::NotBefore(jiff::Timestamp::MIN), &Limits::default(), work.path()));
    assert!(attempt.outcome.is_err(), "nothing of this is signed");
    let _release: Result<Release, _> = serde_json::from_slice(&bytes[..bytes.len().min(4_096)]);
});
