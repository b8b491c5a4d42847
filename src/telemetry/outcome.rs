//! What became of a request, in the words of metrics and the access line.
//!
//! Refuses free text: these names are what dashboards and alerts are written against.

/// How the request was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// It went where it wanted to go.
    Allowed,
    /// It went there only because the route is in report mode.
    Reported,
    /// It could be read in two ways, or not at all.
    Malformed,
    /// Its credential was wrong.
    Refused,
    /// It needed an identity and named none.
    Unidentified,
    /// Who it came from may not do that.
    Denied,
    /// Its credential could not be checked.
    Unavailable,
    /// The application could not be reached or did not answer, or Doorward itself made a mistake.
    Failed,
    /// The client went away, or the connection broke, before anything was decided.
    #[default]
    Abandoned,
}

impl Decision {
    pub const ALL: [Self; 9] = [
        Self::Allowed,
        Self::Reported,
        Self::Malformed,
        Self::Refused,
        Self::Unidentified,
        Self::Denied,
        Self::Unavailable,
        Self::Failed,
        Self::Abandoned,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Reported => "reported",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::Unidentified => "unidentified",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// First digit of the status, or `none` where no answer was begun.
pub(super) const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The place of `status` in [`STATUS_CLASSES`].
#[must_use]
pub(super) fn status_class(status: u16) -> usize {
    match status / 100 {
        class @ 1..=5 => usize::from(class),
        _ => 0,
    }
}
