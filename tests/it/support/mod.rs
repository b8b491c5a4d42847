//! What the integration tests stand on: processes that end with the test, the real counterparts, the real binary, curl.

pub(crate) mod curl;
pub(crate) mod disk;
pub(crate) mod door;
pub(crate) mod h2;
pub(crate) mod line;
pub(crate) mod port;
pub(crate) mod process;
mod remains;
pub(crate) mod session;
pub(crate) mod site;
pub(crate) mod stopwatch;
pub(crate) mod store;
pub(crate) mod stream;
pub(crate) mod valkey;

pub(crate) use curl::{Answer, curl};
pub(crate) use door::{Door, doorward};
pub(crate) use line::Line;
pub(crate) use port::free_port;
pub(crate) use process::{Part, Process, part, part_at_port, python_part, python_part_of};
pub(crate) use site::{HOST, Site};
pub(crate) use stopwatch::Stopwatch;
pub(crate) use stream::Stream;

use std::time::{Duration, Instant};

/// How long what must come is waited for. Only a test that fails waits so long: a busy machine of two cores may well take ten seconds
/// for what a quiet one does at once, and what was promised within a span has a [`Stopwatch`] of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whether `text` holds a JSON Web Token, or its beginning, in letters of either case. Three letters would do for an eye; among sealed
/// and random text they come by chance.
pub(crate) fn shows_token(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    // `{"alg`, `{"typ` and `{"kid` in base64.
    ["eyjhbgci", "eyj0exai", "eyjrawqi"].iter().any(|beginning| text.contains(beginning))
}

/// Asks until the answer is there, for as long as [`PATIENCE`]; then fails saying what was waited for.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
