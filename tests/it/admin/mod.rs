//! The API for administrators, asked as programs ask it.

mod crossing;
mod document;
mod invitations;
mod programs;
mod town;
mod users;
