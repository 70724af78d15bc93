//! The `weighbridge` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    weighbridge::cli::main()
}
