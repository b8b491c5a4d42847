//! From what oauth2-proxy was told to a configuration of Doorward's, with a remark for each thing that differs.
//!
//! Refuses to pass an option over: what nothing here asked for is said to be not carried over.

mod access;
mod edge;
mod headers;
mod people;
mod provider;
mod sessions;
mod shape;

use std::time::Duration;

use super::known::{Fate, Part};
use super::model::Model;
use super::remark::{Remark, Weight};
use super::settings::{Kept, Settings};
use super::trouble::{Origin, Troubles};
use super::yaml::{Map, Node};

/// What whoever migrates says besides.
pub(super) struct Wishes {
    pub(super) public_url: Option<String>,
    pub(super) store: String,
    /// Where secrets that stood in clear are written to.
    pub(super) secrets: Option<std::path::PathBuf>,
}

/// What came of it.
pub(super) struct Translation {
    pub(super) document: Map,
    pub(super) remarks: Vec<Remark>,
    /// Files with secrets that are to be written: name and content.
    pub(super) files: Vec<(String, String)>,
}

/// The translation while it is made.
struct Making<'m> {
    model: &'m Model,
    wishes: &'m Wishes,
    troubles: &'m mut Troubles,
    remarks: Vec<Remark>,
    files: Vec<(String, String)>,
    /// Why people have to be invited.
    closed: Vec<String>,
    /// Whether something has to be kept that a cookie cannot hold.
    keeps: bool,
    /// Headers for the application that hold a secret.
    secret_headers: Vec<(String, Node)>,
}

/// Makes the configuration.
pub(super) fn translate(model: &Model, wishes: &Wishes, troubles: &mut Troubles) -> Translation {
    let mut making = Making {
        model,
        wishes,
        troubles,
        remarks: Vec::new(),
        files: Vec::new(),
        closed: Vec::new(),
        keeps: false,
        secret_headers: Vec::new(),
    };
    let document = making.document();
    making.rest();
    let Making { mut remarks, files, .. } = making;
    remarks.sort();
    remarks.dedup();
    Translation { document, remarks, files }
}

