//! The list of threats tells the truth: every id once, every test that it names there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// How many classes of each letter there are.
const CLASSES: [(char, usize); 10] =
    [('F', 14), ('P', 9), ('H', 9), ('S', 14), ('J', 16), ('C', 9), ('M', 11), ('K', 8), ('D', 11), ('L', 9)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the list: id, attack, shown by.
fn rows() -> Vec<[String; 3]> {
    let text = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id") && !line.starts_with("| ---"));
    rows.map(|row| {
        let cells: Vec<String> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap()
    })
    .collect()
}

fn functions(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            functions(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let found = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned());
            names.extend(found);
        }
    }
}

#[test]
fn every_class_is_listed_once_and_in_order() {
    let expected: Vec<String> =
        CLASSES.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}"))).collect();
    let listed: Vec<String> = rows().into_iter().map(|[id, ..]| id).collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_test_that_the_list_names_exists() {
    let mut names = HashSet::new();
    functions(&root().join("src"), &mut names);
    functions(&root().join("tests"), &mut names);
    assert!(names.len() > 300, "the walk found too few functions to be believed");
    let mut shown = 0;
    let mut missing = Vec::new();
    for [id, _, by] in rows() {
        for name in by.split('`').skip(1).step_by(2) {
            shown += 1;
            if !names.contains(name) {
                missing.push(format!("{id}: {name}"));
            }
        }
    }
    assert!(shown > 50, "only {shown} tests are named");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
