//! Files, piece by piece: what is too large to be held before it is judged. Whoever reads one decides how much of it and for
//! how long.

use bytes::Bytes;
use punchcard_core::http::Failure;
use punchcard_core::request::Prepared;

use super::failure::{Broken, describe};
use super::{Http, build, foreign_encoding};

/// A file that is being read.
pub struct Download {
    answer: reqwest::Response,
}

impl Http {
    /// Sends a request, and returns when its answer has begun. The library bounds how long connecting takes, and nothing else.
    ///
    /// # Errors
    /// As [`Http::perform`].
    pub async fn begin(&self, request: &Prepared<'_>) -> Result<Download, Failure> {
        let client = self.client_for(request);
        let (message, witness) = build(client, request).map_err(|broken| broken.failure)?;
        let answer = client.execute(message).await;
        let answer = answer.map_err(|error| Broken::before_answer(error, &witness).failure)?;
        if let Some(encoding) = foreign_encoding(answer.headers()) {
            let text = format!("the answer is in {encoding}, which was not asked for and is not read");
            return Err(Failure::Interrupted(text));
        }
        Ok(Download { answer })
    }
}

impl Download {
    /// The answer's status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When the connection breaks before the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.answer.chunk().await.map_err(|error| Failure::Interrupted(format!("it broke off: {}", describe(error))))
    }
}
