//! Writes the seeds of a target into a directory: `cargo run -p pando_fuzz --example seeds -- TARGET DIRECTORY`.

use std::error::Error;
use std::path::PathBuf;

use pando_fuzz::targets::TARGETS;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: seeds TARGET DIRECTORY".into());
    };
    let target = TARGETS.iter().find(|target| target.name == name).ok_or("there is no such target")?;
    let directory = PathBuf::from(directory);
    std::fs::create_dir_all(&directory)?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(directory.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}
