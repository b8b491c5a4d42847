//! The `doorward` command.

use std::process::ExitCode;

/// A request makes some hundred short-lived allocations; with the C library's allocator it costs a twelfth more (`bench/README.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward::cli::run()
}
