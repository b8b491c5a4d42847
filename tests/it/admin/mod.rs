//! The API for administrators, asked as programs ask it.

mod audit;
mod connections;
mod crossing;
mod document;
mod groups;
mod invitations;
mod programs;
mod recorded;
mod scim_tokens;
mod town;
mod users;
