//! Letters: written as MIME, carried by SMTP, waited for by nobody.
//!
//! Refuses to send anything over a connection that is not encrypted and proved to be the configured server's (but to this machine
//! itself), because a letter holds a way in; and to keep a request waiting, because how long it takes would tell who is known.

mod letter;
mod line;
mod outbox;
mod post;
mod server;

pub use letter::{Letter, LetterError};
pub use line::MailError;
pub use outbox::Outbox;
pub use post::{Post, Tallies};
pub use server::Server;
