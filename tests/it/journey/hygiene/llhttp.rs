//! The requests that llhttp, the parser of Node.js, is tested with: what its strict reading refuses is not forwarded either, and
//! what is forwarded is the request that it reads.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wire::{Over, Stage};

/// One of llhttp's cases.
struct Case {
    name: String,
    request: Vec<u8>,
    /// What llhttp says while it reads.
    events: String,
}

impl Case {
    /// Whether llhttp refuses it; it pauses on upgrades, which is no refusal.
    fn is_refused(&self) -> bool {
        self.events.lines().any(|event| event.contains(" error code=") && !event.contains("reason=\"Pause on "))
    }

    /// How many whole requests there are before the error.
    fn complete(&self) -> usize {
        self.events
            .lines()
            .take_while(|event| !event.contains(" error code="))
            .filter(|event| event.ends_with("message complete"))
            .count()
    }

    /// The first part of this kind.
    fn span(&self, kind: &str) -> String {
        let complete = format!(" {kind} complete");
        let events = self.events.lines().take_while(|event| !event.ends_with(&complete));
        events.filter_map(|event| event.split_once(&format!(" span[{kind}]=\""))?.1.strip_suffix('"')).collect()
    }
}

/// The cases that are for strict reading; `None` with a message where the corpus is not there.
fn cases() -> Option<Vec<Case>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpora");
    let folder = PathBuf::from(option_env!("DOORWARD_CORPORA").unwrap_or(beside)).join("http1/llhttp/request");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            eprintln!("not run: {}: {error}", folder.display());
            return None;
        }
    };
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        cases.extend(text.split("<!-- meta=").skip(1).filter_map(|block| case(&file, block)));
    }
    Some(cases)
}

/// A block of the form: what it is for `-->`, the request, the events.
fn case(file: &str, block: &str) -> Option<Case> {
    let (meta, rest) = block.split_once("-->").unwrap();
    let meta: serde_json::Value = serde_json::from_str(meta).unwrap();
    let (_, rest) = rest.split_once("```http\n").unwrap();
    let (request, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once("```log\n")?;
    let (events, _) = rest.split_once("```").unwrap();
    let name = format!("{file}: {}", request.lines().next().unwrap_or_default());
    (meta["type"] == "request").then(|| Case { name, request: written(request), events: events.to_owned() })
}

/// The bytes that a block stands for: line ends are CR LF unless written out. A host is added where there is none, because
/// nothing is forwarded without and the rest would not be looked at.
fn written(block: &str) -> Vec<u8> {
    let text = block.strip_suffix('\n').unwrap_or(block).replace("\\\n", "").replace('\n', "\r\n");
    let text = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\f", "\u{c}");
    let named = text.lines().any(|line| line.to_ascii_lowercase().starts_with("host:"));
    let text = if named { text } else { text.replacen(" HTTP/1.1\r\n", " HTTP/1.1\r\nHost: app.test\r\n", 1) };
    text.into_bytes()
}

/// What arrives at the application of this request.
fn arrived(stage: &Stage, case: &Case) -> String {
    stage.forget();
    let mut stream = stage.begin(Over::Plain, &case.request);
    // Until the door ends the connection, which a reset may do, too.
    let _ = stream.read_to_end(&mut Vec::new());
    stage.arrived()
}

#[test]
fn what_llhttp_refuses_is_not_forwarded_and_what_is_forwarded_is_what_it_reads() {
    let Some(cases) = cases() else { return };
    let (next, forwarded, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let run = || {
        let stage = Stage::set("limits: { header_timeout: 500ms, keep_alive: 200ms, body_timeout: 500ms }");
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let arrived = arrived(&stage, case);
            let requests = arrived.matches(" HTTP/1.1\r\n").count();
            let what = format!("{}\n{}\n{arrived}", case.name, case.request.escape_ascii());
            if case.is_refused() {
                refused.fetch_add(1, Ordering::Relaxed);
                assert!(requests <= case.complete(), "{what}");
            }
            if requests > 0 {
                forwarded.fetch_add(1, Ordering::Relaxed);
                let line = format!("{} {} HTTP/1.1\r\n", case.span("method"), case.span("url"));
                assert!(arrived.starts_with(&line), "{line:?}: {what}");
            }
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(run))));
    let (forwarded, refused) = (forwarded.into_inner(), refused.into_inner());
    assert!(
        cases.len() > 100 && refused > 30 && forwarded > 20,
        "{} cases, {refused} refused, {forwarded} forwarded",
        cases.len()
    );
}
