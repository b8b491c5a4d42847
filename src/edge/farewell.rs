//! The end of a connection that is not to be continued: the last words, then silence.
//!
//! Refuses to hang up on a client that is still sending, because the reset would destroy the words before they are read
//! (RFC 9112 §9.6); and to listen to it for long.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::Unclean;
use super::connection::Transport;
use super::deadline::Deadline;
use crate::telemetry::RequestId;

/// How long the whole may take.
const SPAN: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Stage {
    Saying,
    Hanging,
    /// Until the client hangs up too.
    Listening,
    Over,
}

/// Last words on their way.
#[derive(Debug)]
pub(super) struct Farewell {
    words: Vec<u8>,
    said: usize,
    stage: Stage,
    deadline: Deadline,
}

impl Farewell {
    pub(super) fn saying(words: Vec<u8>) -> Self {
        let mut deadline = Deadline::default();
        deadline.set(Instant::now() + SPAN);
        Self { words, said: 0, stage: Stage::Saying, deadline }
    }

    /// The answer to bytes that were no request (RFC 9457), which the records know as `id`.
    pub(super) fn refusing(flaw: Unclean, id: &RequestId) -> Self {
        let status = http::StatusCode::from_u16(flaw.status).unwrap_or(http::StatusCode::BAD_REQUEST);
        let title = status.canonical_reason().unwrap_or("Bad Request");
        let body = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"The request is malformed, too large or too slow.","code":"{}","request_id":"{}"}}"#,
            flaw.status,
            flaw.reason,
            id.as_str()
        );
        let head = format!(
            "HTTP/1.1 {} {title}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\nContent-Length: {}\r\nX-Request-Id: {}\r\nConnection: close\r\n\r\n",
            flaw.status,
            body.len(),
            id.as_str()
        );
        Self::saying([head, body].concat().into_bytes())
    }

    /// Ready once there is nothing more to do with the connection.
    pub(super) fn poll_say<T: Transport>(&mut self, cx: &mut Context<'_>, io: &mut T) -> Poll<()> {
        if !matches!(self.stage, Stage::Over) && self.deadline.poll(cx).is_ready() {
            self.stage = Stage::Over;
        }
        loop {
            self.stage = match self.stage {
                Stage::Saying if self.said < self.words.len() => {
                    match ready!(Pin::new(&mut *io).poll_write(cx, &self.words[self.said..])) {
                        Ok(written @ 1..) => {
                            self.said += written;
                            Stage::Saying
                        }
                        Ok(0) | Err(_) => Stage::Over,
                    }
                }
                Stage::Saying => match ready!(Pin::new(&mut *io).poll_flush(cx)) {
                    Ok(()) => Stage::Hanging,
                    Err(_) => Stage::Over,
                },
                Stage::Hanging => match ready!(Pin::new(&mut *io).poll_shutdown(cx)) {
                    Ok(()) => Stage::Listening,
                    Err(_) => Stage::Over,
                },
                Stage::Listening => {
                    let mut scratch = [0; 4096];
                    let mut heard = ReadBuf::new(&mut scratch);
                    match ready!(Pin::new(&mut *io).poll_read(cx, &mut heard)) {
                        Ok(()) if !heard.filled().is_empty() => Stage::Listening,
                        Ok(()) | Err(_) => Stage::Over,
                    }
                }
                Stage::Over => return Poll::Ready(()),
            };
        }
    }
}
