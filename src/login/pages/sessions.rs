//! The page with one's own sessions.
//!
//! Refuses to show what opens one: a handle only names it.

use http::StatusCode;
use maud::{Markup, html};

use super::{Page, Pages, text};
use crate::clock::Timestamp;
use crate::model::Session;

/// One of the person's sessions.
#[derive(Debug)]
pub struct Listed {
    handle: String,
    /// The one that asks.
    this: bool,
    agent: String,
    address: Option<String>,
    connection: Option<String>,
    since: Timestamp,
    seen: Timestamp,
    now: Timestamp,
}

impl Listed {
    /// `connection`: what people know the way of signing in by, if there still is one.
    #[must_use]
    pub fn of(session: &Session, connection: Option<String>, this: bool, now: Timestamp) -> Self {
        Self {
            handle: session.handle.0.clone(),
            this,
            agent: session.user_agent.as_deref().map_or_else(|| text::AGENT_UNKNOWN.to_owned(), agent_in_words),
            address: session.client_address.clone(),
            connection,
            since: session.created_at,
            seen: session.last_seen_at,
            now,
        }
    }
}

impl Pages {
    /// Where one is signed in.
    #[must_use]
    pub fn sessions(&self, token: &str, sessions: &[Listed]) -> Page {
        let action = self.own_path("/sessions");
        let body = html! {
            @if sessions.is_empty() { p { (text::SESSIONS_NONE) } }
            ul class="plain" {
                @for session in sessions { (one(session, token, &action)) }
            }
            @if sessions.len() > 1 {
                form method="post" action=(action) {
                    input type="hidden" name="token" value=(token);
                    button type="submit" { (text::SESSIONS_END_OTHERS) }
                }
            }
            p {
                a href="/" { (text::GO_HOME) } " · "
                a href=(self.own_path("/factors")) { (text::FACTORS) } " · "
                @if self.own_keys { a href=(self.own_path("/keys")) { (text::keys::KEYS) } " · " }
                a href=(self.own_path("/sign-out")) { (text::SIGN_OUT) }
            }
        };
        self.page(StatusCode::OK, text::SESSIONS, body)
    }
}

fn one(session: &Listed, token: &str, action: &str) -> Markup {
    html! {
        li class="item" {
            h2 { (session.agent) @if session.this { " " span class="mark" { (text::SESSION_THIS) } } }
            dl class="facts" {
                @if let Some(address) = &session.address { dt { (text::SESSION_ADDRESS) } dd { (address) } }
                dt { (text::SESSION_SINCE) } dd { (moment(session.since, session.now)) }
                dt { (text::SESSION_SEEN) } dd { (moment(session.seen, session.now)) }
                @if let Some(connection) = &session.connection { dt { (text::SESSION_BY) } dd { (connection) } }
            }
            form method="post" action=(action) {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="session" value=(session.handle);
                @let name = if session.this { text::SESSION_END_THIS.to_owned() } else { text::session_end(&session.agent) };
                button type="submit" class="quiet" aria-label=(name) { (text::SESSION_END) }
            }
        }
    }
}

fn moment(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) { (text::ago(now.since(at).as_secs())) } }
}

/// `Firefox on Linux`, as far as the agent's own words tell; the order matters, because most claim to be several.
#[must_use]
pub fn agent_in_words(agent: &str) -> String {
    let has = |word: &&(&str, &'static str)| agent.contains(word.0);
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ];
    let browser = browsers.iter().find(has).map(|(_, name)| *name);
    let system = systems.iter().find(has).map(|(_, name)| *name);
    match (browser, system) {
        (Some(browser), Some(system)) => text::agent_on(browser, system),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => text::AGENT_UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_said_in_words() {
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36 Edg/129.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/7.88.1", "curl"),
            ("<script>alert(1)</script>", "Unknown program"),
        ] {
            assert_eq!(agent_in_words(agent), words);
        }
    }
}
