//! Whether a request left.
//!
//! A server can't carry out a request whose body it does not have. The body is therefore the witness: as long as the
//! connection has not asked for it, nothing was done. Once somebody has concluded that nothing left, nothing may leave any
//! more, or the conclusion would be wrong; both go through one atomic value.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const WITHHELD: u8 = 2;

/// What is known of one request. Clones speak of the same.
#[derive(Clone)]
pub(super) struct Departure {
    state: Arc<AtomicU8>,
}

impl Departure {
    /// It waits.
    pub(super) fn new() -> Self {
        Self { state: Arc::new(AtomicU8::new(WAITING)) }
    }

    /// Its body leaves. False: it must not, because it was taken for unsent.
    fn leave(&self) -> bool {
        let before = self.state.compare_exchange(WAITING, LEFT, Ordering::AcqRel, Ordering::Acquire);
        matches!(before, Ok(_) | Err(LEFT))
    }

    /// Takes it for unsent. False: it may have left.
    fn withhold(&self) -> bool {
        let before = self.state.compare_exchange(WAITING, WITHHELD, Ordering::AcqRel, Ordering::Acquire);
        matches!(before, Ok(_) | Err(WITHHELD))
    }
}

/// A request's departure, where it has a body to tell by.
pub(super) struct Witness(Option<Departure>);

impl Witness {
    /// Of this request.
    pub(super) fn new(departure: Option<Departure>) -> Self {
        Self(departure)
    }

    /// Whether it surely did not leave, and from now on surely will not.
    pub(super) fn withhold(&self) -> bool {
        self.0.as_ref().is_some_and(Departure::withhold)
    }
}

/// A body that says when it is asked for.
pub(super) struct Parcel {
    content: Option<Bytes>,
    departure: Departure,
}

impl Parcel {
    /// `content` is not empty: an empty body is never asked for.
    pub(super) fn new(content: Bytes, departure: Departure) -> Self {
        Self { content: Some(content), departure }
    }
}

impl Body for Parcel {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.departure.leave() {
            return Poll::Ready(Some(Err(io::Error::other("the request was given up"))));
        }
        Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.as_ref().map_or(0, |content| content.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll(parcel: &mut Parcel) -> Option<Result<Bytes, String>> {
        match Pin::new(parcel).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(|frame| match frame {
                Ok(frame) => Ok(frame.into_data().ok().unwrap()),
                Err(error) => Err(error.to_string()),
            }),
            Poll::Pending => panic!("a body that is there does not wait"),
        }
    }

    #[test]
    fn what_was_asked_for_may_have_left() {
        let departure = Departure::new();
        let mut parcel = Parcel::new(Bytes::from_static(b"rows"), departure.clone());
        assert_eq!((parcel.size_hint().exact(), parcel.is_end_stream()), (Some(4), false));
        assert_eq!(poll(&mut parcel), Some(Ok(Bytes::from_static(b"rows"))));
        assert_eq!((parcel.size_hint().exact(), parcel.is_end_stream()), (Some(0), true));
        assert_eq!(poll(&mut parcel), None);
        assert!(!Witness::new(Some(departure)).withhold());
    }

    #[test]
    fn what_was_taken_for_unsent_does_not_leave() {
        let departure = Departure::new();
        let mut parcel = Parcel::new(Bytes::from_static(b"rows"), departure.clone());
        let witness = Witness::new(Some(departure));
        assert!(witness.withhold());
        assert!(witness.withhold());
        assert_eq!(poll(&mut parcel), Some(Err("the request was given up".to_owned())));
        assert_eq!((parcel.size_hint().exact(), parcel.is_end_stream()), (Some(4), false));
    }

    #[test]
    fn without_a_body_nothing_is_sure() {
        assert!(!Witness::new(None).withhold());
    }
}
