//! The program `pando_port`: see the library of the same name.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pando_port::waiting::Waiting;

/// Pando's Erlang side takes this for "the two do not understand each other".
const EXIT_PROTOCOL: u8 = 3;
/// Not even a beginning was possible.
const EXIT_NO_START: u8 = 4;

fn main() -> ExitCode {
    // The VM decides when the program ends: by closing its input. A signal to the whole group, as from ^C in a shell or from
    // a service manager that stops the VM, must not close the store under an application that is still stopping.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::<AtomicBool>::default()) {
            eprintln!("pando_port: signal {signal} cannot be ignored: {error}");
        }
    }
    // Not `std::io::stdout()`: that looks for ends of lines.
    let (input, output) =
        match (std::io::stdin().as_fd().try_clone_to_owned(), std::io::stdout().as_fd().try_clone_to_owned())
        {
            (Ok(input), Ok(output)) => (File::from(input), File::from(output)),
            (Err(error), _) | (_, Err(error)) => {
                eprintln!("pando_port: no standard input or output: {error}");
                return ExitCode::from(EXIT_NO_START);
            }
        };
    match pando_port::program::run(Waiting(input), output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EXIT_PROTOCOL),
    }
}
