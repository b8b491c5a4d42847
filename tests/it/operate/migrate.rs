//! `doorward migrate oauth2-proxy`: its published examples, every provider, what is wrong and exactly what is said about it, and a door
//! that runs with what came of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::door::doorward;
use crate::support::{Door, curl, free_port, part};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oauth2-proxy")
}

/// Runs it in a folder.
#[track_caller]
fn migrate(folder: &Path, arguments: &[&str]) -> Output {
    doorward(&["migrate", "oauth2-proxy"]).args(arguments).current_dir(folder).output().unwrap()
}

/// What it says as JSON.
#[track_caller]
fn told(folder: &Path, arguments: &[&str]) -> Value {
    let output = migrate(folder, &[&["--json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What `doorward check` says about a configuration in `folder`.
#[track_caller]
fn check(folder: &Path, configuration: &str) -> Value {
    fs::write(folder.join("doorward.yaml"), configuration).unwrap();
    let output = doorward(&["check", "--json", "--config", "doorward.yaml"]).current_dir(folder).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The configuration, once `check` has nothing against it.
#[track_caller]
fn sound(folder: &Path, arguments: &[&str]) -> (serde_yaml::Value, Value) {
    let told = told(folder, arguments);
    assert_eq!(told["ok"], true, "{arguments:?}: {told:#}");
    let text = told["configuration"].as_str().unwrap();
    let checked = check(folder, text);
    assert_eq!(checked["ok"], true, "{arguments:?}: {checked:#}\n{text}");
    (serde_yaml::from_str(text).unwrap(), told["remarks"].clone())
}

fn remarks_about<'r>(remarks: &'r Value, option: &str) -> Vec<&'r str> {
    let found = remarks.as_array().unwrap().iter().filter(|remark| remark["option"] == option);
    found.map(|remark| remark["text"].as_str().unwrap()).collect()
}

#[test]
fn every_published_example_becomes_a_configuration_that_check_passes() {
    let folder = TempDir::new().unwrap();
    let examples = fixtures().join("examples");
    let at = |name: &str| examples.join(name).display().to_string();
    let client = ["--client-id=an-id", "--client-secret=a-secret", "--email-domain=*"];
    let mut seen = 0;
    for (file, further) in [
        ("oauth2-proxy.cfg", &[][..]),
        ("oauth2-proxy-gitea.cfg", &[]),
        ("oauth2-proxy-keycloak.cfg", &[]),
        ("oauth2-proxy-nginx.cfg", &[]),
        ("oauth2-proxy-traefik.cfg", &[]),
        ("oauth2-proxy-kubernetes.cfg", &[]),
        ("oauth2-proxy.cfg.example", &client),
    ] {
        let file = at(file);
        let mut arguments = vec!["--cfg", file.as_str(), "--public-url", "https://app.example.com", "--"];
        arguments.extend(further);
        sound(folder.path(), &arguments);
        seen += 1;
    }
    let (core, alpha) = (at("oauth2-proxy-alpha-config.cfg"), at("oauth2-proxy-alpha-config.yaml"));
    let (made, _) = sound(folder.path(), &["--", &format!("--config={core}"), "--alpha-config", &alpha]);
    assert_eq!(made["public_url"], "http://oauth2-proxy.localtest.me:4180");
    assert_eq!(made["listeners"][0]["address"], "0.0.0.0:4180");
    assert_eq!(made["upstream"]["url"], "http://httpbin");
    assert_eq!(made["connections"][0]["oidc"]["issuer"], "https://dex.localtest.me:5556/dex", "a provider is asked by HTTPS");
    assert_eq!(made["identity_headers"]["presets"], serde_yaml::Value::Sequence(Vec::new()));
    assert_eq!(made["identity_headers"]["custom"]["X-Forwarded-User"], "{provider_subject}");
    seen += 2;
    let published = fs::read_dir(&examples).unwrap().filter(|file| file.as_ref().unwrap().file_name() != "LICENSE").count();
    assert_eq!(seen, published, "each file of examples/ is tried");
}

const COMMON: [&str; 8] = [
    "--",
    "--client-id=an-id",
    "--client-secret=a-secret",
    "--email-domain=example.com",
    "--cookie-secret=0123456789abcdef0123456789abcdef",
    "--redirect-url=https://app.example.com/oauth2/callback",
    "--upstream=http://127.0.0.1:3000/",
    "--http-address=127.0.0.1:4180",
];

#[track_caller]
fn with(folder: &Path, further: &[&str]) -> (serde_yaml::Value, Value) {
    sound(folder, &[&COMMON[..], further].concat())
}

/// The flags are those of oauth2-proxy's documentation of each provider.
#[test]
fn every_provider_becomes_a_connection_that_check_passes() {
    let folder = TempDir::new().unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    let keycloak = "https://login.example.com/realms/one";
    let tenant = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    let issuer = format!("--oidc-issuer-url={keycloak}");
    let entra = format!("--oidc-issuer-url={tenant}");
    let login = format!("--login-url={keycloak}/protocol/openid-connect/auth");
    for (provider, further, kind, expected) in [
        ("oidc", &[issuer.as_str()][..], "oidc", &[("issuer", keycloak)][..]),
        ("cidaas", &[&issuer], "oidc", &[("issuer", keycloak)]),
        ("adfs", &[&issuer], "oidc", &[("issuer", keycloak)]),
        ("keycloak-oidc", &[&issuer], "oidc", &[("issuer", keycloak), ("provider", "keycloak")]),
        ("keycloak", &[&login], "oidc", &[("issuer", keycloak), ("provider", "keycloak")]),
        ("entra-id", &[&entra], "oidc", &[("issuer", tenant), ("provider", "entra")]),
        ("azure", &["--azure-tenant=72f988bf-86f1-41af-91ab-2d7cd011db47"], "oidc", &[("issuer", tenant), ("provider", "entra")]),
        ("google", &[], "oidc", &[("provider", "google")]),
        ("gitlab", &[], "oidc", &[("issuer", "https://gitlab.com")]),
        ("linkedin", &[], "oidc", &[("issuer", "https://www.linkedin.com/oauth")]),
        (
            "login.gov",
            &["--jwt-key-file=key.pem"],
            "oidc",
            &[("issuer", "https://secure.login.gov/"), ("client_auth", "private_key_jwt")],
        ),
        ("github", &[], "oauth2", &[("provider", "github")]),
        ("bitbucket", &[], "oauth2", &[("userinfo_endpoint", "https://api.bitbucket.org/2.0/user")]),
        ("digitalocean", &[], "oauth2", &[("userinfo_endpoint", "https://api.digitalocean.com/v2/account")]),
        ("facebook", &[], "oauth2", &[("token_endpoint", "https://graph.facebook.com/v2.5/oauth/access_token")]),
        (
            "nextcloud",
            &[
                "--login-url=https://cloud.example.com/index.php/apps/oauth2/authorize",
                "--redeem-url=https://cloud.example.com/index.php/apps/oauth2/api/v1/token",
                "--validate-url=https://cloud.example.com/ocs/v2.php/cloud/user?format=json",
            ],
            "oauth2",
            &[("userinfo_endpoint", "https://cloud.example.com/ocs/v2.php/cloud/user?format=json")],
        ),
    ] {
        let provider = format!("--provider={provider}");
        let (made, _) = with(folder.path(), &[&[provider.as_str()], further].concat());
        let section = &made["connections"][0][kind];
        for (key, value) in expected {
            assert_eq!(section[*key], *value, "{provider}");
        }
        assert_eq!(made["compatibility"]["oauth2_proxy"]["connection"], made["connections"][0]["id"], "{provider}");
        assert!(made["connections"][0]["provision"].is_null(), "{provider}");
    }
    let unread = told(folder.path(), &[&COMMON[..], &["--provider=sourcehut"]].concat());
    assert_eq!(unread["ok"], false, "{unread:#}");
}

/// oauth2-proxy answers the first of its pages that has the path.
#[test]
fn of_two_pages_at_one_address_one_is_carried_over_and_the_other_said() {
    let folder = TempDir::new().unwrap();
    let with = |further: &[&str]| with(folder.path(), &[&["--provider=github"], further].concat());
    for (further, left_out, told) in [
        (["--ping-path=/healthz", "--ready-path=/healthz"], "ready", "--ready-path"),
        (["--ping-path=/oauth2/start", "--ready-path=/ready"], "ping", "--ping-path"),
        (["--ping-path=/robots.txt", "--ready-path=/ready"], "ping", "--ping-path"),
        (["--ping-path=/ping", "--ready-path=/is ready"], "ready", "--ready-path"),
    ] {
        let (made, remarks) = with(&further);
        let kept = made["compatibility"]["oauth2_proxy"].as_mapping().unwrap();
        assert!(kept.get(left_out).is_some_and(serde_yaml::Value::is_null), "{further:?}: {kept:?}");
        assert_eq!(remarks_about(&remarks, told).len(), 1, "{further:?}: {remarks:#}");
    }
    let (made, _) = with(&["--ping-path=/ready", "--ready-path=/ping"]);
    assert_eq!(made["compatibility"]["oauth2_proxy"]["ping"], "/ready");
    let bad = told(folder.path(), &[&COMMON[..], &["--provider=github", "--proxy-prefix=/"]].concat());
    assert_eq!(bad["ok"], false, "{bad:#}");
}

/// The five without which a question is refused (`login::outer`).
#[test]
fn what_nginx_has_to_say_with_a_question_is_told_where_a_proxy_is_in_front() {
    let folder = TempDir::new().unwrap();
    let (_, remarks) = with(folder.path(), &["--provider=github", "--reverse-proxy", "--trusted-proxy-ip=127.0.0.1"]);
    let told = remarks_about(&remarks, "--reverse-proxy").join("\n");
    for name in ["Uri $request_uri", "Method $request_method", "Host $http_host", "Proto $scheme", "For $remote_addr"] {
        assert!(told.contains(&format!("proxy_set_header X-Forwarded-{name};")), "{name}: {remarks:#}");
    }
    assert!(told.contains("location = /oauth2/auth"), "{told}");
    let (_, remarks) = with(folder.path(), &["--provider=github"]);
    assert!(!remarks.to_string().contains("proxy_set_header"), "nobody is in front: {remarks:#}");
}

/// Whom oauth2-proxy kept out is kept out by what came of it.
#[test]
fn a_restriction_that_cannot_be_said_lets_nobody_in_who_was_not_invited() {
    let folder = TempDir::new().unwrap();
    let issuer = "--oidc-issuer-url=https://login.example.com";
    for further in [
        &["--provider=github", "--github-org=acme"][..],
        &["--provider=github", "--github-team=ops"],
        &["--provider=github", "--github-repo=acme/app", "--github-token=x"],
        &["--provider=github", "--github-user=octocat"],
        &["--provider=gitlab", "--gitlab-project=group/project"],
        &["--provider=google", "--google-group=ops@example.com", "--google-admin-email=a@example.com"],
        &["--provider=bitbucket", "--bitbucket-team=ops"],
        &["--provider=bitbucket", "--bitbucket-repository=a/b"],
        &["--provider=entra-id", "--entra-id-allowed-tenant=72f988bf-86f1-41af-91ab-2d7cd011db47", issuer],
        &["--provider=keycloak-oidc", "--allowed-role=admin", issuer],
        &["--provider=oidc", "--authenticated-emails-file=emails.txt", issuer],
    ] {
        let (made, remarks) = with(folder.path(), further);
        assert_eq!(made["connections"][0]["provision"], "invited", "{further:?}");
        assert!(!made["store"].is_null(), "who is invited is kept somewhere: {further:?}");
        let said = remarks.as_array().unwrap().iter().any(|remark| remark["kind"] == "unsupported");
        assert!(said, "{further:?}: {remarks:#}");
    }
    // Of several domains, what cannot be named is not let in.
    let wild =
        ["--", "--client-id=i", "--redirect-url=https://a.example/", "--email-domain=.example.com", "--provider=oidc", issuer];
    let (made, _) = sound(folder.path(), &wild);
    assert_eq!(made["connections"][0]["provision"], "invited");
}

#[test]
fn groups_upstreams_and_open_paths_become_routes_that_open_no_more() {
    let folder = TempDir::new().unwrap();
    let (made, remarks) = with(
        folder.path(),
        &[
            "--provider=oidc",
            "--oidc-issuer-url=https://login.example.com",
            "--allowed-group=ops,dev",
            "--upstream=http://127.0.0.1:4000/api/",
            "--skip-auth-route=GET=^/health$",
            "--skip-auth-route=^/api/public/",
            "--skip-auth-route=/anywhere",
            "--skip-auth-regex=^/static",
            "--skip-auth-preflight",
        ],
    );
    let routes: Vec<Value> =
        made["routes"].as_sequence().unwrap().iter().map(|route| serde_json::to_value(route).unwrap()).collect();
    let api = json!({ "url": "http://127.0.0.1:4000" });
    let expected = [
        json!({ "path": "/static", "access": "optional" }),
        json!({ "path": "/health", "methods": ["GET"], "access": "optional" }),
        json!({ "path": "/api/public", "groups": ["ops", "dev"], "upstream": api }),
        json!({ "path": "/api/public/**", "access": "optional", "upstream": api }),
        json!({ "path": "/static/**", "access": "optional" }),
        json!({ "path": "/api/**", "methods": ["OPTIONS"], "access": "optional", "upstream": api }),
        json!({ "path": "/**", "methods": ["OPTIONS"], "access": "optional" }),
        json!({ "path": "/api/**", "groups": ["ops", "dev"], "upstream": api }),
        json!({ "path": "/**", "groups": ["ops", "dev"] }),
    ];
    assert_eq!(routes, expected, "{}", serde_json::to_string_pretty(&routes).unwrap());
    assert!(remarks_about(&remarks, "--skip-auth-route").iter().any(|text| text.contains("`/anywhere` needs a sign-in now")));
    assert!(remarks_about(&remarks, "--skip-auth-regex").iter().any(|text| text.contains("merely begins like this")));

    // Nobody served the rest.
    let only =
        ["--", "--client-id=i", "--redirect-url=https://a.example/", "--email-domain=*", "--upstream=http://127.0.0.1:4000/api/"];
    let (made, _) = sound(folder.path(), &only);
    assert_eq!(made["routes"][1]["access"], "deny");
    assert_eq!(made["routes"][1]["path"], "/**");
}

#[test]
fn a_secret_stays_where_it_was_and_one_in_clear_is_said_to_be() {
    let folder = TempDir::new().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    fs::write(folder.path().join("client"), "from-a-file").unwrap();
    fs::write(folder.path().join("env"), format!("OAUTH2_PROXY_COOKIE_SECRET={secret}\nOAUTH2_PROXY_CLIENT_ID=an-id\n")).unwrap();
    let arguments = [
        "--env-file=env",
        "--",
        "--client-secret-file=client",
        "--email-domain=*",
        "--redirect-url=https://a.example/",
        "--upstream=http://127.0.0.1:1",
    ];
    let kept = told(folder.path(), &arguments);
    let text = kept["configuration"].as_str().unwrap();
    assert!(!kept.to_string().contains(secret), "a secret of the environment is not copied: {text}");
    let made: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    assert_eq!(made["secret_key"]["env"], "OAUTH2_PROXY_COOKIE_SECRET");
    assert_eq!(made["connections"][0]["oidc"]["client_secret"]["file"], "client");
    assert_eq!(made["connections"][0]["oidc"]["client_id"], "an-id");

    let clear = ["--", "--client-id=i", "--client-secret=in-the-clear", "--email-domain=*", "--redirect-url=https://a.example/"];
    let (made, remarks) = sound(folder.path(), &clear);
    assert_eq!(made["connections"][0]["oidc"]["client_secret"], "in-the-clear");
    let about = remarks.as_array().unwrap().iter().filter(|remark| remark["kind"] == "secret");
    assert_eq!(about.filter(|remark| remark["option"] == "--client-secret").count(), 1, "{remarks:#}");
    assert!(!remarks.to_string().contains("in-the-clear"), "{remarks}");

    let (made, remarks) = sound(folder.path(), &[&["--secrets", "kept"], &clear[..]].concat());
    assert_eq!(made["connections"][0]["oidc"]["client_secret"]["file"], "kept/client-secret");
    assert_eq!(fs::read_to_string(folder.path().join("kept/client-secret")).unwrap(), "in-the-clear");
    assert!(remarks.as_array().unwrap().iter().all(|remark| remark["kind"] != "secret"), "{remarks:#}");
    let mode = fs::metadata(folder.path().join("kept/client-secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn no_file_is_written_over_and_nothing_is_written_where_something_is_wrong() {
    let folder = TempDir::new().unwrap();
    let written = [&["--output", "door.yaml"], &COMMON[..]].concat();
    let output = migrate(folder.path(), &written);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let mode = fs::metadata(folder.path().join("door.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the client's secret is in it, in clear");
    assert!(check(folder.path(), &fs::read_to_string(folder.path().join("door.yaml")).unwrap())["ok"].as_bool().unwrap());
    let again = migrate(folder.path(), &written);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("door.yaml is not written"), "{again:?}");
    let wrong = migrate(folder.path(), &[&["--output", "other.yaml"], &COMMON[..], &["--no-such-flag"]].concat());
    assert_eq!(wrong.status.code(), Some(1));
    assert!(!folder.path().join("other.yaml").exists());
}

/// `bad/NAME.*` are mistakes of each source, `bad/NAME.txt` is exactly what is said.
#[test]
fn each_mistake_is_told_with_its_place_and_a_hint_and_all_at_once() {
    let bad = fixtures().join("bad");
    let mut names: Vec<_> =
        fs::read_dir(&bad).unwrap().map(|file| file.unwrap().path()).filter(|path| path.extension().unwrap() != "txt").collect();
    names.sort();
    assert!(names.len() >= 6, "{names:?}");
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = match path.extension().unwrap().to_str().unwrap() {
            "cfg" => "--cfg",
            "yaml" => "--alpha-config",
            "env" => "--env-file",
            "sh" | "service" => "--command",
            other => panic!("{other}"),
        };
        let output = migrate(&bad, &[kind, name, "--public-url", "https://app.example.com"]);
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        assert!(output.stdout.is_empty(), "{name}");
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, expected, "{name}: {said}");
    }
}

/// The published example with addresses of this machine: signing in, the headers, signing out.
#[test]
fn the_door_that_came_of_an_example_signs_people_in_as_oauth2_proxy_did() {
    let port = free_port();
    let own = format!("http://127.0.0.1:{port}");
    let client = json!([{
        "client_id": "oauth2-proxy", "client_secret": "b2F1dGgyLXByb3h5LWNsaWVudC1zZWNyZXQK",
        "redirect_uris": [format!("{own}/oauth2/callback")],
    }]);
    let person = json!([{ "sub": "ada", "password": "pw", "email": "ada@example.com", "email_verified": true, "preferred_username": "lovelace" }]);
    let idp = part("oidc", &["--clients", &client.to_string(), "--users", &person.to_string()]);
    let upstream = part("echo", &[]);
    let here = |text: &str| {
        text.replace("http://oauth2-proxy.localtest.me:4180", &own)
            .replace("0.0.0.0:4180", &format!("127.0.0.1:{port}"))
            .replace("http://dex.localtest.me:5556/dex", idp.ready["issuer"].as_str().unwrap())
            .replace("http://httpbin", &format!("http://127.0.0.1:{}", upstream.port()))
    };
    let examples = fixtures().join("examples");
    let folder = TempDir::new().unwrap();
    for name in ["oauth2-proxy-alpha-config.cfg", "oauth2-proxy-alpha-config.yaml"] {
        fs::write(folder.path().join(name), here(&fs::read_to_string(examples.join(name)).unwrap())).unwrap();
    }
    let (cfg, alpha) = ("oauth2-proxy-alpha-config.cfg", "oauth2-proxy-alpha-config.yaml");
    let told = told(folder.path(), &["--cfg", cfg, "--alpha-config", alpha]);
    assert_eq!(told["ok"], true, "{told:#}");
    let _door = Door::serve(told["configuration"].as_str().unwrap(), |_| {});

    let jar = folder.path().join("jar");
    let jar = jar.to_str().unwrap();
    let ask = |url: &str, more: &[&str]| {
        curl(&[&["--cookie", jar, "--cookie-jar", jar, "-H", "Accept: text/html"], more, &[url]].concat())
    };
    let follow = |mut url: url::Url, mut answer: crate::support::Answer| {
        let mut hops = Vec::new();
        while matches!(answer.status, 301..=308) {
            url = url.join(answer.header("location").unwrap()).unwrap();
            hops.push(url.to_string());
            assert!(hops.len() < 12, "{hops:#?}");
            answer = ask(url.as_str(), &[]);
        }
        (url, answer, hops)
    };
    let start: url::Url = format!("{own}/oauth2/start?rd=/x").parse().unwrap();
    let first = ask(start.as_str(), &[]);
    assert_eq!(first.status, 302);
    let (form, ..) = follow(start, first);
    let action: url::Url = format!("{form}/login").parse().unwrap();
    let sent = ask(action.as_str(), &["-d", "login=ada&password=pw"]);
    let (at, answer, hops) = follow(action, sent);
    assert_eq!((answer.status, at.as_str()), (200, format!("{own}/x").as_str()), "{hops:#?} {}", answer.text());
    assert!(hops.iter().any(|hop| hop.starts_with(&format!("{own}/oauth2/callback?"))), "{hops:#?}");
    let seen = answer.json();
    let header = |name: &str| {
        let found =
            seen["raw_headers"].as_array().unwrap().iter().find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
        found.map(|pair| pair[1].as_str().unwrap().to_owned())
    };
    assert_eq!(header("x-forwarded-user").as_deref(), Some("ada"), "the provider's `sub`");
    assert_eq!(header("x-forwarded-email").as_deref(), Some("ada@example.com"));
    assert_eq!(header("x-forwarded-groups"), None, "the alpha configuration names two headers, and no others are set");
    assert_eq!(header("x-forwarded-roles"), None);
    let expected = json!({ "user": "ada", "email": "ada@example.com", "preferredUsername": "ada@example.com" });
    assert_eq!(ask(&format!("{own}/oauth2/userinfo"), &[]).json(), expected);
    let out = ask(&format!("{own}/oauth2/sign_out?rd=/"), &["-H", "Sec-Fetch-Site: same-origin"]);
    assert_eq!((out.status, out.header("location")), (302, Some(format!("{own}/").as_str())));
    assert_eq!(ask(&format!("{own}/oauth2/userinfo"), &[]).status, 401);
}
