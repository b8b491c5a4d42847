//! The engine's HTTP application, with HTTP/2's limits and a way to end one of its streams.
//!
//! Refuses to let a stream outlive its revocation: the engine multiplexes HTTP/2 where the stream type sees only ciphertext, so
//! the stream's own task is ended (threats D1–D5, H9).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;

use super::ConnectionFacts;
use crate::config::Limits;

/// Bytes that one HTTP/2 stream, and one connection, may have sent ahead of what was read.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of answer kept for a client that does not read, per stream.
const SEND_BUFFER: usize = 32 * 1024;
/// Streams that the client reset before they were looked at, and that were reset for its mistakes, before it is sent away
/// (CVE-2023-44487, CVE-2025-8671).
const RESETS: usize = 50;
const OWN_RESETS: usize = 100;

/// An engine's application as listeners drive it.
pub struct Front<A> {
    app: Arc<A>,
    options: HttpServerOptions,
    http2: H2Options,
}

impl<A> Front<A> {
    #[must_use]
    pub fn new(app: Arc<A>, limits: &Limits) -> Self {
        let mut options = HttpServerOptions::default();
        // Without TLS, HTTP/2 would have to be guessed from the first bytes; behind a proxy HTTP/1.1 serves.
        options.h2c = false;
        options.h2_idle_timeout = Some(limits.keep_alive.0);
        Self { app, options, http2: http2(limits) }
    }
}

fn http2(limits: &Limits) -> H2Options {
    let mut options = H2Options::default();
    options
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(OWN_RESETS))
        .reset_stream_duration(Duration::from_secs(1));
    options
}

type Serving<'a> = Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'a>>;

impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Front<A> {
    /// Written without the attribute, so that HTTP/1 costs no second allocation.
    fn process_new_http<'this, 'stop, 'all>(
        self: &'this Arc<Self>,
        session: ServerSession,
        stop: &'stop ShutdownWatch,
    ) -> Serving<'all>
    where
        'this: 'all,
        'stop: 'all,
        Self: 'all,
    {
        let facts = session.digest().and_then(|digest| digest.proxy_digest.as_ref()?.user_data.as_ref());
        let facts = facts.and_then(|facts| facts.downcast_ref::<ConnectionFacts>());
        let Some(live) = facts.filter(|_| session.is_http2()).map(|facts| facts.live.branch()) else {
            return self.app.process_new_http(session, stop);
        };
        Box::pin(async move {
            let served = tokio::select! {
                biased;
                served = live.within(self.app.process_new_http(session, stop)) => served,
                // Dropping the exchange resets the stream and lets go of the upstream.
                () = live.closed() => None,
            };
            live.end();
            served
        })
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.http2.clone())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    fn http_cleanup<'this, 'all>(&'this self) -> Pin<Box<dyn Future<Output = ()> + Send + 'all>>
    where
        'this: 'all,
        Self: 'all,
    {
        self.app.http_cleanup()
    }
}
