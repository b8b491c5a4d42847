//! The published examples at work: a real proxy in front, a door that it asks, a provider, an application.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::login::house::Person;
use crate::support::free_port;
use crate::support::process::Part;
use crate::support::{Answer, Door, HOST, Process, Site, curl, eventually, part};

/// Which example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Caddy,
    HaProxy,
    Traefik,
    Envoy,
    EnvoyGrpc,
}

pub(super) struct Estate {
    pub(super) kind: Kind,
    pub(super) door: Door,
    pub(super) app: Part,
    site: Site,
    idp: Part,
    proxy: Process,
}

const SECRET: &str = "a-secret-of-some-length";

fn published(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

/// The door of the example, for this site.
fn door(site: &Site, idp: &Part, app: u16) -> Door {
    let configuration = published("forward-auth.yaml")
        .replace("https://app.example.com", &site.origin())
        .replace("127.0.0.1:4180", "127.0.0.1:0")
        .replace("127.0.0.1:4181", "127.0.0.1:0")
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{app}"))
        .replace("https://idp.example.com", idp.ready["issuer"].as_str().unwrap())
        .replace("/var/lib/doorward", "{folder}")
        .replace("/etc/doorward", "{folder}");
    Door::serve(&configuration, |folder| {
        site.furnish(folder);
        fs::write(folder.join("oidc-secret"), SECRET).unwrap();
        let both = ["tls.crt", "tls.key"].map(|name| fs::read_to_string(folder.join(name)).unwrap());
        fs::write(folder.join("tls.pem"), both.concat()).unwrap();
    })
}

fn provider(site: &Site) -> Part {
    let own = site.origin();
    let client = json!([{
        "client_id": "doorward", "client_secret": SECRET, "redirect_uris": [format!("{own}/.doorward/callback/idp")],
        "post_logout_redirect_uris": [format!("{own}/.doorward/signed-out")],
    }]);
    let person = |sub: &str, groups: &[&str]| {
        json!({
            "sub": sub, "password": "pw", "email": format!("{sub}@acme.example"), "email_verified": true,
            "preferred_username": sub, "groups": groups,
        })
    };
    let people = json!([person("ada", &["Platform"]), person("bob", &["Chess"])]);
    part("oidc", &["--clients", &client.to_string(), "--users", &people.to_string()])
}

/// Starts the proxy with its example, listening on `port`.
fn proxy(kind: Kind, door: &Door, app: u16, port: u16) -> Process {
    let folder = door.folder().join(format!("{kind:?}-{port}"));
    fs::create_dir(&folder).unwrap();
    let number = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let (pages, calls) = (number(door.listener(0)), number(door.listener(1)));
    let put = |name: &str| {
        let text = published(&format!("outer/{name}"))
            .replace("app.example.com:8443", &format!("{HOST}:{port}"))
            .replace("app.example.com", HOST)
            .replace(":8443", &format!(":{port}"))
            .replace("listen 8443", &format!("listen 127.0.0.1:{port}"))
            .replace("port_value: 8443", &format!("port_value: {port}"))
            .replace("bind :", "bind 127.0.0.1:")
            .replace("0.0.0.0", "127.0.0.1")
            .replace("4180", &pages)
            .replace("4181", &calls)
            .replace("3000", &app.to_string())
            .replace("/etc/doorward", door.folder().to_str().unwrap())
            .replace("/etc/haproxy", folder.to_str().unwrap());
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    Process::start(&mut match kind {
        Kind::Nginx => nginx(&folder, &put("nginx.conf")),
        Kind::Caddy => caddy(&folder, &put("Caddyfile")),
        Kind::HaProxy => {
            put("doorward.lua");
            let mut haproxy = Command::new(program("haproxy"));
            haproxy.arg("-db").arg("-f").arg(put("haproxy.cfg"));
            haproxy
        }
        Kind::Traefik => {
            let mut traefik = Command::new(environment().join("bin/traefik"));
            let file = put("traefik-dynamic.yaml");
            traefik.args(["--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=WARN"]);
            traefik.arg(format!("--entrypoints.https.address=127.0.0.1:{port}"));
            traefik.arg(format!("--providers.file.filename={}", file.display()));
            traefik
        }
        Kind::Envoy => envoy(&put("envoy.yaml")),
        Kind::EnvoyGrpc => envoy(&put("envoy-grpc.yaml")),
    })
}

fn program(name: &str) -> PathBuf {
    let beside = Path::new("/usr/sbin").join(name);
    if beside.exists() { beside } else { name.into() }
}

/// What `tests/setup` installed.
fn environment() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/.venv-outer")
}

/// The example is one file of many that nginx includes.
fn nginx(folder: &Path, example: &Path) -> Command {
    let here = folder.display();
    let user = if uzers::get_effective_uid() == 0 { "user root;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {here}/{name};"));
    let whole = format!(
        "daemon off; master_process off; {user} pid {here}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{ access_log off; {} include {}; }}",
        temporary.join(" "),
        example.display()
    );
    fs::write(folder.join("whole.conf"), whole).unwrap();
    let mut nginx = Command::new(program("nginx"));
    nginx.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(folder.join("whole.conf"));
    nginx
}

