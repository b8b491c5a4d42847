//! Every credential on every kind of route, judged in one process: one table of who gets where.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::app::plan;
use doorward::clock::{ManualClock, SharedClock, Timestamp};
use doorward::config;
use doorward::crypto::{Digest, token};
use doorward::edge::{Arrival, ConnectionFacts, LiveStreams};
use doorward::model::{Program, ProgramKind, ProgramSecret, Session, User};
use doorward::proxy::gateway::Gateway;
use doorward::proxy::journey::{Passage, journey};
use doorward::telemetry::Telemetry;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pingora::http::RequestHeader;
use serde_json::json;

use crate::memory::conformance::{Outcome, at, program, session, somebody};

const ROUTES: [&str; 13] =
    ["public", "optional", "required", "deny", "role", "group", "scope", "mfa", "fresh", "network", "keys", "report", "watched"];

const CONFIGURATION: &str = "\
version: 1
public_url: https://app.example
listeners:
  - address: 127.0.0.1:0
    tls: { certificates: [{ cert: '{folder}/c.pem', key: '{folder}/c.key' }], client_ca: '{folder}/c.pem' }
upstream: { url: http://127.0.0.1:9 }
store: { url: 'sqlite:{folder}/doorward.db' }
secret_key: 0123456789abcdef0123456789abcdef
sessions: { idle: 10m, absolute: 1h }
limits: { failures_per_minute: 100000 }
roles: { ranked: [admin, viewer], groups: { Engineering: admin }, scopes: { admin: [api:read] } }
bearer: [{ issuer: 'https://issuer.test', audiences: [app], jwks: { path: '{folder}/jwks.json' } }]
license: { public_keys: ['{pem}'], audience: app, roles: { gold: [viewer] } }
client_certificates: { subject: common_name, roles: [admin] }
routes:
  - { path: /public/**, access: public }
  - { path: /optional/**, access: optional }
  - { path: /required/** }
  - { path: /deny/**, access: deny }
  - { path: /role/**, roles: [admin] }
  - { path: /group/**, groups: [Engineering] }
  - { path: /scope/**, scopes: [api:read] }
  - { path: /mfa/**, mfa: true }
  - { path: /fresh/**, max_age: 5m }
  - { path: /network/**, networks: [198.51.100.0/24] }
  - { path: /keys/**, accept: [api_key, client_certificate] }
  - { path: /report/**, roles: [admin], mode: report }
  - { path: /watched/**, access: optional, mode: report }
";

/// Everything stands at this moment; sign-ins were at 0.
const NOW: i64 = 200;

type Headers = Vec<(&'static str, String)>;

/// The door and those who knock.
struct Stage {
    gateway: Gateway,
    memory: Memory,
    certificate: Vec<u8>,
    callers: Vec<(&'static str, Headers)>,
    _folder: tempfile::TempDir,
}

struct Signer(EncodingKey);

impl Signer {
    fn token(&self, claims: &serde_json::Value) -> Outcome<String> {
        let header = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, claims, &self.0)?)
    }
}

impl Stage {
    async fn set() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let signer = Signer(EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes())?);
        let x = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, pair.public_key_raw());
        let jwks = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x }] });
        std::fs::write(folder.path().join("jwks.json"), jwks.to_string())?;
        let pem = pair.public_key_pem().replace('\n', "\n\n  ");
        let file = folder.path().join("doorward.yaml");
        let here = folder.path().display().to_string();
        std::fs::write(&file, CONFIGURATION.replace("{folder}", &here).replace("{pem}", pem.trim_end()))?;
        let certificate = certificate(folder.path())?;
        let (gateway, memory) = open(&file).await?;
        let mut stage = Self { gateway, memory, certificate, callers: Vec::new(), _folder: folder };
        stage.invite_people().await?;
        stage.invite_programs().await?;
        stage.invite_tokens(&signer)?;
        Ok(stage)
    }

    fn invite(&mut self, name: &'static str, headers: &[(&'static str, &str)]) {
        self.callers.push((name, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()));
    }

    async fn invite_people(&mut self) -> Outcome {
        self.invite("nobody", &[]);
        let ada = User { roles: Vec::new(), link: None, ..somebody("default", "ada")? };
        let gone = User { active: false, link: None, ..somebody("default", "gone")? };
        for person in [&ada, &gone] {
            self.memory.directory.create_user(person).await?;
        }
        let seen = |name: &str| session(ada.id, name).map(|session| Session { last_seen_at: at(NOW - 1), ..session });
        let mut sessions = vec![
            ("session", seen("session")?),
            ("session with mfa", Session { amr: vec!["mfa".to_owned()], ..seen("session with mfa")? }),
            ("session, old sign-in", Session { authenticated_at: at(NOW - 301), ..seen("session, old sign-in")? }),
            ("session, revoked", Session { revoked_at: Some(at(3)), ..seen("session, revoked")? }),
            ("session, idle", Session { last_seen_at: at(NOW - 601), ..seen("session, idle")? }),
            ("session, over", Session { expires_at: at(NOW), ..seen("session, over")? }),
            ("session, inactive person", Session { user: gone.id, ..seen("session, inactive person")? }),
        ];
        for (name, session) in &mut sessions {
            session.digest = Digest::of(name.replace([' ', ','], "-").as_bytes());
            self.memory.sessions.create(session).await?;
            let cookie = format!("a=b; __Host-doorward={}", name.replace([' ', ','], "-"));
            self.invite(name, &[("cookie", &cookie)]);
        }
        self.invite("session, unknown", &[("cookie", "__Host-doorward=never-was")]);
        self.invite("session, huge", &[("cookie", &format!("__Host-doorward={}", "x".repeat(10_000)))]);
        self.invite("two session cookies", &[("cookie", "__Host-doorward=session; __Host-doorward=session")]);
        Ok(())
    }

    async fn invite_programs(&mut self) -> Outcome {
        let owner = User { active: false, link: None, ..somebody("default", "owner")? };
        self.memory.directory.create_user(&owner).await?;
        let plain = |kind, id: &str| program(kind, "default", id).map(|plain| Program { networks: Vec::new(), ..plain });
        let variants: [(&'static str, Program); 6] = [
            ("api key", plain(ProgramKind::ApiKey, "")?),
            ("api key, expired", Program { expires_at: Some(at(NOW)), ..plain(ProgramKind::ApiKey, "")? }),
            ("api key, revoked", Program { revoked_at: Some(at(1)), ..plain(ProgramKind::ApiKey, "")? }),
            ("api key, other network", Program { networks: vec!["10.0.0.0/8".parse()?], ..plain(ProgramKind::ApiKey, "")? }),
            ("api key, inactive owner", Program { owner: Some(owner.id), ..plain(ProgramKind::ApiKey, "")? }),
            ("api key, retired secret", plain(ProgramKind::ApiKey, "")?),
        ];
        let mut good = String::new();
        for (name, mut program) in variants {
            program.id = token::new_id()?;
            let (key, digest) = token::new_api_key(&program.id)?;
            let expires_at = (name == "api key, retired secret").then(|| at(NOW));
            program.secrets = vec![ProgramSecret { digest, created_at: at(0), expires_at }];
            self.memory.directory.create_program(&program).await?;
            self.invite(name, &[("x-api-key", key.expose())]);
            if name == "api key" {
                key.expose().clone_into(&mut good);
                let (forged, _) = token::new_api_key(&program.id)?;
                self.invite("api key, wrong secret", &[("x-api-key", forged.expose())]);
                self.invite("api key as bearer", &[("authorization", &format!("Bearer {}", key.expose()))]);
            }
        }
        let (stranger, _) = token::new_api_key(&token::new_id()?)?;
        self.invite("api key, unknown", &[("x-api-key", stranger.expose())]);
        self.invite("api key, malformed", &[("x-api-key", "dw_nonsense")]);
        let client = Program {
            secrets: vec![ProgramSecret { digest: Digest::of(b"s3cret"), created_at: at(0), expires_at: None }],
            ..plain(ProgramKind::Client, "robot")?
        };
        self.memory.directory.create_program(&client).await?;
        self.invite("client", &[("x-client-id", "robot"), ("x-client-secret", "s3cret")]);
        self.invite("client, basic", &[("authorization", "Basic cm9ib3Q6czNjcmV0")]);
        self.invite("client, wrong secret", &[("x-client-id", "robot"), ("x-client-secret", "secret")]);
        self.invite("client, no secret", &[("x-client-id", "robot")]);
        self.invite("api key and session", &[("x-api-key", &good), ("cookie", "__Host-doorward=session")]);
        self.invite("api key and client", &[("x-api-key", &good), ("x-client-id", "robot"), ("x-client-secret", "s3cret")]);
        Ok(())
    }

    fn invite_tokens(&mut self, signer: &Signer) -> Outcome {
        let end = at(NOW + 60).seconds();
        let claims = json!({ "iss": "https://issuer.test", "aud": "app", "sub": "bo", "exp": end, "scope": "api:read" });
        let with = |name: &str, value: serde_json::Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            signer.token(&claims)
        };
        let good = signer.token(&claims)?;
        let payload = good.split('.').nth(1).unwrap_or_default();
        for (name, token) in [
            ("bearer", good.clone()),
            ("bearer, admin group", with("groups", json!(["Engineering"]))?),
            ("bearer, expired", with("exp", json!(at(NOW - 61).seconds()))?),
            ("bearer, other audience", with("aud", json!("other"))?),
            ("bearer, unknown issuer", with("iss", json!("https://evil.test"))?),
            ("bearer, alg none", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        ] {
            self.invite(name, &[("authorization", &format!("Bearer {token}"))]);
        }
        self.invite("license", &[("x-license-key", &with("features", json!(["export"]))?)]);
        self.invite("license, expired", &[("x-license-key", &with("exp", json!(at(NOW - 61).seconds()))?)]);
        Ok(())
    }

    /// What becomes of one request: who it is or `-`, or the status and why.
    async fn knock(&self, route: &str, headers: &Headers, with_certificate: bool) -> Outcome<String> {
        let mut head = RequestHeader::build("GET", format!("/{route}/x").as_bytes(), None)?;
        head.insert_header("host", "app.example")?;
        for (name, value) in headers {
            head.append_header(*name, value)?;
        }
        let mut facts = ConnectionFacts::plain([192, 0, 2, 7].into(), LiveStreams::default().handle());
        if with_certificate {
            facts.client_chain = Arc::new([self.certificate.clone().into()]);
        }
        let arrival = Arrival { head: &head, facts: &facts, now: at(NOW) };
        Ok(match journey(&self.gateway, arrival).await {
            Ok(Passage { outbound, reported }) => {
                let who = outbound.identity.as_ref().map_or("-", |identity| identity.credential.as_str());
                let reported = reported.map(|rejection| format!(" ({})", rejection.reason())).unwrap_or_default();
                format!("{who}{reported}")
            }
            Err(rejection) => format!("{} {}", rejection.status().as_u16(), rejection.reason()),
        })
    }

    async fn row(&self, name: &str, headers: &Headers, with_certificate: bool) -> Outcome<String> {
        let mut row = format!("{name}\n");
        for route in ROUTES {
            writeln!(row, "    {route:9} {}", self.knock(route, headers, with_certificate).await?)?;
        }
        Ok(row)
    }
}

async fn open(file: &Path) -> Outcome<(Gateway, Memory)> {
    let config = config::load(file)?.config;
    let clock: SharedClock = Arc::new(ManualClock::at(Timestamp::from_seconds(at(NOW).seconds())));
    let memory = Memory::open(&config, &clock).await?;
    let telemetry = Telemetry::start(std::io::sink())?;
    let plan = plan::compile(config).map_err(|problems| format!("{problems:?}"))?;
    Ok((plan.gateway(&memory, &telemetry)?, memory))
}

/// A certificate of its own making, which the listener would take as server's, authority and client's alike.
fn certificate(folder: &Path) -> Outcome<Vec<u8>> {
    let pair = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new(vec!["app.example".to_owned()])?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "robot-7");
    let certificate = parameters.self_signed(&pair)?;
    std::fs::write(folder.join("c.pem"), certificate.pem())?;
    std::fs::write(folder.join("c.key"), pair.serialize_pem())?;
    Ok(certificate.der().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_where() -> Outcome {
    let stage = Stage::set().await?;
    let mut table = String::new();
    for (name, headers) in &stage.callers {
        table += &stage.row(name, headers, false).await?;
    }
    table += &stage.row("certificate", &Headers::new(), true).await?;
    let session = vec![("cookie", "__Host-doorward=session".to_owned())];
    table += &stage.row("certificate and session", &session, true).await?;
    insta::assert_snapshot!(table);
    // Answers from memory are the same.
    for (name, headers) in &stage.callers {
        let row = stage.row(name, headers, false).await?;
        assert!(table.contains(&row), "{row}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_came_a_moment_ago_is_nobody_elses_and_ends_when_it_is_revoked() -> Outcome {
    let stage = Stage::set().await?;
    let with = |id: &str| vec![("x-client-id", id.to_owned()), ("x-client-secret", "s3cret".to_owned())];
    for _ in 0..3 {
        assert_eq!(stage.knock("required", &with("robot"), false).await?, "client_secret");
        assert_eq!(stage.knock("required", &with("nobody"), false).await?, "401 unknown");
    }
    stage.memory.directory.revoke_program(ProgramKind::Client, "robot", at(NOW)).await?;
    stage.gateway.authn.forget(&doorward::model::Change::Program(ProgramKind::Client, "robot".to_owned()));
    assert_eq!(stage.knock("required", &with("robot"), false).await?, "401 revoked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_is_refused_at_the_next_request() -> Outcome {
    let stage = Stage::set().await?;
    let caller = |wanted: &str| stage.callers.iter().find(|(name, _)| *name == wanted).map(|(_, headers)| headers.clone());
    let (key, session) = (caller("api key").unwrap_or_default(), caller("session").unwrap_or_default());
    // The third is known from a moment ago, the second from the cache.
    for _ in 0..3 {
        assert_eq!(stage.knock("required", &key, false).await?, "api_key");
        assert_eq!(stage.knock("required", &session, false).await?, "session");
    }
    let id = token::api_key_id(&key[0].1).unwrap_or_default();
    stage.memory.directory.revoke_program(ProgramKind::ApiKey, id, at(NOW)).await?;
    let found = stage.memory.sessions.find(&Digest::of(b"session")).await?.ok_or("no session")?;
    assert!(stage.memory.sessions.end(&found.handle, at(NOW)).await?);
    let mut changes = stage.memory.bus().subscribe();
    stage.gateway.authn.forget(&doorward::model::Change::Program(ProgramKind::ApiKey, id.to_owned()));
    stage.gateway.authn.forget(&doorward::model::Change::Session(found.digest));
    assert_eq!(stage.knock("required", &key, false).await?, "401 revoked");
    assert_eq!(stage.knock("required", &session, false).await?, "401 identity_needed");
    // Somebody else's sign-in is untouched, until the person is.
    let other = caller("session with mfa").unwrap_or_default();
    for _ in 0..3 {
        assert_eq!(stage.knock("mfa", &other, false).await?, "session");
    }
    let person = stage.memory.directory.user(found.user).await?.ok_or("no person")?;
    stage.memory.directory.update_user(&User { active: false, ..person }).await?;
    while let Some(change) = changes.next().await {
        stage.gateway.authn.forget(&change);
        if change == doorward::model::Change::User(found.user) {
            break;
        }
    }
    assert_eq!(stage.knock("mfa", &other, false).await?, "401 identity_needed");
    Ok(())
}
