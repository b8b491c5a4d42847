//! The zlib interface, served by the classic zlib instead of zlib-ng.
//!
//! The proxy engine asks for zlib-ng, whose crate can only be built with cmake. Doorward never compresses on the request's
//! path, so the slower classic zlib costs nothing and a C compiler is all that a build needs.
pub use libz_sys::*;