impl Making<'_> {
    fn document(&mut self) -> Map {
        let mut all = Map::new();
        let public_url = edge::public_url(self);
        let headers = headers::identity(self);
        headers::answers(self);
        let connections = self.connections();
        let bearer = sessions::bearer(self);
        let access = access::access(self, &people::groups(self));
        all.set("version", Node::Word("1".to_owned()));
        all.set("public_url", public_url.as_str());
        all.set("listeners", Node::List(edge::listeners(self)));
        edge::proxies(self, &mut all);
        edge::operations(self, &mut all);
        all.set("upstream", access.upstream);
        sessions::keeping(self, &mut all);
        all.set("connections", Node::List(connections));
        sessions::pages(self, &public_url, &mut all);
        if !bearer.is_empty() {
            all.set("bearer", Node::List(bearer));
            all.set("credentials", Map::one("forward", vec!["bearer"]))
                .say("The application gets the token as it came, as before.");
        }
        if !access.routes.is_empty() {
            all.set("routes", Node::List(access.routes));
        }
        all.set("identity_headers", headers);
        all.set("compatibility", Map::one("oauth2_proxy", edge::compatibility(self)));
        if !self.model.settings.on("request-logging") {
            all.set("logging", Map::one("access", false));
        }
        all
    }

    fn connections(&mut self) -> Vec<Map> {
        let mut all: Vec<Map> = provider::connection(self).into_iter().collect();
        if self.model.settings.text("htpasswd-file").is_some() {
            self.keeps = true;
            let why = "passwords are not taken over, because their hashes are of another kind: make each person with `doorward user create`; \
                       programs that sent them by HTTP Basic get a client (`doorward client create`)";
            self.remark(Weight::Differs, "htpasswd-file", why);
            if !self.list("htpasswd-user-group").is_empty() {
                let why = "give the people their groups with `doorward group`";
                self.remark(Weight::Unsupported, "htpasswd-user-group", why);
            }
            let mut map = Map::new();
            map.set("id", "local").set("password", Map::new());
            if !self.model.settings.on("display-htpasswd-form") {
                map.set("hidden", true);
            }
            all.push(map);
        }
        self.keeps |= !self.closed.is_empty();
        all
    }

    /// Options that nothing asked for.
    fn rest(&mut self) {
        let model = self.model;
        for (flag, file) in
            [("client-secret", "client-secret-file"), ("cookie-secret", "cookie-secret-file"), ("jwt-key", "jwt-key-file")]
        {
            if model.settings.said(flag).is_some() && model.settings.said(file).is_some() {
                self.remark(Weight::Needless, file, format!("`--{flag}` is given too, and counts"));
            }
        }
        for (known, set) in model.settings.iter() {
            if known.part == Part::Program && matches!(known.flag, "config" | "alpha-config") || !Settings::differs(known, set) {
                continue;
            }
            match known.fate {
                Fate::Needless(why) => self.remark_at(Weight::Needless, &set.name, &set.origin, why),
                Fate::Missing(instead) => self.remark_at(Weight::Unsupported, &set.name, &set.origin, instead),
                Fate::Read if model.settings.was_read(known.flag) => {}
                Fate::Read => {
                    self.remark_at(Weight::Unsupported, &set.name, &set.origin, "it has no effect together with the others");
                }
            }
        }
    }

    fn list(&self, flag: &'static str) -> Vec<String> {
        self.model.settings.list(flag).to_vec()
    }

    /// A remark about an option, where it was said.
    fn remark(&mut self, kind: Weight, flag: &'static str, text: impl Into<String>) {
        match self.model.settings.said(flag) {
            Some(set) => self.remark_at(kind, &set.name.clone(), &set.origin.clone(), text),
            None => self.remark_at(kind, flag, &Origin::Default, text),
        }
    }

    fn remark_at(&mut self, kind: Weight, option: &str, origin: &Origin, text: impl Into<String>) {
        self.remarks.push(Remark { kind, option: option.to_owned(), place: origin.to_string(), text: text.into() });
    }

    fn remark_of(&mut self, kind: Weight, option: &str, origin: Option<Origin>, text: impl Into<String>) {
        self.remark_at(kind, option, &origin.unwrap_or(Origin::Default), text);
    }

    fn trouble(&mut self, flag: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        let origin = self.model.settings.said(flag).map_or(Origin::Default, |set| set.origin.clone());
        self.troubles.add(&origin, message, hint);
    }

    /// A restriction that is not carried over lets nobody in but who is invited.
    fn close(&mut self, flag: &'static str, why: &str) {
        self.closed.push(why.to_owned());
        self.remark(
            Weight::Unsupported,
            flag,
            format!("{why} Until that is settled people have to be invited (`provision: invited`)."),
        );
    }

    /// A secret as it is kept from now on; `file` is its name where it is written into one.
    fn keep(&mut self, secret: &Kept, flag: &'static str, file: &str) -> Node {
        let said = self.model.settings.said(flag);
        let (name, origin) = said.map_or((flag.to_owned(), Origin::Default), |set| (set.name.clone(), set.origin.clone()));
        self.keep_of(secret, &name, &origin, file)
    }

    /// The same of what `option` said.
    fn keep_of(&mut self, secret: &Kept, option: &str, origin: &Origin, file: &str) -> Node {
        match secret {
            Kept::File(path) => Map::one("file", path.as_str()).into(),
            Kept::Variable { name, .. } => Map::one("env", name.as_str()).into(),
            Kept::Clear(text) => self.keep_clear(text, option, origin, file),
        }
    }

    fn keep_clear(&mut self, text: &str, option: &str, origin: &Origin, file: &str) -> Node {
        if let Some(folder) = &self.wishes.secrets {
            let path = folder.join(file).display().to_string();
            self.files.push((file.to_owned(), text.to_owned()));
            return Map::one("file", path).into();
        }
        let why = "it was written in clear, and is again: `--secrets FOLDER` writes it into a file, which `{ file: … }` names";
        self.remark_at(Weight::Secret, option, origin, why);
        text.into()
    }

    /// The address of somebody who is trusted to say who people are.
    fn encrypted(&mut self, flag: &'static str, address: String) -> String {
        let Ok(mut url) = url::Url::parse(&address) else { return address };
        if url.scheme() != "http" || crate::config::is_loopback(&url) || url.set_scheme("https").is_err() {
            return address;
        }
        self.remark(Weight::Differs, flag, "a provider is asked by HTTPS only: `https://` was written in the place of `http://`");
        let encrypted = url.to_string();
        if address.ends_with('/') { encrypted } else { encrypted.trim_end_matches('/').to_owned() }
    }
}

