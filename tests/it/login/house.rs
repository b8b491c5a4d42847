//! A door with TLS, a real provider, an application behind, and people with cookie jars.

use std::path::PathBuf;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{SharedClock, SystemClock};
use doorward::model::{TenantId, User, UserId};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) use crate::support::HOST;
use crate::support::process::Part;
use crate::support::{Answer, Door, Site, curl, part};

pub(super) struct House {
    pub(super) door: Door,
    pub(super) idp: Part,
    pub(super) upstream: Part,
    pub(super) port: u16,
    /// Holds the door's certificate.
    _tls: TempDir,
}

/// How a house differs from the usual one.
pub(super) struct Plan {
    /// Further lines of the OIDC connection, such as `trust_unverified_email: true`.
    pub(super) oidc: &'static str,
    /// Further lines of the connection, such as `provision: scim`.
    pub(super) connection: &'static str,
    /// Further connections.
    pub(super) connections: &'static str,
    /// Further lines of the roles, such as `mfa: [admin]`.
    pub(super) roles: &'static str,
    /// Further routes, and then further top-level settings.
    pub(super) settings: &'static str,
    /// Further arguments of the provider.
    pub(super) provider: &'static [&'static str],
    /// What the door believes to be its client secret.
    pub(super) secret: &'static str,
    /// Further metadata of the door as the provider's client, in JSON; `{own}` is the door's origin.
    pub(super) client: &'static str,
    /// Lines of the usual configuration that are left out, by how they begin.
    pub(super) without: &'static [&'static str],
    /// Further files in the door's folder: name and content.
    pub(super) files: Vec<(&'static str, String)>,
}

/// What the provider knows it by.
const SECRET: &str = "a-secret-of-some-length";

impl Default for Plan {
    fn default() -> Self {
        Self {
            oidc: "",
            connection: "",
            connections: "",
            roles: "",
            settings: "",
            provider: &[],
            secret: SECRET,
            client: "{}",
            without: &[],
            files: Vec::new(),
        }
    }
}

fn people() -> Value {
    let person = |sub: &str, groups: &[&str], verified: bool| {
        json!({
            "sub": sub, "password": "pw", "email": format!("{sub}@acme.example"), "email_verified": verified,
            "name": format!("{sub} of Acme"), "preferred_username": sub, "groups": groups,
        })
    };
    json!([
        person("ada", &["Engineering", "Platform", "Chess"], true),
        person("bob", &["Chess"], true),
        person("eve", &["Engineering"], false),
    ])
}

impl House {
    #[track_caller]
    pub(super) fn usual() -> Self {
        Self::with(Plan::default())
    }

    #[track_caller]
    pub(super) fn with(plan: Plan) -> Self {
        let site = Site::new();
        let own = site.origin();
        let mut client = json!({
            "client_id": "doorward", "client_secret": SECRET,
            "redirect_uris": [format!("{own}/.doorward/callback/idp"), format!("{own}/.doorward/callback/second")],
            "post_logout_redirect_uris": [format!("{own}/.doorward/signed-out")],
        });
        let further: Value = serde_json::from_str(&plan.client.replace("{own}", &own)).unwrap();
        client.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let (client, people) = (json!([client]).to_string(), people().to_string());
        let tls = TempDir::new().unwrap();
        let authority = tls.path().join("tls.crt");
        std::fs::write(&authority, site.certificate()).unwrap();
        let authority = authority.to_str().unwrap();
        let mut arguments = vec!["--clients", client.as_str(), "--users", people.as_str(), "--ca", authority];
        arguments.extend(plan.provider);
        let idp = part("oidc", &arguments);
        let upstream = part("echo", &[]);
        let configuration = configuration(&plan, &site, &idp, upstream.port());
        let door = Door::serve(&configuration, |folder| {
            site.furnish(folder);
            for (name, content) in &plan.files {
                std::fs::write(folder.join(name), content).unwrap();
            }
        });
        Self { door, idp, upstream, port: site.port, _tls: tls }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    pub(super) fn person(&self) -> Person {
        Person::at(self.port)
    }

    /// Somebody who has signed in by script, and wanted `path`.
    #[track_caller]
    pub(super) fn signed_in(&self, who: &str, path: &str) -> (Person, Walk) {
        let person = self.person();
        let walk = person.sign_in(&self.url(path), who);
        assert_eq!(walk.answer.status, 200, "{who} at {}: {}", walk.url, walk.answer.text());
        (person, walk)
    }

    /// The newest events of a kind.
    pub(super) fn events(&self, kind: &str) -> Vec<Value> {
        self.door.events(kind)
    }

    /// How often the provider was asked for this path.
    pub(super) fn asked(&self, path: &str) -> usize {
        let requests = self.idp.control("GET", "/requests");
        requests
            .as_array()
            .unwrap()
            .iter()
            .filter(|request| request["url"].as_str().unwrap().split('?').next() == Some(path))
            .count()
    }

    /// Makes a person without a password, as an administrator would for somebody who signs in elsewhere.
    pub(super) fn invite(&self, email: &str) {
        let clock: SharedClock = Arc::new(SystemClock);
        let now = clock.now();
        let user = User {
            id: UserId(uuid::Uuid::new_v4()),
            tenant: TenantId::default(),
            user_name: email.to_owned(),
            email: email.parse().ok(),
            name: None,
            active: true,
            groups: Vec::new(),
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: Vec::new(),
            link: None,
            password_hash: None,
            created_at: now,
            updated_at: now,
        };
        let config = doorward::config::load(&self.door.config()).unwrap().config;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { Memory::open(&config, &clock).await.unwrap().directory.create_user(&user).await.unwrap() });
    }

