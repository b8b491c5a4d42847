//! Tokens made here and keys served from here.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::Span;
use crate::config::access::BearerClaims;
use crate::model::TenantId;

mod wycheproof;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const AUDIENCE: &str = "api://app";

/// Somebody who signs tokens.
struct Signer {
    id: &'static str,
    key: EncodingKey,
    public: String,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let public = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
        Self { id, key: EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap(), public }
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": self.public })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// A token with any header, as an attacker could write one with a key of their own.
    fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }
}

/// An issuer that can rotate its keys, count who asks for them, and be down.
struct FakeIssuer {
    name: String,
    keys: Mutex<Vec<Value>>,
    asked: AtomicU32,
    down: AtomicBool,
    /// Says it is somebody else.
    impostor: AtomicBool,
}

impl FakeIssuer {
    async fn start(keys: &[&Signer]) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            name: format!("http://{}", listener.local_addr().unwrap()),
            keys: Mutex::default(),
            asked: AtomicU32::new(0),
            down: AtomicBool::new(false),
            impostor: AtomicBool::new(false),
        });
        issuer.publish(keys);
        let server = Arc::clone(&issuer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let answer = server.answer(&String::from_utf8_lossy(&head[..read]));
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        issuer
    }

    fn publish(&self, keys: &[&Signer]) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys.iter().map(|key| key.jwk()).collect();
    }

    fn answer(&self, head: &str) -> String {
        let body = if head.starts_with("GET /.well-known/openid-configuration ") {
            let name = if self.impostor.load(Ordering::Relaxed) { "https://other.example" } else { &self.name };
            json!({ "issuer": name, "jwks_uri": format!("{}/keys", self.name) }).to_string()
        } else {
            self.asked.fetch_add(1, Ordering::Relaxed);
            json!({ "keys": *self.keys.lock().unwrap_or_else(PoisonError::into_inner) }).to_string()
        };
        let status = if self.down.load(Ordering::Relaxed) { "503 Down" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn tokens(&self) -> Tokens {
        self.tokens_with(|_| {})
    }

    fn tokens_with(&self, change: impl FnOnce(&mut Bearer)) -> Tokens {
        let mut bearer = Bearer {
            issuer: self.name.clone(),
            audiences: vec![AUDIENCE.to_owned()],
            jwks: None,
            clock_skew: Span::seconds(60),
            claims: BearerClaims::default(),
            require_access_token_type: false,
            tenant: TenantId::default(),
            trust_unverified_email: false,
            mfa: None,
            programs_only: false,
            introspection: None,
            ca: None,
        };
        change(&mut bearer);
        let mut problems = Problems::default();
        let issuer = compile(&bearer, &Path::root(), &mut problems).unwrap_or_else(|| panic!("{problems:?}"));
        let issuers = Issuers([(self.name.clone(), vec![issuer])].into());
        Tokens::new(issuers, Arc::new(Roles::default()), Arc::default(), Arc::new(FailureLimit::new(20)))
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.name, "aud": AUDIENCE, "sub": "ada", "iat": NOW.seconds(), "exp": NOW.seconds() + 300 })
    }

    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }
}

impl Tokens {
    /// Checks a token that has a signature, without remembering anything.
    async fn check(&self, token: &str, now: Timestamp) -> Result<Known, AuthnError> {
        if token.len() > jws::LARGEST {
            return Err(refused(Reason::TooLarge));
        }
        let Way::Signed { jws, claims, issuer, keys } = self.way(token).map_err(refused)? else {
            panic!("{token} has to be asked about")
        };
        check_signature(&jws, issuer, keys, now).await?;
        self.known(&claims, issuer, now).map_err(refused)
    }
}

fn reason(answer: Result<Known, AuthnError>) -> Option<Reason> {
    match answer {
        Ok(_) => None,
        Err(AuthnError::Refused { reason, .. }) => Some(reason),
        Err(other) => panic!("{other:?}"),
    }
}

fn is_unavailable(answer: &Result<Known, AuthnError>) -> bool {
    matches!(answer, Err(AuthnError::Unavailable { .. }))
}

