//! `doorward explain`: what would become of a request, and why, without sending it.
//!
//! Refuses to print a secret: values of headers that hold one are masked.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use pingora::http::RequestHeader;
use uuid::Uuid;

use super::store::{self, Store};
use super::table;
use crate::app::plan;
use crate::authn::StandIn;
use crate::config::Config;
use crate::crypto::Digest;
use crate::edge::{Arrival, ConnectionFacts, LiveStreams, settle};
use crate::model::{ProgramKind, Session, SessionHandle, TenantId, User, UserId};
use crate::policy::role::{Grant, Source};
use crate::proxy::explain::{Explanation, Known, Rule, Who, explain};
use crate::telemetry::Telemetry;

/// Say which route decides about a request, why, and what the application would get.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[arg(long, default_value = "GET")]
    method: String,
    /// As in a browser's address line: `https://app.example.com/path?query`.
    #[arg(long)]
    url: String,
    /// A header of the request, `Name: value`; may be repeated. Credentials in it are checked.
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// Address the request comes from.
    #[arg(long, default_value = "127.0.0.1")]
    from: IpAddr,
    /// As this person, signed in just now: user name or id.
    #[arg(long, group = "who")]
    user: Option<String>,
    /// As the program with this API key's id.
    #[arg(long, group = "who")]
    key: Option<String>,
    /// As the program with this client id.
    #[arg(long, group = "who")]
    client: Option<String>,
    /// As somebody with these roles, separated by commas.
    #[arg(long, group = "who", value_delimiter = ',')]
    roles: Vec<String>,
    /// As somebody in these groups, separated by commas; may be given beside `--roles`.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["user", "key", "client"])]
    groups: Vec<String>,
    /// Whether that person used a second factor.
    #[arg(long)]
    mfa: bool,
    #[arg(long, default_value_t)]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let plan = plan::compile(store.config.clone())
            .map_err(|_| anyhow!("the configuration has problems; `doorward check` says which"))?;
        let roles = Arc::clone(&plan.roles);
        let hidden = hidden(&store.config);
        let gateway = plan.gateway(&store.memory, &Telemetry::start(std::io::sink())?)?;
        let (mut head, secure) = self.head()?;
        // What cannot be settled is refused by the next stage anyway; the journey says how.
        let settled = settle(&mut head);
        let facts = ConnectionFacts { secure, ..ConnectionFacts::plain(self.from, LiveStreams::default().handle()) };
        let arrival = Arrival { head: &head, facts: &facts, now: store.now };
        settled.map_err(|unclean| anyhow!("the request is refused before anything else looks at it: {}", unclean.reason))?;
        let known = Known { directory: store.directory(), roles: &roles };
        let stand_in = self.stand_in(store).await?;
        let explanation = explain(&gateway, arrival, known, stand_in, &hidden).await.map_err(store::explained)?;
        if self.json { store::print_json(&explanation) } else { store::say(told(&explanation)) }
    }

    /// The request's head, byte for byte as typed: a parser of addresses would tidy up what is to be judged. And whether it is
    /// encrypted.
    fn head(&self) -> anyhow::Result<(RequestHeader, bool)> {
        let (scheme, rest) = self.url.split_once("://").context("the URL begins with `https://` or `http://`")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let mut head = RequestHeader::build(self.method.as_str(), target.as_bytes(), None).map_err(|error| anyhow!("{error}"))?;
        head.append_header("Host", authority).map_err(|error| anyhow!("{error}"))?;
        for header in &self.headers {
            let (name, value) =
                header.split_once(':').with_context(|| format!("`{header}` is no header: write `Name: value`"))?;
            head.append_header(name.trim().to_owned(), value.trim()).map_err(|error| anyhow!("`{name}`: {error}"))?;
        }
        Ok((head, scheme.eq_ignore_ascii_case("https")))
    }

    async fn stand_in(&self, store: &Store) -> anyhow::Result<Option<StandIn>> {
        if let Some(who) = &self.user {
            let user = store.person(&self.tenant, who).await?;
            let session = self.session(&user, store)?;
            return Ok(Some(StandIn::Person(Box::new(user), Box::new(session))));
        }
        for (kind, id) in [(ProgramKind::ApiKey, &self.key), (ProgramKind::Client, &self.client)] {
            if let Some(id) = id {
                let found = store.directory().program(kind, id).await.map_err(store::explained)?;
                let found = found.filter(|program| program.tenant == self.tenant);
                let program =
                    found.with_context(|| format!("there is no {} with the id {id} in tenant {}", kind.as_str(), self.tenant))?;
                return Ok(Some(StandIn::Program(Box::new(program))));
            }
        }
        if self.roles.is_empty() && self.groups.is_empty() {
            return Ok(None);
        }
        store.administration(&self.tenant).0.check_roles(&self.roles).map_err(store::undone)?;
        let user = self.somebody(store);
        let session = self.session(&user, store)?;
        Ok(Some(StandIn::Person(Box::new(user), Box::new(session))))
    }

    fn somebody(&self, store: &Store) -> User {
        User {
            id: UserId(Uuid::nil()),
            tenant: self.tenant.clone(),
            user_name: "somebody".to_owned(),
            email: None,
            name: None,
            active: true,
            groups: self.groups.clone(),
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: self.roles.clone(),
            link: None,
            password_hash: None,
            created_at: store.now,
            updated_at: store.now,
        }
    }

    fn session(&self, user: &User, store: &Store) -> anyhow::Result<Session> {
        Ok(Session {
            handle: SessionHandle("explained".to_owned()),
            digest: Digest::of(b"explained"),
            tenant: user.tenant.clone(),
            user: user.id,
            connection: "explained".parse()?,
            amr: if self.mfa { vec!["mfa".to_owned()] } else { Vec::new() },
            acr: None,
            authenticated_at: store.now,
            created_at: store.now,
            last_seen_at: store.now,
            expires_at: store.now.after(store.config.sessions.absolute.0),
            revoked_at: None,
            provider_session: None,
            provider_subject: None,
            sealed_tokens: None,
            tokens_version: 0,
            refresh_at: None,
            client_address: None,
            user_agent: None,
        })
    }
}

