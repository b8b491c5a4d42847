//! Whether an identity provider would sign people in for this door: its metadata, its certificates, and what it answers to a request.
//!
//! Refuses to take a page that is shown for a sign-in page: some providers tell of errors with the status of a success.

use http::{Request, Response, header};
use url::form_urlencoded::Serializer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::binding::{Direction, redirect_address};
use super::idp::{IdentityProvider, Transport};
use super::judge::shorten;
use super::{Provider, certificate};
use crate::clock::{Clock, Timestamp};
use crate::http_client::{HttpClient, HttpClientError};
use crate::login::SignInError;
use crate::login::attempt::Attempt;
use crate::login::doctor::Chart;
use crate::model::ConnectionId;

const LOOK: &str = "open the sign-in page in a browser and see what the provider shows; register what stands above where it does not know this door";
const REGISTER: &str =
    "register the entity ID and the ACS URL above at the provider, or give it the metadata; its log says what it misses";

impl Provider {
    /// Looks at the metadata first; without it there is nothing else to be asked.
    pub(in crate::login) async fn diagnose(&self, connection: &ConnectionId, clock: &dyn Clock, chart: &mut Chart) {
        chart.register("entity ID", &self.entity_id);
        chart.register("ACS URL", &self.acs);
        chart.register("single logout URL", &self.slo);
        chart.register("metadata", self.acs.replace("/acs", "/metadata"));
        let idp = match self.discovery.current(clock.now()).await {
            Ok(idp) => idp,
            Err(error) => {
                let hint = "take the provider's newest metadata, and name its `entity_id` where it describes several";
                return chart.error("metadata", &error, hint);
            }
        };
        chart.pass("metadata", format!("the provider is {}", idp.entity_id));
        judge_certificates(&idp, clock.now(), chart);
        match self.ask(&idp, connection, clock.now()).await {
            Ok(answer) => {
                judge(&answer, &self.acs, chart);
                chart.clock(&answer, clock.now());
            }
            Err(error) => chart.error("request", &error, REGISTER),
        }
    }

    /// Sends what a browser would bring.
    async fn ask(
        &self,
        idp: &IdentityProvider,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Response<Vec<u8>>, SignInError> {
        let attempt = Attempt::begin(connection.clone(), String::new(), false, now).map_err(SignInError::internal)?;
        let (endpoint, message) = self.request(idp, &attempt, true, now)?;
        let location = endpoint.location.as_str();
        let request = match endpoint.binding {
            Transport::Redirect => {
                let address =
                    redirect_address(location, Direction::Request, &message.plain(), Some(&attempt.state), self.request_key());
                Request::get(address.map_err(SignInError::internal)?).body(Vec::new())
            }
            Transport::Post => {
                let unsigned = || SignInError::internal("a message could not be signed");
                let packed = certificate::to_base64(message.signed(self.request_key()).ok_or_else(unsigned)?.as_bytes());
                let mut form = Serializer::new(String::new());
                form.append_pair(Direction::Request.parameter(), &packed).append_pair("RelayState", &attempt.state);
                let request = Request::post(location).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                request.body(form.finish().into_bytes())
            }
        };
        let unreachable = |error: HttpClientError| SignInError::ProviderUnreachable(error.into());
        let fetched_with = self.discovery.http().cloned();
        let http = fetched_with.map_or_else(|| HttpClient::new(&endpoint.location, None), Ok).map_err(unreachable)?;
        http.send(request.map_err(SignInError::internal)?).await.map_err(unreachable)
    }
}

/// What is made of a request for nobody to be asked (SAML Core §3.4.1, `IsPassive`): a provider that knows this door answers at its ACS.
fn judge(answer: &Response<Vec<u8>>, acs: &str, chart: &mut Chart) {
    const NAME: &str = "request";
    let (status, page) = (answer.status(), String::from_utf8_lossy(answer.body()));
    if status.is_client_error() || status.is_server_error() {
        return chart.fail(NAME, format!("the provider answers {status} to a request to sign in{}", called(&page)), REGISTER);
    }
    if status.is_success() && page.contains(Direction::Response.parameter()) && page.contains(acs) {
        return chart.pass(NAME, "the provider answers at the ACS URL");
    }
    let what =
        if status.is_redirection() { "goes on to another page".to_owned() } else { format!("shows a page{}", called(&page)) };
    chart.warn(NAME, format!("the provider {what}, which may be its sign-in page"), LOOK);
}

/// What a page calls itself, which is often what is wrong.
fn called(page: &str) -> String {
    let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title.trim());
    title.filter(|title| !title.is_empty()).map(|title| format!(" called “{}”", shorten(title))).unwrap_or_default()
}

/// They are believed whatever they say of their own time, because metadata is what is trusted; but who made them may be about to change them.
fn judge_certificates(idp: &IdentityProvider, now: Timestamp, chart: &mut Chart) {
    const NAME: &str = "certificates";
    let ends =
        idp.trust.certificates().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1.validity().not_after.timestamp()));
    match ends.max().map(Timestamp::from_seconds) {
        Some(last) if last <= now => {
            let hint = "ask the provider for its newest metadata: answers are taken, and end when it changes its certificate";
            chart.warn(NAME, format!("the provider's last signing certificate ended at {last}"), hint);
        }
        Some(last) => chart.pass(NAME, format!("the provider's signing certificate is good until {last}")),
        None => chart.warn(
            NAME,
            "the provider's certificates do not say how long they are good",
            "ask the provider for its newest metadata",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::doctor::Verdict;

    #[test]
    fn only_an_answer_at_our_own_address_shows_that_the_provider_knows_us() {
        const ACS: &str = "https://app.example/.doorward/saml/corp/acs";
        let form = |action: &str| format!("<form action=\"{action}\"><input name=\"SAMLResponse\" value=\"PHNhbWw=\"></form>");
        for (status, page, expected, said) in [
            (200, form(ACS), Verdict::Pass, "ACS URL"),
            (200, form("https://app.example/elsewhere"), Verdict::Warn, "may be"),
            (200, "<title> Metadata not found </title>".to_owned(), Verdict::Warn, "“Metadata not found”"),
            (200, String::new(), Verdict::Warn, "shows a page,"),
            (302, String::new(), Verdict::Warn, "goes on"),
            (404, "<title>Unknown service provider</title>".to_owned(), Verdict::Fail, "“Unknown service provider”"),
            (500, form(ACS), Verdict::Fail, "500"),
        ] {
            let mut chart = Chart::default();
            let answer = Response::builder().status(status).body(page.clone().into_bytes()).unwrap();
            judge(&answer, ACS, &mut chart);
            let check = &chart.checks()[0];
            assert_eq!(check.verdict, expected, "{status} {page}");
            assert!(check.detail.contains(said), "{}", check.detail);
        }
    }
}
