//! Whether an OpenID provider would sign people in for this door: what its discovery document says, and what it answers to a request that
//! asks nobody.
//!
//! Refuses a document that promises what a sign-in would then refuse.

use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeyUse};
use openidconnect::{AuthType, HttpResponse, JsonWebKey as _};
use url::Url;

use super::Provider;
use super::metadata::Metadata;
use super::token::ALGORITHMS;
use crate::clock::{Clock, Timestamp};
use crate::config::connection::ClientAuth;
use crate::crypto::Secret;
use crate::http_client::client_auth::Client;
use crate::login::SignInError;
use crate::login::attempt::Attempt;
use crate::login::doctor::Chart;
use crate::login::oauth2::doctor::{asking_nobody, judge_client, judge_redirect, made_up_grant};
use crate::model::ConnectionId;

impl Provider {
    /// Looks at the discovery document first; without it there is nothing else to be asked.
    pub(in crate::login) async fn diagnose(&self, connection: &ConnectionId, clock: &dyn Clock, chart: &mut Chart) {
        chart.register("redirect URI", self.callback.as_str());
        let metadata = match self.metadata(clock.now()).await {
            Ok(metadata) => metadata,
            Err(error) => {
                let hint = "write `issuer` as the provider itself does, to the last slash; its discovery document says how";
                return chart.error("discovery", &error, hint);
            }
        };
        chart.pass("discovery", format!("the provider is {}", metadata.issuer().as_str()));
        judge_keys(&metadata, chart);
        judge_pkce(&metadata, chart);
        self.judge_scopes(&metadata, chart);
        match self.redeem_nothing(&metadata, clock.now()).await {
            Ok(answer) => {
                judge_client(&answer, chart);
                chart.clock(&answer, clock.now());
            }
            Err(error) => chart.error("client", &error, "see what the provider's log says"),
        }
        match self.ask_nobody(&metadata, connection, clock.now()).await {
            Ok((address, answer)) => judge_redirect(&answer, &address, self.callback.url(), chart),
            Err(error) => chart.error("redirect_uri", &error, "register the redirect URI above, and compare client and secret"),
        }
    }

    fn judge_scopes(&self, metadata: &Metadata, chart: &mut Chart) {
        const NAME: &str = "scopes";
        let Some(offered) = metadata.scopes_supported() else { return };
        let missing: Vec<&str> =
            self.scopes.iter().filter(|scope| !offered.contains(scope)).map(|scope| scope.as_str()).collect();
        if missing.is_empty() {
            return chart.pass(NAME, "the provider offers all that are asked for");
        }
        let hint = "leave them out of `scopes` where a sign-in is refused, or where what they bring is missing";
        chart.warn(NAME, format!("the provider does not say that it has: {}", missing.join(" ")), hint);
    }

    async fn redeem_nothing(&self, metadata: &Metadata, now: Timestamp) -> Result<HttpResponse, SignInError> {
        let missing = || SignInError::ProviderSetup("it has no token endpoint".to_owned());
        let endpoint = metadata.token_endpoint().ok_or_else(missing)?.url();
        let mut form = made_up_grant(self.callback.as_str())?;
        let proved = self.as_client().prove(&mut form, endpoint.as_str(), now).await;
        let authorization = proved.map_err(SignInError::internal)?;
        self.caller.post(endpoint, &form, authorization.as_deref()).await
    }

    fn as_client(&self) -> Client {
        Client {
            id: self.client_id.to_string(),
            auth: match (&self.client_key, &self.client_auth) {
                (Some(_), _) => ClientAuth::PrivateKeyJwt,
                (None, AuthType::BasicAuth) => ClientAuth::ClientSecretBasic,
                (None, _) => ClientAuth::ClientSecretPost,
            },
            secret: self.client_secret.as_ref().map(|secret| Secret::new(secret.secret().clone())),
            key: self.client_key.clone(),
        }
    }

