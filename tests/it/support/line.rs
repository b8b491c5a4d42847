//! A request by hand on a connection that is open already: what is asked first of all when something else was answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{Answer, PATIENCE};

/// A connection for one request.
pub(crate) struct Line(TcpStream);

impl Line {
    #[track_caller]
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// The answer to a request with these header lines; a body has its length said.
    #[track_caller]
    pub(crate) fn ask(mut self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let lines: String = headers.iter().flat_map(|&line| [line, "\r\n"]).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\nContent-Length: {}\r\n{lines}\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).unwrap();
        Answer::read(&answer, String::new())
    }
}
