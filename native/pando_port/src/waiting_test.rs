#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::*;

#[test]
fn what_is_there_is_read_what_comes_late_is_waited_for_and_the_end_is_the_end() {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut waiting = Waiting(reader);
    writer.write_all(b"there").unwrap();
    let mut bytes = [0; 8];
    assert_eq!(waiting.read(&mut bytes).unwrap(), 5);
    let late = std::thread::spawn(move || {
        // Longer than it looks; whoever reads has gone over to waiting, or not: it gets the same.
        std::thread::sleep(Duration::from_micros(20 * LOOK_TIME_US));
        writer.write_all(b"late").unwrap();
    });
    assert_eq!(waiting.read(&mut bytes).unwrap(), 4);
    late.join().unwrap();
    assert_eq!(waiting.read(&mut bytes).unwrap(), 0);
}
