//! What a configuration that is not wrong may still be told: warnings of `check`.
//!
//! Refuses nothing; a warning that stops people would be an error that is sometimes wrong.

mod receivers;
mod sign_in;
mod tenants;
mod tokens;

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path as FilePath;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use url::Url;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::is_loopback;
use super::postgres::is_postgres;
use super::{Config, Path, Problems, SessionMode, SessionServer, Sources};
use crate::clock::Timestamp;
use crate::config::access::Mode;
use crate::config::connection::Connection;
use crate::crypto::Secret;

/// A certificate should be renewed by now: public authorities issue for 47 to 398 days and clients renew at a third of it.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 86400);

/// What people should know about `config` before they rely on it. `now` decides about certificates.
#[must_use]
pub fn advise(config: &Config, sources: &Sources, now: Timestamp) -> Problems {
    let mut advice = Problems::default();
    inline_secrets(config, sources, &mut advice);
    public_url(config, &mut advice);
    certificates(config, now, &mut advice);
    store(config, &mut advice);
    journal(config, &mut advice);
    unencrypted_sessions(config, &mut advice);
    sealed(config, &mut advice);
    storeless(config, &mut advice);
    for (index, network) in config.trusted_proxies.iter().enumerate().filter(|(_, network)| network.prefix_len() == 0) {
        let path = Path::from("trusted_proxies").item(index);
        advice.add(path, format!("`{network}` is everybody: anyone may claim any address"), "name the proxies' networks");
    }
    receivers::advise(config, &mut advice);
    sign_in::advise(config, &mut advice);
    tenants::advise(config, &mut advice);
    tokens::advise(config, &mut advice);
    for (index, route) in config.routes.iter().enumerate() {
        let path = Path::from("routes").item(index);
        if route.mode == Mode::Report {
            advice.add(path.key("mode"), "this route records what it would refuse, and lets it through", "`enforce` refuses");
        }
        if config.connections.is_empty() && (route.mfa || route.max_age.is_some()) {
            let hint = "only a signed-in person can meet it: configure `connections`";
            advice.add(path, "nobody can meet what this route asks for", hint);
        }
    }
    advice
}

fn inline_secrets(config: &Config, sources: &Sources, advice: &mut Problems) {
    let store = Path::from("store").key("url");
    let says_no_password = |url: &str| Url::parse(url).is_ok_and(|url| url.password().is_none());
    let open = config.store.as_ref().is_some_and(|store| says_no_password(store.url.expose()));
    let sessions = Path::from("store").key("sessions").key("url");
    let open_sessions = session_server(config).is_some_and(|server| says_no_password(server.url.expose()));
    let harmless = |path: &&Path| **path == store && open || **path == sessions && open_sessions || is_plain_server(config, path);
    for path in sources.inline_secrets().filter(|path| !harmless(path)) {
        let hint = "`{ file: path }` or `{ env: NAME }` keeps it out of backups and version control";
        advice.add(path.clone(), "this secret is written in the file itself", hint);
    }
}

fn session_server(config: &Config) -> Option<&SessionServer> {
    config.store.as_ref()?.sessions.as_ref()
}

/// Nobody on the way should see who is signed in, or write that they are.
fn unencrypted_sessions(config: &Config, advice: &mut Problems) {
    let Some(Ok(url)) = session_server(config).map(|server| Url::parse(server.url.expose())) else { return };
    // Not one of the web's schemes, so that an address is a name like any other.
    let here = is_loopback(&url) || url.host_str().and_then(|host| host.parse().ok()).is_some_and(|ip: IpAddr| ip.is_loopback());
    if matches!(url.scheme(), "redis" | "valkey") && !here {
        let path = Path::from("store").key("sessions").key("url");
        advice.add(path, "sessions travel unencrypted to their server", "write `rediss://…`");
    }
}

/// A mail server's address without a password.
fn is_plain_server(config: &Config, path: &Path) -> bool {
    let plain = |smtp: &Secret| !smtp.expose().contains('@');
    let of_connection = |(index, connection): (usize, &Connection)| {
        let typed = connection.magic_link.as_ref().and_then(|magic| magic.smtp.as_ref());
        *path == Path::from("connections").item(index).key("magic_link").key("smtp") && typed.is_some_and(plain)
    };
    *path == Path::from("mail").key("smtp") && config.mail.as_ref().is_some_and(|mail| plain(&mail.smtp))
        || config.connections.iter().enumerate().any(of_connection)
}

fn public_url(config: &Config, advice: &mut Problems) {
    let path = Path::from("public_url");
    let Ok(url) = Url::parse(&config.public_url) else { return };
    let encrypted = config.listeners.iter().any(|listener| listener.tls.is_some());
    if url.scheme() == "http" && !is_loopback(&url) {
        advice.add(
            path,
            "passwords, keys and sessions travel unencrypted",
            "write `https://…`; browsers refuse the session cookie otherwise",
        );
    } else if url.scheme() == "https" && !encrypted && config.trusted_proxies.is_empty() {
        let hint = "name the proxy that terminates TLS in `trusted_proxies`, or give a listener `tls`";
        advice.add(path, "no listener has TLS and no proxy is trusted, so every request looks unencrypted", hint);
    }
}

