//! The headers of each preset for one identity.
//!
//! Refuses to set an empty one: a fact that is not known is a header that is not there.

use http::{HeaderName, HeaderValue};

use super::value::{self, Separator};
use crate::config::access::Preset;
use crate::model::{Identity, Scope};

pub(super) type Fields = Vec<(HeaderName, HeaderValue)>;

/// Every name that some preset, an assertion or an access token goes by, whatever is in use.
pub(super) const NAMES: [&str; 38] = [
    "x-doorward-user",
    "x-doorward-issuer",
    "x-doorward-email",
    "x-doorward-name",
    "x-doorward-groups",
    "x-doorward-roles",
    "x-doorward-role",
    "x-doorward-tenant",
    "x-doorward-scopes",
    "x-doorward-credential",
    "x-doorward-session",
    "x-doorward-assertion",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-forwarded-groups",
    "x-forwarded-roles",
    "x-forwarded-access-token",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-preferred-username",
    "x-auth-request-groups",
    "x-auth-request-access-token",
    "x-authentik-username",
    "x-authentik-email",
    "x-authentik-name",
    "x-authentik-uid",
    "x-authentik-groups",
    "x-pomerium-jwt-assertion",
    "x-pomerium-claim-sub",
    "x-pomerium-claim-user",
    "x-pomerium-claim-email",
    "x-pomerium-claim-name",
    "x-pomerium-claim-groups",
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
];

/// Adds what `preset` says about `identity`.
pub(super) fn add(preset: Preset, identity: &Identity, fields: &mut Fields) {
    let facts = Facts(identity);
    match preset {
        Preset::Doorward => doorward(&facts, fields),
        Preset::Oauth2Proxy => oauth2_proxy(&facts, fields),
        Preset::Authelia => authelia(&facts, fields),
        Preset::Authentik => authentik(&facts, fields),
        Preset::Pomerium => pomerium(&facts, fields),
    }
}

fn doorward(facts: &Facts<'_>, fields: &mut Fields) {
    let identity = facts.0;
    set(fields, "x-doorward-user", facts.subject());
    set(fields, "x-doorward-issuer", identity.issuer.as_deref().and_then(value::single));
    set(fields, "x-doorward-email", facts.email());
    set(fields, "x-doorward-name", facts.name());
    set(fields, "x-doorward-groups", facts.groups(Separator::Comma));
    set(fields, "x-doorward-roles", facts.roles());
    set(fields, "x-doorward-role", identity.roles.first().and_then(|role| value::single(role)));
    set(fields, "x-doorward-tenant", value::single(identity.tenant.as_str()));
    set(fields, "x-doorward-scopes", value::list(identity.scopes.iter().map(Scope::as_str), Separator::Space));
    set(fields, "x-doorward-credential", value::single(identity.credential.as_str()));
    set(fields, "x-doorward-session", identity.session.as_ref().and_then(|handle| value::single(&handle.0)));
}

/// oauth2-proxy's `--pass-user-headers`, and the roles beside them.
fn oauth2_proxy(facts: &Facts<'_>, fields: &mut Fields) {
    set(fields, "x-forwarded-user", facts.subject());
    set(fields, "x-forwarded-email", facts.email());
    set(fields, "x-forwarded-preferred-username", facts.user_name());
    set(fields, "x-forwarded-groups", facts.groups(Separator::Comma));
    set(fields, "x-forwarded-roles", facts.roles());
}

/// Authelia's trusted headers: the user is the login name.
fn authelia(facts: &Facts<'_>, fields: &mut Fields) {
    set(fields, "remote-user", facts.login());
    set(fields, "remote-email", facts.email());
    set(fields, "remote-name", facts.name());
    set(fields, "remote-groups", facts.groups(Separator::Comma));
}

/// authentik's proxy provider: groups are joined by `|`.
fn authentik(facts: &Facts<'_>, fields: &mut Fields) {
    set(fields, "x-authentik-username", facts.login());
    set(fields, "x-authentik-email", facts.email());
    set(fields, "x-authentik-name", facts.name());
    set(fields, "x-authentik-uid", facts.subject());
    set(fields, "x-authentik-groups", facts.groups(Separator::Bar));
}

/// Pomerium's claim headers; its `X-Pomerium-Jwt-Assertion` is set where the assertion is.
fn pomerium(facts: &Facts<'_>, fields: &mut Fields) {
    set(fields, "x-pomerium-claim-sub", facts.subject());
    set(fields, "x-pomerium-claim-user", facts.login());
    set(fields, "x-pomerium-claim-email", facts.email());
    set(fields, "x-pomerium-claim-name", facts.name());
    set(fields, "x-pomerium-claim-groups", facts.groups(Separator::Comma));
}

fn set(fields: &mut Fields, name: &'static str, value: Option<HeaderValue>) {
    fields.extend(value.map(|value| (HeaderName::from_static(name), value)));
}

/// The facts that several presets name.
struct Facts<'a>(&'a Identity);

impl Facts<'_> {
    fn subject(&self) -> Option<HeaderValue> {
        value::single(&self.0.subject)
    }

    fn user_name(&self) -> Option<HeaderValue> {
        self.0.user_name.as_deref().and_then(value::single)
    }

    /// What the person types to sign in; a program's id.
    fn login(&self) -> Option<HeaderValue> {
        self.user_name().or_else(|| self.subject())
    }

    fn email(&self) -> Option<HeaderValue> {
        self.0.email.as_deref().and_then(value::single)
    }

    fn name(&self) -> Option<HeaderValue> {
        self.0.name.as_deref().and_then(value::single)
    }

    fn groups(&self, separator: Separator) -> Option<HeaderValue> {
        value::list(self.0.groups.iter().map(String::as_str), separator)
    }

    fn roles(&self) -> Option<HeaderValue> {
        value::list(self.0.roles.iter().map(String::as_str), Separator::Comma)
    }
}
