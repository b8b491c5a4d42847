//! The sign-in page: buttons, the form for the e-mail address, the form for a local account.
//!
//! Refuses to show whose customers there are: a connection that e-mail domains lead to has no button, and what the page looks like
//! does not depend on who asks.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;

use super::complete::redirect;
use super::connection::{Connection, Connections, Way};
use super::form::Purpose;
use super::pages::{AddressForm, Choice, Mistake, PasswordForm, SignIn};
use super::parameters::Wish;
use super::return_to::ReturnTo;
use super::typed::Typed;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::model::TenantId;
use crate::session::cookie;

/// What a sign-in page is asked for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Whose ways; `None`: those of the tenant that has no name, and every tenant's e-mail domains.
    pub tenant: Option<&'a TenantId>,
    pub return_to: &'a ReturnTo,
    /// Where people are asked even if they are known.
    pub prompt: bool,
    /// What is in the field already.
    pub typed: &'a str,
    pub mistake: Option<Mistake>,
}

impl<'a> Ask<'a> {
    pub(super) fn of(tenant: Option<&'a TenantId>, wish: &'a Wish) -> Self {
        let typed = wish.login_hint.as_deref().unwrap_or_default();
        Self { tenant, return_to: &wish.return_to, prompt: wish.prompt, typed, mistake: None }
    }

    /// With what was typed on the page before, where nothing was typed here.
    fn after<'b>(&self, before: Option<&'b Typed>) -> Ask<'b>
    where
        'a: 'b,
    {
        match before.filter(|_| self.typed.is_empty()) {
            Some(before) => Ask { typed: &before.text, mistake: before.mistake, ..*self },
            None => *self,
        }
    }

    fn own(&self) -> TenantId {
        self.tenant.cloned().unwrap_or_default()
    }
}

/// What belongs to a tenant, or may be chosen where none is named.
impl Connections {
    fn of<'c>(&'c self, tenant: &TenantId) -> impl Iterator<Item = &'c Connection> {
        self.iter().filter(move |connection| connection.tenant == *tenant)
    }

    /// The connection whose domain this is, among one tenant's or, where none is named, among all.
    pub(super) fn of_domain(&self, tenant: Option<&TenantId>, domain: &str) -> Option<&Connection> {
        let mut within = self.iter().filter(|connection| tenant.is_none_or(|tenant| connection.tenant == *tenant));
        within.find(|connection| connection.domains.iter().any(|own| own.as_str() == domain))
    }

    /// The tenant's only connection, if there is nothing to choose and it does not begin with a form of ours.
    pub(super) fn only(&self, tenant: Option<&TenantId>) -> Option<&Connection> {
        let own = tenant.cloned().unwrap_or_default();
        let mut within = self.iter().filter(|connection| !connection.hidden && (tenant.is_none() || connection.tenant == own));
        let only = within.next().filter(|connection| connection.tenant == own && !matches!(connection.way, Way::Password));
        only.filter(|_| within.next().is_none())
    }

    /// Whether the e-mail address decides: somebody's domains lead to single sign-on, and there is more than one way.
    fn by_address(&self, tenant: Option<&TenantId>) -> bool {
        let within = || self.iter().filter(|connection| tenant.is_none_or(|tenant| connection.tenant == *tenant));
        within().any(|connection| connection.has_domains() && connection.way.is_sso()) && within().nth(1).is_some()
    }

    /// What those use whose domain leads nowhere: the tenant's ways without single sign-on, a mailed link before a password.
    pub(super) fn fallback(&self, tenant: Option<&TenantId>) -> Option<&Connection> {
        let own = tenant.cloned().unwrap_or_default();
        let open = |connection: &&Connection| !connection.way.is_sso() && !connection.has_domains() && !connection.hidden;
        self.of(&own).filter(open).min_by_key(|connection| matches!(connection.way, Way::Password))
    }
}

impl Login {
    /// Whether the e-mail address decides, between connections or, where none is named, between tenants.
    fn asks_for_address(&self, connections: &Connections, tenant: Option<&TenantId>) -> bool {
        connections.by_address(tenant) || (tenant.is_none() && self.rules.tenants.have_domains())
    }

    /// The page with every way of a tenant to sign in. Where the e-mail address decides, it is asked for first.
    pub(super) fn choices(&self, visitor: &Visitor, ask: &Ask<'_>) -> Result<Response, SignInError> {
        let connections = self.connections();
        let before = self.rules.notes.read(&visitor.headers, self.now());
        let ask = &ask.after(before.as_ref());
        if self.asks_for_address(&connections, ask.tenant) {
            let (form, set_cookie) = self.address_form(visitor, ask)?;
            let choices = self.buttons(&connections, ask, true);
            return self.sign_in_page(visitor, ask, SignIn { choices, address: Some(form), ..SignIn::default() }, set_cookie);
        }
        if let Some(local) = connections.local(&ask.own()).filter(|local| !local.hidden) {
            return self.password_page(visitor, local, ask);
        }
        let choices = self.buttons(&connections, ask, false);
        self.sign_in_page(visitor, ask, SignIn { choices, ..SignIn::default() }, None)
    }

