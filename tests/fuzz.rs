//! The fuzz targets go on compiling, and hold for what they are given to begin with, for what they once found, and for a little at random.
//!
//! These are the files of `fuzz/fuzz_targets` themselves: where libFuzzer is not there to take a target, the macro makes a function of it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(unused_attributes, reason = "`no_main` is for the targets as programs of their own")]

extern crate self as libfuzzer_sys;

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

#[path = "../fuzz/fuzz_targets/decoders.rs"]
mod decoders;
#[path = "../fuzz/fuzz_targets/saml.rs"]
mod saml;
#[path = "../fuzz/fuzz_targets/scim.rs"]
mod scim;

/// A target's name and what it does with bytes.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 3] = [("decoders", decoders::hold), ("saml", saml::hold), ("scim", scim::hold)];

#[test]
fn every_seed_and_every_find_of_the_fuzz_targets_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, hold) in TARGETS {
        assert!(fs::read_to_string(folder.join("Cargo.toml")).unwrap().contains(&format!("fuzz_targets/{name}.rs")), "{name}");
        let seeds: Vec<_> = fs::read_dir(folder.join("seeds").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "{name}");
        for seed in seeds {
            hold(&fs::read(seed).unwrap());
        }
    }
    let files = fs::read_dir(folder.join("fuzz_targets")).unwrap().count();
    assert_eq!(files, TARGETS.len(), "each target is tried here");
}

#[test]
fn the_lock_of_the_fuzz_targets_knows_every_library_of_the_door() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let libraries = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let locked = lock.split("[[package]]").find(|package| package.contains("name = \"doorward\"\n")).unwrap();
    let names = libraries.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let missing: Vec<&str> = names.filter(|name| !locked.contains(&format!(" \"{name}"))).collect();
    assert!(missing.is_empty(), "{missing:?}: copy Cargo.lock to fuzz/ and run `cargo metadata` there");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_fuzz_targets_hold_for_bytes_at_random(bytes in vec(any::<u8>(), 0..200)) {
        for (_, hold) in TARGETS {
            hold(&bytes);
        }
    }
}

// Last, so that the targets find it by the path that they name.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        pub(crate) fn hold($bytes: &[u8]) $body
    };
}
