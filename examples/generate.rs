//! Writes a fleet of any size into a folder: `cargo run --example generate -- 10000 DIR`.

#[path = "../tests/support/generate.rs"]
mod generate;

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(Ok(count)), Some(folder), None) = (
        args.first().map(|n| n.parse::<usize>()),
        args.get(1),
        args.get(2),
    ) else {
        eprintln!("usage: generate COUNT DIR");
        return std::process::ExitCode::from(2);
    };
    match generate::write(std::path::Path::new(folder), count) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{folder}: {fault}");
            std::process::ExitCode::from(2)
        }
    }
}
