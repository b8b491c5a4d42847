//! The OpenAPI document: valid, complete, and what the door really does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::town::Town;

/// A program of the tests' Python packages.
fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/.venv/bin").join(name)
}

/// The paths and methods of the document.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()))).collect()
}

#[test]
fn the_document_is_valid_and_has_every_route_and_nothing_else() {
    let town = Town::new();
    let document = town.done(200, "GET", "/openapi.json", None);
    assert_eq!(document["openapi"], "3.1.0");
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let said: Value = serde_json::from_slice(&std::fs::read(&published).unwrap()).unwrap();
    assert!(said == document, "docs/openapi.json is not what is served; write this there:\n{document:#}");
    let file = town.door.folder().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let checked = Command::new(tool("openapi-spec-validator")).arg(&file).output().unwrap();
    let said = [checked.stdout, checked.stderr].concat();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&said));
    // A method that the document names is taken, one that it does not name is refused as such.
    let described = operations(&document);
    assert!(described.len() > 20, "{described:?}");
    let paths: BTreeSet<&String> = described.iter().map(|(path, _)| path).collect();
    for path in paths {
        let address = path.strip_prefix("/.doorward/api/v1").unwrap().replace("{id}", "00000000-0000-4000-8000-000000000000");
        let address = address.replace("{session}", "none").replace("{role}", "viewer");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let wrong = town.ask(&town.acme, method, &address, None).status == 405;
            assert_ne!(wrong, described.contains(&(path.clone(), method.to_owned())), "{method} {path}");
        }
    }
}

#[test]
fn what_a_fuzzer_makes_of_the_document_is_answered_as_it_says() {
    let town = Town::new();
    let key = format!("X-Api-Key: {}", town.acme);
    let run = Command::new(tool("schemathesis"))
        .current_dir(town.door.folder())
        .args(["run", &town.url("/openapi.json"), "-H", &key, "--phases", "examples,coverage,fuzzing", "--max-examples", "12"])
        .args(["--seed", "1", "--workers", "2", "--no-color", "--url", &format!("http://{}", town.door.listener(0))])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}
