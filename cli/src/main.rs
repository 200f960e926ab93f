//! The binary: reads the command line, sets up logging, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use tdferry_cli::cli::Cli;
use tdferry_cli::exit::Exit;
use tdferry_cli::output;

/// Rows are allocated on one thread and freed on another all the time, which the system's allocator answers by giving
/// memory back and asking for it again.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // a closed pipe is no reason to fail at showing help
            let _ = error.print();
            return if is_help { Exit::Complete } else { Exit::Usage }.into();
        }
    };
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(cli.run());
            // a native database call that never returns must not keep the process alive
            runtime.shutdown_background();
            exit.into()
        }
        Err(error) => {
            output::error(&format!("the runtime cannot be started: {error}"));
            Exit::Failed.into()
        }
    }
}