/// As Doorward writes it.
fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match (span.subsec_millis(), seconds) {
        (0, seconds) if seconds > 0 && seconds % 86400 == 0 => format!("{}d", seconds / 86400),
        (0, seconds) if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (0, seconds) if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (0, seconds) => format!("{seconds}s"),
        _ => format!("{}ms", span.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags;
    use super::super::known::{ALL, Kind, Known};
    use super::super::model;
    use super::*;

    /// The configuration and the remarks for a command line.
    fn made(words: &[&str]) -> (String, Vec<Remark>) {
        let usual = [
            "--client-id=an-id",
            "--email-domain=example.com",
            "--cookie-secret=0123456789abcdef0123456789abcdef",
            "--redirect-url=https://app.example.com/oauth2/callback",
            "--upstream=https://127.0.0.1:3000/",
        ];
        let words: Vec<String> = usual.iter().chain(words).map(|word| (*word).to_owned()).collect();
        let mut troubles = Troubles::default();
        let settings = flags::read(&words, &Origin::CommandLine, &mut troubles);
        let model = model::of_options(settings, &mut troubles);
        let wishes = Wishes { public_url: None, store: "sqlite:x".to_owned(), secrets: None };
        let translation = translate(&model, &wishes, &mut troubles);
        (translation.document.document(), translation.remarks)
    }

    /// Something that is not the default.
    fn sample(known: &Known) -> String {
        let flag = known.flag;
        match known.kind {
            Kind::On => format!("--{flag}=false"),
            Kind::Off => format!("--{flag}=true"),
            Kind::Number => format!("--{flag}=7"),
            Kind::Span => format!("--{flag}=77s"),
            Kind::List => match flag {
                "upstream" => "--upstream=http://127.0.0.1:7/seven/".to_owned(),
                "skip-auth-route" | "skip-auth-regex" | "api-route" => format!("--{flag}=^/seven$"),
                "trusted-proxy-ip" | "trusted-ip" => format!("--{flag}=10.7.0.0/16"),
                "extra-jwt-issuers" => format!("--{flag}=https://seven.example.com=seven"),
                _ => format!("--{flag}=seven.example.com"),
            },
            Kind::Text | Kind::Secret => match flag {
                "provider" => "--provider=github".to_owned(),
                "tls-min-version" => "--tls-min-version=TLS1.3".to_owned(),
                "redis-connection-url" => "--redis-connection-url=redis://seven:6379".to_owned(),
                "redirect-url" => "--redirect-url=https://seven.example.com/oauth2/callback".to_owned(),
                "http-address" | "https-address" | "metrics-address" | "metrics-secure-address" => {
                    format!("--{flag}=127.0.0.1:7777")
                }
                "session-store-type" => "--session-store-type=redis".to_owned(),
                "code-challenge-method" | "force-code-challenge-method" => format!("--{flag}=plain"),
                "custom-sign-in-logo" => "--custom-sign-in-logo=seven.svg".to_owned(),
                flag if flag.ends_with("-url") => format!("--{flag}=https://seven.example.com/seven"),
                flag if flag.ends_with("-path") || flag == "proxy-prefix" => format!("--{flag}=/seven"),
                _ => format!("--{flag}=0123456789abcdef0123456789abcdeg"),
            },
        }
    }

    /// Each option, given by itself in at least one setting where it means something, changes the configuration or is spoken of.
    #[test]
    fn no_option_is_passed_over_in_silence() {
        let issuer = "--oidc-issuer-url=https://login.example.com";
        let settings: [&[&str]; 8] = [
            &["--provider=oidc", issuer],
            &["--provider=oidc", issuer, "--skip-jwt-bearer-tokens", "--reverse-proxy", "--htpasswd-file=x"],
            &["--provider=oidc", issuer, "--session-store-type=redis", "--redis-connection-url=redis://six:6379"],
            &["--provider=oidc", issuer, "--tls-cert-file=a", "--tls-key-file=b"],
            &["--provider=github"],
            &["--provider=login.gov", "--jwt-key=k"],
            &["--provider=azure"],
            &["--provider=keycloak-oidc", issuer, "--provider-ca-file=ca.pem", "--basic-auth-password=x", "--set-basic-auth"],
        ];
        let before: Vec<_> = settings.iter().map(|words| made(words)).collect();
        for known in ALL.iter().filter(|known| matches!(known.part, Part::Core | Part::Legacy)) {
            let sample = sample(known);
            let noticed =
                settings.iter().zip(&before).any(|(words, before)| made(&[words, &[sample.as_str()][..]].concat()) != *before);
            assert!(noticed, "{sample}");
        }
    }
}