fn later(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_cold_requests_fetch_the_keys_once() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let (tokens, token) = (Arc::new(issuer.tokens()), signer.sign(&issuer.claims()));
    let checks: Vec<_> = (0..200)
        .map(|_| {
            let (tokens, token) = (Arc::clone(&tokens), token.clone());
            tokio::spawn(async move { reason(tokens.check(&token, NOW).await) })
        })
        .collect();
    for check in checks {
        assert_eq!(check.await.unwrap(), None);
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_random_key_ids_cause_no_flood() {
    let (old, new, stranger) = (Signer::new("old"), Signer::new("new"), Signer::new("stranger"));
    let issuer = FakeIssuer::start(&[&old]).await;
    let tokens = issuer.tokens();
    assert_eq!(reason(tokens.check(&old.sign(&issuer.claims()), NOW).await), None);
    issuer.publish(&[&new]);
    assert_eq!(reason(tokens.check(&new.sign(&issuer.claims()), NOW).await), None);
    assert_eq!(issuer.asked(), 2);
    for _ in 0..100 {
        assert_eq!(reason(tokens.check(&stranger.sign(&issuer.claims()), later(29)).await), Some(Reason::UnknownKey));
    }
    assert_eq!(issuer.asked(), 2, "asked again within 30 seconds");
    assert_eq!(reason(tokens.check(&stranger.sign(&issuer.claims()), later(31)).await), Some(Reason::UnknownKey));
    assert_eq!(issuer.asked(), 3);
    assert_eq!(reason(tokens.check(&old.sign(&issuer.claims()), later(31)).await), Some(Reason::UnknownKey), "a withdrawn key");
}

/// RFC 7517 §4.5: a key need not have a name, and then none says that it was replaced.
#[tokio::test]
async fn a_key_without_a_name_is_replaced_at_once_and_forged_signatures_cause_no_flood() {
    let (old, new, stranger) = (Signer::new("old"), Signer::new("new"), Signer::new("stranger"));
    for (key_names, token_names) in [(false, false), (true, false), (false, true)] {
        let issuer = FakeIssuer::start(&[]).await;
        let publish = |key: &Signer| {
            let mut jwk = key.jwk();
            if !key_names {
                jwk.as_object_mut().unwrap().remove("kid");
            }
            *issuer.keys.lock().unwrap_or_else(PoisonError::into_inner) = vec![jwk];
        };
        let token = |key: &Signer| {
            if token_names {
                key.sign(&issuer.claims())
            } else {
                key.sign_with_header(&json!({ "alg": "EdDSA" }), &issuer.claims())
            }
        };
        publish(&old);
        let tokens = issuer.tokens();
        assert_eq!(reason(tokens.check(&token(&old), NOW).await), None);
        publish(&new);
        assert_eq!(reason(tokens.check(&token(&new), NOW).await), None, "{key_names} {token_names}");
        assert_eq!(issuer.asked(), 2);
        for _ in 0..100 {
            assert_eq!(reason(tokens.check(&token(&stranger), later(29)).await), Some(Reason::Signature));
        }
        assert_eq!(issuer.asked(), 2, "asked again within 30 seconds");
        assert_eq!(reason(tokens.check(&token(&old), later(31)).await), Some(Reason::Signature), "a withdrawn key");
        assert_eq!(issuer.asked(), 3);
    }
    // One with a name is not looked for elsewhere.
    let issuer = FakeIssuer::start(&[&old]).await;
    let tokens = issuer.tokens();
    let forged = stranger.sign_with_header(&json!({ "alg": "EdDSA", "kid": "old" }), &issuer.claims());
    assert_eq!(reason(tokens.check(&forged, NOW).await), Some(Reason::Signature));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn good_keys_outlive_a_dead_issuer_for_a_day() {
    let (signer, unknown) = (Signer::new("a"), Signer::new("b"));
    let issuer = FakeIssuer::start(&[&signer]).await;
    let tokens = issuer.tokens();
    let endless = issuer.claims_with("exp", json!(NOW.seconds() + 1_000_000));
    assert_eq!(reason(tokens.check(&signer.sign(&endless), NOW).await), None);
    issuer.down.store(true, Ordering::Relaxed);
    assert_eq!(reason(tokens.check(&signer.sign(&endless), later(23 * 3600)).await), None);
    let doubtful = tokens.check(&unknown.sign(&endless), later(23 * 3600)).await;
    assert!(is_unavailable(&doubtful), "a key that may be new cannot be judged while the issuer is down: {doubtful:?}");
    assert!(is_unavailable(&tokens.check(&signer.sign(&endless), later(25 * 3600)).await));
}

#[tokio::test]
async fn an_unreachable_issuer_is_unavailable_and_asked_again_after_five_seconds() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    issuer.down.store(true, Ordering::Relaxed);
    let (tokens, token) = (issuer.tokens(), signer.sign(&issuer.claims()));
    assert!(is_unavailable(&tokens.check(&token, NOW).await));
    issuer.down.store(false, Ordering::Relaxed);
    assert!(is_unavailable(&tokens.check(&token, later(4)).await), "asked again too soon");
    assert_eq!(reason(tokens.check(&token, later(6)).await), None);
}

#[tokio::test]
async fn metadata_of_another_issuer_gives_no_keys() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    issuer.impostor.store(true, Ordering::Relaxed);
    assert!(is_unavailable(&issuer.tokens().check(&signer.sign(&issuer.claims()), NOW).await));
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test]
async fn a_reload_keeps_the_keys_though_the_issuer_is_down() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let (before, after) = (issuer.tokens(), issuer.tokens());
    assert_eq!(reason(before.check(&signer.sign(&issuer.claims()), NOW).await), None);
    issuer.down.store(true, Ordering::Relaxed);
    after.inherit(&before);
    assert_eq!(reason(after.check(&signer.sign(&issuer.claims()), NOW).await), None);
}

