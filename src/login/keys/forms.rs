//! One's own keys, as a page.
//!
//! Refuses a form that was not ours, and to show a secret twice: it stands on the answer to the form that asked for it, and nowhere else.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use super::error::KeysError;
use super::wish::{Rotation, Wish};
use super::{Keeper, Revealed};
use crate::config::Span;
use crate::login::complete::{Failed, redirect};
use crate::login::form::Purpose;
use crate::login::pages::keys::{Listed, Manage, Typed};
use crate::login::{Login, SignInError, Visitor};
use crate::session::cookie;

/// The fields of the page's forms; those that are not there are empty. No Debug: it holds the form's token.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    fn span(&self, name: &str) -> Result<Option<Span>, KeysError> {
        let text = self.one(name);
        let read = (!text.is_empty()).then(|| text.parse()).transpose();
        read.map_err(|_| KeysError::Unfit("A duration is written as 30d.".to_owned()))
    }

    fn wish(&self) -> Result<Wish, KeysError> {
        let words = |name: &str| self.all(name).flat_map(str::split_whitespace).map(str::to_owned).collect::<Vec<_>>();
        let scopes = words("scope").iter().map(|scope| scope.parse()).collect::<Result<_, _>>();
        let networks = words("network").iter().map(|network| network.trim_matches(',').parse()).collect::<Result<_, _>>();
        Ok(Wish {
            name: self.one("name").to_owned(),
            roles: self.all("role").map(str::to_owned).collect(),
            scopes: scopes.map_err(|_| KeysError::Unfit("A permission is written as api:read.".to_owned()))?,
            networks: networks.map_err(|_| KeysError::Unfit("A network is written as 192.0.2.0/24.".to_owned()))?,
            expires_in: self.span("expires_in")?,
        })
    }

    /// For the form, should it have to be filled in again.
    fn typed(&self) -> Typed {
        let owned = |name: &str| self.all(name).map(str::to_owned).collect();
        Typed {
            name: self.one("name").to_owned(),
            roles: owned("role"),
            scopes: owned("scope"),
            networks: self.one("network").to_owned(),
            expires_in: self.one("expires_in").to_owned(),
        }
    }
}

pub(super) async fn list(State(login): State<Arc<Login>>, visitor: Visitor) -> Response {
    let listed = async {
        let keeper = login.keeper(&visitor).await?;
        login.keys_page(&visitor, &keeper, &Shown::default()).await
    };
    let result = listed.await;
    login.or_elsewhere(&visitor, result)
}

pub(super) async fn create(State(login): State<Arc<Login>>, visitor: Visitor, body: &[u8]) -> Response {
    let fields = Fields::read(body);
    let made = async {
        let keeper = login.keeper(&visitor).await?;
        login.check_keys_form(&visitor, &fields)?;
        let made = match fields.wish() {
            Ok(wish) => login.make_key(&visitor, &keeper, wish).await,
            Err(error) => Err(error),
        };
        login.after(&visitor, &keeper, made, fields.typed()).await
    };
    let result = made.await;
    login.or_elsewhere(&visitor, result)
}

pub(super) async fn rotate(State(login): State<Arc<Login>>, id: &str, visitor: Visitor, body: &[u8]) -> Response {
    let fields = Fields::read(body);
    let renewed = async {
        let keeper = login.keeper(&visitor).await?;
        login.check_keys_form(&visitor, &fields)?;
        let overlap = Rotation { overlap: fields.span("overlap")? }.overlap()?;
        let renewed = login.renew_key(&visitor, &keeper, id, overlap).await;
        login.after(&visitor, &keeper, renewed, Typed::default()).await
    };
    let result = renewed.await;
    login.or_elsewhere(&visitor, result)
}

/// `POST /.doorward/keys/{id}/revoke`
pub(super) async fn revoke(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: axum::body::Bytes,
) -> Response {
    let fields = Fields::read(&body);
    let revoked = async {
        let keeper = login.keeper(&visitor).await?;
        login.check_keys_form(&visitor, &fields)?;
        login.revoke_key(&visitor, &keeper, &id).await?;
        Ok(redirect(&login.pages().address("/keys"), [])?)
    };
    let result = revoked.await;
    login.or_elsewhere(&visitor, result)
}

/// What the page shows besides the keys.
#[derive(Default)]
struct Shown {
    revealed: Option<Revealed>,
    problem: Option<KeysError>,
    typed: Typed,
}

impl Login {
    fn check_keys_form(&self, visitor: &Visitor, fields: &Fields) -> Result<(), SignInError> {
        self.rules.forms.check(Purpose::Keys, &visitor.headers, fields.one("token"), self.now())
    }

    /// The page after a new secret was asked for: with it, or with what was wrong and the form as it was typed.
    async fn after(
        &self,
        visitor: &Visitor,
        keeper: &Keeper<'_>,
        result: Result<Revealed, KeysError>,
        typed: Typed,
    ) -> Result<Response, KeysError> {
        let shown = match result {
            Ok(revealed) => Shown { revealed: Some(revealed), ..Shown::default() },
            Err(error @ (KeysError::Unfit(_) | KeysError::Full { .. } | KeysError::Overused | KeysError::Administered)) => {
                Shown { problem: Some(error), typed, ..Shown::default() }
            }
            Err(error) => return Err(error),
        };
        self.keys_page(visitor, keeper, &shown).await
    }

    async fn keys_page(&self, visitor: &Visitor, keeper: &Keeper<'_>, shown: &Shown) -> Result<Response, KeysError> {
        let now = self.now();
        let keys = self.own_keys(keeper).await?;
        let need = self.lacks(visitor, keeper).await?;
        let issued = self.rules.forms.issue(Purpose::Keys, &visitor.headers, now)?;
        let page = self.pages().keys(&Manage {
            token: &issued.token,
            keys: keys.iter().map(|key| Listed::of(key, now)).collect(),
            revealed: shown.revealed.as_ref().map(|revealed| (revealed.key.name.as_str(), revealed.secret.expose())),
            problem: shown.problem.as_ref().map(|error| (error.status(), error.to_string())),
            typed: &shown.typed,
            roles: &keeper.roles,
            scopes: &keeper.scopes,
            longest: keeper.rules.longest.0,
            step_up: need.map(|need| self.pages().step_up_address(&self.pages().address("/keys"), need)),
        });
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    /// The page for what could not be done, or where it can be mended.
    fn or_elsewhere(&self, visitor: &Visitor, result: Result<Response, KeysError>) -> Response {
        let own = self.pages().address("/keys");
        let error = match result {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        let mended = match &error {
            KeysError::Nobody => Ok(self.pages().sign_in_address(&own, false)),
            KeysError::StepUp(need) => Ok(self.pages().step_up_address(&own, *need)),
            KeysError::NotOffered | KeysError::Missing => return self.pages().not_found().into_response(),
            KeysError::Other(SignInError::ForeignForm) => {
                return self.pages().failed_sign_in(&SignInError::ForeignForm, &own).into_response();
            }
            KeysError::Other(error) => Err(error),
            error => return self.pages().keys_refused(error.status(), &error.to_string()).into_response(),
        };
        match mended.map(|address| redirect(&address, [])) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => self.refuse(visitor, &Failed::NOWHERE, &error),
            Err(error) => self.refuse(visitor, &Failed::NOWHERE, error),
        }
    }
}
