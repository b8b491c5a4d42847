//! What the application is told about who is calling.
//!
//! Refuses to leave a client's own header beside the door's.

use super::Making;
use crate::cli::migrate::oauth2_proxy::model::{Header, Source};
use crate::cli::migrate::oauth2_proxy::remark::Weight;
use crate::cli::migrate::oauth2_proxy::yaml::{Map, Node};

/// The headers of the preset, and the claim of each.
const PRESET: [(&str, &str); 4] = [
    ("X-Forwarded-User", "user"),
    ("X-Forwarded-Email", "email"),
    ("X-Forwarded-Groups", "groups"),
    ("X-Forwarded-Preferred-Username", "preferred_username"),
];

pub(super) fn identity(making: &mut Making<'_>) -> Map {
    let headers = making.model.request.clone();
    let says = |name: &str, claim: &str| headers.iter().any(|header| is(header, name, claim));
    let preset = PRESET.iter().all(|(name, claim)| says(name, claim) || (*claim == "email" && says("X-Forwarded-User", "email")));
    let (mut custom, mut map) = (Map::new(), Map::new());
    let (mut access, mut id) = (false, false);
    for header in &headers {
        if header.preserves {
            let why = "what a client sends under this name is always taken off";
            making.remark_at(Weight::Differs, &header.name, &header.origin, why);
        }
        let [source] = header.values.as_slice() else {
            if !header.values.is_empty() {
                making.remark_at(
                    Weight::Unsupported,
                    &header.name,
                    &header.origin,
                    "a header has one value: give the others names of their own",
                );
            }
            continue;
        };
        match source {
            Source::Secret(secret) => {
                let secret = making.keep_of(secret, &header.name, &header.origin, &header.name.to_ascii_lowercase());
                making.secret_headers.push((header.name.clone(), secret));
            }
            Source::Claim { basic: true, .. } => {
                let why = "HTTP Basic with each person's name is not made: the application finds it in X-Forwarded-User; `upstream.basic` signs in one for all";
                making.remark_at(Weight::Unsupported, &header.name, &header.origin, why);
            }
            Source::Claim { claim, prefix, .. } => {
                match (claim.as_str(), header.name.to_ascii_lowercase().as_str(), prefix.as_str()) {
                    ("access_token", "x-forwarded-access-token", "") => access = true,
                    ("id_token", "authorization", "Bearer ") => id = true,
                    (claim, ..) => match placeholder(making, claim) {
                        Some(_) if preset && claim != "user" && PRESET.iter().any(|(name, of)| is(header, name, of)) => {}
                        Some(filled) => drop(custom.set(&header.name, Node::from(format!("{prefix}{filled}")))),
                        None => {
                            let why = format!("`{claim}` is not given to the application under this name");
                            making.remark_at(Weight::Unsupported, &header.name, &header.origin, why);
                        }
                    },
                }
            }
        }
    }
    if making.model.settings.on("pass-basic-auth") && !making.model.settings.on("pass-user-headers") {
        making.remark(
            Weight::Needless,
            "pass-user-headers",
            "with `--pass-basic-auth`, which is on by default, it has no effect, as before",
        );
    }
    making.keeps |= access || id;
    map.set("presets", if preset { vec!["oauth2-proxy"] } else { Vec::new() });
    if access {
        map.set("access_token", true);
    }
    if id {
        map.set("id_token", true);
    }
    if !custom.is_empty() {
        map.set("custom", custom);
    }
    map
}

fn is(header: &Header, name: &str, claim: &str) -> bool {
    let says = |source: &Source| matches!(source, Source::Claim { claim: found, prefix, basic: false } if found == claim && prefix.is_empty());
    header.name.eq_ignore_ascii_case(name) && matches!(header.values.as_slice(), [source] if says(source))
}

/// What stands for a claim in a template.
fn placeholder(making: &mut Making<'_>, claim: &str) -> Option<&'static str> {
    match claim {
        "user" => {
            let provider = making.model.settings.text_or("provider", "google").to_owned();
            if matches!(provider.as_str(), "github" | "gitlab" | "bitbucket") {
                let why = format!(
                    "X-Forwarded-User was the person's login at `{provider}`, which may change hands, and is now what never does: their number there"
                );
                making.remark_of(Weight::Differs, "provider", None, why);
            }
            Some("{provider_subject}")
        }
        "email" => Some("{email}"),
        "groups" => Some("{groups}"),
        "preferred_username" => {
            let why = "X-Forwarded-Preferred-Username was what the provider says, and is the name by which the person signs in here: their e-mail address, \
                       unless somebody gave them another";
            making.remark_of(Weight::Differs, "", None, why);
            Some("{user_name}")
        }
        _ => None,
    }
}

/// What the answer to a proxy in front says.
pub(super) fn answers(making: &mut Making<'_>) {
    for header in making.model.response.clone() {
        let usual = ["x-auth-request-user", "x-auth-request-email", "x-auth-request-groups", "x-auth-request-preferred-username"];
        if usual.contains(&header.name.to_ascii_lowercase().as_str()) {
            let why = "the answer of `/oauth2/auth` has it; answers of the application do not, since browsers need not know it";
            making.remark_at(Weight::Differs, &header.name, &header.origin, why);
        } else {
            let why = "no answer has this header: let the proxy in front set what it needs from X-Auth-Request-*";
            making.remark_at(Weight::Unsupported, &header.name, &header.origin, why);
        }
    }
}