    /// The page of a local account, with the other ways beside it.
    pub(super) fn password_page(&self, visitor: &Visitor, local: &Connection, ask: &Ask<'_>) -> Result<Response, SignInError> {
        let connections = self.connections();
        let before = self.rules.notes.read(&visitor.headers, self.now());
        let ask = &ask.after(before.as_ref());
        let asked = self.asks_for_address(&connections, ask.tenant);
        let (form, set_cookie) = self.password_form(visitor, local, ask)?;
        let choices = self.buttons(&connections, ask, asked);
        self.sign_in_page(visitor, ask, SignIn { choices, password: Some(form), ..SignIn::default() }, set_cookie)
    }

    fn sign_in_page(
        &self,
        visitor: &Visitor,
        ask: &Ask<'_>,
        page: SignIn,
        set_cookie: Option<HeaderValue>,
    ) -> Result<Response, SignInError> {
        let tenant = ask.tenant.and_then(|tenant| self.rules.tenants.name(tenant)).map(str::to_owned);
        let mut answer =
            self.pages().sign_in(&SignIn { tenant, ..page }).with_form_targets(self.rules.origins.others()).into_response();
        cookie::add(answer.headers_mut(), set_cookie);
        if cookie::value(&visitor.headers, cookie::TYPED).is_some() {
            cookie::add(answer.headers_mut(), [cookie::remove_typed().map_err(SignInError::internal)?]);
        }
        Ok(answer)
    }

    /// Goes to the page at `path` of the same wish, with what was typed.
    pub(super) fn with_typed(&self, path: &str, ask: &Ask<'_>) -> Result<Response, SignInError> {
        let back = percent_encoding::utf8_percent_encode(ask.return_to.as_str(), percent_encoding::NON_ALPHANUMERIC);
        let tenant = ask.tenant.map(|tenant| format!("&tenant={tenant}")).unwrap_or_default();
        let prompt = if ask.prompt { "&prompt=login" } else { "" };
        let location = format!("{}?return_to={back}{tenant}{prompt}", self.pages().address(path));
        redirect(&location, [self.rules.notes.keep(ask.typed.to_owned(), ask.mistake, self.now())?])
    }

    fn address_form(&self, visitor: &Visitor, ask: &Ask<'_>) -> Result<(AddressForm, Option<HeaderValue>), SignInError> {
        let issued = self.rules.forms.issue(Purpose::Address, &visitor.headers, self.now())?;
        let form = AddressForm {
            token: issued.token,
            return_to: ask.return_to.as_str().to_owned(),
            tenant: ask.tenant.map(ToString::to_string),
            prompt: ask.prompt,
            typed: ask.typed.to_owned(),
            mistake: ask.mistake,
        };
        Ok((form, issued.cookie))
    }

    fn password_form(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        ask: &Ask<'_>,
    ) -> Result<(PasswordForm, Option<HeaderValue>), SignInError> {
        let issued = self.rules.forms.issue(Purpose::Password, &visitor.headers, self.now())?;
        let form = PasswordForm {
            action: format!("{}/sign-in/{}", self.pages().prefix(), connection.id),
            token: issued.token,
            return_to: ask.return_to.as_str().to_owned(),
            user: ask.typed.to_owned(),
            wrong: ask.mistake == Some(Mistake::Password),
            passkey: self.passkey_address(connection, ask.return_to),
        };
        Ok((form, issued.cookie))
    }

    /// Buttons of the tenant's ways that lead elsewhere; where the address is `asked` for, only of those that no address leads to.
    fn buttons(&self, connections: &Connections, ask: &Ask<'_>, asked: bool) -> Vec<Choice> {
        let shown = |connection: &&Connection| {
            let reached = asked && (connection.has_domains() || !connection.way.is_sso());
            !connection.hidden && !reached && !matches!(connection.way, Way::Password)
        };
        let back = percent_encoding::utf8_percent_encode(ask.return_to.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string();
        let prompt = if ask.prompt { "&prompt=login" } else { "" };
        let choice = |connection: &Connection| Choice {
            href: format!("{}/sign-in/{}?return_to={back}{prompt}", self.pages().prefix(), connection.id),
            name: connection.name.clone(),
        };
        connections.of(&ask.own()).filter(shown).map(choice).collect()
    }
}