/// What sealed sessions cannot do, and what there is not where nothing is kept besides.
fn sealed(config: &Config, advice: &mut Problems) {
    if config.sessions.mode != SessionMode::Sealed {
        return;
    }
    if config.store.is_none() {
        let message = "without `store` there are no API keys, clients, local accounts, invitations, connections besides these, \
                       second factors of Doorward's own, or commands on any of them; the audit trail is the log; and a sign-out, a logout \
                       by the provider or an ended session is known to this process alone, until it stops";
        let hint = "`store` if any of these is needed; `sessions.absolute` is the longest that a session lives on after its end";
        advice.add(Path::root(), message, hint);
    }
    let message = "a sealed session can be listed, and ended from elsewhere, only by replicas that share its store";
    let hint = "`stored` if sign-outs, back-channel logout and deactivation have to reach every replica at once";
    advice.add(Path::from("sessions").key("mode"), message, hint);
}

/// What is lost or bound to one process where nothing is kept.
fn storeless(config: &Config, advice: &mut Problems) {
    if config.store.is_some() {
        return;
    }
    let audible = |level: &Targets| level.would_enable("audit", &Level::INFO);
    if config.logging.level.parse().is_ok_and(|level| !audible(&level)) {
        let path = Path::from("logging").key("level");
        let hint = "`info`, or `store`, which keeps it whatever is logged";
        advice.add(path, "the audit trail is lost: without `store` it is the log, and its lines are of level `info`", hint);
    }
    for (index, _) in config.connections.iter().enumerate().filter(|(_, connection)| connection.magic_link.is_some()) {
        let path = Path::from("connections").item(index).key("magic_link");
        let hint = "`store` if there is more than one replica, or if they restart";
        advice.add(path, "without `store` a mailed link or code works only at the replica that sent it, until that stops", hint);
    }
}

fn store(config: &Config, advice: &mut Problems) {
    let Some(store) = &config.store else { return };
    let Some(file) = store.url.expose().strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) else {
        return;
    };
    let file = FilePath::new(file.split_once('?').map_or(file, |(file, _)| file));
    let path = Path::from("store").key("url");
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(FilePath::new("."));
    if !folder.is_dir() {
        advice.add(
            path,
            format!("the folder `{}` does not exist", folder.display()),
            "make it, owned by the user doorward runs as",
        );
    } else if !writable(folder) || (file.exists() && !writable(file)) {
        advice.add(
            path,
            format!("`{}` cannot be written by this user", file.display()),
            "the folder must be writable too: SQLite keeps its log there",
        );
    }
}

/// Beside an embedded store events wait in a file without being told to.
fn journal(config: &Config, advice: &mut Problems) {
    let server = config.store.as_ref().is_some_and(|store| is_postgres(store.url.expose()));
    if server && config.audit.journal.is_none() {
        let what = "refusals and failed sign-ins wait in memory while the database is down, and are not recorded if the door is killed then";
        advice.add(Path::from("store").key("url"), what, "name a file on a disk of each replica's own in `audit.journal`");
    }
}

fn writable(path: &FilePath) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

fn certificates(config: &Config, now: Timestamp, advice: &mut Problems) {
    let mut uncovered = tenants::hosts(config);
    let mut read = false;
    for (index, listener) in config.listeners.iter().enumerate() {
        let at = Path::from("listeners").item(index).key("tls").key("certificates");
        for (place, files) in listener.tls.iter().flat_map(|tls| &tls.certificates).enumerate() {
            let path = at.item(place);
            readable_by_all(&files.key, path.key("key"), advice);
            let Ok(leaf) = CertificateDer::from_pem_file(&files.cert) else { continue };
            let Ok((_, leaf)) = X509Certificate::from_der(&leaf) else { continue };
            validity(&leaf, now, path.key("cert"), advice);
            uncovered.retain(|(_, host)| !names(&leaf, host));
            read = true;
        }
    }
    for (path, host) in uncovered.into_iter().filter(|_| read) {
        advice.add(path, format!("no certificate is for `{host}`"), "browsers will refuse the connection");
    }
}

fn validity(leaf: &X509Certificate<'_>, now: Timestamp, path: Path, advice: &mut Problems) {
    let end = Timestamp::from_seconds(leaf.validity().not_after.timestamp());
    let begin = Timestamp::from_seconds(leaf.validity().not_before.timestamp());
    if end <= now {
        advice.add(path, format!("this certificate expired at {end}"), "renew it; the file is taken over when it changes");
    } else if begin > now {
        advice.add(path, format!("this certificate is not valid before {begin}"), "look at this machine's clock too");
    } else if end <= now.after(EXPIRES_SOON) {
        let days = end.since(now).as_secs() / 86400;
        advice.add(
            path,
            format!("this certificate expires in {days} days, at {end}"),
            "renew it; the file is taken over when it changes",
        );
    }
}

/// RFC 6125 §6.4: by subjectAltName, with `*` for the leftmost label.
fn names(leaf: &X509Certificate<'_>, host: &url::Host) -> bool {
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else { return false };
    alternatives.value.general_names.iter().any(|name| match (name, host) {
        (GeneralName::DNSName(name), url::Host::Domain(host)) => {
            let name = name.to_ascii_lowercase();
            name == *host
                || name.strip_prefix("*.").is_some_and(|parent| host.split_once('.').is_some_and(|(_, rest)| rest == parent))
        }
        (GeneralName::IPAddress(bytes), url::Host::Ipv4(address)) => *bytes == address.octets(),
        (GeneralName::IPAddress(bytes), url::Host::Ipv6(address)) => *bytes == address.octets(),
        _ => false,
    })
}

fn readable_by_all(key: &FilePath, path: Path, advice: &mut Problems) {
    let Ok(about) = std::fs::metadata(key) else { return };
    if about.permissions().mode() & 0o004 != 0 {
        advice.add(path, format!("`{}` can be read by every user of this machine", key.display()), "`chmod 600` it");
    }
}
