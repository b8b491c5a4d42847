//! `POST /.doorward/sign-in`: the e-mail address says which way.
//!
//! Refuses an address that two parsers could read differently, because whoever reads another domain there sends somebody else's people to
//! their own provider. What it answers depends on the domain alone, never on whether somebody has the address. The address
//! is sent in a form's body, so that it is in no history and no log.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::chooser::Ask;
use super::complete::{Failed, redirect};
use super::connection::{Connection, Way};
use super::form::Purpose;
use super::pages::Mistake;
use super::parameters::Wish;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::model::{EmailAddress, TenantId};

/// Longest text that is shown again, in bytes; an address has 254 at most (RFC 5321 §4.5.3.1.3).
const LONGEST: usize = 254;

/// The form, as it is sent.
#[derive(Debug, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    prompt: Option<String>,
}

/// `POST /.doorward/sign-in`
pub(super) async fn submit(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::ForeignForm) };
    let wish = Wish {
        return_to: login.rules.origins.parse_or_home(Some(&form.return_to)),
        prompt: form.prompt.is_some(),
        login_hint: None,
        step_up: None,
    };
    let failed = Failed { return_to: wish.return_to.as_str(), ..Failed::NOWHERE };
    if let Err(error) = login.rules.forms.check(Purpose::Address, &visitor.headers, &form.token, login.now()) {
        return login.refuse(&visitor, &failed, &error);
    }
    let tenants = &login.rules.tenants;
    let tenant = form.tenant.as_deref().and_then(|tenant| tenants.find(tenant)).or(tenants.owner()).cloned();
    login
        .go_by_address(&visitor, tenant.as_ref(), &wish, &form.email)
        .await
        .unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
}

impl Login {
    async fn go_by_address(
        self: &Arc<Self>,
        visitor: &Visitor,
        tenant: Option<&TenantId>,
        wish: &Wish,
        typed: &str,
    ) -> Result<Response, SignInError> {
        let connections = self.connections();
        let typed = typed.trim_matches([' ', '\t']);
        let address = typed.parse::<EmailAddress>().ok().filter(|_| typed.len() <= LONGEST);
        let owner =
            address.as_ref().and_then(|address| self.rules.tenants.of_domain(address.domain())).filter(|_| tenant.is_none());
        if let Some(home) = owner.and_then(|owner| self.rules.tenants.elsewhere(owner.as_str())) {
            let answer = redirect(&self.sign_in_at(home, &wish.return_to), [])?;
            return Ok(self.by_way_of_a_page(self.pages().title(), answer));
        }
        let of_owner = || owner.and_then(|_| self.straight(&connections, owner).or_else(|| connections.fallback(owner)));
        let led = match &address {
            Some(address) => {
                let own = connections.of_domain(tenant, address.domain()).or_else(of_owner);
                own.or_else(|| connections.fallback(tenant).filter(|_| owner.is_none())).ok_or(Mistake::NoWay)
            }
            // A local account may have a name that is no address.
            None if !typed.is_empty() && !typed.contains('@') => {
                let local = connections.local(&tenant.cloned().unwrap_or_default());
                local.filter(|local| !local.hidden).ok_or(Mistake::Address)
            }
            None => Err(Mistake::Address),
        };
        let shown: String = typed.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        match led {
            Ok(connection) if matches!(connection.way, Way::Password) => {
                self.with_typed(&format!("/sign-in/{}", connection.id), &Ask { typed: &shown, ..Ask::of(tenant, wish) })
            }
            // The address was typed; nobody is to type it twice.
            Ok(connection @ Connection { way: Way::MagicLink(_), .. }) => {
                self.mail_to(visitor, connection, &wish.return_to, typed).await
            }
            Ok(connection) => {
                let wish = Wish { login_hint: Some(shown), ..wish.clone() };
                let answer = self.begin(visitor, connection, &wish).await?;
                Ok(self.by_way_of_a_page(&connection.name, answer))
            }
            // The tenant has several ways and none for addresses: its people choose.
            Err(Mistake::NoWay) if owner.is_some() => self.with_typed("/sign-in", &Ask { typed: &shown, ..Ask::of(owner, wish) }),
            Err(mistake) => self.with_typed("/sign-in", &Ask { typed: &shown, mistake: Some(mistake), ..Ask::of(tenant, wish) }),
        }
    }

    /// The answer to a form that leads off the origin. Chromium holds a form's redirects against the page's `form-action`, and naming every
    /// provider there would tell everybody whose people sign in here; so a page of ours stands in between, which goes on by
    /// itself.
    fn by_way_of_a_page(&self, name: &str, answer: Response) -> Response {
        let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok()).map(str::to_owned);
        let own = self.rules.origins.own().as_str();
        let Some(location) = location.filter(|to| answer.status() == StatusCode::SEE_OTHER && !to.starts_with(own)) else {
            return answer;
        };
        let Ok(refresh) = HeaderValue::try_from(format!("0; url={location}")) else { return answer };
        let page = self.pages().leaving(name, &location);
        let (mut parts, _) = answer.into_parts();
        parts.headers.remove(header::LOCATION);
        parts.headers.extend(page.headers());
        parts.headers.insert(header::REFRESH, refresh);
        (page.status, parts.headers, page.html).into_response()
    }
}
