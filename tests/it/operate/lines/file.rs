//! JSON lines in a file: whose it is, what others may do with it, and when a new one is begun.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Way, event, events};

fn way(path: &Path, rotate: Value) -> Way {
    Way::open(json!({ "id": "disk", "file": { "path": path, "rotate": rotate } }))
}

/// The links in a file; fails if a line is not whole.
#[track_caller]
fn links(path: &Path) -> Vec<i64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["link"].as_i64().unwrap()).collect()
}

#[test]
fn a_file_is_its_owners_and_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    way(&path, json!({})).deliver(&events(1..=2));
    way(&path, json!({})).deliver(&events(3..=3));
    assert_eq!(links(&path), [1, 2, 3]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_was_moved_away_or_emptied_is_begun_again() {
    let folder = TempDir::new().unwrap();
    let (path, moved) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl-20261122"));
    let way = way(&path, json!({}));
    way.deliver(&events(1..=2));
    fs::rename(&path, &moved).unwrap();
    way.deliver(&events(3..=3));
    assert_eq!((links(&moved), links(&path)), (vec![1, 2], vec![3]));
    // logrotate's `copytruncate`.
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    way.deliver(&events(4..=4));
    assert_eq!(links(&path), [4]);
}

#[test]
fn half_a_line_of_a_crash_is_taken_away_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    way(&path, json!({})).deliver(&events(1..=2));
    File::options().append(true).open(&path).unwrap().write_all(br#"{"link":3,"who":"#).unwrap();
    way(&path, json!({})).deliver(&events(3..=4));
    assert_eq!(links(&path), [1, 2, 3, 4]);
    let letter = folder.path().join("letter.txt");
    fs::write(&letter, "no line of ours").unwrap();
    way(&letter, json!({})).deliver(&[event(1)]);
    assert!(fs::read_to_string(&letter).unwrap().starts_with("no line of ours"));
}

#[test]
fn a_full_file_makes_room_for_a_new_one_and_so_many_are_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let way = way(&path, json!({ "size": 65536, "keep": 2 }));
    let mut last = 0;
    for _ in 0..60 {
        let mut batch = events(last + 1..=last + 5);
        for event in &mut batch {
            event.body.insert("long".to_owned(), "x".repeat(1000).into());
        }
        way.deliver(&batch);
        last += 5;
    }
    let numbered = |number: u32| folder.path().join(format!("audit.jsonl.{number}"));
    let kept: Vec<i64> = [links(&numbered(2)), links(&numbered(1)), links(&path)].concat();
    assert_eq!(kept, (last + 1 - i64::try_from(kept.len()).unwrap()..=last).collect::<Vec<_>>(), "the newest, in order");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    for file in [numbered(1), numbered(2)] {
        let length = fs::metadata(file).unwrap().len();
        assert!((55_000..=65536).contains(&length), "{length}");
    }
}

#[test]
fn a_new_day_begins_a_new_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let way = way(&path, json!({ "age": "1d" }));
    way.deliver(&[event(1)]);
    way.deliver(&[event(2)]);
    let yesterday = SystemTime::UNIX_EPOCH
        + fs::metadata(&path).unwrap().modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap()
        - Duration::from_secs(24 * 3600);
    File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
    way.deliver(&[event(3)]);
    assert_eq!((links(&folder.path().join("audit.jsonl.1")), links(&path)), (vec![1, 2], vec![3]));
}

#[test]
fn what_is_no_file_or_has_no_folder_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("not-yet/audit.jsonl");
    let sent = way(&inner, json!({}));
    assert!(sent.waits(&[event(1)]).contains("No such file"));
    fs::create_dir(inner.parent().unwrap()).unwrap();
    sent.deliver(&[event(1)]);
    assert_eq!(links(&inner), [1]);
    assert!(way(folder.path(), json!({})).waits(&[event(2)]).contains("no regular file"));
}
