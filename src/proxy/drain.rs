//! What is left of a request that was answered before it was read.
//!
//! Refuses to take in much of it: a little is what a client sends before it hears the answer, more is an upload nobody wants.

use std::time::Duration;

use pingora::proxy::Session;

/// Bytes taken in; a client's first window.
const MOST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads the rest of an HTTP/2 request. Without that its stream is reset behind the answer (RFC 9113 §8.1), which clients such as
/// curl before 8.5 take for a failure. HTTP/1 connections are drained or closed by the engine.
pub(super) async fn drain(session: &mut Session) {
    let downstream = session.as_downstream_mut();
    if !downstream.is_http2() || downstream.is_body_empty() {
        return;
    }
    let taking = async {
        let mut taken = 0;
        while let Ok(Some(chunk)) = downstream.read_request_body().await {
            taken += chunk.len();
            if taken > MOST {
                break;
            }
        }
    };
    // Late is as good as too much: the stream is reset then.
    let _ = tokio::time::timeout(PATIENCE, taking).await;
}
