//! The demo's sample application: it shows what it received.
//!
//! Refuses to know anything of Doorward: it reads headers as any application behind the door would.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use maud::{DOCTYPE, Markup, html};

/// Serves the sample on a free loopback port until the runtime ends; says where.
pub(super) async fn start() -> std::io::Result<SocketAddr> {
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(socket, Router::new().fallback(show)).await {
            tracing::error!(%error, "the sample application ended");
        }
    });
    Ok(address)
}

async fn show(request: Request) -> Response {
    let received = Received::of(&request);
    let wants_html = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().windows(9).any(|window| window == b"text/html"));
    if wants_html {
        axum::response::Html(page(&received).into_string()).into_response()
    } else {
        axum::Json(received).into_response()
    }
}

/// What arrived, as the page and the JSON show it.
#[derive(serde::Serialize)]
struct Received {
    method: String,
    path: String,
    query: Option<String>,
    headers: BTreeMap<String, Vec<String>>,
}

impl Received {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers: headers(request.headers()),
        }
    }
}

fn headers(map: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in map {
        headers.entry(name.to_string()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    headers
}

fn page(received: &Received) -> Markup {
    let who = received.headers.get("x-forwarded-email").or_else(|| received.headers.get("x-forwarded-user"));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Sample application" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Sample application" }
                    @match who.and_then(|values| values.first()) {
                        Some(who) => p { "Hello, " strong { (who) } ". This is what the application received:" },
                        None => p { "Hello, whoever you are. This is what the application received:" },
                    }
                    p { code { (received.method) " " (received.path) @if let Some(query) = &received.query { "?" (query) } } }
                    table {
                        thead { tr { th scope="col" { "Header" } th scope="col" { "Value" } } }
                        tbody {
                            @for (name, values) in &received.headers {
                                @for value in values { tr { th scope="row" { (name) } td { (value) } } }
                            }
                        }
                    }
                    p { a href="/public/" { "/public/" } " · " a href="/" { "/" } " · " a href="/admin/" { "/admin/" } " · " a href="/.doorward/sign-out" { "Sign out" } }
                }
            }
        }
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; overflow-wrap: anywhere }
";
