//! Rebuilds when a migration is added, because the migrations are part of the binary, and tells the linker what a release is to look like.

use std::env;

#[expect(clippy::disallowed_methods, reason = "a build script has nothing but the environment")]
fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=layout/start.ld");
    if is_release_for_known_linker() {
        // Relative relocations in few bytes (glibc 2.36): they are all read at the start.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // What runs at the start side by side, so that the rest of the program is not taken in with it; see layout/make.
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/layout/start.ld");
    }
}

/// Where the toolchain links with the `lld` that it brings along. Whoever names another linker has it their way.
#[expect(clippy::disallowed_methods, reason = "a build script has nothing but the environment")]
fn is_release_for_known_linker() -> bool {
    let is = |name, value: &str| env::var(name).is_ok_and(|found| found == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let own = flags.contains("linker") || flags.contains("fuse-ld") || env::var_os("RUSTC_LINKER").is_some();
    is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && !own
}