fn caddy(folder: &Path, example: &Path) -> Command {
    let text = fs::read_to_string(example).unwrap();
    // The port is this test's by a UDP socket, which HTTP/3 would want for itself.
    let options = "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\tauto_https disable_redirects\n\tdefault_sni door.test\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n";
    fs::write(example, format!("{options}{text}")).unwrap();
    let mut caddy = Command::new("caddy");
    caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(example);
    caddy.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).env("HOME", folder);
    caddy
}

fn envoy(example: &Path) -> Command {
    let packages = fs::read_dir(environment().join("lib")).unwrap().next().unwrap().unwrap().path();
    let mut envoy = Command::new(packages.join("site-packages/envoy/_bin/envoy"));
    envoy.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "--config-path"]).arg(example);
    envoy
}

impl Estate {
    #[track_caller]
    pub(super) fn of(kind: Kind) -> Self {
        let site = Site::new();
        let (idp, app) = (provider(&site), part("echo", &[]));
        let door = door(&site, &idp, app.port());
        let proxy = proxy(kind, &door, app.port(), site.port);
        let mut estate = Self { kind, door, app, site, idp, proxy };
        eventually("the proxy forwards", || {
            assert!(!estate.proxy.has_ended(), "{kind:?}: {}", estate.proxy.said());
            (estate.ask("/public/ready", &[]).status == 200).then_some(())
        });
        estate.app.control("DELETE", "/requests");
        estate
    }

    /// Another one of the same proxy, before another application.
    #[track_caller]
    pub(super) fn beside(&self, app: u16) -> (Process, u16) {
        let port = free_port();
        let proxy = proxy(self.kind, &self.door, app, port);
        eventually("the second proxy is there", || {
            let url = format!("https://{HOST}:{port}/.doorward/session");
            let resolve = format!("{HOST}:{port}:127.0.0.1");
            (curl(&["--insecure", "--resolve", &resolve, &url]).status != 0).then_some(())
        });
        (proxy, port)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site.origin())
    }

    pub(super) fn person(&self) -> Person {
        Person::at(self.site.port)
    }

    /// What a program asks, through the proxy.
    #[track_caller]
    pub(super) fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        let resolve = format!("{HOST}:{}:127.0.0.1", self.site.port);
        let url = self.url(path);
        let mut all = vec!["--insecure", "--path-as-is", "--resolve", &resolve];
        all.extend(arguments);
        all.push(&url);
        curl(&all)
    }

    /// What the application was asked so far, and what it is asked from now on.
    #[track_caller]
    pub(super) fn arrived(&self) -> Vec<Value> {
        let requests = self.app.control("GET", "/requests").as_array().unwrap().clone();
        self.app.control("DELETE", "/requests");
        requests
    }

    /// A key with the role `viewer`.
    #[track_caller]
    pub(super) fn key(&self) -> String {
        let made = self.door.command(&["key", "create", "--name", "program", "--role", "viewer"]);
        made["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// How often the provider was asked.
    pub(super) fn asked_provider(&self) -> usize {
        self.idp.control("GET", "/requests").as_array().unwrap().len()
    }
}
