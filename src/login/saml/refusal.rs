//! Why a SAML message is not taken.
//!
//! Refuses nothing itself; each reason has a name that stays, because records and alerts are written against it.

/// Every way a message can fail. The words are for records and for whoever sets the connection up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the message is not base64")]
    Encoding,
    #[error("the message is larger than is read")]
    TooLarge,
    #[error("the message has a document type declaration")]
    DocumentType,
    #[error("the message has a processing instruction")]
    ProcessingInstruction,
    #[error("the message is nested too deep or has too many parts")]
    TooComplex,
    #[error("the message is not well-formed XML: {0}")]
    Malformed(String),
    #[error("two elements have the id `{0}`")]
    DuplicateId(String),
    #[error("an id is written in another namespace")]
    AmbiguousId,
    #[error("the message is a {0}, which is not what belongs here")]
    UnexpectedMessage(String),
    #[error("the message is not SAML 2.0")]
    Version,
    #[error("the message holds {0} assertions where it must hold one")]
    AssertionCount(usize),
    #[error("the assertion stands at an unexpected place")]
    AssertionMisplaced,
    #[error("neither the response nor the assertion is signed")]
    Unsigned,
    #[error("the assertion is not signed itself, which this connection asks for")]
    AssertionUnsigned,
    #[error("the response is not signed itself, which this connection asks for")]
    ResponseUnsigned,
    #[error("a signature stands at an unexpected place")]
    SignatureMisplaced,
    #[error("a signature is not of the form that SAML allows: {0}")]
    SignatureShape(&'static str),
    #[error("a signature uses SHA-1")]
    Sha1,
    #[error("a signature uses `{0}`, which is not taken")]
    Algorithm(String),
    #[error("a signature covers something else than the element it stands in")]
    ForeignReference,
    #[error("a signature does not hold: {0}")]
    SignatureInvalid(String),
    #[error("a signature does not hold, and the certificate in it is none that is configured")]
    UntrustedKey,
    #[error("the assertion or its name identifier is encrypted and this connection has no key")]
    NoDecryptionKey,
    #[error("the assertion or its name identifier is encrypted with `{0}`, which is not taken")]
    EncryptionAlgorithm(String),
    /// One reason for all that can go wrong in there, because the difference is what a decryption oracle tells (threats S12).
    #[error("the assertion or its name identifier cannot be decrypted")]
    Undecryptable,
    #[error("the issuer is `{0}`")]
    Issuer(String),
    #[error("the message does not say who issued it")]
    IssuerMissing,
    #[error("the message is meant for `{0}`")]
    Destination(String),
    #[error("the message is signed and does not say where it is meant for")]
    DestinationMissing,
    #[error("the message answers a request that was not made")]
    InResponseTo,
    #[error("the message answers no request, and sign-in from the provider's side is not allowed here")]
    Unsolicited,
    #[error("the provider said {code}")]
    Status { code: String, message: Option<String> },
    #[error("the response has no status")]
    StatusMissing,
    #[error("the assertion says nothing of whom it is about")]
    SubjectMissing,
    #[error("the name identifier is missing, empty, or of another kind")]
    NameId,
    #[error("the name identifier is meant for another service")]
    NameQualifier,
    #[error("the assertion is confirmed in no way that a browser can carry")]
    NoBearer,
    #[error("the assertion's recipient is `{0}`")]
    Recipient(String),
    #[error("the assertion has no conditions")]
    ConditionsMissing,
    #[error("the assertion has a condition that is not known here")]
    UnknownCondition,
    #[error("the assertion does not say which service it is for")]
    AudienceMissing,
    #[error("the assertion is for `{0}`")]
    Audience(String),
    #[error("a time in the message is not a time")]
    Time,
    #[error("the assertion does not say until when it is good")]
    ExpiryMissing,
    #[error("it was good until {until} and it is {now}")]
    Expired { until: String, now: String },
    #[error("it will be good from {from} and it is {now}")]
    NotYetValid { from: String, now: String },
    #[error("the assertion does not say how somebody signed in")]
    AuthnStatementMissing,
    #[error("the session at the provider has ended")]
    SessionEnded,
    #[error("the attribute `{0}` has several values where one is needed")]
    AmbiguousAttribute(String),
    #[error("the assertion was used before")]
    Replayed,
    #[error("the message's signature parameters do not hold")]
    QuerySignature,
    #[error("a parameter was sent more than once")]
    RepeatedParameter,
    #[error("there is no message, or there are two")]
    MessageMissing,
    #[error("the message is not signed")]
    MessageUnsigned,
    #[error("the name identifier is a transient one, and no attribute is configured that names the person for ever")]
    TransientName,
    #[error("nobody was asked again, though that was the wish")]
    NotAskedAnew,
}

