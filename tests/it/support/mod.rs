//! What the integration tests stand on: processes that end with the test, the real counterparts, the real binary, curl.

pub(crate) mod curl;
pub(crate) mod door;
pub(crate) mod h2;
pub(crate) mod line;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod store;
pub(crate) mod stream;
pub(crate) mod valkey;

pub(crate) use curl::{Answer, curl};
pub(crate) use door::{Door, doorward};
pub(crate) use line::Line;
pub(crate) use port::free_port;
pub(crate) use process::{Part, Process, part, python_part};
pub(crate) use stream::Stream;

use std::time::{Duration, Instant};

/// Asks until the answer is there, for at most ten seconds; then fails saying what was waited for.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}
