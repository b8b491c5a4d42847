//! A bare pingora proxy, as its users write one: the stock server, the stock TLS listener, no filter but the peer.
//! It refuses nothing and knows nobody, because it is the yardstick for what the engine alone costs.
use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;

struct Bare {
    upstream: std::net::SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, listen, upstream, cert, key] = &args[..] else {
        return Err("usage: bare-pingora LISTEN UPSTREAM CERT KEY".into());
    };
    let conf = ServerConf { threads: 1, ..Default::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Bare { upstream: upstream.parse()? });
    let mut tls = TlsSettings::intermediate(cert, key)?;
    tls.enable_h2();
    proxy.add_tls_with_settings(listen, None, tls);
    server.add_service(proxy);
    server.run_forever()
}
