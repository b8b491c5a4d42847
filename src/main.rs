//! The `doorward` command.

use std::process::ExitCode;

/// A request makes some seventy short-lived allocations; the C library's allocator takes an eighth of its processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward::cli::run()
}