impl Refusal {
    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Encoding => "saml_encoding",
            Self::TooLarge => "saml_too_large",
            Self::DocumentType => "saml_document_type",
            Self::ProcessingInstruction => "saml_processing_instruction",
            Self::TooComplex => "saml_too_complex",
            Self::Malformed(_) => "saml_malformed",
            Self::DuplicateId(_) => "saml_duplicate_id",
            Self::AmbiguousId => "saml_ambiguous_id",
            Self::UnexpectedMessage(_) => "saml_unexpected_message",
            Self::Version => "saml_version",
            Self::AssertionCount(_) => "saml_assertion_count",
            Self::AssertionMisplaced => "saml_assertion_misplaced",
            Self::Unsigned => "saml_unsigned",
            Self::AssertionUnsigned => "saml_assertion_unsigned",
            Self::ResponseUnsigned => "saml_response_unsigned",
            Self::SignatureMisplaced => "saml_signature_misplaced",
            Self::SignatureShape(_) => "saml_signature_shape",
            Self::Sha1 => "saml_sha1",
            Self::Algorithm(_) => "saml_algorithm",
            Self::ForeignReference => "saml_foreign_reference",
            Self::SignatureInvalid(_) => "saml_signature_invalid",
            Self::UntrustedKey => "saml_untrusted_key",
            Self::NoDecryptionKey => "saml_no_decryption_key",
            Self::EncryptionAlgorithm(_) => "saml_encryption_algorithm",
            Self::Undecryptable => "saml_undecryptable",
            Self::Issuer(_) => "saml_issuer",
            Self::IssuerMissing => "saml_issuer_missing",
            Self::Destination(_) => "saml_destination",
            Self::DestinationMissing => "saml_destination_missing",
            Self::InResponseTo => "saml_in_response_to",
            Self::Unsolicited => "saml_unsolicited",
            Self::Status { .. } => "saml_status",
            Self::StatusMissing => "saml_status_missing",
            Self::SubjectMissing => "saml_subject_missing",
            Self::NameId => "saml_name_id",
            Self::NameQualifier => "saml_name_qualifier",
            Self::NoBearer => "saml_no_bearer",
            Self::Recipient(_) => "saml_recipient",
            Self::ConditionsMissing => "saml_conditions_missing",
            Self::UnknownCondition => "saml_unknown_condition",
            Self::AudienceMissing => "saml_audience_missing",
            Self::Audience(_) => "saml_audience",
            Self::Time => "saml_time",
            Self::ExpiryMissing => "saml_expiry_missing",
            Self::Expired { .. } => "saml_expired",
            Self::NotYetValid { .. } => "saml_not_yet_valid",
            Self::AuthnStatementMissing => "saml_authn_statement_missing",
            Self::SessionEnded => "saml_session_ended",
            Self::AmbiguousAttribute(_) => "saml_ambiguous_attribute",
            Self::Replayed => "saml_replayed",
            Self::QuerySignature => "saml_query_signature",
            Self::RepeatedParameter => "saml_repeated_parameter",
            Self::MessageMissing => "saml_message_missing",
            Self::MessageUnsigned => "saml_message_unsigned",
            Self::TransientName => "saml_transient_name",
            Self::NotAskedAnew => "saml_not_asked_anew",
        }
    }
}
