//! The seeds of each target, and the inputs that fuzzing found and that are kept in `native/fuzz/found`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

use pando_fuzz::Outcome;
use pando_fuzz::targets::TARGETS;

#[test]
fn every_seed_is_read() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        for (number, seed) in seeds.iter().enumerate() {
            let outcome = std::panic::catch_unwind(|| (target.check)(seed));
            assert!(matches!(outcome, Ok(Outcome::Read)), "{} {number}: {outcome:?}", target.name);
        }
    }
}

#[test]
fn every_input_that_was_found_passes() {
    for target in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/found").join(target.name);
        let mut count = 0;
        for file in std::fs::read_dir(&directory).unwrap_or_else(|_| panic!("{}", directory.display())) {
            let path = file.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| (target.check)(&input));
            assert!(outcome.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 0, "{} has no input", target.name);
        println!("{}: {count} inputs", target.name);
    }
}
