//! A request is read in one way only, or not at all: raw bytes to the real binary, and what arrives at a recorder behind it.

mod agreement;
mod floods;
mod goodbye;
mod http2;
mod llhttp;
mod malformed;
mod paths;
mod slow;
mod spoofing;
pub(crate) mod wire;
