//! The program itself, over its standard input and output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use external_terms::{Atom, Encoder, Env, Heap, Term};

const HELLO: &[u8] = &[0, 0, 0, 8, 1, b'P', b'A', b'N', b'D', b'O', 0, 1];
const PART: usize = 64 * 1024;

struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    frames: Vec<Vec<u8>>,
}

impl Program {
    /// Started, and nothing said.
    fn silent() -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pando_port"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Program { child, input, output, frames: Vec::new() }
    }

    /// Started and greeted.
    fn start() -> Program {
        let mut program = Program::silent();
        program.packet(HELLO);
        let hello = program.frame().unwrap();
        assert_eq!(hello[..8], *b"\x01PANDO\0\x01");
        program
    }

    fn packet(&mut self, frames: &[u8]) {
        let input = self.input.as_mut().unwrap();
        // A program that has ended does not take it; its output says why.
        let _ = input.write_all(&(frames.len() as u32).to_be_bytes()).and_then(|()| input.write_all(frames));
    }

    fn call(
        &mut self,
        id: u64,
        flags: u8,
        function: &str,
        arguments: impl for<'a> FnOnce(Env<'a>) -> Vec<Term<'a>>,
    ) {
        let heap = Heap::default();
        let env = heap.env();
        let body = (Term::of_atom_text(env, function), arguments(env)).encode(env).to_binary().into_vec();
        let count = body.chunks(PART).count();
        for (index, part) in body.chunks(PART).enumerate() {
            let flags = flags | u8::from(index + 1 < count);
            let mut frame = (part.len() as u32 + 10).to_be_bytes().to_vec();
            frame.push(2);
            frame.extend_from_slice(&id.to_be_bytes());
            frame.push(flags);
            frame.extend_from_slice(part);
            self.packet(&frame);
        }
    }

    /// The next frame, without its size; `None` at the end of the output.
    fn frame(&mut self) -> Option<Vec<u8>> {
        while self.frames.is_empty() {
            let mut length = [0; 4];
            self.output.read_exact(&mut length).ok()?;
            let mut packet = vec![0; u32::from_be_bytes(length) as usize];
            self.output.read_exact(&mut packet).unwrap();
            let mut rest = packet.as_slice();
            while !rest.is_empty() {
                let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
                self.frames.push(rest[4..4 + size].to_vec());
                rest = &rest[4 + size..];
            }
        }
        Some(self.frames.remove(0))
    }

    /// Of the next frames of this kind and id all parts together, with the flags of the last one. Others are passed over.
    fn body(&mut self, kind: u8, id: u64) -> (u8, Vec<u8>) {
        let mut body = Vec::new();
        loop {
            let frame = self.frame().expect("the output has ended");
            if frame[0] == kind && frame[1..9] == id.to_be_bytes() {
                body.extend_from_slice(frame.get(10..).unwrap_or_default());
                let flags = frame.get(9).copied().unwrap_or_default();
                if flags & 1 == 0 {
                    return (flags, body);
                }
            }
        }
    }

    /// Ends its input; its exit status and the lines that it has logged last.
    fn end(mut self) -> (i32, String) {
        self.input = None;
        let mut logged = String::new();
        while let Some(frame) = self.frame() {
            if frame[0] == 6 {
                logged.push_str(std::str::from_utf8(&frame[2..]).unwrap());
            }
        }
        (self.child.wait().unwrap().code().unwrap(), logged)
    }

    fn open(&mut self, id: u64, directory: &Path) {
        let directory = directory.to_str().unwrap().to_owned();
        self.call(id, 0, "open", |env| {
            let birth = (Atom::of("found"), Term::from(bytes(env, &[7; 16]))).encode(env);
            vec![
                Atom::of("stock").to_term(env),
                "stock".encode(env),
                directory.encode(env),
                "a@b".encode(env),
                "a test".encode(env),
                birth,
                1u64.encode(env),
                Term::map_new(env),
            ]
        });
        assert_eq!(self.body(2, id).0, 2, "it lives on");
        // Events of the cluster may come first.
        while !self.body(3, id).1.windows(12).any(|window| window == b"pando_opened") {}
        assert!(self.get(id + 1_000_000, "status", None).starts_with(&[131, 104, 2, 119, 2, b'o', b'k']));
    }

    fn put(&mut self, id: u64, value: &[u8]) {
        self.call(id, 2, "submit", |env| {
            let path = vec!["wood"].encode(env);
            let none = Atom::of("none");
            let (data, one, keep) = (Atom::of("data"), Atom::of("one"), Atom::of("keep"));
            let request =
                (Atom::of("put"), path, data, Term::from(bytes(env, value)), one, keep, none).encode(env);
            // A reference, as OTP 25 writes it.
            let reference = reference(env);
            vec![Atom::of("stock").to_term(env), reference, request, true.encode(env)]
        });
    }

    fn get(&mut self, id: u64, function: &str, more: Option<u64>) -> Vec<u8> {
        self.call(id, 0, function, |env| {
            let path = vec!["wood"].encode(env);
            [
                Some(Atom::of("stock").to_term(env)),
                (function != "status").then_some(path),
                more.map(|number| number.encode(env)),
            ]
            .into_iter()
            .flatten()
            .collect()
        });
        let (flags, body) = self.body(2, id);
        assert_eq!(flags, 0);
        body
    }
}

