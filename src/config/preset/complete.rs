//! Completes a connection by the preset that its section names.
//!
//! Refuses to touch what was typed: only keys that were left out are filled in.

use serde_yaml::{Mapping, Value};

use super::{PROTOCOLS, Protocol, all};

/// Fills in what the presets know, in every connection of a configuration.
pub(in crate::config) fn complete(config: &mut Value) {
    let connections = config.get_mut("connections").and_then(Value::as_sequence_mut);
    connections.into_iter().flatten().for_each(complete_one);
}

/// Fills in what the preset of one connection knows.
pub(in crate::config) fn complete_one(connection: &mut Value) {
    let Some(connection) = connection.as_mapping_mut() else { return };
    for key in PROTOCOLS {
        let Some(section) = connection.get_mut(key).and_then(Value::as_mapping_mut) else { continue };
        let Some(name) = section.get("provider").and_then(Value::as_str).map(str::to_owned) else { continue };
        let preset = all().get(&name);
        let Some((preset, protocol)) = preset.and_then(|preset| Some((preset, preset.protocol(key)?))) else { continue };
        fill(section, &protocol.filling(key));
        fill(connection, &around(protocol));
        if name != "generic" {
            fill(connection, &Mapping::from_iter([("display_name".into(), preset.display_name().into())]));
        }
    }
}

/// What the connection itself is given, beside its section.
fn around(protocol: &Protocol) -> Mapping {
    let mut around = Mapping::new();
    let words = [("amr", &protocol.mfa.amr), ("acr", &protocol.mfa.acr)];
    let mfa: Mapping =
        words.into_iter().filter(|(_, words)| !words.is_empty()).map(|(key, words)| (key.into(), words.clone().into())).collect();
    if !mfa.is_empty() {
        around.insert("mfa".into(), mfa.into());
    }
    around
}

impl Protocol {
    /// What the section is given.
    fn filling(&self, key: &str) -> Mapping {
        let names = &self.attributes;
        let all = [
            ("email", &names.email),
            ("first_name", &names.first_name),
            ("last_name", &names.last_name),
            ("groups", &names.groups),
        ];
        // A claim that makes up somebody's name of its parts is OpenID Connect's `name`.
        let wanted = |name: &str| key == "saml" || matches!(name, "email" | "groups");
        let names: Mapping = all
            .into_iter()
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, sent)| Some((name.into(), sent.as_deref()?.into())))
            .collect();
        let mut filling = self.fill.clone();
        let under = if key == "saml" { "attributes" } else { "claims" };
        fill(&mut filling, &Mapping::from_iter([(under.into(), names.into())]));
        filling
    }
}

/// Puts in what is missing; within sections, key by key. A list that was typed stays as it is.
fn fill(section: &mut Mapping, filling: &Mapping) {
    for (key, value) in filling {
        match (section.get_mut(key), value) {
            (Some(Value::Mapping(typed)), Value::Mapping(more)) => fill(typed, more),
            (None | Some(Value::Null), value) => {
                section.insert(key.clone(), value.clone());
            }
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_fills_in_what_was_left_out_and_nothing_else() {
        let mut config: Value = serde_yaml::from_str(
            "connections:
  - id: mine
    oidc: { provider: okta, issuer: https://acme.okta.com, scopes: [email], claims: { groups: teams } }
  - id: other
    display_name: Staff
    mfa: { amr: [hwk] }
    saml: { provider: entra, attributes: { email: mail } }
  - id: plain
    oidc: { issuer: https://id.example }",
        )
        .unwrap();
        complete(&mut config);
        let completed: Value = serde_yaml::from_str(
            "connections:
  - id: mine
    oidc: { provider: okta, issuer: https://acme.okta.com, scopes: [email], claims: { groups: teams, email: email }, parameters: { prompt: '' } }
    display_name: Okta SSO
    mfa: { amr: [mfa], acr: ['urn:okta:loa:2fa:any'] }
  - id: other
    display_name: Staff
    mfa: { amr: [hwk] }
    saml:
      provider: entra
      attributes:
        email: mail
        first_name: http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname
        last_name: http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname
        groups: http://schemas.microsoft.com/ws/2008/06/identity/claims/groups
  - id: plain
    oidc: { issuer: https://id.example }",
        )
        .unwrap();
        assert_eq!(config, completed);
    }
}
