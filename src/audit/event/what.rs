//! Every kind of event and what it says. The reference, docs/audit-events.md, is made of this page.
//!
//! Refuses secrets: a credential is named by its id, and a text from outside is bounded.

use ipnet::IpNet;

use super::declare::{Declared, Field, Told, events};
use super::fact::{Fact, Members, Now, Personal};
use super::redacted::{ProviderAnswer, Redacted};
use crate::audit::Signed;
use crate::clock::Timestamp;
use crate::model::{ConnectionId, EmailAddress, FactorKind, InvitationId, Scope, SessionHandle, TenantId, UserId};

events! {
    /// A person signed in, or tried to.
    SignIn = "sign_in" {
        /// How they showed who they are (RFC 8176); `mfa` if it was more than one way.
        amr: Vec<String>,
        /// Whether a session that there was became a stronger one.
        step_up: bool,
        /// The session that ended with it.
        replaces: Option<SessionHandle>,
        /// When the session ends at the latest, without another event.
        ends_at: Option<Timestamp>,
        /// `oidc`, `oauth2`, `saml`, `magic_link`, `password`.
        protocol: Option<&'static str>,
        /// The error that the provider answered with (RFC 6749 §4.1.2.1, §5.2; SAML Core §3.2.2.2).
        provider_error: Option<Personal<Redacted>>,
        /// The provider's words for it.
        provider_description: Option<Personal<Redacted>>,
        /// What the provider answered at last, as far as it explains the failure: an error in the address it sent the browser back with, the
        /// answer of its token or userinfo endpoint, the status of its SAML response.
        provider_answer: Option<Personal<ProviderAnswer>>,
        /// What did not hold of the provider's answer.
        detail: Option<Personal<Redacted>>,
    }
    /// A letter with a link to sign in was asked for, and sent or not.
    SignInLinkSent = "sign_in_link_sent" {}
    /// A person signed out.
    SignOut = "sign_out" {
        /// The session of theirs from which they ended this one.
        from_session: Option<SessionHandle>,
        /// What did not hold of the provider's message.
        detail: Option<Personal<Redacted>>,
    }
    /// A session was ended by somebody else than its holder: an administrator, the provider, or a rule.
    SessionEnded = "session_ended" {
        /// Which one.
        session: Option<SessionHandle>,
        /// How many, where it was all of the person's.
        sessions: Option<u64>,
        /// Whose.
        user_name: Option<Personal<String>>,
    }
    /// A session ended by itself; `reason` is `idle` after too long without a request, or `absolute` when its time was over. Looked for every
    /// few minutes, and told once. `idle` is counted by the `sessions.idle` that the door was started with, until its next start; sessions
    /// that are kept in cookies alone (`sessions.mode: sealed`) are never told of.
    SessionExpired = "session_expired" {
        ended_at: Option<Timestamp>,
        connection: Option<ConnectionId>,
    }
    /// An account has to wait after too many wrong passwords or codes.
    AccountLocked = "account_locked" {}
    /// A break-glass account was used, or somebody tried; always an alarm.
    BreakGlassUsed = "break_glass_used" {
        /// `critical`.
        severity: Option<&'static str>,
        /// Whether the account has to wait from now on.
        locked: bool,
    }
    /// A break-glass account was made or removed; always an alarm.
    BreakGlassChanged = "break_glass_changed" {
        /// `critical`.
        severity: Option<&'static str>,
        /// `created`, `replaced`, `removed`.
        change: Option<&'static str>,
    }
    /// A request's credential was refused.
    CredentialRefused = "credential_refused" {
        method: Option<String>,
        /// Without the query.
        path: Option<Personal<String>>,
        /// The tenant at whose host it was tried, if that is not the caller's.
        host_of: Option<TenantId>,
        /// `report`: the route only reports, and the request was let through.
        mode: Option<&'static str>,
    }
    /// A request could be read in two ways, was too large or too slow. At most sixty a minute; `left_out` of the next one says how many
    /// more there were.
    RequestRefused = "request_refused" {
        method: Option<String>,
        /// Without the query.
        path: Option<Personal<String>>,
        /// The tenant at whose host it was tried, if that is not the caller's.
        host_of: Option<TenantId>,
        /// How many others were not recorded since the last one.
        left_out: Option<u64>,
    }
    /// A known identity was not allowed.
    AccessDenied = "access_denied" {
        method: Option<String>,
        /// Without the query.
        path: Option<Personal<String>>,
        /// The tenant at whose host it was tried, if that is not the caller's.
        host_of: Option<TenantId>,
        /// `report`: the route only reports, and the request was let through.
        mode: Option<&'static str>,
    }
    /// A request was answered, on a route whose `access_events` have it recorded; the target is the route.
    RequestServed = "request_served" {
        method: Option<String>,
        /// Without the query.
        path: Option<Personal<String>>,
        /// Of the answer.
        status: Option<u64>,
        /// Of the request's body.
        bytes_in: Option<u64>,
        /// Of the answer's body.
        bytes_out: Option<u64>,
        /// From the head of the request to the end of the answer.
        duration_us: Option<u64>,
    }
    /// A person has an account now.
    UserCreated = "user_created" {
        /// Whether they may administrate from now on, and could not before; then it is an alarm.
        administrator: bool,
        user_name: Option<Personal<String>>,
        /// Assigned, besides those that groups give.
        roles: Option<Vec<String>>,
        groups: Option<Personal<Vec<String>>>,
        active: Option<bool>,
        /// The directory's connection that provisioned them.
        connection: Option<ConnectionId>,
        /// By which they were let in.
        invitation: Option<InvitationId>,
    }
    /// Something about a person is different; what, by its new value, or by its name where a directory said it.
    UserChanged = "user_changed" {
        /// Whether they may administrate from now on, and could not before; then it is an alarm.
        administrator: bool,
        user_name: Option<Personal<String>>,
        email: Option<Now<Personal<EmailAddress>>>,
        name: Option<Now<Personal<String>>>,
        groups: Option<Personal<Vec<String>>>,
        roles: Option<Vec<String>>,
        /// `changed`.
        password: Option<&'static str>,
        /// Names of the attributes that a directory changed.
        changed: Option<Vec<String>>,
        active: Option<bool>,
        /// Whether a directory looks after them from now on.
        adopted: bool,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// Somebody is refused from now on.
    UserDeactivated = "user_deactivated" {
        user_name: Option<Personal<String>>,
        active: Option<bool>,
        /// How many of their sessions ended with it.
        sessions: Option<u64>,
        /// Names of the attributes that a directory changed.
        changed: Option<Vec<String>>,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// Somebody is let in again.
    UserReactivated = "user_reactivated" {
        /// Whether they may administrate from now on, and could not before; then it is an alarm.
        administrator: bool,
        user_name: Option<Personal<String>>,
        active: Option<bool>,
        /// Names of the attributes that a directory changed.
        changed: Option<Vec<String>>,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// A member was removed.
    UserDeleted = "user_deleted" {
        user_name: Option<Personal<String>>,
        /// How many of their sessions ended with it.
        sessions: Option<u64>,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// Somebody was removed, and what was known of them with them.
    UserErased = "user_erased" {}
    /// Somebody was given a role.
    RoleAssigned = "role_assigned" {
        /// Whether they may administrate from now on, and could not before; then it is an alarm.
        administrator: bool,
        role: Option<String>,
        /// All that are assigned from now on.
        roles: Option<Vec<String>>,
    }
    /// A role was taken from somebody.
    RoleUnassigned = "role_unassigned" {
        role: Option<String>,
        /// All that are assigned from now on.
        roles: Option<Vec<String>>,
    }
    /// There is a new group.
    GroupCreated = "group_created" {
        /// Whether being in it makes administrators of those who joined; then it is an alarm.
        administrator: bool,
        name: Option<Personal<String>>,
        joined: Option<Members>,
        /// How many members, where a directory made it.
        members: Option<u64>,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// A group has another name, or other members.
    GroupChanged = "group_changed" {
        /// Whether being in it makes administrators of those who joined; then it is an alarm.
        administrator: bool,
        name: Option<Personal<String>>,
        joined: Option<Members>,
        left: Option<Members>,
        /// How many sessions of people who left ended with it.
        sessions: Option<u64>,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// A group is no more.
    GroupRemoved = "group_removed" {
        name: Option<Personal<String>>,
        left: Option<Members>,
        /// How many sessions of people who were in it ended with it.
        sessions: Option<u64>,
        /// The directory's connection.
        connection: Option<ConnectionId>,
    }
    /// A person has one more second factor.
    FactorAdded = "factor_added" {
        factor: Option<FactorKind>,
    }
    /// A person has one second factor less, or none.
    FactorRemoved = "factor_removed" {
        factor: Option<FactorKind>,
        /// How many, where an operator removed all.
        removed: Option<u64>,
    }
    /// Somebody was invited to have an account.
    InvitationCreated = "invitation_created" {
        address: Option<Personal<EmailAddress>>,
        connection: Option<ConnectionId>,
        roles: Option<Vec<String>>,
        /// The invitation that this one was sent instead of.
        replaces: Option<InvitationId>,
    }
    /// The invited person said yes.
    InvitationAccepted = "invitation_accepted" {}
    /// An invitation was taken back.
    InvitationRevoked = "invitation_revoked" {
        address: Option<Personal<EmailAddress>>,
        connection: Option<ConnectionId>,
    }
    /// An API key was made, and its secret shown.
    KeyCreated = "key_created" {
        /// Whether it may administrate; then it is an alarm.
        administrator: bool,
        name: Option<Personal<String>>,
        owner: Option<UserId>,
        roles: Option<Vec<String>>,
        scopes: Option<Vec<Scope>>,
        expires_at: Option<Timestamp>,
    }
    /// An API key may do other things, or from elsewhere; what is said is new.
    KeyChanged = "key_changed" {
        /// Whether it may administrate; then it is an alarm.
        administrator: bool,
        name: Option<Personal<String>>,
        owner: Option<UserId>,
        roles: Option<Vec<String>>,
        scopes: Option<Vec<Scope>>,
        networks: Option<Vec<IpNet>>,
        expires_at: Option<Now<Timestamp>>,
    }
    /// An API key has a new secret, which was shown.
    KeyRotated = "key_rotated" {
        name: Option<Personal<String>>,
        owner: Option<UserId>,
        /// Until when the secret before works.
        previous_until: Option<Timestamp>,
    }
    /// An API key is refused from now on.
    KeyRevoked = "key_revoked" {
        name: Option<Personal<String>>,
        owner: Option<UserId>,
    }
    /// A client was made, and its secret shown.
    ClientCreated = "client_created" {
        /// Whether it may administrate; then it is an alarm.
        administrator: bool,
        name: Option<Personal<String>>,
        owner: Option<UserId>,
        roles: Option<Vec<String>>,
        scopes: Option<Vec<Scope>>,
        expires_at: Option<Timestamp>,
    }
    /// A client may do other things, or from elsewhere; what is said is new.
    ClientChanged = "client_changed" {
        /// Whether it may administrate; then it is an alarm.
        administrator: bool,
        name: Option<Personal<String>>,
        owner: Option<UserId>,
        roles: Option<Vec<String>>,
        scopes: Option<Vec<Scope>>,
        networks: Option<Vec<IpNet>>,
        expires_at: Option<Now<Timestamp>>,
    }
    /// A client has a new secret, which was shown.
    ClientRotated = "client_rotated" {
        name: Option<Personal<String>>,
        owner: Option<UserId>,
        /// Until when the secret before works.
        previous_until: Option<Timestamp>,
    }
    /// A client is refused from now on.
    ClientRevoked = "client_revoked" {
        name: Option<Personal<String>>,
        owner: Option<UserId>,
    }
    /// An answer that holds a secret was given once more, to whoever sent the same request again with the same `Idempotency-Key`.
    SecretRevealed = "secret_revealed" {
        /// Of which request: its method and path.
        request: Option<String>,
    }
    /// A client got a token, or tried.
    TokenIssued = "token_issued" {
        /// The token's `jti`.
        token: Option<String>,
        scopes: Option<Vec<Scope>>,
        /// The tenant at whose host it was tried, if that is not the client's.
        host_of: Option<TenantId>,
    }
    /// A directory's client may provision by a connection; its secret was shown.
    ScimTokenCreated = "scim_token_created" {
        connection: Option<ConnectionId>,
        name: Option<String>,
    }
    /// A new secret works too and was shown, works alone, or works no more.
    ScimTokenRotated = "scim_token_rotated" {
        connection: Option<ConnectionId>,
        /// `start`, `complete`, `cancel`.
        phase: Option<&'static str>,
    }
    /// A directory's client may provision no more.
    ScimTokenRevoked = "scim_token_revoked" {
        connection: Option<ConnectionId>,
        /// Whether it was because provisioning by the connection was turned off.
        disabled: bool,
    }
    /// A way to sign in was added to the store.
    ConnectionCreated = "connection_created" {}
    /// A way to sign in that the store keeps is another.
    ConnectionUpdated = "connection_updated" {}
    /// A way to sign in was removed from the store.
    ConnectionRemoved = "connection_removed" {}
    /// What a sink's receiver had refused is to be sent again.
    DeadLettersRetried = "dead_letters_retried" {
        /// How many.
        letters: Option<u64>,
        /// The event, where it was one.
        event: Option<String>,
    }
    /// What a sink's receiver had refused was given up: it stays in the trail, and nowhere else.
    DeadLettersDropped = "dead_letters_dropped" {
        /// How many.
        letters: Option<u64>,
        /// The event, where it was one.
        event: Option<String>,
    }
    /// Many tries failed within a short time, for one account or from one address; always an alarm, once in each such time.
    RepeatedFailures = "repeated_failures" {
        /// `account` or `address`.
        by: Option<&'static str>,
        /// So many, or more.
        failures: Option<u64>,
        /// Seconds.
        within: Option<u64>,
    }
    /// One administrator or directory removed or deactivated many people within a short time; always an alarm, once in each such time.
    MassDeprovisioning = "mass_deprovisioning" {
        /// So many, or more.
        people: Option<u64>,
        /// Seconds.
        within: Option<u64>,
    }
    /// A key or client is used from a network that it never was used from before; always an alarm, once for each network.
    CredentialNewNetwork = "credential_new_network" {
        /// A /24, or a /48 of IPv6; `source` is the first address of it.
        network: Option<Personal<IpNet>>,
        owner: Option<UserId>,
    }
    /// The configuration was reloaded, or refused.
    ConfigurationReloaded = "configuration_reloaded" {
        /// Keys of the file below which anything is different, once references to the environment and other files have been followed.
        parts: Vec<String>,
        /// What is new: `connections/ID`, `tenants/ID`, `routes/NAME`, `audit/sinks/ID`.
        added: Vec<String>,
        /// What is different.
        changed: Vec<String>,
        /// What is no more.
        removed: Vec<String>,
    }
    /// Where the chains of the trail stand, signed: to be kept elsewhere, to prove the trail with.
    AuditCheckpoint = "audit_checkpoint" {
        /// What `doorward audit verify --checkpoint` takes.
        statement: Option<Signed>,
    }
}
