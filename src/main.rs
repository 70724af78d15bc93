//! The `weighbridge` binary.

use std::process::ExitCode;

// The allocator is the system's, by measurement (load-tests/results/0.1.0/allocator.md): mimalloc took 2.7 times the
// memory for an idle stream and saved no CPU time that could be told from noise.

fn main() -> ExitCode {
    weighbridge::cli::main()
}
