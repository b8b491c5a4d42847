//! The page with one's own API keys.
//!
//! Refuses to show a secret but on the one page that answers its making.

use std::time::Duration;

use http::StatusCode;
use maud::{Markup, html};

use super::text::keys as words;
use super::{Page, Pages, text};
use crate::clock::Timestamp;
use crate::model::{Program, Scope};

/// Lifetimes to choose from, in days.
const LIFETIMES: [u64; 5] = [7, 30, 90, 180, 365];
/// The one that is chosen unless the person chooses.
const USUAL: u64 = 90;

/// One of the person's keys.
#[derive(Debug)]
pub struct Listed {
    id: String,
    name: String,
    may: String,
    networks: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    /// Until when the secret before the newest works.
    previous_until: Option<Timestamp>,
    /// An administrator made it.
    administered: bool,
    expired: bool,
    now: Timestamp,
}

impl Listed {
    #[must_use]
    pub fn of(key: &Program, now: Timestamp) -> Self {
        let scopes = key.scopes.iter().map(Scope::as_str);
        let networks = key.networks.iter().map(ToString::to_string);
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            may: key.roles.iter().map(String::as_str).chain(scopes).collect::<Vec<_>>().join(", "),
            networks: networks.collect::<Vec<_>>().join(", "),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            previous_until: key.secrets.get(1).and_then(|secret| secret.expires_at).filter(|end| *end > now),
            administered: !key.within_owner,
            expired: key.expires_at.is_some_and(|end| end <= now),
            now,
        }
    }
}

/// What was typed into the form, to be put right.
#[derive(Debug, Default)]
pub struct Typed {
    pub name: String,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    pub networks: String,
    pub expires_in: String,
}

/// The page. No Debug: it may hold a secret.
pub struct Manage<'a> {
    pub token: &'a str,
    pub keys: Vec<Listed>,
    /// The name of a key and its new secret.
    pub revealed: Option<(&'a str, &'a str)>,
    pub problem: Option<(StatusCode, String)>,
    pub typed: &'a Typed,
    pub roles: &'a [String],
    pub scopes: &'a [Scope],
    pub longest: Duration,
    /// Where to sign in again, if that is needed for a new secret.
    pub step_up: Option<String>,
}

impl Pages {
    /// The person's own keys.
    #[must_use]
    pub fn keys(&self, manage: &Manage<'_>) -> Page {
        let body = html! {
            @if let Some((name, secret)) = manage.revealed {
                div role="status" {
                    p { (words::shown_once(name)) }
                    p { code class="secret" { (secret) } }
                    p { (words::HOW_TO_SEND) }
                }
            }
            @if let Some((_, problem)) = &manage.problem { p id="problem" class="problem" role="alert" { (problem) } }
            @if manage.keys.is_empty() { p { (words::NONE) } }
            ul class="plain" { @for key in &manage.keys { (self.key(key, manage)) } }
            @match &manage.step_up {
                Some(address) => {
                    p { (words::STEP_UP) }
                    a class="button" href=(address) { (text::SIGN_IN_AGAIN) }
                }
                None => (self.new_key(manage)),
            }
            p {
                a href="/" { (text::GO_HOME) } " · "
                a href=(self.own_path("/sessions")) { (text::SESSIONS) } " · "
                a href=(self.own_path("/sign-out")) { (text::SIGN_OUT) }
            }
        };
        let status = match (&manage.problem, &manage.revealed) {
            (Some((status, _)), _) => *status,
            (None, Some(_)) => StatusCode::CREATED,
            (None, None) => StatusCode::OK,
        };
        self.page(status, words::KEYS, body)
    }

    /// Somebody who may have none.
    #[must_use]
    pub fn keys_refused(&self, status: StatusCode, why: &str) -> Page {
        self.page(status, words::KEYS, html! { p { (why) } p { a href="/" { (text::GO_HOME) } } })
    }

