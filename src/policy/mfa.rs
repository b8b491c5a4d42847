//! Second factors: what proves one, and who needs one.
//!
//! Refuses to take one for granted: what a provider did not say was not done, because "signed in at a company that uses second factors"
//! is not "signed in with one".

use crate::config::access::BearerMfa;
use crate::config::connection::Mfa;
use crate::config::{Config, Path, Problems, SecondFactor};
use crate::model::{Identity, TenantId};
use crate::route::{Route, Target};

/// The method that says that several factors were used (RFC 8176 §2).
pub const METHOD: &str = "mfa";

/// Methods that say it, where the connection names none: RFC 8176's, and the one that Microsoft's SAML sends.
const METHODS: [&str; 2] = [METHOD, "http://schemas.microsoft.com/claims/multipleauthn"];

/// The authentication context that most providers know (OpenID PAPE §4).
pub const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// Authentication contexts that say it, where the connection names none: OpenID's, REFEDS's profile, Microsoft's, SAML's own.
const CONTEXTS: [&str; 5] = [
    MULTI_FACTOR,
    "https://refeds.org/profile/mfa",
    "http://schemas.microsoft.com/claims/multipleauthn",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered",
];

/// What one connection's provider, or an issuer of tokens, says when it has asked for a second factor.
#[derive(Clone, Debug)]
pub struct Evidence {
    methods: Vec<String>,
    contexts: Vec<String>,
    /// What to ask for; empty: no context is known that this provider would understand.
    asked: Vec<String>,
    /// Whether Doorward's own factor counts too.
    pub local: bool,
}

impl Evidence {
    #[must_use]
    pub fn compile(typed: &Mfa) -> Self {
        Self::of_words(typed.amr.as_ref(), typed.acr.as_ref(), typed.local)
    }

    /// Of an issuer's tokens, which only the issuer can say something of.
    #[must_use]
    pub fn of_tokens(typed: &BearerMfa) -> Self {
        Self::of_words(typed.amr.as_ref(), typed.acr.as_ref(), false)
    }

    fn of_words(methods: Option<&Vec<String>>, contexts: Option<&Vec<String>>, local: bool) -> Self {
        let or = |named: Option<&Vec<String>>, usual: &[&str]| match named {
            Some(named) => named.clone(),
            None => usual.iter().map(|&one| one.to_owned()).collect(),
        };
        Self {
            methods: or(methods, &METHODS),
            contexts: or(contexts, &CONTEXTS),
            asked: contexts.cloned().unwrap_or_default(),
            local,
        }
    }

    /// Whether what the provider said proves a second factor.
    #[must_use]
    pub fn is_in(&self, methods: &[String], context: Option<&str>) -> bool {
        methods.iter().any(|method| self.methods.contains(method))
            || context.is_some_and(|context| self.contexts.iter().any(|known| known == context))
    }

    /// The methods as they count here: [`METHOD`] is among them exactly if a second factor was proved.
    #[must_use]
    pub fn judge(&self, mut methods: Vec<String>, context: Option<&str>) -> Vec<String> {
        let proved = self.is_in(&methods, context);
        methods.retain(|method| method != METHOD);
        methods.extend(proved.then(|| METHOD.to_owned()));
        methods
    }

    /// Authentication contexts to ask the provider for (OpenID Connect Core 1.0 §3.1.2.1 `acr_values`; SAML Core §3.3.2.2.1).
    #[must_use]
    pub fn asked(&self) -> &[String] {
        &self.asked
    }
}

/// Who needs a second factor, besides those whom a route asks.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    everybody: bool,
    tenants: Vec<TenantId>,
    roles: Vec<String>,
}

impl Demands {
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let declared = |role: &String| config.roles.ranked.contains(role) || config.roles.others.contains(role);
        for (place, role) in config.roles.mfa.iter().enumerate().filter(|(_, role)| !declared(role)) {
            let path = Path::from("roles").key("mfa").item(place);
            problems.add(path, format!("role `{role}` is not declared"), "add it to `roles.ranked` or `roles.others`");
        }
        let strict = config.tenants.iter().filter(|tenant| tenant.mfa == SecondFactor::Required);
        Self {
            everybody: config.sign_in.mfa == SecondFactor::Required,
            tenants: strict.map(|tenant| tenant.id.clone()).collect(),
            roles: config.roles.mfa.clone(),
        }
    }

    /// Whether `identity` needs a second factor to go where `route` leads. A route may ask it of every credential; the rules for people
    /// hold for their sessions and tokens, and not for Doorward's own pages, where people get a second factor in the first place, but those for
    /// administrators.
    #[must_use]
    pub fn of(&self, route: &Route, identity: &Identity) -> bool {
        route.mfa || ((route.target != Target::Door || route.administers) && self.of_person(identity))
    }

    /// Whether this person needs a second factor wherever they go.
    #[must_use]
    pub fn of_person(&self, identity: &Identity) -> bool {
        let held = || identity.roles.iter().any(|role| self.roles.contains(role));
        identity.is_person && (self.everybody || self.tenants.contains(&identity.tenant) || held())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(text: &str) -> Evidence {
        Evidence::compile(&serde_yaml::from_str(text).unwrap())
    }

    fn proved(evidence: &Evidence, methods: &[&str], context: Option<&str>) -> bool {
        let methods: Vec<String> = methods.iter().map(|&method| method.to_owned()).collect();
        let judged = evidence.judge(methods.clone(), context);
        assert_eq!(judged.iter().any(|method| method == METHOD), evidence.is_in(&methods, context));
        evidence.is_in(&methods, context)
    }

    #[test]
    fn only_what_was_said_proves_a_second_factor() {
        let usual = evidence("{}");
        assert!(proved(&usual, &["pwd", "mfa"], None));
        assert!(proved(&usual, &[], Some("https://refeds.org/profile/mfa")));
        assert!(!proved(&usual, &[], None));
        assert!(!proved(&usual, &["pwd", "otp"], Some("urn:oasis:names:tc:SAML:2.0:ac:classes:Password")));
        assert!(!proved(&usual, &["MFA", "mfa "], Some("mfa")), "names are compared exactly");
    }

    #[test]
    fn what_the_configuration_names_takes_the_place_of_the_usual() {
        let own = evidence("{ amr: [hwk], acr: [gold] }");
        assert!(proved(&own, &["hwk"], None) && proved(&own, &[], Some("gold")));
        assert!(!proved(&own, &["pwd", "mfa"], None), "the provider's own `mfa` is not enough here");
        assert_eq!(own.judge(vec!["pwd".to_owned(), METHOD.to_owned()], None), ["pwd"]);
        assert!(!proved(&evidence("{ amr: [], acr: [] }"), &["mfa"], Some("https://refeds.org/profile/mfa")));
    }
}
