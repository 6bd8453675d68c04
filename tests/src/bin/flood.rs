//! `flood NAME [SIZE]` writes a capture that no honest network makes to standard output; without a name, the names.

use std::process::ExitCode;

use tcpflow_tests::flood::{FLOODS, Flood};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        for flood in FLOODS {
            println!("{} {}", flood.name, flood.size);
        }
        return ExitCode::SUCCESS;
    };
    let flood = Flood::named(&name);
    let size = words.next().map_or(flood.size, |size| size.parse().expect("a size"));
    match flood.write(size, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flood: {error}");
            ExitCode::FAILURE
        }
    }
}
