#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

/// Bytes before the body of a frame, at most: size, kind, id and flags.
const HEADER_SIZE_BYTES_MAX: usize = 4 + 1 + 8 + 1;

fn call_frame(id: u64, flags: u8, body: &[u8]) -> Vec<u8> {
    frame(CALL, &[&id.to_be_bytes(), &[flags], body])
}

fn read(packet: &[u8]) -> Vec<Result<Request<'_>, FrameError>> {
    Requests::of_packet(packet).collect()
}

#[test]
fn the_frames_of_a_packet_are_read_one_after_the_other() {
    let packet = [
        frame(HELLO, &[MAGIC, &[0, 1]]),
        call_frame(1, 0, b"one"),
        call_frame(2, MORE | QUIET, b"two"),
        frame(RELEASE, &[&7u64.to_be_bytes()]),
        frame(BYE, &[]),
    ]
    .concat();
    let expected = [
        Ok(Request::Hello { version: 1 }),
        Ok(Request::Call { id: 1, has_more: false, is_quiet: false, body: b"one" }),
        Ok(Request::Call { id: 2, has_more: true, is_quiet: true, body: b"two" }),
        Ok(Request::Release { id: 7 }),
        Ok(Request::Bye),
    ];
    assert_eq!(read(&packet), expected);
}

#[test]
fn a_packet_that_is_cut_off_anywhere_ends_in_one_error() {
    let first = call_frame(1, 0, b"one");
    let packet = [first.clone(), frame(RELEASE, &[&7u64.to_be_bytes()])].concat();
    for length in 1..packet.len() {
        let frames = read(&packet[..length]);
        let is_whole = length == first.len();
        assert_eq!(frames.last().unwrap().is_err(), !is_whole, "{length}");
        assert_eq!(frames.iter().filter(|frame| frame.is_err()).count(), usize::from(!is_whole));
    }
    assert_eq!(read(&[]), []);
}

#[test]
fn what_no_frame_can_be_is_named() {
    assert_eq!(read(&frame(9, &[])), [Err(FrameError::UnknownKind(9))]);
    assert_eq!(read(&call_frame(1, 4, b"")), [Err(FrameError::UnknownFlags(4))]);
    assert_eq!(read(&[0, 0, 0, 0]), [Err(FrameError::Truncated)]);
    assert_eq!(read(&frame(RELEASE, &[b"short"])), [Err(FrameError::Malformed)]);
    assert_eq!(read(&frame(BYE, &[b"x"])), [Err(FrameError::Malformed)]);
    assert_eq!(read(&frame(HELLO, &[b"PENDO\0\x01"])), [Err(FrameError::Malformed)]);
    assert_eq!(read(&frame(HELLO, &[b"PANDO\0"])), [Err(FrameError::Malformed)]);
    let long = vec![0; PART_SIZE_BYTES_MAX + 1];
    assert_eq!(read(&call_frame(1, 0, &long)), [Err(FrameError::PartTooLong(long.len()))]);
    assert!(read(&call_frame(1, 0, &long[1..]))[0].is_ok());
}

#[test]
fn a_hello_of_a_later_version_is_read_whatever_else_it_says() {
    assert_eq!(read(&frame(HELLO, &[MAGIC, &[0, 2], b"more"])), [Ok(Request::Hello { version: 2 })]);
}

#[test]
fn a_long_body_goes_in_parts_of_which_only_the_last_says_that_no_more_follow() {
    for size in [0, 1, PART_SIZE_BYTES_MAX, PART_SIZE_BYTES_MAX + 1, 3 * PART_SIZE_BYTES_MAX] {
        let body: Vec<u8> = (0..size).map(|index| index as u8).collect();
        let frames: Vec<Vec<u8>> = parts(Subject::Message { id: 3 }, &body).collect();
        let mut whole = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            assert!(frame.len() <= HEADER_SIZE_BYTES_MAX + PART_SIZE_BYTES_MAX);
            assert_eq!(frame[..4], (frame.len() as u32 - 4).to_be_bytes());
            assert_eq!(frame[4], MESSAGE);
            assert_eq!(frame[5..13], 3u64.to_be_bytes());
            assert_eq!(frame[13] == MORE, index + 1 < frames.len());
            whole.extend_from_slice(&frame[14..]);
        }
        assert_eq!(whole, body);
    }
}

#[test]
fn a_result_says_whether_its_call_lives_on_and_whether_it_failed() {
    let flags =
        |lives_on, is_raised| parts(Subject::Result { id: 1, lives_on, is_raised }, b"x").next().unwrap()[13];
    assert_eq!([flags(false, false), flags(true, false), flags(false, true)], [0, LIVES_ON, RAISED]);
}

#[test]
fn a_line_of_the_log_is_cut_off_between_characters() {
    let line = "ä".repeat(PART_SIZE_BYTES_MAX);
    let frame = log_frame(LogLevel::Warning, &line);
    assert_eq!(frame[4..6], [LOG, 2]);
    assert_eq!(std::str::from_utf8(&frame[6..]).unwrap().len(), PART_SIZE_BYTES_MAX);
}
