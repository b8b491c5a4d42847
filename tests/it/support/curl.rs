//! curl, the client everybody has.

use std::process::Command;

use super::remains;

/// What curl got.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 where there was no answer.
    pub(crate) status: u16,
    /// Names in lower case, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What curl said where there was no answer.
    pub(crate) error: String,
}

/// Runs curl with these arguments.
#[track_caller]
pub(crate) fn curl(arguments: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "60", "--suppress-connect-headers"])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("curl: {error}"));
    let answer = Answer::read(&output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    remains::exchanged(arguments, &answer);
    answer
}

impl Answer {
    pub(super) fn read(mut bytes: &[u8], error: String) -> Self {
        let mut answer = Self { status: 0, headers: Vec::new(), body: Vec::new(), error };
        // Interim answers come first, each a head of its own.
        while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n").filter(|_| bytes.starts_with(b"HTTP/")) {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines = head.split("\r\n");
            answer.status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
            answer.headers = lines.filter_map(|line| line.split_once(": ").or_else(|| line.split_once(':'))).map(pair).collect();
            bytes = &bytes[end + 4..];
            if answer.status >= 200 {
                break;
            }
        }
        answer.body = bytes.to_vec();
        answer
    }

    /// The header's only value; fails if there are several.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "several {name}: {:?}", self.headers);
        values.first().copied()
    }

    /// Every value of the header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}, body: {}", self.text()))
    }
}

fn pair((name, value): (&str, &str)) -> (String, String) {
    (name.to_ascii_lowercase(), value.trim().to_owned())
}
