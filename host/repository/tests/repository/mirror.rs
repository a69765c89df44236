//! What is asked of a mirror, and mirrors that never come to an end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use punchcard_repository::{Clock, DownloadError, Folder, Limits, Mirror, MirrorError, Pieces, RefreshError};
use tokio::time::sleep;

use super::maker::{Edition, Maker, PLUGIN, attempt, attempt_within, now, refusal};

/// What a mirror does with one of its files.
#[derive(Debug, Clone, Copy)]
enum Trick {
    /// Never answers.
    Dead,
    /// A byte every so often, for ever.
    Drip(Duration),
    /// As fast as it goes, for ever.
    Endless,
    /// An error of the connection.
    Broken,
}

/// A folder, whose mirror plays a trick with one of its files, and which keeps what was asked for.
#[derive(Debug)]
struct Odd {
    good: Arc<dyn Mirror>,
    trick: Option<(&'static str, Trick)>,
    asked: Mutex<Vec<String>>,
}

impl Odd {
    fn new(maker: &Maker, trick: Option<(&'static str, Trick)>) -> Arc<Self> {
        Arc::new(Self { good: maker.mirror(), trick, asked: Mutex::default() })
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Mirror for Odd {
    async fn open(&self, folder: Folder, name: &str) -> Result<Pieces, MirrorError> {
        self.asked.lock().unwrap().push(name.to_owned());
        let trick = self.trick.filter(|(end, _)| name.ends_with(end)).map(|(_, trick)| trick);
        match trick {
            None => self.good.open(folder, name).await,
            Some(Trick::Dead) => std::future::pending().await,
            Some(Trick::Endless) => Ok(stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 4096]))).boxed()),
            Some(Trick::Drip(pause)) => Ok(stream::unfold((), move |()| async move {
                sleep(pause).await;
                Some((Ok(Bytes::from_static(b" ")), ()))
            })
            .boxed()),
            Some(Trick::Broken) => {
                let source = "the connection was reset".into();
                Err(MirrorError::Failed { folder, name: name.to_owned(), source })
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_for_but_what_is_new() {
    let maker = Maker::new().await;
    let mirror = Odd::new(&maker, None);
    let first = attempt(maker.shipped(), mirror.clone(), Clock::Known(now())).await;
    assert_eq!(mirror.take_asked(), ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]);
    let second = attempt(first.trust, mirror.clone(), Clock::Known(now())).await;
    assert_eq!(mirror.take_asked(), ["2.root.json", "timestamp.json"]);
    maker.publish(Edition { versions: [1, 1, 2], ..Edition::of(1) }).await;
    let third = attempt(second.trust, mirror.clone(), Clock::Known(now())).await;
    // Only the timestamp is another one.
    assert_eq!(mirror.take_asked(), ["2.root.json", "timestamp.json"]);
    let bytes = third.outcome.unwrap().download(PLUGIN).await.unwrap();
    assert_eq!(bytes, b"version 1");
    assert_eq!(mirror.take_asked().len(), 1);
}

/// Whichever file a mirror holds back, the attempt ends in time and what is trusted does not shrink.
#[tokio::test]
async fn a_mirror_without_end_is_left() {
    let limits = Limits {
        idle_for: Duration::from_millis(60),
        refresh_for: Duration::from_millis(200),
        download_for: Duration::from_millis(200),
        ..Limits::default()
    };
    let tricks = [
        (Trick::Dead, "did not come within"),
        (Trick::Drip(Duration::from_millis(20)), "did not come within"),
        (Trick::Endless, "the rest was not read"),
        (Trick::Broken, "can't be read"),
    ];
    let maker = Maker::new().await;
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    maker.publish(Edition::of(2)).await;
    for (trick, said) in tricks {
        for name in ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"] {
            let mirror = Odd::new(&maker, Some((name, trick)));
            let left = attempt_within(seen.trust.clone(), mirror, Clock::Known(now()), &limits).await;
            let Err(RefreshError::Mirror(error)) = &left.outcome else {
                panic!("{trick:?} with {name}: {:?}", left.outcome)
            };
            assert!(error.to_string().contains(said), "{trick:?} with {name}: {error}");
            assert!(left.trust.targets.is_some(), "{trick:?} with {name}");
        }
        let mirror = Odd::new(&maker, Some((PLUGIN, trick)));
        let catalogue = attempt_within(seen.trust.clone(), mirror, Clock::Known(now()), &limits).await.outcome.unwrap();
        let left = catalogue.download(PLUGIN).await;
        match trick {
            // What is signed has nine bytes.
            Trick::Endless => assert!(matches!(left, Err(DownloadError::NotAsSigned { .. })), "{left:?}"),
            _ => assert!(left.is_err(), "{trick:?}"),
        }
    }
}

/// A mirror that can't begin a new root's download hides it no more than one that says that there is none.
#[tokio::test]
async fn a_new_root_that_can_not_be_read_ends_the_attempt() {
    let mut maker = Maker::new().await;
    maker.rotate(&[]).await;
    let mirror = Odd::new(&maker, Some(("2.root.json", Trick::Broken)));
    let left = attempt(maker.shipped(), mirror.clone(), Clock::Known(now())).await;
    assert_eq!(
        refusal(&left),
        "the repository can't be read: metadata/2.root.json can't be read: the connection was reset"
    );
    assert_eq!(mirror.take_asked(), ["2.root.json"]);
}
