//! The `weighbridge` binary.

use std::process::ExitCode;

/// By measurement (load-tests/results/0.1.0/allocator.md). `.cargo/config.toml` says how it is set.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    weighbridge::cli::main()
}
