//! What a provider answered last in the course of an attempt, for the record of its failure.
//!
//! Refuses to keep the answer itself: it may hold tokens, and is let go with the attempt.

use std::cell::RefCell;
use std::future::Future;

use crate::audit::ProviderAnswer;

/// Bytes looked at.
const MOST: usize = 16 * 1024;

/// The last answer, as it came.
#[derive(Default)]
struct Heard(Option<(u16, Vec<u8>)>);

tokio::task_local! {
    static HEARD: RefCell<Heard>;
}

/// Does `work`; says what the provider answered last if it failed.
pub(in crate::login) async fn listening<T, E>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, (E, Option<ProviderAnswer>)> {
    let heard = async {
        let done = work.await;
        done.map_err(|error| (error, HEARD.with(|heard| heard.take().answer())))
    };
    HEARD.scope(RefCell::default(), heard).await
}

/// Remembers an answer if somebody is listening.
pub(super) fn hear(status: http::StatusCode, body: &[u8]) {
    let heard = || Heard(Some((status.as_u16(), body[..body.len().min(MOST)].to_vec())));
    // Nobody listens at a refresh.
    let _ = HEARD.try_with(|slot| slot.replace(heard()));
}

impl Heard {
    fn answer(self) -> Option<ProviderAnswer> {
        self.0.map(|(status, body)| ProviderAnswer::of_http(status, &body))
    }
}
