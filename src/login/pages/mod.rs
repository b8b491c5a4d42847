//! Doorward's own pages.
//!
//! Refuses scripts but two of our own, foreign content and framing by its content security policy, and to put a text on a page without
//! escaping it (maud escapes at compile time), because a page that asks for passwords is the first to be attacked (threats C7).

mod asset;
mod brand;
pub mod break_glass;
pub mod factors;
pub(in crate::login) mod invitation;
pub(in crate::login) mod keys;
pub(in crate::login) mod magic_link;
pub mod negotiate;
mod outcome;
pub mod sessions;
mod sign_in;
pub mod step_up;
pub(in crate::login) mod text;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use crate::config::{Config, Problems};
use crate::telemetry::RequestId;

use asset::Assets;
use brand::Brand;
pub use brand::title;
pub use sign_in::{AddressForm, Choice, Mistake, PasswordForm, SignIn};

/// What all pages share.
#[derive(Debug)]
pub struct Pages {
    brand: Arc<Brand>,
    assets: Arc<Assets>,
    /// `/.doorward`
    prefix: String,
    /// `https://app.example.com`
    public_url: String,
    stylesheet: String,
    icon: String,
    /// Address of the script that all pages have.
    script: String,
    passkey_script: String,
    /// Whether there is a way in for the day when nothing else works. Not whether anybody has an account for it: nobody is told.
    break_glass: bool,
    /// Whether people can make keys for themselves.
    own_keys: bool,
}

/// One page, ready to be sent.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub html: String,
    /// Addresses of the scripts that may run on it.
    scripts: Vec<String>,
    /// Origins besides our own that a form of this page may end up at.
    form_targets: Vec<String>,
}

impl Page {
    /// The page with the request's name at its foot, by which whoever runs the door finds it in the records.
    #[must_use]
    pub fn naming(mut self, request: &RequestId) -> Self {
        if let Some(foot) = self.html.rfind("</main>") {
            let named = html! { p class="request" { (text::REQUEST) " " code { (request.as_str()) } } };
            self.html.insert_str(foot, &named.into_string());
        }
        self
    }
}

impl Pages {
    #[must_use]
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let mut assets = Assets::default();
        let brand = Brand::compile(config, &mut assets, problems);
        let public_url = config.public_url.trim_end_matches('/').to_owned();
        let at = |name: String| format!("{}/assets/{name}", config.prefix);
        let (stylesheet, icon) = (at(assets.style(&brand.rules)), at(assets.icon()));
        let (script, passkey_script) = (at(assets.fragment()), at(assets.passkey()));
        Self {
            stylesheet,
            icon,
            script: format!("{public_url}{script}"),
            passkey_script: format!("{public_url}{passkey_script}"),
            brand: Arc::new(brand),
            assets: Arc::new(assets),
            prefix: config.prefix.clone(),
            public_url,
            break_glass: config.sign_in.break_glass_file.is_some(),
            own_keys: config.own_keys.is_some(),
        }
    }

    /// The same at another address.
    #[must_use]
    pub fn at(&self, public_url: &str, break_glass: bool) -> Self {
        let moved = |address: &str| format!("{public_url}{}", address.strip_prefix(&self.public_url).unwrap_or(address));
        Self {
            brand: Arc::clone(&self.brand),
            assets: Arc::clone(&self.assets),
            prefix: self.prefix.clone(),
            public_url: public_url.to_owned(),
            stylesheet: self.stylesheet.clone(),
            icon: self.icon.clone(),
            script: moved(&self.script),
            passkey_script: moved(&self.passkey_script),
            break_glass: self.break_glass && break_glass,
            own_keys: self.own_keys,
        }
    }

    /// What the application is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.brand.title
    }

    /// Answers with the file of this name.
    #[must_use]
    pub fn asset(&self, name: &str) -> Response {
        self.assets.serve(name)
    }

    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// One of our own addresses, whole.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        format!("{}{}{path}", self.public_url, self.prefix)
    }

    /// Where to sign in, with the way back; `prompt`: even if somebody is signed in.
    #[must_use]
    pub fn sign_in_address(&self, return_to: &str, prompt: bool) -> String {
        let back = percent_encoding::utf8_percent_encode(return_to, percent_encoding::NON_ALPHANUMERIC);
        let prompt = if prompt { "&prompt=login" } else { "" };
        format!("{}?return_to={back}{prompt}", self.address("/sign-in"))
    }

    /// The page with the script that asks the browser for passkeys.
    fn with_passkey_script(&self, mut page: Page) -> Page {
        if let Some(end) = page.html.find("</head>") {
            page.html.insert_str(end, &html! { script src=(self.passkey_script) defer {} }.into_string());
            page.scripts.push(self.passkey_script.clone());
        }
        page
    }

    /// The frame around every page: one heading, one landmark.
    fn page(&self, status: StatusCode, heading: &str, body: Markup) -> Page {
        let html = html! {
            (DOCTYPE)
            html lang=(text::LANGUAGE) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (heading) " · " (self.brand.title) }
                    link rel="stylesheet" href=(self.stylesheet);
                    link rel="icon" type="image/svg+xml" href=(self.icon);
                    script src=(self.script) defer {}
                }
                body {
                    main {
                        (self.brand.head(&self.prefix))
                        h1 { (heading) }
                        (body)
                        (self.brand.foot())
                    }
                }
            }
        };
        Page { status, html: html.into_string(), scripts: vec![self.script.clone()], form_targets: Vec::new() }
    }
}

impl Page {
    /// Lets the page's form end up at these origins too, which Chromium also asks of redirects.
    #[must_use]
    pub fn with_form_targets(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.form_targets.extend(origins);
        self
    }

    /// The headers that go with every page.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, "text/html; charset=utf-8");
        set(header::CACHE_CONTROL, "no-store");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::X_FRAME_OPTIONS, "DENY");
        // The origin and nothing more: an address may hold a token. Not `no-referrer`: browsers would then send `Origin: null` with
        // our own forms.
        set(header::REFERRER_POLICY, "strict-origin");
        // By its whole address: a script that the application serves, or lets people upload, is not ours.
        let mut policy = format!(
            "default-src 'none'; script-src {}; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
             form-action 'self'",
            self.scripts.join(" ")
        );
        for origin in &self.form_targets {
            policy.push(' ');
            policy.push_str(origin);
        }
        // An origin is printable ASCII without spaces; should one not be, the page keeps the strictest policy.
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = self.headers();
        (self.status, headers, self.html).into_response()
    }
}
