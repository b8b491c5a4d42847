//! Project Wycheproof's verdicts on signatures and keys.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::{Jws, KeySet, jws};

/// The corpus, or `None` with a message where it is not there.
fn corpus(file: &str) -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpora");
    let folder = PathBuf::from(option_env!("DOORWARD_CORPORA").unwrap_or(beside));
    let path = folder.join("jose/wycheproof/testvectors_v1").join(file);
    match std::fs::read(&path) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(error) => {
            eprintln!("not run: {}: {error}", path.display());
            None
        }
    }
}

/// What the policy here refuses though the mathematics is right: algorithms that are not taken, and a key used with another
/// algorithm than its own `alg` says (RFC 8725 §3.1).
fn refused_by_policy(jws: &str, keys: &[Value]) -> bool {
    if keys.iter().all(|key| key["kty"] == "oct") {
        return true;
    }
    let header = URL_SAFE_NO_PAD.decode(jws.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let name = header["alg"].as_str().unwrap();
    jws::algorithm(name).is_none() || keys.iter().all(|key| key["alg"].as_str().is_some_and(|own| own != name))
}

#[test]
fn wycheproof_signatures_and_keys_get_their_verdicts() {
    let (mut accepted, mut refused, mut by_policy) = (0, 0, 0);
    for file in ["json_web_signature_test.json", "json_web_key_test.json"] {
        let Some(vectors) = corpus(file) else { return };
        for group in vectors["testGroups"].as_array().unwrap() {
            let key = if group["public"].is_null() { &group["private"] } else { &group["public"] };
            let keys = key["keys"].as_array().cloned().unwrap_or_else(|| vec![key.clone()]);
            let set = KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes());
            for test in group["tests"].as_array().unwrap() {
                let jws = test["jws"].as_str().unwrap();
                let verdict = set.as_ref().ok().and_then(|set| Jws::parse(jws).ok()?.verify(set).ok());
                let expected = test["result"] == "valid";
                match (expected, verdict.is_some()) {
                    (true, true) => accepted += 1,
                    (false, false) => refused += 1,
                    (true, false) if refused_by_policy(jws, &keys) => by_policy += 1,
                    _ => panic!("{file} {}: {} should be {}", test["tcId"], test["comment"], test["result"]),
                }
            }
        }
    }
    assert!(accepted >= 30 && refused >= 300 && by_policy < 20, "{accepted} accepted, {refused} refused, {by_policy} by policy");
}
