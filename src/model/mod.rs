//! The nouns of the product: people, programs, sessions, identities.
//!
//! Refuses I/O and wire formats, because every stage, door and store speaks these words and none may own them.

mod change;
mod connection;
mod factor;
mod group;
mod identity;
mod invitation;
mod mailed_link;
mod name;
mod program;
mod scim_token;
mod session;
mod user;

pub use change::{Change, Listeners};
pub use connection::StoredConnection;
pub use factor::{Factor, FactorKind};
pub use group::{Group, GroupId, Keeper, Member, Membership, Provisioned, Provisioner};
pub use identity::{CredentialKind, ForwardMemo, Identity, MintedAssertion, ProviderToken};
pub use invitation::{Invitation, InvitationId};
pub use mailed_link::MailedLink;
pub use name::{ConnectionId, Domain, EmailAddress, InvalidName, Scope, SinkId, TenantId};
pub use program::{Program, ProgramKind, ProgramSecret};
pub use scim_token::{ScimCall, ScimToken};
pub use session::{ProviderLogout, Session, SessionHandle};
pub use user::{FederatedLink, User, UserId};
