//! What holds for signing in, whichever the connection.
//!
//! Refuses a return origin that is more or less than an origin: a path in it would be trusted by mistake.

use super::address;
use crate::config::shown::shown_address as shown;
use crate::config::{Config, Path, Problems};

pub(super) fn review(config: &Config, problems: &mut Problems) {
    for (index, origin) in config.sign_in.return_origins.iter().enumerate() {
        if let Err(what) = address::origin(origin) {
            let path = Path::from("sign_in").key("return_origins").item(index);
            problems.add(path, format!("`{}`: {what}", shown(origin)), "write `https://other.example.com`");
        }
    }
}
