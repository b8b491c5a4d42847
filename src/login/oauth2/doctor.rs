//! What an authorization server makes of this client, found out without a person: for plain OAuth 2.0, and what OpenID Connect shares with it.
//!
//! Refuses to take silence for a yes: a page that is shown may be the sign-in page, or one that says what is wrong.

use http::{StatusCode, header};
use openidconnect::HttpResponse;
use url::Url;

use super::Provider;
use super::token_error::TokenError;
use crate::clock::Clock;
use crate::crypto::random;
use crate::login::SignInError;
use crate::login::attempt::Attempt;
use crate::login::doctor::Chart;
use crate::model::ConnectionId;

const CLIENT: &str = "client";
const REDIRECT: &str = "redirect_uri";
const LOOK: &str = "open the sign-in page in a browser and see what the provider shows";
const REGISTER: &str = "register the redirect URI above at the provider, letter by letter, and compare `client_id`";
/// What a server says of a code that it never gave. The second is GitHub's name for it.
const NO_SUCH_CODE: [&str; 2] = ["invalid_grant", "bad_verification_code"];
/// What a server says to `prompt=none` that would otherwise sign somebody in (OpenID Connect Core 1.0 §3.1.2.6).
const WOULD_ASK: [&str; 4] = ["login_required", "interaction_required", "consent_required", "account_selection_required"];

/// The form that redeems a code nobody has.
pub(in crate::login) fn made_up_grant(callback: &str) -> Result<Vec<(String, String)>, SignInError> {
    let made_up = || random::alphanumeric(43).map_err(SignInError::internal);
    let pair = |name: &str, value: String| (name.to_owned(), value);
    Ok(vec![
        pair("grant_type", "authorization_code".to_owned()),
        pair("code", made_up()?),
        pair("redirect_uri", callback.to_owned()),
        pair("code_verifier", made_up()?),
    ])
}

/// The request at `address`, changed into one that nobody is to be asked for (OpenID Connect Core 1.0 §3.1.2.1, `prompt=none`).
pub(in crate::login) fn asking_nobody(mut address: Url) -> Url {
    let others: Vec<_> = address.query_pairs().into_owned().filter(|(name, _)| name != "prompt").collect();
    address.query_pairs_mut().clear().extend_pairs(others).append_pair("prompt", "none");
    address
}

/// What the token endpoint says to a code that nobody has: a server looks at the client first (RFC 6749 §3.2.1).
pub(in crate::login) fn judge_client(answer: &HttpResponse, chart: &mut Chart) {
    let hint = "compare `client_id` and `client_secret` with the provider's, and `client_auth` with the way it wants them; secrets expire";
    match serde_json::from_slice::<TokenError>(answer.body()) {
        Ok(said) if NO_SUCH_CODE.contains(&said.error.as_str()) => chart.pass(CLIENT, "the provider takes this client"),
        Ok(said) if said.is_ours() => chart.fail(CLIENT, format!("the provider does not take this client: {said}"), hint),
        Ok(said) => chart.warn(CLIENT, format!("the provider leaves open whether it takes this client: {said}"), LOOK),
        Err(_) => chart.fail(CLIENT, format!("the token endpoint answers {} and no error of OAuth 2.0", answer.status()), hint),
    }
}

/// What becomes of a browser that is sent there with a request for nobody to be asked.
pub(in crate::login) fn judge_redirect(answer: &HttpResponse, asked: &Url, callback: &Url, chart: &mut Chart) {
    let status = answer.status();
    let target = answer.headers().get(header::LOCATION).and_then(|target| asked.join(target.to_str().ok()?).ok());
    match target.filter(|_| status.is_redirection()) {
        Some(target) if is_at(&target, callback) => judge_return(&target, chart),
        Some(target) => {
            let place = format!("{}{}", target.origin().ascii_serialization(), target.path());
            chart.warn(REDIRECT, format!("the provider goes on to {place}, which may be its sign-in page"), LOOK);
        }
        None if status.is_success() => chart.warn(REDIRECT, "the provider shows a page, which may be its sign-in page", LOOK),
        None => chart.fail(REDIRECT, format!("the provider answers {status} to a request to sign in"), REGISTER),
    }
}

/// It came back to us: the redirect URI is registered, and the rest stands in the address.
fn judge_return(target: &Url, chart: &mut Chart) {
    let parameter = |wanted: &str| target.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    match parameter("error") {
        Some(error) if !WOULD_ASK.contains(&error.as_str()) => {
            let said = TokenError { error, error_description: parameter("error_description") };
            let hint =
                "the redirect URI is right; compare scopes and further parameters with what the provider allows this client";
            chart.fail(REDIRECT, format!("the provider refuses the request: {said}"), hint);
        }
        _ => chart.pass(REDIRECT, "the provider sends people back to it"),
    }
}

fn is_at(target: &Url, callback: &Url) -> bool {
    target.origin() == callback.origin() && target.path() == callback.path()
}