#[tokio::test]
async fn a_claim_that_is_missing_wrong_or_of_another_type_is_refused() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let tokens = issuer.tokens();
    let now = NOW.seconds();
    for (name, value, expected) in [
        ("exp", json!(now - 61), Some(Reason::Expired)),
        ("exp", json!(now - 59), None),
        ("exp", json!(1.8e9 + 0.5), None),
        ("exp", json!((now + 300).to_string()), Some(Reason::Claims)),
        ("exp", json!(1e300), Some(Reason::Claims)),
        ("exp", json!(-1), Some(Reason::Claims)),
        ("exp", json!(true), Some(Reason::Claims)),
        ("exp", Value::Null, Some(Reason::Claims)),
        ("nbf", json!(now + 61), Some(Reason::NotYetValid)),
        ("nbf", json!(now + 59), None),
        ("nbf", json!("0"), Some(Reason::Claims)),
        ("iat", json!(now + 3600), Some(Reason::NotYetValid)),
        ("iat", json!([now]), Some(Reason::Claims)),
        ("iss", json!("https://evil.example"), Some(Reason::UnknownIssuer)),
        ("iss", json!(format!("{}/", issuer.name)), Some(Reason::UnknownIssuer)),
        ("iss", json!([issuer.name]), Some(Reason::Claims)),
        ("iss", Value::Null, Some(Reason::Claims)),
        ("aud", json!("api://app/more"), Some(Reason::Audience)),
        ("aud", json!(["api://other", AUDIENCE]), None),
        ("aud", json!([1, AUDIENCE]), Some(Reason::Claims)),
        ("aud", json!({ AUDIENCE: true }), Some(Reason::Claims)),
        ("aud", json!([]), Some(Reason::Audience)),
        ("aud", Value::Null, Some(Reason::Audience)),
        ("sub", Value::Null, Some(Reason::Claims)),
        ("sub", json!(""), Some(Reason::Claims)),
        ("sub", json!("ada\r\nx-role: admin"), Some(Reason::Claims)),
        ("sub", json!(7), Some(Reason::Claims)),
        ("groups", json!({ "admin": true }), Some(Reason::Claims)),
        ("groups", json!(["staff", 3]), Some(Reason::Claims)),
        ("scope", json!(true), Some(Reason::Claims)),
        ("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} }), Some(Reason::TokenType)),
        ("typ", json!("ID"), Some(Reason::TokenType)),
        ("typ", json!("Bearer"), None),
        ("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }), Some(Reason::SenderConstrained)),
    ] {
        let token = signer.sign(&issuer.claims_with(name, value.clone()));
        assert_eq!(reason(tokens.check(&token, NOW).await), expected, "{name} = {value}");
    }
}

#[tokio::test]
async fn a_header_cannot_choose_how_the_token_is_checked() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let issuer = FakeIssuer::start(&[&signer]).await;
    let tokens = issuer.tokens();
    let claims = issuer.claims();
    for (header, expected) in [
        (json!({ "alg": "EdDSA", "kid": "a" }), None),
        (json!({ "alg": "EdDSA", "kid": "a", "typ": "application/AT+JWT" }), None),
        (json!({ "alg": "EdDSA", "kid": "a", "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/" }), None),
        (json!({ "alg": "EdDSA" }), None),
        (json!({ "alg": "none", "kid": "a" }), Some(Reason::Algorithm)),
        (json!({ "alg": "HS256", "kid": "a" }), Some(Reason::Algorithm)),
        (json!({ "alg": "eddsa", "kid": "a" }), Some(Reason::Algorithm)),
        (json!({ "alg": "RS256", "kid": "a" }), Some(Reason::UnknownKey)),
        (json!({ "kid": "a" }), Some(Reason::Malformed)),
        (json!(["EdDSA", "a", "JWT"]), Some(Reason::Malformed)),
        (json!({ "alg": "EdDSA", "kid": "a", "crit": ["exp"] }), Some(Reason::CriticalHeader)),
        (json!({ "alg": "EdDSA", "kid": "a", "crit": null }), Some(Reason::CriticalHeader)),
        (json!({ "alg": "EdDSA", "kid": "a", "b64": false }), Some(Reason::CriticalHeader)),
        (json!({ "alg": "EdDSA", "kid": "a", "typ": "logout+jwt" }), Some(Reason::TokenType)),
        (json!({ "alg": "EdDSA", "kid": "a", "typ": "dpop+jwt" }), Some(Reason::TokenType)),
        (json!({ "alg": "EdDSA", "kid": "a".repeat(129) }), Some(Reason::Malformed)),
    ] {
        let token = signer.sign_with_header(&header, &claims);
        assert_eq!(reason(tokens.check(&token, NOW).await), expected, "{header}");
    }
    let embedded = stranger.sign_with_header(&json!({ "alg": "EdDSA", "kid": "a", "jwk": stranger.jwk() }), &claims);
    assert_eq!(reason(tokens.check(&embedded, NOW).await), Some(Reason::Signature));
    let strict = issuer.tokens_with(|bearer| bearer.require_access_token_type = true);
    assert_eq!(reason(strict.check(&signer.sign(&claims), NOW).await), Some(Reason::TokenType));
}

