//! `doorward demo`: the main job on the embedded default, with nothing else to start.
//!
//! Refuses to leave anything behind: a folder that was not named goes when the demo ends.

mod files;
mod guests;
mod sample;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::Exit;
use super::serve::blocking;
use crate::app::serve::{self, AccessLines, Ended, Sockets};
use files::{Folder, Wanted};
use guests::Guests;

/// Try Doorward: a sample application, a certificate, a person, an API key and a client, all made on the spot.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to listen with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where to listen without TLS, besides.
    #[arg(long, value_name = "ADDR")]
    plain: Option<SocketAddr>,
    /// Your own application instead of the sample.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Keep everything in this folder instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print one JSON line instead of the tour.
    #[arg(long)]
    json: bool,
}

/// Everything that was made, as `--json` prints it.
#[derive(serde::Serialize)]
struct Tour {
    url: String,
    plain_url: Option<String>,
    ca: PathBuf,
    #[serde(flatten)]
    guests: Guests,
    operations: String,
    config: PathBuf,
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        blocking(async { self.live().await.map_err(|error| serve::ServeError::Preparation(error.into())) })
    }

    async fn live(self) -> anyhow::Result<Ended> {
        let folder = Folder::open(self.folder)?;
        let (listen_socket, listen) = bind(self.listen)?;
        let plain = self.plain.map(bind).transpose()?;
        let (operations_socket, operations) = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let upstream = match self.upstream {
            Some(url) => url,
            None => format!("http://{}", sample::start().await.context("the sample application cannot start")?),
        };
        let url = format!("https://localhost:{}", listen.port());
        files::certificates(&folder, listen)?;
        files::secret_key(&folder)?;
        let plain_address = plain.as_ref().map(|(_, address)| *address);
        let wanted = Wanted { listen, plain: plain_address, operations, upstream: &upstream, public_url: &url };
        let config = files::configuration(&folder, &wanted)?;
        let tour = Tour {
            plain_url: plain_address.map(|address| format!("http://localhost:{}", address.port())),
            ca: folder.file("ca.pem"),
            guests: Box::pin(guests::invite(&folder, &config)).await?,
            operations: format!("http://{operations}"),
            config: config.clone(),
            url,
        };
        let listeners = std::iter::once(listen_socket).chain(plain.map(|(socket, _)| socket)).collect();
        let sockets = Sockets { listeners, operations: Some(operations_socket) };
        let json = self.json;
        let lines = if json { AccessLines::StandardError } else { AccessLines::StandardOutput };
        Ok(Box::pin(serve::serve(config, sockets, lines, |_| tour.tell(json))).await?)
    }
}

fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}; name another with --listen"))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

impl Tour {
    fn tell(&self, json: bool) {
        if json {
            println!("{}", serde_json::json!(self));
        } else {
            println!("{}", self.guide());
        }
    }

    fn guide(&self) -> String {
        let Self { url, ca, guests, operations, config, .. } = self;
        let (ca, config) = (ca.display(), config.display());
        let Guests { user, password, api_key, client_id, client_secret } = guests;
        let plain = self.plain_url.as_ref().map(|url| format!("\n  without TLS    {url}")).unwrap_or_default();
        format!(
            "\
Doorward stands in front of a sample application.

  open           {url}   (the certificate is self-made: accept it)
  sign in as     {user}
  password       {password}{plain}
  probes         {operations}/readyz
  configuration  {config}

A program calls with a key, or with a client id and secret:

  curl --cacert {ca} -H 'X-Api-Key: {api_key}' {url}/hello
  curl --cacert {ca} -u '{client_id}:{client_secret}' {url}/hello
  curl --cacert {ca} {url}/public/hello      # open to everybody
  curl --cacert {ca} {url}/hello             # 401
  curl --cacert {ca} -H 'X-Api-Key: {api_key}' {url}/admin/   # 403: the key is a viewer

Ctrl-C stops it."
        )
    }
}
