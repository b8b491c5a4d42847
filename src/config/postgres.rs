//! What the URL of a PostgreSQL database may say.
//!
//! Refuses what would be ignored or weaker than it looks: unknown parameters, and encryption that gives way when the other side asks.

use url::Url;

/// Parameters that mean something here.
const PARAMETERS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host"];
const MODES: [&str; 4] = ["disable", "require", "verify-ca", "verify-full"];

/// Whether `url` names a PostgreSQL server.
#[must_use]
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Why `url` cannot name a database there; `None` if it can.
#[must_use]
pub fn flaw(url: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(url) else { return Some("this is no URL") };
    if url.username().is_empty() {
        return Some("the URL names no user");
    }
    if url.path().trim_matches('/').is_empty() {
        return Some("the URL names no database");
    }
    if !url.query_pairs().all(|(name, _)| PARAMETERS.contains(&&*name)) {
        return Some("the URL has a parameter besides `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host`");
    }
    let known = url.query_pairs().all(|(name, value)| name != "sslmode" || MODES.contains(&&*value));
    (!known).then_some("`sslmode` is one of `disable`, `require`, `verify-ca`, `verify-full`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_who_where_and_nothing_that_would_be_ignored() {
        assert_eq!(flaw("postgres://door@db.example:5432/doorward?sslmode=verify-full&sslrootcert=/etc/ca.pem"), None);
        assert_eq!(flaw("postgresql://door:a%40b@%2Frun%2Fpostgresql/doorward"), None);
        for wrong in [
            "postgres://",
            "postgres://db/doorward",
            "postgres://door@db",
            "postgres://door@db/d?sslmode=prefer",
            "postgres://door@db/d?x=1",
        ] {
            assert!(flaw(wrong).is_some(), "{wrong}");
        }
    }
}