    fn key(&self, key: &Listed, manage: &Manage<'_>) -> Markup {
        let path = |what: &str| self.own_path(&format!("/keys/{}/{what}", key.id));
        html! {
            li class="item" {
                h2 { (key.name) @if key.expired { " " span class="mark" { (words::EXPIRED) } } }
                dl class="facts" {
                    dt { (words::ID) } dd { code { (key.id) } }
                    dt { (words::MAY) } dd { @if key.may.is_empty() { (words::NOTHING) } @else { (key.may) } }
                    @if !key.networks.is_empty() { dt { (words::NETWORKS) } dd { (key.networks) } }
                    dt { (words::CREATED) } dd { (moment(key.created_at)) }
                    dt { (words::EXPIRES) }
                    dd { @match key.expires_at { Some(end) => (moment(end)), None => (words::NEVER) } }
                    dt { (words::USED) }
                    dd {
                        @match key.last_used_at {
                            Some(at) => time datetime=(at) { (text::ago(key.now.since(at).as_secs())) },
                            None => (words::NEVER),
                        }
                    }
                    @if let Some(end) = key.previous_until { dt { (words::PREVIOUS) } dd { (moment(end)) } }
                }
                @if key.administered {
                    p { (words::ADMINISTERED) }
                } @else if manage.step_up.is_none() && !key.expired {
                    form method="post" action=(path("rotate")) {
                        input type="hidden" name="token" value=(manage.token);
                        button type="submit" class="quiet" aria-label=(words::rotate(&key.name)) { (words::ROTATE) }
                    }
                }
                form method="post" action=(path("revoke")) {
                    input type="hidden" name="token" value=(manage.token);
                    button type="submit" class="quiet" aria-label=(words::revoke(&key.name)) { (words::REVOKE) }
                }
            }
        }
    }

    fn new_key(&self, manage: &Manage<'_>) -> Markup {
        let wrong = manage.problem.is_some();
        let typed = manage.typed;
        html! {
            h2 { (words::NEW) }
            form method="post" action=(self.own_path("/keys")) {
                input type="hidden" name="token" value=(manage.token);
                label for="name" { (words::NAME) }
                input id="name" name="name" type="text" required maxlength="60" autocomplete="off" value=(typed.name)
                    aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then_some("problem")];
                @if !manage.roles.is_empty() {
                    (choices("role", words::ROLES, manage.roles.iter().map(String::as_str), &typed.roles))
                }
                @if !manage.scopes.is_empty() {
                    (choices("scope", words::SCOPES, manage.scopes.iter().map(Scope::as_str), &typed.scopes))
                    @let others = typed.scopes.iter().filter(|scope| !manage.scopes.iter().any(|held| held.as_str() == *scope));
                    label for="scopes" { (words::OTHER_SCOPES) }
                    input id="scopes" name="scope" type="text" autocomplete="off" autocapitalize="none" spellcheck="false"
                        value=(others.cloned().collect::<Vec<_>>().join(" "));
                }
                label for="network" { (words::NETWORKS_WANTED) }
                input id="network" name="network" type="text" autocomplete="off" autocapitalize="none" spellcheck="false"
                    value=(typed.networks);
                label for="expires_in" { (words::EXPIRES_WANTED) }
                (lifetimes(manage.longest, &typed.expires_in))
                button type="submit" { (words::MAKE) }
            }
        }
    }
}

fn choices<'a>(name: &str, legend: &str, all: impl Iterator<Item = &'a str>, chosen: &[String]) -> Markup {
    html! {
        fieldset {
            legend { (legend) }
            @for one in all {
                label class="choice" {
                    input type="checkbox" name=(name) value=(one) checked[chosen.iter().any(|chosen| chosen == one)];
                    " " (one)
                }
            }
        }
    }
}

fn lifetimes(longest: Duration, chosen: &str) -> Markup {
    let whole = longest.as_secs() / 86400;
    let mut days: Vec<u64> = LIFETIMES.into_iter().filter(|days| *days < whole).collect();
    if whole > 0 {
        days.push(whole);
    }
    let usual = days.iter().copied().filter(|days| *days <= USUAL).max();
    html! {
        select id="expires_in" name="expires_in" {
            @if whole == 0 { option value=(format!("{}s", longest.as_secs())) { (words::hours(longest.as_secs() / 3600)) } }
            @for days in days {
                @let value = format!("{days}d");
                @let is_chosen = if chosen.is_empty() { Some(days) == usual } else { chosen == value };
                option value=(value) selected[is_chosen] { (words::days(days)) }
            }
        }
    }
}

/// A day is enough for people; the whole moment is in the markup.
fn moment(at: Timestamp) -> Markup {
    let whole = at.to_string();
    html! { time datetime=(whole) { (whole.get(..10).unwrap_or(&whole)) } }
}
