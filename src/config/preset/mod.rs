//! Presets: what people otherwise look up of each identity provider.
//!
//! Refuses to be code: the facts are one data file, because they change with the providers and are read by the file's loader, the
//! command line and the console alike. What was typed always wins.

mod complete;
mod pattern;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_yaml::Mapping;

pub(super) use complete::{complete, complete_one};

use crate::model::InvalidName;

/// A test holds that the text can be read.
static PRESETS: LazyLock<BTreeMap<String, Preset>> =
    LazyLock::new(|| serde_yaml::from_str(include_str!("presets.yaml")).unwrap_or_default());

/// The protocols that presets know, by the keys of a connection.
pub const PROTOCOLS: [&str; 3] = ["oidc", "oauth2", "saml"];

/// One identity provider.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What people call it.
    pub name: String,
    /// What groups it sends, and what has to be done for it.
    pub groups: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Protocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<Protocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saml: Option<Protocol>,
}

/// How it speaks one protocol.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// What its issuer or entity id may look like.
    pub issuer: Vec<String>,
    /// Keys of the connection's section that hold unless they are typed.
    #[serde(default)]
    pub fill: Mapping,
    pub attributes: Attributes,
    pub mfa: SecondFactor,
    /// What surprises people.
    pub notes: Vec<String>,
    /// What to do there, in order, with the door's own addresses in braces.
    pub set_up: Vec<String>,
}

/// Under which names a person's data are found; `None` where they are not sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub groups: Option<String>,
}

/// In which words a second factor is asked for and told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecondFactor {
    pub amr: Vec<String>,
    pub acr: Vec<String>,
}

/// The name of a preset, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Provider(String);

/// All presets, by name.
#[must_use]
pub fn all() -> &'static BTreeMap<String, Preset> {
    &PRESETS
}

impl Provider {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How it speaks the protocol of a connection's key; `None` if it does not.
    #[must_use]
    pub fn protocol(&self, key: &str) -> Option<&'static Protocol> {
        all().get(&self.0).and_then(|preset| preset.protocol(key))
    }
}

impl Preset {
    /// How it speaks the protocol of a connection's key.
    #[must_use]
    pub fn protocol(&self, key: &str) -> Option<&Protocol> {
        match key {
            "oidc" => self.oidc.as_ref(),
            "oauth2" => self.oauth2.as_ref(),
            "saml" => self.saml.as_ref(),
            _ => None,
        }
    }

    /// What the sign-in page calls a connection to it.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} SSO", self.name)
    }
}

impl Protocol {
    /// Whether an issuer looks as this provider's do.
    #[must_use]
    pub fn resembles(&self, issuer: &str) -> bool {
        self.issuer.iter().any(|pattern| pattern::fits(pattern, issuer))
    }
}

impl TryFrom<String> for Provider {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        if all().contains_key(&text) { Ok(Self(text)) } else { Err(InvalidName("there is no such preset")) }
    }
}

impl From<Provider> for String {
    fn from(provider: Provider) -> Self {
        provider.0
    }
}

impl JsonSchema for Provider {
    fn schema_name() -> Cow<'static, str> {
        "Provider".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&String> = all().keys().collect();
        schemars::json_schema!({ "type": "string", "description": "a preset, as `doorward presets` lists them", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_preset_and_each_is_complete() {
        let text: BTreeMap<String, Preset> = serde_yaml::from_str(include_str!("presets.yaml")).unwrap();
        for name in [
            "okta",
            "entra",
            "google",
            "onelogin",
            "jumpcloud",
            "pingone",
            "pingfederate",
            "cyberark",
            "duo",
            "classlink",
            "keycloak",
            "miniorange",
            "rippling",
            "salesforce",
            "shibboleth",
            "auth0",
            "github",
            "generic",
        ] {
            let preset = text.get(name).unwrap_or_else(|| panic!("no preset for {name}"));
            let spoken: Vec<_> =
                PROTOCOLS.iter().filter_map(|key| preset.protocol(key).map(|protocol| (*key, protocol))).collect();
            assert!(!spoken.is_empty() && !preset.name.is_empty() && !preset.groups.is_empty(), "{name}");
            for (key, protocol) in spoken {
                let at = format!("{name}.{key}");
                assert!(!protocol.issuer.is_empty() && !protocol.notes.is_empty(), "{at}");
                assert!(protocol.set_up.len() >= 2, "{at}");
                assert!(protocol.attributes.email.is_some(), "{at}");
                let steps = protocol.set_up.join("\n");
                let own: &[&str] = if key == "saml" { &["{acs_url}", "{metadata_url}"] } else { &["{redirect_uri}"] };
                assert!(own.iter().any(|address| steps.contains(address)), "{at} does not say where to send people back");
                assert!(key != "saml" || steps.contains("{entity_id}"), "{at} does not name the door's entity id");
                assert!(protocol.fill.get("issuer").is_none_or(|issuer| protocol.resembles(issuer.as_str().unwrap())), "{at}");
            }
        }
        assert_eq!(text.len(), all().len());
    }

    #[test]
    fn an_issuer_is_known_by_its_look() {
        let fits = |name: &str, issuer: &str| all()[name].protocol("oidc").unwrap().resembles(issuer);
        for (name, issuer) in [
            ("okta", "https://acme.okta.com"),
            ("okta", "https://acme.okta.com/oauth2/default"),
            ("entra", "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"),
            ("google", "https://accounts.google.com"),
            ("auth0", "https://acme.eu.auth0.com/"),
            ("keycloak", "https://id.example.com/realms/staff"),
        ] {
            assert!(fits(name, issuer), "{name} {issuer}");
        }
        for (name, issuer) in [
            ("okta", "https://acme.okta.com/"),
            ("entra", "https://login.microsoftonline.com/common/v2.0"),
            ("entra", "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/"),
            ("google", "https://accounts.google.com/"),
            ("auth0", "https://acme.eu.auth0.com"),
            ("keycloak", "https://id.example.com/realms/"),
            ("onelogin", "https://acme.onelogin.com"),
        ] {
            assert!(!fits(name, issuer), "{name} {issuer}");
        }
    }
}
