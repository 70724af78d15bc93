//! The `weighbridge` binary.

use std::process::ExitCode;

// lead: the allocator, chosen by measurement.

fn main() -> ExitCode {
    weighbridge::cli::main()
}
