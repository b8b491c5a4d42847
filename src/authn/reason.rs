//! Why a credential was refused.
//!
//! Refuses to be told to the caller: it is for records and metrics, because which part was wrong is what a guesser wants to know.

/// One of the ways a credential can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not of the form that such a credential has.
    Malformed,
    /// No such key, client or issuer.
    Unknown,
    WrongSecret,
    Expired,
    Revoked,
    /// Used from a network that it is not for.
    Network,
    /// The person that the key belongs to is inactive or gone.
    OwnerInactive,
    /// No credential of this kind is configured.
    NotConfigured,
    /// Over 16 KiB.
    TooLarge,
    /// Unsigned, or signed in a way that is not taken (RFC 8725 §3.1).
    Algorithm,
    /// It demands an extension (RFC 7515 §4.1.11).
    CriticalHeader,
    /// A token of another type, such as an ID token or a logout token (RFC 8725 §3.11).
    TokenType,
    UnknownIssuer,
    /// Meant for somebody else.
    Audience,
    /// Signed with a key that the issuer does not publish.
    UnknownKey,
    Signature,
    NotYetValid,
    /// A claim is missing or of the wrong type.
    Claims,
    /// Bound to a key that the caller did not prove to have (RFC 7800).
    SenderConstrained,
    /// The certificate does not name one holder in the configured field.
    CertificateName,
}

impl Reason {
    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Network => "network",
            Self::OwnerInactive => "owner_inactive",
            Self::NotConfigured => "not_configured",
            Self::TooLarge => "too_large",
            Self::Algorithm => "algorithm",
            Self::CriticalHeader => "critical_header",
            Self::TokenType => "token_type",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Audience => "audience",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::NotYetValid => "not_yet_valid",
            Self::Claims => "claims",
            Self::SenderConstrained => "sender_constrained",
            Self::CertificateName => "certificate_name",
        }
    }

    /// Whether this may have been a guess and counts towards waiting. What was genuine once is none: a client whose token has
    /// expired must learn just that, however often it asks, to fetch another.
    #[must_use]
    pub const fn is_guess(self) -> bool {
        !matches!(self, Self::Expired | Self::Revoked | Self::Network | Self::OwnerInactive | Self::NotYetValid)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
