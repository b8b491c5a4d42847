//! Listening to a database server that says when something was announced.
//!
//! Refuses to be relied on: what it hears is a reason to look at once, and nothing more. Who looks does so without it, too, because a
//! notification can be lost with the connection that would have brought it.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::db::Database;

/// How soon a lost connection is replaced.
const AGAIN: Duration = Duration::from_millis(500);

/// Listens for as long as it lives; counts what it hears.
pub(super) fn listen(database: Database) -> (AbortOnDropHandle<()>, watch::Receiver<u64>) {
    let (count, heard) = watch::channel(0);
    let task = tokio::spawn(async move {
        loop {
            match database.listen().await {
                // There is nobody to listen to: this process's own commits and looking have to do.
                Ok(None) => return std::future::pending().await,
                Ok(Some(mut listener)) => {
                    // What was said in the meantime was not heard.
                    count.send_modify(|count| *count += 1);
                    while let Ok(Some(_)) = listener.try_recv().await {
                        count.send_modify(|count| *count += 1);
                    }
                    tracing::debug!("the connection that listens for announcements was lost");
                }
                Err(error) => tracing::debug!(%error, "announcements are not listened for"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
    (AbortOnDropHandle::new(task), heard)
}