impl Provider {
    /// Looks at the authorization, token and profile endpoints.
    pub(in crate::login) async fn diagnose(&self, connection: &ConnectionId, clock: &dyn Clock, chart: &mut Chart) {
        chart.register("redirect URI", &self.callback);
        match self.redeem_nothing(clock).await {
            Ok(answer) => {
                judge_client(&answer, chart);
                chart.clock(&answer, clock.now());
            }
            Err(error) => chart.error(CLIENT, &error, LOOK),
        }
        match self.ask_nobody(connection, clock).await {
            Ok((address, answer)) => judge_redirect(&answer, &address, &self.callback, chart),
            Err(error) => chart.error(REDIRECT, &error, REGISTER),
        }
        self.judge_profile(chart).await;
    }

    async fn redeem_nothing(&self, clock: &dyn Clock) -> Result<HttpResponse, SignInError> {
        let mut form = made_up_grant(self.callback.as_str())?;
        let endpoint = &self.endpoints.token;
        let authorization = self.client.prove(&mut form, endpoint.as_str(), clock.now()).await.map_err(SignInError::internal)?;
        self.caller.post(endpoint, &form, authorization.as_deref()).await
    }

    async fn ask_nobody(&self, connection: &ConnectionId, clock: &dyn Clock) -> Result<(Url, HttpResponse), SignInError> {
        let begun = Attempt::begin(connection.clone(), String::new(), false, clock.now()).map_err(SignInError::internal)?;
        let address = asking_nobody(self.authorization_address(&begun, None));
        let answer = self.caller.visit(&address).await?;
        Ok((address, answer))
    }

    /// Without a token nobody is shown (RFC 6750 §3.1), which is how the interface shows that it is there.
    async fn judge_profile(&self, chart: &mut Chart) {
        const NAME: &str = "userinfo";
        match self.caller.visit(&self.endpoints.userinfo).await {
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND => {
                chart.fail(
                    NAME,
                    "there is nothing at `userinfo_endpoint`",
                    "compare the address with the provider's documentation",
                );
            }
            Ok(answer) => chart.pass(NAME, format!("it answers {} to whoever has no token", answer.status())),
            Err(error) => chart.error(NAME, &error, "compare the address with the provider's documentation"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::doctor::Verdict;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        let mut answer = http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(body.as_bytes().to_vec()).unwrap()
    }

    fn verdict(judge: impl Fn(&mut Chart)) -> (Verdict, String) {
        let mut chart = Chart::default();
        judge(&mut chart);
        let (checks, only) = (chart.checks(), chart.checks().first().unwrap());
        assert_eq!(checks.len(), 1);
        (only.verdict, only.detail.clone())
    }

    #[test]
    fn what_a_server_says_of_a_code_that_nobody_has_is_what_it_says_of_the_client() {
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, Verdict::Pass),
            (200, r#"{"error":"bad_verification_code"}"#, Verdict::Pass),
            (401, r#"{"error":"invalid_client","error_description":"expired"}"#, Verdict::Fail),
            (400, r#"{"error":"unauthorized_client"}"#, Verdict::Fail),
            (200, r#"{"error":"incorrect_client_credentials"}"#, Verdict::Fail),
            (400, r#"{"error":"invalid_request"}"#, Verdict::Warn),
            (404, "<html>", Verdict::Fail),
            (200, r#"{"access_token":"given to anybody"}"#, Verdict::Fail),
        ] {
            let (found, detail) = verdict(|chart| judge_client(&answer(status, &[], body), chart));
            assert_eq!(found, expected, "{body}: {detail}");
        }
    }

    #[test]
    fn a_redirect_uri_is_registered_when_the_provider_comes_back_to_it() {
        let callback: Url = "https://app.example/.doorward/callback/idp".parse().unwrap();
        let asked: Url = "https://idp.example/authorize?x=1".parse().unwrap();
        for (status, location, expected) in [
            (302, "https://app.example/.doorward/callback/idp?error=login_required&state=s", Verdict::Pass),
            (303, "https://app.example/.doorward/callback/idp?code=c&state=s", Verdict::Pass),
            (302, "https://app.example/.doorward/callback/idp?error=invalid_scope", Verdict::Fail),
            (302, "https://app.example/.doorward/callback/other?error=login_required", Verdict::Warn),
            (302, "https://app.example.evil/.doorward/callback/idp?error=login_required", Verdict::Warn),
            (302, "/sign-in", Verdict::Warn),
            (200, "", Verdict::Warn),
            (200, "https://app.example/.doorward/callback/idp?code=c", Verdict::Warn),
            (302, "", Verdict::Fail),
            (400, "", Verdict::Fail),
            (404, "", Verdict::Fail),
        ] {
            let headers: Vec<_> = (!location.is_empty()).then_some(("location", location)).into_iter().collect();
            let (found, detail) = verdict(|chart| judge_redirect(&answer(status, &headers, ""), &asked, &callback, chart));
            assert_eq!(found, expected, "{status} {location}: {detail}");
        }
    }
}