    /// A token with the provider's signature.
    #[track_caller]
    pub(super) fn signed(&self, what: &Value) -> String {
        self.idp.tell("/sign", what).json()["token"].as_str().unwrap().to_owned()
    }

    pub(super) fn faults(&self, faults: &Value) {
        assert_eq!(self.idp.tell("/faults", faults).status, 200);
    }

    pub(super) fn tamper(&self, change: &Value) {
        assert_eq!(self.idp.tell("/tamper", change).status, 200);
    }
}

fn configuration(plan: &Plan, site: &Site, idp: &Part, upstream: u16) -> String {
    let issuer = idp.ready["issuer"].as_str().unwrap();
    let Plan { oidc, connection, connections, roles, settings, secret, .. } = plan;
    let secret = if secret.is_empty() { String::new() } else { format!("client_secret: {secret}") };
    let (connections, oidc) = (connections.replace("{issuer}", issuer), oidc.replace("{issuer}", issuer));
    let connections = format!(
        "  - id: idp
{connection}
    oidc:
      issuer: {issuer}
      client_id: doorward
      {secret}
      scopes: [profile, email, groups]
{oidc}
{connections}"
    );
    let roles = format!("  others: [approver]\n  groups: {{ Engineering: editor, Platform: admin }}\n{roles}");
    let usual = site.configuration(upstream, &connections, &roles)
        + &format!(
            "\
routes:
  - {{ path: /public/down/**, access: public, upstream: {{ url: http://127.0.0.1:9 }} }}
  - {{ path: /public/**, access: public }}
  - {{ path: /admin/**, roles: [admin] }}
  - {{ path: /programs/**, accept: [api_key] }}
{settings}
"
        );
    let kept = |line: &&str| !plan.without.iter().any(|left_out| line.trim_start().starts_with(left_out));
    usual.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n")
}

/// A browser without a screen: curl with a cookie jar of its own.
pub(super) struct Person {
    folder: TempDir,
    origin: String,
    resolve: String,
    /// Where they come from, if not from where everybody does.
    address: Option<String>,
}

/// Where a chain of redirects led.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) answer: Answer,
    pub(super) url: String,
    /// Every address on the way, the first included.
    pub(super) hops: Vec<String>,
}

impl Person {
    /// Somebody new at the door with this origin.
    pub(super) fn new(origin: &str) -> Self {
        Self { folder: TempDir::new().unwrap(), origin: origin.to_owned(), resolve: format!("{HOST}:1:127.0.0.1"), address: None }
    }

    /// Somebody new at the door of this name on this port.
    pub(super) fn at(port: u16) -> Self {
        Self { resolve: format!("{HOST}:{port}:127.0.0.1"), ..Self::new(&format!("https://{HOST}:{port}")) }
    }

    /// The same, who comes from this address of the loopback network.
    pub(super) fn from(self, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..self }
    }

    /// Somebody new at `origin` first, who finds any host on this port.
    pub(super) fn anywhere(origin: &str, port: u16) -> Self {
        Self { resolve: format!("*:{port}:127.0.0.1"), ..Self::new(origin) }
    }

    pub(super) fn jar(&self) -> PathBuf {
        self.folder.path().join("jar")
    }

    /// One request, sent like a browser's navigation, without following redirects.
    #[track_caller]
    pub(super) fn ask(&self, url: &str, arguments: &[&str]) -> Answer {
        let jar = self.jar();
        let jar = jar.to_str().unwrap();
        let mut all = vec!["--insecure", "--resolve", &self.resolve, "--cookie", jar, "--cookie-jar", jar, "--path-as-is"];
        if !arguments.iter().any(|argument| argument.starts_with("Accept:")) {
            all.extend(["-H", "Accept: text/html,application/xhtml+xml,*/*;q=0.8"]);
        }
        if let Some(address) = &self.address {
            all.extend(["--interface", address]);
        }
        all.extend(arguments);
        all.push(url);
        curl(&all)
    }

    /// Follows redirects from `url` until there are none.
    #[track_caller]
    pub(super) fn walk(&self, url: &str) -> Walk {
        let first = self.ask(url, &[]);
        self.follow(url, first)
    }

    #[track_caller]
    pub(super) fn follow(&self, url: &str, mut answer: Answer) -> Walk {
        let mut url = url::Url::parse(url).unwrap();
        let mut hops = vec![url.to_string()];
        while matches!(answer.status, 301..=308) {
            assert!(hops.len() < 15, "a redirect loop: {hops:#?}");
            url = url.join(answer.header("location").unwrap()).unwrap();
            hops.push(url.to_string());
            answer = self.ask(url.as_str(), &[]);
        }
        Walk { answer, url: url.into(), hops }
    }

    /// Wants `url`, and signs in at the provider on the way.
    #[track_caller]
    pub(super) fn sign_in(&self, url: &str, who: &str) -> Walk {
        let form = self.walk(url);
        self.log_in(&form, who)
    }

    /// Fills in the provider's form that `form` led to.
    #[track_caller]
    pub(super) fn log_in(&self, form: &Walk, who: &str) -> Walk {
        assert!(form.url.contains("/interaction/"), "not at the provider: {:#?} {}", form.hops, form.answer.text());
        let action = format!("{}/login", form.url);
        let sent = self.ask(&action, &["-d", &format!("login={who}&password=pw")]);
        self.follow(&action, sent)
    }

    /// Logs in at the provider, but stops before the door's callback and says its address.
    #[track_caller]
    pub(super) fn to_callback(&self, url: &str, who: &str) -> String {
        let form = self.walk(url);
        let mut url = url::Url::parse(&form.url).unwrap();
        let mut answer = if form.url.contains("/interaction/") {
            self.ask(&format!("{}/login", form.url), &["-d", &format!("login={who}&password=pw")])
        } else {
            panic!("not at the provider: {:#?}", form.hops)
        };
        for _ in 0..5 {
            url = url.join(answer.header("location").unwrap_or_else(|| panic!("{}", answer.text()))).unwrap();
            if url.path().contains("/callback/") {
                return url.into();
            }
            answer = self.ask(url.as_str(), &[]);
        }
        panic!("no callback: {url}")
    }

    /// Sends a form of the door as its page would.
    #[track_caller]
    pub(super) fn post(&self, url: &str, fields: &[(&str, &str)], headers: &[&str]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = format!("Origin: {}", self.origin);
        let mut all = vec!["--data-raw", body.as_str(), "-H", "Sec-Fetch-Mode: navigate"];
        if headers.is_empty() {
            all.extend(["-H", &origin, "-H", "Sec-Fetch-Site: same-origin"]);
        }
        for header in headers {
            all.extend(["-H", header]);
        }
        self.ask(url, &all)
    }

    /// The cookies that the jar holds: name and value.
    pub(super) fn cookies(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.jar()).unwrap_or_default();
        let lines =
            text.lines().map(|line| line.strip_prefix("#HttpOnly_").unwrap_or(line)).filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                line.split('\t').collect::<Vec<_>>().get(5..7).map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            })
            .collect()
    }

    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// `/.doorward/session`, as the application's scripts would ask.
    #[track_caller]
    pub(super) fn session(&self) -> Answer {
        self.ask(&format!("{}/.doorward/session", self.origin), &["-H", "Accept: application/json"])
    }
}

/// The value of a hidden field on a page.
#[track_caller]
pub(super) fn field(page: &str, name: &str) -> String {
    let at = page.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no field {name} in {page}"));
    let rest = &page[at..];
    let value = rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    value.replace("&amp;", "&")
}

/// The header that the application got.
pub(super) fn received<'a>(echo: &'a Value, name: &str) -> Option<&'a str> {
    let headers = echo["raw_headers"].as_array()?;
    headers.iter().find(|pair| pair[0].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name)))?[1].as_str()
}