fn bytes<'a>(env: Env<'a>, bytes: &[u8]) -> external_terms::NewBinary<'a> {
    let mut binary = external_terms::NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    binary
}

fn reference(env: Env<'_>) -> Term<'_> {
    let external = [&[131, 90, 0, 1, 119, 3][..], b"a@b", &[0, 0, 0, 1, 0, 0, 0, 9]].concat();
    Term::of_stored(env, &external).unwrap()
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("pando_port_{name}_{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn it_says_hello_first_and_ends_well_when_its_input_ends() {
    let program = Program::start();
    assert_eq!(program.end(), (0, String::new()));
}

#[test]
fn a_store_is_written_read_closed_by_the_end_of_input_and_there_again() {
    let directory = Directory::new("store");
    let mut program = Program::start();
    program.open(1, &directory.0);
    program.put(2, b"oak");
    let (_, reply) = program.body(3, 2);
    assert!(reply.ends_with(&[119, 2, b'o', b'k']), "{reply:?}");
    program.body(5, 2);
    let found = program.get(3, "get_data", None);
    assert!(found.ends_with(b"oak"), "{found:?}");
    assert_eq!(program.end().0, 0);
    let mut program = Program::start();
    program.open(1, &directory.0);
    assert!(program.get(2, "get_data", None).ends_with(b"oak"));
    assert_eq!(program.end().0, 0);
}

#[test]
fn a_program_that_is_told_to_ends_though_its_input_is_open() {
    let mut program = Program::start();
    program.packet(&[0, 0, 0, 1, 4]);
    assert!(program.frame().is_none());
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_payload_of_many_parts_goes_both_ways_while_others_are_answered() {
    let directory = Directory::new("large");
    let mut program = Program::start();
    program.open(1, &directory.0);
    let large: Vec<u8> = (0..5_000_000u32).map(|index| (index % 251) as u8).collect();
    program.put(2, &large);
    program.body(3, 2);
    program.call(3, 0, "read", |env| {
        vec![Atom::of("stock").to_term(env), vec!["wood"].encode(env), 1u64.encode(env)]
    });
    program.call(4, 0, "stores", |_| Vec::new());
    let (mut has_other, mut body) = (false, Vec::new());
    loop {
        let frame = program.frame().unwrap();
        if frame[0] == 2 && frame[8] == 4 {
            has_other = true;
        } else if frame[0] == 2 && frame[8] == 3 {
            body.extend_from_slice(&frame[10..]);
            if frame[9] & 1 == 0 {
                break;
            }
        }
    }
    if !has_other {
        program.body(2, 4);
    }
    assert!(body.windows(1_000).any(|window| window == &large[4_999_000..]));
    assert_eq!(program.end().0, 0);
}

#[test]
fn calls_that_are_wrong_are_answered_and_the_program_goes_on() {
    let mut program = Program::start();
    program.call(1, 0, "no_such_call", |_| Vec::new());
    assert_eq!(program.body(2, 1), (4, vec![131, 119, 5, b'u', b'n', b'd', b'e', b'f']));
    program.call(2, 0, "get_data", |env| vec![1u64.encode(env)]);
    assert_eq!(program.body(2, 2).0, 4);
    program.call(3, 0, "read", |env| vec![1u64.encode(env), 2u64.encode(env), 3u64.encode(env)]);
    assert_eq!(program.body(2, 3), (4, vec![131, 119, 6, b'b', b'a', b'd', b'a', b'r', b'g']));
    let malformed = [&[0, 0, 0, 13, 2][..], &4u64.to_be_bytes(), &[0, 131, 104, 9]].concat();
    program.packet(&malformed);
    assert_eq!(program.body(2, 4).0, 4);
    assert_eq!(program.end(), (0, String::new()));
}

#[test]
fn what_is_not_the_protocol_ends_the_program_with_a_reason() {
    let cases: [(&[u8], &str); 5] = [
        (&[0, 0, 0, 8, 1, b'P', b'A', b'N', b'D', b'O', 0, 2], "version 2"),
        (&[0, 0, 0, 9, 3, 0, 0, 0, 0, 0, 0, 0, 1], "no hello"),
        (&[0, 0, 0, 1, 77], "kind 77"),
        (b"garbage", "cut off"),
        (&[], "no hello"),
    ];
    for (packet, reason) in cases {
        let mut program = Program::silent();
        program.packet(packet);
        if packet.is_empty() {
            program.packet(&[0, 0, 0, 9, 3, 0, 0, 0, 0, 0, 0, 0, 1]);
        }
        let (status, logged) = program.end();
        assert_eq!(status, 3, "{packet:?}");
        assert!(logged.contains(reason), "{logged}");
    }
    let mut program = Program::silent();
    program.input.as_mut().unwrap().write_all(&[255; 8]).unwrap();
    let (status, logged) = program.end();
    assert!(status == 3 && logged.contains("longer than"), "{status} {logged}");
}