    /// Where a browser would be sent, and what it is answered there.
    async fn ask_nobody(
        &self,
        metadata: &Metadata,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(Url, HttpResponse), SignInError> {
        let begun = Attempt::begin(connection.clone(), String::new(), false, now).map_err(SignInError::internal)?;
        let mut address = asking_nobody(self.request(metadata, &begun, None));
        if let Some(endpoint) = &metadata.additional_metadata().pushed_authorization_request_endpoint {
            address = self.push(metadata, endpoint, &address, now).await?;
        }
        let answer = self.caller.visit(&address).await?;
        Ok((address, answer))
    }
}

fn judge_keys(metadata: &Metadata, chart: &mut Chart) {
    const NAME: &str = "keys";
    let hint = "have the provider sign ID tokens with RS256, ES256 or another algorithm with a public key";
    let signs = |key: &&CoreJsonWebKey| key.key_use().is_none_or(|usage| *usage == CoreJsonWebKeyUse::Signature);
    let keys = metadata.jwks().keys().iter().filter(signs).count();
    if !metadata.id_token_signing_alg_values_supported().iter().any(|algorithm| ALGORITHMS.contains(algorithm)) {
        return chart.fail(NAME, "the provider signs in no way that can be checked with a public key", hint);
    }
    match keys {
        0 => chart.fail(NAME, "the provider publishes no key to check its signatures with", hint),
        keys => chart.pass(NAME, format!("the provider's signing keys: {keys}")),
    }
}

fn judge_pkce(metadata: &Metadata, chart: &mut Chart) {
    const NAME: &str = "pkce";
    match metadata.additional_metadata().code_challenge_methods_supported.as_deref() {
        Some(methods) if methods.iter().any(|method| method == "S256") => chart.pass(NAME, "the provider supports S256"),
        Some(_) => chart.fail(NAME, "the provider does not support S256", "have PKCE with S256 switched on at the provider"),
        None => chart.warn(NAME, "the provider does not say whether it supports PKCE", "most that do not pass it over"),
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::core::CoreJsonWebKeySet;
    use serde_json::{Value, json};

    use super::*;
    use crate::login::doctor::Verdict;

    fn judged(change: &Value, judge: impl Fn(&Metadata, &mut Chart)) -> Verdict {
        let mut document = json!({
            "issuer": "https://idp.example", "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token", "jwks_uri": "https://idp.example/keys",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
        });
        document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let metadata: Metadata = serde_json::from_value(document).unwrap();
        let keys: CoreJsonWebKeySet =
            serde_json::from_value(change.get("jwks").cloned().unwrap_or_else(|| json!({ "keys": [] }))).unwrap();
        let mut chart = Chart::default();
        judge(&metadata.set_jwks(keys), &mut chart);
        assert_eq!(chart.checks().len(), 1);
        chart.checks()[0].verdict
    }

    #[test]
    fn a_provider_whose_signatures_cannot_be_checked_fails() {
        let key = |usage: &str| json!({ "keys": [{ "kty": "RSA", "use": usage, "n": "AQAB", "e": "AQAB" }] });
        assert_eq!(judged(&json!({ "jwks": key("sig") }), judge_keys), Verdict::Pass);
        assert_eq!(judged(&json!({ "jwks": key("enc") }), judge_keys), Verdict::Fail);
        assert_eq!(judged(&json!({}), judge_keys), Verdict::Fail);
        let symmetric = json!({ "jwks": key("sig"), "id_token_signing_alg_values_supported": ["HS256"] });
        assert_eq!(judged(&symmetric, judge_keys), Verdict::Fail);
    }

    #[test]
    fn a_provider_without_pkce_fails_and_one_that_says_nothing_may() {
        assert_eq!(judged(&json!({}), judge_pkce), Verdict::Pass);
        assert_eq!(judged(&json!({ "code_challenge_methods_supported": ["plain"] }), judge_pkce), Verdict::Fail);
        assert_eq!(judged(&json!({ "code_challenge_methods_supported": null }), judge_pkce), Verdict::Warn);
    }
}
