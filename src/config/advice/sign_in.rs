//! What people should know about the ways to sign in before they rely on them.
//!
//! Refuses nothing: a day on which single sign-on does not work is still to come when the configuration is read.

use crate::config::connection::{Connection, Provision};
use crate::config::shown_address;
use crate::config::sign_in::RequireSso;
use crate::config::{Config, Path, Problems};
use crate::model::Domain;

pub(super) fn advise(config: &Config, advice: &mut Problems) {
    for (index, connection) in config.connections.iter().enumerate() {
        let path = Path::from("connections").item(index);
        look_of_issuer(connection, &path, advice);
        open_to_everybody(connection, path, advice);
    }
    required(config, advice);
}

/// An issuer that does not look as its provider's do was most likely copied from another page.
fn look_of_issuer(connection: &Connection, path: &Path, advice: &mut Problems) {
    let Some(oidc) = &connection.oidc else { return };
    let Some(protocol) = oidc.provider.as_ref().and_then(|provider| provider.protocol("oidc")) else { return };
    if !protocol.resembles(&oidc.issuer) {
        let patterns = protocol.issuer.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(" or ");
        let message = format!("`{}` does not look like this provider's issuer", shown_address(&oidc.issuer));
        advice.add(path.key("oidc").key("issuer"), message, format!("it looks like {patterns}"));
    }
}

/// A mailbox is easily had, and an account made by anybody who has one is seldom meant.
fn open_to_everybody(connection: &Connection, path: Path, advice: &mut Problems) {
    if connection.magic_link.is_some() && connection.provision == Provision::Jit && connection.domains.is_empty() {
        let hint = "name `domains`, or write `provision: invited` or `scim`";
        advice.add(path, "anybody with a mailbox can make an account here", hint);
    }
}

/// Where single sign-on is required: that it is there, and a way in on the day when it does not work.
fn required(config: &Config, advice: &mut Problems) {
    let at = Path::from("sign_in").key("require_sso");
    let sso: Vec<&Connection> = config.connections.iter().filter(|connection| connection.is_sso()).collect();
    let serves =
        |domain: &Domain| sso.iter().any(|connection| connection.domains.is_empty() || connection.domains.contains(domain));
    match &config.sign_in.require_sso {
        RequireSso::Everybody(true) if sso.is_empty() => {
            let hint = "a connection that is kept in the store may do it";
            advice.add(at.clone(), "everybody has to use single sign-on, and no connection here is single sign-on", hint);
        }
        RequireSso::Everybody(_) => {}
        RequireSso::Domains(domains) => {
            for (index, domain) in domains.iter().enumerate().filter(|(_, domain)| !serves(domain)) {
                let hint = "a connection that is kept in the store may have it";
                advice.add(at.item(index), format!("no single sign-on here is for `{domain}`"), hint);
            }
        }
    }
    let kept = config.sign_in.break_glass_file.as_ref().is_some_and(|file| file.exists());
    if config.sign_in.require_sso.is_required() && config.sign_in.break_glass.is_empty() && !kept {
        let hint =
            "name an administrator with a password in `sign_in.break_glass`, or make an account with `doorward user break-glass`";
        advice.add(at, "when single sign-on does not work, nobody can sign in to mend it", hint);
    }
}
