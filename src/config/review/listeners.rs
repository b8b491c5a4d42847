//! Where Doorward listens.
//!
//! Refuses a front door that only redirects, and a certificate demanded without anybody to vouch for it.

use std::collections::HashMap;

use super::address;
use crate::config::listener::{ClientCertificateRule, Listener};
use crate::config::shown::shown;
use crate::config::{Config, Path, Problems};

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let at = Path::from("listeners");
    let mut seen: HashMap<&str, Path> = HashMap::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let path = at.item(index);
        listen_address(&path, &listener.address, &mut seen, problems);
        combination(&path, listener, problems);
    }
    if let Some(operations) = &config.operations {
        listen_address(&Path::from("operations"), &operations.address, &mut seen, problems);
    }
    if config.listeners.iter().all(|listener| listener.redirect) {
        problems.add(at, "every listener only redirects, so nothing is ever served", "add one with `tls`");
    }
    forward_auth(config, problems);
    let shown_certificates =
        config.listeners.iter().filter_map(|listener| listener.tls.as_ref()).any(|tls| tls.client_ca.is_some());
    if config.client_certificates.is_some() && !shown_certificates {
        problems.add(
            Path::from("client_certificates"),
            "no listener asks for client certificates",
            "set `client_ca` in the `tls` of a listener",
        );
    }
}

/// Whoever may ask has to be known, and has to be able to.
fn forward_auth(config: &Config, problems: &mut Problems) {
    let Some(typed) = config.forward_auth else { return };
    let path = Path::from("forward_auth");
    if config.trusted_proxies.is_empty() {
        problems.add(path.clone(), "nobody may ask for decisions", "name the proxy's network in `trusted_proxies`");
    }
    if typed.grpc && !config.listeners.iter().any(|listener| listener.h2c || listener.tls.is_some()) {
        problems.add(path.key("grpc"), "no listener speaks HTTP/2, which gRPC needs", "add one with `h2c: true` or `tls`");
    }
}

fn listen_address<'c>(path: &Path, address: &'c str, seen: &mut HashMap<&'c str, Path>, problems: &mut Problems) {
    let path = path.key("address");
    match address::unix_path(address) {
        Some(Err(what)) => problems.add(path.clone(), what, "write `unix:/run/doorward.sock`"),
        Some(Ok(_)) => {}
        None if address::is_socket_address(address) => {}
        None => {
            let message = format!("`{}` is not an address to listen on", shown(address));
            problems.add(
                path.clone(),
                message,
                "write `address:port` such as `0.0.0.0:8443` or `[::]:8443`, or `unix:/path/to/socket`",
            );
        }
    }
    let anything_free = address.ends_with(":0");
    if let (Some(first), false) = (seen.get(address), anything_free) {
        let message = format!("`{}` is already listened on", shown(address));
        problems.add(path.clone(), message, format!("`{first}` has it"));
    }
    seen.entry(address).or_insert(path);
}

fn combination(path: &Path, listener: &Listener, problems: &mut Problems) {
    if listener.redirect && listener.tls.is_some() {
        problems.add(path.key("redirect"), "a listener with `tls` serves, it does not redirect", "remove `tls` or `redirect`");
    }
    if listener.h2c && (listener.redirect || listener.tls.is_some()) {
        let hint = "with `tls` clients choose HTTP/2 themselves; one that redirects speaks HTTP/1.1";
        problems.add(path.key("h2c"), "this is for listeners without `tls` that serve", hint);
    }
    let Some(tls) = &listener.tls else { return };
    if tls.client_certificate == ClientCertificateRule::Required && tls.client_ca.is_none() {
        problems.add(
            path.key("tls").key("client_certificate"),
            "client certificates are required, but no authority is named that they come from",
            "set `client_ca`",
        );
    }
}
