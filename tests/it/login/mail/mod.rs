//! Signing in by mail and being invited, through a real mail server.

mod address_page;
mod browser;
mod delivery;
mod enumeration;
mod house;
mod invitation;
mod limits;
mod link;