/// Names of headers whose values are secret.
fn hidden(config: &Config) -> Vec<String> {
    let credentials = &config.credentials;
    let own = [&credentials.api_key_header, &credentials.client_secret_header, &credentials.license_header];
    let upstreams = std::iter::once(&config.upstream).chain(config.routes.iter().filter_map(|route| route.upstream.as_ref()));
    let injected = upstreams.flat_map(|upstream| upstream.headers.keys());
    let fixed = ["authorization", "proxy-authorization", "cookie", "x-doorward-assertion", "x-pomerium-jwt-assertion"];
    own.into_iter().chain(injected).cloned().chain(fixed.map(str::to_owned)).collect()
}

fn told(explanation: &Explanation) -> String {
    let mut text = table::facts([
        ("route", table::or_dash(explanation.route.as_ref())),
        ("rule", explanation.rule.as_ref().map_or_else(|| "-".to_owned(), rule)),
        ("credential", table::or_dash(explanation.credential)),
        ("identity", explanation.identity.as_ref().map_or_else(|| "-".to_owned(), who)),
        ("roles by", explanation.identity.as_ref().map_or_else(|| "-".to_owned(), |who| grants(&who.roles_from))),
        ("decision", explanation.decision.to_owned()),
        ("why", explanation.why.clone()),
        ("status", table::or_dash(explanation.status)),
        ("goes to", table::or_dash(explanation.goes_to.as_ref())),
    ]);
    for (name, value) in &explanation.headers {
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {}: {}", table::shown(name), table::shown(value));
    }
    text
}

/// Why each role is held.
fn grants(grants: &[Grant]) -> String {
    let told = |grant: &Grant| match &grant.from {
        Source::Direct => format!("{}: assigned", grant.role),
        Source::Group { group, table } => format!("{}: group {} ({table})", grant.role, table::shown(group)),
        Source::Default { table } => format!("{}: nothing else gives one ({table})", grant.role),
    };
    if grants.is_empty() { "-".to_owned() } else { grants.iter().map(told).collect::<Vec<_>>().join("; ") }
}

fn rule(rule: &Rule) -> String {
    let mut parts = vec![rule.access.to_owned()];
    let lists = [("roles", &rule.roles), ("groups", &rule.groups), ("scopes", &rule.scopes), ("networks", &rule.networks)];
    parts.extend(
        lists.into_iter().filter(|(_, items)| !items.is_empty()).map(|(name, items)| format!("{name} {}", items.join(","))),
    );
    if !rule.accept.is_empty() {
        parts.push(format!("accept {}", table::listed(&rule.accept)));
    }
    parts.extend(rule.tenant.as_ref().map(|tenant| format!("tenant {tenant}")));
    parts.extend(rule.mfa.then(|| "second factor".to_owned()));
    parts.extend(rule.max_age.map(|age| format!("signed in within {age} s")));
    parts.extend(rule.report_only.then(|| "report only".to_owned()));
    parts.extend((rule.access_events != "none").then(|| format!("access events {}", rule.access_events)));
    parts.join("; ")
}

fn who(who: &Who) -> String {
    let [roles, groups, scopes] = [&who.roles, &who.groups, &who.scopes].map(table::listed);
    format!("{} (tenant {}, roles {roles}, groups {groups}, scopes {scopes})", who.subject, who.tenant)
}