#[tokio::test]
async fn a_token_of_another_shape_or_size_is_refused() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let (tokens, token) = (issuer.tokens(), signer.sign(&issuer.claims()));
    let large = signer.sign(&issuer.claims_with("padding", json!("x".repeat(16 * 1024))));
    for (odd, expected) in [
        (String::new(), Reason::Malformed),
        ("..".to_owned(), Reason::Malformed),
        (".".repeat(10_000), Reason::Malformed),
        (format!("{token}."), Reason::Malformed),
        (format!("{token}.e30"), Reason::Malformed),
        (format!("{token}=="), Reason::Signature),
        (format!("{token}\u{e9}"), Reason::Signature),
        (token.rsplit_once('.').map(|(message, _)| format!("{message}.")).unwrap(), Reason::Signature),
        (large, Reason::TooLarge),
    ] {
        assert_eq!(reason(tokens.check(&odd, NOW).await), Some(expected), "{odd:.80}");
    }
}

#[tokio::test]
async fn claims_become_an_identity() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let tokens = issuer.tokens_with(|bearer| {
        bearer.claims.groups = "https://app.example/groups".to_owned();
        bearer.claims.name = "profile.display".to_owned();
    });
    let mut claims = issuer.claims_with("scope", json!("api:read api:write"));
    claims["email"] = json!("Ada@ACME.example");
    claims["email_verified"] = json!(true);
    claims["https://app.example/groups"] = json!(["staff"]);
    claims["profile"] = json!({ "display": "Ada L." });
    let check = async |claims: &Value| tokens.check(&signer.sign(claims), NOW).await.unwrap().identity;
    let identity = check(&claims).await;
    assert_eq!((identity.subject.as_str(), identity.email.as_deref()), ("ada", Some("Ada@acme.example")));
    assert_eq!((identity.name.as_deref(), identity.groups.as_slice()), (Some("Ada L."), ["staff".to_owned()].as_slice()));
    assert_eq!(identity.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["api:read", "api:write"]);
    // A tenant of Microsoft's may write anybody's address there, and nothing is said of it then.
    let vouching = issuer.tokens_with(|bearer| bearer.trust_unverified_email = true);
    for unverified in [Value::Null, json!(false), json!("false"), json!(0)] {
        claims["email_verified"] = unverified.clone();
        assert_eq!(check(&claims).await.email, None, "{unverified}");
        let trusted = vouching.check(&signer.sign(&claims), NOW).await.unwrap().identity;
        assert_eq!(trusted.email.as_deref(), Some("Ada@acme.example"), "{unverified}");
    }
    claims["email_verified"] = json!(true);
    claims["scope"] = json!(["api:read"]);
    let identity = check(&claims).await;
    assert!(identity.email.is_some() && identity.scopes.len() == 1);
}

#[tokio::test]
async fn a_token_is_a_persons_unless_it_says_that_a_client_got_it_for_itself() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let tokens = issuer.tokens();
    let check = async |claims: &Value| tokens.check(&signer.sign(claims), NOW).await.unwrap().identity;
    assert!(check(&issuer.claims()).await.is_person);
    for (name, value, person) in [
        ("client_id", json!("ada"), false),
        ("azp", json!("ada"), false),
        ("cid", json!("ada"), false),
        ("appid", json!("ada"), false),
        ("client_id", json!("browser"), true),
        ("client_id", json!(["ada"]), true),
        ("gty", json!("client-credentials"), false),
        ("gty", json!("password"), true),
        ("idtyp", json!("app"), false),
        ("idtyp", json!("user"), true),
    ] {
        assert_eq!(check(&issuer.claims_with(name, value.clone())).await.is_person, person, "{name} = {value}");
    }
    let machines = issuer.tokens_with(|bearer| bearer.programs_only = true);
    assert!(!machines.check(&signer.sign(&issuer.claims()), NOW).await.unwrap().identity.is_person);
}

#[tokio::test]
async fn a_token_proves_a_second_factor_in_the_words_that_its_issuer_is_known_to_use() {
    let signer = Signer::new("a");
    let issuer = FakeIssuer::start(&[&signer]).await;
    let (usual, own) =
        (issuer.tokens(), issuer.tokens_with(|bearer| bearer.mfa = serde_yaml::from_str("{ amr: [hwk], acr: [gold] }").unwrap()));
    for (name, value, by_usual, by_own) in [
        ("amr", json!(["pwd"]), false, false),
        ("amr", json!(["pwd", "mfa"]), true, false),
        ("amr", json!(["hwk"]), false, true),
        ("acr", json!("gold"), false, true),
        ("acr", json!("https://refeds.org/profile/mfa"), true, false),
        ("acr", json!(["gold"]), false, false),
    ] {
        let token = signer.sign(&issuer.claims_with(name, value.clone()));
        for (tokens, proved) in [(&usual, by_usual), (&own, by_own)] {
            assert_eq!(tokens.check(&token, NOW).await.unwrap().identity.mfa, proved, "{name} = {value}");
        }
    }
}
